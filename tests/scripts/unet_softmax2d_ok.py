import torch
import torch.nn as nn
import torch.nn.functional as F


class ConvBlock(nn.Module):
    def __init__(self, cin, cout):
        super().__init__()
        self.conv = nn.Conv2d(cin, cout, 3, padding=1, bias=False)
        self.bn = nn.BatchNorm2d(cout)

    def forward(self, x):
        return F.relu(self.bn(self.conv(x)), inplace=True)


class RoadSeg(nn.Module):
    def __init__(self, n_class=3):
        super().__init__()
        self.enc1 = ConvBlock(1, 8)
        self.enc2 = ConvBlock(8, 16)
        self.dec = ConvBlock(24, 8)
        self.final = nn.Conv2d(8, n_class, 1)

    def forward(self, x):
        e1 = self.enc1(x)
        e2 = self.enc2(F.max_pool2d(e1, 2))
        up = F.interpolate(e2, scale_factor=2, mode="bilinear", align_corners=False)
        x = self.final(self.dec(torch.cat((e1, up), 1)))
        return x


def scene(n):
    mask = torch.zeros(n, 12, 20, dtype=torch.long)
    mask[:, :, 7:13] = 1
    mask[:, 8:, :] = 2
    return mask.unsqueeze(1) * 0.8 + 0.5 * torch.randn(n, 1, 12, 20), mask


class SegTrainer(object):
    def __init__(self, model):
        self.model, self.criterion = model, nn.CrossEntropyLoss(ignore_index=255)
        self.optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9, weight_decay=1e-4)

    def train(self, iters):
        self.model.train()
        for i in range(iters):
            image, target = scene(5)
            output = self.model(image)
            loss = self.criterion(output, target)
            self.optimizer.zero_grad()
            loss.backward()
            self.optimizer.step()
        return loss.item()


if __name__ == "__main__":
    torch.manual_seed(1)
    print("Train loss: %.3f" % SegTrainer(RoadSeg()).train(15))
