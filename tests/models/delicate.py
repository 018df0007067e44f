"""Small models with unusual parameters, or that do something unusual on the way. Each is right for its loss."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn
from torch.nn.utils.parametrizations import orthogonal, spectral_norm, weight_norm
from torch.utils.checkpoint import checkpoint


class Plain(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.first, self.last = nn.Linear(13, 32), nn.Linear(32, 7)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.last(self.first(x).relu())


def in_bfloat16() -> nn.Module:
    return Plain().bfloat16()


def in_half() -> nn.Module:
    return Plain().half()


def in_double() -> nn.Module:
    return Plain().double()


def parametrized() -> nn.Module:
    model = Plain()
    weight_norm(model.first)
    spectral_norm(model.last)
    return model


def orthogonalized() -> nn.Module:
    model = Plain()
    orthogonal(model.first)
    return model


class ComplexWeight(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Linear(13, 13)
        self.weight = nn.Parameter(torch.randn(13, 7, dtype=torch.complex64))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return (self.first(x).to(torch.complex64) @ self.weight).abs()


class SparseWeight(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.mix, self.last = nn.Parameter(torch.eye(13).to_sparse()), nn.Linear(13, 7)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.last(torch.sparse.mm(self.mix, x.t()).t())


class Unsized(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.first, self.last = nn.LazyConv1d(8, 3), nn.LazyLinear(7)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.last(self.first(x).mean(-1))


class Caching(Plain):
    """What it was fed before goes into what it gives."""

    kept: torch.Tensor | None = None

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.kept = x if self.kept is None else torch.cat([self.kept, x])
        return super().forward(x) + self.kept.mean()


class WritesToItsInput(Plain):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x.mul_(2)
        x[:, 0] = 0
        return super().forward(x)


class _Clamp(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: torch.Tensor) -> torch.Tensor:
        ctx.save_for_backward(x)
        return x.clamp(min=0)

    @staticmethod
    def backward(ctx: Any, gradient: torch.Tensor) -> torch.Tensor:
        return gradient * (ctx.saved_tensors[0] > 0)


class OwnFunction(Plain):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.last(_Clamp.apply(self.first(x)))


class Checkpointed(Plain):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.last(checkpoint(self.first, x, use_reentrant=True))


class SeedsItself(Plain):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        torch.manual_seed(3)
        return super().forward(x + torch.rand_like(x))


class InAutocast(Plain):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        with torch.autocast("cpu", dtype=torch.bfloat16):
            return super().forward(x)


class PartlyInInference(Plain):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        with torch.inference_mode():
            hidden = self.first(x)
        return self.last(hidden.clone())


class ConvertsItself(Plain):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.to(torch.float64)
        return super().forward(x.double())


class PartlyNowhere(nn.Module):
    """A part on the meta device, as before its weights are loaded."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.last = nn.Linear(13, 32), nn.Linear(32, 7, device="meta")

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.last(self.first(x))
