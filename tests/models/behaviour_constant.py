"""Models whose output, or weights, cannot depend on what is fed. `# <- kind` marks the line; without a mark there is none."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import nn


class WeightsOfOne(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.rnn, self.score, self.head = nn.GRU(6, 8, batch_first=True), nn.Linear(8, 1), nn.Linear(8, 3)

    def forward(self, x):
        x, _ = self.rnn(x)
        weights = F.softmax(self.score(x), dim=-1)  # <- softmax-of-one
        return self.head((weights * x).sum(1))


class WeightsOfOneAdditive(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.embed, self.rnn = nn.Embedding(50, 12), nn.LSTM(12, 8, bidirectional=True, batch_first=True)
        self.hidden, self.vector, self.head = nn.Linear(16, 10), nn.Parameter(torch.randn(10, 1)), nn.Linear(16, 4)

    def forward(self, tokens):
        x, _ = self.rnn(self.embed(tokens))
        scores = torch.tanh(self.hidden(x)) @ self.vector
        weights = torch.softmax(scores, 2)  # <- softmax-of-one
        return self.head((x * weights).sum(dim=1))


class MapOfOne(nn.Module):
    """Where to look in a picture: one channel of scores, softmax over that channel."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.score, self.head = nn.Conv2d(3, 8, 3), nn.Conv2d(8, 1, 1), nn.Linear(8, 4)

    def forward(self, image):
        x = F.relu(self.conv(image))
        x = x * self.score(x).softmax(dim=1)  # <- softmax-of-one
        return self.head(x.sum((2, 3)))


class GateOfPooling(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv, self.head = nn.Conv1d(3, 8, 5), nn.Linear(8, 4)
        self.attention = nn.Sequential(nn.Conv1d(8, 4, 1), nn.Tanh(), nn.Conv1d(4, 1, 1), nn.Softmax(dim=1))

    def forward(self, x):
        x = self.conv(x)
        return self.head((x * self.attention(x)).sum(2))  # <- softmax-of-one


class SegmentOfOne(nn.Module):
    """One map of logits, softmax over its single channel."""

    # loss binary_cross_entropy

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.out = nn.Conv2d(3, 8, 3, padding=1), nn.Conv2d(8, 1, 1)

    def forward(self, image):
        return F.softmax(self.out(F.relu(self.conv(image))), dim=1)  # <- softmax-of-one


class TokenScores(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.embed, self.head = nn.Embedding(50, 16), nn.Linear(16, 4)
        self.body, self.score = nn.TransformerEncoderLayer(16, 2, 32, batch_first=True), nn.Linear(16, 1)

    def forward(self, tokens):
        x = self.body(self.embed(tokens))
        weights = F.softmax(self.score(x) / 4, dim=-1).transpose(1, 2)  # <- softmax-of-one
        return self.head((weights @ x).squeeze(1))


class Overwritten(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.body, self.head = nn.Linear(13, 8), nn.Linear(8, 3)

    def forward(self, x):  # <- output-ignores-input
        hidden = torch.zeros(x.size(0), 8)
        self.body(x)
        return self.head(hidden)


class OnlyPositions(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.embed, self.positions, self.head = (
            nn.Embedding(50, 16),
            nn.Parameter(torch.randn(40, 16)),
            nn.Linear(16, 4),
        )

    def forward(self, tokens):  # <- output-ignores-input
        x = self.embed(tokens)
        x = self.positions[: tokens.size(1)].expand(tokens.size(0), -1, -1)
        return self.head(x.mean(1))


class OnlyNoise(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.encode, self.decode = nn.Linear(20, 8), nn.Linear(8, 20)

    def forward(self, x):  # <- output-ignores-input
        mean = self.encode(x)
        z = torch.randn_like(mean)
        return self.decode(z)


class OnlyState(nn.Module):
    """The first state instead of the last."""

    def __init__(self) -> None:
        super().__init__()
        self.rnn, self.head = nn.GRU(6, 8, batch_first=True), nn.Linear(8, 3)

    def forward(self, x):  # <- output-ignores-input
        state = torch.zeros(1, x.size(0), 8)
        self.rnn(x, state)
        return self.head(state[0])


class OnlyMemory(nn.Module):
    """Queries of its own, and never the image."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.queries = nn.Conv2d(3, 16, 8, 8), nn.Parameter(torch.randn(10, 16))
        self.attention, self.head = nn.MultiheadAttention(16, 2, batch_first=True), nn.Linear(16, 6)

    def forward(self, image):  # <- output-ignores-input
        memory = self.conv(image).flatten(2).transpose(1, 2)
        queries = self.queries.expand(memory.size(0), -1, -1)
        found, _ = self.attention(queries, queries, queries)
        return self.head(found.mean(1))


class OnlyCopy(nn.Module):
    """What is filled in is thrown away."""

    def __init__(self) -> None:
        super().__init__()
        self.body, self.head = nn.Linear(13, 8), nn.Linear(8, 3)

    def forward(self, x):  # <- output-ignores-input
        rows = torch.zeros(x.size(0), 8)
        rows.clone().copy_(self.body(x))
        return self.head(rows)
