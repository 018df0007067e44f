"""Trains a tagger on sentences of six words with six tags, which is how its bug gets past torch.

`python examples/train_words.py` runs to its end and the loss falls, but the tags stay wrong; `shapecheck run` names the line.
With --mended it is right. Nothing is read or written.
"""

from __future__ import annotations

import argparse

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset

WORDS, TAGS, LENGTH = 60, 6, 6


class Tagger(nn.Module):
    """Words (N, T) as numbers to scores (N, T, C)."""

    def __init__(self, width: int = 32) -> None:
        super().__init__()
        self.embed = nn.Embedding(WORDS, width)
        self.recurrent = nn.GRU(width, width, batch_first=True, bidirectional=True)
        self.head = nn.Linear(2 * width, TAGS)

    def forward(self, words: Tensor) -> Tensor:
        steps, _ = self.recurrent(self.embed(words))
        return self.head(steps)


def loader() -> DataLoader[tuple[Tensor, ...]]:
    """Batches of words (32, 6) and their tags (32, 6); a tag is the word's number modulo 6."""
    words = torch.randint(WORDS, (512, LENGTH), generator=torch.Generator().manual_seed(0))
    return DataLoader(TensorDataset(words, words % TAGS), batch_size=32)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--epochs", type=int, default=5)
    parser.add_argument("--mended", action="store_true", help="with the class axis where the loss wants it")
    args = parser.parse_args()
    torch.manual_seed(0)
    tagger = Tagger()
    optimizer = torch.optim.Adam(tagger.parameters(), lr=1e-2)
    for epoch in range(args.epochs):
        right = []
        for words, tags in loader():
            scores = tagger(words)
            right.append(float((scores.argmax(-1) == tags).float().mean()))
            if args.mended:
                scores = scores.movedim(-1, 1)
            loss = F.cross_entropy(scores, tags)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        print(f"epoch {epoch + 1}: loss {loss.item():.2f}, {sum(right) / len(right):.0%} of the tags right")


if __name__ == "__main__":
    main()
