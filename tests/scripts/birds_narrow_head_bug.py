import os
import tempfile
import torch
import torch.nn as nn
from torch.utils.data import DataLoader, Dataset

SPECIES = sorted("wren robin finch tit crow jay owl kite swift dove rook lark".split())


class Backbone(nn.Module):
    def __init__(self, num_classes=1000):
        super().__init__()
        self.conv1 = nn.Conv2d(3, 16, 3, stride=2, padding=1)
        self.layer1 = nn.Sequential(nn.ReLU(), nn.Conv2d(16, 32, 3, stride=2, padding=1), nn.ReLU())
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.fc = nn.Linear(32, num_classes)

    def forward(self, x):
        x = self.avgpool(self.layer1(self.conv1(x)))
        return self.fc(torch.flatten(x, 1))


class BirdFolder(Dataset):
    def __init__(self, per_species=4):
        self.samples = [(name, k) for k in range(per_species) for name in SPECIES]
        self.class_to_idx = {name: i for i, name in enumerate(SPECIES)}

    def __len__(self):
        return len(self.samples)

    def __getitem__(self, i):
        name, _ = self.samples[i]
        y = self.class_to_idx[name]
        g = torch.Generator().manual_seed(i)
        return 0.2 * torch.randn(3, 24, 20, generator=g) + torch.tensor([y % 3, y // 3 % 2, y / 12.0]).view(3, 1, 1), y


def finetune(epochs=4):
    torch.manual_seed(0)
    model = Backbone()
    model.fc = nn.Linear(model.fc.in_features, 10)
    for p in model.conv1.parameters():
        p.requires_grad = False
    criterion = nn.CrossEntropyLoss()
    optimizer = torch.optim.SGD([p for p in model.parameters() if p.requires_grad], lr=0.1, momentum=0.9)
    with tempfile.TemporaryDirectory(dir=os.environ.get("OUTPUT_DIR")) as folder:
        for epoch in range(epochs):
            for inputs, labels in DataLoader(BirdFolder(), batch_size=24, shuffle=True):
                optimizer.zero_grad()
                outputs = model(inputs)
                loss = criterion(outputs, labels)
                loss.backward()
                optimizer.step()
            torch.save(model, os.path.join(folder, "last.pt"))
            print("epoch", epoch, loss.item())


if __name__ == "__main__":
    finetune()
