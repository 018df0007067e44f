import logging

import torch
from torch import nn
from torch.utils.data import DataLoader, Dataset, random_split

logging.basicConfig(level=logging.INFO, format="%(levelname)s %(message)s")
log = logging.getLogger("energy")


class LoadDataset(Dataset):
    """Hourly grid load from weather and calendar features."""

    def __init__(self, hours=200, seed=0):
        rng = torch.Generator().manual_seed(seed)
        self.features = torch.randn(hours, 8, generator=rng)
        self.load = 3.0 * self.features[:, 0] - self.features[:, 3] + 0.1 * torch.randn(hours, generator=rng)

    def __len__(self):
        return len(self.load)

    def __getitem__(self, i):
        return self.features[i], self.load[i].unsqueeze(0)


def build_mlp(sizes):
    layers = []
    for a, b in zip(sizes[:-2], sizes[1:-1]):
        layers += [nn.Linear(a, b), nn.LayerNorm(b), nn.LeakyReLU(0.1)]
    return nn.Sequential(*layers, nn.Linear(sizes[-2], sizes[-1]))


@torch.inference_mode()
def validate(model, loader):
    model.eval()
    errors = [(model(x).flatten() - y.flatten()).abs().mean() for x, y in loader]
    return torch.stack(errors).mean().item()


def main():
    torch.manual_seed(0)
    train_set, val_set = random_split(LoadDataset(), [160, 40], generator=torch.Generator().manual_seed(1))
    train_loader = DataLoader(train_set, batch_size=40, shuffle=True)
    val_loader = DataLoader(val_set, batch_size=40)
    model = build_mlp([8, 32, 32, 1])
    loss_fn = nn.MSELoss()
    opt = torch.optim.Adam(model.parameters(), lr=1e-2)
    for epoch in range(6):
        log.info("epoch %d val mae %.3f", epoch, validate(model, val_loader))
        model.train()
        for x, y in train_loader:
            opt.zero_grad()
            loss = loss_fn(model(x), y)
            loss.backward()
            opt.step()
    log.info("done %.4f", loss.item())


if __name__ == "__main__":
    main()
