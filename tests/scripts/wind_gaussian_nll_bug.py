import math
import torch
import torch.nn as nn
import torch.nn.functional as F


class ProbabilisticNet(nn.Module):
    """mean and variance of the wind speed, heteroscedastic"""

    def __init__(self, n_in=5, width=24):
        super().__init__()
        self.shared = nn.Sequential(nn.Linear(n_in, width), nn.Softplus())
        self.mean = nn.Linear(width, 1)
        self.log_var = nn.Linear(width, 1)

    def forward(self, x):
        h = self.shared(x)
        return self.mean(h), self.log_var(h).exp()


def weather(n):
    x = torch.rand(n, 5)
    speed = 3 * torch.sin(math.pi * x[:, 0]) + x[:, 1] + (0.1 + 0.3 * x[:, 2]) * torch.randn(n)
    return x, speed


def main():
    torch.manual_seed(0)
    net = ProbabilisticNet()
    optimizer = torch.optim.Adam(net.parameters(), lr=1e-2)
    for epoch in range(20):
        x, speed = weather(40)
        mean, var = net(x)
        nll = F.gaussian_nll_loss(mean, speed, var, full=True)
        optimizer.zero_grad()
        nll.backward()
        optimizer.step()
        if epoch % 5 == 0:
            print(f"{epoch:3d} {nll.item():.4f}")


main()
