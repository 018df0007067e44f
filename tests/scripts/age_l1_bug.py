import random

import torch
import torch.nn as nn


class AgeEstimator(nn.Module):
    """Age in decades from a face crop."""

    def __init__(self):
        super().__init__()
        self.stem = nn.Conv2d(1, 8, 3, stride=2, padding=1)
        self.block = nn.Sequential(nn.ReLU(), nn.Conv2d(8, 16, 3, stride=2, padding=1), nn.ReLU())
        self.pool = nn.AdaptiveMaxPool2d(2)
        self.regressor = nn.Linear(16 * 4, 1)

    def forward(self, image):
        h = self.pool(self.block(self.stem(image)))
        return self.regressor(h.flatten(start_dim=1)).squeeze(1)


def collate(samples):
    images = torch.stack([s["image"] for s in samples])
    ages = torch.tensor([[s["age"]] for s in samples])
    return images, ages


def faces(n):
    out = []
    for _ in range(n):
        age = random.uniform(1.0, 8.0)
        out.append({"image": torch.full((1, 17, 17), age / 4) + 0.2 * torch.randn(1, 17, 17), "age": age})
    return out


def main(epochs=4):
    random.seed(0)
    torch.manual_seed(0)
    loader = torch.utils.data.DataLoader(faces(72), batch_size=12, shuffle=True, collate_fn=collate)
    net = AgeEstimator()
    criterion = nn.L1Loss()
    optimizer = torch.optim.RMSprop(net.parameters(), lr=2e-3)
    scheduler = torch.optim.lr_scheduler.StepLR(optimizer, step_size=2, gamma=0.5)
    for epoch in range(epochs):
        for images, ages in loader:
            predicted = net(images)
            loss = criterion(predicted, ages)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        scheduler.step()
        print(epoch, loss.item())


if __name__ == "__main__":
    main()
