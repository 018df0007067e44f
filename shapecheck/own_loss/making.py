"""Tensors to try a loss with: outputs and targets of a shape, dtype and kind of values, always the same for a seed."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch

from shapecheck.own_loss.candidates import UNIT, Candidate, Layout
from shapecheck.samples import one_hot

DISTRIBUTIONS = ("logits", "probabilities", "log-probabilities", "unit-interval")


def output_of(shape: Sequence[int], dtype: str, values: str, axis: int | None) -> torch.Tensor:
    """What a model might give: logits, or what `values` says, along the axis of the scores."""
    made = torch.randn(tuple(shape), generator=torch.Generator().manual_seed(0))
    if values == "probabilities" and axis is not None:
        made = made.softmax(axis)
    elif values == "log-probabilities" and axis is not None:
        made = made.log_softmax(axis)
    elif values in ("unit-interval", "probabilities"):
        made = made.sigmoid()
    kind = getattr(torch, dtype)
    return made.to(kind) if kind.is_floating_point or kind.is_complex else (made * 3).round().to(kind)


def target_of(one: Candidate, output: Layout, holds: str, seed: int, classes: int | None = None) -> torch.Tensor:
    """A target of these values; another seed gives others. `classes` are those of the data, where the axis tells less."""
    generator = torch.Generator().manual_seed(seed)
    made = _values(one, output, holds, generator, classes)
    return made.to(getattr(torch, one.dtype))


def _values(
    one: Candidate, output: Layout, holds: str, generator: torch.Generator, classes: int | None
) -> torch.Tensor:
    if holds == "class-index":
        return torch.randint(0, class_count(one, output, classes), one.shape, generator=generator)
    if holds == "one-hot":
        return _one_hot(one, output, generator)
    if holds in ("binary", "signs"):
        labels = _balanced(one.shape, generator)
        return labels if holds == "binary" else 2 * labels - 1
    if holds == "unit-interval":
        return torch.rand(one.shape, generator=generator)
    return torch.randn(one.shape, generator=generator)


def class_count(one: Candidate, output: Layout, classes: int | None) -> int:
    """How many labels there are: of the axis that is indexed, else as the data says, else two."""
    if one.index is not None:
        return max(1, output.shape[one.index])
    return classes or 2


def _balanced(shape: tuple[int, ...], generator: torch.Generator) -> torch.Tensor:
    """Zeros and ones, as many of each as there can be, so that every label occurs twice in a small batch too."""
    return (torch.randperm(math.prod(shape), generator=generator) % 2).reshape(shape)


def _one_hot(one: Candidate, output: Layout, generator: torch.Generator) -> torch.Tensor:
    """A one along the axis of the scores; ones at random where there is none."""
    axis = rows_axis(one, output)
    if axis is None or not one.shape[axis]:
        return _balanced(one.shape, generator)
    return one_hot(one.shape, generator, axis)


def rows_axis(one: Candidate, output: Layout) -> int | None:
    """The target's axis that holds one score for each class or feature."""
    wanted = output.scores
    return next((each for each, axis in enumerate(one.axes) if axis != UNIT and axis in wanted), None)
