"""The check of one case, with torch, and what was proved of each fix that it shows."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache

import torch

from shapecheck.diagnosis import Diagnosis, Option, State
from shapecheck.pipeline import check
from shapecheck.report import CheckResult, Finding, Fix
from shapecheck.rule_cases import Case, class_axis
from shapecheck.samples import SEED
from shapecheck.specs import TensorSpec
from shapecheck.torch_judge import TorchJudge
from shapecheck.verify import Proof


@dataclass(frozen=True)
class Proved:
    """A fix that was put to the proof: what it is of, and what came of it."""

    causes: Sequence[Diagnosis]
    cause: Diagnosis
    option: Option
    proof: Proof

    @property
    def code(self) -> str:
        return self.cause.rule.code

    @property
    def start(self) -> State:
        """The call before any fix."""
        return self.causes[0].before

    @property
    def after(self) -> State:
        """The call with this fix, and those of the other causes."""
        assert self.option.after is not None
        return self.option.after


@dataclass(frozen=True)
class Recording(TorchJudge):
    """A judge that remembers what it was asked to prove."""

    proved: list[Proved] = field(default_factory=list)

    def prove(self, causes: Sequence[Diagnosis], cause: Diagnosis, option: Option) -> Proof:
        proof = super().prove(causes, cause, option)
        self.proved.append(Proved(causes, cause, option, proof))
        return proof


@dataclass(frozen=True, eq=False)
class Checked:
    """A case after its check, with what was proved of each finding's fixes."""

    case: Case
    result: CheckResult
    proved: Mapping[str, Sequence[tuple[Fix, Proved]]]

    @property
    def codes(self) -> list[str]:
        return [finding.code for finding in self.result.findings]

    @property
    def finding(self) -> Finding | None:
        """The finding that the case stands under; None where it is missing."""
        return next((finding for finding in self.result.findings if finding.code == self.case.code), None)


@cache
def checked(case: Case) -> Checked:
    """The check of a case, with torch, without a warning. Raises UserError for a call that cannot be checked."""
    judge = _judge(case)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        result = check(case.subject, case.loss, judge)
    proved = {}
    for finding in result.findings:
        run = [fix for fix in finding.fixes if fix.call]
        seen = [proof for proof in judge.proved if proof.code == finding.code]
        assert len(run) == len(seen), "each fix with code for the call is put to the proof"
        proved[finding.code] = list(zip(run, seen))
    return Checked(case, result, proved)


def _judge(case: Case) -> Recording:
    """With a model's output, where the case says what was observed in it, that can be had without that call."""
    kind, output = case.call.observed, next(iter(case.tensors.values()))
    if not kind:
        return Recording()
    logits = _logits(output)
    seen = logits.sigmoid() if kind == "sigmoid" else getattr(logits, kind)(class_axis(output))
    return Recording(seen, lambda observation: logits)


def _logits(output: TensorSpec) -> torch.Tensor:
    return torch.randn([int(size) for size in output.shape], generator=torch.Generator().manual_seed(SEED))
