"""Sleep staging: 5 consecutive 30 s epochs -> 5 stages (W, N1, N2, N3, REM)."""
import torch
import torch.nn as nn
from torch.utils.data import DataLoader, TensorDataset

STAGES = ["W", "N1", "N2", "N3", "REM"]
CONTEXT = 5


class SleepNet(nn.Module):
    def __init__(self, n_features=12, hidden=24):
        super().__init__()
        self.project = nn.Linear(n_features, hidden)
        self.rnn = nn.GRU(hidden, hidden, num_layers=1, batch_first=True, bidirectional=True)
        self.out = nn.Linear(2 * hidden, len(STAGES))

    def forward(self, x):
        h = torch.tanh(self.project(x))
        h, _ = self.rnn(h)
        return self.out(h)


def night(n):
    stages = torch.randint(0, len(STAGES), (n, CONTEXT))
    centers = torch.randn(len(STAGES), 12, generator=torch.Generator().manual_seed(5))
    return TensorDataset(centers[stages] + 0.3 * torch.randn(n, CONTEXT, 12), stages)


@torch.no_grad()
def accuracy(model, loader):
    model.eval()
    hits = [(model(x).argmax(-1) == y).float().mean() for x, y in loader]
    return torch.stack(hits).mean().item()


def main():
    torch.manual_seed(0)
    train_loader = DataLoader(night(128), batch_size=32, shuffle=True)
    test_loader = DataLoader(night(64), batch_size=64)
    model = SleepNet()
    criterion = nn.CrossEntropyLoss()
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    for epoch in range(5):
        model.train()
        for x, y in train_loader:
            optimizer.zero_grad()
            scores = model(x)
            loss = criterion(scores.transpose(1, 2), y)
            loss.backward()
            optimizer.step()
        print(f"epoch {epoch} loss {loss.item():.3f} acc {accuracy(model, test_loader):.2f}")


if __name__ == "__main__":
    main()
