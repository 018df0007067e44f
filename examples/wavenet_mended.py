"""Four right ways to end the WaveNet of wavenet.py. Which one is right for you depends on what your labels mean.

One label per clip, (N,): pool the time away, so that the logits are (N, C).
One label per step, (N, T): keep the time, but put the classes where cross_entropy reads them, (N, C, T).
"""

from __future__ import annotations

from torch import Tensor, nn
from wavenet import WaveNet


class WaveNetMean(WaveNet):
    """(N, C): every time step votes alike. For a property of the whole clip, such as its genre."""

    def forward(self, codes: Tensor) -> Tensor:
        return super().forward(codes).mean(dim=1)


class WaveNetLastStep(WaveNet):
    """(N, C): the last step alone answers, so only the last `receptive_field` samples count. For streaming."""

    def forward(self, codes: Tensor) -> Tensor:
        return super().forward(codes)[:, -1]


class WaveNetAttention(WaveNet):
    """(N, C): a weighted mean whose weights are learned. For an event somewhere in a longer clip."""

    def __init__(
        self, n_classes: int = 10, channels: int = 16, layers: int = 4, stacks: int = 2, levels: int = 256
    ) -> None:
        super().__init__(n_classes, channels, layers, stacks, levels)
        self.score = nn.Linear(n_classes, 1)

    def forward(self, codes: Tensor) -> Tensor:
        logits = super().forward(codes)
        weights: Tensor = self.score(logits).softmax(dim=1)  # (N, T, 1), adding up to 1 over time
        return (weights * logits).sum(dim=1)


class WaveNetPerStep(WaveNet):
    """(N, C, T): an answer at every time step. For labels that change within the clip, such as its notes."""

    def forward(self, codes: Tensor) -> Tensor:
        return super().forward(codes).transpose(1, 2)
