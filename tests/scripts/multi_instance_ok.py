import torch
import torch.nn as nn


class AttentionMIL(nn.Module):
    def __init__(self, n_in=8, dim=16):
        super().__init__()
        self.feature = nn.Sequential(nn.Linear(n_in, dim), nn.ReLU())
        self.attention = nn.Sequential(nn.Linear(dim, 12), nn.Tanh(), nn.Linear(12, 1))
        self.classifier = nn.Linear(dim, 1)

    def forward(self, bag):
        h = self.feature(bag)
        a = torch.softmax(self.attention(h).transpose(0, 1), dim=1)
        return self.classifier(a @ h), a


def bags(n, g):
    for i in range(n):
        instances = torch.randn(int(torch.randint(4, 10, (), generator=g)), 8, generator=g)
        if i % 2:
            instances[0] += 2.5
        yield instances, torch.tensor(float(i % 2))


def main():
    torch.manual_seed(0)
    g = torch.Generator().manual_seed(0)
    model = AttentionMIL()
    criterion = nn.BCEWithLogitsLoss()
    optimizer = torch.optim.Adam(model.parameters(), lr=5e-3)
    for epoch in range(3):
        total = 0.0
        for bag, label in bags(24, g):
            logit, _ = model(bag)
            loss = criterion(logit, label.view(1, 1))
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            total += loss.item()
        print(epoch, total / 24)


if __name__ == "__main__":
    main()
