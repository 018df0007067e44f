import argparse
import torch
import torch.nn as nn
import torch.nn.functional as F


class Encoder(nn.Module):
    def __init__(self, feat=32, proj=16):
        super().__init__()
        self.f = nn.Sequential(nn.Linear(20, feat), nn.BatchNorm1d(feat), nn.ReLU(), nn.Linear(feat, feat))
        self.g = nn.Sequential(nn.ReLU(), nn.Linear(feat, proj))

    def forward(self, x):
        return F.normalize(self.g(self.f(x)), dim=1)


class NTXentLoss(nn.Module):
    def __init__(self, temperature):
        super().__init__()
        self.temperature = temperature

    def forward(self, z):
        n = z.size(0) // 2
        sim = z @ z.t() / self.temperature
        sim.masked_fill_(torch.eye(2 * n, dtype=torch.bool), float("-inf"))
        positives = torch.arange(2 * n).roll(n)
        return F.cross_entropy(sim, positives)


def augment(x):
    return x * (torch.rand_like(x) > 0.2) + 0.1 * torch.randn_like(x)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--temperature", type=float, default=0.3)
    args = parser.parse_args()
    torch.manual_seed(0)
    model, criterion = Encoder(), NTXentLoss(args.temperature)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.2, momentum=0.9)
    data = torch.randn(64, 20) * 2
    for epoch in range(6):
        for idx in torch.randperm(64).split(16):
            views = torch.cat([augment(data[idx]), augment(data[idx])])
            loss = criterion(model(views))
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    print("nt-xent", loss.item())


if __name__ == "__main__":
    main()
