"""Probabilistic demand forecast with the quantile Huber loss."""
import torch
import torch.nn as nn
import torch.nn.functional as F

QUANTILES = torch.tensor([0.1, 0.25, 0.5, 0.75, 0.9])


class QuantileNet(nn.Module):
    def __init__(self, n_in=6, hidden=32):
        super().__init__()
        self.body = nn.Sequential(nn.Linear(n_in, hidden), nn.SiLU(), nn.Linear(hidden, hidden), nn.SiLU())
        self.quantiles = nn.Linear(hidden, len(QUANTILES))

    def forward(self, x):
        return self.quantiles(self.body(x))


def quantile_huber(pred, demand):
    demand = demand.unsqueeze(1)
    over = (demand < pred).float().detach()
    huber = F.huber_loss(pred, demand, reduction="none", delta=0.2)
    return ((QUANTILES - over).abs() * huber).sum(dim=1).mean()


def sample(n):
    x = torch.randn(n, 6)
    return x, x[:, 0] * 2 + x[:, 1].abs() * torch.randn(n)


def main():
    torch.manual_seed(0)
    net = QuantileNet()
    optimizer = torch.optim.Adam(net.parameters(), lr=5e-3)
    for step in range(25):
        x, demand = sample(48)
        loss = quantile_huber(net(x), demand)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    x, demand = sample(500)
    with torch.no_grad():
        covered = (demand.unsqueeze(1) < net(x)).float().mean(dim=0)
    print("coverage", [round(c, 2) for c in covered.tolist()])


if __name__ == "__main__":
    main()
