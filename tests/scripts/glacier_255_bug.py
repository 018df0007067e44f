import torch
from torch import nn, optim

H, W, B = 10, 16, 4


def read_mask(i):
    mask = torch.zeros(H, W, dtype=torch.uint8)
    mask[:, : 4 + i % 8] = 255
    return mask


def load(i):
    ice = read_mask(i)
    image = torch.stack([ice.float() / 255, 1 - ice.float() / 255]) + 0.3 * torch.randn(2, H, W)
    return image, ice.long()


def batches(n):
    for k in range(n):
        images, masks = zip(*(load(B * k + j) for j in range(B)))
        yield torch.stack(images), torch.stack(masks)


class FCN(nn.Module):
    def __init__(self):
        super().__init__()
        self.c1, self.c2 = nn.Conv2d(2, 10, 5, padding=2), nn.Conv2d(10, 10, 3, padding=1)
        self.score = nn.Conv2d(10, 2, 1)

    def forward(self, x):
        x = self.c1(x).relu()
        x = self.c2(x).relu() + x
        return self.score(x)


def main():
    torch.manual_seed(2)
    net = FCN()
    objective = nn.CrossEntropyLoss()
    sgd = optim.SGD(net.parameters(), lr=0.2)
    decay = optim.lr_scheduler.CosineAnnealingLR(sgd, T_max=12)
    for image, mask in batches(12):
        loss = objective(net(image), mask)
        sgd.zero_grad()
        loss.backward()
        sgd.step()
        decay.step()
    print("loss", loss.item(), "lr", decay.get_last_lr())


if __name__ == "__main__":
    main()
