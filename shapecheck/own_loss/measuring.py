"""What can be known of an accepted call without any rule: measured on the loss itself, by calls with changed targets.

Each measurement says only what holds whatever the loss is for; what is usual for some losses (samples that depend on one
another, labels that are shifted) is told apart from what is wrong.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import torch

from shapecheck.own_loss.asking import Answer, Asker
from shapecheck.own_loss.candidates import UNIT, Candidate, Layout
from shapecheck.own_loss.making import rows_axis, target_of
from shapecheck.own_loss.watching import Meeting

DRAWS = 3
MORE_DRAWS = 20  # before it is said that a gradient never comes
MOST_PLACES = 8
NOISE = 1e-5  # of the largest gradient
MOVED = 0.1  # of the largest change
_FLOATING = (torch.float16, torch.bfloat16, torch.float32, torch.float64)
_COUNTABLE = (*_FLOATING, torch.uint8, torch.int8, torch.int16, torch.int32, torch.int64, torch.bool)


@dataclass(frozen=True, eq=False)
class Call:
    """An output with a target of which it is known what its axes and values are."""

    output: torch.Tensor
    layout: Layout
    target: torch.Tensor
    one: Candidate
    holds: str
    classes: int | None = None

    def redrawn(self, seed: int) -> torch.Tensor:
        """Another target of the same kind."""
        return target_of(self.one, self.layout, self.holds, seed, self.classes).to(self.target.device)


@dataclass(frozen=True, eq=False)
class Places:
    """How many places of the target were changed one at a time, and where the gradient of the output moved.

    `alone`: only at the same place. `most`: there more than anywhere else. `elsewhere`: not there at all. `shift` is
    the distance along one axis, where it was the same for all of these.
    """

    axes: tuple[int, ...]
    tried: int = 0
    alone: int = 0
    most: int = 0
    elsewhere: int = 0
    shift: tuple[int, ...] | None = None
    example: tuple[tuple[int, ...], tuple[int, ...]] | None = None

    @property
    def scrambled(self) -> bool:
        """The output is compared with targets of other places, in no order that could be meant."""
        return self.tried >= 3 and 2 * self.elsewhere > self.tried and self.shift is None

    @property
    def matched(self) -> bool:
        """Each place of the output answers to its own place of the target, and to no other."""
        return self.tried >= 3 and self.alone == self.tried


@dataclass(frozen=True, eq=False)
class Measured:
    """The facts of one accepted call.

    `dead`: no gradient ever came. `ignored`: nothing changed with the target. `untouched` are the samples that never
    got a gradient. `normalised` are the axes of the output along which the loss makes probabilities.
    """

    answer: Answer
    meetings: tuple[Meeting, ...] = ()
    dead: bool = False
    ignored: bool = False
    untouched: tuple[int, ...] = ()
    places: Places | None = None
    normalised: tuple[int, ...] = ()

    @property
    def pairs(self) -> Meeting | None:
        return next((meeting for meeting in self.meetings if meeting.kind == "pairs"), None)

    @property
    def stretched(self) -> Meeting | None:
        return next((meeting for meeting in self.meetings if meeting.kind == "stretched"), None)

    @property
    def sound(self) -> bool:
        """Nothing was found that is certainly wrong."""
        answer = self.answer
        wrong = self.pairs or self.dead or self.ignored or (self.places is not None and self.places.scrambled)
        return not wrong and not answer.returned and not answer.error and answer.finite


def measure(asker: Asker, call: Call) -> Measured:
    """All that can be measured; what cannot, for want of time or of values to change, is left out."""
    answer = asker.ask(call.output, call.target, watch=True)
    if answer.error is not None or answer.value is None or not call.output.numel() or not call.target.numel():
        return Measured(answer, answer.meetings)
    if not answer.finite or call.output.dtype not in _FLOATING or call.target.dtype not in _COUNTABLE:
        return Measured(answer, answer.meetings)
    others = list(_redrawn(asker, call, range(1, DRAWS + 1), shuffled=False))
    ignored = bool(others) and all(_same(answer, each) for each in others) and _deaf(asker, call, answer)
    drawn = [answer, *others, *_redrawn(asker, call, range(DRAWS), shuffled=True)]
    if all(_still(each) for each in drawn) or _untouched(drawn, call.layout):
        drawn += _redrawn(asker, call, range(DRAWS, DRAWS + MORE_DRAWS), shuffled=True)
    if all(_still(each) for each in drawn):
        return Measured(answer, answer.meetings, dead=True)
    places = None if ignored else _places(asker, call, answer)
    untouched = _untouched(drawn, call.layout)
    return Measured(answer, answer.meetings, False, ignored, untouched, places, _normalised(asker, call, answer))


def _redrawn(asker: Asker, call: Call, seeds: Iterable[int], shuffled: bool) -> Iterator[Answer]:
    """Answers for other targets of the same kind; `shuffled`, with the samples of the output in another order too."""
    batch = call.layout.batch
    for seed in seeds:
        target = call.redrawn(seed)
        output = call.output.roll(seed + 1, batch) if shuffled and batch is not None else call.output
        if asker.expired or (output is call.output and torch.equal(target, call.target)):
            continue
        answer = asker.ask(output, target)
        if answer.error is None and answer.value is not None and answer.finite:
            yield answer


def _deaf(asker: Asker, call: Call, base: Answer) -> bool:
    """Whether no single place of the target matters either: a loss may depend on how many labels there are of a kind."""
    axes = _place_axes(call)
    changed = (_changed(call, dict(zip(axes, at))) for at in _chosen([call.layout.shape[axis] for axis in axes]))
    return all(asker.expired or _same(base, asker.ask(call.output, target)) for target in changed)


def _place_axes(call: Call) -> tuple[int, ...]:
    """The output's axes, beside those of scores, that the target has too."""
    paired = {axis for axis in call.one.axes if axis is not None and axis != UNIT and axis not in call.layout.scores}
    return tuple(sorted(axis for axis in paired if call.layout.shape[axis] > 1))


def _still(answer: Answer) -> bool:
    return answer.gradient is None or not bool(answer.gradient.abs().sum() > 0)


def _same(one: Answer, other: Answer) -> bool:
    """The same value and gradient."""
    pairs = ((one.value, other.value), (one.gradient, other.gradient))
    return all(a is b or (a is not None and b is not None and torch.allclose(a, b)) for a, b in pairs)


def _untouched(drawn: Sequence[Answer], layout: Layout) -> tuple[int, ...]:
    """Places in the batch that got no gradient in any draw, whatever sample stood there."""
    batch = layout.batch
    gradients = [each.gradient for each in drawn if each.gradient is not None]
    if batch is None or not gradients or layout.shape[batch] < 2:
        return ()
    count = layout.shape[batch]
    reached = torch.stack([g.movedim(batch, 0).reshape(count, -1).abs().amax(1) for g in gradients]).amax(0)
    return tuple(int(index) for index in (reached == 0).nonzero().flatten())


def _normalised(asker: Asker, call: Call, base: Answer) -> tuple[int, ...]:
    """Where softmax runs along an axis, adding the same number to all of it changes nothing."""
    found = []
    for axis, size in enumerate(call.output.shape):
        if not base.normalises or size < 2 or asker.expired:
            continue
        shape = [1 if each == axis else other for each, other in enumerate(call.output.shape)]
        shift = torch.randn(shape, generator=torch.Generator().manual_seed(0)).to(call.output)
        if _alike(base, asker.ask(call.output + shift, call.target)):
            found.append(axis)
    return tuple(found)


def _alike(one: Answer, other: Answer) -> bool:
    """The same up to rounding."""
    if one.value is None or other.value is None or one.gradient is None or other.gradient is None:
        return False
    scale = float(one.gradient.abs().max())
    near = scale > 0 and torch.allclose(one.gradient, other.gradient, rtol=1e-3, atol=1e-3 * scale)
    return near and torch.allclose(one.value, other.value, rtol=1e-3, atol=1e-5)


# ------------------------------------------------------------------------------ which place answers to which


def _places(asker: Asker, call: Call, base: Answer) -> Places | None:
    """Changes one place of the target at a time, and looks where the gradient of the output moves."""
    axes = _place_axes(call)
    if None in call.one.axes or base.gradient is None or not axes:
        return None
    moves: list[tuple[tuple[int, ...], torch.Tensor]] = []
    for place in _chosen([call.layout.shape[axis] for axis in axes]):
        if asker.expired:
            break
        answer = asker.ask(call.output, _changed(call, dict(zip(axes, place, strict=True))))
        if answer.error is None and answer.gradient is not None and answer.finite:
            moved = _collapsed((answer.gradient - base.gradient).abs(), axes)
            if float(moved.max()) > NOISE * float(base.gradient.abs().max()):
                moves.append((place, moved))
    return _summary(axes, moves)


def _chosen(sizes: Sequence[int]) -> list[tuple[int, ...]]:
    """Up to `MOST_PLACES` places, all over the tensor."""
    order = torch.randperm(math.prod(sizes), generator=torch.Generator().manual_seed(0))[:MOST_PLACES]
    return [tuple(int(index) for index in torch.unravel_index(flat, tuple(sizes))) for flat in order]


def _changed(call: Call, place: dict[int, int]) -> torch.Tensor:
    """The target with one place changed to another value of its kind."""
    target, rows = call.target.clone(), rows_axis(call.one, call.layout)
    index = tuple(place.get(axis, 0) if axis not in (UNIT, None) else 0 for axis in call.one.axes)
    if rows is not None:
        whole = tuple(slice(None) if each == rows else at for each, at in enumerate(index))
        row = target[whole]
        target[whole] = row.roll(1) if row.unique().numel() > 1 else _flipped(row)
        return target
    target[index] = _another(target[index], call)
    return target


def _another(value: torch.Tensor, call: Call) -> torch.Tensor:
    if value.dtype == torch.bool:
        return ~value
    if call.holds == "signs":
        return -value
    if call.holds == "class-index":
        count = call.layout.shape[call.one.index] if call.one.index is not None else call.classes or 2
        return (value + 1) % max(count, 2)
    return value + 1 if call.holds == "numbers" else _flipped(value)


def _flipped(value: torch.Tensor) -> torch.Tensor:
    return ~value if value.dtype == torch.bool else 1 - value


def _collapsed(change: torch.Tensor, axes: tuple[int, ...]) -> torch.Tensor:
    """The largest change over the axes that are not places, in the order of `axes`."""
    others = [axis for axis in range(change.dim()) if axis not in axes]
    return change.amax(dim=others) if others else change


def _summary(axes: tuple[int, ...], moves: Sequence[tuple[tuple[int, ...], torch.Tensor]]) -> Places:
    alone = most = 0
    away: list[tuple[tuple[int, ...], tuple[int, ...]]] = []
    shifts = set()
    for place, moved in moves:
        top = float(moved.max())
        own = float(moved[place])
        where = [tuple(int(i) for i in index) for index in (moved > MOVED * top).nonzero()]
        alone += where == [place] and bool(((moved > NOISE * top).sum() == 1).item())
        most += own >= top
        if own <= NOISE * top:
            away.append((place, where[0]))
        shifts.add(tuple(b - a for a, b in zip(place, where[0], strict=True)) if len(where) == 1 else None)
    shift = next(iter(shifts)) if len(shifts) == 1 else None
    regular = shift if shift is not None and sum(map(bool, shift)) == 1 and away else None
    example = away[0] if away else None
    return Places(axes, len(moves), alone, most, len(away), regular, example)


def place_text(places: Places, layout: Layout, place: tuple[int, ...]) -> str:
    """`sample 0, time 3`."""
    called = {"batch": "sample", "unknown": "index", "merged": "row"}
    roles = [layout.roles[axis] for axis in places.axes]
    return ", ".join(f"{called.get(role, role)} {index}" for role, index in zip(roles, place, strict=True))
