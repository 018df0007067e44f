import random

import torch
import torch.nn as nn
import torch.nn.functional as F


class Cutmix:
    def __init__(self, alpha=1.0, classes=5):
        self.beta, self.classes = torch.distributions.Beta(alpha, alpha), classes

    def mixup(self, x, y):
        lam = self.beta.sample()
        perm = torch.randperm(len(x))
        y = F.one_hot(y, self.classes).float()
        return lam * x + (1 - lam) * x[perm], lam * y + (1 - lam) * y[perm]

    def cutmix(self, x, y):
        lam = self.beta.sample().item()
        h = int(x.size(2) * (1 - lam) ** 0.5)
        perm = torch.randperm(len(x))
        x = x.clone()
        x[:, :, :h, :h] = x[perm, :, :h, :h]
        share = 1 - h * h / (x.size(2) * x.size(3))
        y = F.one_hot(y, self.classes).float()
        return x, share * y + (1 - share) * y[perm]


def net():
    return nn.Sequential(
        nn.Conv2d(3, 16, 3, padding=1), nn.BatchNorm2d(16), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(16, 24, 3, padding=1), nn.BatchNorm2d(24), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(24, 5))


def main():
    random.seed(0)
    torch.manual_seed(0)
    model, mix = net(), Cutmix()
    criterion = nn.CrossEntropyLoss()
    optimizer = torch.optim.AdamW(model.parameters(), lr=5e-3)
    colours = torch.randn(5, 3, 1, 1)
    for step in range(20):
        y = torch.randint(0, 5, (20,))
        x = colours[y] + 0.3 * torch.randn(20, 3, 12, 12)
        x, soft = mix.mixup(x, y) if random.random() < 0.5 else mix.cutmix(x, y)
        loss = criterion(model(x), soft)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    print("loss", loss.item())


if __name__ == "__main__":
    main()
