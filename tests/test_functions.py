"""The functions of the condition language against torch's own broadcasting and promotion."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from shapecheck.conditions import compile_condition, names_in
from shapecheck.functions import broadcast, broadcasts, differing, exceeds, expands, promote, without
from shapecheck.matching import Facts
from shapecheck.specs import DTYPES

shapes = st.lists(st.integers(0, 3), max_size=4).map(tuple)


@settings(max_examples=500, deadline=None, derandomize=True)
@given(st.lists(shapes, min_size=1, max_size=3))
def test_broadcast_is_torchs(given_shapes: list[tuple[int, ...]]) -> None:
    try:
        expected = tuple(torch.broadcast_shapes(*given_shapes))
    except RuntimeError:
        assert broadcast(*given_shapes) is None
        assert not broadcasts(*given_shapes)
    else:
        assert broadcast(*given_shapes) == expected
        assert broadcasts(*map(Facts, given_shapes))


@settings(max_examples=500, deadline=None, derandomize=True)
@given(shapes, shapes)
def test_expands_is_torchs_expand(shape: tuple[int, ...], other: tuple[int, ...]) -> None:
    try:
        torch.zeros(shape).expand(other)
        fits = True
    except RuntimeError:
        fits = False
    assert expands(shape, other) == fits


def test_promote_is_torchs() -> None:
    for first, second in itertools.product(DTYPES, repeat=2):
        try:
            expected = torch.promote_types(getattr(torch, first), getattr(torch, second))
        except RuntimeError:
            assert promote(first, second) == ""
        else:
            assert promote(first, second) == str(expected).removeprefix("torch.")


def test_differing() -> None:
    assert differing((2, 3, 4), (2, 5, 4)) == (3,)
    assert differing((2, 3), (2, 3)) == ()
    assert differing((2, 3), (2, 3, 1)) is None


@pytest.mark.parametrize(
    "first, second, answer",
    [
        ({"elements": (3, 5)}, {"elements": (4, 4)}, True),
        ({"elements": (3, 4)}, {"elements": (4, 4)}, False),
        ({"elements": (3, 4)}, {"elements": (4,)}, None),
        ({"minimum": 5, "maximum": 6}, {"minimum": 1, "maximum": 4}, True),
        ({"minimum": 1, "maximum": 4}, {"minimum": 4, "maximum": 9}, False),
        ({"minimum": 1, "maximum": 5}, {"minimum": 4, "maximum": 9}, None),
        ({}, {"minimum": 4, "maximum": 9}, None),
    ],
)
def test_exceeds(first: dict[str, Any], second: dict[str, Any], answer: bool | None) -> None:
    assert exceeds(Facts((2,), **first), Facts((2,), **second)) is answer


PADDED = {
    "rows": Facts((2, 3), elements=(1, 2, 9, 3, 9, 9)), "row": Facts((3,), elements=(1, 2, 9)), "bare": Facts((2, 3)),
    "ends": Facts((2,), elements=(2, 1), python="list"), "one": Facts((1,), elements=(2,)), "any": Facts((2,)),
}  # fmt: skip


@pytest.mark.parametrize(
    "text, value",
    [
        ("within(rows, ends)", (1, 2, 3)),
        ("max(within(rows, ends))", 3),
        ("min(within(rows, ends))", 1),
        ("9 in within(rows, ends)", False),
        ("within(row, any)", (1, 2, 9)),  # labels of all sequences in one row
        ("within(rows, any)", None),
        ("within(rows, one)", None),
        ("max(within(bare, ends))", None),
    ],
)
def test_within(text: str, value: Any) -> None:
    assert compile_condition(text)(PADDED) == value


STEPS = {
    "rows": Facts((2, 3), elements=(1, 1, 2, 3, 4, 4)), "row": Facts((4,), elements=(1, 1, 3, 4)), "bare": Facts((2, 3)),
    "ends": Facts((2,), elements=(2, 2), python="list"), "wide": Facts((2,), elements=(9, 2), python="list"),
    "two": Facts((2,), elements=(2, 2)), "three": Facts((2,), elements=(3, 2)), "four": Facts((2,), elements=(4, 2)), "any": Facts((2,)),
}  # fmt: skip


@pytest.mark.parametrize(
    "text, value",
    [
        ("unalignable(rows, ends, two)", True),  # 1 and 1 take three steps
        ("unalignable(rows, ends, three)", False),
        ("unalignable(row, ends, two)", True),
        ("unalignable(row, ends, three)", False),
        ("unalignable(rows, wide, three)", True),  # no label of another row is read
        ("unalignable(rows, wide, four)", False),
        ("unalignable(rows, any, two)", None),
        ("unalignable(bare, ends, two)", None),
    ],
)
def test_unalignable(text: str, value: Any) -> None:
    assert compile_condition(text)(STEPS) == value


ENV = {
    "output": Facts((4, 1), "float16"), "target": Facts((4,), "float32"), "weight": None, "var": Facts((), python="int"),
}  # fmt: skip


@pytest.mark.parametrize(
    "text, value",
    [
        ("broadcasts(output, target)", True),
        ("broadcast(output, target) == (4, 4)", True),
        ("broadcast(output, target, weight)", (4, 4)),  # a keyword that was not given has no say
        ("expands(target, weight)", None),
        ("expands(target, output)", False),
        ("promote(output.dtype, target.dtype)", "float32"),
        ("promote(output.dtype, weight.dtype)", None),
        ("output.shape[0]", 4),
        ("output.shape[-1] == 1", True),
        ("output.shape[:-1] == target.shape", True),
        ("output.shape[7]", None),
        ("weight.shape[0] == 4", None),
        ("sum(output.shape)", 5),
        ("first(weight.maximum, 3)", 3),
        ("var.python in ('int', 'float')", True),
        ("output.dtype in complex", False),
        ("7 // 2", 3),
    ],
)
def test_in_conditions(text: str, value: Any) -> None:
    assert compile_condition(text)(ENV) == value


def test_the_names_a_condition_asks_for() -> None:
    text = "broadcasts(output, target) and where.0 > 1 and output.dtype in floating and class == 2"
    assert names_in(text) == {"output", "target", "where.0", "class"}


def test_without_an_axis_is_the_shape_of_a_sum() -> None:
    assert without((2, 3, 4), 1) == tuple(torch.zeros(2, 3, 4).sum(1).shape)
    assert without((2,), 0) == ()
    assert without((), 0) is None
