"""Fixes of a loss call put at the line of the script that is to blame, where the rule only knows the loss's tensor. Imports torch."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import torch

from shapecheck.probe.behaviour.rewriting import with_logarithm
from shapecheck.report import CheckResult, Finding, Fix
from shapecheck.script.following import repeated
from shapecheck.script.sources import Step
from shapecheck.script.ways import Way, dim_of

_PROOF = (
    "the steps of the script were taken again with it: the loss is given the logarithms of what it was given before"
)


def at_the_softmax(result: CheckResult, way: Way, values: torch.Tensor) -> CheckResult:
    """log_softmax on the line of the softmax, where the loss wants logarithms; `values` are those of the trail's base."""
    step = next((each for each in reversed(way.trail.steps) if each.name == "softmax"), None)
    line = with_logarithm(step.location) if step is not None else None
    if step is None or line is None or not _gives_logarithms(way, step, values):
        return result
    findings = (
        replace(finding, fixes=tuple(_fixes(finding, line))) if finding.location == step.location else finding
        for finding in result.findings
    )
    return replace(result, findings=tuple(findings))


def _fixes(finding: Finding, line: str) -> Iterator[Fix]:
    for fix in finding.fixes:
        if fix.kind == "apply-log-softmax" and fix.code.endswith(".log()"):
            yield Fix(fix.kind, "log_softmax in place of softmax", "script", line, verified="executed", proof=_PROOF)
        else:
            yield fix


def _gives_logarithms(way: Way, step: Step, values: torch.Tensor) -> bool:
    made, base, dim = way.trail.made, way.trail.base, dim_of(step)

    def instead(tensor: torch.Tensor, *args: Any, **kwargs: Any) -> torch.Tensor:
        return torch.log_softmax(tensor, dim if dim is not None else -1)

    usual, other = repeated(made, base, values), repeated(made, base, values, {step: instead})
    return usual is not None and other is not None and torch.allclose(usual.log(), other, atol=1e-5)
