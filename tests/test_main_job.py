"""The main job, end to end: a model file and a loss, nothing else."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from helpers import module_at
from torch import nn

from shapecheck import wire
from shapecheck.jobs import run_job

ROOT = Path(__file__).parents[1]
MENDED = ("WaveNetMean", "WaveNetLastStep", "WaveNetAttention", "WaveNetPerStep")
STRANGERS = sorted((ROOT / "tests" / "models").glob("stranger_*.py"))


@pytest.fixture(scope="module")
def reports() -> dict[str, Any]:
    """One run of the command over the WaveNet and its mended forms: target -> check."""
    targets = ["examples/wavenet.py:WaveNet", *(f"examples/wavenet_mended.py:{name}" for name in MENDED)]
    command = [sys.executable, "-m", "shapecheck", *targets, "--loss", "cross_entropy", "--format", "json"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 1, done.stderr
    return {check["name"]: check for check in json.loads(done.stdout)["checks"]}


def test_wavenet_without_any_flag(reports: dict[str, Any]) -> None:
    check = reports["examples/wavenet.py:WaveNet"]
    (finding,) = check["findings"]
    assert (finding["code"], finding["name"], finding["severity"]) == ("SC101", "class-axis-last", "error")
    assert check["output"]["axes"] == ["batch", "time", "class"]
    fixes = {fix["kind"]: fix for fix in finding["fixes"]}
    assert {"mean", "last-step", "attention", "permute"} <= set(fixes)
    assert {fix["verified"] for fix in finding["fixes"]} == {"executed"}
    assert fixes["permute"]["intent"] == "per-position"
    assert {fixes[kind]["intent"] for kind in ("mean", "last-step", "attention")} == {"per-sample"}
    assert [target["shape"] for target in check["accepted_targets"]] == [["N"], ["N", "T"]]


def test_the_code_shown_runs(reports: dict[str, Any]) -> None:
    check = reports["examples/wavenet.py:WaveNet"]
    batch, time, classes = check["output"]["shape"]
    labels = {"per-sample": torch.randint(classes, (batch,)), "per-position": torch.randint(classes, (batch, time))}
    for fix in check["findings"][0]["fixes"]:
        output = torch.randn(batch, time, classes, requires_grad=True)
        names = {"F": F, "nn": nn, "output": output, "target": labels[fix["intent"]]}
        exec(f"{fix['setup']}\n{fix['call']}", names)
        names["loss"].backward()
        assert output.grad is not None


@pytest.mark.parametrize("name", MENDED)
def test_mended_networks_are_clean(reports: dict[str, Any], name: str) -> None:
    check = reports[f"examples/wavenet_mended.py:{name}"]
    assert (check["status"], check["findings"], check["error"]) == ("ok", [], None)


@pytest.mark.parametrize("path", STRANGERS, ids=lambda path: path.stem)
def test_networks_of_strangers(path: Path) -> None:
    expected = module_at(path, f"expectation_of_{path.stem}").EXPECT
    job = {
        "kind": "model",
        "text": f"{path}:{expected['model']}",
        "loss": expected["loss"],
        "loss_args": wire.pack({}),
        "arguments": wire.pack(expected["arg"]),
        "inputs": wire.pack(()),
        "target": None,
        "output": None,
        "classes": None,
        "verify": True,
    }
    result = wire.unpack(run_job(job)["result"])
    assert result.tensors["output"].axes == tuple(expected["output_axes"])
    assert {finding.code for finding in result.findings} == set(expected["codes"])
    executed = [fix for finding in result.findings for fix in finding.fixes if fix.verified == "executed"]
    assert bool(executed) == bool(expected["codes"])


STRIDED = """
from torch import nn

class Patches(nn.Module):
    def __init__(self):
        super().__init__()
        self.cut = nn.Conv2d(3, 4, 2, stride=2)

    def forward(self, image):
        return self.cut(image)
"""


@pytest.mark.parametrize(
    ("inputs", "codes"),
    [((), []), (("N,3,H,W",), ["SC106"])],
    ids=["named by nobody, H and W are the output's", "named in --input, they are the input's"],
)
def test_names_in_the_target(inputs: tuple[str, ...], codes: list[str], tmp_path: Path) -> None:
    file = tmp_path / "patches.py"
    file.write_text(STRIDED, encoding="utf-8")
    given = [word for item in inputs for word in ("--input", item)]
    command = [sys.executable, "-m", "shapecheck", f"{file}:Patches", "-l", "cross_entropy", "-t", "N,H,W", *given]
    done = subprocess.run([*command, "--format", "json"], cwd=ROOT, capture_output=True, text=True, check=False)
    (check,) = json.loads(done.stdout)["checks"]
    assert [finding["code"] for finding in check["findings"]] == codes
    assert any("--target" in note for note in check["notes"]) == (not codes)
