import torch
import torch.nn as nn
import torch.nn.functional as F


class BasicBlock(nn.Module):
    def __init__(self, cin, cout, stride):
        super().__init__()
        self.conv1 = nn.Conv2d(cin, cout, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(cout)
        self.skip = nn.Conv2d(cin, cout, 1, stride)

    def forward(self, x):
        return F.relu(self.bn1(self.conv1(x)) + self.skip(x))


class DepthBins(nn.Module):
    """Depth as classification into bins."""

    def __init__(self, bins=8):
        super().__init__()
        self.layer1 = BasicBlock(3, 12, 2)
        self.layer2 = BasicBlock(12, 20, 2)
        self.head = nn.Conv2d(20, bins, 1)

    def forward(self, image):
        logits = self.head(self.layer2(self.layer1(image)))
        return logits


def views(n=4, h=16, w=24):
    bins = torch.randint(0, 8, (n, 2, 3)).repeat_interleave(8, 1).repeat_interleave(8, 2)
    return bins.unsqueeze(1) / 4 - 1 + 0.1 * torch.randn(n, 3, h, w), bins


def main():
    torch.manual_seed(0)
    model, criterion = DepthBins(), nn.CrossEntropyLoss()
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
    for it in range(12):
        image, bins = views()
        optimizer.zero_grad()
        loss = criterion(model(image), bins)
        loss.backward()
        optimizer.step()
    print("loss", loss.item())


if __name__ == "__main__":
    main()
