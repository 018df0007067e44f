"""The Python interface: what it takes, what it says, and that it leaves the user's model and process as they were."""

from __future__ import annotations

import copy
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import shapecheck
from shapecheck import ModelError, Report, UserError

torch.set_num_threads(1)


class Steps(nn.Module):
    """(N, 1, T) to (N, T, 10), with all that a forward pass may leave behind."""

    def __init__(self, movedim: bool = True) -> None:
        super().__init__()
        self.conv = nn.Conv1d(1, 10, 3, padding=1)
        self.norm = nn.BatchNorm1d(10)
        self.drop = nn.Dropout()
        self.movedim = movedim
        self.calls = 0
        self.seen: list[int] = []
        self.register_buffer("steps", torch.zeros(()))

    def forward(self, x: Tensor) -> Tensor:
        self.calls += 1
        self.seen.append(len(x))
        self.steps = self.steps + 1
        scores: Tensor = self.drop(self.norm(self.conv(x)))
        return scores.movedim(1, -1) if self.movedim else scores


class TwoInputs(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.embed = nn.Embedding(20, 6)
        self.head = nn.Linear(6, 4)

    def forward(self, ids: Tensor, scale: Tensor) -> Tensor:
        return self.head(self.embed(ids).mean(dim=1)) * scale


class Raises(Steps):
    def forward(self, x: Tensor) -> Tensor:
        raise ValueError("not today")


def codes(report: Report) -> list[str]:
    return [finding.code for finding in report.findings]


def test_a_finding() -> None:
    report = shapecheck.check(Steps(), "cross_entropy", input=(4, 1, 9), target=(4, 9))
    assert (report.ok, report.exit_code, codes(report)) == (False, 1, ["SC101"])
    assert report.findings[0].fixes[0].code == "output.movedim(-1, 1)"
    assert "error[SC101]: class axis is last" in str(report)
    assert json.loads(json.dumps(report.to_dict()))["checks"][0]["name"] == "Steps"


def test_none(capsys: pytest.CaptureFixture[str]) -> None:
    report = shapecheck.check(Steps(movedim=False), "cross_entropy")
    assert (report.ok, report.exit_code, report.findings) == (True, 0, ())
    print(report)
    assert capsys.readouterr().out.startswith("ok: Steps output (batch ")


@pytest.mark.parametrize(
    "given",
    [
        torch.zeros(4, 1, 9),
        (4, 1, 9),
        [4, 1, 9],
        torch.Size([4, 1, 9]),
        "4,1,9",
        "(4, 1, 9) : float32",
        [torch.zeros(4, 1, 9)],
        [(4, 1, 9)],
        ["4,1,9"],
        {"x": (4, 1, 9)},
        {"x": "4,1,9:float32"},
        {"x": torch.zeros(4, 1, 9)},
        (4, 1, "T"),
        ("N", 1, "T"),
        "x=4,1,9",
    ],
)
def test_ways_to_give_an_input(given: Any) -> None:
    (check,) = shapecheck.check(Steps(), "cross_entropy", input=given).checks
    (fed,) = check.inputs
    assert (fed.name, fed.dtype, fed.origin) == ("x", "float32", "flag")
    assert fed.shape == (4, 1, 9) or fed.shape[1] == 1


@pytest.mark.parametrize(
    "given",
    [
        [torch.zeros(3, 7, dtype=torch.int64), torch.ones(3, 1)],
        ["3,7:int64", "3,1"],
        [(3, 7), (3, 1)],
        {"scale": (3, 1), "ids": "3,7:int64"},
    ],
)
def test_several_inputs(given: Any) -> None:
    (check,) = shapecheck.check(TwoInputs(), "cross_entropy", input=given, target="N").checks
    assert {fed.name: fed.shape for fed in check.inputs} == {"ids": (3, 7), "scale": (3, 1)}
    assert check.status == "ok"


@pytest.mark.parametrize("given", [torch.zeros(4, dtype=torch.int64), (4,), [4], "4", "N", "N:int64", ("N",)])
def test_ways_to_give_a_target(given: Any) -> None:
    report = shapecheck.check(Steps(), "cross_entropy", input=(4, 1, 9), target=given)
    assert codes(report) == ["SC102"]
    target = report.checks[0].tensors["target"]
    assert (target.shape, target.dtype, target.origin) == ((4,), "int64", "flag")


def test_keywords_of_the_loss() -> None:
    def found(**loss_args: Any) -> list[str]:
        return codes(
            shapecheck.check(Steps(movedim=False), "cross_entropy", input=(4, 1, 9), target=(4, 9), **loss_args)
        )

    assert found(weight=torch.ones(10), reduction="sum", ignore_index=0) == []
    assert found(weight=torch.ones(9)) == ["SC108"]
    assert found(weight=torch.ones(10, dtype=torch.float64)) == ["SC204"]
    assert found(reduction="avg") == ["SC306"]


@pytest.mark.parametrize(
    ("call", "message", "hint"),
    [
        (lambda: shapecheck.check(Steps(), "cros_entropy"), "unknown loss 'cros_entropy'", "'cross_entropy'?"),
        (lambda: shapecheck.check(Steps(), 3.5), "the loss is 3.5, not a name", "pass its name"),
        (lambda: shapecheck.check(Steps, "nll_loss"), "Steps is a class, not a module", "build it first: Steps(...)"),
        (lambda: shapecheck.check(None, "nll_loss"), "the model is a NoneType", "pass the module"),
        (lambda: shapecheck.check(Steps(), "nll_loss", redution="sum"), "no keyword 'redution'", "'reduction'?"),
        (lambda: shapecheck.check(Steps(), "nll_loss", ignore_index=0.5), "ignore_index is 0.5, not", "by default"),
        (lambda: shapecheck.check(Steps(), "nll_loss", weight=[0.5, 0.5]), "not a shape", "weight=[10]"),
        (lambda: shapecheck.check(Steps(), "nll_loss", input=3.5), "3.5 is no tensor, shape", "write (5, 97)"),
        (lambda: shapecheck.check(Steps(), "nll_loss", input=(4, -1)), "negative size -1", "write a name"),
        (lambda: shapecheck.check(Steps(), "nll_loss", input="4;1"), "'4;1' is not a size", "commas"),
        (lambda: shapecheck.check(Steps(), "nll_loss", input={"y": (4, 1, 9)}), "no parameter 'y'", "allowed: x"),
        (lambda: shapecheck.check(Steps(), "nll_loss", target=object()), "is no tensor, shape", "write (5, 97)"),
        (lambda: shapecheck.check(Steps(), "nll_loss", target="N,Q"), "names the size 'Q'", "known here: N="),
        (lambda: shapecheck.check(Steps(), "nll_loss", classes=0), "`classes` is 0", "from 1 up"),
        (lambda: shapecheck.check(Steps(), "nll_loss", output="logits"), "returns a bare tensor", "leave"),
    ],
)
def test_wrong_arguments(call: Callable[[], Report], message: str, hint: str) -> None:
    with pytest.raises(UserError) as caught:
        call()
    assert message in caught.value.message
    assert hint in (caught.value.hint or "")


@pytest.mark.parametrize("given", [None, (4, 1, 9)])
def test_a_model_that_raises(given: Any) -> None:
    with pytest.raises(ModelError) as caught:
        shapecheck.check(Raises(), "cross_entropy", input=given)
    assert "ValueError: not today" in f"{caught.value.message} {caught.value.hint}"


# ------------------------------------------------------------------------------------- left as it was


@pytest.mark.parametrize("training", [True, False])
def test_the_model_is_left_as_it_was(training: bool) -> None:
    model = Steps().train(training)
    model.norm.eval()
    model.conv.weight.requires_grad_(False)
    called: list[int] = []
    handle = model.conv.register_forward_hook(lambda *_: called.append(1))
    before = {key: value.clone() for key, value in model.state_dict().items()}
    tensors = {key: id(value) for key, value in [*model.named_parameters(), *model.named_buffers()]}
    plain = copy.deepcopy({key: value for key, value in vars(model).items() if not key.startswith("_")})
    modes = {name: module.training for name, module in model.named_modules()}

    shapecheck.check(model, "cross_entropy")

    assert all(torch.equal(value, before[key]) for key, value in model.state_dict().items())
    assert {key: id(value) for key, value in [*model.named_parameters(), *model.named_buffers()]} == tensors
    assert {key: value for key, value in vars(model).items() if not key.startswith("_")} == plain
    assert {name: module.training for name, module in model.named_modules()} == modes
    assert not any(parameter.grad is not None for parameter in model.parameters())
    assert not model.conv.weight.requires_grad
    assert list(model.conv._forward_hooks) == [handle.id]
    assert not model._forward_hooks
    assert not model._forward_pre_hooks
    assert "forward" not in vars(model)


def test_a_model_that_raises_is_left_as_it_was() -> None:
    model = Raises()
    with pytest.raises(ModelError):
        shapecheck.check(model, "cross_entropy")
    assert model.training
    assert not model.conv._forward_pre_hooks


def test_the_process_is_left_as_it_was() -> None:
    def state() -> tuple[object, ...]:
        return (
            torch.is_grad_enabled(),
            torch.get_default_dtype(),
            torch.get_num_threads(),
            torch.is_inference_mode_enabled(),
        )

    model, before = Steps(), state()
    torch.manual_seed(3)
    random = torch.get_rng_state()
    shapecheck.check(model, "cross_entropy", input=(4, 1, 9), target=(4, 9))
    shapecheck.check_tensors(torch.ones(4, 9, 10), torch.zeros(4, 9, dtype=torch.int64))
    assert torch.equal(torch.get_rng_state(), random)
    assert state() == before


def test_tensors_of_the_user_are_only_read() -> None:
    output = torch.randn(4, 9, 10, requires_grad=True)
    target = torch.zeros(4, 9, dtype=torch.int64)
    version = output._version
    shapecheck.check_tensors(output, target, "cross_entropy")
    assert output.grad is None
    assert (output._version, target._version) == (version, 0)


# ------------------------------------------------------------------------------------------ real tensors


@pytest.mark.parametrize(
    ("output", "target", "found"),
    [
        (torch.randn(4, 10), torch.arange(4), []),
        (torch.randn(4, 9, 10), torch.zeros(4, 9, dtype=torch.int64), ["SC101"]),
        (torch.randn(4, 10), torch.arange(7, 11), ["SC301"]),
        (torch.randn(4, 10).softmax(1), torch.arange(4), ["SC402"]),
        (torch.randn(4, 10), torch.arange(4, dtype=torch.int32), ["SC202"]),
        (torch.randn(4, 10) > 0, torch.arange(4), ["SC203"]),
        (nn.Parameter(torch.randn(4, 10)), torch.arange(4), []),
        (torch.randn(4, 20)[:, ::2], torch.arange(8)[::2], []),
    ],
)
def test_at_a_breakpoint(output: Tensor, target: Tensor, found: list[str]) -> None:
    report = shapecheck.check_tensors(output, target, "cross_entropy")
    assert codes(report) == found
    assert report.checks[0].tensors["target"].origin == "data"
    assert report.exit_code == (1 if found else 0)


def test_tensors_by_name_and_keywords() -> None:
    tensors = {"output": torch.randn(4, 10), "target": torch.arange(4)}
    assert shapecheck.check_tensors(tensors=tensors, weight=torch.ones(10)).ok
    assert codes(shapecheck.check_tensors(tensors=tensors, weight=torch.ones(9))) == ["SC108"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({}, "cross_entropy needs the tensor 'output'"),
        ({"output": torch.randn(4, 10)}, "cross_entropy needs the tensor 'target'"),
        ({"output": torch.randn(4, 10), "target": None, "loss": 3}, "the loss is 3, not a name"),
        ({"output": torch.randn(4, 10), "target": torch.arange(4), "redution": "sum"}, "no keyword 'redution'"),
        ({"tensors": {"outputs": torch.randn(4, 10)}}, "takes no tensor 'outputs'"),
        ({"tensors": [1]}, "tensors is a list, not a mapping"),
        ({"output": torch.randn(4, 10).to_sparse(), "target": torch.arange(4)}, "output is not a dense tensor"),
        ({"output": torch.empty(4, 10, device="meta"), "target": torch.arange(4)}, "output is on the meta device"),
    ],
)
def test_no_tensors(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError) as caught:
        shapecheck.check_tensors(**arguments)
    assert message in caught.value.message


def test_importing_the_package_imports_no_torch(tmp_path: Path) -> None:
    code = "import sys, shapecheck; shapecheck.check; shapecheck.Report; assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True, cwd=tmp_path, timeout=60)


def test_the_place_of_check_tensors_is_the_line_that_called_it() -> None:
    report = shapecheck.check_tensors(torch.randn(8, 5), torch.randint(5, (8,)))
    location = report.checks[0].location
    assert location is not None
    assert location.path.endswith("test_api.py")
    assert location.line == test_the_place_of_check_tensors_is_the_line_that_called_it.__code__.co_firstlineno + 1
