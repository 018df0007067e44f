import torch
import torch.nn as nn
from torch.utils.data import DataLoader, TensorDataset

MEMBERS = 8


class EnsembleLinear(nn.Module):
    def __init__(self, members, n_in, n_out):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(members, n_in, n_out) / n_in ** 0.5)
        self.bias = nn.Parameter(torch.zeros(members, 1, n_out))

    def forward(self, x):  # x: (member, batch, n_in)
        return torch.baddbmm(self.bias, x, self.weight)


class Ensemble(nn.Module):
    def __init__(self, n_in):
        super().__init__()
        self.first, self.second = EnsembleLinear(MEMBERS, n_in, 16), EnsembleLinear(MEMBERS, 16, 1)

    def forward(self, x):
        x = x.unsqueeze(0).repeat(MEMBERS, 1, 1)
        return self.second(torch.relu(self.first(x))).squeeze(-1)


torch.manual_seed(0)
x = torch.rand(64, 3) * 2 - 1
y = (3 * x[:, 0]).sin() + x[:, 1]
loader = DataLoader(TensorDataset(x, y), batch_size=8, shuffle=True)
model = Ensemble(3)
criterion = nn.MSELoss()
optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
for epoch in range(4):
    for xb, yb in loader:
        predictions = model(xb)
        targets = yb.unsqueeze(0).expand(MEMBERS, -1)
        loss = MEMBERS * criterion(predictions, targets)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    with torch.no_grad():
        spread = model(x).std(dim=0).mean().item()
    print(epoch, loss.item(), "spread", spread)
