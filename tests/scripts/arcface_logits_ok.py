import math
import torch
import torch.nn as nn
import torch.nn.functional as F


class ArcMargin(nn.Module):
    def __init__(self, dim, classes, s=16.0, m=0.2):
        super().__init__()
        self.weight = nn.Parameter(torch.empty(classes, dim))
        nn.init.xavier_uniform_(self.weight)
        self.s, self.cos_m, self.sin_m = s, math.cos(m), math.sin(m)

    def forward(self, features, label):
        cosine = F.linear(F.normalize(features), F.normalize(self.weight))
        sine = (1.0 - cosine.pow(2)).clamp(1e-6, 1).sqrt()
        phi = cosine * self.cos_m - sine * self.sin_m
        one_hot = torch.zeros_like(cosine).scatter_(1, label.view(-1, 1), 1)
        return self.s * (one_hot * phi + (1 - one_hot) * cosine)


def main():
    torch.manual_seed(0)
    backbone = nn.Sequential(nn.Linear(20, 32), nn.PReLU(), nn.Linear(32, 16))
    margin = ArcMargin(16, 16)
    optimizer = torch.optim.SGD([*backbone.parameters(), *margin.parameters()], lr=0.1, momentum=0.9)
    centres = torch.randn(16, 20)
    for it in range(25):
        label = torch.randint(0, 16, (16,))
        features = backbone(centres[label] + 0.3 * torch.randn(16, 20))
        logits = margin(features, label)
        loss = F.cross_entropy(logits, label)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    print("arc", loss.item())


if __name__ == "__main__":
    main()
