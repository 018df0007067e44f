"""Other ways to hand an output or a target to the loss, none of which loses information. Runs no loss."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass, replace

import torch
import torch.nn.functional as F

from shapecheck.measure import dtype_name
from shapecheck.own_loss.candidates import UNIT, Candidate, Layout
from shapecheck.own_loss.making import class_count
from shapecheck.own_loss.measuring import Call


@dataclass(frozen=True, eq=False)
class Move:
    """A call with its output or its target handed over otherwise; `code` is the expression that does so.

    `before` is the output that was permuted: reshaped to the new shape it would fit too, and be wrong.
    """

    kind: str
    title: str
    applies_to: str
    code: str
    call: Call
    before: torch.Tensor | None = None

    target_code: str = "target"

    @property
    def expressions(self) -> tuple[str, str]:
        """What the loss is called with."""
        return (self.code, self.target_code) if self.applies_to == "output" else ("output", self.code)


def moves(call: Call) -> Iterator[Move]:
    """The simplest first: axes of size one, then the target's dtype, axes and rows, then permutations of the output."""
    yield from _output_units(call)
    yield from _target_moves(call)
    yield from _permutations(call)


def double_moves(call: Call) -> Iterator[Move]:
    """The output permuted, as is likely, and the target handed over otherwise too."""
    for first in itertools.islice(_permutations(call), 4):
        for second in _target_moves(first.call):
            yield replace(first, call=second.call, target_code=second.code, title=f"{first.title}, and {second.title}")


def _output_units(call: Call) -> Iterator[Move]:
    layout = call.layout
    for axis in layout.units:
        rest = tuple(each for each in range(len(layout.shape)) if each != axis)
        code = f"output.squeeze({_last(axis, len(layout.shape))})"
        yield Move("squeeze-output", "drop the axis of size one", "output", code, _rearranged(call, rest))
    for axis in dict.fromkeys((min(1, len(layout.shape)), len(layout.shape))):
        order = (*range(axis), UNIT, *range(axis, len(layout.shape)))
        code = f"output.unsqueeze({_signed(axis, len(layout.shape) + 1)})"
        yield Move("unsqueeze-output", "give the output an axis of size one", "output", code, _rearranged(call, order))


def _permutations(call: Call) -> Iterator[Move]:
    """One axis to another place: that of the scores first, then the batch to the front, then any."""
    layout, seen = call.layout, {tuple(range(len(call.layout.shape)))}
    rank = len(layout.shape)
    likely = [(axis, place) for axis in layout.scores for place in (1, rank - 1)]
    likely += [(layout.batch, 0)] if layout.batch is not None else []
    for axis, place in [*likely, *((a, p) for a in range(rank) for p in range(rank))]:
        rest = [each for each in range(rank) if each != axis]
        order = (*rest[:place], axis, *rest[place:])
        if order in seen:
            continue
        seen.add(order)
        role = layout.roles[axis]
        title = f"move {f'axis {axis}' if role == 'unknown' else f'the {role} axis'} to position {place}"
        code = f"output.movedim({_signed(axis, rank)}, {_signed(place, rank)})"
        moved = _rearranged(call, order)
        yield Move("permute", title, "output", code, moved, call.output)


def contiguous(move: Move) -> Move:
    """The same move with its elements copied in their new order, for a loss that takes views."""
    output = move.call.output.contiguous()
    return replace(move, code=move.code + ".contiguous()", call=replace(move.call, output=output))


def _rearranged(call: Call, order: tuple[int, ...]) -> Call:
    """The output with these of its axes in this order (UNIT for a new one), the target's axes renumbered."""
    kept = [axis for axis in order if axis != UNIT]
    dropped = [axis for axis in range(call.output.dim()) if axis not in kept]
    output = call.output.squeeze(dropped) if dropped else call.output
    output = output.permute([sorted(kept).index(axis) for axis in kept]) if kept else output
    for place, axis in enumerate(order):
        if axis == UNIT:
            output = output.unsqueeze(place)
    roles = tuple("unit" if axis == UNIT else call.layout.roles[axis] for axis in order)

    def renumbered(axis: int | None) -> int | None:
        return order.index(axis) if axis in kept else axis if axis in (None, UNIT) else UNIT

    one = replace(call.one, axes=tuple(map(renumbered, call.one.axes)), index=renumbered(call.one.index))
    return replace(call, output=output, layout=Layout(tuple(output.shape), roles), one=one)


# ------------------------------------------------------------------------------------------- targets


def _target_moves(call: Call) -> Iterator[Move]:
    one, rank = call.one, len(call.one.shape)
    cast = _cast(call)
    if cast is not None:
        yield cast
    for step in (call, cast.call) if cast is not None else (call,):
        after = f".{_CASTS[step.one.dtype]}()" if step is not call else ""
        for axis in (axis for axis, size in enumerate(one.shape) if size == 1):
            code = f"target.squeeze({_last(axis, rank)}){after}"
            yield _squeezed("squeeze-target", "drop the target's axis of size one", code, step, axis)
        for axis in dict.fromkeys((min(1, rank), rank)):
            code = f"target.unsqueeze({_signed(axis, rank + 1)}){after}"
            yield _unsqueezed("unsqueeze-target", "give the target an axis of size one", code, step, axis)
    yield from _transposed(call)
    yield from _one_hot(call)


_CASTS = {"float32": "float", "float64": "double", "float16": "half", "bfloat16": "bfloat16", "int64": "long"}


def _cast(call: Call) -> Move | None:
    """Integers to the output's own dtype, or narrow ones to int64; never numbers to integers."""
    if call.one.floating:
        return None
    name = dtype_name(call.output)
    kind = name if call.output.is_floating_point() and name in _CASTS else ""
    if not kind:
        return None
    one = replace(call.one, dtype=kind)
    moved = replace(call, one=one, target=call.target.to(getattr(torch, kind)))
    return Move(
        "cast-target-float", f"give the target the output's dtype, {kind}", "target", f"target.{_CASTS[kind]}()", moved
    )


def _squeezed(kind: str, title: str, code: str, call: Call, axis: int) -> Move:
    axes = tuple(each for place, each in enumerate(call.one.axes) if place != axis)
    return Move(kind, title, "target", code, _with_target(call, call.target.squeeze(axis), axes))


def _unsqueezed(kind: str, title: str, code: str, call: Call, axis: int) -> Move:
    axes = (*call.one.axes[:axis], UNIT, *call.one.axes[axis:])
    return Move(kind, title, "target", code, _with_target(call, call.target.unsqueeze(axis), axes))


def _transposed(call: Call) -> Iterator[Move]:
    """The target's axes in the order of the output's."""
    rank = len(call.one.shape)
    axes = [axis for axis in call.one.axes if axis is not None and axis != UNIT]
    if len(axes) != rank or axes == sorted(axes):
        return
    for axis in range(rank):
        for place in range(rank):
            rest = [each for each in range(rank) if each != axis]
            order = [*rest[:place], axis, *rest[place:]]
            if [axes[each] for each in order] == sorted(axes):
                code = f"target.movedim({_signed(axis, rank)}, {_signed(place, rank)})"
                moved = _with_target(call, call.target.permute(order), tuple(sorted(axes)))
                yield Move("transpose-target", "bring the target's axes into the output's order", "target", code, moved)
                return


def _one_hot(call: Call) -> Iterator[Move]:
    """Class indices as rows along the output's axis of scores."""
    index = call.one.index
    if index is None or call.one.floating or call.target.dtype == torch.bool or UNIT in call.one.axes:
        return
    count, rank = class_count(call.one, call.layout, call.classes), len(call.one.shape) + 1
    if bool((call.target < 0).any()) or bool((call.target >= count).any()):
        return
    rows = F.one_hot(call.target.long(), count).movedim(-1, min(index, rank - 1))
    axes = list(call.one.axes)
    axes.insert(index, index)
    moved = _with_target(call, rows, tuple(axes), index=None)
    turn = "" if index >= rank - 1 else f".movedim(-1, {index})"
    code = f"F.one_hot(target, {count}){turn}"
    title = "give one-hot rows in place of class indices"
    kind = dtype_name(call.output)
    if kind in _CASTS:
        float_rows = replace(moved, target=rows.to(call.output.dtype), one=replace(moved.one, dtype=kind))
        yield Move("one-hot-target", title, "target", f"{code}.{_CASTS[kind]}()", float_rows)
    yield Move("one-hot-target", title, "target", code, moved)


def _with_target(call: Call, target: torch.Tensor, axes: tuple[int | None, ...], index: int | None = UNIT) -> Call:
    """The call with another target; `index` only where it changes."""
    one: Candidate = replace(
        call.one,
        axes=axes,
        shape=tuple(target.shape),
        dtype=dtype_name(target),
        index=call.one.index if index == UNIT else index,
    )
    rows = any(axis in call.layout.scores for axis in axes)
    holds = "one-hot" if rows and call.one.index is not None else call.holds
    return replace(call, target=target, one=one, holds=holds)


def _signed(axis: int, rank: int) -> int:
    """The last axis is written -1, unless it is the first too or axis 1, which is how people say it."""
    return -1 if axis == rank - 1 and axis > 1 else axis


def _last(axis: int, rank: int) -> int:
    return -1 if axis == rank - 1 else axis
