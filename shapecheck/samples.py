"""Tensors with values that make sense to a loss: to ask torch, and to run a fix on. Imports torch.

A fix is run on a small copy of the call with distinct sizes and on one of its own sizes. The values are such as the rule
at hand is about: one-hot rows, labels from one, probabilities.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import torch

from shapecheck.diagnosis import State
from shapecheck.matching import Facts
from shapecheck.operations import size_bound
from shapecheck.plans import Bound
from shapecheck.rules import Operand

LARGEST = 2_000_000  # elements; of larger calls only the small copy is run
SEED = 0

Generator = torch.Generator


# ---------------------------------------------------------------------------------------------- values


def draw(kind: str, facts: Facts, generator: Generator, axis: int | None = None, classes: int = 1) -> torch.Tensor:
    """Values of a kind, see `Operand.holds`; without one, all `minimum` but for a last `maximum`.

    `axis` is the class axis, where there is one, `classes` how many there are.
    """
    values = _values(kind, facts, generator, axis, classes)
    if not facts.permuted or values.dim() < 2:
        return values
    return values.movedim(1, -1).contiguous().movedim(-1, 1)


def _values(kind: str, facts: Facts, generator: Generator, axis: int | None, classes: int) -> torch.Tensor:
    dtype = getattr(torch, facts.dtype or "float32")
    if kind in _KINDS:
        values: torch.Tensor = _KINDS[kind](facts.shape, generator, -1 if axis is None else axis, max(classes, 1))
        values = values.to(torch.float64) if dtype == torch.float64 else values
        if kind == "unit-interval" and not (dtype.is_floating_point or dtype.is_complex):
            return values.round().to(dtype)
        return _cast(values, dtype)
    low = facts.minimum if facts.minimum is not None else min(0, facts.maximum or 0)
    tensor = torch.full(facts.shape, low).to(dtype)
    if facts.maximum is not None and tensor.numel():
        tensor.view(-1)[-1] = facts.maximum
    return tensor


def _cast(values: torch.Tensor, dtype: torch.dtype) -> torch.Tensor:
    """Scores as whole numbers are rounded, so that something is left of them."""
    if values.is_floating_point() and not dtype.is_floating_point and not dtype.is_complex:
        return (
            (values * 3).round().abs().to(dtype)
            if dtype in (torch.uint8, torch.bool)
            else (values * 3).round().to(dtype)
        )
    return values.to(dtype)


def _normal(shape: Sequence[int], generator: Generator, axis: int, classes: int) -> torch.Tensor:
    return torch.randn(shape, generator=generator)


def _logits(shape: Sequence[int], generator: Generator, axis: int, classes: int) -> torch.Tensor:
    """Scores of which some are certainly no probabilities."""
    values = torch.randn(shape, generator=generator)
    if values.numel():
        values.view(-1)[0], values.view(-1)[-1] = 2.5, -1.5
    return values


def _probabilities(shape: Sequence[int], generator: Generator, axis: int, classes: int) -> torch.Tensor:
    return torch.randn(shape, generator=generator).softmax(axis if shape else 0)


def _log_probabilities(shape: Sequence[int], generator: Generator, axis: int, classes: int) -> torch.Tensor:
    return torch.randn(shape, generator=generator).log_softmax(axis if shape else 0)


def one_hot(shape: Sequence[int], generator: Generator, axis: int, classes: int = 0) -> torch.Tensor:
    """A one at random along an axis."""
    if not shape or not shape[axis]:
        return torch.zeros(shape)
    place = axis % len(shape)
    index = torch.randint(0, shape[place], [1 if a == place else s for a, s in enumerate(shape)], generator=generator)
    return torch.zeros(shape).scatter_(place, index, 1.0)


def _class_list(shape: Sequence[int], generator: Generator, axis: int, classes: int) -> torch.Tensor:
    """Rows of different class indices, ended by -1."""
    if not shape:
        return torch.zeros((), dtype=torch.int64)
    order = torch.rand(shape, generator=generator).argsort(axis)
    order.movedim(axis, -1)[..., max(1, shape[axis] // 2) :] = -1
    return order


def _integers(low: int, high: int) -> Any:
    return lambda shape, generator, axis, classes: torch.randint(low, high, shape, generator=generator)


_KINDS: Mapping[str, Any] = {
    "numbers": _normal,
    "continuous": _normal,
    "logits": _logits,
    "probabilities": _probabilities,
    "log-probabilities": _log_probabilities,
    "unit-interval": lambda shape, generator, axis, classes: torch.rand(shape, generator=generator) * 0.98 + 0.01,
    "positive": lambda shape, generator, axis, classes: torch.rand(shape, generator=generator) + 0.5,
    "signs": lambda shape, generator, axis, classes: torch.randint(0, 2, shape, generator=generator) * 2 - 1,
    "binary": _integers(0, 2),
    "multi-hot": _integers(0, 2),
    "counts": _integers(0, 6),
    "class-index": lambda shape, generator, axis, classes: torch.randint(0, classes, shape, generator=generator),
    "from-one": lambda shape, generator, axis, classes: torch.randint(1, classes + 1, shape, generator=generator),
    "around-zero": lambda shape, generator, axis, classes: torch.randint(-1, classes - 1, shape, generator=generator),
    "one-hot": one_hot,
    "class-list": _class_list,
}


def python_value(facts: Facts) -> Any:
    """The number or list in a tensor's place, or something of the type that the user passed there."""
    if facts.python == "list":
        return [int(value) for value in facts.elements or ()]
    if facts.python in ("int", "float"):
        value = (facts.elements or (1.0,))[0]
        return int(value) if facts.python == "int" else float(value)
    return _OF_TYPES[facts.python]() if facts.python in _OF_TYPES else type(facts.python, (), {})()


_OF_TYPES: Mapping[str, Any] = {
    "NoneType": lambda: None,
    "bool": bool,
    "str": str,
    "tuple": tuple,
    "dict": dict,
    "set": set,
    "ndarray": lambda: torch.zeros(1).numpy(),
}


def fitting(
    facts: Facts, operand: Operand, scores: bool, sizes: Mapping[str, Any], generator: Generator
) -> torch.Tensor | Any:
    """A tensor with all that is known of its values; else zeros for labels, and else what the loss wants in it."""
    if facts.python:
        return python_value(facts)
    dtype = getattr(torch, facts.dtype or "float32")
    if facts.elements is not None and len(facts.elements) == facts.numel:
        return torch.tensor(facts.elements).to(dtype).reshape(facts.shape)
    if facts.minimum is not None or facts.maximum is not None:
        return draw("", facts, generator)
    if facts.values in ("logits", "probabilities", "log-probabilities", "unit-interval"):
        return draw(facts.values, facts, generator)
    if operand.holds and operand.holds not in _KINDS:
        return _lengths(facts.shape, operand, sizes).to(dtype)
    if not dtype.is_floating_point:
        known = operand.holds in ("signs", "positive", "class-list")
        return draw(operand.holds if known else "", facts, generator)
    if not scores and not operand.holds:
        return torch.zeros(facts.shape, dtype=dtype)
    return draw(operand.holds or "numbers", facts, generator)


# ----------------------------------------------------------------------------------- the call, large or small


def miniature(start: State, naming: Mapping[str, Bound], after: State, sample: str) -> dict[str, Any] | None:
    """Tensors of the same structure with small distinct sizes; None where the fix holds for one size only."""
    if _bound_to_sizes(after) or any(facts.python for facts in start.tensors.values()):
        return None
    if set(naming) != set(start.tensors):
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
    return _sample(start, shapes, sizes, sample, naming)


def _bound_to_sizes(after: State) -> bool:
    """Whether the fix, or its reference, holds for these sizes only (it cuts, splits or fills up)."""
    classes = after.verdict.env.get("class") or 0
    return (
        size_bound(after.calls)
        or (classes > 7 and any(value in (classes - 1, classes) for value in after.new_arguments.values()))
        or any(operation in ("crop", "clamp") for named in after.named.values() for operation, _, _ in named.done)
        or any(
            not isinstance(part, int) and part[0] != "one-hot"
            for named in after.named.values()
            for origins in named.origins
            for part in origins
        )
        or any(
            not isinstance(part, int) for named in after.named.values() for _, axes, _ in named.done for part in axes
        )
    )


def _small_sizes(names: Sequence[str], naming: Mapping[str, Bound]) -> dict[str, int]:
    """batch 3, class 7, positions 5, 4, 6, ..., time enough for any labels; a tensor that is longer than the other stays longer."""
    sizes: dict[str, int] = {}
    spare = iter((5, 4, 6, 8, 9, 10, 11, 12, 13, 14))
    actual = {name: size for bound in naming.values() for name, size in bound.sizes.items()}
    for name in names:
        if name in sizes or name.startswith("one."):
            continue
        stem, dot, index = name.partition(".")
        where = sizes.get(f"where.{index}") if stem == "other" and dot else None
        if where is not None:
            sizes[name] = where + 1 if actual[name] > actual[f"where.{index}"] else where - 1
        elif actual.get(name, 2) <= 1:
            sizes[name] = actual[name]  # what has size one is there to be broadcast
        else:
            sizes[name] = {"batch": 3, "rows": 2, "time": 15}.get(name) or (
                min(7, max(actual.get("class", 7), 1)) if name == "class" else next(spare)
            )
    return sizes


def full_size(start: State, naming: Mapping[str, Bound], after: State, sample: str) -> dict[str, Any] | None:
    """The call's own sizes, unless they are too large to try; labels for the classes that it has after the fix."""
    if start.tensors[start.loss.output].numel > LARGEST:
        return None
    sizes = {name: size for bound in naming.values() for name, size in bound.sizes.items()}
    classes = after.verdict.env.get("class")
    sizes = sizes if classes is None else {**sizes, "class": classes}
    return _sample(start, {name: t.shape for name, t in start.tensors.items()}, sizes, sample, naming)


def _lengths(shape: Sequence[int], operand: Operand, sizes: Mapping[str, Any]) -> torch.Tensor:
    """Each the size of the axis that they hold, or a share of the one that they add up to."""
    size, total = sizes.get(operand.holds), sizes.get(operand.adds_up_to)
    lengths = torch.full(tuple(shape), 1 if size is None else size)
    if size is None and total is not None and lengths.numel():
        lengths.fill_(total // lengths.numel()).view(-1)[0] += total % lengths.numel()
    return lengths


def _sample(
    start: State,
    shapes: Mapping[str, tuple[int, ...]],
    sizes: Mapping[str, int],
    sample: str,
    naming: Mapping[str, Bound],
) -> dict[str, Any]:
    generator = torch.Generator().manual_seed(SEED)
    made: dict[str, Any] = {}
    for name, facts in start.tensors.items():
        bound = naming.get(name)
        axis = bound.axis("class") if bound else None
        if facts.python:
            made[name] = python_value(facts)
            continue
        resized = Facts(shapes[name], facts.dtype, permuted=facts.permuted)
        operand = start.loss.tensors[name]
        if operand.holds and operand.holds not in _KINDS:
            made[name] = _lengths(resized.shape, operand, sizes).to(getattr(torch, facts.dtype or "int64"))
        elif name == start.loss.output:
            made[name] = draw(_scores(facts, operand), resized, generator, axis)
        elif name == start.loss.target:
            made[name] = _labels(start, resized, axis, sizes.get("class"), sample, generator)
        else:
            made[name] = draw(operand.holds or "numbers", resized, generator, axis)
    return made


def _scores(facts: Facts, operand: Operand) -> str:
    """What an output holds: what is known of it, else what the loss wants."""
    if facts.values in ("log-probabilities", "probabilities", "unit-interval"):
        return facts.values
    if facts.minimum is not None and facts.minimum >= 0:
        return "unit-interval" if facts.maximum is not None and facts.maximum <= 1 else "positive"
    if facts.values == "logits":
        return facts.values
    return operand.holds or "numbers"


def _labels(
    start: State, facts: Facts, axis: int | None, classes: int | None, sample: str, generator: Generator
) -> torch.Tensor:
    known, operand = start.tensors[start.loss.target], start.loss.tensors[start.loss.target]
    whole = not getattr(torch, facts.dtype or "int64").is_floating_point
    count = classes or 2
    if sample in ("continuous", "binary", "from-one", "around-zero", "class-index"):
        return draw(sample, facts, generator, axis, count)
    if axis is not None and (sample == "one-hot" or whole) and operand.holds in ("", "class-index"):
        return draw("one-hot", facts, generator, axis)
    if axis is not None and operand.holds in ("", "class-index"):
        return draw("probabilities", facts, generator, axis)
    kind = operand.holds or ("class-index" if whole or start.loss.has_classes else "numbers")
    labels = draw(kind, facts, generator, axis, min(2, count) if facts.dtype == "bool" else count)
    if sample == "padded" and labels.numel() > 1:
        odd = known.minimum if (known.minimum or 0) < 0 else known.maximum
        labels.view(-1)[0] = int(odd or 0)
    return labels
