import torch
import torch.nn as nn
import torch.nn.functional as F


def depth_to_space(x, r):
    n, c, h, w = x.shape
    x = x.view(n, c // r ** 2, r, r, h, w)
    return x.permute(0, 1, 4, 2, 5, 3).reshape(n, c // r ** 2, h * r, w * r)


class ESPCN(nn.Module):
    def __init__(self, scale=2, width=16):
        super().__init__()
        self.scale = scale
        self.conv1 = nn.Conv2d(1, width, 5, padding=2)
        self.conv2 = nn.Conv2d(width, width, 3, padding=1)
        self.conv3 = nn.Conv2d(width, scale ** 2, 3, padding=1)

    def forward(self, low):
        x = torch.tanh(self.conv1(low))
        x = torch.tanh(self.conv2(x))
        return depth_to_space(self.conv3(x), self.scale)


def textures(n):
    u = torch.arange(20.0).view(1, 1, 20, 1)
    v = torch.arange(16.0).view(1, 1, 1, 16)
    f = torch.rand(n, 2, 1, 1)
    high = torch.sin(u * f[:, :1]) * torch.cos(v * f[:, 1:])
    return F.avg_pool2d(high, 2), high


if __name__ == "__main__":
    torch.manual_seed(0)
    net = ESPCN()
    optimizer = torch.optim.Adam(net.parameters(), lr=5e-3)
    for it in range(25):
        low, high = textures(6)
        loss = F.l1_loss(net(low), high)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        if it % 8 == 0:
            print(it, "psnr", (-10 * torch.log10(F.mse_loss(net(low).detach(), high))).item())
