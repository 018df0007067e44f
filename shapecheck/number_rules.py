"""Findings on values that are no finite numbers, whatever the loss. Runs nothing."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any

from shapecheck.matching import holds, reduction_of
from shapecheck.messages import fill
from shapecheck.report import Finding, Fix, Row
from shapecheck.rules import Loss, Rule, number_rules
from shapecheck.specs import Subject, TensorSpec


def findings(subject: Subject, loss: Loss) -> tuple[Finding, ...]:
    """One finding for each tensor with NaN or infinite values that a rule of families/numbers.yaml minds."""
    odd = [name for name, spec in subject.tensors.items() if _is_odd(spec)]
    if not odd:
        return ()
    given = [(name, _facts(name, subject, loss)) for name in odd]
    return tuple(
        _finding(rule, subject.tensors[name], facts)
        for name, facts in given
        for rule in number_rules()
        if holds(rule.when, facts)
    )


def _is_odd(spec: TensorSpec) -> bool:
    return any(value is not None and not math.isfinite(value) for value in (spec.minimum, spec.maximum))


def _facts(name: str, subject: Subject, loss: Loss) -> dict[str, Any]:
    spec = subject.tensors[name]
    nan = any(value is not None and math.isnan(value) for value in (spec.minimum, spec.maximum))
    return {
        "tensor": name,
        "of": "output" if name == loss.output else "target" if name == loss.target else "other",
        "nan": nan,
        "plus": spec.maximum == math.inf,
        "minus": spec.minimum == -math.inf,
        "place": spec.odd,
        "loss": loss.name,
        "reduces": reduction_of({**loss.defaults, **subject.loss_args}),
    }


def _finding(rule: Rule, spec: TensorSpec, facts: Mapping[str, Any]) -> Finding:
    likely = bool(rule.note_when) and holds(rule.note_when, facts)
    row = Row(facts["tensor"], tuple(("", size) for size in spec.shape), spec.dtype or "")
    return Finding(
        rule.code,
        rule.name,
        "note" if likely else rule.severity,
        fill(rule.message, facts),
        why=fill(rule.why, facts) + (f"; {rule.unless}" if likely else ""),
        rows=(row,),
        fixes=tuple(_fixes(rule, facts)),
    )


def _fixes(rule: Rule, facts: Mapping[str, Any]) -> Iterator[Fix]:
    for template in rule.fixes:
        if holds(template.when, facts):
            yield Fix(template.kind, fill(template.title, facts), template.applies_to, fill(template.code, facts))
