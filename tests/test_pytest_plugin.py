"""The pytest plugin in a pytest of its own: what fails, with which words, and what it costs who does not use it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

pytest_plugins = ["pytester"]
ROOT = Path(__file__).parent.parent
PLUGINS = ("-p", "shapecheck.pytest_plugin", "-p", "no:cacheprovider")

TESTS = """
import pytest
import torch
import torch.nn.functional as F
from torch import nn

pytestmark = pytest.mark.filterwarnings("ignore")

def test_model(shapecheck):
    report = shapecheck(nn.Linear(4, 3), "cross_entropy", input=(5, 4), target="N")
    assert report.ok

def test_tensors(shapecheck):
    assert shapecheck.tensors(torch.randn(8, 3), torch.randint(3, (8,))).ok

def test_bad_model(shapecheck):
    shapecheck(nn.Linear(4, 1), "mse_loss", input=(5, 4), target="N")

def test_bad_tensors(shapecheck):
    shapecheck.tensors(torch.zeros(8, 1), torch.zeros(8), "mse_loss")

def test_broken_model(shapecheck):
    shapecheck(nn.Linear(4, 3), "cross_entropy", input=(5, 7))

def test_watched(shapecheck):
    with shapecheck.watch():
        F.mse_loss(torch.zeros(8, 1), torch.zeros(8))

def test_raising(shapecheck):
    with shapecheck.watch():
        F.cross_entropy(torch.zeros(8, 3), torch.zeros(7, dtype=torch.long))
"""
# One row against a whole batch is a warning.
WARNED = """
import pytest
import torch

ROW, BATCH = torch.zeros(1, 5), torch.zeros(8, 5)

def test_lenient(shapecheck):
    report = shapecheck.tensors(ROW, BATCH, "mse_loss")
    assert [finding.severity for finding in report.findings] == ["warning"]

@pytest.mark.shapecheck(strict=True)
def test_strict(shapecheck):
    shapecheck.tensors(ROW, BATCH, "mse_loss")
"""
SPEC = """
checks:
  - {name: good, loss: cross_entropy, output: "32, 10", target: "32"}
  - {loss: cross_entropy, output: "8, 5", target: "9"}
  - {name: good, loss: cross_entropy, output: "32, 10", target: "32"}
  - {name: unreadable, loss: cross_entropy, outpt: "32, 10", target: "32"}
"""


@pytest.fixture
def run(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> pytest.Pytester:
    """A folder for a pytest of its own, which finds us whether we are installed or not."""
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    return pytester


def test_the_fixture(run: pytest.Pytester) -> None:
    run.makepyfile(TESTS)
    result = run.runpytest_subprocess(*PLUGINS)
    result.assert_outcomes(passed=2, failed=5)
    text = result.stdout.str()
    for said in (
        "FAILED test_the_fixture.py::test_bad_model - Failed: error[SC410]",
        "--> test_the_fixture.py:19 mse_loss",
        "FAILED test_the_fixture.py::test_broken_model - Failed: SC",
        "FindingsError: error[SC410]",
        "ValueError: Expected input batch_size",
    ):
        assert said in text
    assert "pytest_plugin.py" not in text, "our own lines are of no use to anyone"


def test_warnings_fail_where_it_is_strict(run: pytest.Pytester) -> None:
    run.makepyfile(WARNED)
    run.runpytest_subprocess(*PLUGINS).assert_outcomes(passed=1, failed=1)
    run.runpytest_subprocess(*PLUGINS, "--shapecheck-strict").assert_outcomes(failed=2)


def test_specs_are_collected_where_asked_for(run: pytest.Pytester) -> None:
    folder = run.mkdir("specs")
    (folder / "a.shapecheck.yaml").write_text(SPEC)
    (folder / "shapecheck.json").write_text('{"loss": "mse_loss", "output": "8, 1", "target": "8, 1"}')
    (folder / "other.yaml").write_text("no: spec")
    run.runpytest_subprocess(*PLUGINS).assert_outcomes()
    result = run.runpytest_subprocess(*PLUGINS, "--shapecheck", "-v")
    result.assert_outcomes(passed=3, failed=2)
    result.stdout.fnmatch_lines(
        [
            "specs/a.shapecheck.yaml::good PASSED*",
            "specs/a.shapecheck.yaml::#2 FAILED*",
            "specs/a.shapecheck.yaml::good-2 PASSED*",
            "specs/a.shapecheck.yaml::unreadable FAILED*",
            "specs/shapecheck.json::#1 PASSED*",
            "error[[]SC105[]]: the output has 8 rows, the target 9",
            "*did you mean 'output'*",
        ]
    )
    run.runpytest_subprocess(*PLUGINS, "--shapecheck", "specs/a.shapecheck.yaml::good").assert_outcomes(passed=1)


def test_what_is_no_spec_is_said(run: pytest.Pytester) -> None:
    (run.path / "shapecheck.yaml").write_text("- 1\n")
    result = run.runpytest_subprocess(*PLUGINS, "--shapecheck")
    result.assert_outcomes(errors=1)
    assert "Traceback" not in result.stdout.str()
    assert "holds no mapping" in result.stdout.str()


def test_xdist_spreads_the_checks(run: pytest.Pytester) -> None:
    checks = ["  - {loss: cross_entropy, output: '32, 10', target: '32'}"] * 6
    (run.path / "shapecheck.yaml").write_text("\n".join(["checks:", *checks]))
    result = run.runpytest_subprocess(*PLUGINS, "-p", "xdist", "--shapecheck", "-n", "2", "-v")
    result.assert_outcomes(passed=6)
    assert {"[gw0]", "[gw1]"} <= set(result.stdout.str().split())


def test_it_is_an_entry_point_that_costs_nothing() -> None:
    project = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    assert '[project.entry-points.pytest11]\nshapecheck = "shapecheck.pytest_plugin"\n' in project
    code = """
import sys, pytest
known = set(sys.modules)
import shapecheck.pytest_plugin
ours = {name for name in set(sys.modules) - known if name.partition(".")[0] in ("shapecheck", "torch", "yaml", "rich")}
assert ours == {"shapecheck", "shapecheck.pytest_plugin"}, ours
"""
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True, timeout=60)
