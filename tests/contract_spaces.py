"""The calls that the contract tests compare: every combination of something, of which any part can be drawn.

A space is indexed without being built, so a sample of millions of calls costs no more than the calls in it.
"""

from __future__ import annotations

import itertools
import math
import random
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from contract_calls import TESTED_DTYPES, Call, Fill, Shape, Shapes, made, torch_says
from contract_losses import DESCRIBED, Keywords

USUAL = {"N": 2, "C": 3, "A": 4, "B": 5, "D": 6, "E": 3, "M": 5, "S": 3, "T": 4}
SHAPES: list[Shape] = [shape for rank in range(6) for shape in itertools.product(range(4), repeat=rank)]
UP_TO_RANK_3, UP_TO_RANK_4 = SHAPES[:85], SHAPES[:341]
Way = tuple[Shapes, tuple[str, ...]]
FEW_REDUCTIONS = ("none", "mean", "sum")


@dataclass(frozen=True, eq=False)
class Space:
    """`build` of every combination of one value from each axis."""

    axes: tuple[Sequence[Any], ...]
    build: Callable[..., Call]

    def __len__(self) -> int:
        return math.prod(len(axis) for axis in self.axes)

    def __getitem__(self, index: int) -> Call:
        values = []
        for axis in self.axes:
            index, place = divmod(index, len(axis))
            values.append(axis[place])
        return self.build(*values)

    def draw(self, count: int) -> Iterator[Call]:
        """All calls where there are no more than `count`, else that many at random, always the same."""
        if len(self) <= count:
            return (self[index] for index in range(len(self)))
        generator = random.Random(0)
        return (self[generator.randrange(len(self))] for _ in range(count))


def call(loss: str, shapes: Shapes, dtypes: Sequence[str], fills: Sequence[Fill], keywords: Mapping[str, Any]) -> Call:
    """A call of these tensors; a keyword that is None is not given."""
    tensors = tuple(made(shape, dtype, fill) for shape, dtype, fill in zip(shapes, dtypes, fills, strict=True))
    return Call(loss, tensors, {name: value for name, value in keywords.items() if value is not None})


# ---------------------------------------------------------------------------------------------- shapes


def axes_of(form: str) -> tuple[tuple[str, ...], ...]:
    """`N C, N` -> (('N', 'C'), ('N',))."""
    return tuple(tuple(part.split()) for part in form.split(","))


def sized(form: str, sizes: Mapping[str, int]) -> Shapes:
    """The shapes of a form with these sizes for its names."""
    return tuple(tuple(int(axis) if axis.isdigit() else sizes[axis] for axis in axes) for axes in axes_of(form))


def variants(form: str) -> Iterator[Shapes]:
    """The form with its usual sizes, and with each name in turn of size 0 and 1."""
    yield sized(form, USUAL)
    for name in {axis: None for axes in axes_of(form) for axis in axes if not axis.isdigit()}:
        yield from (sized(form, {**USUAL, name: size}) for size in (0, 1))


@cache
def right(loss: str) -> list[tuple[str, tuple[str, ...]]]:
    """The forms that torch takes with their usual sizes, and the dtypes it takes them in."""
    described = DESCRIBED[loss]
    ways = [(form, dtypes) for form in described.forms for dtypes in described.dtypes]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return [
            (form, dtypes)
            for form, dtypes in ways
            if not isinstance(torch_says(_with_shapes(loss, dtypes, sized(form, USUAL))), Exception)
        ]


def right_ways(loss: str) -> list[Way]:
    """Those forms with their usual sizes, and with each name in turn of size 0 and 1."""
    return [(shapes, dtypes) for form, dtypes in right(loss) for shapes in variants(form)]


def usual(loss: str) -> list[Shapes]:
    return [sized(form, USUAL) for form in DESCRIBED[loss].forms]


def usual_and_small(loss: str) -> list[Shapes]:
    return list(dict.fromkeys(shapes for form in DESCRIBED[loss].forms for shapes in variants(form)))


def beside(form: str, generator: random.Random) -> Shapes:
    """A form with any sizes from 0 to 3, in a third of the cases with one tensor changed."""
    shapes = list(sized(form, {name: generator.choice((0, 1, 1, 2, 2, 2, 3, 3, 3)) for name in USUAL}))
    if generator.random() < 1 / 3:
        place = generator.randrange(len(shapes))
        shapes[place] = _changed(shapes[place], generator)
    return tuple(shapes)


def _changed(shape: Shape, generator: random.Random) -> Shape:
    sizes = list(shape)
    change = generator.randrange(4)
    if change == 0 or not sizes:
        sizes.insert(generator.randint(0, len(sizes)), generator.randrange(4))
    elif change == 1:
        del sizes[generator.randrange(len(sizes))]
    elif change == 2:
        sizes[generator.randrange(len(sizes))] = generator.randrange(4)
    else:
        generator.shuffle(sizes)
    return tuple(sizes)


def _with_shapes(loss: str, dtypes: Sequence[str], shapes: Shapes) -> Call:
    described = DESCRIBED[loss]
    return call(loss, shapes, dtypes, described.fills(shapes), described.always)


def pairs(loss: str) -> Space:
    """Any two shapes for the first two tensors, and near ones for the others, in every usual pair of dtypes."""
    described = DESCRIBED[loss]
    rests = range(len(described.rest((2, 3), (2, 3))))

    def build(dtypes: Sequence[str], first: Shape, second: Shape, rest: int) -> Call:
        return _with_shapes(loss, dtypes, (first, second, *described.rest(first, second)[rest]))

    return Space((described.dtypes, UP_TO_RANK_4, UP_TO_RANK_4, rests), build)


def every_pair(loss: str) -> Iterator[Call]:
    """Every two shapes of ranks 0 to 5 and sizes 0 to 3 for the first two tensors; up to rank 4 in further dtypes.

    2 and 3 are sizes like any other: of two pairs that differ in them alone, one is enough.
    """
    described, generator = DESCRIBED[loss], random.Random(0)
    for dtypes in described.dtypes:
        shapes = SHAPES if dtypes == described.dtypes[0] else UP_TO_RANK_4
        for first, second in itertools.product(shapes, repeat=2):
            if next((size for size in (*first, *second) if size > 1), 2) == 2:
                rest = generator.choice(described.rest(first, second))
                yield _with_shapes(loss, dtypes, (first, second, *rest))


def around_forms(loss: str) -> Space:
    """In each form, any shapes up to rank 3 for two of the tensors, one of which is not among the first two."""
    described = DESCRIBED[loss]
    small = {name: min(size, 3) for name, size in USUAL.items()}
    forms = list(dict.fromkeys(sized(form, small) for form in described.forms))
    count = len(forms[0])
    places = [pair for pair in itertools.combinations(range(count), 2) if pair != (0, 1)]

    def build(shapes: Shapes, place: tuple[int, int], first: Shape, second: Shape) -> Call:
        changed = {place[0]: first, place[1]: second}
        return _with_shapes(loss, described.dtypes[0], tuple(changed.get(i, shapes[i]) for i in range(count)))

    return Space((forms, places, UP_TO_RANK_3, UP_TO_RANK_3), build)


# ------------------------------------------------------------------------------- dtypes, keywords, contents


def dtypes(loss: str, shapes: Sequence[Shapes]) -> Space:
    """Every dtype of every tensor, Python values where torch may take them."""
    described = DESCRIBED[loss]
    choices = [(*TESTED_DTYPES, *described.python.get(place, ())) for place in range(len(described.dtypes[0]))]

    def build(shapes: Shapes, reduction: str | None, *dtypes: str) -> Call:
        keywords = described.always if reduction is None else {**described.always, "reduction": reduction}
        return call(loss, shapes, dtypes, described.fills(shapes), keywords)

    return Space((shapes, _few_reductions(loss), *choices), build)


def _few_reductions(loss: str) -> Sequence[str | None]:
    return FEW_REDUCTIONS if "reduction" in DESCRIBED[loss].keywords else (None,)


def keywords(loss: str) -> Space:
    """Every value of every keyword at once."""
    described = DESCRIBED[loss]

    def build(shapes: Shapes, dtypes: Sequence[str], *values: Any) -> Call:
        given = dict(zip(described.keywords, values))
        return call(loss, shapes, dtypes, described.fills(shapes), given)

    return Space((usual(loss), described.dtypes, *described.keywords.values()), build)


def weight_shapes(loss: str, name: str) -> Space:
    """A tensor keyword of every shape about those of the first two tensors, and of the output's dtype."""
    described = DESCRIBED[loss]
    with_it = _with_weights(loss)

    def build(way: Way, labels: str, reduction: str, about: int, *values: Any) -> Call:
        shapes, dtypes = way
        candidates = shapes_about(*shapes[:2])
        given = {"reduction": reduction, name: made(candidates[about % len(candidates)], dtypes[0], (1,))}
        dtypes = (*dtypes[:-1], labels if dtypes[-1] == "int64" else dtypes[-1])
        return call(loss, shapes, dtypes, described.fills(shapes), {**given, **dict(zip(with_it, values))})

    most = max(len(shapes_about(*shapes[:2])) for shapes, _ in right_ways(loss))
    return Space((right_ways(loss), ("int64", "uint8"), FEW_REDUCTIONS, range(most), *with_it.values()), build)


def weight_dtypes(loss: str, name: str) -> Space:
    """A tensor keyword of every dtype, of the first shape that torch takes, with tensors of every dtype."""
    described = DESCRIBED[loss]
    with_it = _with_weights(loss)
    ways = [
        (shapes, weight) for shapes, dtypes in right_ways(loss) for weight in _right_weights(loss, name, shapes, dtypes)
    ]

    def build(way: tuple[Shapes, Shape], of_weight: str, reduction: str, *values: Any) -> Call:
        (shapes, weight), count = way, len(described.dtypes[0])
        given = {"reduction": reduction, name: made(weight, of_weight, (1,)), **dict(zip(with_it, values[count:]))}
        return call(loss, shapes, values[:count], described.fills(shapes), given)

    every = [TESTED_DTYPES] * len(described.dtypes[0])
    return Space((ways, TESTED_DTYPES, FEW_REDUCTIONS, *every, *with_it.values()), build)


def _with_weights(loss: str) -> Keywords:
    """The keywords that change what torch does with a weight."""
    tried = DESCRIBED[loss].keywords
    return {name: tried[name][:3] for name in ("label_smoothing", "options") if name in tried}


@cache
def _right_weights(loss: str, name: str, shapes: Shapes, dtypes: tuple[str, ...]) -> list[Shape]:
    """The first and the last shape of a tensor keyword that torch takes with these tensors."""
    fills, taken = DESCRIBED[loss].fills(shapes), []
    for shape in shapes_about(*shapes[:2]):
        answer = torch_says(call(loss, shapes, dtypes, fills, {name: made(shape, dtypes[0], (1,))}))
        if not isinstance(answer, Exception):
            taken.append(shape)
    return list(dict.fromkeys([*taken[:1], *taken[-1:]]))


def shapes_about(*shapes: Shape) -> list[Shape]:
    """Shapes that a weight may have, or that somebody may think it has."""
    found: list[Shape] = [(), (1,), (0,), (1, 1)]
    for shape in shapes:
        found += [shape[start:] for start in range(len(shape))] + [shape[:end] for end in range(1, len(shape))]
        found += [(1, *shape), (*shape, 1), (math.prod(shape),)]
        for size in shape[:2]:
            found += [(size,), (size + 1,), (size, 1), (1, size), (1, size, 1), (size, 1, 1), (size, size)]
        found += [(*shape[:place], 1, *shape[place + 1 :]) for place in range(len(shape))]
    return list(dict.fromkeys(found))


def contents(loss: str) -> Space:
    """Every content of every tensor, and of the Python values that torch may take instead."""
    described = DESCRIBED[loss]
    read_with = [name for name in ("ignore_index", "blank", "options", "log_input") if name in described.keywords]
    options = {name: described.keywords[name][:4] for name in read_with}

    def build(shapes: Shapes, dtypes: Sequence[str], reduction: str | None, *values: Any) -> Call:
        fills, rest = values[: len(dtypes)], values[len(dtypes) :]
        given = described.always if reduction is None else {**described.always, "reduction": reduction}
        return call(loss, shapes, dtypes, fills, {**given, **dict(zip(options, rest))})

    kinds = list(dict.fromkeys([*described.dtypes, *_with_python(loss)]))
    return Space((usual(loss), kinds, _few_reductions(loss), *described.contents, *options.values()), build)


def _with_python(loss: str) -> Iterator[tuple[str, ...]]:
    """The usual dtypes, with the first, second, ... Python value wherever torch may take one."""
    described = DESCRIBED[loss]
    for choice in zip(*described.python.values()):
        chosen = dict(zip(described.python, choice))
        yield tuple(chosen.get(place, dtype) for place, dtype in enumerate(described.dtypes[0]))


# -------------------------------------------------------------------------------------------- mixtures


def mixture(loss: str, generator: random.Random) -> Call:
    """A call with anything that may be right or wrong of it, mostly right."""
    described = DESCRIBED[loss]
    form, usual_dtypes = generator.choice(right(loss))
    if generator.random() < 0.2:
        form, usual_dtypes = generator.choice(described.forms), generator.choice(described.dtypes)
    shapes = beside(form, generator)
    fills = described.fills(shapes)
    if generator.random() < 0.2:
        fills = tuple(
            generator.choice((fill, generator.choice(tried))) for fill, tried in zip(fills, described.contents)
        )
    given = dict(described.always)
    for name, values in described.keywords.items():
        if generator.random() < 0.25:
            given[name] = generator.choice(values)
    dtypes = tuple(_any_dtype(loss, place, dtype, generator) for place, dtype in enumerate(usual_dtypes))
    for name in described.weights:
        if generator.random() < 0.4:
            shape = generator.choice(shapes_about(*shapes[:2]))
            given[name] = made(shape, generator.choice((dtypes[0], generator.choice(TESTED_DTYPES))), (1,))
    return call(loss, shapes, dtypes, fills, given)


def _any_dtype(loss: str, place: int, usual_dtype: str, generator: random.Random) -> str:
    if generator.random() < 0.8:
        return usual_dtype
    return generator.choice((*TESTED_DTYPES, *DESCRIBED[loss].python.get(place, ()) * 3))


# ---------------------------------------------------------------------------------------- all together


def sample(loss: str, count: int) -> Iterator[Call]:
    """At most `count` calls of each space, and as many mixtures."""
    described, generator = DESCRIBED[loss], random.Random(0)
    yield from (mixture(loss, generator) for _ in range(count))
    shapes = [pairs(loss)] if len(described.dtypes[0]) == 2 else [pairs(loss), around_forms(loss)]
    of_weights = [space(loss, name) for name in described.weights for space in (weight_shapes, weight_dtypes)]
    of_dtypes = [dtypes(loss, usual(loss)), dtypes(loss, usual_and_small(loss))]
    for space in (*shapes, *of_dtypes, keywords(loss), contents(loss), *of_weights):
        yield from space.draw(count)
