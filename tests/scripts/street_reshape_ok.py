import os
import tempfile

import torch
import torch.nn as nn
import torch.nn.functional as F


class ASPP(nn.Module):
    def __init__(self, cin, cout, rates=(1, 2, 3)):
        super().__init__()
        self.branches = nn.ModuleList([nn.Conv2d(cin, cout, 3, padding=r, dilation=r) for r in rates])
        self.merge = nn.Conv2d(cout * len(rates), cout, 1)

    def forward(self, x):
        return self.merge(torch.cat([F.relu(b(x)) for b in self.branches], dim=1))


class StreetNet(nn.Module):
    num_classes = 4

    def __init__(self):
        super().__init__()
        self.backbone = nn.Sequential(nn.Conv2d(3, 12, 3, stride=2, padding=1), nn.ReLU())
        self.aspp = ASPP(12, 16)
        self.classifier = nn.Conv2d(16, self.num_classes, 1)

    def forward(self, image):
        size = image.shape[-2:]
        logits = self.classifier(self.aspp(self.backbone(image)))
        return F.interpolate(logits, size=size, mode="bilinear", align_corners=False)


def compute_loss(logits, masks):
    log_probs = F.log_softmax(logits, dim=1)
    log_probs = log_probs.permute(0, 2, 3, 1).reshape(-1, StreetNet.num_classes)
    return F.nll_loss(log_probs, masks.reshape(-1))


def main(iterations=14):
    torch.manual_seed(0)
    net = StreetNet()
    optimizer = torch.optim.Adam(net.parameters(), lr=8e-3)
    best = float("inf")
    folder = tempfile.mkdtemp(dir=os.environ.get("RUNS"))
    for it in range(iterations):
        masks = torch.randint(0, 4, (4, 2, 3)).repeat_interleave(5, 1).repeat_interleave(6, 2)
        images = masks.unsqueeze(1) - 1.5 + 0.3 * torch.randn(4, 3, 10, 18)
        loss = compute_loss(net(images), masks)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        if loss.item() < best:
            best = loss.item()
            torch.save(net.state_dict(), os.path.join(folder, "best.pth"))
    print("best", best)


if __name__ == "__main__":
    main()
