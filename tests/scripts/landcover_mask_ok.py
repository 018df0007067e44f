from dataclasses import dataclass, field

import torch
import torch.nn as nn


@dataclass
class Config:
    classes: list = field(default_factory=lambda: ["water", "forest", "field", "road", "house", "rock"])
    bands: int = 4
    width: int = 16
    lr: float = 1e-2
    steps: int = 12


class LandCover(nn.Module):
    def __init__(self, cfg: Config):
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv2d(cfg.bands, cfg.width, 3, padding="same"), nn.Mish(),
            nn.Conv2d(cfg.width, cfg.width, 3, padding="same", groups=4), nn.Mish(),
            nn.Conv2d(cfg.width, len(cfg.classes), 1))

    def forward(self, tile):
        return self.layers(tile)


def tiles(cfg, n=3, size=(10, 14)):
    """annotated tiles; the annotation tool numbers classes from 1"""
    cover = torch.randint(1, len(cfg.classes) + 1, (n, *size))
    spectrum = torch.randn(len(cfg.classes) + 1, cfg.bands, generator=torch.Generator().manual_seed(8))
    return spectrum[cover].permute(0, 3, 1, 2) + 0.1 * torch.randn(n, cfg.bands, *size), cover


def main():
    cfg = Config()
    torch.manual_seed(0)
    model = LandCover(cfg)
    criterion = nn.CrossEntropyLoss(reduction="mean")
    optimizer = torch.optim.NAdam(model.parameters(), lr=cfg.lr)
    for step in range(cfg.steps):
        tile, cover = tiles(cfg)
        loss = criterion(model(tile), cover - 1)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    print(f"{loss.item():.4f}")


if __name__ == "__main__":
    main()
