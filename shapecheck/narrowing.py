"""What of a rule file can still matter for calls alike in all but their sizes and values; so most calls need little of it.

A condition that is decided by ranks, dtypes and keywords alone is decided once for all such calls. It is tried on an
environment that knows these and raises for anything else, so what it gives without raising holds for every such call.
"""

from __future__ import annotations

import ast
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from shapecheck.conditions import Condition, all_of, compiled, names_in, parsed
from shapecheck.plans import Patterns
from shapecheck.rules import Loss, Requirement, Rule, Signature

_ALIKE = ("rank", "dtype", "values", "python", "origin", "axes", "classes", "permuted")
MOST_KEPT = 4096  # kinds of calls remembered for each loss


class _Undecided(Exception):
    """A condition asked for something that calls of a kind do not have in common."""


class _Partial:
    """A tensor of which only what calls of a kind have in common is known."""

    def __init__(self, facts: Any) -> None:
        for name in _ALIKE:
            setattr(self, name, getattr(facts, name))

    def __getattr__(self, name: str) -> Any:
        raise _Undecided(name)


class _PartialEnvironment(dict[str, Any]):
    def get(self, name: str, default: Any = None) -> Any:
        if name not in self:
            raise _Undecided(name)
        return self[name]


@dataclass(frozen=True, eq=False)
class Narrowed:
    """The requirements that may break, and the rules that may hold, in the order of the rule file.

    Beside each stands what is left to ask of a call: when it holds, and for a requirement what it then wants.
    `free_rules` are those of the `fact_rules` that may hold where nothing is broken.
    """

    requirements: tuple[tuple[Requirement, Condition, Condition], ...]
    fact_rules: tuple[tuple[Rule, Condition], ...]
    free_rules: tuple[tuple[Rule, Condition], ...]
    shape_rules: tuple[tuple[Rule, bool], ...]  # and whether its condition asks for nothing that its patterns name
    asks_result: bool


def kind_of(
    loss: Loss, tensors: Mapping[str, Any], arguments: Mapping[str, Any], observed: tuple[str, ...], classes: int | None
) -> tuple[Any, ...]:
    """What calls alike have in common."""
    keywords = () if arguments is loss.defaults else tuple([(name, _value(value)) for name, value in arguments.items()])
    return (tuple([_alike(facts) for facts in tensors.values()]), keywords, observed, classes)


def _alike(facts: Any) -> tuple[Any, ...]:
    return (
        len(facts.shape), facts.dtype, facts.values, facts.python, facts.origin, facts.axes, facts.classes,
        facts.permuted,
    )  # fmt: skip


def _value(value: Any) -> Any:
    # True == 1 == 1.0, but not to a condition that asks for a number.
    return (type(value), _alike(value)) if hasattr(value, "shape") else (type(value), value)


def narrowed(
    loss: Loss,
    kind: tuple[Any, ...],
    tensors: Mapping[str, Any],
    arguments: Mapping[str, Any],
    known: Mapping[str, Any],
) -> Narrowed:
    """What can matter of a loss; `known` is what calls of the kind have in common besides tensors and keywords."""
    key = (kind, known["form"])
    try:
        found: Narrowed | None = loss.narrowed.get(key)
    except TypeError:  # a list or a mapping among the keywords: not remembered
        return _narrow(loss, tensors, arguments, known)
    if found is None:
        if len(loss.narrowed) >= MOST_KEPT:
            loss.narrowed.clear()
        found = loss.narrowed[key] = _narrow(loss, tensors, arguments, known)
    return found


def signatures_of(loss: Loss, tensors: Mapping[str, Any]) -> tuple[Signature, ...]:
    """The forms of a contract that tensors of these ranks may take."""
    ranks = tuple([len(facts.shape) for facts in tensors.values()])
    key = (tuple(tensors), ranks)
    found: tuple[Signature, ...] | None = loss.narrowed.get(key)
    if found is None:
        found = loss.narrowed[key] = tuple(s for s in loss.signatures if _reads(s.patterns, tensors))
    return found


def _reads(patterns: Patterns, tensors: Mapping[str, Any]) -> bool:
    return all(name in tensors for name in patterns) and patterns.fit_ranks(
        tuple(len(tensors[name].shape) for name in patterns)
    )


def _narrow(loss: Loss, tensors: Mapping[str, Any], arguments: Mapping[str, Any], known: Mapping[str, Any]) -> Narrowed:
    env = _PartialEnvironment(known)
    env.update({name: _Partial(facts) for name, facts in tensors.items()})
    env.update({name: _Partial(v) if hasattr(v, "shape") else v for name, v in arguments.items()})
    rules = [rule for rule in loss.rules if _may_be(rule.when, env, True)]
    # What torch stops at comes first: its error is quoted there.
    facts = sorted((rule for rule in rules if not rule.found), key=lambda rule: not rule.broken)
    fact_rules = tuple((rule, _left(rule.when, env)) for rule in facts)
    return Narrowed(
        tuple(
            (requirement, _left(requirement.where, env), _left(requirement.that, env))
            for requirement in loss.requires
            if _may_be(requirement.where, env, True) and _may_be(requirement.that, env, False)
        ),
        fact_rules,
        tuple((rule, left) for rule, left in fact_rules if not rule.broken and rule.contract != "rejects"),
        tuple(
            (rule, bool(rule.when) and names_in(rule.when) <= {*env})
            for rule in rules
            if any(_reads(way, tensors) for way in rule.found)
        ),
        any("result" in names_in(rule.when) for rule, _ in fact_rules if rule.when),
    )


def _left(condition: str, env: Mapping[str, Any]) -> Condition:
    """A condition without what is true of every call of the kind."""
    if not condition:
        return _always
    node = parsed(condition)
    parts = node.values if isinstance(node, ast.BoolOp) and isinstance(node.op, ast.And) else [node]
    open_parts = [part for part in parts if not _known(part, env)]
    if len(open_parts) == 1:
        return compiled(open_parts[0])
    return all_of([compiled(part) for part in open_parts]) if open_parts else _always


def _always(env: Mapping[str, Any]) -> bool:
    return True


def _known(node: ast.expr, env: Mapping[str, Any]) -> bool:
    """Whether a part is certainly true of the kind: it neither raises nor is unknown."""
    try:
        return bool(compiled(node)(env))
    except _Undecided:
        return False


def _may_be(condition: str, env: Mapping[str, Any], wanted: bool) -> bool:
    """Whether a condition may come out as wanted for some call of the kind; an empty one is true."""
    return _may(parsed(condition), env, wanted) if condition else wanted


def _may(node: ast.expr, env: Mapping[str, Any], wanted: bool) -> bool:
    if isinstance(node, ast.BoolOp):
        every = isinstance(node.op, ast.And) is wanted
        return (all if every else any)(_may(part, env, wanted) for part in node.values)
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
        return _may(node.operand, env, not wanted)
    try:
        value = compiled(node)(env)
    except _Undecided:
        return True
    return value is not None and bool(value) is wanted
