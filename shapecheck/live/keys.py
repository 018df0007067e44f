"""What makes two loss calls the same to a check that does not look at values. Never waits for a device."""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from typing import Any

import torch

from shapecheck.intercept.calls import LossCall

Key = tuple[Hashable, ...]


def key_of(call: LossCall) -> Key:
    """Loss, user's line, shapes, dtypes and plain keywords."""
    spot = call.stack[0]
    return (
        call.loss,
        id(spot.code),
        spot.instruction,
        tuple([_told(value) for value in call.tensors.values()]),
        tuple([(name, _told(value)) for name, value in call.loss_args.items()]),
    )


def pattern_of(call: LossCall) -> Key:
    """The same with sizes as letters: which sizes are equal, and which are one, is what tells right from wrong."""
    letters: dict[int, int] = {1: 1, 0: 0}

    def lettered(value: Any) -> Hashable:
        if not isinstance(value, torch.Tensor):
            return _told(value)
        return (tuple(letters.setdefault(size, -len(letters)) for size in value.shape), value.dtype)

    spot = call.stack[0]
    return (
        call.loss,
        id(spot.code),
        spot.instruction,
        tuple([lettered(value) for value in call.tensors.values()]),
        tuple([(name, lettered(value)) for name, value in call.loss_args.items()]),
    )


def _told(value: Any) -> Hashable:
    if isinstance(value, torch.Tensor):
        return (value.shape, value.dtype)
    if value is None or isinstance(value, (str, int, float)):
        return (type(value), value)
    if isinstance(value, (list, tuple)):
        return (type(value), len(value), _types(value))
    return (type(value),)


def _types(values: Iterable[Any]) -> Hashable:
    return frozenset([_told(value) if isinstance(value, torch.Tensor) else type(value) for value in values])
