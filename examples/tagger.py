"""A tagger with a view where a transpose belongs: it trains, and each row that the head sees holds values of several words."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import nn


class Tagger(nn.Module):
    """One score per tag and word: (N, T) word indices to (N, C, T)."""

    def __init__(self, vocab_size: int, n_tags: int, width: int = 24) -> None:
        super().__init__()
        self.embed = nn.Embedding(vocab_size, width)
        self.conv = nn.Conv1d(width, 32, kernel_size=3, padding=1)
        self.head = nn.Linear(32, n_tags)

    def forward(self, words: torch.Tensor) -> torch.Tensor:
        features = F.relu(self.conv(self.embed(words).transpose(1, 2)))
        batch, channels, steps = features.shape
        rows = features.view(-1, channels)
        return self.head(rows).view(batch, steps, -1).transpose(1, 2)


class TaggerMended(Tagger):
    """The same with the axes moved before they are merged."""

    def forward(self, words: torch.Tensor) -> torch.Tensor:
        features = F.relu(self.conv(self.embed(words).transpose(1, 2)))
        batch, channels, steps = features.shape
        rows = features.transpose(1, 2).reshape(-1, channels)
        return self.head(rows).view(batch, steps, -1).transpose(1, 2)


def main() -> None:
    """Words whose tag is their index modulo 5: the mended model learns it."""
    torch.manual_seed(0)
    for model in (Tagger(vocab_size=40, n_tags=5), TaggerMended(vocab_size=40, n_tags=5)):
        optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
        for _ in range(60):
            words = torch.randint(40, (16, 12))
            loss = F.cross_entropy(model(words), words % 5)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        print(f"{type(model).__name__}: loss {loss.item():.3f} after 60 steps")


if __name__ == "__main__":
    main()
