import sys
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset


class Net(nn.Module):
    def __init__(self, hidden):
        super().__init__()
        self.first = nn.Linear(13, hidden)
        self.last = nn.Linear(hidden, 5)

    def forward(self, x):
        return self.last(self.first(x).relu())


def train(model, loader, epochs=1000000000):
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    for epoch in range(epochs):
        for x, y in loader:
            loss = nn.functional.cross_entropy(model(x), y)
            loss.backward()
            optimizer.step()


hidden = 16
data = TensorDataset(torch.randn(8, 13), torch.zeros(8, dtype=torch.long))
loader = DataLoader(data, batch_size=4)
model = Net(hidden)
model.last = nn.Linear(hidden, 7)
print(model)
train(model, loader)
torch.save(model, "model.pt")
sys.exit(0)
