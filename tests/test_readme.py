"""The README's commands, outputs and code are run; `--bless` rewrites the outputs and the rules table."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from shapecheck.rules import ANY_LOSS, Rule, all_losses, holder_rules, model_rules, number_rules

ROOT = Path(__file__).parents[1]
README = ROOT / "README.md"
CONSOLE = re.compile(r"```console\n\$ (?P<command>.+)\n(?P<output>(?:.*\n)*?)```\n")
TABLE = re.compile(r"<!-- rules -->\n(?P<table>(?:.*\n)*?)<!-- /rules -->")
PYTHON = re.compile(r"```python\n(?P<code>(?:.*\n)*?)```\n")
NUMBER = re.compile(r"\d+\.\d{3,}")


def run(command: str) -> str:
    """Standard output of a `shapecheck ...` command, run at the root of the project."""
    words = shlex.split(command)
    assert words[0] == "shapecheck"
    done = subprocess.run([sys.executable, "-m", *words], cwd=ROOT, capture_output=True, text=True, check=False)
    assert "Traceback" not in done.stderr
    return done.stdout


def rounded(text: str) -> str:
    """Losses to two decimals: the last digits depend on the processor."""
    return NUMBER.sub(lambda match: f"{float(match.group()):.2f}", text)


def commands() -> list[str]:
    return [match["command"] for match in CONSOLE.finditer(README.read_text(encoding="utf-8"))]


@pytest.mark.parametrize("command", commands())
def test_output_is_as_shown(command: str, request: pytest.FixtureRequest) -> None:
    text = README.read_text(encoding="utf-8")
    output = run(command)
    if request.config.getoption("--bless"):
        README.write_text(
            CONSOLE.sub(
                lambda match: (
                    f"```console\n$ {command}\n{output}```\n" if match["command"] == command else match.group()
                ),
                text,
            ),
            encoding="utf-8",
        )
        return
    shown = next(match["output"] for match in CONSOLE.finditer(text) if match["command"] == command)
    assert rounded(output) == rounded(shown)


def _row(name: str, path: str, rules: Sequence[Rule]) -> str:
    """`| mse_loss | 23 | every-pair-compared, ... |`"""
    silent = [rule.name for rule in rules if rule.code.startswith("SC4") and rule.contract != "rejects"]
    return f"| [{name}](rules/{path}.yaml) | {len(rules)} | {', '.join(silent)} |"


def _rows() -> Iterator[str]:
    """The rules of each loss, and those of any."""
    yield from (_row(loss.name, loss.name, loss.rules) for loss in all_losses())
    yield _row(f"{ANY_LOSS}: what is no tensor", "families/holders", holder_rules())
    yield _row(f"{ANY_LOSS}: what is no number", "families/numbers", number_rules())
    yield _row(f"{ANY_LOSS}: the model itself", "families/model", model_rules())


def test_rules_table_is_up_to_date(request: pytest.FixtureRequest) -> None:
    header = "| loss | findings | of what torch computes all the same |\n|---|---|---|\n"
    table = header + "\n".join(_rows()) + "\n"
    text = README.read_text(encoding="utf-8")
    if request.config.getoption("--bless"):
        README.write_text(TABLE.sub(lambda _: f"<!-- rules -->\n{table}<!-- /rules -->", text), encoding="utf-8")
        return
    found = TABLE.search(text)
    assert found is not None
    assert found["table"] == table


def test_python_example_runs() -> None:
    (match,) = PYTHON.finditer(README.read_text(encoding="utf-8"))
    done = subprocess.run([sys.executable, "-c", match["code"]], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "SC101" in done.stdout


def test_spec_example_is_read(tmp_path: Path) -> None:
    found = re.search(r"```yaml\n((?:.*\n)*?)```", README.read_text(encoding="utf-8"))
    assert found is not None
    spec = tmp_path / "spec.yaml"
    spec.write_text(found[1], encoding="utf-8")
    command = [sys.executable, "-m", "shapecheck", str(spec), "--format", "concise"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (1, "")
    assert "SC102" in done.stdout
