import torch
import torch.nn as nn
import torch.nn.functional as F

ANCHORS, CLASSES = 2, 3


class TinySSD(nn.Module):
    def __init__(self):
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, 16, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2))
        self.deeper = nn.Sequential(nn.Conv2d(16, 16, 3, stride=2, padding=1), nn.ReLU())
        self.cls_heads = nn.ModuleList([nn.Conv2d(16, ANCHORS * CLASSES, 3, padding=1) for _ in range(2)])

    def forward(self, images):
        fine = self.stem(images)
        maps = [fine, self.deeper(fine)]
        scores = []
        for feature, head in zip(maps, self.cls_heads):
            s = head(feature)
            scores.append(s.permute(0, 2, 3, 1).contiguous().view(s.size(0), -1, CLASSES))
        return torch.cat(scores, dim=1)


def anchor_labels(grid):
    """label of every anchor of both feature maps, from a coarse map of objects"""
    fine = grid.repeat_interleave(2, 1).repeat_interleave(2, 2)
    per_map = [m.unsqueeze(-1).expand(-1, -1, -1, ANCHORS).flatten(1) for m in (fine, grid)]
    return torch.cat(per_map, dim=1)


def batch(n=6):
    grid = torch.randint(0, CLASSES, (n, 3, 4))
    images = F.interpolate(F.one_hot(grid, 3).permute(0, 3, 1, 2).float(), scale_factor=4)
    return images + 0.1 * torch.randn_like(images), anchor_labels(grid)


def main():
    torch.manual_seed(0)
    model = TinySSD()
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
    for step in range(20):
        images, labels = batch()
        conf = model(images)
        conf_loss = F.cross_entropy(conf.reshape(-1, CLASSES), labels.reshape(-1), reduction="sum") / labels.numel()
        optimizer.zero_grad()
        conf_loss.backward()
        optimizer.step()
    print("conf", conf_loss.item())


if __name__ == "__main__":
    main()
