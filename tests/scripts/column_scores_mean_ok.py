import numpy as np
import torch
from torch import nn


def credit(n, seed):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, 6)).astype("float32")
    y = (X[:, 0] - X[:, 1] + 0.3 * rng.normal(size=n) > 0).astype("float32")
    w = np.where(y > 0, 2.0, 1.0).astype("float32")
    return X, y, w


class LogisticGAM(nn.Module):
    def __init__(self, n_features=6, k=8):
        super().__init__()
        self.shapes = nn.ModuleList([nn.Sequential(nn.Linear(1, k), nn.ReLU(), nn.Linear(k, 1)) for _ in range(n_features)])

    def forward(self, x):
        return sum(f(x[:, i:i + 1]) for i, f in enumerate(self.shapes))


def main():
    torch.manual_seed(0)
    X, y, w = map(torch.from_numpy, credit(128, 0))
    model = LogisticGAM()
    loss_fn = nn.BCEWithLogitsLoss(reduction="none")
    optimizer = torch.optim.Adam(model.parameters(), lr=2e-2)
    for epoch in range(5):
        for idx in torch.randperm(len(X)).split(32):
            losses = loss_fn(model(X[idx]), y[idx, None])
            loss = (losses * w[idx, None]).mean()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        print(epoch, loss.item())


if __name__ == "__main__":
    main()
