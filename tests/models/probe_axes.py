"""Networks whose axes are hard to tell apart: fixed inputs with coinciding sizes, time first, batches swapped by a view."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import nn


class FixedSquare(nn.Module):
    """As many steps as classes, and neither can vary."""

    def __init__(self) -> None:
        super().__init__()
        self.embed, self.body, self.head = nn.Embedding(40, 16), nn.Linear(16, 16), nn.Linear(16, 9)
        self.positions = nn.Parameter(torch.randn(9, 16))

    def forward(self, tokens):
        return self.head(F.relu(self.body(self.embed(tokens) + self.positions)))


class FixedSquareTransposed(FixedSquare):
    def forward(self, tokens):
        return super().forward(tokens).transpose(1, 2)


class FixedSquareLogSoftmax(FixedSquare):
    def forward(self, tokens):
        return F.log_softmax(super().forward(tokens), dim=-1)


class FixedMap(nn.Module):
    """A map of one size, with as many classes as rows."""

    def __init__(self) -> None:
        super().__init__()
        self.body, self.head = nn.Conv2d(3, 8, 3, padding=1), nn.Conv2d(8, 16, 1)
        self.positions = nn.Parameter(torch.randn(1, 8, 16, 16))

    def forward(self, image):
        return self.head(self.body(image) + self.positions)


class FixedMapLast(FixedMap):
    def forward(self, image):
        return super().forward(image).permute(0, 2, 3, 1)


class SeveralHeads(nn.Module):
    """Six tasks of four classes out of one layer: which axis is which cannot be measured."""

    def __init__(self) -> None:
        super().__init__()
        self.head = nn.Linear(20, 24)

    def forward(self, x):
        return self.head(x).view(-1, 6, 4)


class TimeFirstLastStep(nn.Module):
    """Right for (T, N) tokens: the output follows their second axis alone."""

    def __init__(self) -> None:
        super().__init__()
        self.embed, self.rnn, self.head = nn.Embedding(40, 16), nn.LSTM(16, 16), nn.Linear(16, 9)

    def forward(self, tokens):
        return self.head(self.rnn(self.embed(tokens))[0][-1])


class MixedByView(nn.Module):
    """The axis that is left is the batch, though its samples are mixed."""

    def __init__(self) -> None:
        super().__init__()
        self.rnn, self.head = nn.LSTM(6, 8), nn.Linear(8, 3)

    def forward(self, x):
        return self.head(self.rnn(x.view(x.size(1), x.size(0), -1))[0][-1])


class PooledOverTime(nn.Module):
    """Attention over the first axis, a mean over the second: a batch read as time."""

    def __init__(self) -> None:
        super().__init__()
        self.embed, self.head = nn.Embedding(40, 16), nn.Linear(16, 9)
        self.body = nn.TransformerEncoderLayer(16, 2, 32)

    def forward(self, tokens):
        return self.head(self.body(self.embed(tokens)).mean(dim=1))


class OneSequence(nn.Module):
    """No batch at all: the words of one sentence."""

    def __init__(self) -> None:
        super().__init__()
        self.embed, self.rnn, self.head = nn.Embedding(40, 16), nn.LSTM(16, 16), nn.Linear(16, 9)

    def forward(self, sentence):
        embedded = self.embed(sentence)
        return self.head(self.rnn(embedded.view(len(sentence), 1, -1))[0].view(len(sentence), -1))
