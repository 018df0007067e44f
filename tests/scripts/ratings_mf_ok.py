import random

import torch
from torch import nn
from torch.utils.data import DataLoader


class MF(nn.Module):
    def __init__(self, users, items, factors=6, mean=3.5):
        super().__init__()
        self.P, self.Q = nn.Embedding(users, factors), nn.Embedding(items, factors)
        self.bu, self.bi = nn.Embedding(users, 1), nn.Embedding(items, 1)
        for e in (self.P, self.Q, self.bu, self.bi):
            nn.init.normal_(e.weight, std=0.1)
        self.mean = mean

    def forward(self, u, i):
        dot = (self.P(u) * self.Q(i)).sum(dim=1)
        return self.mean + dot + self.bu(u).squeeze(1) + self.bi(i).squeeze(1)


def ratings(n=161):
    rnd = random.Random(0)
    rows = []
    for _ in range(n):
        u, i = rnd.randrange(20), rnd.randrange(15)
        rows.append((u, i, 1.0 + (u + i) % 5))
    return rows


def main():
    torch.manual_seed(0)
    loader = DataLoader(ratings(), batch_size=32, shuffle=True)
    model = MF(20, 15)
    optimizer = torch.optim.Adam(model.parameters(), lr=0.05, weight_decay=1e-5)
    criterion = nn.MSELoss()
    for epoch in range(6):
        for u, i, r in loader:
            loss = criterion(model(u, i), r.float())
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        print(epoch, loss.item())


if __name__ == "__main__":
    main()
