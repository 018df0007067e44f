import torch
import torch.nn as nn
import torch.nn.functional as F


class SideNet(nn.Module):
    def __init__(self, widths=(8, 12, 16)):
        super().__init__()
        self.stages, self.sides, c = nn.ModuleList(), nn.ModuleList(), 1
        for w in widths:
            self.stages.append(nn.Sequential(nn.Conv2d(c, w, 3, padding=1), nn.BatchNorm2d(w), nn.ReLU()))
            self.sides.append(nn.Conv2d(w, 1, 1))
            c = w

    def forward(self, x):
        outputs = []
        for i, (stage, side) in enumerate(zip(self.stages, self.sides)):
            x = stage(F.max_pool2d(x, 2) if i else x)
            outputs.append(side(x))
        return outputs


def edges(n=5):
    mask = torch.zeros(n, 1, 16, 20)
    for m in mask:
        r = int(torch.randint(2, 12, ()))
        m[:, r:r + 3] = 1
    return mask + 0.3 * torch.randn_like(mask), mask


class MultiScaleLoss(nn.Module):
    def __init__(self, weights=(1.0, 0.6, 0.3)):
        super().__init__()
        self.weights = weights

    def forward(self, outputs, mask):
        total = 0.0
        for weight, out in zip(self.weights, outputs):
            small = F.adaptive_max_pool2d(mask, out.shape[-2:])
            total = total + weight * F.binary_cross_entropy_with_logits(out, small)
        return total


torch.manual_seed(0)
net, criterion = SideNet(), MultiScaleLoss()
optimizer = torch.optim.Adam(net.parameters(), lr=1e-2)
for i in range(15):
    image, mask = edges()
    loss = criterion(net(image), mask)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
print("deep", loss.item())
