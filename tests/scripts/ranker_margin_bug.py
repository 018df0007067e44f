import torch
import torch.nn as nn


class Scorer(nn.Module):
    """Scores one query-document pair."""

    def __init__(self, n_features=7):
        super().__init__()
        self.f = nn.Sequential(nn.Linear(n_features, 20), nn.ELU(), nn.Linear(20, 1))

    def forward(self, features):
        return self.f(features)


class PairSampler:
    def __init__(self, seed):
        self.g = torch.Generator().manual_seed(seed)
        self.truth = torch.tensor([1.0, -1.0, 0.5, 0, 0, 2.0, 0])

    def __call__(self, n):
        left, right = torch.randn(2, n, 7, generator=self.g)
        order = torch.sign((left - right) @ self.truth)
        return left, right, order


def main():
    torch.manual_seed(0)
    sampler, model = PairSampler(0), Scorer()
    loss_fn = nn.MarginRankingLoss(margin=0.5)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    scheduler = torch.optim.lr_scheduler.ExponentialLR(optimizer, 0.97)
    for step in range(20):
        left, right, order = sampler(18)
        s1, s2 = model(left), model(right)
        loss = loss_fn(s1, s2, order)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        scheduler.step()
    print("hinge", loss.item())


if __name__ == "__main__":
    main()
