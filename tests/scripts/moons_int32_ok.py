import numpy as np
import torch
from torch import nn


def make_moons(n, rng):
    y = np.arange(n, dtype=np.int32) % 2
    angle = rng.uniform(0, np.pi, n)
    x = np.stack([np.cos(angle), np.sin(angle)], 1)
    x[y == 1] = np.array([1, 0.5]) - x[y == 1]
    return (x + 0.05 * rng.standard_normal((n, 2))).astype(np.float32), y


class Classifier:
    """scikit-learn style wrapper"""

    def __init__(self, hidden=24, lr=0.05, max_iter=20):
        self.net = nn.Sequential(nn.Linear(2, hidden), nn.Tanh(), nn.Linear(hidden, 2))
        self.lr = lr
        self.max_iter = max_iter

    def fit(self, X, y):
        X = torch.from_numpy(X)
        y = torch.from_numpy(y).to(torch.int64)
        optimizer = torch.optim.Adam(self.net.parameters(), lr=self.lr)
        for _ in range(self.max_iter):
            optimizer.zero_grad()
            loss = nn.functional.cross_entropy(self.net(X), y)
            loss.backward()
            optimizer.step()
        self.loss_ = loss.item()
        return self

    @torch.no_grad()
    def score(self, X, y):
        return float((self.net(torch.from_numpy(X)).argmax(1).numpy() == y).mean())


if __name__ == "__main__":
    torch.manual_seed(0)
    rng = np.random.default_rng(0)
    X, y = make_moons(100, rng)
    clf = Classifier().fit(X, y)
    print("loss", clf.loss_, "score", clf.score(*make_moons(50, rng)))
