"""Networks whose inputs only their own file tells: it calls them at the end, and their docstrings describe them."""

from __future__ import annotations

import torch
from torch import nn


class Critic(nn.Module):
    """11 + 3 features, which nobody could guess apart."""

    def __init__(self):
        super().__init__()
        self.q = nn.Linear(14, 1)

    def forward(self, state, action):
        return self.q(torch.cat([state, action], 1))


class Traffic(nn.Module):
    """Sensors in time and the roads between them."""

    def __init__(self, feats=6, nodes=7):
        super().__init__()
        self.feats, self.nodes = feats, nodes
        self.w = nn.Parameter(torch.randn(feats * nodes, 3))

    def forward(self, x, adj):
        """
        Args:
            x: (B, T, nodes, feats), the history
            adj (torch.Tensor): [nodes, nodes]
        """
        return torch.einsum("btnf,nm->btmf", x, adj).mean(1).flatten(1) @ self.w


class Volume(nn.Module):
    """Only matrices of its own."""

    def __init__(self):
        super().__init__()
        self.w = nn.Parameter(torch.randn(3 * 4 * 4 * 5, 3))

    def forward(self, v, kernel, mode):
        assert mode in ("fast", "slow")
        v = v.permute(0, 2, 3, 4, 1)
        return (v.reshape(v.shape[0], -1) * kernel.sum()) @ self.w


class Summarised(nn.Module):
    """What is fed is told by a summary."""

    def __init__(self):
        super().__init__()
        self.w = nn.Parameter(torch.randn(2 * 9 * 9, 4))

    def forward(self, grid):
        a, b, c = grid.shape[1:]
        return grid.reshape(grid.shape[0], -1) @ self.w


class Tokens(nn.Module):
    """Whole numbers up to the limit that the call says."""

    def __init__(self):
        super().__init__()
        self.table = nn.Parameter(torch.randn(12, 5))

    def forward(self, ids, scale):
        return self.table[ids] * scale


class Masked(nn.Module):
    """Called with other sizes than it takes, and with an optional mask that takes part in what is tried next."""

    def __init__(self):
        super().__init__()
        self.head = nn.Linear(9, 4)

    def forward(self, x, mask=None):
        n, t, d = x.shape
        assert t > 4
        return self.head(x)


def build():
    return Volume()


def test():
    net = build().cuda()
    n = 2
    v, kernel = torch.randn(n, 3, 4, 4, 5), torch.zeros((2, 2, 2))
    print(net(v.cuda(), kernel, mode="fast").shape)


if __name__ == "__main__":
    from torchsummary import summary

    model = Critic().eval()
    print(model(torch.rand(1, 11), torch.rand(1, 3)).shape)
    grids = Summarised()
    summary(grids, (2, 9, 9), device="cpu")
    masked = Masked()
    masked(torch.randn(2, 3, 9), torch.ones(2, 3))
    tokens = Tokens()
    tokens(torch.randint(0, 12, (4, 7)), 2)
