import torch
import torch.nn as nn
from torch.utils.data import DataLoader, TensorDataset

FINDINGS = ["effusion", "nodule", "mass", "edema", "fibrosis", "hernia"]
BATCH = 6


class ChestNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.dense1 = nn.Conv2d(1, 8, 3, padding=1)
        self.dense2 = nn.Conv2d(9, 8, 3, padding=1)
        self.classifier = nn.Linear(17, len(FINDINGS))

    def forward(self, x):
        x = torch.cat([x, torch.relu(self.dense1(x))], dim=1)
        x = torch.cat([x, torch.relu(self.dense2(x))], dim=1)
        return self.classifier(x.mean(dim=(2, 3)))


def xrays(n=48):
    labels = (torch.rand(n, len(FINDINGS)) < torch.tensor([0.5, 0.4, 0.3, 0.2, 0.2, 0.1])).float()
    images = 0.3 * torch.randn(n, 1, 12, 12)
    for i in range(6):
        images[:, 0, 2 * i:2 * i + 2] += labels[:, i].view(-1, 1, 1)
    return TensorDataset(images, labels)


def main():
    torch.manual_seed(0)
    data = xrays()
    labels = data.tensors[1]
    positive = labels.sum(dim=0).clamp(min=1)
    ratio = (len(labels) - positive) / positive
    criterion = nn.BCEWithLogitsLoss(pos_weight=ratio)
    model = ChestNet()
    optimizer = torch.optim.Adam(model.parameters(), lr=5e-3)
    for epoch in range(4):
        for image, target in DataLoader(data, batch_size=BATCH, shuffle=True):
            optimizer.zero_grad()
            loss = criterion(model(image), target)
            loss.backward()
            optimizer.step()
        print(f"epoch {epoch} loss {loss.item():.3f}")


if __name__ == "__main__":
    main()
