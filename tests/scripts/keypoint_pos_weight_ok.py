import torch
import torch.nn as nn

PARTS = 4


class Heatmaps(nn.Module):
    def __init__(self, width=12):
        super().__init__()
        self.a = nn.Conv2d(1, width, 3, padding=1)
        self.b = nn.Conv2d(width, width, 3, padding=2, dilation=2)
        self.c = nn.Conv2d(width, PARTS, 1)

    def forward(self, x):
        x = torch.relu(self.a(x))
        return self.c(torch.relu(self.b(x)) + x)


def animals(n, h=9, w=13):
    maps = torch.zeros(n, PARTS, h, w)
    for i in range(n):
        for k in range(PARTS):
            r, c = int(torch.randint(0, h - 1, ())), int(torch.randint(0, w - 2, ()))
            maps[i, k, r:r + 2, c:c + 2] = 1
    shades = torch.tensor([1.0, 2.0, -1.0, -2.0]).view(1, PARTS, 1, 1)
    return (maps * shades).sum(1, keepdim=True) + 0.1 * torch.randn(n, 1, h, w), maps


class Trainer:
    def __init__(self, model, pos_weight):
        self.model = model
        self.opt = torch.optim.Adam(model.parameters(), lr=1e-2)
        self.criterion = nn.BCEWithLogitsLoss(pos_weight=pos_weight)

    def train_step(self, image, maps):
        self.model.train()
        prediction = self.model(image)
        loss = self.criterion(prediction, maps)
        self.opt.zero_grad()
        loss.backward()
        self.opt.step()
        return float(loss.detach())


def main():
    torch.manual_seed(0)
    _, maps = animals(20)
    rate = maps.mean(dim=(0, 2, 3))
    trainer = Trainer(Heatmaps(), pos_weight=((1 - rate) / rate).view(PARTS, 1, 1))
    for step in range(12):
        value = trainer.train_step(*animals(6))
    print("loss", value)


if __name__ == "__main__":
    main()
