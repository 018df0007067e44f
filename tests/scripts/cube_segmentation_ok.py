import torch
import torch.nn as nn
from torch.utils.data import DataLoader, TensorDataset

SIZE = CLASSES = 12


class FullConv(nn.Module):
    def __init__(self, width=24):
        super().__init__()
        self.trunk = nn.Sequential(nn.Conv2d(3, width, 3, padding=1), nn.ReLU(), nn.Conv2d(width, width, 1), nn.ReLU())
        self.scores = nn.Conv2d(width, CLASSES, 1)

    def forward(self, image):
        return self.scores(self.trunk(image))


def dataset(n=32):
    mask = torch.randint(0, CLASSES, (n, SIZE, SIZE))
    colours = torch.randn(CLASSES, 3)
    return TensorDataset(colours[mask].movedim(-1, 1) + 0.1 * torch.randn(n, 3, SIZE, SIZE), mask)


def train():
    torch.manual_seed(0)
    loader = DataLoader(dataset(), batch_size=SIZE, drop_last=True)
    model, criterion = FullConv(), nn.CrossEntropyLoss()
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
    for epoch in range(6):
        for image, mask in loader:
            loss = criterion(model(image), mask)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    return loss.item()


if __name__ == "__main__":
    print("loss", train())
