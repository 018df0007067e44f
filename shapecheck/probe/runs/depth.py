"""A deep model made shallow for a while: of many layers alike in a row, two stay. Runs nothing.

Layers alike mostly give back the shape they are given. Where they do not, the shapes of the shallow model are not those of the
deep one: whoever uses this compares one run of each.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

_FEWEST = 4
_KEPT = 2


@dataclass(frozen=True, eq=False)
class Cut:
    """A list of layers, all of them and those that stay."""

    container: nn.Module
    whole: dict[str, Any]
    short: dict[str, Any]


def cuts_of(model: nn.Module) -> tuple[Cut, ...]:
    """Lists of layers with repetitions; a class derived from one may count on its length."""
    found = []
    for container in model.modules():
        if type(container) in (nn.ModuleList, nn.Sequential):
            whole = container._modules
            kept = _without_repeats([child for child in whole.values() if child is not None])
            if len(kept) < len(whole):
                found.append(Cut(container, whole, {str(number): child for number, child in enumerate(kept)}))
    return tuple(found)


@contextmanager
def cut(cuts: Iterable[Cut]) -> Iterator[None]:
    """The model without the layers that repeat others, for the length of the block."""
    cuts = tuple(cuts)
    try:
        for each in cuts:
            each.container._modules = each.short
        yield
    finally:
        for each in cuts:
            each.container._modules = each.whole


def _without_repeats(layers: list[nn.Module]) -> list[nn.Module]:
    if len(layers) < _FEWEST:
        return layers
    rows = [list(row) for _, row in itertools.groupby(layers, key=_build)]
    return [layer for row in rows for layer in (row[:_KEPT] if len(row) >= _FEWEST else row)]


def _build(layer: nn.Module) -> tuple[object, ...]:
    """What layers alike have in common: their class, their settings as they print, the shapes of what they learn."""
    tensors: list[tuple[str, torch.Tensor]] = [*layer.named_parameters(), *layer.named_buffers()]
    return (type(layer), repr(layer), tuple((name, tuple(tensor.shape), tensor.dtype) for name, tensor in tensors))
