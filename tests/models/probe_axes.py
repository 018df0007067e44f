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


class SquaresOnly(nn.Module):
    """Adds the rows of an image to its columns: both sides have to be equal."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 7, 3, padding=1)

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        return self.conv(image + image.transpose(2, 3))


class FilmSegmenter(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv3d(3, 7, 3, padding=1)

    def forward(self, clip: torch.Tensor) -> torch.Tensor:
        return self.conv(clip)


class Volumes(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv3d(3, 7, 3, padding=1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.conv(x)


class RowsOfFeatures(nn.Module):
    """A row for each sample at the length it was written for; at others `view` cuts samples into rows."""

    def __init__(self) -> None:
        super().__init__()
        self.body, self.length = nn.Conv1d(4, 6, 16, stride=16), 64
        self.example_input_array = torch.zeros(3, 4, 64)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.body(x).view(-1, 24)


class PredictsInEval(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.embed, self.rnn = nn.Embedding(40, 8), nn.LSTM(8, 8, batch_first=True)
        self.drop, self.head = nn.Dropout(0.5), nn.Linear(8, 5)

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        scores = self.head(self.drop(self.rnn(self.embed(tokens))[0]))
        return scores if self.training else scores.argmax(-1)


class BesideItsTarget(nn.Module):
    """Of two outputs of one shape only the first is learnt."""

    def __init__(self) -> None:
        super().__init__()
        self.student, self.teacher = nn.Linear(13, 5), nn.Linear(13, 5)

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        with torch.no_grad():
            wanted = self.teacher(x)
        return self.student(x), wanted


class HooksItself(nn.Module):
    """Installs hooks in its first run, and notes that it has."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.head = nn.Conv2d(3, 8, 3, padding=1), nn.Conv2d(8, 7, 1)

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        if not getattr(self, "hooked", False):
            self.conv.register_forward_hook(lambda layer, given, output: self.seen.append(output))
            self.hooked = True
        self.seen = []
        self.conv(image)
        (features,) = self.seen
        return self.head(features)


class ChannelsForecast(nn.Module):
    """Steps of a fixed number, and any number of channels, each forecast from itself."""

    def __init__(self) -> None:
        super().__init__()
        self.embed, self.head = nn.Linear(8, 4), nn.Linear(16, 12)
        self.example_input_array = torch.zeros(5, 32, 3)

    def forward(self, past_values: torch.Tensor) -> torch.Tensor:
        patches = past_values.transpose(1, 2).unflatten(-1, (4, 8))
        return self.head(self.embed(patches).flatten(2)).transpose(1, 2)


class SparseScores(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.head = nn.Linear(13, 5)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(x).to_sparse()


class NestedScores(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.head = nn.Linear(13, 5)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        scores = self.head(x)
        return torch.nested.nested_tensor([scores[:2], scores[2:]])


class DeclaredChannels(nn.Module):
    """Each channel is cut into patches and read alone, so that any number of them runs; the model says how many it is for."""

    def __init__(self) -> None:
        super().__init__()
        self.n_channels = 3
        self.embed, self.head = nn.Linear(8, 16), nn.Linear(48, 12)

    def forward(self, past_values: torch.Tensor) -> torch.Tensor:
        if past_values.shape[1] != 24:
            raise ValueError(f"Input sequence length ({past_values.shape[1]}) doesn't match model configuration (24).")
        patches = past_values.transpose(1, 2).unfold(-1, 8, 8)
        return self.head(self.embed(patches).flatten(2)).transpose(1, 2)
