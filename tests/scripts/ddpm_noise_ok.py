import math
import torch
import torch.nn as nn
import torch.nn.functional as F

T = 50
betas = torch.linspace(1e-3, 0.1, T)
alphas_bar = torch.cumprod(1 - betas, dim=0)


class SinusoidalTime(nn.Module):
    def __init__(self, dim):
        super().__init__()
        self.dim = dim

    def forward(self, t):
        freqs = torch.exp(-math.log(1000.0) * torch.arange(self.dim // 2) / (self.dim // 2))
        args = t[:, None].float() * freqs[None]
        return torch.cat([args.sin(), args.cos()], dim=-1)


class EpsModel(nn.Module):
    def __init__(self, ch=16):
        super().__init__()
        self.time = nn.Sequential(SinusoidalTime(16), nn.Linear(16, ch))
        self.inp = nn.Conv2d(1, ch, 3, padding=1)
        self.mid = nn.Conv2d(ch, ch, 3, padding=1)
        self.out = nn.Conv2d(ch, 1, 3, padding=1)

    def forward(self, x, t):
        h = F.silu(self.inp(x) + self.time(t)[:, :, None, None])
        return self.out(F.silu(self.mid(h)) + h)


def p_losses(model, x0):
    t = torch.randint(0, T, (x0.size(0),))
    noise = torch.randn_like(x0)
    a = alphas_bar[t].view(-1, 1, 1, 1)
    xt = a.sqrt() * x0 + (1 - a).sqrt() * noise
    return F.mse_loss(model(xt, t), noise)


if __name__ == "__main__":
    torch.manual_seed(0)
    model = EpsModel()
    optimizer = torch.optim.Adam(model.parameters(), lr=5e-3)
    for step in range(25):
        x0 = torch.ones(16, 1, 8, 8) * torch.sign(torch.randn(16, 1, 1, 1))
        loss = p_losses(model, x0)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    print("eps mse", loss.item())
