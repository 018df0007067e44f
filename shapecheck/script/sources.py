"""What is known of a tensor of a running script: that a batch, a module or a function of torch's gave it, and of which others.

Tensors themselves are held weakly. Imports torch, runs nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from weakref import ref

import torch
from torch import nn
from torch.utils.data import DataLoader

from shapecheck.errors import Location
from shapecheck.intercept.stack import Spot
from shapecheck.probe.inputs.real import RealCall

Shape = tuple[int, ...]


@dataclass(frozen=True, eq=False)
class Batch:
    """What a DataLoader gave. Its samples lie along axis 0, where nothing else was asked of it."""

    loader: DataLoader[Any]
    depth: int = 0


@dataclass(frozen=True, eq=False)
class Given:
    """Data from elsewhere, whose axes the script has moved, merged or cut."""

    depth: int = 0


@dataclass(frozen=True, eq=False)
class ModuleCall:
    """One call of a module; `outer` is the call that it was made in. `taken` is where its arguments came from.

    `real` holds copies of the arguments, as they were when such a call was made first; None for a call in another's.
    """

    module: nn.Module
    real: RealCall | None
    taken: tuple[Made, ...]
    spot: Spot | None
    outer: ModuleCall | None = None
    graded: bool = True
    depth: int = 0


@dataclass(frozen=True, eq=False)
class Step:
    """One function of torch's that the script called. Tensors among its arguments are `Made`, or `Other`."""

    function: Callable[..., Any]
    name: str
    args: tuple[Any, ...]
    kwargs: Mapping[str, Any]
    shape: Shape | None
    spot: Spot | None
    graded: bool
    depth: int

    @property
    def location(self) -> Location | None:
        return self.spot.location if self.spot else None

    @property
    def written(self) -> str:
        """The expression as it stands in the source, where that is known."""
        return self.spot.expression if self.spot else ""

    @property
    def taken(self) -> tuple[Made, ...]:
        return tuple(found(Made, (self.args, dict(self.kwargs))))


@dataclass(frozen=True, eq=False)
class Made:
    """One tensor: the part `path` of what a batch, a module or a step gave. `graded` is whether it carries gradient."""

    source: Source
    path: str
    shape: Shape
    graded: bool
    tensor: ref[torch.Tensor]


Source = Batch | Given | ModuleCall | Step


@dataclass(frozen=True, eq=False)
class Other:
    """A tensor from elsewhere."""

    shape: Shape
    tensor: ref[torch.Tensor]


def found(kind: type[Any], value: Any) -> Iterator[Any]:
    """Everything of that kind in nested tuples, lists and mappings."""
    if isinstance(value, kind):
        yield value
    elif isinstance(value, (tuple, list)):
        for item in value:
            yield from found(kind, item)
    elif isinstance(value, Mapping):
        for item in value.values():
            yield from found(kind, item)


def made_of(tensor: torch.Tensor, source: Source, path: str = "") -> Made:
    """What is known of a tensor now."""
    return Made(source, path, tuple(tensor.shape), tensor.requires_grad, ref(tensor))


def with_sources(value: Any, known: Mapping[int, Made]) -> Any:
    """The arguments with tensors as what is known of them."""
    if isinstance(value, torch.Tensor):
        return known.get(id(value)) or Other(tuple(value.shape), ref(value))
    if isinstance(value, (tuple, list)):
        items = [with_sources(item, known) for item in value]
        return items if isinstance(value, list) else tuple(items)
    if isinstance(value, dict):
        return {name: with_sources(item, known) for name, item in value.items()}
    return value
