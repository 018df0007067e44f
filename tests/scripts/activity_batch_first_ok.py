import torch
import torch.nn as nn
from torch.utils.data import DataLoader, TensorDataset


class HARModel(nn.Module):
    """Human activity from the phone's accelerometer."""

    def __init__(self, n_features=3, n_hidden=24, n_layers=2, n_classes=4):
        super().__init__()
        self.lstm = nn.LSTM(n_features, n_hidden, n_layers, dropout=0.1, batch_first=True)
        self.fc = nn.Linear(n_hidden, n_classes)

    def forward(self, x):
        out, _ = self.lstm(x)
        out = out[:, -1, :]
        return self.fc(out)


def windows(n=96, t=20):
    activity = torch.randint(0, 4, (n,))
    time = torch.arange(t) / 3.0
    x = torch.sin(time * (activity.view(n, 1) + 1)).unsqueeze(-1) * torch.tensor([1.0, 0.5, -0.5])
    return TensorDataset(x + 0.1 * torch.randn(n, t, 3), activity)


def evaluate(model, loader):
    model.eval()
    correct = total = 0
    with torch.no_grad():
        for x, y in loader:
            correct += (model(x).argmax(1) == y).sum().item()
            total += len(y)
    return correct / total


def main():
    torch.manual_seed(0)
    train, valid = DataLoader(windows(), batch_size=24, shuffle=True), DataLoader(windows(24), batch_size=24)
    model = HARModel()
    criterion = nn.CrossEntropyLoss()
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
    for epoch in range(5):
        model.train()
        for x, y in train:
            optimizer.zero_grad()
            loss = criterion(model(x), y)
            loss.backward()
            optimizer.step()
        print(epoch, loss.item(), evaluate(model, valid))


if __name__ == "__main__":
    main()
