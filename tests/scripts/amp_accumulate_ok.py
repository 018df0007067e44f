import contextlib
import torch
import torch.nn as nn
from torch.utils.data import DataLoader, TensorDataset


class SEBlock(nn.Module):
    def __init__(self, c, r=4):
        super().__init__()
        self.fc = nn.Sequential(nn.Linear(c, c // r), nn.ReLU(), nn.Linear(c // r, c), nn.Sigmoid())

    def forward(self, x):
        return x * self.fc(x.mean(dim=(2, 3)))[:, :, None, None]


class SENet(nn.Module):
    def __init__(self, classes=4):
        super().__init__()
        self.conv = nn.Conv2d(3, 16, 3, padding=1)
        self.bn = nn.BatchNorm2d(16)
        self.se = SEBlock(16)
        self.fc = nn.Linear(16, classes)

    def forward(self, x):
        x = self.se(torch.relu(self.bn(self.conv(x))))
        return self.fc(x.mean(dim=(2, 3)))


def main(accumulation=4, epochs=3):
    torch.manual_seed(0)
    y = torch.arange(96) % 4
    x = torch.randn(96, 3, 10, 10) * 0.5 + torch.randn(4, 3, 1, 1)[y]
    loader = DataLoader(TensorDataset(x, y), batch_size=6, shuffle=True)
    model = SENet()
    criterion = nn.CrossEntropyLoss()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    scaler = torch.amp.GradScaler("cpu", init_scale=256.0)
    amp = True
    for epoch in range(epochs):
        optimizer.zero_grad(set_to_none=True)
        for i, (images, labels) in enumerate(loader):
            with torch.autocast("cpu", dtype=torch.bfloat16) if amp else contextlib.nullcontext():
                loss = criterion(model(images), labels) / accumulation
            scaler.scale(loss).backward()
            if (i + 1) % accumulation == 0:
                scaler.unscale_(optimizer)
                nn.utils.clip_grad_norm_(model.parameters(), 1.0)
                scaler.step(optimizer)
                scaler.update()
                optimizer.zero_grad(set_to_none=True)
        print(epoch, loss.item() * accumulation)


if __name__ == "__main__":
    main()
