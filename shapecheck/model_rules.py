"""Findings on the model itself, whatever its loss: each observation that a rule of families/model.yaml names. Runs nothing."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from shapecheck.matching import holds
from shapecheck.messages import fill
from shapecheck.report import CheckResult, Finding, Fix, Row
from shapecheck.rules import Rule, model_rules
from shapecheck.specs import Observation

_DRAWN = (("before", "what {} takes{}"), ("after", "what it gives"))


def with_findings(result: CheckResult, observations: Sequence[Observation]) -> CheckResult:
    """The result with the findings on the model before those on the tensors, which may follow from them."""
    if not observations:
        return result
    seen = [(rule, each) for each in observations for rule in model_rules() if rule.observed == each.kind]
    found = tuple(_finding(rule, each) for rule, each in seen)
    explained = tuple(code for rule, _ in seen for code in rule.explains)
    others = (finding for finding in result.findings if not finding.code.startswith(explained))
    return replace(result, findings=ordered((*found, *others)))


def ordered(findings: Sequence[Finding]) -> tuple[Finding, ...]:
    """Errors first, then warnings and notes."""
    rank = {"error": 0, "warning": 1, "note": 2}
    return tuple(sorted(findings, key=lambda finding: rank[finding.severity]))


def _finding(rule: Rule, seen: Observation) -> Finding:
    """An observation may come with evidence for this case, which decides how severe it is."""
    evidence = seen.facts.get("evidence")
    return Finding(
        rule.code,
        rule.name,
        str(seen.facts.get("severity", rule.severity)),
        fill(rule.message, seen.facts),
        why=fill(rule.why, seen.facts) + (f"; {evidence}" if evidence else ""),
        rows=tuple(_rows(seen.facts)),
        location=seen.location,
        fixes=tuple(_fixes(rule, seen)),
    )


def _rows(facts: Mapping[str, Any]) -> Iterator[Row]:
    """The shapes around the call, where it changes them."""
    if facts.get("before") and facts.get("after"):
        for name, note in _DRAWN:
            sizes = facts[name]
            roles = facts.get(f"roles_{name}") or ("",) * len(sizes)
            yield Row(
                name, tuple(zip(roles, sizes, strict=True)), note.format(facts.get("call", "it"), facts.get("of", ""))
            )


def _fixes(rule: Rule, seen: Observation) -> Iterator[Fix]:
    """The user's own line, mended and run, in the place of the advice; for which there is none is advice."""
    remedies = dict(zip(rule.fixes, (seen.remedy, *seen.others), strict=False))
    for template in (template for template in rule.fixes if holds(template.when, seen.facts)):
        place = seen.facts.get("applies_to", template.applies_to)
        fix = Fix(template.kind, fill(template.title, seen.facts), place, fill(template.code, seen.facts))
        remedy = remedies.get(template)
        yield fix if remedy is None else replace(fix, code=remedy.code, verified=remedy.verified, proof=remedy.proof)
