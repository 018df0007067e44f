"""Sizes that are names: a verdict on names must hold for every number put in."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shapecheck.matching import arguments_of, facts, judge
from shapecheck.pipeline import check
from shapecheck.rules import load_loss
from shapecheck.specs import Size, Subject, TensorSpec
from shapecheck.symbols import Symbols, coincidences, settle, symbols_of

LOSSES = ("cross_entropy", "nll_loss")
SIZES: tuple[Size, ...] = ("N", "T", "C", 1, 2, 10)
shapes = st.lists(st.sampled_from(SIZES), max_size=4).map(tuple)


@dataclass(frozen=True)
class Call:
    """A call with names for sizes."""

    loss: str
    output: TensorSpec
    target: TensorSpec

    @property
    def sizes(self) -> list[Size]:
        return [*self.output.shape, *self.target.shape]

    def accepted(self, way: Symbols) -> bool:
        loss = load_loss(self.loss)
        tensors = {"output": facts(way.concrete(self.output)), "target": facts(way.concrete(self.target))}
        return judge(loss, tensors, arguments_of(loss, {}, self.output.dtype)).accepts


@st.composite
def calls(draw: st.DrawFn) -> Call:
    """An output and a target that is any, or made from the output's own sizes."""
    output = draw(shapes)
    own = st.lists(st.sampled_from(output), max_size=len(output)).map(tuple) if output else shapes
    fitting = st.just(output[:1] + output[2:]) | st.just(output)
    target = draw(fitting | own | shapes)
    dtype = draw(st.sampled_from(("int64", "float32", "int32")))
    loss = draw(st.sampled_from(LOSSES))
    return Call(loss, TensorSpec(output, "float32"), TensorSpec(target, dtype))


def _settled(call: Call) -> tuple[str, str]:
    numbers = [size for size in call.sizes if isinstance(size, int)]
    return settle(symbols_of(call.sizes), numbers, call.accepted)


numbers_for_names = st.fixed_dictionaries({name: st.integers(1, 12) for name in ("N", "T", "C")})


@settings(max_examples=600, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
@given(calls(), st.lists(numbers_for_names, min_size=6, max_size=6))
def test_a_settled_verdict_holds_for_every_number(call: Call, ways: list[Mapping[str, int]]) -> None:
    verdict, _ = _settled(call)
    if verdict == "unknown":
        return
    assert {call.accepted(Symbols(way)) for way in ways} == {verdict == "accepts"}


@settings(max_examples=300, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
@given(calls())
def test_an_unsettled_verdict_names_numbers_that_turn_it(call: Call) -> None:
    verdict, condition = _settled(call)
    if verdict != "unknown":
        return
    symbols = symbols_of(call.sizes)
    numbers = [size for size in call.sizes if isinstance(size, int)]
    ways = dict(coincidences(symbols, numbers))
    turned = next(text for text in ways if text and condition.endswith(f" {text}"))
    assert call.accepted(ways[turned]) != call.accepted(symbols)
    assert condition.partition(f" {turned}")[0].endswith("unless" if call.accepted(symbols) else "only if")


@pytest.mark.parametrize(
    "output, target, verdict",
    [
        (("N", "C"), ("N",), ("accepts", "")),
        (("N", "C", "T"), ("N", "T"), ("accepts", "")),
        (("N", "T", "C"), ("N",), ("rejects", "")),
        (("N", "C"), (), ("rejects", "")),
        (("N", "C"), ("M",), ("unknown", "only if N == M")),
        (("N", "T", "C"), ("N", "T"), ("unknown", "only if T == C")),
        (("N", "T", 10), ("N", "T"), ("unknown", "only if T == 10")),
        (("N", "C", "H", "W"), ("N", "W", "H"), ("unknown", "only if H == W")),
        (("N", "C"), (8,), ("unknown", "only if N == 8")),
    ],
)
def test_verdicts(output: tuple[Size, ...], target: tuple[Size, ...], verdict: tuple[str, str]) -> None:
    found, condition = _settled(Call("cross_entropy", TensorSpec(output, "float32"), TensorSpec(target, "int64")))
    assert found == verdict[0]
    assert condition.endswith(verdict[1])


@settings(deadline=None, derandomize=True)
@given(st.lists(st.sampled_from(("N", "C", "T", "H", "W")) | st.integers(0, 300), max_size=12))
def test_numbers_for_names_are_distinct_and_come_back(sizes: list[Size]) -> None:
    symbols = symbols_of(sizes)
    numbers = list(symbols.sizes.values())
    assert len({*numbers}) == len(numbers)
    assert not {*numbers} & {size for size in sizes if isinstance(size, int)}
    concrete = symbols.concrete(TensorSpec(tuple(sizes)))
    assert symbols.names(concrete.shape) == tuple(sizes)


def test_a_product_of_two_names_is_named() -> None:
    symbols = symbols_of(["N", "T", 10])
    assert symbols.name(symbols.sizes["N"] * symbols.sizes["T"]) == "N*T"
    assert symbols.name(10) == 10


# What a check of a spec says of names has to hold for every number too, whatever else the spec says.


def _contract(output: TensorSpec, target: TensorSpec, arguments: Mapping[str, Any]) -> str:
    loss = load_loss("cross_entropy")
    return check(Subject("cross_entropy", {"output": output, "target": target}, loss_args=arguments), loss).contract


@pytest.mark.parametrize(
    "facts_of_target, arguments",
    [
        ({}, {}),
        ({"minimum": 0, "maximum": 9}, {}),
        ({}, {"weight": [10]}),
        ({"minimum": -1, "maximum": 6}, {"ignore_index": -1}),
        ({"minimum": 0, "maximum": 9}, {"weight": [3]}),
    ],
)
def test_the_contract_of_a_check_holds_for_every_number_of_classes(
    facts_of_target: Mapping[str, Any], arguments: Mapping[str, Any]
) -> None:
    target = replace(TensorSpec(("N",), "int64"), **facts_of_target)
    settled = _contract(TensorSpec(("N", "C"), "float32"), target, arguments)
    numbered = {
        _contract(TensorSpec((4, classes), "float32"), replace(target, shape=(4,)), arguments)
        for classes in range(1, 40)
    }
    assert settled == (numbered.pop() if len(numbered) == 1 else "unknown")
