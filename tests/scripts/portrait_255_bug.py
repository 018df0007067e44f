import torch
import torch.nn as nn
from torch.utils.data import DataLoader, Dataset


class Portraits(Dataset):
    """person masks as the png files hold them: uint8, 0 or 255"""

    def __init__(self, count, seed=0):
        g = torch.Generator().manual_seed(seed)
        self.masks = torch.zeros(count, 16, 12, dtype=torch.uint8)
        for m in self.masks:
            left = int(torch.randint(1, 6, (), generator=g))
            m[4:, left:left + 5] = 255
        self.images = (self.masks.unsqueeze(1) / 255 + 0.3 * torch.randn(count, 3, 16, 12, generator=g)).clamp(0, 1)

    def __len__(self):
        return len(self.images)

    def __getitem__(self, i):
        image = self.images[i]
        mask = self.masks[i].float().unsqueeze(0)
        return image, mask


class Matting(nn.Module):
    def __init__(self, base=8):
        super().__init__()
        self.enc = nn.Conv2d(3, base, 3, stride=2, padding=1)
        self.mid = nn.Conv2d(base, 2 * base, 3, padding=1)
        self.dec = nn.ConvTranspose2d(2 * base, base, 2, stride=2)
        self.out = nn.Conv2d(base, 1, 1)

    def forward(self, x):
        x = torch.relu(self.mid(torch.relu(self.enc(x))))
        return self.out(torch.relu(self.dec(x)))


def fit(model, loader, epochs, lr):
    criterion = nn.BCEWithLogitsLoss()
    optimizer = torch.optim.Adam(model.parameters(), lr=lr)
    for epoch in range(1, epochs + 1):
        for image, mask in loader:
            loss = criterion(model(image), mask)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        print("epoch", epoch, "loss", loss.item())


torch.manual_seed(0)
fit(Matting(), DataLoader(Portraits(24), batch_size=6, shuffle=True), epochs=4, lr=1e-2)
