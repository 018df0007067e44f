"""Narrowing leaves nothing out: what may matter of a rule file is a superset of what does, for every call."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shapecheck.conditions import compile_condition
from shapecheck.matching import Facts, arguments_of, holds, judge
from shapecheck.rules import Loss, all_losses, load_loss

LOSSES = all_losses()
DTYPES = ("float32", "float64", "float16", "int64", "uint8", "int32", "bool", "complex64", None)
VALUES = ("", "logits", "probabilities", "log-probabilities", "unit-interval", "class-index", "one-hot", "continuous")
NUMBERS = st.sampled_from((None, -100.0, -1.0, 0.0, 0.5, 1.0, 2.0, 5.0))


@st.composite
def tensors(draw: st.DrawFn) -> Facts:
    """A tensor of which anything may be known."""
    shape = tuple(draw(st.lists(st.integers(0, 3), max_size=4)))
    low, high = draw(NUMBERS), draw(NUMBERS)
    elements = draw(st.none() | st.tuples(st.integers(0, 5), st.integers(0, 5)))
    axes = draw(st.none() | st.tuples(*[st.sampled_from(("batch", "class", "time", "unit", "unknown"))] * len(shape)))
    facts = Facts(shape, draw(st.sampled_from(DTYPES)), low, high, draw(st.sampled_from(VALUES)), axes=axes)
    origin, total = draw(st.sampled_from(("spec", "model", "data"))), draw(NUMBERS)
    return replace(facts, origin=origin, total=total, elements=elements, python=draw(st.sampled_from(("", "", "list"))))


@st.composite
def keywords(draw: st.DrawFn, name_of_loss: str) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, argument in load_loss(name_of_loss).arguments.items():
        if draw(st.booleans()):
            continue
        if argument.tensor:
            shape = draw(st.lists(st.integers(0, 3), max_size=3))
            found[name] = {"shape": shape, "dtype": draw(st.sampled_from(DTYPES[:5])), "min": draw(NUMBERS)}
        else:
            found[name] = draw(st.sampled_from((None, True, False, 0, 1, 2, -1, 0.5, "mean", "sum", "none", "avg")))
    return found


@pytest.mark.parametrize("loss", LOSSES, ids=lambda loss: loss.name)
@settings(max_examples=40, deadline=None, derandomize=True, suppress_health_check=[*HealthCheck])
@given(data=st.data())
def test_what_is_left_out_does_not_matter(loss: Loss, data: st.DataObject) -> None:
    given_tensors = {name: data.draw(tensors()) for name in loss.tensors}
    arguments = arguments_of(loss, data.draw(keywords(loss.name)), "float32", given_tensors)
    observed = data.draw(st.sampled_from(((), ("softmax",), ("sigmoid",))))
    verdict = judge(loss, given_tensors, arguments, observed, data.draw(st.sampled_from((None, 3))))
    if verdict.signature is not None:
        broken = [r for r in loss.requires if holds(r.where, verdict.env) and _is_false(r.that, verdict.env)]
        assert list(verdict.broken) == broken
    possible = verdict.possible
    known = {rule.code for rule in possible.fact_rules} | {rule.code for rule, _ in possible.shape_rules}
    for rule in loss.rules:
        if not rule.found and holds(rule.when, verdict.env):
            assert rule.code in known
        for way in rule.found:
            read = way.read([given_tensors[name].shape for name in way])
            if any(holds(rule.when, {**verdict.env, **next(iter(bounds.values())).sizes}) for bounds in read):
                assert rule.code in known


def _is_false(condition: str, env: Any) -> bool:
    return compile_condition(condition)(env) is False
