"""The rules on the model itself: the example of each page has its finding, the other way has none, texts are filled."""

from __future__ import annotations

from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import nn

import shapecheck
from shapecheck.errors import Location
from shapecheck.model_rules import with_findings
from shapecheck.report import CheckResult, Finding, Report
from shapecheck.rules import ANY_LOSS, Rule, all_losses, all_rules, holder_rules, model_rules, number_rules
from shapecheck.specs import Observation, Remedy

# What only a running script shows is tested in test_recording.py.
OF_SCRIPTS = ("frozen", "loss-cut", "paired-wrongly", "not-differentiable")
OF_MODELS = [rule for rule in model_rules() if rule.observed not in OF_SCRIPTS]


def _report(code: str) -> Report:
    """The check of `Net` on `x` as a page's code defines them, with the loss that it calls."""
    names: dict[str, Any] = {"torch": torch, "nn": nn, "F": F}
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        lines = code.splitlines()
        exec("\n".join(line for line in lines if not line.startswith("loss =")), names)
        loss = next(line for line in lines if line.startswith("loss =")).partition("F.")[2].partition("(")[0]
        return shapecheck.check(names["Net"](), loss, input=names["x"])


def _serious(report: Report) -> list[str]:
    return [finding.code for finding in report.findings if finding.severity != "note"]


@pytest.mark.parametrize("rule", OF_MODELS, ids=lambda rule: rule.code)
def test_the_example_of_the_page_has_its_finding(rule: Rule) -> None:
    assert _serious(_report(rule.explain["example"])) == [rule.code]


@pytest.mark.parametrize("rule", OF_MODELS, ids=lambda rule: rule.code)
def test_the_other_way_has_none(rule: Rule) -> None:
    assert _serious(_report(rule.explain["instead"])) == []


def test_rules_on_the_model_belong_to_every_loss() -> None:
    rules = all_rules()
    assert {rule.code for rule in (*holder_rules(), *number_rules(), *model_rules())} == {
        c for c, (_, losses) in rules.items() if losses == (ANY_LOSS,)
    }


def test_no_code_of_any_loss_is_one_of_a_loss() -> None:
    codes = [rule.code for rule in (*holder_rules(), *number_rules(), *model_rules())]
    assert len(codes) == len(set(codes))
    assert not set(codes) & {rule.code for loss in all_losses() for rule in loss.rules}


def test_texts_are_filled_from_the_facts_and_the_remedy_is_the_fix() -> None:
    facts = {
        "call": "view", "before": (5, 7, 6), "roles_before": ("batch", "time", "feature"), "after": (7, 5, 6),
    }  # fmt: skip
    remedy = Remedy("x = x.transpose(0, 1)", "executed", "with it, samples stay apart")
    seen = Observation("samples-mixed", Location("net.py", 4), facts=facts, remedy=remedy)
    (finding,) = with_findings(CheckResult("net", "mse_loss"), [seen]).findings
    assert finding.message == "view puts values of one sample into the rows of others"
    assert "from (5, 7, 6) to (7, 5, 6)" in finding.why
    assert [row.axes[0] for row in finding.rows] == [("batch", 5), ("", 7)]
    assert [row.note for row in finding.rows] == ["what view takes", "what it gives"]
    assert (finding.fixes[0].code, finding.fixes[0].verified) == (remedy.code, "executed")
    assert "?" not in finding.message + finding.why


def test_an_argmax_explains_all_that_is_wrong_with_the_tensors() -> None:
    wrong = CheckResult("net", "mse_loss", findings=(Finding("SC203", "scores-not-float", "error", "int64"),))
    found = with_findings(wrong, [Observation("argmax", None)]).findings
    assert [finding.code for finding in found] == ["SC461"]


def test_other_findings_stand_beside_those_on_the_tensors_errors_first() -> None:
    wrong = CheckResult("net", "mse_loss", findings=(Finding("SC410", "pairs", "error", "pairs"),))
    found = with_findings(wrong, [Observation("batch-of-one-fails", None, facts={"error": "x"})]).findings
    assert [finding.code for finding in found] == ["SC410", "SC456"]
