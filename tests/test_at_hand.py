"""What is made of tensors at hand, and of what is passed in a tensor's place."""

from __future__ import annotations

import collections
import dataclasses
import re
from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

import shapecheck
from shapecheck import UserError, at_hand
from shapecheck.report import Finding
from shapecheck.rules import Rule, holder_rules, load_loss, number_rules

torch.set_num_threads(1)


class ModelOutput(collections.OrderedDict[str, Any]):
    """A mapping that also has its items as attributes."""

    def __getattr__(self, name: str) -> Any:
        try:
            return self[name]
        except KeyError:
            raise AttributeError(name) from None


@dataclasses.dataclass
class Detections:
    boxes: Tensor
    logits: Tensor


Inception = collections.namedtuple("Inception", "logits aux_logits")

X, Y = torch.randn(8, 5, generator=torch.Generator().manual_seed(3)), torch.arange(8) % 5
STEPS = torch.randn(8, 20, 5)
LABELS = torch.arange(160).reshape(8, 20) % 5

OUTPUTS: dict[str, tuple[Any, Any, str]] = {
    "a tuple with scores and state": ((X, (torch.zeros(1, 8, 20), torch.zeros(1, 8, 20))), Y, "output[0]"),
    "a tuple whose second is taken": ((torch.zeros(8, 3), X), Y, "output[1]"),
    "a dict": ({"features": torch.zeros(8, 7, 3), "out": X}, Y, "output['out']"),
    "a dict with two that fit": ({"features": torch.zeros(8, 20), "logits": X}, Y, "output['logits']"),
    "a mapping with attributes": (ModelOutput(loss=torch.tensor(1.0), logits=X), Y, "output.logits"),
    "a named tuple": (Inception(X, X), Y, "output.logits"),
    "a dataclass": (Detections(torch.zeros(8, 4, 2), X), Y, "output.logits"),
    "an object": (SimpleNamespace(hidden=torch.zeros(8, 9, 2, 2), scores=X), Y, "output.scores"),
    "a list of branches": ([X, X, X], Y, "output[0]"),
    "a list of one": ([X], Y, "output[0]"),
    "inside of a container": ({"heads": (X, torch.zeros(8, 7, 9))}, Y, "output['heads'][0]"),
    "scores with another cause": ((STEPS, None), LABELS, "output[0].movedim(-1, 1)"),
    "a list of the steps": (list(STEPS.unbind(1)), LABELS, "torch.stack(output).movedim(0, -1)"),
}
TARGETS: dict[str, tuple[str, Any, Any, str, str]] = {
    "a tuple of ints": ("cross_entropy", X, tuple(Y.tolist()), "cast-target-long", "torch.as_tensor(target)"),
    "an array": ("cross_entropy", X, Y.numpy(), "cast-target-long", "torch.as_tensor(target)"),
    "an array of int32": ("cross_entropy", X, Y.int().numpy(), "cast-target-long", "torch.as_tensor(target).long()"),
    "a list of tensors": ("cross_entropy", X, list(Y), "cast-target-long", "torch.stack(target)"),
    "a dict": ("cross_entropy", X, {"id": torch.arange(9), "labels": Y}, "slice-target", "target['labels']"),
    "a list of one tensor": ("cross_entropy", X, [Y], "slice-target", "target[0]"),
    "float targets as an array": ("mse_loss", X, X.numpy(), "cast-target-float", "torch.as_tensor(target)"),
    "a list of 0 and 1": (
        "binary_cross_entropy_with_logits", X[:, 0], [0, 1] * 4, "cast-target-float",
        "torch.as_tensor(target).to(output.dtype)",
    ),
    "a number": ("binary_cross_entropy_with_logits", X, 1.0, "cast-target-float", "torch.as_tensor(target).expand_as(output)"),
    "words": ("cross_entropy", X, ["cat"] * 8, "remap-target", ""),
}  # fmt: skip


def _finding(output: Any, target: Any, loss: str = "cross_entropy") -> Finding:
    report = shapecheck.check_tensors(output, target, loss)
    assert report.checks[0].contract == "rejects"
    assert report.exit_code == 1
    return report.findings[0]


def _value(code: str, output: Any, target: Any) -> Tensor:
    return eval(code.removeprefix("loss = "), {"F": F, "torch": torch, "output": output, "target": target})


@pytest.mark.parametrize("case", OUTPUTS)
def test_the_scores_are_taken_out_of_what_the_model_returns(case: str) -> None:
    output, target, code = OUTPUTS[case]
    finding = _finding(output, target)
    first = finding.fixes[0]
    assert (finding.code, first.kind, first.code, first.verified) == ("SC170", "select-output", code, "executed")
    assert torch.isfinite(_value(first.call, output, target))


@pytest.mark.parametrize("case", TARGETS)
def test_labels_become_a_tensor(case: str) -> None:
    loss, output, target, kind, code = TARGETS[case]
    finding = _finding(output, target, loss)
    first = finding.fixes[0]
    assert (finding.code, first.kind) == ("SC173", kind)
    if code:
        assert (first.code, first.verified) == (code, "executed")
        assert torch.isfinite(_value(first.call, output, target))


@pytest.mark.parametrize("output", [[X, X + 1], (X, X + 1), Inception(X, X + 1), {"a": X, "b": X + 1}])
def test_the_losses_of_scores_alike_are_added_up(output: Any) -> None:
    each = _finding(output, Y).fixes[1]
    members = output.values() if isinstance(output, Mapping) else output
    assert each.verified == "executed"
    assert torch.isclose(_value(each.call, output, Y), sum(F.cross_entropy(one, Y) for one in members))


@pytest.mark.parametrize("output", [[X, X, torch.zeros(8, 20, 3)], SimpleNamespace(a=X, b=X)])
def test_others_are_not(output: Any) -> None:
    assert not any("sum(" in fix.code for fix in _finding(output, Y).fixes)


@pytest.mark.parametrize(("output", "target"), [(X.numpy(), X), (0.5, torch.tensor(0.0)), (X.tolist(), X)])
def test_numbers_in_the_place_of_scores_learn_nothing(output: Any, target: Tensor) -> None:
    finding = _finding(output, target, "mse_loss")
    assert finding.code == "SC171"
    assert [fix.kind for fix in finding.fixes] == ["change-model", "cast-output-float"]


@pytest.mark.parametrize(
    "value", [None, "cat", object(), [], [None], {}, set(), lambda: X, torch.nn.Linear(2, 2), [[1, 2], [3]]]
)
@pytest.mark.parametrize("name", ["output", "target"])
@pytest.mark.parametrize("loss", ["cross_entropy", "mse_loss", "kl_div", "multilabel_margin_loss"])
def test_whatever_is_passed_is_answered(value: Any, name: str, loss: str) -> None:
    rule = load_loss(loss)
    given = {"output": X, "target": X, name: value}
    subject = at_hand.subject(rule, given, {})
    from shapecheck.pipeline import check
    from shapecheck.torch_judge import TorchJudge

    result = check(subject, rule, TorchJudge())
    assert result.contract == "rejects"
    assert result.findings[0].code.startswith("SC17")
    assert not re.search(r"[{}?]", result.findings[0].message + result.findings[0].why)


@pytest.mark.parametrize("rule", holder_rules(), ids=lambda rule: rule.code)
def test_the_page_of_a_rule(rule: Rule) -> None:
    """Its example raises and has the finding, the other way runs and has none."""
    assert [found.code for found in _of_page(rule.explain["example"])][:1] == [rule.code]
    with pytest.raises((TypeError, AttributeError)):
        exec(rule.explain["example"], {"torch": torch, "F": F})
    assert not _of_page(rule.explain["instead"])
    exec(rule.explain["instead"], {"torch": torch, "F": F})


def _of_page(code: str) -> tuple[Finding, ...]:
    def called(output: Any, target: Any) -> Any:
        found.extend(at(output, target))

    def at(output: Any, target: Any) -> tuple[Finding, ...]:
        from shapecheck.pipeline import check

        rule = load_loss("cross_entropy")
        return check(at_hand.subject(rule, {"output": output, "target": target}, {}), rule).findings

    found: list[Finding] = []
    exec(code, {"torch": torch, "F": SimpleNamespace(cross_entropy=called)})
    return tuple(found)


@pytest.mark.parametrize("weight", [[1.0, 2.0, 1.0, 1.0, 1.0], [1, 2, 1, 1, 1], 2.0, X[0].numpy()])
def test_weights_that_are_no_tensor_are_no_shape_either(weight: Any) -> None:
    with pytest.raises(UserError, match="but cross_entropy takes a tensor"):
        shapecheck.check_tensors(X, Y, weight=weight)


# ----------------------------------------------------------------------------------------- no finite numbers

NAN, INF = float("nan"), float("inf")


@pytest.mark.parametrize(
    ("loss", "output", "target", "arguments", "found"),
    [
        ("cross_entropy", NAN, 0, {}, [("SC357", "error")]),
        ("cross_entropy", INF, 0, {}, [("SC358", "error")]),
        ("cross_entropy", -INF, 0, {}, []),
        ("mse_loss", 0, NAN, {}, [("SC357", "error")]),
        ("mse_loss", 0, NAN, {"reduction": "none"}, [("SC357", "note")]),
        ("mse_loss", 0, INF, {}, [("SC358", "error")]),
        ("mse_loss", -INF, 0, {}, [("SC358", "error")]),
        ("mse_loss", 0, 0, {}, []),
    ],
)
def test_values_that_are_no_numbers(
    loss: str, output: float, target: float, arguments: dict[str, Any], found: list[tuple[str, str]]
) -> None:
    scores, labels = X.clone(), Y.clone() if loss == "cross_entropy" else X.clone()
    scores[2, 3] = output
    if loss == "mse_loss":
        labels[2, 3] = target
    findings = shapecheck.check_tensors(scores, labels, loss, **arguments).findings
    assert [(finding.code, finding.severity) for finding in findings] == found
    assert all(finding.message.endswith("the first at (2, 3)") for finding in findings)


@pytest.mark.parametrize("rule", number_rules(), ids=lambda rule: rule.code)
def test_the_page_of_a_rule_on_numbers(rule: Rule) -> None:
    assert [found.code for found in _of_mse(rule.explain["example"])] == [rule.code]
    assert not _of_mse(rule.explain["instead"])


def _of_mse(code: str) -> tuple[Finding, ...]:
    found: list[Finding] = []

    def called(output: Any, target: Any) -> None:
        found.extend(shapecheck.check_tensors(output, target, "mse_loss").findings)

    exec(code, {"torch": torch, "F": SimpleNamespace(mse_loss=called)})
    return tuple(found)
