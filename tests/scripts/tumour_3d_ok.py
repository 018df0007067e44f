"""Three-class tumour segmentation in CT volumes."""
import os
import torch
import torch.nn as nn


class VNetBlock(nn.Module):
    def __init__(self, c_in, c_out):
        super().__init__()
        self.conv = nn.Conv3d(c_in, c_out, 3, padding=1)
        self.act = nn.PReLU(c_out)

    def forward(self, x):
        return self.act(self.conv(x))


class SmallVNet(nn.Module):
    def __init__(self, n_class=3):
        super().__init__()
        self.down = VNetBlock(1, 8)
        self.bottom = nn.Sequential(nn.MaxPool3d(2), VNetBlock(8, 16), nn.Upsample(scale_factor=2))
        self.out = nn.Conv3d(24, n_class, 1)

    def forward(self, volume):
        d = self.down(volume)
        return self.out(torch.cat([d, self.bottom(d)], dim=1))


def volumes(n=2):
    label = torch.zeros(n, 6, 8, 10, dtype=torch.long)
    label[:, 2:5, 1:5, 2:7] = 1
    label[:, 3, 2:4, 3:5] = 2
    return label.float().unsqueeze(1) + 0.2 * torch.randn(n, 1, 6, 8, 10), label


def dice(scores, label, cls):
    a, b = scores.argmax(-1) == cls, label == cls
    return 2 * (a & b).sum().item() / max(1, (a.sum() + b.sum()).item())


def main():
    torch.manual_seed(0)
    model = SmallVNet()
    criterion = nn.CrossEntropyLoss()
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
    for it in range(int(os.environ.get("ITERATIONS", 10))):
        volume, label = volumes()
        logits = model(volume)
        channels_last = logits.permute(0, 2, 3, 4, 1)
        loss = criterion(logits, label)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    print("loss", loss.item(), "dice", dice(channels_last, label, 1))


if __name__ == "__main__":
    main()
