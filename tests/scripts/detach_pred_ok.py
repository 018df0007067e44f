import torch
import torch.nn as nn
from torch.utils.data import DataLoader, TensorDataset


class Denoiser(nn.Module):
    def __init__(self, channels=8):
        super().__init__()
        self.net = nn.Sequential(
            nn.Conv1d(1, channels, 7, padding=3), nn.ReLU(), nn.Conv1d(channels, channels, 7, padding=3), nn.ReLU(),
            nn.Conv1d(channels, 1, 7, padding=3))

    def forward(self, noisy):
        return noisy - self.net(noisy)


def signals(n=48, length=40):
    phase = torch.rand(n, 1) * 6
    clean = torch.sin(torch.linspace(0, 12, length) + phase).unsqueeze(1)
    return TensorDataset(clean + 0.4 * torch.randn_like(clean), clean)


def snr(pred, clean):
    return (10 * torch.log10(clean.pow(2).sum() / (pred - clean).pow(2).sum())).item()


def main():
    torch.manual_seed(0)
    loader = DataLoader(signals(), batch_size=12, shuffle=True)
    model = Denoiser()
    criterion = nn.MSELoss()
    optimizer = torch.optim.Adam(model.parameters(), lr=5e-3)
    for epoch in range(5):
        for noisy, clean in loader:
            optimizer.zero_grad()
            pred = model(noisy)
            loss = criterion(pred, clean)
            loss.backward()
            optimizer.step()
        print(f"epoch {epoch} loss {loss.item():.4f} snr {snr(pred.detach(), clean):.1f} dB")


if __name__ == "__main__":
    main()
