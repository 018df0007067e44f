"""Tries the loss: with the target at hand, with every plausible one, and with output or target handed over otherwise."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

import torch

from shapecheck.measure import dtype_name
from shapecheck.own_loss.asking import Answer, Asker
from shapecheck.own_loss.candidates import POSITIONS, UNIT, Candidate, Layout, candidates
from shapecheck.own_loss.making import class_count, target_of
from shapecheck.own_loss.measuring import Call, Measured, measure
from shapecheck.own_loss.moves import Move, contiguous, double_moves, moves
from shapecheck.verify import mixes_axes

MOST_FIXES = 3


@dataclass(frozen=True, eq=False)
class Tried:
    """One call that was tried, and what came of it; `measured` only where the loss took it."""

    call: Call
    answer: Answer
    measured: Measured | None = None

    @property
    def sound(self) -> bool:
        return self.measured is not None and self.measured.sound


@dataclass(frozen=True, eq=False)
class Mended:
    """A move after which nothing is wrong any more, and how far that is proved."""

    move: Move
    measured: Measured
    trap: str = ""


def try_target(asker: Asker, output: torch.Tensor, layout: Layout, one: Candidate, classes: int | None) -> Tried:
    """With values of each kind that such a target may hold, up to the first that gives a number and a gradient."""
    tried = [_tried(asker, output, layout, one, holds, classes) for holds in one.holds[:1]]
    for holds in one.holds[1:]:
        if _learns(tried[-1].answer) or asker.expired:
            break
        tried.append(_tried(asker, output, layout, one, holds, classes))
    return _best(tried)


def _tried(
    asker: Asker, output: torch.Tensor, layout: Layout, one: Candidate, holds: str, classes: int | None
) -> Tried:
    target = target_of(one, layout, holds, 0, classes).to(output.device)
    call = Call(output, layout, target, one, holds, classes)
    return Tried(call, asker.ask(output, call.target))


def _works(answer: Answer) -> bool:
    return answer.error is None and answer.finite and not answer.returned and answer.gradient is not None


def _learns(answer: Answer) -> bool:
    return _works(answer) and answer.gradient is not None and bool(answer.gradient.abs().sum() > 0)


def _best(tried: Sequence[Tried]) -> Tried:
    """The first with a gradient, else the first that works, is accepted, or was tried."""
    working = [each for each in tried if _learns(each.answer)] or [each for each in tried if _works(each.answer)]
    return next(iter(working or [each for each in tried if each.answer.accepts] or tried))


def measured(asker: Asker, tried: Tried) -> Tried:
    """With the measurements, where the loss took it."""
    return replace(tried, measured=measure(asker, tried.call)) if tried.answer.accepts else tried


def survey(asker: Asker, output: torch.Tensor, layout: Layout, classes: int | None) -> list[Tried]:
    """Every plausible target, tried and measured; ends early where the loss is slow or fails whatever it is given."""
    found: list[Tried] = []
    for one in candidates(layout, dtype_name(output)):
        if asker.expired or (len(found) > 1 and all(each.answer.slip for each in found)):
            break
        found.append(measured(asker, try_target(asker, output, layout, one, classes)))
    return found


def taken(tried: Iterable[Tried]) -> list[Tried]:
    """The targets that go with the output: sound ones, and of these the plainest.

    Targets with an axis of size one that the output has not, that are stretched, of which the wrong axis is read, or that
    leave out positions, are taken by many losses that do not mean them.
    """
    found = [each for each in tried if each.sound]
    for doubtful in (_is_stretched, _has_unit, _is_misread, _is_coarse, _is_sequence):
        found = [each for each in found if not doubtful(each)] or found
    return found


def _is_stretched(tried: Tried) -> bool:
    return tried.measured is not None and tried.measured.stretched is not None


def _has_unit(tried: Tried) -> bool:
    return UNIT in tried.call.one.axes


def _is_misread(tried: Tried) -> bool:
    return tried.measured is not None and misplaced(tried.measured, tried.call.layout) is not None


def _is_coarse(tried: Tried) -> bool:
    axes, roles = tried.call.one.axes, tried.call.layout.roles
    return None not in axes and any(role in POSITIONS and axis not in axes for axis, role in enumerate(roles))


def _is_sequence(tried: Tried) -> bool:
    return None in tried.call.one.axes


def class_axis(asker: Asker, tried: Iterable[Tried]) -> int | None:
    """The output's axis of scores that holds classes: probabilities are made along it, or class indices count along it.

    Indices below its size are taken and its size itself is not; a loss that takes any number compares labels instead.
    """
    for each in tried:
        one, form = each.call.one, each.call.layout
        along = [axis for axis in each.measured.normalised if axis in form.scores] if each.measured else []
        if len(along) == 1:
            return along[0]
        if one.index not in form.scores or one.floating or each.call.holds != "class-index":
            continue
        beyond = torch.full_like(each.call.target, class_count(one, form, each.call.classes))
        if not asker.ask(each.call.output, beyond).accepts:
            return one.index
    return None


def mended(asker: Asker, call: Call) -> list[Mended]:
    """What to do with the output or the target so that nothing is wrong.

    Where a way is proved, one that is not may be wrong in silence, and is left out.
    """
    found = _working(asker, moves(call)) or _working(asker, double_moves(call))
    return ([each for each in found if proved(each)] or found)[:MOST_FIXES]


def _working(asker: Asker, ways: Iterable[Move]) -> list[Mended]:
    """One of each kind."""
    found: dict[str, Mended] = {}
    for move in ways:
        if asker.expired:
            break
        each = _mend(asker, move) if move.kind not in found else None
        if each is not None:
            found[move.kind] = each
    return list(found.values())


def _mend(asker: Asker, move: Move) -> Mended | None:
    answer = asker.ask(move.call.output, move.call.target)
    if answer.error is not None and "view size is not compatible" in answer.words:
        move = contiguous(move)
        answer = asker.ask(move.call.output, move.call.target)
    if not _works(answer) or (answer.value is not None and answer.value.numel() != 1):
        return None
    found = measure(asker, move.call)
    straight = misplaced(found, move.call.layout) is None and found.stretched is None
    if not found.sound or not straight or not _in_place(found, move.before is not None):
        return None
    return Mended(move, found, _trap(asker, move, found))


def misplaced(found: Measured, form: Layout) -> int | None:
    """An axis of positions along which the loss makes probabilities, though the output has an axis of scores."""
    if not form.scores or set(found.normalised) & set(form.scores):
        return None
    return next((axis for axis in found.normalised if form.roles[axis] in POSITIONS), None)


def _in_place(found: Measured, permuted: bool) -> bool:
    """Where the gradient moved when the target was changed, it moved most at that very place.

    A permutation of which nothing moved has nothing to speak for it.
    """
    if found.places is None or not found.places.tried:
        return not permuted
    return found.places.most == found.places.tried


def proved(each: Mended) -> bool:
    """Every place of the output answers to its own place of the target alone; a reshape that fits gives another number."""
    places = each.measured.places
    return places is not None and places.matched and (each.move.before is None or bool(each.trap))


def _trap(asker: Asker, move: Move, found: Measured) -> str:
    """The sentence about a reshape that has the right shape and mixes axes; '' where it gives the same number."""
    value, shape = found.answer.value, tuple(move.call.output.shape)
    if move.before is None or value is None:
        return ""
    wrong = asker.ask(move.before.reshape(shape), move.call.target).value
    if wrong is None or wrong.numel() != 1 or math.isclose(float(wrong), float(value), rel_tol=1e-6):
        return ""
    return mixes_axes("output", shape, float(wrong))


def working_values(asker: Asker, call: Call) -> Iterator[tuple[str, str, Call]]:
    """(kind, expression, call): values of the output in another range, for which the loss is finite."""
    if not call.output.is_floating_point() or not call.output.numel():
        return
    axis = next(iter(call.layout.scores), None)
    ways: list[tuple[str, str, torch.Tensor]] = []
    if axis is not None:
        ways += [
            ("apply-log-softmax", f"output.log_softmax({axis})", call.output.log_softmax(axis)),
        ]
    ways.append(("apply-sigmoid", "output.sigmoid()", call.output.sigmoid()))
    for kind, code, output in ways:
        changed = replace(call, output=output)
        if not asker.expired and _works(asker.ask(output, call.target)) and measure(asker, changed).sound:
            yield kind, code, changed
