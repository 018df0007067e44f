import torch
import torch.nn as nn
import torch.nn.functional as F
from torch.utils.data import DataLoader, TensorDataset


class GRUClassifier(nn.Module):
    def __init__(self, n_in=4, n_hidden=20, n_out=3):
        super().__init__()
        self.gru = nn.GRU(n_in, n_hidden, batch_first=True)
        self.out = nn.Linear(n_hidden, n_out)

    def forward(self, x):
        _, h = self.gru(x)
        return F.log_softmax(self.out(h[0]), dim=1)


def main():
    torch.manual_seed(0)
    y = torch.arange(72) % 3
    x = torch.randn(72, 13, 4) + (y - 1).view(72, 1, 1)
    model = GRUClassifier()
    criterion = nn.CrossEntropyLoss()
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
    for epoch in range(4):
        for xb, yb in DataLoader(TensorDataset(x, y), batch_size=18, shuffle=True):
            optimizer.zero_grad()
            loss = criterion(model(xb), yb)
            loss.backward()
            optimizer.step()
        print(epoch, loss.item())


if __name__ == "__main__":
    main()
