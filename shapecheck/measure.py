"""Facts of real tensors: range, rows that sum to one, one-hot, whole numbers. Imports torch."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import torch

from shapecheck.plans import match
from shapecheck.rules import Loss
from shapecheck.specs import TensorSpec

LARGEST = 4_000_000  # elements; larger tensors are measured on their first ones
MOST_ELEMENTS = 4096  # of whole numbers, such as lengths, all are kept
TOLERANCE = 1e-3


def spec_of(tensor: torch.Tensor, axes: tuple[str, ...] | None = None, origin: str = "data") -> TensorSpec:
    """Shape and dtype of a tensor, nothing measured."""
    return TensorSpec(tuple(tensor.shape), dtype_name(tensor), axes, origin=origin, permuted=is_permuted(tensor))


def is_permuted(tensor: torch.Tensor) -> bool:
    """Whether its axes lie in memory in another order: a tensor like it, such as its gradient, would be no other."""
    return not tensor.is_contiguous() and not torch.empty_like(tensor).is_contiguous()


def dtype_name(tensor: torch.Tensor) -> str:
    """`float32`."""
    return str(tensor.dtype).removeprefix("torch.")


def output_values(output: torch.Tensor, axis: int | None) -> str | None:
    """What the scores along `axis` are: probabilities, log-probabilities, unit-interval or logits.

    Without an axis only the last two can be told. None where it cannot be said: a single class, nothing finite.
    """
    if not output.is_floating_point():
        return None
    if axis is None:
        return _range_only(output.detach().reshape(-1)[:LARGEST])
    if axis >= output.dim() or output.shape[axis] < 2:
        return None
    rows = output.detach().movedim(axis, -1).reshape(-1, output.shape[axis])[: LARGEST // output.shape[axis]].double()
    if not rows.numel() or bool(torch.isnan(rows).any()):
        return None
    tolerance = TOLERANCE if output.dtype in (torch.float32, torch.float64) else 2e-2
    if bool((rows >= 0).all()) and _ones(rows.sum(-1), tolerance):
        return "probabilities"
    if bool((rows <= tolerance).all()) and _ones(rows.exp().sum(-1), tolerance):
        return "log-probabilities"
    if bool(((rows >= 0) & (rows <= 1)).all()):
        return "unit-interval"
    return "logits"


def _range_only(scores: torch.Tensor) -> str | None:
    if not scores.numel() or bool(torch.isnan(scores).any()):
        return None
    return "unit-interval" if bool(((scores >= 0) & (scores <= 1)).all()) else "logits"


def _ones(sums: torch.Tensor, tolerance: float) -> bool:
    return bool(((sums - 1).abs() < tolerance).all())


def class_axis_of(loss: Loss, shape: tuple[int, ...]) -> int | None:
    """The axis of an output that the loss reads as classes; for one that has none, the last of more than one score."""
    for signature in loss.signatures:
        pattern = signature.patterns[loss.output]
        bound = next(match(pattern, shape), None)
        if bound is not None and "class" in pattern.names:
            return bound.axis("class")
    if loss.has_classes:
        return min(1, len(shape) - 1) if shape else None
    return len(shape) - 1 if shape and shape[-1] > 1 else None


def tensor_facts(tensor: torch.Tensor, loss: Loss, name: str, output_shape: tuple[int, ...]) -> TensorSpec:
    """Range, sum and kind of the values of any tensor of a loss, as far as a rule asks for them."""
    spec = spec_of(tensor)
    if not tensor.numel() or tensor.is_complex():
        return spec
    flat = tensor.detach().reshape(-1)[:LARGEST]
    plain = flat.to(torch.float64) if flat.is_floating_point() or flat.dtype == torch.bool else flat
    low, high = float(plain.min()), float(plain.max())
    if name == loss.output:
        values = output_values(tensor, class_axis_of(loss, tuple(tensor.shape)))
    elif name == loss.target:
        values = _target_values(tensor.detach(), plain, low, high, loss, output_shape)
    else:
        values = None
    classes = class_count(loss, output_shape) if name == loss.target else None
    normalised = _normalised_axis(tensor, low, high, values, loss) if name == loss.output else None
    small = not plain.is_floating_point() and plain.numel() <= MOST_ELEMENTS
    return replace(
        spec,
        minimum=low,
        maximum=high,
        total=float(plain.sum()) if plain.numel() == tensor.numel() else None,
        elements=tuple(plain.tolist()) if small else None,
        values=values,
        distinct=_distinct(plain) if classes and values == "class-index" and (low < 0 or high >= classes) else None,
        normalised=normalised,
        odd=None if math.isfinite(low) and math.isfinite(high) else _first_odd(flat, tensor),
    )


def _first_odd(values: torch.Tensor, tensor: torch.Tensor) -> tuple[int, ...] | None:
    """The index of the first NaN, or else of the first infinite value."""
    for odd in (values.isnan(), values.isinf()):
        if bool(odd.any()):
            return tuple(int(axis) for axis in torch.unravel_index(odd.to(torch.uint8).argmax(), tensor.shape))
    return None


def class_count(loss: Loss, output_shape: tuple[int, ...]) -> int | None:
    """How many classes an output has as the loss reads it; None for a loss without classes."""
    axis = class_axis_of(loss, output_shape) if loss.has_classes else None
    return output_shape[axis] if axis is not None and axis < len(output_shape) else None


def _distinct(labels: torch.Tensor) -> int:
    return int(labels.unique().numel())


def _normalised_axis(scores: torch.Tensor, low: float, high: float, values: str | None, loss: Loss) -> int | None:
    """The axis other than that of the classes over which a softmax, or its logarithm, has run."""
    read = class_axis_of(loss, tuple(scores.shape))
    known = values in ("probabilities", "log-probabilities") or not loss.has_classes or read is None
    if (
        known
        or not scores.is_floating_point()
        or scores.numel() > LARGEST
        or not (0 <= low <= high <= 1 or low < high <= 0)
    ):
        return None
    numbers = scores.detach().double()
    numbers = numbers.exp() if high <= 0 else numbers
    tolerance = TOLERANCE if scores.dtype in (torch.float32, torch.float64) else 2e-2
    axes = [axis for axis in range(scores.dim()) if axis != read and scores.shape[axis] > 1]
    return next((axis for axis in axes if _ones(numbers.sum(axis), tolerance)), None)


def class_axis_told(target: torch.Tensor, loss: Loss) -> int | None:
    """The one axis along which a target of class probabilities sums to one, where the loss reads another as classes."""
    read = class_axis_of(loss, tuple(target.shape))
    if not loss.has_classes or read is None or not target.is_floating_point() or not 0 < target.numel() <= LARGEST:
        return None
    values = target.detach().double()
    sums = [axis for axis in range(target.dim()) if target.shape[axis] > 1 and _ones(values.sum(axis), TOLERANCE)]
    return sums[0] if bool((values >= 0).all()) and len(sums) == 1 and sums[0] != read else None


def number_facts(value: Any) -> TensorSpec | None:
    """A Python number or list of whole numbers in a tensor's place; None for anything else."""
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return TensorSpec(
            (), "float64", minimum=value, maximum=value, elements=(value,), origin="data", python=type(value).__name__
        )
    if isinstance(value, (list, tuple)) and all(type(item) is int for item in value):
        low, high = (min(value), max(value)) if value else (None, None)
        return TensorSpec(
            (len(value),), "int64", minimum=low, maximum=high, elements=tuple(value), origin="data", python="list"
        )
    return None


def facts_of_keywords(arguments: Mapping[str, Any]) -> dict[str, Any]:
    """The keywords of a call, tensors among them as what is measured of them."""
    return {name: keyword_facts(v) if isinstance(v, torch.Tensor) else v for name, v in arguments.items()}


def keyword_facts(tensor: torch.Tensor) -> dict[str, Any]:
    """A tensor keyword: shape, dtype, and what decides whether its weights can be used."""
    facts: dict[str, Any] = {"shape": list(tensor.shape), "dtype": dtype_name(tensor)}
    if tensor.numel() and not tensor.is_complex():
        plain = tensor.detach().to(torch.float64)
        facts |= {"min": float(plain.min()), "max": float(plain.max()), "total": float(plain.sum())}
    return facts


def _target_values(
    target: torch.Tensor, plain: torch.Tensor, low: float, high: float, loss: Loss, output_shape: tuple[int, ...]
) -> str | None:
    whole = not plain.is_floating_point() or bool((plain == plain.round()).all())
    axis = _class_axis(target, loss, output_shape)
    if axis is not None:
        rows = target.movedim(axis, -1).reshape(-1, target.shape[axis]).double()
        sums = rows.sum(-1)
        if whole and low >= 0 and high <= 1:
            return "one-hot" if bool((sums == 1).all()) else "multi-hot"
        if low >= 0 and _ones(sums, TOLERANCE):
            return "probabilities"
        if high <= 0 and _ones(rows.exp().sum(-1), TOLERANCE):
            return "log-probabilities"
        return "class-index" if whole and not target.is_floating_point() else "continuous"
    return "class-index" if whole else "continuous"


def _class_axis(target: torch.Tensor, loss: Loss, output_shape: tuple[int, ...]) -> int | None:
    """The axis along which a target of the output's rank has classes: the output's, or the last if rows sum to one there."""
    if target.dim() != len(output_shape) or target.dim() == 0:
        return None
    axis = class_axis_of(loss, output_shape)
    if tuple(target.shape) == output_shape or axis is None:
        return axis
    return target.dim() - 1 if target.shape[-1] == output_shape[axis] else None
