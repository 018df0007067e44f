import torch
import torch.nn as nn
import torch.nn.functional as F


class SetRegressor(nn.Module):
    """Predicts the sum of a set of numbers (permutation invariant)."""

    def __init__(self, dim=24, heads=2):
        super().__init__()
        self.lift = nn.Linear(1, dim)
        self.mha = nn.MultiheadAttention(dim, heads)
        self.norm = nn.LayerNorm(dim)
        self.out = nn.Sequential(nn.Linear(dim, dim), nn.ReLU(), nn.Linear(dim, 1))

    def forward(self, sets):
        batch, items = sets.shape
        x = self.lift(sets.unsqueeze(-1)).permute(1, 0, 2)
        att, _ = self.mha(x, x, x, need_weights=False)
        x = self.norm(x + att)
        pooled = x.sum(dim=0)
        return self.out(pooled)


class EMA:
    def __init__(self, model, decay=0.9):
        self.decay = decay
        self.shadow = {k: v.detach().clone() for k, v in model.state_dict().items()}

    def update(self, model):
        for k, v in model.state_dict().items():
            self.shadow[k].lerp_(v.detach(), 1 - self.decay)


torch.manual_seed(0)
model = SetRegressor()
ema = EMA(model)
opt = torch.optim.Adam(model.parameters(), lr=3e-3)
for step in range(25):
    sets = torch.rand(20, 7)
    target = sets.sum(dim=1, keepdim=True)
    loss = F.mse_loss(model(sets), target)
    opt.zero_grad()
    loss.backward()
    opt.step()
    ema.update(model)
print("mse", loss.item())
