"""A fix in the user's own line: the names stand where the tensors do, and the line runs and gives what the fix's own call gives."""

from __future__ import annotations

import ast
import io
import sys
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from torch import nn

import shapecheck
from shapecheck.errors import Location
from shapecheck.rules import load_loss
from shapecheck.specs import WrittenCall
from shapecheck.written import is_plain, mended, named, named_in, operand, repeats, stated, written

CE = load_loss("cross_entropy")


@pytest.mark.parametrize(
    ("text", "tensors"),
    [
        ("criterion(scores, tags)", {"output": "scores", "target": "tags"}),
        ("F.cross_entropy(scores, target=batch['y'])", {"output": "scores", "target": "batch['y']"}),
        ("F.cross_entropy(target=y, input=out)", {"output": "out", "target": "y"}),
        ("self.loss(self.net(x), y, 3)", {"output": "self.net(x)", "target": "y"}),
        ("F.cross_entropy(*pair)", None),
        ("F.cross_entropy(scores)", None),
        ("model(x).loss", None),
        ("", None),
        ("a b", None),
    ],
)
def test_tensors_are_known_by_place_and_name(text: str, tensors: dict[str, str] | None) -> None:
    found = written(text, CE)
    assert (None if found is None else dict(found.tensors)) == tensors


def test_a_call_that_is_no_loss_gives_names_only() -> None:
    assert named_in('shapecheck.check_tensors(logits, y, "mse_loss")', load_loss("mse_loss")) == WrittenCall(
        "", {"output": "logits", "target": "y"}
    )


@pytest.mark.parametrize(
    ("text", "changed", "keywords", "line"),
    [
        ("criterion(s, y)", {"output": "s.mT"}, {}, "loss = criterion(s.mT, y)"),
        ("F.cross_entropy(s, y, label_smoothing=e)", {"target": "y.long()"}, {}, "loss = F.cross_entropy(s, y.long(), label_smoothing=e)"),
        ("F.cross_entropy(input=s, target=y)", {"output": "s.mT"}, {}, "loss = F.cross_entropy(input=s.mT, target=y)"),
        ("F.cross_entropy(s, y)", {}, {"ignore_index": "-1"}, "loss = F.cross_entropy(s, y, ignore_index=-1)"),
        ("F.cross_entropy(s, y, ignore_index=0)", {}, {"ignore_index": "-1"}, "loss = F.cross_entropy(s, y, ignore_index=-1)"),
        ("criterion(s, y)", {}, {"ignore_index": "-1"}, ""),
    ],
)  # fmt: skip
def test_a_call_is_mended(text: str, changed: dict[str, str], keywords: dict[str, str], line: str) -> None:
    call = written(text, CE)
    assert call is not None
    assert mended(call, CE, changed, keywords) == line


@pytest.mark.parametrize(
    ("line", "shown"),
    [
        ("loss = criterion(s, y)", "loss = NEW"),
        ("return criterion(s, y) + penalty", "return NEW + penalty"),
        ("losses.append(criterion(s, y))", "losses.append(NEW)"),
        ("total += criterion(s, y)", "total += NEW"),
        ("both = criterion(s, y) + criterion(s, y)", "loss = NEW"),
        ("loss = " + "a_rather_long_name_of_a_factor * " * 4 + "criterion(s, y)", "NEW"),
        ("x = 1", "loss = NEW"),
    ],
)
def test_the_statement_is_kept(tmp_path: Path, line: str, shown: str) -> None:
    path = tmp_path / "train.py"
    path.write_text(f"def step():\n    {line}\n")
    assert stated(WrittenCall("criterion(s, y)", {}, Location(str(path), 2)), "NEW") == shown


@pytest.mark.parametrize(
    ("text", "plain", "as_operand"),
    [
        ("x", True, "x"),
        ("batch['y'][0].t", True, "batch['y'][0].t"),
        ("net(x)", False, "net(x)"),
        ("a + b", False, "(a + b)"),
        ("-x", False, "(-x)"),
        ("x if y else z", False, "(x if y else z)"),
    ],
)
def test_what_methods_are_called_on(text: str, plain: bool, as_operand: str) -> None:
    assert (is_plain(text), operand(text)) == (plain, as_operand)


@pytest.mark.parametrize(
    ("imports", "code", "shown"),
    [
        ("import torch.nn.functional as F", "F.pad(output, (0, target.shape[1]))", "F.pad(net(x), (0, batch['y'].shape[1]))"),
        ("from torch import nn", "F.relu(output)", "nn.functional.relu(net(x))"),
        ("import torch.nn as nn", "F.relu(output)", "nn.functional.relu(net(x))"),
        ("from torch.nn import functional as fn", "F.relu(output)", "fn.relu(net(x))"),
        ("import torch", "F.relu(output)", "torch.nn.functional.relu(net(x))"),
        ("import torch", "f(output=output, target=target).output", "f(output=net(x), target=batch['y']).output"),
    ],
)  # fmt: skip
def test_code_speaks_the_words_of_the_file(tmp_path: Path, imports: str, code: str, shown: str) -> None:
    path = tmp_path / "train.py"
    path.write_text(f"{imports}\n")
    call = WrittenCall("", {"output": "net(x)", "target": "batch['y']"}, Location(str(path), 1))
    assert named(call, code) == shown


def test_what_is_called_once_is_not_called_again() -> None:
    call = WrittenCall("", {"output": "net(x)", "target": "y"})
    assert repeats(call, ["(weights * output).sum(1)", "weights = attention(output)"])
    assert not repeats(call, ["output.mean(1)", "target.view(target.shape[0])"])


SCORES, TAGS = torch.randn(4, 9, 5), torch.randint(5, (4, 9))
COLUMN, VECTOR = torch.randn(6, 1), torch.randn(6)


def _wide(x: torch.Tensor) -> torch.Tensor:
    return x


@pytest.mark.skipif(sys.version_info < (3, 11), reason="Python tells the place of a call from 3.11 on")
def test_lines_run_and_give_what_the_fix_gives() -> None:
    criterion = nn.CrossEntropyLoss(label_smoothing=0.1)
    with shapecheck.watch(file=io.StringIO()) as watching:
        with pytest.raises(RuntimeError):
            criterion(SCORES, TAGS)
        with pytest.raises(RuntimeError):
            F.cross_entropy(_wide(SCORES), TAGS, label_smoothing=0.1)
        with pytest.warns(UserWarning, match="Using a target size"):
            F.mse_loss(COLUMN - 1, VECTOR)
    names = {
        "criterion": criterion,
        "SCORES": SCORES,
        "TAGS": TAGS,
        "COLUMN": COLUMN,
        "VECTOR": VECTOR,
        "F": F,
        "_wide": _wide,
    }
    lines = [fix.line for finding in watching.report.findings for fix in finding.fixes if fix.verified == "executed"]
    assert "criterion(SCORES.movedim(-1, 1), TAGS)" in lines
    assert "F.mse_loss((COLUMN - 1).squeeze(-1), VECTOR)" in lines
    for line in lines:
        called = ast.parse(line, mode="eval").body
        assert isinstance(called, ast.Call)
        function = eval(ast.unparse(called.func), names)
        arguments = [eval(ast.unparse(each), names) for each in called.args]
        keywords = {each.arg: ast.literal_eval(each.value) for each in called.keywords}
        assert torch.isfinite(function(*arguments, **keywords))


def test_a_member_of_what_is_passed_stands_in_the_line() -> None:
    scores = [torch.randn(4, 5), torch.randn(4, 5)]
    report = shapecheck.check_tensors(scores, TAGS[:, 0], "cross_entropy")
    first, second = report.findings[0].fixes[:2]
    assert second.line == ""
    assert "for each in output" in second.call
    if sys.version_info >= (3, 11):
        assert first.line == "loss = F.cross_entropy(scores[0], TAGS[:, 0])"


@pytest.mark.skipif(sys.version_info < (3, 11), reason="Python tells the place of a call from 3.11 on")
def test_a_fix_that_is_not_on_the_line_is_shown_as_a_call_of_its_own() -> None:
    criterion = nn.CrossEntropyLoss(weight=torch.ones(4))
    with shapecheck.watch(file=io.StringIO()) as watching, pytest.raises(RuntimeError):
        criterion(SCORES[:, 0], TAGS[:, 0])
    fix = watching.report.findings[0].fixes[0]
    assert (fix.kind, fix.line) == ("fix-weight", "")
    assert "weight=F.pad(weight" in fix.call


def test_names_at_a_breakpoint() -> None:
    logits, labels = SCORES, TAGS
    report = shapecheck.check_tensors(logits, labels, "cross_entropy")
    fix = report.findings[0].fixes[0]
    assert fix.code == "output.movedim(-1, 1)"
    if sys.version_info >= (3, 11):
        assert fix.line == "loss = F.cross_entropy(logits.movedim(-1, 1), labels)"
