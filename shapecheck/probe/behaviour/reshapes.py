"""What a reshape does to axes, from the sizes before and after alone: splits, merges, and mixing. No tensors.

Axes are told apart by their sizes, so the sizes of the run have to differ where they can.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Set
from dataclasses import dataclass

Shape = tuple[int, ...]


@dataclass(frozen=True)
class Group:
    """Axes before and the axes after that hold the same elements, and no fewer axes do."""

    before: tuple[int, ...]
    after: tuple[int, ...]


def groups(before: Shape, after: Shape) -> list[Group]:
    """The smallest groups with equal products, from the left; axes of size one belong to none."""
    found: list[Group] = []
    left = [axis for axis, size in enumerate(before) if size != 1]
    right = [axis for axis, size in enumerate(after) if size != 1]
    while left and right:
        taken, given = [left.pop(0)], [right.pop(0)]
        here, there = before[taken[0]], after[given[0]]
        while here != there:
            if here < there and left:
                taken.append(left.pop(0))
                here *= before[taken[-1]]
            elif there < here and right:
                given.append(right.pop(0))
                there *= after[given[-1]]
            else:
                return found
        found.append(Group(tuple(taken), tuple(given)))
    return found


def mixing(before: Shape, after: Shape) -> Group | None:
    """The first group in which an axis certainly ends up among parts of others."""
    return next(
        (group for group in groups(before, after) if _mixes(_of(before, group.before), _of(after, group.after))), None
    )


def suspicious(before: Shape, after: Shape) -> bool:
    """Whether several axes become several others; that may be meant (frames stacked), sizes decide."""
    return any(len(group.before) > 1 and len(group.after) > 1 for group in groups(before, after))


def _of(shape: Shape, axes: tuple[int, ...]) -> Shape:
    return tuple(shape[axis] for axis in axes)


def _mixes(before: Shape, after: Shape) -> bool:
    """Cut not at whole numbers; or two axes cut and a size moved; or both parts of one axis merged with others."""
    if len(before) < 2 or len(after) < 2:
        return False
    cuts = [_cut(before, behind) for behind in _behind(after)[1:]]
    if None in cuts:
        return True
    parts = refined(before, after)
    cut_axes = {axis for axis in cuts if axis is not None}
    if len(cut_axes) > 1 and moved(before, after):
        return True
    return any(_torn(axis, parts) for axis in cut_axes)


def _behind(shape: Shape) -> list[int]:
    """For each place between axes from the left end on, how many elements lie behind it."""
    return [math.prod(shape[place:]) for place in range(len(shape))]


def _cut(before: Shape, elements: int) -> int | None:
    """The axis that is cut where so many elements lie behind; None where that is no whole part of it."""
    for axis in range(len(before)):
        behind = math.prod(before[axis + 1 :])
        if behind < elements:
            return axis if elements % behind == 0 and before[axis] * behind % elements == 0 else None
    return None


def moved(before: Shape, after: Shape) -> bool:
    """Whether a size that occurs once on both sides stands at another place."""
    return any(
        before.count(size) == after.count(size) == 1
        and math.prod(before[before.index(size) + 1 :]) != math.prod(after[after.index(size) + 1 :])
        for size in before
    )


def refined(before: Shape, after: Shape) -> list[tuple[int, int, int]]:
    """Parts (axis before, axis after, size) from the left, for shapes whose cuts are whole."""
    places = sorted({*_behind(before), *_behind(after)}, reverse=True)
    total = places[0]
    found = []
    for place, behind in itertools.pairwise([*places, 1] if places[-1] != 1 else places):
        if place != behind:
            found.append((_axis_at(before, place, total), _axis_at(after, place, total), place // behind))
    return found


def _axis_at(shape: Shape, elements: int, total: int) -> int:
    """The axis that begins where so many elements lie behind, or that is being cut there."""
    return max(
        axis for axis in range(len(shape)) if math.prod(shape[axis:]) >= elements or (elements == total and not axis)
    )


def _torn(axis: int, parts: list[tuple[int, int, int]]) -> bool:
    """Whether the axis has several parts, and each shares its new axis with a part of another."""
    own = [new for old, new, _ in parts if old == axis]
    return len(own) > 1 and all(any(new == mine and old != axis for old, new, _ in parts) for mine in own)


# ---------------------------------------------------------------------------- what was meant


@dataclass(frozen=True)
class Repair:
    """`x.reshape(split).permute(order).reshape(after)` in place of `x.reshape(after)`.

    `parts` are (axis before, axis after, size), in the order in which they stand before.
    """

    parts: tuple[tuple[int, int, int], ...]
    order: tuple[int, ...]
    after: Shape

    @property
    def split(self) -> Shape:
        return tuple(size for _, _, size in self.parts)


_MOST_REPAIRS = 12
_MOST_FACTORINGS = 4000


def repairs(before: Shape, after: Shape) -> list[Repair]:
    """Ways to the same shape that only split, move and merge axes; the simplest first."""
    found: dict[Repair, float] = {}
    whole = {
        (group.before[0], group.after[0])
        for group in groups(before, after)
        if len(group.before) == len(group.after) == 1
    }
    orders = (_factorings(before, after, 0, whole, cut) for cut in (False, True))
    for matrix in itertools.islice(itertools.chain.from_iterable(orders), _MOST_FACTORINGS):
        cost = _cost(matrix, before)
        for turned in (None, *(axis for axis, row in enumerate(matrix) if sum(part != 1 for part in row) > 1)):
            repair = _repair(matrix, after, turned)
            if repair.order != tuple(range(len(repair.order))):
                found.setdefault(repair, cost + (turned is not None))
    return sorted(found, key=found.__getitem__)[:_MOST_REPAIRS]


Matrix = tuple[tuple[int, ...], ...]


def _factorings(before: Shape, after: Shape, axis: int, whole: Set[tuple[int, int]], cut: bool) -> Iterator[Matrix]:
    """How much of each axis before goes into each axis after: rows multiply to `before`, columns to `after`.

    The axes of `whole` stay as they are; without `cut` none is split.
    """
    if axis == len(before):
        if all(size == 1 for size in after):
            yield ()
        return
    rows = _rows(before[axis], after, axis, 0, whole) if cut else _uncut_rows(before[axis], after, axis, whole)
    for row in rows:
        rest = tuple(size // part for size, part in zip(after, row, strict=True))
        for matrix in _factorings(before, rest, axis + 1, whole, cut):
            yield (row, *matrix)


def _rows(size: int, room: Shape, axis: int, place: int, whole: Set[tuple[int, int]]) -> Iterator[tuple[int, ...]]:
    if place == len(room):
        if size == 1:
            yield ()
        return
    for part in (1,) if _apart(axis, place, whole) else _divisors(math.gcd(size, room[place])):
        for row in _rows(size // part, room, axis, place + 1, whole):
            yield (part, *row)


def _uncut_rows(size: int, room: Shape, axis: int, whole: Set[tuple[int, int]]) -> Iterator[tuple[int, ...]]:
    if size == 1:
        yield (1,) * len(room)
        return
    for place, free in enumerate(room):
        if free % size == 0 and not _apart(axis, place, whole):
            yield tuple(size if other == place else 1 for other in range(len(room)))


def _apart(axis: int, place: int, whole: Set[tuple[int, int]]) -> bool:
    return any((axis == old) != (place == new) for old, new in whole)


def _divisors(number: int) -> list[int]:
    return [part for part in range(1, number + 1) if number % part == 0]


def _repair(matrix: Matrix, after: Shape, turned: int | None) -> Repair:
    """The parts of an axis stand in the order of where they go; those of the axis `turned` the other way round."""
    atoms = [
        (i, j, part)
        for i, row in enumerate(matrix)
        for j, part in (reversed(list(enumerate(row))) if i == turned else enumerate(row))
        if part != 1
    ]
    order = sorted(range(len(atoms)), key=lambda number: (atoms[number][1], atoms[number][0]))
    return Repair(tuple(atoms), tuple(order), after)


def _cost(matrix: Matrix, before: Shape) -> float:
    """Few parts; and neighbouring axes of one size (the sides of a square), and the parts of one axis, are cut alike."""
    parts = [[part for part in row if part != 1] for row in matrix]
    uneven = sum(
        matrix[axis] != matrix[axis + 1] for axis in range(len(before) - 1) if before[axis] == before[axis + 1] != 1
    )
    inner = [[part for part in row[1:] if part != 1] or [1] for row in matrix]  # the first is the batch's
    ratios = (math.log2(max(cut) / min(cut)) for cut in inner)
    return 8 * uneven + sum(map(len, parts)) + 1.5 * sum(ratios)
