import torch
import torch.nn as nn
import torch.nn.functional as F


class Net(nn.Module):
    def __init__(self, width, blocks):
        super().__init__()
        self.inp = nn.Linear(12, width)
        self.blocks = nn.ModuleList([nn.Sequential(nn.LayerNorm(width), nn.Linear(width, width), nn.ReLU()) for _ in range(blocks)])
        self.out = nn.Linear(width, 6)

    def forward(self, x):
        x = self.inp(x)
        for block in self.blocks:
            x = x + block(x)
        return self.out(x)


class Distiller:
    def __init__(self, teacher, student, temperature=3.0, alpha=0.7):
        self.teacher, self.student = teacher.eval().requires_grad_(False), student
        self.t, self.alpha = temperature, alpha

    def loss(self, x, y):
        scores = self.student(x)
        soft = (self.teacher(x) / self.t).softmax(dim=1).detach()
        soft_loss = F.cross_entropy(scores / self.t, soft) * self.t ** 2
        hard_loss = F.cross_entropy(scores, y)
        return self.alpha * soft_loss + (1 - self.alpha) * hard_loss


def main():
    torch.manual_seed(0)
    centres = torch.randn(6, 12)
    teacher, student = Net(48, 3), Net(12, 1)

    def batch(n=30):
        y = torch.randint(0, 6, (n,))
        return centres[y] + 0.5 * torch.randn(n, 12), y

    warm = torch.optim.Adam(teacher.parameters(), lr=5e-3)
    for _ in range(8):
        x, y = batch()
        warm.zero_grad()
        F.cross_entropy(teacher(x), y).backward()
        warm.step()
    distiller = Distiller(teacher, student)
    optimizer = torch.optim.Adam(student.parameters(), lr=1e-2)
    for step in range(20):
        loss = distiller.loss(*batch())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    print("distilled", loss.item())


if __name__ == "__main__":
    main()
