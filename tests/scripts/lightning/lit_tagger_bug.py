import tempfile

import lightning.pytorch as pl
import torch
import torch.nn.functional as F
from torch import nn
from torch.utils.data import DataLoader, TensorDataset


class LitTagger(pl.LightningModule):
    def __init__(self, vocab=40, tags=6, lr=1e-2):
        super().__init__()
        self.save_hyperparameters()
        self.embed = nn.Embedding(vocab, 16)
        self.rnn = nn.GRU(16, 16, batch_first=True, bidirectional=True)
        self.head = nn.Linear(32, tags)

    def forward(self, words):
        return self.head(self.rnn(self.embed(words))[0])

    def training_step(self, batch, batch_idx):
        words, tags = batch
        scores = self(words)
        loss = F.cross_entropy(scores, tags)
        self.log("train_loss", loss)
        return loss

    def configure_optimizers(self):
        return torch.optim.Adam(self.parameters(), lr=self.hparams.lr)


def main():
    pl.seed_everything(0, verbose=False)
    words = torch.randint(0, 40, (60, 11))
    loader = DataLoader(TensorDataset(words, words % 6), batch_size=15)
    with tempfile.TemporaryDirectory() as folder:
        trainer = pl.Trainer(
            max_epochs=2, accelerator="cpu", logger=False, enable_checkpointing=False, enable_progress_bar=False,
            enable_model_summary=False, default_root_dir=folder)
        trainer.fit(LitTagger(), loader)
        print("loss", float(trainer.callback_metrics["train_loss"]))


if __name__ == "__main__":
    main()
