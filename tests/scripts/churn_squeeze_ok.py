import torch
import torch.nn as nn
from torch.utils.data import DataLoader, TensorDataset


class ChurnModel(nn.Module):
    def __init__(self, num_numeric=6, categories=(4, 3)):
        super().__init__()
        self.embs = nn.ModuleList([nn.Embedding(c, 3) for c in categories])
        self.mlp = nn.Sequential(nn.Linear(num_numeric + 3 * len(categories), 24), nn.ReLU(), nn.Linear(24, 1))

    def forward(self, numeric, categorical):
        embedded = [emb(categorical[:, i]) for i, emb in enumerate(self.embs)]
        x = torch.cat([numeric, *embedded], dim=1)
        return self.mlp(x).squeeze(1)


def customers(n=65):
    numeric = torch.randn(n, 6)
    categorical = torch.stack([torch.randint(0, 4, (n,)), torch.randint(0, 3, (n,))], dim=1)
    churn = (numeric[:, 0] + 0.5 * categorical[:, 1] > 0.5).float()
    return TensorDataset(numeric, categorical, churn)


def train_epoch(model, loader, optimizer, criterion):
    model.train()
    for numeric, categorical, churn in loader:
        optimizer.zero_grad()
        logits = model(numeric, categorical)
        loss = criterion(logits, churn)
        loss.backward()
        optimizer.step()
    return loss.item()


def main():
    torch.manual_seed(0)
    loader = DataLoader(customers(), batch_size=16, shuffle=True)
    model = ChurnModel()
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
    criterion = nn.BCEWithLogitsLoss(pos_weight=torch.tensor(1.5))
    for epoch in range(4):
        print(epoch, train_epoch(model, loader, optimizer, criterion))


if __name__ == "__main__":
    main()
