import copy

import torch
import torch.nn as nn
import torch.nn.functional as F


def mlp(a, h, b):
    return nn.Sequential(nn.Linear(a, h), nn.BatchNorm1d(h), nn.ReLU(), nn.Linear(h, b))


class BYOL(nn.Module):
    def __init__(self, dim=16, out=16, tau=0.95):
        super().__init__()
        self.online = mlp(dim, 32, out)
        self.predictor = mlp(out, 24, out)
        self.target = copy.deepcopy(self.online).requires_grad_(False)
        self.tau = tau

    @torch.no_grad()
    def update(self):
        for t, o in zip(self.target.parameters(), self.online.parameters()):
            t.mul_(self.tau).add_(o, alpha=1 - self.tau)

    def regress(self, a, b):
        p = F.normalize(self.predictor(self.online(a)), dim=1)
        with torch.no_grad():
            z = F.normalize(self.target(b), dim=1)
        return F.mse_loss(p, z, reduction="none").sum(dim=1)

    def forward(self, a, b):
        return (self.regress(a, b) + self.regress(b, a)).mean()


torch.manual_seed(0)
model = BYOL()
optimizer = torch.optim.Adam([p for p in model.parameters() if p.requires_grad], lr=3e-3)
base = torch.randn(16, 16)
for step in range(25):
    x = base[torch.randperm(16)]
    loss = model(x + 0.2 * torch.randn_like(x), x + 0.2 * torch.randn_like(x))
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    model.update()
print("byol", loss.item())
