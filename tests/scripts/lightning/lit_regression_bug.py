import tempfile

import lightning.pytorch as pl
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset


class Concrete(pl.LightningDataModule):
    def setup(self, stage=None):
        g = torch.Generator().manual_seed(0)
        x = torch.randn(100, 8, generator=g)
        y = x[:, 0] - 2 * x[:, 1]
        self.train_set, self.val_set = TensorDataset(x[:80], y[:80]), TensorDataset(x[80:], y[80:])

    def train_dataloader(self):
        return DataLoader(self.train_set, batch_size=20, shuffle=True)

    def val_dataloader(self):
        return DataLoader(self.val_set, batch_size=20)


class Strength(pl.LightningModule):
    def __init__(self):
        super().__init__()
        self.mlp = nn.Sequential(nn.Linear(8, 32), nn.ReLU(), nn.Linear(32, 1))
        self.loss = nn.MSELoss()

    def forward(self, x):
        return self.mlp(x)

    def training_step(self, batch, batch_idx):
        x, y = batch
        loss = self.loss(self(x), y)
        return loss

    def validation_step(self, batch, batch_idx):
        x, y = batch
        self.log("val_mae", (self(x).squeeze(-1) - y).abs().mean())

    def configure_optimizers(self):
        optimizer = torch.optim.AdamW(self.parameters(), lr=1e-2)
        return {"optimizer": optimizer, "lr_scheduler": torch.optim.lr_scheduler.ExponentialLR(optimizer, 0.9)}


if __name__ == "__main__":
    pl.seed_everything(1, verbose=False)
    with tempfile.TemporaryDirectory() as folder:
        trainer = pl.Trainer(
            max_epochs=3, accelerator="cpu", logger=False, enable_checkpointing=False, enable_progress_bar=False,
            enable_model_summary=False, default_root_dir=folder, gradient_clip_val=1.0)
        trainer.fit(Strength(), datamodule=Concrete())
        print(trainer.callback_metrics)
