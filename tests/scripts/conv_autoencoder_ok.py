import os
import tempfile
import torch
import torch.nn as nn
from torch.utils.data import DataLoader, TensorDataset


class AutoEncoder(nn.Module):
    def __init__(self, code=6):
        super().__init__()
        self.encoder = nn.Sequential(
            nn.Conv2d(1, 8, 3, 2, 1), nn.BatchNorm2d(8), nn.ReLU(), nn.Conv2d(8, 12, 3, 2, 1), nn.ReLU(),
            nn.Flatten(), nn.Linear(12 * 16, code))
        self.decoder = nn.Sequential(
            nn.Linear(code, 12 * 16), nn.Unflatten(1, (12, 4, 4)), nn.ConvTranspose2d(12, 8, 2, 2), nn.ReLU(),
            nn.ConvTranspose2d(8, 1, 2, 2), nn.Sigmoid())

    def forward(self, x):
        return self.decoder(self.encoder(x))


def main():
    torch.manual_seed(0)
    stripes = (torch.arange(16).view(1, 1, 16, 1) + torch.arange(40).view(40, 1, 1, 1)) % 6 < 3
    images = stripes.float().expand(40, 1, 16, 16) * 0.8
    loader = DataLoader(TensorDataset(images), batch_size=10, shuffle=True)
    model, criterion = AutoEncoder(), nn.MSELoss()
    optimizer = torch.optim.Adam(model.parameters(), lr=5e-3)
    scaler = torch.amp.GradScaler("cpu", enabled=False)
    folder = tempfile.mkdtemp(dir=os.environ.get("CHECKPOINTS"))
    for epoch in range(5):
        for (x,) in loader:
            noisy = x + 0.1 * torch.randn_like(x)
            loss = criterion(model(noisy), x)
            optimizer.zero_grad()
            scaler.scale(loss).backward()
            scaler.step(optimizer)
            scaler.update()
        torch.save({"epoch": epoch, "state": model.state_dict()}, os.path.join(folder, "ae.ckpt"))
    print("mse", loss.item())


if __name__ == "__main__":
    main()
