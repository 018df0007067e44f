"""A role for every output axis: batch, class, time, space, feature, unit, merged or unknown.

What an axis follows is measured (varying.py); which of the followed axes is the batch is measured too, by disturbing one sample.
Only the names of what is left rest on convention, and where that is not enough the axis is unknown.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import torch
from torch import nn

from shapecheck.probe.feeding import GROWING, SPACE, Call, Position, main_index, positions, size_at
from shapecheck.probe.leaves import ATTENTIVE, CELLS, RECURRENT, Arrival, convolution_rank, out_width
from shapecheck.probe.running import Runner
from shapecheck.probe.sizing import Sizes
from shapecheck.probe.varying import Free, relabelled, spread, touched_rows, vary_all

LOSSES_WITH_CLASSES = frozenset({
    "cross_entropy", "nll_loss", "multi_margin_loss", "multilabel_margin_loss", "multilabel_soft_margin_loss", "ctc_loss",
    "linear_cross_entropy", "adaptive_log_softmax", "adaptive_log_softmax_with_loss", "kl_div",
})  # fmt: skip


@dataclass(frozen=True)
class Named:
    """A call whose sizes differ where they can, the output's shape on it, and what is known of the axes of both."""

    call: Call
    shape: tuple[int, ...]
    roles: tuple[str, ...]
    free: tuple[Free, ...]


@dataclass(frozen=True)
class Evidence:
    """What may tell classes from other axes that follow no input; the last layer is that of the output's width."""

    classes: int | None
    has_classes: bool
    last_width: int | None
    last_is_series: bool
    sequential: bool


def name_axes(
    runner: Runner,
    call: Call,
    path: str,
    base: torch.Tensor,
    arrivals: Sequence[Arrival],
    evidence: Evidence,
    sizes: Sizes,
    keeps: Callable[[Call], bool],
) -> Named:
    """`base` is the output at `path`; `keeps` says of a call whether its sizes are still those the user chose."""
    shape = tuple(base.shape)
    free = vary_all(runner, call, path, shape, arrivals[0] if arrivals else None)
    free = relabel_unnamed(call, free)
    free = as_series(free)
    free = settle_batch(runner, call, path, base, free, evidence.sequential)
    call = relabelled(call, {position: group.label for group in free for position in group.where})
    call, shape = spread(runner, call, path, shape, free, sizes, keeps)
    return Named(call, shape, roles(call, shape, free, evidence), tuple(free))


def evidence_of(
    model: nn.Module,
    output: torch.Tensor,
    arrivals: Sequence[Arrival],
    has_classes: bool,
    classes: int | None,
) -> Evidence:
    """`arrivals` are those of the run that made `output`; `has_classes` is of the loss."""
    leaves = (arrival.leaf for arrival in reversed(arrivals))
    last = next((leaf for leaf in leaves if out_width(leaf) in output.shape), None)
    width = out_width(last) if last is not None else None
    series = last is not None and convolution_rank(last) == 1
    sequential = any(isinstance(m, (*RECURRENT, *CELLS, *ATTENTIVE)) for m in model.modules())
    return Evidence(classes, has_classes, width, series, sequential)


def relabel_unnamed(call: Call, free: list[Free]) -> list[Free]:
    """Axes thought fixed that turn out free are time or space, unless others of the same input are so already."""
    named = {group.where[0][0] for group in free if group.label in GROWING}
    unnamed: dict[int, list[Free]] = {}
    for group in free:
        if not group.label and group.slopes and group.where[0][0] not in named:
            unnamed.setdefault(group.where[0][0], []).append(group)
    roles = {
        group.where: role
        for groups in unnamed.values()
        for group, role in zip(groups, ("time",) if len(groups) == 1 else SPACE[-len(groups) :], strict=False)
    }
    return [replace(group, label=roles.get(group.where, group.label)) for group in free]


def as_series(free: list[Free]) -> list[Free]:
    """Of a picture with one free side only (the bands of a spectrogram are fixed), that side is time."""
    sides = [group for group in free if group.label in SPACE]
    if len(sides) != 1 or len(sides[0].where) != 1 or not sides[0].slopes:
        return free
    return [replace(group, label="time") if group is sides[0] else group for group in free]


# ---------------------------------------------------------------------------- which followed axis is the batch


def settle_batch(
    runner: Runner, call: Call, path: str, base: torch.Tensor, free: list[Free], sequential: bool
) -> list[Free]:
    """The assumed batch axis stays if samples are independent along it; else the axis along which they are takes over."""
    assumed = next((group for group in free if group.label == "batch"), None)
    if assumed is None or _independent(runner, call, path, base, assumed) is not False:
        return free
    main = main_index(call)
    for group in free:
        possible = group is not assumed and group.where[0][0] == main and group.label in ("time", "")
        if possible and _independent(runner, call, path, base, group):
            return [_swapped(g, assumed, group) for g in free]
    followed = [group for group in free if group.slopes and group is not assumed]
    if sequential and not followed:
        return [replace(g, label="time") if g is assumed else g for g in free]
    return free


def _swapped(group: Free, assumed: Free, batch: Free) -> Free:
    if group is assumed:
        return replace(group, label="time")
    return replace(group, label="batch") if group is batch else group


def _independent(runner: Runner, call: Call, path: str, base: torch.Tensor, group: Free) -> bool | None:
    """Whether disturbing index 0 changes only row 0; None where no output axis follows one to one or nothing changed."""
    axis = next(
        (a for a, slope in group.slopes.items() if slope == 1 and base.shape[a] == size_at(call, group.where[0])), None
    )
    if axis is None:
        return None
    rows = touched_rows(runner, call, path, base, group.where, axis)
    return None if not rows else rows == [0]


# ---------------------------------------------------------------------------- roles


def roles(call: Call, shape: tuple[int, ...], free: Sequence[Free], evidence: Evidence) -> tuple[str, ...]:
    """One of specs.ROLES for each output axis; `class` at most once."""
    named = [_followed(axis, shape[axis], free) for axis in range(len(shape))]
    named = _projected(named, evidence.sequential)
    named = _fixed_space(_fixed_batch(named, shape, call, free), shape, call, free)
    for axis in [axis for axis, name in enumerate(named) if name == "batch"][1:]:
        named[axis] = "unknown"  # samples against samples: which side is which is not measured
    open_axes = [axis for axis, name in enumerate(named) if name is None]
    series = [axis for axis in open_axes if shape[axis] != evidence.last_width]
    if evidence.last_is_series and len(shape) == 3 and len(series) == 1 and "batch" in named and "time" not in named:
        named[series[0]] = "time"  # of a length that the model cuts to
        open_axes.remove(series[0])
    for axis, role in _left(open_axes, shape, evidence).items():
        named[axis] = role
    return tuple(name or "unknown" for name in named)


def _followed(axis: int, size: int, free: Sequence[Free]) -> str | None:
    """The role of what the axis follows; None where it follows nothing and is left to be named."""
    groups = [group for group in free if axis in group.slopes]
    if not groups:
        return "unit" if size == 1 else None
    if len(groups) > 1:
        return "merged"
    group = groups[0]
    if group.label == "batch" and group.slopes[axis] != 1:
        return "merged"
    return group.label or None


def _projected(named: list[str | None], sequential: bool) -> list[str | None]:
    """A sequence read off an image (text lines): its one axis of space is time to a recurrent model."""
    space = [axis for axis, name in enumerate(named) if name in SPACE]
    if sequential and len(space) == 1:
        named[space[0]] = "time"
    return named


def _fixed_batch(named: list[str | None], shape: tuple[int, ...], call: Call, free: Sequence[Free]) -> list[str | None]:
    """Models of one fixed batch size: the one axis of that size, where no other input axis has it."""
    varied = {position for group in free for position in group.where}
    batch = {size_at(call, p) for p in positions(call) if call[p[0]].label(p[1]) == "batch" and p not in varied}
    others = {size_at(call, p) for p in positions(call) if call[p[0]].label(p[1]) != "batch"}
    fitting = [axis for axis, name in enumerate(named) if name is None and shape[axis] in batch - others]
    if len(fitting) == 1 and "batch" not in named:
        named[fitting[0]] = "batch"
    return named


def _fixed_space(named: list[str | None], shape: tuple[int, ...], call: Call, free: Sequence[Free]) -> list[str | None]:
    """Models of one fixed input size: axes in the proportions of the input's own time or space."""
    varied = {position for group in free if group.slopes for position in group.where}
    main = main_index(call) if call else 0
    fixed: list[Position] = [
        (main, axis) for axis in range(len(call[main].shape) if call else 0)
        if call[main].label(axis) in GROWING and (main, axis) not in varied
    ]  # fmt: skip
    open_axes = [axis for axis, name in enumerate(named) if name is None]
    for start in range(len(open_axes) - len(fixed), -1, -1):
        axes = open_axes[start : start + len(fixed)]
        if fixed and _proportional(axes, fixed, shape, call):
            for axis, (_, input_axis) in zip(axes, fixed, strict=True):
                named[axis] = call[main].label(input_axis)
            break
    return named


def _proportional(axes: list[int], fixed: list[Position], shape: tuple[int, ...], call: Call) -> bool:
    """Equal sizes for a lone axis; one ratio for several, which must stand side by side."""
    sizes = [size_at(call, position) for position in fixed]
    if len(axes) == 1:
        return shape[axes[0]] == sizes[0]
    beside = all(b - a == 1 for a, b in pairwise(axes))
    return beside and len({shape[a] / size for a, size in zip(axes, sizes, strict=True)}) == 1


def _left(axes: list[int], shape: tuple[int, ...], evidence: Evidence) -> Mapping[int, str]:
    """Roles for the axes that follow nothing."""
    if not evidence.has_classes:
        return dict.fromkeys(axes, "feature")
    if len(axes) == 1:
        return {axes[0]: "class"}
    for wanted in (evidence.classes, evidence.last_width):
        fitting = [axis for axis in axes if shape[axis] == wanted]
        if len(fitting) == 1:
            return {axis: "class" if axis == fitting[0] else "unknown" for axis in axes}
    return dict.fromkeys(axes, "unknown")
