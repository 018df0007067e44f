from typing import NamedTuple

import torch
from torch import Tensor, nn


class Prediction(NamedTuple):
    mean: Tensor
    var: Tensor


class PoseNet(nn.Module):
    def __init__(self, landmarks: int = 10) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Linear(2 * landmarks, 32), nn.ReLU(), nn.Linear(32, 32), nn.ReLU())
        self.angles = nn.Linear(32, 3)
        self.spread = nn.Linear(32, 1)

    def forward(self, points: Tensor) -> Prediction:
        h = self.body(points.flatten(1))
        var = nn.functional.softplus(self.spread(h)) + 1e-4
        return Prediction(self.angles(h), var.squeeze(-1))


def heads(n: int) -> tuple[Tensor, Tensor]:
    angles = torch.rand(n, 3) * 2 - 1
    lift = torch.randn(3, 20, generator=torch.Generator().manual_seed(0))
    return (angles @ lift).view(n, 10, 2) + 0.05 * torch.randn(n, 10, 2), angles


def main() -> None:
    torch.manual_seed(0)
    model = PoseNet()
    criterion = nn.GaussianNLLLoss()
    optimizer = torch.optim.Adam(model.parameters(), lr=5e-3)
    for _ in range(15):
        points, angles = heads(22)
        out = model(points)
        loss = criterion(out.mean, angles, out.var)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    print(f"{loss.item():.4f}")


if __name__ == "__main__":
    main()
