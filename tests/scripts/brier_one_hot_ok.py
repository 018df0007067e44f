import torch
import torch.nn as nn
import torch.nn.functional as F
from torch.utils.data import DataLoader, TensorDataset


class Calibrated(nn.Module):
    def __init__(self):
        super().__init__()
        self.net = nn.Sequential(nn.Linear(6, 24), nn.ReLU(), nn.Linear(24, 3), nn.Softmax(dim=-1))

    def forward(self, x):
        return self.net(x)


torch.manual_seed(0)
y = torch.arange(90) % 3
x = torch.randn(90, 6) + F.one_hot(y, 6) * 2.0
loader = DataLoader(TensorDataset(x, F.one_hot(y, 3).float()), batch_size=18, shuffle=True)
model = Calibrated()
brier = nn.MSELoss()
optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
for epoch in range(5):
    for xb, tb in loader:
        loss = brier(model(xb), tb)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    print(epoch, loss.item())
