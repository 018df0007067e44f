import torch
import torch.nn as nn
import torch.nn.functional as F
from torch.utils.data import TensorDataset, DataLoader


class IrisNet(nn.Module):
    def __init__(self, hidden_layers=(10, 10)):
        super().__init__()
        dims = [4, *hidden_layers, 3]
        self.layers = nn.ModuleList(nn.Linear(i, o) for i, o in zip(dims, dims[1:]))

    def forward(self, x):
        for i, layer in enumerate(self.layers):
            x = layer(x)
            if i < len(self.layers) - 1:
                x = F.relu(x)
        return F.log_softmax(x, dim=0)


def iris(n=90):
    species = torch.arange(n) % 3
    return torch.randn(3, 4)[species] * 2 + 0.4 * torch.randn(n, 4), species


def main():
    torch.manual_seed(0)
    X, y = iris()
    train_dl = DataLoader(TensorDataset(X, y), batch_size=15, shuffle=True)
    model = IrisNet()
    optimizer = torch.optim.Adam(model.parameters(), lr=0.02)
    history = {"loss": []}
    for epoch in range(5):
        for features, target in train_dl:
            optimizer.zero_grad()
            log_probs = model(features)
            loss = F.nll_loss(log_probs, target)
            loss.backward()
            optimizer.step()
            history["loss"].append(loss.item())
    print(history["loss"][:: 6])


if __name__ == "__main__":
    main()
