"""Which targets a loss without rules is tried with, from the axes of the output. Pure; no torch.

A target is described by the output axes that its own axes stand for, so that shapes, meanings and the places that belong
together all follow from one list.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from shapecheck.readings import LETTERS
from shapecheck.specs import FLOATING, INTEGRAL

UNIT = -1  # an axis of size one that the output does not have
SCORES = ("class", "feature")
POSITIONS = ("time", "depth", "height", "width")


@dataclass(frozen=True)
class Candidate:
    """A target to try. `axes` has for each of its axes that of the output, or UNIT; `index` is the axis it indexes.

    `holds` are the kinds of values to try, the likeliest first (see `making.py`).
    """

    axes: tuple[int | None, ...]
    shape: tuple[int, ...]
    dtype: str
    holds: tuple[str, ...]
    index: int | None = None

    @property
    def floating(self) -> bool:
        return self.dtype in FLOATING


@dataclass(frozen=True)
class Layout:
    """The output's shape and roles; without roles the first axis is taken for the batch, and axis 1 for the scores."""

    shape: tuple[int, ...]
    roles: tuple[str, ...]

    @property
    def batch(self) -> int | None:
        return self.roles.index("batch") if "batch" in self.roles else None

    @property
    def scores(self) -> tuple[int, ...]:
        """Axes that may hold classes or features, a class axis first."""
        found = [axis for axis, role in enumerate(self.roles) if role in SCORES]
        return tuple(sorted(found, key=lambda axis: self.roles[axis] != "class"))

    @property
    def units(self) -> tuple[int, ...]:
        return tuple(axis for axis, size in enumerate(self.shape) if size == 1 and self.roles[axis] != "batch")

    def moved(self, order: Sequence[int]) -> Layout:
        """With its axes in another order."""
        return Layout(tuple(self.shape[axis] for axis in order), tuple(self.roles[axis] for axis in order))


def layout(shape: Sequence[int], roles: Sequence[str] | None) -> Layout:
    """The layout of a tensor whose axes may not be known."""
    sizes = tuple(shape)
    if roles is None or len(roles) != len(sizes) or set(roles) <= {"unknown"}:
        usual = ("batch", "feature", *["unknown"] * len(sizes))[: len(sizes)]
        return Layout(sizes, tuple("unit" if size == 1 and axis else usual[axis] for axis, size in enumerate(sizes)))
    return Layout(sizes, tuple(roles))


def candidates(output: Layout, dtype: str) -> list[Candidate]:
    """Every plausible target, the likeliest first; `dtype` is that of the output, which floating targets share."""
    found: dict[tuple[tuple[int, ...], str], Candidate] = {}
    floating = dtype if dtype in FLOATING else "float32"
    for axes, index in _arrangements(output):
        shape = tuple(1 if axis == UNIT else output.shape[axis] for axis in axes)
        for kind in ("int64", floating) if index is not None else (floating, "int64"):
            one = Candidate(axes, shape, kind, (), index)
            found.setdefault((shape, kind), replace(one, holds=_holds(one, output)))
    for one in _sequences(output):
        found.setdefault((one.shape, one.dtype), one)
    return list(found.values())


def _sequences(output: Layout) -> Iterator[Candidate]:
    """A sequence of labels that is shorter than the output, as for speech."""
    if output.batch is None or "time" not in output.roles or not output.scores:
        return
    third = max(2, output.shape[output.roles.index("time")] // 3)
    length = next(size for size in itertools.count(third) if size not in output.shape)
    shape = (output.shape[output.batch], length)
    yield Candidate((output.batch, None), shape, "int64", ("class-index",), output.scores[0])


def _arrangements(output: Layout) -> Iterator[tuple[tuple[int, ...], int | None]]:
    """(output axes, indexed axis): an index for each class vector, the output's own shape, and what else is usual."""
    every = tuple(range(len(output.shape)))
    for axis in output.scores:
        yield _without(every, axis), axis
    yield every, None
    if output.units:
        yield tuple(axis for axis in every if axis not in output.units), None
    for axis in output.scores:
        yield tuple(UNIT if each == axis else each for each in every), axis
        for place in {1, len(every) - 1} - {axis}:
            rest = list(_without(every, axis))
            yield (*rest[:place], axis, *rest[place:]), None
    batch = output.batch
    if batch is None:
        return
    index = output.scores[0] if output.scores else None
    yield (batch,), index
    yield (batch, UNIT), index
    for axis in output.scores:
        yield (batch, axis), None


def _without(axes: tuple[int, ...], axis: int) -> tuple[int, ...]:
    return tuple(each for each in axes if each != axis)


def _holds(one: Candidate, output: Layout) -> tuple[str, ...]:
    rows = any(axis in output.scores for axis in one.axes if axis is not None)
    if one.floating:
        return ("one-hot", "numbers", "unit-interval") if rows else ("binary", "numbers", "unit-interval", "signs")
    if rows:
        return ("one-hot", "binary")
    return ("class-index", "binary") if one.index is not None else ("binary", "class-index", "signs")


def described(
    shape: Sequence[int], dtype: str, output: Layout, roles: Sequence[str] | None = None, holds: str | None = None
) -> Candidate:
    """The target that the user gave, read against the output: which of its axes belong together.

    `roles` are those of the target where they are known; `holds` what its values are said to be.
    """
    axes = _paired(tuple(shape), output, roles)
    left = [axis for axis in output.scores if axis not in axes]
    one = Candidate(axes, tuple(shape), dtype, (), left[0] if left and dtype in INTEGRAL else None)
    kinds = _holds(one, output)
    said = {"multi-hot": "binary", "continuous": "numbers", "probabilities": "unit-interval", "logits": "numbers"}
    if holds is not None:
        kinds = (said.get(holds, holds), *kinds)
    return replace(one, holds=tuple(dict.fromkeys(kinds)))


def _paired(shape: tuple[int, ...], output: Layout, roles: Sequence[str] | None) -> tuple[int | None, ...]:
    """For each axis of the target that of the output: by role where that is plain, else in order of equal sizes.

    None for an axis that belongs to none, UNIT for one of size one.
    """
    if shape == output.shape:
        return tuple(range(len(shape)))
    found: list[int | None] = []
    for axis, size in enumerate(shape):
        free = [each for each, other in enumerate(output.shape) if other == size and each not in found]
        alike = [each for each in free if roles and output.roles[each] == roles[axis]]
        later = [each for each in free if each > max((f for f in found if f is not None), default=-1)]
        found.append(UNIT if size == 1 and not alike else next(iter(alike or later or free), None))
    return tuple(found)


def meaning(one: Candidate, holds: str, output: Layout) -> str:
    """What such a target would mean: `one class index per position`."""
    if any(axis in output.scores for axis in one.axes):
        whole = "whole number" if not one.floating else "number"
        return f"one {whole} per element" + (", such as one-hot rows" if holds == "one-hot" else "")
    if None in one.axes and one.index is not None:
        return "a sequence of class indices per sample"
    outer = [axis for axis in one.axes if axis not in (UNIT, None, *output.units)]
    per = "per sample" if outer == [output.batch] else "per position"
    if one.floating:
        return f"one number {per}"
    labels = {"class-index": "class index", "binary": "label", "signs": "label, +1 or -1,"}
    return f"one {labels.get(holds, 'whole number')} {per}"


def letters(one: Candidate, output: Layout) -> tuple[int | str, ...]:
    """The target's shape in letters where the role of an axis is known and no other axis has it.

    S is a size of the target's own.
    """
    shape: list[int | str] = []
    for axis, size in zip(one.axes, one.shape, strict=True):
        role = output.roles[axis] if axis is not None and axis != UNIT else ""
        alone = role in LETTERS and output.roles.count(role) == 1
        shape.append("S" if axis is None else LETTERS[role] if alone else size)
    return tuple(shape)


def roles_of(one: Candidate, output: Layout) -> tuple[str, ...]:
    """A role for each axis of the target."""
    return tuple("unknown" if axis is None else "unit" if axis == UNIT else output.roles[axis] for axis in one.axes)
