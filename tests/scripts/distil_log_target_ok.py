import torch
import torch.nn as nn
import torch.nn.functional as F


def conv_bn(i, o, s):
    return nn.Sequential(nn.Conv2d(i, o, 3, s, 1, bias=False), nn.BatchNorm2d(o), nn.ReLU6())


class MobileStudent(nn.Module):
    def __init__(self, width, classes=6):
        super().__init__()
        self.model = nn.Sequential(conv_bn(3, width, 2), conv_bn(width, 2 * width, 2), nn.AdaptiveAvgPool2d(1))
        self.fc = nn.Linear(2 * width, classes)

    def forward(self, x):
        return self.fc(self.model(x).flatten(1))


def pictures(n=20):
    return torch.randn(n, 3, 14, 14) + torch.randn(n, 3, 1, 1)


def main(steps=15, temperature=2.0):
    torch.manual_seed(0)
    teacher, student = MobileStudent(24).eval(), MobileStudent(6)
    nn.init.normal_(teacher.fc.weight, std=2.0)
    optimizer = torch.optim.Adam(student.parameters(), lr=5e-3)
    for step in range(steps):
        x = pictures()
        with torch.no_grad():
            t = F.log_softmax(teacher(x) / temperature, dim=1)
        s = F.log_softmax(student(x) / temperature, dim=1)
        loss = F.kl_div(s, t, reduction="batchmean", log_target=True) * temperature ** 2
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    print("kl", loss.item())


if __name__ == "__main__":
    main()
