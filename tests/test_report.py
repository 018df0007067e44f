"""The JSON report is a promise: schema 1, key by key, for checks of every kind and from every source."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from shapecheck import runs, wire
from shapecheck.errors import Location, ModelError, UserError
from shapecheck.render import json as json_format
from shapecheck.report import CheckResult, Finding, Report, select
from shapecheck.rules import FIX_KINDS
from shapecheck.specs import DTYPES, ROLES

SIZES = {"type": "array", "items": {"anyOf": [{"type": "integer", "minimum": 0}, {"type": "string", "minLength": 1}]}}
TEXT = {"type": "string", "minLength": 1}
ORIGIN = {"enum": ["flag", "spec", "model", "data", "inferred", "assumed"]}
DTYPE = {"enum": list(DTYPES)}


def closed(**properties: Any) -> dict[str, Any]:
    """A mapping with exactly these keys: a new one is added here too, a lost one is a broken promise."""
    keys = [name.rstrip("_") for name in properties]
    return {
        "type": "object",
        "properties": dict(zip(keys, properties.values(), strict=True)),
        "required": keys,
        "additionalProperties": False,
    }


def or_null(schema: dict[str, Any]) -> dict[str, Any]:
    return {"anyOf": [schema, {"type": "null"}]}


PLACE = closed(path=TEXT, line=or_null({"type": "integer", "minimum": 1}))
FIX = closed(
    kind={"enum": list(FIX_KINDS)},
    title=TEXT,
    applies_to=TEXT,
    intent=or_null({"enum": ["per-sample", "per-position"]}),
    code=TEXT,
    call={"type": "string"},
    setup={"type": "string"},
    line={"type": "string"},
    verified={"enum": ["executed", "contract", "no"]},
    proof={"type": "string"},
    trap={"type": "string"},
    output_shape=or_null(SIZES),
    target_shape=or_null(SIZES),
)
FINDING = closed(
    code={"type": "string", "pattern": r"^SC\d{3}$"},
    name={"type": "string", "pattern": "^[a-z0-9]+(-[a-z0-9]+)*$"},
    severity={"enum": ["error", "warning", "note"]},
    message=TEXT,
    why={"type": "string"},
    torch_says={"type": "string"},
    location=or_null(PLACE),
    fixes={"type": "array", "items": FIX},
)
CHECK = closed(
    name=TEXT,
    loss={"type": "string"},
    loss_args={"type": "object"},
    location=or_null(PLACE),
    status={"enum": ["ok", "findings", "error"]},
    arguments={
        "type": "array",
        "items": closed(name=TEXT, value={}, origin={"enum": ["flag", "call", "guessed"]}, location=or_null(PLACE)),
    },
    contract={"enum": ["accepts", "rejects", "unknown"]},
    contract_note={"type": "string"},
    inputs={"type": "array", "items": closed(name=TEXT, shape=SIZES, dtype=DTYPE, origin=ORIGIN)},
    output=or_null(
        closed(
            path={"type": "string"},
            shape=SIZES,
            dtype=or_null(DTYPE),
            axes=or_null({"type": "array", "items": {"enum": list(ROLES)}}),
        )
    ),
    target=or_null(closed(shape=SIZES, dtype=or_null(DTYPE), origin=ORIGIN)),
    tensors={"type": "object", "additionalProperties": closed(shape=SIZES, dtype=or_null(DTYPE), origin=ORIGIN)},
    accepted_targets={"type": "array", "items": closed(shape=SIZES, dtype=DTYPE, meaning=TEXT)},
    findings={"type": "array", "items": FINDING},
    notes={"type": "array", "items": TEXT},
    error=or_null(
        closed(
            code={"type": "string", "pattern": r"^SC9\d\d$"},
            message=TEXT,
            hint=or_null({"type": "string"}),
            location=or_null(PLACE),
        )
    ),
    engine={"enum": ["real", "fake", "none"]},
    elapsed_ms={"type": "integer", "minimum": 0},
)
COUNT = {"type": "integer", "minimum": 0}
SCHEMA = closed(
    shapecheck={"type": "string", "pattern": r"^\d+\.\d+\.\d+"},
    schema={"const": 1},
    checks={"type": "array", "items": CHECK},
    summary=closed(checks=COUNT, ok=COUNT, findings=COUNT, errors=COUNT),
)

MODELS = """
import torch
from torch import nn

class Steps(nn.Module):
    def __init__(self, n_classes: int = 10):
        super().__init__()
        self.conv = nn.Conv1d(1, n_classes, 3, padding=1)
    def forward(self, x):
        return self.conv(x).transpose(1, 2)

class Fits(Steps):
    def forward(self, x):
        return self.conv(x)

class Softmax(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(13, 7)
    def forward(self, features):
        return self.layer(features).softmax(dim=1)

class Structured(Softmax):
    def forward(self, features):
        return {"logits": self.layer(features), "loss": None}

class Raises(Softmax):
    def __init__(self):
        raise RuntimeError("not today")
"""
CALLS = ("Steps", "Fits", "Softmax", "Structured", "Raises", "Absent")
SPECS = {
    "fits": "{loss: cross_entropy, output: [4, 10], target: [4]}",
    "named sizes": '{loss: nll_loss, output: "N, T, C", target: "N, T"}',
    "without target": "{loss: cross_entropy, output: {shape: [4, 9, 10], axes: [batch, time, class]}}",
    "several findings": "{loss: cross_entropy, output: [4, 9, 10], target: {shape: [4, 9], dtype: float32}}",
    "values": "{loss: cross_entropy, output: [4, 10], target: {shape: [4], min: 1, max: 10}}",
    "keywords": "{loss: cross_entropy, output: [4, 10], target: [4], loss_args: {weight: [9], reduction: sum}}",
    "nothing in it": "{loss: cross_entropy, output: [0, 0], target: [0]}",
    "scalars": "{loss: cross_entropy, output: [], target: []}",
    "misspelt": "{loss: cros_entropy, output: [4]}",
    "not a mapping": "3",
    "not a number": "{loss: cross_entropy, output: [4, 10], target: [4], loss_args: {label_smoothing: .nan}}",
    "an odd name": '{name: "\\e[31m\\u202e", loss: cross_entropy, output: [4, 10], target: [4]}',
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("report")
    (path / "models.py").write_text(MODELS)
    (path / "specs.yaml").write_text("checks:\n" + "".join(f"- {spec}\n" for spec in SPECS.values()))
    return path


@pytest.fixture(scope="module")
def of_models(folder: Path) -> dict[str, Any]:
    """One command with a target for each kind of outcome."""
    targets = [*(f"models.py:{name}" for name in CALLS), "absent.py:Net", "specs.yaml"]
    command = [sys.executable, "-m", "shapecheck", *targets, "--loss", "cross_entropy", "--format", "json"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 3, done.stderr
    parsed: dict[str, Any] = json.loads(done.stdout)
    return parsed


def of_specs(folder: Path) -> dict[str, Any]:
    report = runs.run(runs.Request((str(folder / "specs.yaml"),)))
    parsed: dict[str, Any] = json.loads(json_format.render(report))
    return parsed


def check_of(report: dict[str, Any], name: str) -> dict[str, Any]:
    (found,) = [check for check in report["checks"] if check["name"] == name]
    return dict(found)


def test_the_schema_is_one() -> None:
    jsonschema.Draft202012Validator.check_schema(SCHEMA)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({"schema": 1}, SCHEMA)


def test_models_and_specs_keep_to_it(of_models: dict[str, Any]) -> None:
    jsonschema.validate(of_models, SCHEMA)
    assert len(of_models["checks"]) == len(CALLS) + 1 + len(SPECS)


def test_specs_without_torch_keep_to_it(folder: Path) -> None:
    report = of_specs(folder)
    jsonschema.validate(report, SCHEMA)
    assert {check["engine"] for check in report["checks"]} == {"none"}


def test_summary_counts_each_check_once(of_models: dict[str, Any]) -> None:
    statuses = [check["status"] for check in of_models["checks"]]
    assert of_models["summary"] == {
        "checks": len(statuses),
        "ok": statuses.count("ok"),
        "findings": statuses.count("findings"),
        "errors": statuses.count("error"),
    }
    assert {check["status"] for check in of_models["checks"] if check["findings"]} == {"findings"}
    assert all((check["error"] is not None) == (check["status"] == "error") for check in of_models["checks"])


def test_checks_stand_in_the_order_asked_for(of_models: dict[str, Any], folder: Path) -> None:
    names = [check["name"] for check in of_models["checks"]]
    assert names[: len(CALLS)] == [f"models.py:{name}" for name in CALLS]
    assert names[len(CALLS) : len(CALLS) + 3] == ["absent.py:Net", "specs.yaml", "specs.yaml#2"]


def test_a_model_with_a_finding(of_models: dict[str, Any]) -> None:
    check = check_of(of_models, "models.py:Steps")
    assert check["location"] == {"path": "models.py", "line": 5}
    assert check["status"] == "findings"
    assert check["engine"] == "real"
    (given,) = check["inputs"]
    assert (given["name"], given["origin"]) == ("x", "inferred")
    assert check["output"]["axes"] == ["batch", "time", "class"]
    assert check["target"]["origin"] == "assumed"
    finding = check["findings"][0]
    assert (finding["code"], finding["name"], finding["severity"]) == ("SC101", "class-axis-last", "error")
    assert {fix["intent"] for fix in finding["fixes"]} == {"per-sample", "per-position"}
    assert {fix["verified"] for fix in finding["fixes"]} == {"executed"}
    permute = finding["fixes"][0]
    batch, time, classes = check["output"]["shape"]
    assert (permute["kind"], permute["code"]) == ("permute", "output.movedim(-1, 1)")
    assert (permute["output_shape"], permute["target_shape"]) == ([batch, classes, time], [batch, time])


def test_a_model_without(of_models: dict[str, Any]) -> None:
    check = check_of(of_models, "models.py:Fits")
    assert (check["status"], check["contract"], check["findings"], check["error"]) == ("ok", "unknown", [], None)
    assert check["target"] is None
    assert check["accepted_targets"][0] == {
        "shape": ["N", "T"],
        "dtype": "int64",
        "meaning": "one class index per position",
    }


def test_the_line_to_change_and_the_line_of_the_class(of_models: dict[str, Any]) -> None:
    check = check_of(of_models, "models.py:Softmax")
    (finding,) = check["findings"]
    assert check["location"]["line"] == 16
    assert finding["location"] == {"path": "models.py", "line": 21}


def test_the_path_of_a_structured_output(of_models: dict[str, Any]) -> None:
    assert check_of(of_models, "models.py:Structured")["output"]["path"] == "logits"


@pytest.mark.parametrize(
    ("name", "code", "path", "line"),
    [
        ("models.py:Raises", "SC903", "models.py", 29),
        ("models.py:Absent", "SC901", "models.py", None),
        ("absent.py:Net", "SC901", "absent.py", None),
        ("specs.yaml#9", "SC910", "specs.yaml", 10),
        ("specs.yaml#10", "SC910", "specs.yaml", None),
    ],
)
def test_what_was_not_done_is_null(
    of_models: dict[str, Any], name: str, code: str, path: str, line: int | None
) -> None:
    check = check_of(of_models, name)
    assert check["error"]["code"] == code
    assert check["error"]["hint"]
    assert check["location"] == {"path": path, "line": line}
    assert (check["status"], check["contract"], check["engine"]) == ("error", "unknown", "none")
    assert (check["output"], check["target"]) == (None, None)
    assert check["inputs"] == check["findings"] == check["accepted_targets"] == []


def test_numbers_that_json_has_not() -> None:
    report = Report((CheckResult("a", "cross_entropy", {"label_smoothing": float("nan")}),), "0.1.0")
    assert json.loads(json_format.render(report))["checks"][0]["loss_args"] == {"label_smoothing": "nan"}


def test_reports_and_values_cross_processes_whole() -> None:
    values = {"a": [1, (2.5, None)], 1: {"b": float("-inf")}, "~": "map", "empty": [[], (), {}]}
    result = CheckResult(
        "a", "b", values, Location("a.py", 3), findings=(finding("error"),), error=UserError("no", "hint")
    )
    again = wire.unpack(json.loads(json.dumps(wire.pack(result))))
    assert again.loss_args == values
    assert again.to_dict() == result.to_dict()
    assert type(again.error) is UserError


def finding(severity: str, code: str = "SC101", name: str = "class-axis-last") -> Finding:
    return Finding(code, name, severity, "something is wrong")


@pytest.mark.parametrize(
    ("check", "status", "exit_code", "strict"),
    [
        (CheckResult("a", "b"), "ok", 0, 0),
        (CheckResult("a", "b", findings=(finding("note"),)), "ok", 0, 0),
        (CheckResult("a", "b", findings=(finding("warning"),)), "findings", 0, 1),
        (CheckResult("a", "b", findings=(finding("warning"), finding("error"))), "findings", 1, 1),
        (CheckResult("a", "b", error=UserError("no")), "error", 2, 2),
        (CheckResult("a", "b", error=ModelError("no")), "error", 3, 3),
    ],
)
def test_status_and_exit_code(check: CheckResult, status: str, exit_code: int, strict: int) -> None:
    assert check.status == status
    for code, is_strict in ((exit_code, False), (strict, True)):
        report = Report((CheckResult("clean", "b"), check), "0.1.0", is_strict)
        assert (report.exit_code, report.ok) == (code, code == 0)


@pytest.mark.parametrize(
    ("chosen", "ignored", "left"),
    [
        ((), (), "SC101 SC102 SC201"),
        (("SC1",), (), "SC101 SC102"),
        (("sc102",), (), "SC102"),
        (("float-labels", "SC101"), (), "SC101 SC201"),
        ((), ("SC10",), "SC201"),
        ((), ("float-labels",), "SC101 SC102"),
        (("ALL",), ("SC2",), "SC101 SC102"),
        (("SC1",), ("SC101",), "SC102"),
        ((), ("ALL",), ""),
    ],
)
def test_select_and_ignore(chosen: tuple[str, ...], ignored: tuple[str, ...], left: str) -> None:
    found = (finding("error"), finding("error", "SC102", "output-per-step"), finding("error", "SC201", "float-labels"))
    result = select(CheckResult("a", "b", findings=found), chosen, ignored)
    assert [kept.code for kept in result.findings] == left.split()
