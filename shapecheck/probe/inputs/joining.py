"""Inputs whose features are joined before a layer: how wide each of them may be. Runs nothing."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace

from shapecheck.probe.inputs.candidates import Proposal
from shapecheck.probe.inputs.failure import Failure, put
from shapecheck.probe.runs.feeding import Argument, Call, positions, resize

_WIDEST = 5000
_SMALL_SHARE = 3
_UNLIKELY = 0.3


def joined(failure: Failure, got: int, want: int, cost: float, channels: bool) -> Iterator[Proposal]:
    """`got` features arrived where `want` are wanted, and each input may have given some.

    `cost` is that of a mere guess; `channels` says that the features stand on axis 1.
    """
    yield from _shifted(failure, want - got, cost)
    if len(failure.call) > 1:
        yield from _shared(failure, got, want, channels)
        yield from _flattened(failure, want - got)


def _shifted(failure: Failure, change: int, cost: float) -> Iterator[Proposal]:
    """One of them is off by the difference."""
    for index, axis in positions(failure.call):
        argument = failure.call[index]
        size, last = argument.shape[axis] + change, axis == len(argument.shape) - 1 > 1
        if axis and 0 < size < _WIDEST and (last or not argument.label(axis)):
            unlikely = _UNLIKELY if argument.label(axis) else 0.0
            yield put(failure, index, argument.resized(axis, size, ""), cost + unlikely, "joined features")


def _shared(failure: Failure, got: int, want: int, channels: bool) -> Iterator[Proposal]:
    """All the features are the inputs' own: a small share for each, and the rest for the main one."""
    parts = [i for i, a in enumerate(failure.call) if a.kind == "float" and len(a.shape) > 1]
    last = [(index, 1 if channels else len(failure.call[index].shape) - 1) for index in parts]
    share = min(_SMALL_SHARE, want // max(len(parts), 1))
    labelled = any(failure.call[index].label(axis) for index, axis in last)
    if (
        labelled
        or sum(failure.call[i].shape[axis] for i, axis in last) != got
        or share < 1
        or failure.main not in parts
    ):
        return
    call: Call = failure.call
    for index, axis in last:
        call = resize(call, [(index, axis)], want - share * (len(parts) - 1) if index == failure.main else share)
    yield Proposal(call, 0.5, "joined features")


def _flattened(failure: Failure, change: int) -> Iterator[Proposal]:
    """One of them is an image that is flattened and joined with the others."""
    for index, argument in enumerate(failure.call):
        width = math.prod(argument.shape[1:]) + change
        if argument.kind != "float" or not 1 < width < _WIDEST or len(argument.shape) < 3:
            continue
        for channels in dict.fromkeys((1, 3, argument.shape[1])):
            side = math.isqrt(width // channels)
            if side > 3 and side * side * channels == width:
                yield put(failure, index, _picture(argument, channels, side), 0.1, "a joined image")


def _picture(argument: Argument, channels: int, side: int) -> Argument:
    shape = (argument.shape[0], channels, side, side)
    return replace(argument, shape=shape, labels=("batch", "", "height", "width"))
