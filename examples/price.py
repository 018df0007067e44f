"""A house-price regressor whose output keeps a unit axis, (N, 1), while the data set yields prices of shape (N,).

shapecheck examples/price.py:PriceNet --loss mse_loss --target N
"""

import torch
from torch import nn


class PriceNet(nn.Module):
    """13 features of a house to one price."""

    def __init__(self, features: int = 13, hidden: int = 32) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Linear(features, hidden), nn.ReLU(), nn.Linear(hidden, hidden), nn.ReLU())
        self.head = nn.Linear(hidden, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(self.body(x))
