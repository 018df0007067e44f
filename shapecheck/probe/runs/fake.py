"""Tensors without values, for models too large to be built: what torch's fake tensors leave open is answered here.

A number or truth value read off a tensor is made up, and a mask is taken to be true everywhere: shapes that depend on values are
those of the fullest case. Importing this costs a second and 80 MB, so it is imported where it is needed only.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch._subclasses.fake_tensor import DataDependentOutputException, DynamicOutputShapeException, FakeTensorMode

from shapecheck.probe.runs.valueless import always_true, made_up

_aten = torch.ops.aten
_ALWAYS_TRUE = frozenset({_aten.all.default, _aten.all.dim, _aten.all.dims})
logging.getLogger("torch._subclasses.fake_tensor").setLevel(logging.CRITICAL)


class ShapesMode(FakeTensorMode):
    """`read` counts the values that were made up."""

    def __init__(self) -> None:
        super().__init__(allow_non_fake_inputs=True)
        self.read = 0

    def dispatch(
        self, func: Any, types: Sequence[type], args: Sequence[object] = (), kwargs: Mapping[str, object] | None = None
    ) -> object:
        kwargs = kwargs or {}
        try:
            result = super().dispatch(func, types, args, kwargs)
        except (DataDependentOutputException, DynamicOutputShapeException):
            if func not in _ANSWERS:
                raise
            self.read += 1
            return _ANSWERS[func](*args, **kwargs)
        except RuntimeError:
            if func not in _STRICTER:
                raise
            return _STRICTER[func](*args, **kwargs)
        if func in _ALWAYS_TRUE:
            always_true(result)
        return result


def _nonzero(mask: torch.Tensor) -> torch.Tensor:
    return torch.zeros((mask.numel(), mask.dim()), dtype=torch.int64, device=mask.device)


def _masked_select(values: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    whole: torch.Tensor = torch.broadcast_tensors(values, mask)[0]
    return whole.reshape(-1)


def _index(values: torch.Tensor, indices: Sequence[torch.Tensor | None]) -> torch.Tensor:
    """A mask becomes one list of positions for each of its axes."""
    plain: list[torch.Tensor | None] = []
    for index in indices:
        is_mask = index is not None and index.dtype in (torch.bool, torch.uint8)
        plain += list(_nonzero(index).unbind(1)) if index is not None and is_mask else [index]
    result: torch.Tensor = _aten.index.Tensor(values, plain)
    return result


def _unique(values: torch.Tensor, *_: object, **__: object) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    ones = torch.zeros((values.numel(),), dtype=torch.int64, device=values.device)
    return values.reshape(-1), torch.zeros_like(values, dtype=torch.int64), ones


def _repeat_interleave(repeats: torch.Tensor, output_size: int | None = None) -> torch.Tensor:
    return torch.zeros_like(repeats)


_ANSWERS: dict[Any, Callable[..., Any]] = {
    _aten._local_scalar_dense.default: made_up,
    _aten.is_nonzero.default: made_up,
    _aten.equal.default: lambda one, other: True,
    _aten.allclose.default: lambda *_, **__: True,
    _aten.nonzero.default: _nonzero,
    _aten.masked_select.default: _masked_select,
    _aten.index.Tensor: _index,
    _aten._unique2.default: _unique,
    _aten.repeat_interleave.Tensor: _repeat_interleave,
}


def _in_half(one: torch.Tensor, other: torch.Tensor, *args: object, **kwargs: object) -> torch.Tensor:
    half = torch.bfloat16
    result: torch.Tensor = _aten._grouped_mm.default(one.to(half), other.to(half), *args, **kwargs)
    return result.to(one.dtype)


# What the CPU takes and fake tensors do not.
_STRICTER: dict[Any, Callable[..., Any]] = {_aten._grouped_mm.default: _in_half}
