"""Models with billions of parameters, as they are written: none of them fits a test. And small ones that take after them."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import nn

WIDTH = 4096


class Block(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.attention = nn.MultiheadAttention(width, 32, batch_first=True)
        self.up, self.down = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        normed = self.norm(x)
        x = x + self.attention(normed, normed, normed, need_weights=False)[0]
        return x + self.down(F.gelu(self.up(normed)))


class Decoder(nn.Module):
    """6.7 billion parameters."""

    def __init__(self, layers: int = 32, width: int = WIDTH) -> None:
        super().__init__()
        self.embed = nn.Embedding(32000, width)
        self.layers = nn.ModuleList([Block(width) for _ in range(layers)])
        self.head = nn.Linear(width, 32000)
        for parameter in self.parameters():
            if parameter.dim() > 1:
                nn.init.trunc_normal_(parameter, std=0.02)

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        x = self.embed(tokens)
        for layer in self.layers:
            x = layer(x)
        return self.head(x)


class ByNumber(Decoder):
    """Counts its layers by number, so that none may be missing."""

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        x = self.embed(tokens)
        for number in range(32):
            x = self.layers[number](x)
        return self.head(x).transpose(1, 2)


class Halving(nn.Module):
    """Layers alike of which each halves the length."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv1d(1, WIDTH, 3, padding=1)
        self.layers = nn.Sequential(*[nn.Conv1d(WIDTH, WIDTH, 4, stride=2, padding=1) for _ in range(5)])
        self.wide = nn.Linear(WIDTH, WIDTH * 16)
        self.last = nn.Linear(WIDTH * 16, 7)

    def forward(self, audio: torch.Tensor) -> torch.Tensor:
        return self.last(self.wide(self.layers(self.first(audio)).movedim(1, 2)))


class Routed(nn.Module):
    """A mixture of experts that picks rows by mask, and checks what it was given."""

    def __init__(self) -> None:
        super().__init__()
        self.gate = nn.Linear(WIDTH, 8)
        self.experts = nn.ModuleList([nn.Linear(WIDTH, WIDTH) for _ in range(8)])
        self.wide = nn.Linear(WIDTH, 16 * WIDTH)
        self.head = nn.Linear(16 * WIDTH, 11)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        assert torch.isfinite(x).all()
        if x.abs().max().item() > 1e6:
            x = x / 2
        chosen = self.gate(x).argmax(-1)
        out = torch.zeros_like(x)
        for number, expert in enumerate(self.experts):
            rows = (chosen == number).nonzero().flatten()
            if rows.numel():
                out.index_add_(0, rows, expert(x[rows]))
            out[chosen == number] += expert(x[chosen == number])
        return self.head(self.wide(out)).softmax(dim=-1)


class ByNumpy(nn.Module):
    """Leaves torch on the way: there is no doing that without values."""

    def __init__(self, width: int = 2**15) -> None:
        super().__init__()
        self.first, self.last = nn.Linear(24, width), nn.Linear(width, 5)
        self.unused = nn.Linear(width, width)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.last(torch.from_numpy(self.first(x).detach().numpy()).relu())


class Oblivious(nn.Module):
    """Forgives whatever goes wrong while it is built."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.last = nn.Linear(24, WIDTH), nn.Linear(WIDTH, 5)
        self.middle = nn.ModuleList()
        for _ in range(60):
            try:
                self.middle.append(nn.Linear(WIDTH, WIDTH))
            except BaseException:
                continue

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.first(x)
        for layer in self.middle:
            x = layer(x).relu()
        return self.last(x)


class OneLayer(nn.Module):
    """10 GB in one piece, and the same once more by a constructor of old."""

    def __init__(self, old: bool = False) -> None:
        super().__init__()
        self.fc = nn.Linear(10, 10) if old else nn.Linear(50_000, 50_000)
        self.weight = nn.Parameter(torch.Tensor(100_000, 100_000) if old else torch.zeros(1))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.fc(x)


class SmallDecoder(Decoder):
    def __init__(self) -> None:
        super().__init__(layers=2, width=64)


def nowhere() -> nn.Module:
    """Built on the meta device, as large models are before their weights are loaded."""
    with torch.device("meta"):
        return Decoder(layers=2, width=64)
