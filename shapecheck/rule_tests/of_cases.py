"""What has to hold of every case: what is found, and that every fix shown is right and is what was run.

Each function yields the ways in which it is broken, nothing where it holds.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable, Iterator, Mapping
from types import SimpleNamespace
from typing import Any

import torch
import torch.nn.functional as F
from torch import nn

from shapecheck import calls, oracle
from shapecheck.diagnosis import diagnose, start
from shapecheck.matching import Facts
from shapecheck.pipeline import DISAGREEMENT
from shapecheck.report import Fix
from shapecheck.rule_tests.checking import Checked, Proved
from shapecheck.samples import full_size
from shapecheck.verify import expect_advice


def what_is_found(seen: Checked) -> Iterator[str]:
    """A case fails in one of two ways: a finding is missing, or one is noisy."""
    missing, noisy = sorted(set(seen.case.codes) - set(seen.codes)), sorted(set(seen.codes) - set(seen.case.codes))
    if missing:
        yield f"missing {', '.join(missing)}"
    if noisy:
        yield f"noisy {', '.join(noisy)}"
    if len(seen.codes) > len(set(seen.codes)):
        yield f"one cause gives one finding, but there are {', '.join(seen.codes)}"


def rule_and_torch_agree(seen: Checked) -> Iterator[str]:
    """The judge was asked with real tensors: a disagreement would be a finding of its own."""
    for finding in seen.result.findings:
        if finding.code == DISAGREEMENT:
            yield f"{finding.message}: {finding.torch_says}"


def texts_are_filled_in(seen: Checked) -> Iterator[str]:
    for finding in seen.result.findings:
        for text in (finding.message, finding.why, *(fix.title for fix in finding.fixes)):
            if re.search(r"[{}]|\bNone\b", text):
                yield f"a part of the text is not known: {text}"


def the_first_fix(seen: Checked) -> Iterator[str]:
    wanted = getattr(seen.case.call, "fix", None)
    if wanted and seen.finding is not None:
        first = {fix.kind: fix.code for fix in seen.finding.fixes[:1]}
        if first != dict(wanted):
            yield f"the first fix is {first or 'none'}, not {dict(wanted)}"


def a_fix_was_executed_or_there_is_only_advice(seen: Checked) -> Iterator[str]:
    if seen.finding is None:
        return
    fixes = seen.finding.fixes
    runnable = any(fix.call for fix in fixes)
    if runnable and not any(fix.verified == "executed" for fix in fixes):
        yield "no fix was executed"
    if not runnable and not all(fix.code for fix in fixes):
        yield "advice has no code to show"


def every_fix_that_can_be_run_holds(seen: Checked) -> Iterator[str]:
    """A fix that raised, or whose loss is not that of the reference, is not shown at all."""
    for fix, proved in _proved(seen):
        if not proved.proof.executed:
            yield f"{fix.call}: {proved.proof.failure}"


def nothing_is_left_after_the_first_executed_fix(seen: Checked) -> Iterator[str]:
    advised = {f.code for f in seen.result.findings if f.fixes and not f.fixes[0].call}  # these change the model
    for code, pairs in seen.proved.items():
        first = next((proved for fix, proved in pairs if fix.verified == "executed"), None)
        if first is None:
            continue
        after, before = first.after, first.start
        again = diagnose(start(after.loss, after.tensors, after.arguments, before.observed, before.classes))
        errors = {cause.rule.code for cause in again if cause.rule.severity == "error"}
        if errors - advised:
            yield f"after the first fix of {code} there is still {', '.join(sorted(errors - advised))}"


def the_code_shown_is_the_code_that_was_run(seen: Checked) -> Iterator[str]:
    """`setup` and `call`, pasted as they stand, give the loss of the calls that were executed."""
    for fix, proved in _proved(seen):
        if fix.verified == "executed":
            tensors = _tensors(proved)
            with warnings.catch_warnings():
                expect_advice()
                shown, run = _shown(fix, proved, tensors), _run(proved, tensors)
            if shown.shape != run.shape or not torch.allclose(shown, run):
                yield f"{fix.call} gives {shown}, the calls that were run {run}"


def traps_are_rejected(seen: Checked) -> Iterator[str]:
    """Where a fix says that a reshape also fits, the reshape's loss is another one."""
    for fix, proved in _proved(seen):
        if not fix.trap:
            continue
        name, tensors = proved.start.loss.output, _tensors(proved)
        own, other = (float(re.findall(r"loss (-?[\d.]+\d)", text)[0]) for text in (fix.proof, fix.trap))
        sizes = re.findall(r"\d+", re.findall(rf"{name}\.reshape\(([\d, ]+)\)", fix.trap)[0])
        wrong = tensors[name].reshape([int(size) for size in sizes])
        right = calls.fixed(tensors, proved.after, proved.start, None)[name]
        if own == other or wrong.shape != right.shape or torch.equal(wrong, right):
            yield f"the trap is none: {fix.trap}"


def _proved(seen: Checked) -> Iterator[tuple[Fix, Proved]]:
    for pairs in seen.proved.values():
        yield from pairs


def _tensors(proved: Proved) -> dict[str, Any]:
    """The call's tensors before the fix, of its own sizes, and its keyword tensors."""
    before = proved.start
    sample = next((c.rule.sample for c in (proved.cause, *proved.causes) if c.rule.sample), "")
    tensors = full_size(before, proved.causes[0].bounds, proved.after, sample)
    assert tensors is not None, "a case is small"
    facts = {name: value for name, value in before.arguments.items() if isinstance(value, Facts)}
    return {**tensors, **{name: oracle.weights(value) for name, value in facts.items()}}


def _shown(fix: Fix, proved: Proved, tensors: Mapping[str, Any]) -> torch.Tensor:
    loss = proved.after.loss
    layer = calls.attention_for(proved.after, {name: tensors[name] for name in proved.start.tensors})

    def linear(features: int, out: int) -> nn.Linear:
        """The pooling layer that was run, in place of a new one with other weights."""
        assert layer is not None
        assert (features, out) == (layer.in_features, layer.out_features)
        return layer

    given = {name: value for name, value in proved.after.arguments.items() if not isinstance(value, Facts)}
    own = {} if loss.written.startswith("F.") else {loss.written: oracle.prepared(loss, given)[0]}
    namespace: dict[str, Any] = {"torch": torch, "F": F, "nn": SimpleNamespace(Linear=linear), **own, **tensors}
    exec(f"{fix.setup}\n{fix.call}", namespace)  # noqa: S102 (what a reader pastes is what has to be run)
    shown: torch.Tensor = namespace["loss"]
    return shown.detach()


def _run(proved: Proved, tensors: Mapping[str, Any]) -> torch.Tensor:
    after, before = proved.after, proved.start
    own = {name: tensors[name] for name in before.tensors}
    values = calls.fixed(own, after, before, calls.attention_for(after, own))
    given = {name: values[name] for name in after.loss.tensors}
    return oracle.call_loss(after.loss, given, calls.keywords(after, values)).detach()


Invariant = Callable[[Checked], Iterator[str]]
OF_ALL: tuple[Invariant, ...] = (what_is_found, rule_and_torch_agree)
OF_FAILING: tuple[Invariant, ...] = (
    texts_are_filled_in,
    the_first_fix,
    a_fix_was_executed_or_there_is_only_advice,
    every_fix_that_can_be_run_holds,
    nothing_is_left_after_the_first_executed_fix,
    the_code_shown_is_the_code_that_was_run,
    traps_are_rejected,
)
