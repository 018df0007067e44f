"""The output spec: what is read, what is refused and where, and that nothing random gets further than a message."""

from __future__ import annotations

import io
import json
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shapecheck import cli, spec_files
from shapecheck.errors import UserError
from shapecheck.spec_files import Entry
from shapecheck.specs import DTYPES, INTENTS, ROLES, VALUES, Subject, TensorSpec

GOOD = {"loss": "cross_entropy", "output": {"shape": [4, 10]}, "target": {"shape": [4]}}


@pytest.fixture(scope="module")
def spec_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("specs") / "spec.yaml"


def read(path: Path, text: str, loss: str | None = None) -> list[Entry]:
    path.write_text(text)
    return spec_files.read(str(path), loss)


def subject_of(path: Path, text: str) -> Subject:
    (entry,) = read(path, text)
    if entry.error is not None:
        raise entry.error
    assert entry.subject is not None
    return entry.subject


def test_the_example_of_the_documentation(spec_path: Path) -> None:
    subject = subject_of(
        spec_path,
        """
shapecheck: 1
checks:
  - name: wavenet
    loss: cross_entropy
    loss_args: {ignore_index: -100, reduction: mean, weight: {shape: [10]}}
    output: {shape: [32, 10, 10], dtype: float32, axes: [batch, time, class]}
    target: {shape: [32], dtype: int64, min: 0, max: 9}
""",
    )
    assert (subject.name, subject.loss) == ("wavenet", "cross_entropy")
    assert subject.loss_args == {"ignore_index": -100, "reduction": "mean", "weight": {"shape": [10]}}
    assert subject.tensors["output"] == TensorSpec((32, 10, 10), "float32", ("batch", "time", "class"))
    assert subject.tensors["target"] == TensorSpec((32,), "int64", minimum=0, maximum=9)
    assert subject.location is not None
    assert subject.location.line == 4


@pytest.mark.parametrize(
    ("written", "shape", "dtype"),
    [
        ('"N, T, 10 : float32"', ("N", "T", 10), "float32"),
        ('"N,T,10"', ("N", "T", 10), None),
        ("[4, N]", (4, "N"), None),
        ("10", (10,), None),
        ("[]", (), None),
        ('{shape: "N, 3 : long"}', ("N", 3), "int64"),
        ('{shape: "N, 3 : long", dtype: torch.int32}', ("N", 3), "int32"),
        ("{shape: []}", (), None),
    ],
)
def test_notations_of_a_tensor(spec_path: Path, written: str, shape: tuple[Any, ...], dtype: str | None) -> None:
    tensor = subject_of(spec_path, f"loss: nll_loss\noutput: {written}").tensors["output"]
    assert (tensor.shape, tensor.dtype) == (shape, dtype)


def test_json_alone_at_the_top(spec_path: Path) -> None:
    assert subject_of(spec_path, json.dumps(GOOD)).tensors["target"].shape == (4,)


def test_names_of_checks(spec_path: Path) -> None:
    entries = read(spec_path, json.dumps({"checks": [GOOD, GOOD, {**GOOD, "name": "third"}, 3]}))
    assert [entry.name for entry in entries] == [str(spec_path), f"{spec_path}#2", "third", f"{spec_path}#4"]


def test_one_wrong_check_leaves_the_others(spec_path: Path) -> None:
    wrong, right = read(spec_path, "checks:\n- {loss: mse_loss, ouput: [4]}\n- {loss: mse_loss, output: [4]}\n")
    assert wrong.error is not None
    assert wrong.error.message == "unknown key 'ouput' in a check"
    assert right.subject is not None


@pytest.mark.parametrize(
    ("text", "message", "hint", "line"),
    [
        ("", "is empty", "write `loss:`", None),
        ("# only\n# comments\n", "is empty", "write `loss:`", None),
        ("---\n", "is empty", "write `loss:`", None),
        ("- loss: a", "holds no mapping", "a list under `checks:`", None),
        ("just text", "holds no mapping", "write `loss:`", None),
        ("shapecheck: 2\nchecks: []", "has format 2, this version reads 1", None, None),
        ("shapecheck: true\nchecks: []", "has format True", None, None),
        ("checks:", "`checks:` is no list of checks", "write `checks:`", None),
        ("checks: []", "`checks:` is no list of checks", "write `checks:`", None),
        ("checks: {loss: a}", "`checks:` is no list of checks", "write `checks:`", None),
        ("\nlos: a\noutput: [1]", "unknown key 'los'", "did you mean 'loss'?", 2),
        ("check:\n- loss: a", "unknown key 'check'", "did you mean 'checks'?", 1),
        (
            "checks:\n- loss: a\nloss: b",
            "unknown key 'loss' in a spec with `checks:`",
            "allowed: shapecheck, checks",
            1,
        ),
    ],
)
def test_files_refused(spec_path: Path, text: str, message: str, hint: str | None, line: int | None) -> None:
    with pytest.raises(UserError) as caught:
        read(spec_path, text)
    assert message in caught.value.message
    assert (hint or "") in (caught.value.hint or "")
    assert caught.value.location is not None
    assert caught.value.location.path == str(spec_path)
    assert caught.value.location.line == line


@pytest.mark.parametrize(
    ("check", "message", "hint"),
    [
        ("3", "a check is a mapping", "loss"),
        ("{output: [4]}", "the check names no loss", "--loss"),
        ("{loss: [a], output: [4]}", "the check names no loss", "--loss"),
        ("{loss: a}", "the check has no output", "write output:"),
        ("{loss: a, output: null}", "the check has no output", "write output:"),
        ("{loss: a, outptu: [4]}", "unknown key 'outptu' in a check", "did you mean 'output'?"),
        ("{loss: a, 1: 2}", "unknown key 1 in a check", "allowed: name, loss"),
        ("{loss: a, output: [4], loss_args: [1]}", "`loss_args` is no mapping", "write loss_args:"),
        ("{loss: a, output: [4], tensors: [1]}", "`tensors` is no mapping", "write tensors:"),
        ("{loss: a, output: [4], intent: per-smaple}", "unknown intent 'per-smaple'", "did you mean 'per-sample'?"),
        ("{loss: a, output: [4], classes: 0}", "`classes` is 0, not a number of classes", "from 1 up"),
        ("{loss: a, output: [4], classes: many}", "`classes` is 'many', not a number of classes", "from 1 up"),
        ("{loss: a, output: true}", "`output` is True, no tensor", 'output: "N, C : float32"'),
        ("{loss: a, output: 1.5}", "`output` is 1.5, no tensor", 'output: "N, C : float32"'),
        ("{loss: a, output: {dtype: float32}}", "`output` has no shape", "write output: {shape: [32, 10]}"),
        ("{loss: a, output: {shap: [4]}}", "unknown key 'shap' in `output`", "did you mean 'shape'?"),
        ("{loss: a, output: [4, -10]}", "`output` has the negative size -10", "write a name"),
        ("{loss: a, output: [1000000000000000]}", "a size of 1000000000000000, more than any tensor", "the largest is"),
        ("{loss: a, output: [4, 1.5]}", "1.5 is not a size in `output`", "a whole number or a name"),
        ("{loss: a, output: [true]}", "True is not a size in `output`", "a whole number or a name"),
        ("{loss: a, output: [[4]]}", "[4] is not a size in `output`", "a whole number or a name"),
        ("{loss: a, output: 'N; 4'}", "'N; 4' is not a size in `output`", "separated by commas"),
        ("{loss: a, output: {shape: null}}", "None is not a size in `output`", "a whole number or a name"),
        ("{loss: a, output: 'N : flaot32'}", "unknown dtype 'flaot32'", "did you mean 'float32'?"),
        ("{loss: a, output: {shape: [4], dtype: 3}}", "unknown dtype '3'", "allowed: float16"),
        ("{loss: a, output: {shape: [4, 2], axes: [batch]}}", "`output` has 2 sizes, but axes: ['batch']", "one role"),
        ("{loss: a, output: {shape: [4], axes: [bacth]}}", "unknown axis 'bacth' of `output`", "did you mean 'batch'?"),
        ("{loss: a, output: {shape: [4], axes: 3}}", "`output` has 1 sizes, but axes: 3", "one role"),
        ("{loss: a, output: {shape: [4], min: low}}", "`output` has min: 'low', no number", ""),
        ("{loss: a, output: {shape: [4], min: 3, max: 1}}", "`output` has min 3 above max 1", "swap them"),
        ("{loss: a, output: {shape: [4], values: logit}}", "unknown values 'logit' of `output`", "mean 'logits'?"),
        ("{loss: a, output: {shape: [4], values: [1]}}", "unknown values [1] of `output`", "allowed: logits"),
        (f"{{loss: a, output: {list(range(1, 27))}}}", "`output` has 26 axes, more than the 25", "the brackets"),
    ],
)
def test_checks_refused(spec_path: Path, check: str, message: str, hint: str) -> None:
    (_, entry) = read(spec_path, f"checks:\n- {{loss: a, output: [4]}}\n- {check}\n")
    assert entry.error is not None
    assert message in entry.error.message
    assert hint in (entry.error.hint or "")
    assert entry.error.location is not None
    assert entry.error.location.path == str(spec_path)
    assert entry.error.location.line == (3 if check.startswith("{") else None)


def test_a_loss_of_the_command_line_is_for_checks_that_name_none(spec_path: Path) -> None:
    first, second = read(spec_path, "checks:\n- {output: [4]}\n- {loss: a, output: [4]}\n", loss="b")
    assert first.subject is not None
    assert second.subject is not None
    assert (first.subject.loss, second.subject.loss) == ("b", "a")


def test_what_is_written_reads_back(spec_path: Path) -> None:
    tensors = {
        "output": TensorSpec((5, "T", 10), "float32", ("batch", "time", "class"), values="logits"),
        "target": TensorSpec((5,), "int64", minimum=0, maximum=9),
    }
    written = Subject("nll_loss", tensors, {"reduction": "sum", "weight": {"shape": [10]}}, name="a: name", classes=10)
    again = subject_of(spec_path, spec_files.write(written))
    assert again.tensors == written.tensors
    assert (again.loss, again.loss_args, again.name) == (written.loss, written.loss_args, written.name)
    assert again.classes == 10


# -------------------------------------------------------------------------------------- anything at all

scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-3, 12),
    st.integers(),
    st.floats(),
    st.text(max_size=5),
    st.sampled_from(["cross_entropy", "nll_loss", "N", "N, C", "N, T, 10 : float32", "mean", "none", "batch", "~"]),
)
anything = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5) | scalars, inner, max_size=4),
    max_leaves=12,
)
sizes = st.integers(0, 6) | st.sampled_from(["N", "C", "T"]) | scalars
shapes = (
    st.lists(sizes, max_size=5) | st.sampled_from(["N, C", "N,T", "", "4, 10 : int64", "N, C : float64"]) | anything
)


def mostly(keys: dict[str, st.SearchStrategy[Any]]) -> st.SearchStrategy[dict[Any, Any]]:
    """A mapping with some of the keys, each mostly right and sometimes anything."""
    return st.fixed_dictionaries({}, optional={key: value | anything for key, value in keys.items()})


tensors = st.one_of(
    shapes,
    mostly(
        {
            "shape": shapes,
            "dtype": st.sampled_from(DTYPES),
            "axes": st.lists(st.sampled_from(ROLES), max_size=5),
            "min": st.integers(-2, 12) | st.floats(),
            "max": st.integers(-2, 12) | st.floats(),
            "classes": st.integers(-1, 12),
            "values": st.sampled_from(VALUES),
        }
    ),
)
arguments = mostly(
    {
        "weight": shapes | tensors,
        "reduction": st.sampled_from(["mean", "none", "sum", "other"]),
        "ignore_index": st.integers(),
        "label_smoothing": st.floats(),
        "size_average": st.booleans(),
        "reduce": st.booleans(),
        "other": anything,
    }
)
checks = mostly(
    {
        "name": st.text(max_size=5),
        "loss": st.sampled_from(["cross_entropy", "nll_loss", "F.cross_entropy", "cros_entropy"]),
        "loss_args": arguments,
        "output": tensors,
        "target": tensors,
        "tensors": st.dictionaries(st.sampled_from(["output", "target", "anchor"]), tensors, max_size=3),
        "intent": st.sampled_from(INTENTS),
        "classes": st.integers(-1, 12),
    }
)
documents = st.one_of(checks, mostly({"shapecheck": st.just(1), "checks": st.lists(checks, max_size=3)}), anything)


@pytest.fixture(autouse=True)
def plain_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("FORCE_COLOR", "COLUMNS"):
        monkeypatch.delenv(name, raising=False)


@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(document=documents, format=st.sampled_from(["text", "json", "concise"]))
def test_any_document_ends_in_a_report(spec_path: Path, document: Any, format: str) -> None:
    spec_path.write_text(json.dumps(document))
    out, err = io.StringIO(), io.StringIO()
    with redirect_stdout(out), redirect_stderr(err):
        status = cli.run(["check", str(spec_path), "--format", format])
    said = out.getvalue() + err.getvalue()
    assert status in (0, 1, 2), said
    assert "SC999" not in said
    assert "Traceback" not in said
    assert err.getvalue() == ""
    if format == "json":
        assert json.loads(out.getvalue())["schema"] == 1
