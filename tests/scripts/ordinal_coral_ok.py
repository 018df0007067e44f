import torch
import torch.nn as nn
import torch.nn.functional as F

GRADES = 5


class Coral(nn.Module):
    def __init__(self, n_in=8):
        super().__init__()
        self.score = nn.Sequential(nn.Linear(n_in, 16), nn.ReLU(), nn.Linear(16, 1, bias=False))
        self.thresholds = nn.Parameter(torch.linspace(1, -1, GRADES - 1))

    def forward(self, x):
        return self.score(x) + self.thresholds


def levels(grade):
    return (grade.unsqueeze(1) > torch.arange(GRADES - 1)).float()


def retina(n=36):
    x = torch.randn(n, 8)
    severity = x[:, 0] + 0.5 * x[:, 1]
    return x, torch.bucketize(severity, torch.tensor([-1.0, -0.3, 0.3, 1.0]))


torch.manual_seed(0)
model = Coral()
optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
for step in range(25):
    x, grade = retina()
    loss = F.binary_cross_entropy_with_logits(model(x), levels(grade), reduction="sum") / len(x)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
predicted = (model(x) > 0).sum(dim=1)
print("mae", (predicted - grade).abs().float().mean().item())
