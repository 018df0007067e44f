"""Tensors to run a fix on: a small copy of the call with distinct sizes, and one of its own sizes. Imports torch.

The values are such as the rule at hand is about: one-hot rows, labels from one, probabilities.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import torch

from shapecheck.diagnosis import State
from shapecheck.operations import size_bound
from shapecheck.oracle import SEED
from shapecheck.shapes import Bound

LARGEST = 2_000_000  # elements; of larger calls only the small copy is run


def miniature(start: State, naming: Mapping[str, Bound], after: State, sample: str) -> dict[str, torch.Tensor] | None:
    """Tensors of the same structure with small distinct sizes; None where the fix holds for one size only."""
    if _bound_to_sizes(after):
        return None
    names = [part for bound in naming.values() for name in bound.names for part in name.split("*")]
    sizes = _small_sizes(names, naming)
    shapes = {
        name: tuple(
            start.tensors[name].shape[axis]
            if axis_name.startswith("one.")
            else math.prod(sizes[p] for p in axis_name.split("*"))
            for axis, axis_name in enumerate(bound.names)
        )
        for name, bound in naming.items()
    }
    return _sample(start, shapes, sizes.get("class"), sample, naming)


def _bound_to_sizes(after: State) -> bool:
    """Whether the fix, or its reference, holds for these sizes only (it cuts, splits or fills up)."""
    return (
        size_bound(after.calls)
        or any(operation == "crop" for named in after.named.values() for operation, _, _ in named.done)
        or any(
            not isinstance(part, int) for named in after.named.values() for origins in named.origins for part in origins
        )
        or any(
            not isinstance(part, int) for named in after.named.values() for _, axes, _ in named.done for part in axes
        )
    )


def _small_sizes(names: Sequence[str], naming: Mapping[str, Bound]) -> dict[str, int]:
    """batch 3, class 7, positions 5, 4, 6, ...; a tensor that is longer than the other stays longer."""
    sizes: dict[str, int] = {}
    spare = iter((5, 4, 6, 8, 9, 10))
    actual = {name: size for bound in naming.values() for name, size in bound.sizes.items()}
    for name in names:
        if name in sizes or name.startswith("one."):
            continue
        stem, dot, index = name.partition(".")
        where = sizes.get(f"where.{index}") if stem == "other" and dot else None
        if where is not None:
            sizes[name] = where + 1 if actual[name] > actual[f"where.{index}"] else where - 1
        else:
            sizes[name] = {"batch": 3, "rows": 2}.get(name) or (
                min(7, max(actual.get("class", 7), 1)) if name == "class" else next(spare)
            )
    return sizes


def full_size(start: State, naming: Mapping[str, Bound], sample: str) -> dict[str, torch.Tensor] | None:
    """The call's own sizes, unless they are too large to try."""
    output = start.tensors["output"]
    bound = naming.get("output")
    classes = bound.sizes.get("class") if bound else None
    if output.numel > LARGEST:
        return None
    return _sample(start, {name: t.shape for name, t in start.tensors.items()}, classes, sample, naming)


def _sample(
    start: State, shapes: Mapping[str, tuple[int, ...]], classes: int | None, sample: str, naming: Mapping[str, Bound]
) -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(SEED)
    facts = start.tensors["output"]
    output = torch.randn(shapes["output"], generator=generator)
    axis = naming["output"].axis("class")
    if facts.values == "log-probabilities" and axis is not None:
        output = output.log_softmax(axis)
    elif facts.values == "probabilities" and axis is not None:
        output = output.softmax(axis)
    elif facts.values in ("unit-interval", "probabilities"):
        output = output.sigmoid()
    if facts.dtype:
        dtype = getattr(torch, facts.dtype)
        output = output.to(dtype) if dtype.is_floating_point else (output * 3).round().to(dtype)
    return {"output": output, "target": _sample_target(start, shapes["target"], classes, sample, naming, generator)}


def _sample_target(
    start: State,
    shape: tuple[int, ...],
    classes: int | None,
    sample: str,
    naming: Mapping[str, Bound],
    generator: torch.Generator,
) -> torch.Tensor:
    facts = start.tensors["target"]
    dtype = getattr(torch, facts.dtype or "int64")
    axis = naming["target"].axis("class")
    count = classes or 2
    if sample == "continuous":
        return torch.randn(shape, generator=generator).to(dtype)
    if sample == "binary":
        return torch.randint(0, 2, shape, generator=generator).to(dtype)
    if axis is not None and (sample == "one-hot" or not dtype.is_floating_point):
        index = torch.randint(0, shape[axis], [s for a, s in enumerate(shape) if a != axis], generator=generator)
        return torch.zeros(shape).scatter_(axis, index.unsqueeze(axis), 1.0).to(dtype)
    if axis is not None:
        return torch.randn(shape, generator=generator).softmax(axis).to(dtype)
    if sample == "from-one":
        return torch.randint(1, count + 1, shape, generator=generator).to(dtype)
    labels = torch.randint(0, min(2, count) if dtype == torch.bool else max(count, 1), shape, generator=generator)
    if sample == "padded" and labels.numel() > 1:
        odd = facts.minimum if (facts.minimum or 0) < 0 else facts.maximum
        labels.view(-1)[0] = int(odd or 0)
    return labels.to(dtype)
