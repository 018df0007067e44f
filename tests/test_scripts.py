"""Training scripts of users, tests/scripts: what `shapecheck run` finds in them with nothing but the script.

The manifest says what is wrong with `<id>_bug.py` and at which line; nothing may be said against any `<id>_ok.py`.
Every script is a process of its own that imports torch, so only a choice of them runs by default; `-m slow` has the rest.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from functools import lru_cache
from pathlib import Path
from typing import Any

import pytest
import yaml

SCRIPTS = Path(__file__).parent / "scripts"
MANIFEST: list[dict[str, Any]] = yaml.safe_load((SCRIPTS / "manifest.yaml").read_text(encoding="utf-8"))
SERIOUS = ("error", "warning")
FIRST_FIXES = 3  # a fix further down than this is not what the user reads

# These fixes change the model, the data or an argument; the others are written at the loss call, so they can be run.
NOT_AT_THE_CALL = {
    "change-loss",
    "change-model",
    "drop-sigmoid",
    "drop-softmax",
    "fix-dim",
    "fix-lengths",
    "fix-num-classes",
    "fix-weight",
    "ignore-index",
    "permute-not-view",
    "remap-target",
}


def variants(entry: dict[str, Any]) -> tuple[str, ...]:
    return ("ok",) if entry.get("ok_only") else ("bug", "ok")


def marks(entry: dict[str, Any], variant: str) -> list[pytest.MarkDecorator]:
    """Slow unless the manifest chose it for the default run; a bug known to be missed turns red once it is found."""
    slow = [] if variant in entry.get("quick", ()) else [pytest.mark.slow]
    missed = [pytest.mark.xfail(reason=entry["missed"])] if variant == "bug" and "missed" in entry else []
    return slow + missed


def cases() -> list[Any]:
    return [
        pytest.param(entry, variant, id=f"{entry['id']}-{variant}", marks=marks(entry, variant))
        for entry in MANIFEST
        for variant in variants(entry)
    ]


def serious(report: dict[str, Any]) -> list[tuple[int | None, dict[str, Any]]]:
    """Errors and warnings of a report, each with the line that it names: its own, or that of the loss call."""
    found = []
    for check in report["checks"]:
        for finding in check["findings"]:
            place = finding["location"] or check["location"]
            if finding["severity"] in SERIOUS:
                found.append((place and place["line"], finding))
    return found


def problems_of_bug(entry: dict[str, Any], report: dict[str, Any]) -> list[str]:
    """What the report lacks of an answer to this bug, empty when cause, line and fix are there."""
    found = serious(report)
    lines = {entry["line"], entry["loss_line"], *entry.get("also_lines", ())}
    if not found:
        return ["nothing found"]
    here = [finding for line, finding in found if line in lines]
    if not here:
        return [f"found at lines {[line for line, _ in found]}, wrong are {sorted(lines)}"]
    offered = [fix for finding in here for fix in finding["fixes"][:FIRST_FIXES]]
    accepted = [fix for fix in offered if fix["kind"] in entry["fix_kinds"]]
    if not accepted:
        codes = [finding["code"] for finding in here]
        return [f"{codes} offer {[fix['kind'] for fix in offered]}, helpful are {entry['fix_kinds']}"]
    if all(fix["kind"] not in NOT_AT_THE_CALL and fix["verified"] != "executed" for fix in accepted):
        return [f"{[(fix['kind'], fix['verified']) for fix in accepted]} was not executed"]
    return []


def problems_of_ok(report: dict[str, Any]) -> list[str]:
    """What the report says against a correct script, empty when it is content."""
    alarms = [f"{finding['code']} {finding['message']} (line {line})" for line, finding in serious(report)]
    failed = [f"{check['status']}: {check['error']}" for check in report["checks"] if check["status"] != "ok"]
    return alarms or failed or ([] if report["checks"] else ["no loss call was seen"])


@lru_cache
def importable(package: str) -> bool:
    """Whether it can be imported; asked in a process of its own, for an import may take long or break half way."""
    return subprocess.run([sys.executable, "-c", f"import {package}"], capture_output=True, check=False).returncode == 0


def run(script: Path, folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "shapecheck", "run", "--format", "json", str(script)],
        capture_output=True,
        text=True,
        check=False,
        cwd=folder,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
    )


@pytest.mark.parametrize("entry, variant", cases())
def test_script(entry: dict[str, Any], variant: str, tmp_path: Path) -> None:
    package = entry.get("folder", "")
    if package and not importable(
        {"lightning": "lightning.pytorch", "transformers": "accelerate, transformers"}[package]
    ):
        pytest.skip(f"{package} is not installed")
    done = run(SCRIPTS / package / f"{entry['id']}_{variant}.py", tmp_path)
    assert done.returncode in (0, 1), done.stderr
    report = json.loads(done.stdout)
    if variant == "bug":
        assert problems_of_bug(entry, report) == []
    else:
        assert problems_of_ok(report) == []
        assert done.returncode == 0


def test_manifest_names_lines_of_the_scripts() -> None:
    for entry in MANIFEST:
        folder = SCRIPTS / entry.get("folder", "")
        assert (folder / f"{entry['id']}_ok.py").exists(), entry["id"]
        if not entry.get("ok_only"):
            lines = (folder / f"{entry['id']}_bug.py").read_text(encoding="utf-8").splitlines()
            named = [entry["line"], entry["loss_line"], *entry.get("also_lines", ())]
            assert all(lines[number - 1].strip() for number in named), entry["id"]


def test_every_script_is_in_the_manifest() -> None:
    listed = {
        SCRIPTS / entry.get("folder", "") / f"{entry['id']}_{variant}.py"
        for entry in MANIFEST
        for variant in variants(entry)
    }
    assert listed == set(SCRIPTS.rglob("*.py"))
