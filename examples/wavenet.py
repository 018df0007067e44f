"""A WaveNet that classifies audio: van den Oord et al., 2016, "WaveNet: A Generative Model for Raw Audio".

The network of the paper, with another question at its end: not "which sample comes next?" but "which class is this?",
asked at every time step. Shapes are written (N, C, T): batch, channels or classes, time.

It has one bug, on purpose, and it is the usual one. Find it with

    shapecheck examples/wavenet.py:WaveNet --loss cross_entropy
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn


def mu_law(audio: Tensor, levels: int = 256) -> Tensor:
    """Quantises audio in [-1, 1] to integer codes in [0, levels), finer near silence, as telephones do."""
    mu = levels - 1
    compressed = audio.sign() * torch.log1p(mu * audio.abs()) / math.log1p(mu)
    return ((compressed + 1) / 2 * mu).round().long()


class CausalConv(nn.Conv1d):
    """A dilated convolution that sees no future: all padding is on the left, and the length is kept."""

    def __init__(self, in_channels: int, out_channels: int, dilation: int = 1) -> None:
        super().__init__(in_channels, out_channels, kernel_size=2, dilation=dilation)
        self.past = dilation

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(F.pad(x, (self.past, 0)))


class GatedBlock(nn.Module):
    """tanh(filter) * sigmoid(gate): one 1x1 convolution of it goes on to the next block, one goes to the output."""

    def __init__(self, channels: int, dilation: int) -> None:
        super().__init__()
        self.filter = CausalConv(channels, channels, dilation)
        self.gate = CausalConv(channels, channels, dilation)
        self.residual = nn.Conv1d(channels, channels, kernel_size=1)
        self.skip = nn.Conv1d(channels, channels, kernel_size=1)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        z = torch.tanh(self.filter(x)) * torch.sigmoid(self.gate(x))
        return x + self.residual(z), self.skip(z)


class WaveNet(nn.Module):
    """Mu-law codes (N, T), int64 in [0, levels), to logits (N, T, C): one for each time step and class.

    `stacks` times over, `layers` blocks have the dilations 1, 2, 4, ..., so each layer doubles what a stack can see.
    With the defaults the logits of a time step depend on 32 samples: its own and the 31 before it.
    """

    def __init__(
        self, n_classes: int = 10, channels: int = 16, layers: int = 4, stacks: int = 2, levels: int = 256
    ) -> None:
        super().__init__()
        self.dilations: list[int] = [2**layer for layer in range(layers)] * stacks
        self.embed = nn.Embedding(levels, channels)  # the paper's one-hot codes, times a matrix
        self.first = CausalConv(channels, channels)
        self.blocks = nn.ModuleList(GatedBlock(channels, dilation) for dilation in self.dilations)
        self.head = nn.Sequential(
            nn.ReLU(),
            nn.Conv1d(channels, channels, kernel_size=1),
            nn.ReLU(),
            nn.Conv1d(channels, n_classes, kernel_size=1),
        )

    @property
    def receptive_field(self) -> int:
        """How many samples one output depends on: itself, one for `first`, and one dilation for each block."""
        return 1 + 1 + sum(self.dilations)

    def forward(self, codes: Tensor) -> Tensor:
        x = self.embed(codes).transpose(1, 2)  # (N, T, channels) to (N, channels, T)
        x = self.first(x)
        skips = torch.zeros_like(x)
        for block in self.blocks:
            x, skip = block(x)
            skips = skips + skip
        logits: Tensor = self.head(skips)
        return logits.transpose(1, 2)  # (N, C, T) to (N, T, C)
