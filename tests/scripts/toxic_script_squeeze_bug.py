import torch
import torch.nn as nn


class CommentCNN(nn.Module):
    def __init__(self, vocab_size=80, widths=(2, 3, 4), filters=8):
        super().__init__()
        self.embed = nn.Embedding(vocab_size, 16)
        self.convs = nn.ModuleList([nn.Conv1d(16, filters, w) for w in widths])
        self.out = nn.Linear(filters * len(widths), 1)

    def forward(self, ids):
        x = self.embed(ids).transpose(1, 2)
        pooled = [torch.relu(conv(x)).amax(dim=2) for conv in self.convs]
        return torch.sigmoid(self.out(torch.cat(pooled, dim=1)))


class CommentDataset(torch.utils.data.Dataset):
    def __init__(self, n):
        g = torch.Generator().manual_seed(3)
        self.ids = torch.randint(0, 70, (n, 14), generator=g)
        self.toxic = torch.arange(n) % 2
        self.ids[self.toxic.bool(), 4:7] = 77

    def __getitem__(self, i):
        return {"ids": self.ids[i], "label": self.toxic[i].float()}

    def __len__(self):
        return len(self.ids)


def main():
    torch.manual_seed(3)
    loader = torch.utils.data.DataLoader(CommentDataset(31), batch_size=6, shuffle=True)
    model = CommentCNN()
    criterion = nn.BCELoss()
    optimizer = torch.optim.Adam(model.parameters(), lr=5e-3)
    for epoch in range(4):
        for batch in loader:
            probs = model(batch["ids"]).squeeze()
            loss = criterion(probs, batch["label"])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        print("epoch", epoch, "loss", round(loss.item(), 3))


if __name__ == "__main__":
    main()
