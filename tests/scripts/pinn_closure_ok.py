import torch
import torch.nn as nn


class PINN(nn.Module):
    """Damped oscillator u'' + 0.4 u' + 4 u = 0 from a few measurements."""

    def __init__(self):
        super().__init__()
        self.net = nn.Sequential(nn.Linear(1, 20), nn.Tanh(), nn.Linear(20, 20), nn.Tanh(), nn.Linear(20, 1))

    def forward(self, t):
        return self.net(t)


def residual(model, t):
    t = t.clone().requires_grad_(True)
    u = model(t)
    du = torch.autograd.grad(u.sum(), t, create_graph=True)[0]
    ddu = torch.autograd.grad(du.sum(), t, create_graph=True)[0]
    return ddu + 0.4 * du + 4 * u


torch.manual_seed(0)
model = PINN()
t_data = torch.linspace(0, 3, 15).unsqueeze(1)
u_data = torch.exp(-0.2 * t_data) * torch.cos(2 * t_data)
t_physics = torch.linspace(0, 4, 30).unsqueeze(1)
mse = nn.MSELoss()
optimizer = torch.optim.LBFGS(model.parameters(), lr=0.5, max_iter=6, line_search_fn="strong_wolfe")


def closure():
    optimizer.zero_grad()
    data_loss = mse(model(t_data), u_data)
    physics_loss = residual(model, t_physics).pow(2).mean()
    loss = data_loss + 1e-3 * physics_loss
    loss.backward()
    return loss


for epoch in range(4):
    value = optimizer.step(closure)
    print(epoch, value.item())
