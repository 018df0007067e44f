"""Facts of real tensors: range, rows that sum to one, one-hot, whole numbers. Imports torch."""

from __future__ import annotations

import torch

from shapecheck.specs import TensorSpec

LARGEST = 4_000_000  # elements; larger tensors are measured on their first ones
TOLERANCE = 1e-3


def spec_of(tensor: torch.Tensor, axes: tuple[str, ...] | None = None, origin: str = "data") -> TensorSpec:
    """Shape and dtype of a tensor, nothing measured."""
    return TensorSpec(tuple(tensor.shape), dtype_name(tensor), axes, origin=origin)


def dtype_name(tensor: torch.Tensor) -> str:
    """`float32`."""
    return str(tensor.dtype).removeprefix("torch.")


def output_values(output: torch.Tensor, axis: int | None) -> str | None:
    """What the scores along `axis` are: probabilities, log-probabilities, unit-interval or logits.

    None where it cannot be said: no such axis, a single class, nothing finite.
    """
    if axis is None or not output.is_floating_point() or axis >= output.dim() or output.shape[axis] < 2:
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


def _ones(sums: torch.Tensor, tolerance: float) -> bool:
    return bool(((sums - 1).abs() < tolerance).all())


def target_facts(target: torch.Tensor, output_shape: tuple[int, ...]) -> TensorSpec:
    """Range and kind of the labels, as far as a rule asks for them."""
    spec = spec_of(target)
    if not target.numel() or target.is_complex():
        return spec
    flat = target.detach().reshape(-1)[:LARGEST]
    plain = flat.to(torch.float64) if flat.is_floating_point() or flat.dtype == torch.bool else flat
    low, high = float(plain.min()), float(plain.max())
    values = _target_values(target.detach(), plain, low, high, output_shape)
    return TensorSpec(spec.shape, spec.dtype, minimum=low, maximum=high, values=values, origin="data")


def _target_values(
    target: torch.Tensor, plain: torch.Tensor, low: float, high: float, output_shape: tuple[int, ...]
) -> str | None:
    whole = not plain.is_floating_point() or bool((plain == plain.round()).all())
    axis = _class_axis(target, output_shape)
    if axis is not None:
        rows = target.movedim(axis, -1).reshape(-1, target.shape[axis]).double()
        sums = rows.sum(-1)
        if whole and low >= 0 and high <= 1:
            return "one-hot" if bool((sums == 1).all()) else "multi-hot"
        if low >= 0 and _ones(sums, TOLERANCE):
            return "probabilities"
        return "class-index" if whole and not target.is_floating_point() else "continuous"
    return "class-index" if whole else "continuous"


def _class_axis(target: torch.Tensor, output_shape: tuple[int, ...]) -> int | None:
    """The axis along which a target of the output's rank has classes: 1, or the last if rows sum to one there."""
    if target.dim() != len(output_shape) or target.dim() == 0:
        return None
    if tuple(target.shape) == output_shape:
        return 1 if target.dim() > 1 else 0
    return target.dim() - 1 if target.shape[-1] == output_shape[1 if target.dim() > 1 else 0] else None
