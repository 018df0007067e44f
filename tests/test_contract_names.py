"""Sizes that are names: what a check says of them has to hold in torch for every number put in their place."""

from __future__ import annotations

import math
import random
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import pytest
from contract_calls import Call, Shape, made, torch_says
from contract_losses import DESCRIBED
from contract_spaces import axes_of, call, right
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shapecheck.pipeline import check
from shapecheck.rules import load_loss
from shapecheck.specs import Size, Subject, TensorSpec

NUMBERS = (1, 2, 4)  # sizes that stand beside the names
DISTINCT = (3, 5, 7, 11, 13, 17, 19, 23)  # what names are when nothing coincides
KEYWORDS = ("reduction", "size_average", "reduce", "label_smoothing", "ignore_index", "full", "swap", "in_features")
Named = tuple[Size, ...]


@dataclass(frozen=True, eq=False)
class NamedCall:
    """A call with names for sizes; `weights` are its tensor keywords, `keywords` all others."""

    loss: str
    shapes: tuple[Named, ...]
    dtypes: tuple[str, ...]
    weights: Mapping[str, Named]
    keywords: Mapping[str, Any]

    @property
    def names(self) -> list[str]:
        sizes = [size for shape in (*self.shapes, *self.weights.values()) for size in shape]
        return list(dict.fromkeys(size for size in sizes if isinstance(size, str)))

    def subject(self) -> Subject:
        described = zip(load_loss(self.loss).tensors, self.shapes, self.dtypes, strict=True)
        tensors = {name: TensorSpec(shape, dtype) for name, shape, dtype in described}
        weights = {name: {"shape": list(shape), "dtype": self.dtypes[0]} for name, shape in self.weights.items()}
        return Subject(self.loss, tensors, loss_args={**self.keywords, **weights})

    def with_numbers(self, numbers: Mapping[str, int]) -> Call:
        described = DESCRIBED[self.loss]
        shapes = tuple(_sized(shape, numbers) for shape in self.shapes)
        weights = {name: made(_sized(shape, numbers), self.dtypes[0], (1,)) for name, shape in self.weights.items()}
        return call(self.loss, shapes, self.dtypes, described.fills(shapes), {**self.keywords, **weights})

    def __str__(self) -> str:
        shapes = [*self.shapes, *(f"{name}={shape}" for name, shape in self.weights.items())]
        return f"{self.loss}({', '.join(str(shape) for shape in shapes)}) {self.dtypes} {self.keywords}"


def _sized(shape: Named, numbers: Mapping[str, int]) -> Shape:
    return tuple(numbers[size] if isinstance(size, str) else size for size in shape)


def named_call(loss: str, generator: random.Random) -> NamedCall:
    """A form that torch takes, or nearly so, with some names made equal, or made numbers."""
    form, dtypes = generator.choice(right(loss))
    shapes: list[Named] = [tuple(int(size) if size.isdigit() else size for size in axes) for axes in axes_of(form)]
    if generator.random() < 0.4:
        place = generator.randrange(len(shapes))
        shapes[place] = _changed(shapes[place], generator)
    if generator.random() < 0.4:
        shapes = _renamed(shapes, generator)
    described, weights = DESCRIBED[loss], {}
    for name in described.weights:
        if generator.random() < 0.4:
            weights[name] = _weight(shapes, generator)
    given = dict(described.always)
    for name in KEYWORDS:
        if name in described.keywords and generator.random() < 0.1:
            given[name] = generator.choice([value for value in described.keywords[name] if value is not None])
    return NamedCall(loss, tuple(shapes), dtypes, weights, given)


def _changed(shape: Named, generator: random.Random) -> Named:
    sizes = list(shape)
    change = generator.randrange(4)
    size = generator.choice(("N", "C", "K", *NUMBERS))
    if change == 0 or not sizes:
        sizes.insert(generator.randint(0, len(sizes)), size)
    elif change == 1:
        del sizes[generator.randrange(len(sizes))]
    elif change == 2:
        sizes[generator.randrange(len(sizes))] = size
    else:
        generator.shuffle(sizes)
    return tuple(sizes)


def _renamed(shapes: list[Named], generator: random.Random) -> list[Named]:
    """One size is another everywhere."""
    sizes = list(dict.fromkeys(size for shape in shapes for size in shape))
    if not sizes:
        return shapes
    old, new = generator.choice(sizes), generator.choice((*sizes, "K", *NUMBERS))
    return [tuple(new if size == old else size for size in shape) for shape in shapes]


def _weight(shapes: list[Named], generator: random.Random) -> Named:
    shape = generator.choice(shapes[:2])
    start = generator.randint(0, len(shape))
    part = shape[start : generator.randint(start, len(shape))]
    return generator.choice((part, shape[1:2], (*part, 1), (1, *part), ("K",), part[:1]))


def _ways(names: list[str], generator: random.Random) -> Iterator[dict[str, int]]:
    yield dict(zip(names, DISTINCT))
    for most in (2, 2, 3, 4, 6):
        numbers = {name: generator.randint(1, most) for name in names}
        yield numbers
    if len(names) > 2:
        product, first, second = generator.sample(names, 3)
        yield {**numbers, product: numbers[first] * numbers[second]}


def _taken(call: Call) -> bool:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return not isinstance(torch_says(call), Exception)


def _holds(condition: str, numbers: Mapping[str, int]) -> bool:
    """`T == C and N == 8`, or `C == A*B`, of these numbers."""
    sides = [equality.split(" == ") for equality in condition.split(" and ")]
    return all(_number(left, numbers) == _number(right, numbers) for left, right in sides)


def _number(side: str, numbers: Mapping[str, int]) -> int:
    return math.prod(int(size) if size.isdigit() else numbers[size] for size in side.split("*"))


def _fulfilling(condition: str, names: list[str]) -> dict[str, int]:
    """Numbers of which a condition holds and nothing else coincides."""
    numbers = dict(zip(names, DISTINCT))
    for equality in condition.split(" and "):
        left, right = equality.split(" == ")
        if right in numbers:
            numbers[right] = numbers[left]
        else:
            numbers[left] = _number(right, numbers)
    return numbers


def _check_holds(loss: str, generator: random.Random) -> None:
    """What a check says of names against torch's answers for numbers."""
    named = named_call(loss, generator)
    result = check(named.subject(), load_loss(loss))
    note = result.contract_note
    for numbers in _ways(named.names, generator):
        taken = _taken(named.with_numbers(numbers))
        shown = f"{named}: {result.contract} {note}, but torch {'takes' if taken else 'refuses'} {numbers}"
        if result.contract != "unknown":
            assert taken == (result.contract == "accepts"), shown
        elif "only if" in note:
            assert not taken or _holds(note.partition("only if ")[2], numbers), shown
        elif "unless" in note:
            assert taken or _holds(note.partition("unless ")[2], numbers), shown
        elif "where all sizes differ" in note:
            assert numbers != dict(zip(named.names, DISTINCT)) or taken == ("accepts" in note), shown
        else:
            assert "depends on the size" in note
    for word in ("only if ", "unless "):
        if word in note:
            numbers = _fulfilling(note.partition(word)[2], named.names)
            assert _taken(named.with_numbers(numbers)) == (word == "only if "), f"{named}: {note} is not so: {numbers}"


few = settings(max_examples=30, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
many = settings(few, max_examples=400)
generators = st.randoms(use_true_random=False)


@few
@given(generator=generators)
@pytest.mark.parametrize("loss", DESCRIBED)
def test_a_verdict_on_names_holds_for_every_number(loss: str, generator: random.Random) -> None:
    _check_holds(loss, generator)


@pytest.mark.slow
@many
@given(generator=generators)
@pytest.mark.parametrize("loss", DESCRIBED)
def test_many_verdicts_on_names_hold_for_every_number(loss: str, generator: random.Random) -> None:
    _check_holds(loss, generator)
