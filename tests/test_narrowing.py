"""Narrowing leaves nothing out: what may matter of a rule file is a superset of what does, for every call."""

from __future__ import annotations

import random
from typing import Any

import pytest

from shapecheck.conditions import compile_condition, names_in
from shapecheck.matching import Facts, Verdict, arguments_of, holds, judge
from shapecheck.rules import Loss, all_losses

LOSSES = all_losses()
DTYPES = ("float32", "float64", "float16", "int64", "uint8", "int32", "bool", "complex64", None)
VALUES = ("", "logits", "probabilities", "log-probabilities", "unit-interval", "class-index", "one-hot", "continuous")
NUMBERS = (None, -100.0, -1.0, 0.0, 0.5, 1.0, 2.0, 5.0)
ROLES = ("batch", "class", "time", "unit", "unknown")
ANYTHING = (None, True, False, 0, 1, 2, -1, 0.5, "mean", "sum", "none", "avg")
CALLS = 400


def tensor(generator: random.Random) -> Facts:
    """A tensor of which anything may be known."""
    draw = generator.choice
    shape = tuple(generator.randrange(4) for _ in range(generator.randrange(5)))
    return Facts(
        shape, draw(DTYPES), draw(NUMBERS), draw(NUMBERS), draw(VALUES), draw((None, 3)),
        draw((None, tuple(draw(ROLES) for _ in shape))), draw(("spec", "model", "data")), draw(NUMBERS),
        draw((None, (1, 2), (5, 0))), draw(("", "", "list")),
    )  # fmt: skip


def keywords(loss: Loss, generator: random.Random) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, argument in loss.arguments.items():
        if generator.random() < 0.3:
            shape = [generator.randrange(4) for _ in range(generator.randrange(3))]
            weight = {"shape": shape, "dtype": generator.choice(DTYPES[:5]), "min": generator.choice(NUMBERS)}
            plain = (None, True, False) if argument.type == "bool" else ANYTHING
            found[name] = weight if argument.tensor else generator.choice(plain)
    return found


@pytest.mark.parametrize("loss", all_losses(), ids=lambda loss: loss.name)
def test_what_is_left_out_does_not_matter(loss: Loss) -> None:
    generator = random.Random(0)
    for _ in range(CALLS):
        given_tensors = {name: tensor(generator) for name in loss.tensors}
        arguments = arguments_of(loss, keywords(loss, generator), "float32", given_tensors)
        observed = generator.choice(((), ("softmax",), ("sigmoid",)))
        _check(loss, given_tensors, judge(loss, given_tensors, arguments, observed, generator.choice((None, 3))))


def _check(loss: Loss, given_tensors: dict[str, Facts], verdict: Verdict) -> None:
    if verdict.signature is not None:
        broken = [r for r in loss.requires if holds(r.where, verdict.env) and _is_false(r.that, verdict.env)]
        assert list(verdict.broken) == broken
    possible = verdict.possible
    known = {rule.code for rule, _ in possible.fact_rules} | {rule.code for rule, _ in possible.shape_rules}
    for rule in loss.rules:
        if not rule.found and "result" not in names_in(rule.when or "True"):
            left = next((left for known_rule, left in possible.fact_rules if known_rule is rule), None)
            assert holds(rule.when, verdict.env) == (left is not None and left(verdict.env) is True)
        for way in rule.found:
            read = way.read([given_tensors[name].shape for name in way])
            if any(holds(rule.when, {**verdict.env, **next(iter(bounds.values())).sizes}) for bounds in read):
                assert rule.code in known


def _is_false(condition: str, env: Any) -> bool:
    return compile_condition(condition)(env) is False
