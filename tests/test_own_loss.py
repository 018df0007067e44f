"""A loss of the user's own, without rules: how it is named and loaded, what is tried, what is found, what is said."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

import shapecheck
from shapecheck import ModelError, UserError, callables, cli
from shapecheck.callable_names import names_callable, parse_callable
from shapecheck.check_pages import PAGES
from shapecheck.own_loss.candidates import candidates, described, layout, letters
from shapecheck.own_loss.checking import Question, check
from shapecheck.own_loss.loading import TorchLoss, load_own
from shapecheck.report import CheckResult, Finding
from shapecheck.specs import TensorSpec

torch.set_num_threads(1)
FILE = Path(__file__).parent / "models" / "own_losses.py"

Shape = tuple[int, ...]
Axes = tuple[str, ...]
IMAGE = ((5, 4, 7, 11), ("batch", "feature", "height", "width"))
IMAGE_LAST = ((5, 7, 11, 4), ("batch", "height", "width", "feature"))
MASK = ((5, 1, 7, 11), ("batch", "unit", "height", "width"))
STEPS = ((5, 13, 4), ("batch", "time", "feature"))
STEPS_SECOND = ((5, 4, 13), ("batch", "feature", "time"))
VECTOR = ((5, 8), ("batch", "feature"))
UNIT = ((5, 1), ("batch", "unit"))


def ask(
    name: str, output: tuple[Shape, Axes], target: Shape | None = None, dtype: str | None = None, **arguments: Any
) -> CheckResult:
    """The check of a loss in the file, with random scores as the model's output."""
    loss = load_own(f"{FILE}:{name}", arguments)
    assert not isinstance(loss, TorchLoss)
    shape, axes = output
    scores = torch.randn(shape, generator=torch.Generator().manual_seed(1))
    wanted = None if target is None else TensorSpec(target, dtype, origin="flag")
    return check(
        Question(loss, TensorSpec(shape, "float32", axes, origin="model"), wanted, scores, name="model.py:Net")
    )


def only(result: CheckResult) -> Finding:
    (finding,) = result.findings
    assert finding.code in PAGES
    assert PAGES[finding.code].name == finding.name
    return finding


def taken(result: CheckResult) -> list[tuple[tuple[int | str, ...], str]]:
    return [(target.shape, target.dtype) for target in result.accepted_targets]


# ------------------------------------------------------------------------------------------- naming and loading


@pytest.mark.parametrize("text", ["losses.py:dice", "package.module:dice", "losses.py", "losses.py:"])
def test_a_callable_is_named_by_file_or_module(text: str) -> None:
    assert names_callable(text)


@pytest.mark.parametrize("text", ["cross_entropy", "F.cross_entropy", "torch.nn.CrossEntropyLoss", ""])
def test_other_names_are_losses_with_rules(text: str) -> None:
    assert not names_callable(text)


@pytest.mark.parametrize(
    "text, said",
    [
        ("own_loses.py:dice", "did you mean own_losses.py?"),
        ("own_losses.py", "name one of: own_losses.py:"),
        ("own_losses.py:", "named without a loss in it"),
        ("own_losses.py:dice(2)", "write own_losses.py:dice; its arguments go to --loss-arg"),
        ("own_losses.py:3", "is not a name"),
        (".:dice", "is a folder"),
        ("own-losses:dice", "neither a Python file nor a module"),
        ("nowhere/own_losses.py:dice", "there is no folder nowhere here"),
        (":dice", "names no file or module"),
    ],
)
def test_a_wrong_name_is_explained(text: str, said: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(FILE.parent)
    with pytest.raises(UserError) as caught:
        parse_callable(text)
    assert said in str(caught.value)


@pytest.fixture
def written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder to write losses in; what is imported from there is forgotten afterwards."""
    known, path, finders, argv = set(sys.modules), list(sys.path), list(sys.meta_path), sys.argv
    monkeypatch.chdir(tmp_path)
    yield tmp_path
    sys.path[:], sys.meta_path[:], sys.argv = path, finders, argv
    for name in set(sys.modules) - known:
        if str(tmp_path) in str(getattr(sys.modules[name], "__file__", "")):
            del sys.modules[name]


def test_files_and_modules_are_found_in_the_folder_that_is_given(written: Path) -> None:
    (written / "rules").mkdir()
    (written / "rules" / "sums.py").write_text("def total(output, target): return 'here'\n")
    (written / "sums.py").write_text("def total(output, target): return 'there'\n")
    assert callables.load_callable("sums.py:total", written / "rules")(1, 2) == "here"
    assert callables.load_callable("sums:total", written / "rules")(1, 2) == "here"
    assert callables.load_callable("sums.py:total")(1, 2) == "there"


@pytest.mark.parametrize(
    "source, name, code, said",
    [
        ("import nowhere_at_all\n", "f", "SC901", "install nowhere_at_all"),
        ("raise ValueError('no')\n", "f", "SC901", "raises ValueError: no"),
        ("import sys\nsys.exit(1)\n", "f", "SC901", "calls sys.exit(1)"),
        ("def f(:\n", "f", "SC901", "does not parse"),
        ("def dice_loss(a, b): ...\n", "dise_loss", "SC901", "did you mean dice_loss?"),
        ("f = 3\ndef dice_loss(a, b): ...\n", "f", "SC901", "f is an int, which cannot be called"),
        ("class F:\n    def __init__(self, k): ...\n    def __call__(self, a, b): ...\n", "F", "SC902", "needs k"),
        ("class F: ...\n", "F", "SC901", "a F cannot be called"),
        ("class F:\n    def __init__(self): raise KeyError(3)\n", "F", "SC903", "raises KeyError: 3"),
        ("def f(a, b, c): ...\n", "f", "SC902", "f needs 3 arguments: a, b, c"),
        ("def f(a): ...\n", "f", "SC902", "f takes only a"),
        ("def f(): ...\n", "f", "SC902", "f takes no argument"),
        ("class F:\n    def loss(self, a, b): ...\n", "F.loss", "SC902", "F.loss is a method"),
    ],
)
def test_a_loss_that_cannot_be_asked(source: str, name: str, code: str, said: str, written: Path) -> None:
    (written / "broken_loss.py").write_text(source)
    with pytest.raises(ModelError) as caught:
        load_own(f"broken_loss.py:{name}", {})
    assert (caught.value.code, said in str(caught.value)) == (code, True), str(caught.value)
    assert caught.value.hint
    assert caught.value.location is not None


@pytest.mark.parametrize(
    "signature, keywords, call",
    [
        ("output, target", {}, "f(output, target)"),
        ("y_true, y_pred", {}, "f(target, output)"),
        ("labels, logits, eps=1", {}, "f(target, output)"),
        ("pred, weight=None, target=None", {}, "f(output, target=target)"),
        ("x, alpha, y", {"alpha": 2}, "f(output, y=target, alpha=2)"),
        ("x, *, target", {}, "f(output, target=target)"),
        ("*both", {}, "f(output, target)"),
        ("a, b, **more", {"gamma": 2}, "f(output, target, gamma=2)"),
    ],
)
def test_output_and_target_go_where_the_signature_wants_them(
    signature: str, keywords: dict[str, Any], call: str, written: Path
) -> None:
    (written / "placed.py").write_text(f"def f({signature}): return locals()\n")
    loss = load_own("placed.py:f", keywords)
    assert not isinstance(loss, TorchLoss)
    assert loss.written("output", "target") == call
    positional, named = loss.arguments("O", "T")
    assert {"O", "T"} <= {str(value) for value in _flat(loss.found(*positional, **named))}


def _flat(arguments: dict[str, Any]) -> Iterator[Any]:
    for value in arguments.values():
        yield from value if isinstance(value, tuple) else [value]


def test_keywords_of_a_class_go_to_its_constructor_or_its_call() -> None:
    loss = load_own(f"{FILE}:DiceOfIndices", {"smooth": 3.0})
    assert not isinstance(loss, TorchLoss)
    assert (loss.found.smooth, dict(loss.keywords), dict(loss.given)) == (3.0, {}, {"smooth": 3.0})
    with pytest.raises(ModelError, match="takes no keyword 'smoth'"):
        load_own(f"{FILE}:DiceOfIndices", {"smoth": 3.0})


def test_a_compiled_loss_is_asked_as_it_was_written(written: Path) -> None:
    source = "def plain(output, target): return 'plain'\ndef total(output, target): ...\n"
    (written / "compiled.py").write_text(source + "total._torchdynamo_orig_callable = plain\n")
    assert callables.load_callable("compiled.py:total")(1, 2) == "plain"


def test_a_loss_of_torch_under_a_name_of_the_users_keeps_its_rules() -> None:
    loss = load_own(f"{FILE}:criterion", {})
    assert isinstance(loss, TorchLoss)
    assert (loss.name, loss.arguments["label_smoothing"]) == ("CrossEntropyLoss", 0.1)
    assert loss.arguments["weight"]["shape"] == [4]
    assert "is torch's CrossEntropyLoss(weight=..., label_smoothing=0.1)" in loss.note


# ------------------------------------------------------------------------------------------- what is tried


def test_candidates_are_of_all_plausible_kinds() -> None:
    form = layout(*IMAGE)
    shapes = {(letters(one, form), one.dtype) for one in candidates(form, "float32")}
    for shape in (("N", "H", "W"), ("N", 1, "H", "W"), ("N", 4, "H", "W"), ("N", "H", "W", 4), ("N",), ("N", 4)):
        assert {(shape, "int64"), (shape, "float32")} <= shapes


@pytest.mark.parametrize("output", [IMAGE, MASK, STEPS, VECTOR, UNIT, ((5,), ("batch",)), ((), ()), ((3, 2), None)])
def test_every_candidate_is_of_its_shape(output: tuple[Shape, Axes]) -> None:
    from shapecheck.own_loss.making import target_of

    form = layout(*output)
    for one in candidates(form, "float32"):
        for holds in one.holds:
            made = target_of(one, form, holds, 0)
            assert (tuple(made.shape), str(made.dtype)) == (one.shape, f"torch.{one.dtype}")


def test_the_axes_of_a_target_are_paired_with_those_of_the_output() -> None:
    form = layout(*IMAGE)
    assert described((5, 7, 11), "int64", form).axes == (0, 2, 3)
    assert described((5, 7, 11, 4), "float32", form).axes == (0, 2, 3, 1)
    assert described((5, 7, 11), "int64", form).index == 1


# ------------------------------------------------------------------------------------------- right ones


@pytest.mark.parametrize(
    "name, output, targets",
    [
        ("dice", IMAGE, [(("N", "C", "H", "W"), "float32"), (("N", "C", "H", "W"), "int64")]),
        ("DiceOfIndices", IMAGE, [(("N", "H", "W"), "int64")]),
        ("binary_dice", MASK, [(("N", 1, "H", "W"), "float32"), (("N", 1, "H", "W"), "int64")]),
        ("focal", IMAGE, [(("N", "H", "W"), "int64"), (("N", "C", "H", "W"), "float32")]),
        ("smoothed", STEPS, [(("N", "T"), "int64")]),
        ("mse", UNIT, [(("N", 1), "float32"), (("N", 1), "int64")]),
        ("contrastive", VECTOR, [(("N",), "int64"), (("N",), "float32")]),
        ("Center", VECTOR, [(("N",), "int64")]),
        ("speech", STEPS, [(("N", "S"), "int64")]),
        ("next_token", STEPS, [(("N", "T"), "int64")]),
        ("as_keras", VECTOR, [(("N",), "int64")]),
    ],
)
def test_accepted_targets(name: str, output: tuple[Shape, Axes], targets: list[Any]) -> None:
    result = ask(name, output)
    assert (result.status, result.contract, result.findings) == ("ok", "unknown", ())
    assert taken(result) == targets


@pytest.mark.parametrize(
    "name, output, target",
    [
        ("dice", IMAGE, (5, 4, 7, 11)),
        ("DiceOfIndices", IMAGE, (5, 7, 11)),
        ("focal", IMAGE, (5, 7, 11)),
        ("smoothed", STEPS, (5, 13)),
        ("mse", UNIT, (5, 1)),
        ("ranking", UNIT, (5,)),
        ("contrastive", VECTOR, (5,)),
        ("Center", VECTOR, (5,)),
        ("next_token", STEPS, (5, 13)),
        ("masked", UNIT, (5, 1)),
        ("hard_examples", VECTOR, (5,)),
        ("in_a_dict", UNIT, (5, 1)),
    ],
)
def test_no_alarm_for_a_right_loss(name: str, output: tuple[Shape, Axes], target: Shape) -> None:
    result = ask(name, output, target)
    assert (result.status, result.contract, result.findings) == ("ok", "accepts", ())
    assert any("has no rule" in note for note in result.notes)


def test_an_odd_number_of_samples_is_no_fault_of_a_loss_that_takes_them_by_twos() -> None:
    result = ask("views", VECTOR, (5,))
    assert (result.status, result.tensors["output"].shape) == ("ok", (5, 8))
    assert any("samples by twos" in note for note in result.notes)
    assert ask("mse", ((5, 4), ("batch", "feature")), (5,)).status == "findings"


@pytest.mark.parametrize(
    "name, output, axes",
    [
        ("focal", IMAGE, ("batch", "class", "height", "width")),
        ("smoothed", STEPS, ("batch", "time", "class")),
        ("contrastive", VECTOR, ("batch", "feature")),
        ("Center", VECTOR, ("batch", "feature")),
    ],
)
def test_the_class_axis_is_the_one_that_labels_count_along(name: str, output: tuple[Shape, Axes], axes: Axes) -> None:
    assert ask(name, output).tensors["output"].axes == axes


@pytest.mark.parametrize(
    "name, output, said",
    [
        ("mse", UNIT, "each place of the output answers to its own place of the target (5 were changed)"),
        ("dice", IMAGE, "depends on targets of other places too"),
        ("contrastive", VECTOR, "depends on targets of other places too"),
        ("next_token", STEPS, "labels that are shifted"),
        ("in_a_dict", UNIT, "'loss' is taken for the loss"),
        ("as_keras", VECTOR, "called as as_keras(target, output)"),
        ("writes", UNIT, "writes to the target it is given"),
    ],
)
def test_what_was_understood_is_said(name: str, output: tuple[Shape, Axes], said: str) -> None:
    assert any(said in note for note in ask(name, output).notes)


# ------------------------------------------------------------------------------------------- refusals


def test_a_refusal_quotes_the_loss_and_draws_what_it_takes() -> None:
    result = ask("dice", IMAGE, (5, 7, 11), "int64")
    finding = only(result)
    assert (finding.code, finding.severity, result.contract) == ("SC950", "error", "rejects")
    assert "AssertionError: dice wants one-hot rows: (5, 4, 7, 11) against (5, 7, 11)" in finding.why
    assert finding.location is not None
    assert "assert logits.shape" in FILE.read_text().splitlines()[(finding.location.line or 0) - 1]
    assert [row.label for row in finding.rows] == ["output", "target", "accepts"]
    assert finding.rows[2].note == "float32 or int64, tried"
    assert finding.fixes[0].call == "loss = dice(output, F.one_hot(target, 4).movedim(-1, 1).float())"
    assert finding.fixes[0].verified == "contract"


@pytest.mark.parametrize(
    "name, output, target, code",
    [
        ("focal", IMAGE_LAST, (5, 7, 11), "output.movedim(-1, 1)"),
        ("smoothed", STEPS_SECOND, (5, 13), "output.movedim(1, -1)"),
    ],
)
def test_a_permutation_is_executed_where_each_place_answers_to_its_own(
    name: str, output: tuple[Shape, Axes], target: Shape, code: str
) -> None:
    fixes = only(ask(name, output, target)).fixes
    assert [(fix.kind, fix.code, fix.verified) for fix in fixes] == [("permute", code, "executed")]
    assert "moves the gradient there and nowhere else" in fixes[0].proof
    assert "also fits, but mixes axes" in fixes[0].trap


def test_a_target_in_another_order_is_brought_into_the_outputs() -> None:
    fixes = only(ask("mse", STEPS, (5, 4, 13), "float32")).fixes
    assert [(fix.kind, fix.code, fix.verified) for fix in fixes] == [
        ("transpose-target", "target.movedim(1, -1)", "executed"),
        ("permute", "output.movedim(-1, 1)", "executed"),
    ]


def test_torch_is_quoted_where_torch_refuses() -> None:
    finding = only(ask("focal", STEPS, (5, 13), "int64"))
    assert finding.torch_says.startswith(("RuntimeError", "ValueError"))
    assert finding.torch_says not in finding.why


def test_a_backward_that_raises() -> None:
    finding = only(ask("one_way", UNIT, (5, 1)))
    assert (finding.code, finding.message) == ("SC950", "one_way computes a number, but its backward raises")
    assert "no way back" in finding.why


def test_nothing_accepted_is_a_warning_and_a_slip_of_the_pen_an_error() -> None:
    finding = only(ask("Center", VECTOR, size=6))
    assert (finding.code, finding.severity, finding.fixes) == ("SC951", "warning", ())
    finding = only(ask("misspelt", VECTOR))
    assert (finding.code, finding.severity) == ("SC951", "error")
    assert "name 'torh' is not defined" in finding.torch_says


# ------------------------------------------------------------------------------------------- silent mistakes


@pytest.mark.parametrize("output, target, pairs", [(UNIT, (5,), 25), (MASK, (5, 7, 11), 1925)])
def test_broadcasting_pairs(output: tuple[Shape, Axes], target: Shape, pairs: int) -> None:
    finding = only(ask("mse", output, target))
    assert (finding.code, finding.severity) == ("SC954", "error")
    assert finding.rows[-1].note == f"{pairs} pairs, {pairs // 5} intended"
    axis = -1 if len(target) == 1 else 1
    assert [(fix.code, fix.verified) for fix in finding.fixes] == [
        (f"output.squeeze({axis})", "executed"),
        ("target.unsqueeze(1)", "executed"),
    ]
    assert finding.location is not None
    assert "(pred - y) ** 2" in FILE.read_text().splitlines()[(finding.location.line or 0) - 1]


def test_pairs_inside_dice_too() -> None:
    finding = only(ask("binary_dice", MASK, (5, 7, 11)))
    assert (finding.code, {fix.verified for fix in finding.fixes}) == ("SC954", {"contract"})


@pytest.mark.parametrize("output, target", [(STEPS_SECOND, (5, 13)), (IMAGE, (5, 7, 11)), (STEPS_SECOND, None)])
def test_a_view_that_mixes_axes(output: tuple[Shape, Axes], target: Shape | None) -> None:
    finding = only(ask("flattened", output, target))
    assert (finding.code, finding.severity) == ("SC955", "error")
    assert finding.fixes[0].code == "output.movedim(1, -1).reshape(-1, 4)"
    assert finding.fixes[0].verified == "no"


def test_softmax_over_positions() -> None:
    finding = only(ask("focal", IMAGE_LAST))
    assert (finding.code, finding.severity) == ("SC952", "warning")
    assert finding.message == "focal makes probabilities along the height axis"
    assert [(fix.code, fix.verified) for fix in finding.fixes] == [("output.movedim(-1, 1)", "executed")]


@pytest.mark.parametrize(
    "name, output, code, severity, said",
    [
        ("as_number", UNIT, "SC953", "error", "returns a float, not a tensor"),
        ("forgets_return", UNIT, "SC953", "error", "returns None, not a tensor"),
        ("per_element", UNIT, "SC953", "warning", "returns 5 numbers, not one"),
        ("accuracy", VECTOR, "SC956", "error", "no gradient comes back"),
        ("saturated", UNIT, "SC956", "error", "no gradient comes back"),
        ("all_but_last", UNIT, "SC957", "warning", "gives no gradient to 1 of 5 samples"),
        ("of_probabilities", UNIT, "SC958", "error", "is nan with this output"),
        ("without_target", UNIT, "SC959", "warning", "does not depend on the target"),
    ],
)
def test_what_is_wrong_with_any_target(
    name: str, output: tuple[Shape, Axes], code: str, severity: str, said: str
) -> None:
    finding = only(ask(name, output))
    assert (finding.code, finding.severity) == (code, severity)
    assert said in finding.message


def test_values_for_which_the_loss_is_finite_are_offered() -> None:
    (fix,) = only(ask("of_probabilities", UNIT, (5, 1))).fixes
    assert (fix.kind, fix.call) == ("apply-sigmoid", "loss = of_probabilities(output.sigmoid(), target)")


@pytest.mark.parametrize("name, said", [("prints_and_exits", "calls sys.exit(4)"), ("on_gpu", "asks for a GPU")])
def test_a_loss_that_leaves_or_wants_a_gpu_is_an_error_of_the_check(name: str, said: str) -> None:
    with pytest.raises(ModelError, match=said.replace("(", r"\(").replace(")", r"\)")) as caught:
        ask(name, UNIT)
    assert caught.value.location is not None


def test_a_module_is_as_before() -> None:
    loss = load_own(f"{FILE}:Center", {})
    assert not isinstance(loss, TorchLoss)
    before = loss.found.centers.detach().clone()
    check(Question(loss, TensorSpec((5, 8), "float32", ("batch", "feature")), TensorSpec((5,), "int64")))
    assert loss.found.calls == 0
    assert loss.found.centers.grad is None
    assert torch.equal(loss.found.centers, before)


# ------------------------------------------------------------------------------------------- specs and sizes


def test_names_in_a_spec_come_back_in_the_report() -> None:
    loss = load_own(f"{FILE}:mse", {})
    assert not isinstance(loss, TorchLoss)
    finding = only(check(Question(loss, TensorSpec(("N", 1)), TensorSpec(("N",)))))
    assert [row.axes for row in finding.rows] == [
        (("batch", "N"), ("unit", 1)),
        (("batch", "N"),),
        (("", "N"), ("", "N")),
    ]


def test_large_sizes_are_tried_smaller() -> None:
    loss = load_own(f"{FILE}:focal", {})
    assert not isinstance(loss, TorchLoss)
    output = TensorSpec((64, 10, 512, 512), axes=("batch", "class", "height", "width"))
    result = check(Question(loss, output, TensorSpec((64, 512, 512))))
    assert (result.status, result.tensors["output"].shape) == ("ok", (64, 10, 512, 512))
    assert "tried with smaller sizes than those given" in result.notes


def test_a_loss_that_takes_probabilities_is_given_such_where_nobody_knows_the_values() -> None:
    loss = load_own(f"{FILE}:of_probabilities", {})
    assert not isinstance(loss, TorchLoss)
    result = check(Question(loss, TensorSpec((5, 1)), TensorSpec((5, 1))))
    assert result.status == "ok"
    assert any("between 0 and 1" in note for note in result.notes)


# ------------------------------------------------------------------------------------------- the Python interface


def squared(pred: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    return ((pred - y) ** 2).mean()


def test_check_takes_a_function() -> None:
    report = shapecheck.check(nn.Linear(13, 1), squared, target="N")
    assert [finding.code for finding in report.findings] == ["SC954"]
    assert shapecheck.check(nn.Linear(13, 1), squared, target="N,1").ok


def test_check_tensors_takes_a_function_and_its_keywords() -> None:
    def scaled(pred: torch.Tensor, y: torch.Tensor, by: float = 1.0) -> torch.Tensor:
        return by * ((pred - y) ** 2).mean()

    scores, prices = torch.randn(8, 1), torch.randn(8)
    report = shapecheck.check_tensors(scores, prices, scaled, by=2.0)
    assert [finding.code for finding in report.findings] == ["SC954"]
    assert report.checks[0].location is not None
    assert report.checks[0].location.path.endswith("test_own_loss.py")
    assert shapecheck.check_tensors(scores, prices[:, None], scaled).ok
    with pytest.raises(ModelError, match="takes no keyword 'bye'"):
        shapecheck.check_tensors(scores, prices, scaled, bye=2.0)


def test_a_loss_of_torch_may_be_passed_itself() -> None:
    report = shapecheck.check_tensors(torch.randn(8, 5), torch.randint(0, 5, (8,)), nn.CrossEntropyLoss())
    assert (report.ok, report.checks[0].loss) == (True, "cross_entropy")
    with pytest.raises(UserError, match="not a name or a function"):
        shapecheck.check_tensors(torch.randn(8, 5), torch.randn(8), 3)  # type: ignore[arg-type]


def test_the_threads_of_the_process_are_as_before() -> None:
    threads = torch.get_num_threads()
    shapecheck.check_tensors(torch.randn(8, 1), torch.randn(8, 1), squared)
    assert torch.get_num_threads() == threads


# ------------------------------------------------------------------------------------------- whole commands


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("own")
    shutil.copy(FILE, path / "losses.py")
    (path / "spec.yaml").write_text(
        "checks:\n"
        '- {name: declared, output: "N, C, T", target: "N, T"}\n'
        '- {name: own, loss: "losses.py:mse", output: "64, 1", target: "64"}\n'
        '- {name: ruled, loss: cross_entropy, output: "8, 5", target: "8"}\n'
    )
    return path


Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(folder: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Run:
    monkeypatch.chdir(folder)
    for name in ("FORCE_COLOR", "NO_COLOR", "COLUMNS"):
        monkeypatch.delenv(name, raising=False)

    def call(*arguments: str) -> tuple[int, str, str]:
        capfd.readouterr()
        status = cli.run(list(arguments))
        said = capfd.readouterr()
        assert "Traceback" not in said.out + said.err
        assert "SC999" not in said.out + said.err
        return status, said.out, said.err

    return call


def test_a_model_with_a_loss_of_the_users(run: Run) -> None:
    status, out, _ = run("losses.py:Segmenter", "--loss", "losses.py:dice", "-L", "smooth=2.0")
    assert status == 0
    assert out.startswith("ok: Segmenter output (batch 5, class 4, height ")
    assert "targets it takes: (N, C, H, W) float32" in out
    assert "dice has no rule" in " ".join(out.split())


def test_a_target_that_the_loss_refuses(run: Run) -> None:
    status, out, _ = run("losses.py:Segmenter", "-l", "losses:dice", "-t", "N,H,W")
    text = " ".join(out.split())
    assert status == 1
    assert out.startswith("error[SC950]: dice raises AssertionError with this output and target\n  --> losses.py:")
    assert "loss = dice(output, F.one_hot(target, 4).movedim(-1, 1).float())" in text
    assert "explain: shapecheck explain SC950" in text


def test_several_models_and_codes(run: Run) -> None:
    models = ("losses.py:Price", "losses.py:Embedder")
    status, out, _ = run(*models, "-l", "losses.py:mse", "-t", "N", "--format", "json")
    report = json.loads(out)
    assert status == 1
    assert [[f["code"] for f in check["findings"]] for check in report["checks"]] == [["SC954"], ["SC950"]]
    assert {check["loss"] for check in report["checks"]} == {"losses.py:mse"}
    assert run("losses.py:Price", "-l", "losses.py:mse", "-t", "N", "--ignore", "unintended-pairs", "-q")[0] == 0


def test_what_the_loss_prints_goes_to_standard_error_and_its_exit_ends_nothing(run: Run) -> None:
    status, out, error = run("losses.py:Price", "-l", "losses.py:prints_and_exits")
    assert status == 3
    assert "error[SC907]: prints_and_exits calls sys.exit(4)" in out
    assert "leaving" in error
    assert "leaving" not in out


def test_a_loss_that_loops_is_stopped_where_it_is(run: Run) -> None:
    status, out, _ = run("losses.py:Price", "-l", "losses.py:loops", "--timeout", "4")
    assert (status, "error[SC906]: timed out after 4 s" in out) == (3, True)
    assert "--> losses.py:" in out


def test_a_file_that_does_not_exist_is_wrong_usage(run: Run) -> None:
    status, out, error = run("losses.py:Price", "-l", "loses.py:mse")
    assert (status, out) == (2, "")
    assert "did you mean losses.py?" in error


def test_specs(run: Run) -> None:
    status, out, _ = run("spec.yaml", "-l", "losses.py:focal", "--format", "json")
    declared, own, ruled = json.loads(out)["checks"]
    assert status == 1
    assert (declared["loss"], declared["status"]) == ("losses.py:focal", "ok")
    assert declared["output"]["shape"] == ["N", "C", "T"]
    assert [finding["code"] for finding in own["findings"]] == ["SC954"]
    assert own["location"] == {"path": "spec.yaml", "line": 3}
    assert (ruled["loss"], ruled["status"]) == ("cross_entropy", "ok")


def test_a_loss_of_torch_in_the_users_file(run: Run) -> None:
    status, out, _ = run("losses.py:Segmenter", "-l", "losses.py:criterion", "-t", "N,H,W", "--format", "json")
    (result,) = json.loads(out)["checks"]
    assert (status, result["loss"], result["loss_args"]["label_smoothing"]) == (0, "cross_entropy", 0.1)
    assert result["notes"][0].startswith("losses.py:criterion is torch's CrossEntropyLoss")


def test_trace_and_check_again(run: Run, folder: Path) -> None:
    status, out, _ = run("trace", "losses.py:Embedder", "-l", "losses.py:contrastive")
    assert (status, "loss: losses.py:contrastive" in out) == (0, True)
    (folder / "traced.yaml").write_text(out)
    assert run("traced.yaml")[0] == 0


@pytest.mark.parametrize("code", [code for code in PAGES if code.startswith("SC95")])
def test_every_code_has_its_page(code: str) -> None:
    from shapecheck.pages import check_codes, page

    assert page(code).startswith(f"# {code} {PAGES[code].name} ")
    assert check_codes("--ignore", [code, PAGES[code].name]) == (code, PAGES[code].name)
