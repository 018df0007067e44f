import torch
from torch import nn
import torch.nn.functional as F


class BatchEnsemble(nn.Module):
    """One weight matrix, a rank-one vector per member."""

    def __init__(self, n_in=5, width=24, members=3):
        super().__init__()
        self.members = members
        self.r = nn.Parameter(1 + 0.3 * torch.randn(members, 1, n_in))
        self.shared = nn.Linear(n_in, width)
        self.out = nn.Linear(width, 1)

    def forward(self, x):
        return self.out(torch.tanh(self.shared(x * self.r)))


def batch(n=20):
    x = torch.randn(n, 5)
    return x, (x[:, :1] - x[:, 1:2] ** 2)


def main():
    torch.manual_seed(0)
    model = BatchEnsemble()
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
    for step in range(20):
        x, y = batch()
        members = model(x)
        loss = F.smooth_l1_loss(members, y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    print("loss", loss.item(), "mean prediction error", (model(x).mean(0) - y).abs().mean().item())


main()
