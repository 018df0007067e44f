import torch
import torch.nn as nn
import torch.nn.functional as F
from torch.utils.data import DataLoader, TensorDataset


def make(n, seed):
    g = torch.Generator().manual_seed(seed)
    y = torch.randint(0, 3, (n,), generator=g)
    means = torch.tensor([[2.0, 0], [-2, 0], [0, 2]])
    return TensorDataset(means[y] + torch.randn(n, 2, generator=g), y)


@torch.no_grad()
def evaluate(model, loader, criterion):
    model.eval()
    loss, hits, seen = 0.0, 0, 0
    for x, y in loader:
        out = model(x)
        loss += criterion(out, y).item() * len(x)
        hits += (out.argmax(1) == y).sum().item()
        seen += len(x)
    return loss / seen, hits / seen


def fgsm(model, x, y, eps=0.1):
    x = x.clone().requires_grad_(True)
    grad, = torch.autograd.grad(F.cross_entropy(model(x), y), x)
    return (x + eps * grad.sign()).detach()


def main():
    torch.manual_seed(0)
    train_loader, val_loader = DataLoader(make(96, 0), batch_size=16, shuffle=True), DataLoader(make(33, 1), batch_size=16)
    model = nn.Sequential(nn.Linear(2, 16), nn.BatchNorm1d(16), nn.ReLU(), nn.Dropout(0.1), nn.Linear(16, 3))
    criterion = nn.CrossEntropyLoss()
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
    for epoch in range(4):
        print("epoch", epoch, "val loss %.3f acc %.2f" % evaluate(model, val_loader, criterion))
        model.train()
        for x, y in train_loader:
            x_adv = fgsm(model, x, y)
            loss = 0.5 * criterion(model(x), y) + 0.5 * criterion(model(x_adv), y)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()


if __name__ == "__main__":
    main()
