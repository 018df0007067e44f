"""A role for every output axis: batch, class, time, space, feature, unit, merged or unknown.

What an axis follows is measured (varying.py); which of the followed axes is the batch is measured too, by disturbing one sample.
Only the names of what is left rest on convention, and where that is not enough the axis is unknown.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

import torch
from torch import nn

from shapecheck.probe.inputs.sizing import Sizes
from shapecheck.probe.outputs.varying import Free, relabelled, spread, touched_rows, vary_all
from shapecheck.probe.runs.feeding import GROWING, SPACE, Call, Position, main_index, positions, size_at
from shapecheck.probe.runs.leaves import ATTENTIVE, CELLS, RECURRENT, Arrival, convolution_rank, out_width
from shapecheck.probe.runs.running import Runner
from shapecheck.probe.runs.values import is_plain

LOSSES_WITH_CLASSES = frozenset({
    "cross_entropy", "nll_loss", "multi_margin_loss", "multilabel_margin_loss", "multilabel_soft_margin_loss", "ctc_loss",
    "linear_cross_entropy", "adaptive_log_softmax", "adaptive_log_softmax_with_loss", "kl_div",
})  # fmt: skip
_FILM = re.compile(r"(^|_)(videos?|clips?|frames?|films?)(_|$)")


@dataclass(frozen=True)
class Named:
    """A call whose sizes differ where they can, the output's shape on it, and what is known of the axes of both."""

    call: Call
    shape: tuple[int, ...]
    roles: tuple[str, ...]
    free: tuple[Free, ...]


@dataclass(frozen=True)
class Evidence:
    """What may tell classes from other axes that follow no input.

    `last` is the last layer whose width the output has; `class_axis` is the output axis that its units come out on, measured.
    """

    classes: int | None
    has_classes: bool
    last: nn.Module | None
    sequential: bool
    class_axis: int | None = None

    @property
    def last_width(self) -> int | None:
        return out_width(self.last) if self.last is not None else None

    @property
    def last_is_series(self) -> bool:
        return self.last is not None and convolution_rank(self.last) == 1


def name_axes(
    runner: Runner,
    call: Call,
    path: str,
    base: torch.Tensor,
    arrivals: Sequence[Arrival],
    evidence: Evidence,
    sizes: Sizes,
    keeps: Callable[[Call], bool],
    batch_told: bool = False,
) -> Named:
    """`base` is the output at `path`; `keeps` says of a call whether its sizes are still those the user chose.

    `batch_told` is whether the user said which axis is the batch.
    """
    shape = tuple(base.shape)
    call = call if batch_told else as_films(call)
    free = vary_all(runner, call, path, shape, arrivals[0] if arrivals else None)
    free = relabel_unnamed(
        call, free, lambda group: not evidence.has_classes and bool(_independent(runner, call, path, base, group))
    )
    free = as_series(free)
    if not batch_told:
        free = settle_batch(runner, call, path, base, free, evidence.sequential)
    call = relabelled(
        call, {position: group.label for group in free if not sides_of(call, group) for position in group.where}
    )
    if evidence.has_classes and sum(_followed(axis, size, free) is None for axis, size in enumerate(shape)) > 1:
        evidence = replace(evidence, class_axis=_unit_axis(runner, call, path, evidence.last))
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
    sequential = any(isinstance(m, (*RECURRENT, *CELLS, *ATTENTIVE)) for m in model.modules())
    return Evidence(classes, has_classes, last, sequential)


def relabel_unnamed(call: Call, free: list[Free], apart: Callable[[Free], bool]) -> list[Free]:
    """Axes thought fixed that turn out free are time or space, unless others of the same input are so already.

    Beside steps of a fixed number, what is free may be channels: `apart` tells that none of them reads another, and is no
    position with a class of its own.
    """
    named = {group.where[0][0] for group in free if group.label in GROWING}
    unnamed: dict[int, list[Free]] = {}
    for group in free:
        if not group.label and group.slopes and group.where[0][0] not in named:
            if "time" in call[group.where[0][0]].labels and apart(group):
                continue
            unnamed.setdefault(group.where[0][0], []).append(group)
    roles = {
        group.where: role
        for groups in unnamed.values()
        for group, role in zip(groups, ("time",) if len(groups) == 1 else SPACE[-len(groups) :], strict=False)
    }
    return [replace(group, label=roles.get(group.where, group.label)) for group in free]


def as_films(call: Call) -> Call:
    """Of the three axes of space of an input that is called a film, the first is time."""
    return tuple(
        replace(argument, labels=tuple("time" if label == "depth" else label for label in argument.labels))
        if _FILM.search(argument.short_name.lower())
        else argument
        for argument in call
    )


def as_series(free: list[Free]) -> list[Free]:
    """Of a picture with one free side only (the bands of a spectrogram are fixed), that side is time."""
    sides = [group for group in free if group.label in SPACE]
    if len(sides) != 1 or len(sides[0].where) != 1 or not sides[0].slopes:
        return free
    return [replace(group, label="time") if group is sides[0] else group for group in free]


def sides_of(call: Call, group: Free) -> tuple[str, ...]:
    """The axes of one input that only move together, as the sides of a square do; () for any other group."""
    first = group.where[0][0]
    labels = tuple(call[index].label(axis) for index, axis in sorted(group.where) if index == first)
    return labels if len(set(labels)) == len(labels) > 1 and set(labels) <= set(GROWING) else ()


# ---------------------------------------------------------------------------- which followed axis is the batch


def settle_batch(
    runner: Runner, call: Call, path: str, base: torch.Tensor, free: list[Free], sequential: bool
) -> list[Free]:
    """The assumed batch axis stays if samples are independent along it; else the axis along which they are takes over.

    A sequence without a batch has no other axis that could be one; where there is one, samples are mixed along the batch.
    """
    assumed = next((group for group in free if group.label == "batch"), None)
    if assumed is None:
        return free
    independent = _independent(runner, call, path, base, assumed)
    if independent or (independent is None and assumed.slopes):
        return free
    main = main_index(call)
    others = [group for group in free if group is not assumed and group.where[0][0] == main]
    possible = [group for group in others if group.label in ("time", "")]
    found = next((group for group in possible if _independent(runner, call, path, base, group)), None)
    if found is None and not assumed.slopes:  # an output has a batch, be it a mixed one
        carried = [group for group in possible if 1 in group.slopes.values()]
        found = carried[0] if len(carried) == 1 else None
    if found is not None:
        return [_swapped(g, assumed, found) for g in free]
    followed = any(group.slopes for group in free if group is not assumed)
    if sequential and assumed.slopes and not followed and not others:
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


# ---------------------------------------------------------------------------- which axis has the units of the last layer


def _unit_axis(runner: Runner, call: Call, path: str, last: nn.Module | None) -> int | None:
    """The output axis whose first entry alone grows with the first unit of the last layer; behind a softmax the others shrink.

    None where no single axis is so: the units may be cut into several axes.
    """
    axis = -1 if last is None or not convolution_rank(last) else 1
    before = runner.tensor(call, path)
    with _raised(last, axis):
        after = runner.tensor(call, path)
    if before is None or after is None or not (is_plain(before) and is_plain(after)):
        return None
    if before.shape != after.shape or not before.is_floating_point():
        return None
    grown = (after.double() - before.double()).nan_to_num(0.0) > 1e-6
    fitting = [axis for axis, size in enumerate(grown.shape) if size > 1 and _only_first(grown, axis)]
    return fitting[0] if len(fitting) == 1 else None


@contextmanager
def _raised(layer: nn.Module | None, axis: int) -> Iterator[None]:
    """The first unit of the layer's output is larger by one for the length of the block."""

    def raise_first(layer: nn.Module, arguments: Any, output: Any) -> Any:
        if not isinstance(output, torch.Tensor) or output.dim() < 2:
            return output
        raised = output.clone()
        raised.select(axis, 0).add_(1.0)
        return raised

    handle = layer.register_forward_hook(raise_first) if layer is not None else None
    try:
        yield
    finally:
        if handle is not None:
            handle.remove()


def _only_first(grown: torch.Tensor, axis: int) -> bool:
    rows = grown.movedim(axis, 0).flatten(1).any(1)
    return bool(rows[0]) and not bool(rows[1:].any())


# ---------------------------------------------------------------------------- roles


def roles(call: Call, shape: tuple[int, ...], free: Sequence[Free], evidence: Evidence) -> tuple[str, ...]:
    """One of specs.ROLES for each output axis; `class` at most once."""
    named = [_followed(axis, shape[axis], free) for axis in range(len(shape))]
    named = _sided(named, call, free)
    if evidence.class_axis is not None and named[evidence.class_axis] is None:
        named[evidence.class_axis] = "class"
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


def _sided(named: list[str | None], call: Call, free: Sequence[Free]) -> list[str | None]:
    """Sides that only move together come out in the order in which they went in, if as many do."""
    for group in free:
        sides = sides_of(call, group)
        axes = [axis for axis in sorted(group.slopes) if named[axis] == group.label]
        if len(sides) == len(axes):
            for axis, side in zip(axes, sides, strict=True):
                named[axis] = side
    return named


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
    if evidence.class_axis in axes:
        return {axis: "class" if axis == evidence.class_axis else "unknown" for axis in axes}
    if evidence.class_axis is not None:
        return dict.fromkeys(axes, "unknown")
    if len(axes) == 1:
        return {axes[0]: "class"}
    for wanted in (evidence.classes, evidence.last_width):
        fitting = [axis for axis in axes if shape[axis] == wanted]
        if len(fitting) == 1:
            return {axis: "class" if axis == fitting[0] else "unknown" for axis in axes}
    return dict.fromkeys(axes, "unknown")
