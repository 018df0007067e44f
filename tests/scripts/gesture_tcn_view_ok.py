import torch
import torch.nn as nn


class Chomp(nn.Module):
    def __init__(self, size):
        super().__init__()
        self.size = size

    def forward(self, x):
        return x[..., : -self.size].contiguous()


class GestureTCN(nn.Module):
    def __init__(self, sensors=6, channels=(16, 16), gestures=5):
        super().__init__()
        layers, prev = [], sensors
        for i, ch in enumerate(channels):
            d = 2 ** i
            layers += [nn.Conv1d(prev, ch, 3, padding=2 * d, dilation=d), Chomp(2 * d), nn.ReLU()]
            prev = ch
        self.network = nn.Sequential(*layers)
        self.gestures = gestures
        self.final = nn.Conv1d(prev, gestures, 1)

    def forward(self, x):
        return self.final(self.network(x))


def stream(n=10, t=18):
    labels = torch.randint(0, 5, (n, 3)).repeat_interleave(t // 3, dim=1)
    patterns = torch.randn(5, 6, generator=torch.Generator().manual_seed(0))
    return patterns[labels].transpose(1, 2) + 0.3 * torch.randn(n, 6, t), labels


def run(steps=20, lr=1e-2):
    torch.manual_seed(9)
    model = GestureTCN()
    criterion = nn.CrossEntropyLoss()
    optimizer = torch.optim.Adam(model.parameters(), lr=lr)
    for i in range(steps):
        x, y = stream()
        out = model(x)
        out = out.transpose(1, 2).reshape(-1, model.gestures)
        loss = criterion(out, y.view(-1))
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_value_(model.parameters(), 1.0)
        optimizer.step()
        if not i % 5:
            print(i, loss.item())


if __name__ == "__main__":
    run()
