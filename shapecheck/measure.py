"""Facts of real tensors: range, rows that sum to one, one-hot, whole numbers. Imports torch."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import replace
from functools import cache
from typing import Any

import torch

from shapecheck.plans import match
from shapecheck.rules import Loss
from shapecheck.specs import TensorSpec

LARGEST = 4_000_000  # labels; of more the first are measured
MOST_SCORES = 1_000_000  # of an output, of which a part tells as much
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
    if not output.is_floating_point() or not output.numel():
        return None
    scores = sampled(output, axis, MOST_SCORES)
    return _scores(scores, axis, *_range(scores))


def _scores(scores: torch.Tensor, axis: int | None, low: float, high: float) -> str | None:
    """Mostly the range decides; only what may be probabilities, or their logarithms, is added up."""
    if not scores.is_floating_point() or math.isnan(low):
        return None
    if axis is not None and (axis >= scores.dim() or scores.shape[axis] < 2):
        return None
    tolerance = _tolerance(scores.dtype)
    if axis is not None and low >= 0 and high <= 1 + tolerance and _ones(_precise(scores).sum(axis), tolerance):
        return "probabilities"
    if axis is not None and high <= tolerance and _ones(_precise(scores).exp().sum(axis), tolerance):
        return "log-probabilities"
    return "unit-interval" if low >= 0 and high <= 1 else "logits"


def sampled(tensor: torch.Tensor, whole: int | None, most: int) -> torch.Tensor:
    """A part of about `most` elements, on the CPU and without gradient: nothing is copied that is not looked at.

    The axis `whole` is not cut.
    """
    part = tensor.detach()
    for axis in range(part.dim()):
        if axis != whole and part.numel() > most:
            part = part.narrow(axis, 0, max(1, part.shape[axis] * most // part.numel()))
    return part.cpu()


def _range(values: torch.Tensor) -> tuple[float, float]:
    """The smallest and the largest value in one pass, NaN if any is."""
    plain = values.to(torch.uint8) if values.dtype == torch.bool else values
    plain = plain if plain.dtype in _ORDERED else plain.to(torch.float64)
    low, high = plain.aminmax()
    return float(low), float(high)


_ORDERED = (
    torch.float16, torch.bfloat16, torch.float32, torch.float64, torch.uint8, torch.int8, torch.int16, torch.int32,
    torch.int64,
)  # fmt: skip


def _precise(values: torch.Tensor) -> torch.Tensor:
    """Wide enough to add up a class axis."""
    return values.to(torch.float32) if values.dtype in (torch.float16, torch.bfloat16) else values


def _tolerance(dtype: torch.dtype) -> float:
    return TOLERANCE if dtype in (torch.float32, torch.float64) else 2e-2


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
    asked = _asked(loss)
    axis = _whole_axis(tensor, loss, name, output_shape)
    values = sampled(tensor, axis, MOST_SCORES if name == loss.output else LARGEST)
    low, high = _range(values)
    spec = replace(spec, minimum=low, maximum=high, values=_kind(values, low, high, loss, name, axis))
    if not (math.isfinite(low) and math.isfinite(high)):
        return replace(spec, odd=_first_odd(values))
    classes = class_count(loss, output_shape) if name == loss.target else None
    beyond = classes is not None and spec.values == "class-index" and (low < 0 or high >= classes)
    small = not values.is_floating_point() and values.numel() <= MOST_ELEMENTS and values.dtype != torch.bool
    return replace(
        spec,
        total=float(values.to(torch.float64).sum())
        if values.numel() == tensor.numel() and (name, "total") in asked
        else None,
        elements=tuple(values.reshape(-1).tolist()) if small and (name, "elements") in asked else None,
        **(_beyond(values, classes) if beyond and classes is not None else {}),
        normalised=_normalised_axis(values, low, high, spec.values, axis) if (name, "normalised") in asked else None,
    )


def _beyond(labels: torch.Tensor, classes: int) -> dict[str, Any]:
    """How many different labels there are, and the only one that is no class, if it is one."""
    different = labels.unique()
    strays = different[(different < 0) | (different >= classes)]
    return {"distinct": int(different.numel()), "stray": float(strays[0]) if strays.numel() == 1 else None}


@cache
def _asked(loss: Loss) -> frozenset[tuple[str, str]]:
    """The tensors and facts that some condition or text of the loss names, beside the range, which all need."""
    texts = [text for requirement in loss.requires for text in (requirement.where, requirement.that)]
    for rule in loss.rules:
        texts += [rule.when, rule.note_when, rule.unless, rule.message, rule.why]
        texts += [text for fix in rule.fixes for text in (fix.when, fix.title, fix.code)]
    texts += [argument.assume for argument in loss.arguments.values()]
    whole = "\n".join(texts)
    named = set(re.findall(r"\b(\w+)\.(total|elements|normalised)\b", whole))
    for given in re.findall(r"\b(?:exceeds|within|unalignable)\(([^()]*)\)", whole):
        named |= {(name.strip(), "elements") for name in given.split(",")}
    # The sum of small tensors follows from their elements.
    return frozenset(named)


def _whole_axis(tensor: torch.Tensor, loss: Loss, name: str, output_shape: tuple[int, ...]) -> int | None:
    """The axis of a tensor that has to be looked at as a whole: that of the classes."""
    if name == loss.output:
        return class_axis_of(loss, tuple(tensor.shape))
    return _class_axis(tensor, loss, output_shape) if name == loss.target else None


def _kind(values: torch.Tensor, low: float, high: float, loss: Loss, name: str, axis: int | None) -> str | None:
    """What the values are, of the output and the target."""
    if name == loss.output:
        return _scores(values, axis, low, high)
    lists = loss.tensors[name].holds == "class-list"
    return _labels(values, axis, low, high, lists) if name == loss.target else None


def _first_odd(values: torch.Tensor) -> tuple[int, ...] | None:
    """The index of the first NaN, or else of the first infinite value."""
    for odd in (values.isnan(), values.isinf()):
        if bool(odd.any()):
            return tuple(int(axis) for axis in torch.unravel_index(odd.to(torch.uint8).argmax(), values.shape))
    return None


def class_count(loss: Loss, output_shape: tuple[int, ...]) -> int | None:
    """How many classes an output has as the loss reads it; None for a loss without classes."""
    axis = class_axis_of(loss, output_shape) if loss.has_classes else None
    return output_shape[axis] if axis is not None and axis < len(output_shape) else None


def _normalised_axis(scores: torch.Tensor, low: float, high: float, values: str | None, read: int | None) -> int | None:
    """The axis other than that of the classes over which a softmax, or its logarithm, has run."""
    known = values in ("probabilities", "log-probabilities") or read is None or not scores.is_floating_point()
    if known or scores.numel() >= MOST_SCORES // 2 or not (0 <= low <= high <= 1 or low < high <= 0):
        return None  # of a part nothing could be said
    numbers = _precise(scores).exp() if high <= 0 else _precise(scores)
    axes = [axis for axis in range(scores.dim()) if axis != read and scores.shape[axis] > 1]
    return next((axis for axis in axes if _ones(numbers.sum(axis), _tolerance(scores.dtype))), None)


def class_axis_told(target: torch.Tensor, loss: Loss) -> int | None:
    """The one axis along which a target of class probabilities sums to one, where the loss reads another as classes."""
    read = class_axis_of(loss, tuple(target.shape))
    if not loss.has_classes or read is None or not target.is_floating_point() or not 0 < target.numel() <= LARGEST:
        return None
    if _range(target.detach())[0] < 0:
        return None
    values = _precise(target.detach())
    sums = [axis for axis in range(target.dim()) if target.shape[axis] > 1 and _ones(values.sum(axis), TOLERANCE)]
    return sums[0] if len(sums) == 1 and sums[0] != read else None


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
        low, high = _range(tensor.detach())
        facts |= {"min": low, "max": high, "total": float(tensor.detach().sum(dtype=torch.float64))}
    return facts


def _labels(target: torch.Tensor, axis: int | None, low: float, high: float, lists: bool = False) -> str | None:
    """What labels are; `lists` of class indices end at -1, whatever their dtype."""
    if math.isnan(low):
        return None
    whole = not target.is_floating_point() or bool((target == target.round()).all())
    if axis is None or (lists and whole and low < 0):
        return "class-index" if whole else "continuous"
    if whole and low >= 0 and high <= 1:
        return "one-hot" if bool((target.sum(axis) == 1).all()) else "multi-hot"
    if low >= 0 and high <= 1 + TOLERANCE and _ones(_precise(target).sum(axis), _tolerance(target.dtype)):
        return "probabilities"
    if high <= 0 and _ones(_precise(target).exp().sum(axis), _tolerance(target.dtype)):
        return "log-probabilities"
    return "class-index" if whole and not target.is_floating_point() else "continuous"


def _class_axis(target: torch.Tensor, loss: Loss, output_shape: tuple[int, ...]) -> int | None:
    """The axis along which a target of the output's rank has classes: the output's, or the last if rows sum to one there."""
    if target.dim() != len(output_shape) or target.dim() == 0:
        return None
    axis = class_axis_of(loss, output_shape)
    if tuple(target.shape) == output_shape or axis is None:
        return axis
    return target.dim() - 1 if target.shape[-1] == output_shape[axis] else None
