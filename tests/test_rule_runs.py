"""`shapecheck rules test DIR`, `--rules DIR` and the rule files of examples/: whole commands."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

import shapecheck
from shapecheck.errors import UserError
from shapecheck.rule_cases import cases_of
from shapecheck.rule_folders import losses_in

ROOT = Path(__file__).parents[1]
EXAMPLES = ROOT / "examples"


def copied(folder: Path) -> Path:
    """A copy of the rule files of examples/, with their losses beside it."""
    shutil.copy(EXAMPLES / "losses.py", folder)
    shutil.copytree(EXAMPLES / "rules", folder / "rules")
    return folder / "rules"


def run(*arguments: str, folder: Path = ROOT) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "shapecheck", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, cwd=folder, timeout=120, env=None, check=False)
    assert "Traceback" not in done.stdout + done.stderr
    return done


@pytest.fixture
def rules(tmp_path: Path) -> Path:
    return copied(tmp_path)


def changed(path: Path, old: str, new: str) -> int:
    """The line in which a text was replaced."""
    text = path.read_text(encoding="utf-8")
    assert text.count(old) == 1, old
    path.write_text(text.replace(old, new), encoding="utf-8")
    return text[: text.index(old)].count("\n") + 1


# --------------------------------------------------------------------------------------------- rules test


def test_the_rule_files_of_the_examples_hold() -> None:
    done = run("rules", "test", "examples/rules")
    assert (done.returncode, done.stderr) == (0, "")
    dice, focal = done.stdout.splitlines()
    assert dice.startswith("dice_loss: 3 rules, 15 cases, ")
    assert focal.startswith("focal_loss: 3 rules, 12 cases, ")
    assert dice.endswith("checks, all hold")


BROKEN = {
    "a missing finding": ("dice_loss.cases.yaml", 'no roles: {output: "8, 6, 7, 5", target: "8, 6, 7, 5"}', 'no roles: {output: "8, 6, 7, 5", target: "8, 6, 7, 5", gives: [SC602]}', "SC601 no roles: missing SC602"),
    "a noisy finding": ("dice_loss.cases.yaml", 'axes: "batch, height, width, class"}, target: "8, 6, 7: int64", also: [SC602], fix', 'axes: "batch, height, width, class"}, target: "8, 6, 7: int64", fix', "SC601 class indices: noisy SC602"),
    "another first fix": ("focal_loss.cases.yaml", "fix: {change-loss: gamma=2.0}", "fix: {change-loss: gamma=1.0}", "the first fix is {'change-loss': 'gamma=2.0'}, not {'change-loss': 'gamma=1.0'}"),
    "a fix that is wrong": ("dice_loss.yaml", 'apply: {target: "squeeze(one.0).one_hot(class).order(batch, class, *where)"}', 'apply: {target: "squeeze(one.0).shift(1).one_hot(class).order(batch, class, *where)"}', "SC603 pixels: no fix was executed"),
    "an example that does not raise": ("focal_loss.yaml", "loss = focal_loss(output, target, gamma=-1)", "loss = focal_loss(output, target, gamma=1)", "SC613 explain: the example runs, but the rule is of calls that torch rejects"),
    "another way that raises": ("focal_loss.yaml", "loss = focal_loss(output, target, gamma=2.0)", "loss = focal_loss(output, target, gama=2.0)", "SC613 explain: the other way raises TypeError"),
    "words of no torch": ("focal_loss.yaml", "Expected target size [8, 5], got [8, 20]", "Expected a target of size [8, 5]", "SC611: torch says none of the texts under `says`"),
    "a contract that torch does not keep": ("dice_loss.yaml", "output.rank == target.rank and broadcasts(output, target)", "broadcasts(output, target)", "SC909"),
    "a message with a full stop": ("focal_loss.yaml", "message: gamma is {gamma}, but it has to be 0 or more", "message: gamma is {gamma}, but it has to be 0 or more.", "SC613: the message is no lower-case line without a full stop"),
    "a code of ours": ("focal_loss.yaml", "code: SC613", "code: SC101", "SC101 is taken, by SC101 class-axis-last"),
    "a name used twice": ("focal_loss.yaml", "name: focal-classes-last", "name: dice-classes-last", "dice-classes-last is taken, by SC601 dice-classes-last at rules/dice_loss.yaml:"),
    "a case of no rule": ("focal_loss.cases.yaml", "SC612:", "SC621:", "focal_loss has no rule SC621, did you mean SC6"),
    "too few cases": ("focal_loss.cases.yaml", "    zero is cross entropy: {output: \"8, 5\", target: \"8\", loss_args: {gamma: 0}}\n    the default: {output: \"8, 5, 20\", target: \"8, 20\"}\n", "    {}\n", "SC613: 2 cases, at least 3 are due"),
}  # fmt: skip


# These would hide others of the same file or rule.
ALONE = ("a code of ours", "a name used twice", "a contract that torch does not keep")


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], str]:
    """What is told of a mistake in the rule files: of most of them at once."""
    outputs: dict[bool, str] = {}

    def output(name: str) -> str:
        alone = name in ALONE
        if alone not in outputs:
            folder = copied(tmp_path_factory.mktemp("rules"))
            for file, old, new, _ in (BROKEN[each] for each in BROKEN if (each in ALONE) == alone):
                changed(folder / file, old, new)
            done = run("rules", "test", "rules", folder=folder.parent)
            assert (done.returncode, done.stderr) == (1, "")
            outputs[alone] = done.stdout
        return outputs[alone]

    return output


@pytest.mark.parametrize("name", BROKEN)
def test_what_does_not_hold_is_told_with_its_line(name: str, told: Callable[[str], str]) -> None:
    says = BROKEN[name][-1]
    lines = [line for line in told(name).splitlines() if says in line]
    assert lines, told(name)
    assert re.match(r"  rules/\w+(\.cases)?\.yaml:\d+: SC\d{3}", lines[0])


UNREADABLE = {
    "an unknown key": ("focal_loss.yaml", "    severity: error\n    broken", "    severty: error\n    broken", "did you mean 'severity'"),
    "a condition that does not read": ("focal_loss.yaml", "that: gamma >= 0", "that: gamma >", "condition 'gamma >'"),
    "a name that is none": ("focal_loss.yaml", "that: gamma >= 0", "that: gama >= 0", "there is no 'gama'"),
    "a requirement that is none": ("focal_loss.yaml", "broken: gamma-range", "broken: gamma-rnge", "did you mean 'gamma-range'"),
    "a pattern that does not read": ("focal_loss.yaml", "target: batch *where, result", "target: batch *, result", "cannot read"),
    "no YAML": ("focal_loss.yaml", "requires:\n", "requires: [\n", "see 'Writing a rule' in the README"),
    "a key of a case": ("focal_loss.cases.yaml", "loss_args: {gamma: -1}", "loss_arg: {gamma: -1}", "did you mean 'loss_args'"),
    "a size of a case": ("focal_loss.cases.yaml", 'rows: {output: "8, 5"', 'rows: {output: "8, -5"', "negative size"),
}  # fmt: skip


@pytest.mark.parametrize("file, old, new, says", UNREADABLE.values(), ids=UNREADABLE)
def test_a_file_that_cannot_be_read_is_told_with_its_line(
    file: str, old: str, new: str, says: str, rules: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    line = changed(rules / file, old, new)
    monkeypatch.chdir(rules.parent)
    with pytest.raises(UserError) as error:
        list(map(cases_of, losses_in(rules, (rules,))))
    assert says in str(error.value)
    place = error.value.location
    assert place is not None
    assert place.path == f"rules/{file}"
    assert place.line is not None
    assert line - 4 <= place.line <= line + 1  # where the rule it is in begins


def test_a_file_that_cannot_be_read_is_wrong_usage(rules: Path) -> None:
    line = changed(rules / "focal_loss.cases.yaml", "loss_args: {gamma: -1}", "loss_arg: {gamma: -1}")
    done = run("rules", "test", "rules", folder=rules.parent)
    assert (done.returncode, done.stdout) == (2, "")
    assert f"rules/focal_loss.cases.yaml:{line}" in done.stderr


@pytest.mark.parametrize("name, says", [("nowhere", "no such folder: nowhere"), ("empty", "empty has no rule files"), ("losses.py", "is a file, not a folder")])  # fmt: skip
def test_a_folder_without_rule_files_is_wrong_usage(name: str, says: str, rules: Path) -> None:
    (rules.parent / "empty").mkdir()
    for arguments in (["rules", "test", name], ["rules", "--rules", name]):
        done = run(*arguments, folder=rules.parent)
        assert (done.returncode, done.stdout) == (2, "")
        assert says in done.stderr


# ----------------------------------------------------------------------------------- losses of the user's


def _loss(rules: Path, body: str) -> None:
    """In place of focal_loss, something else."""
    path = rules.parent / "losses.py"
    text = path.read_text(encoding="utf-8")
    head, _, rest = text.partition("    if gamma < 0:\n")
    path.write_text(f"{head}{body}    if gamma < 0:\n{rest}", encoding="utf-8")


def test_what_a_loss_prints_goes_to_standard_error(rules: Path) -> None:
    _loss(rules, "    print('hello from the loss')\n")
    done = run("rules", "test", "rules", folder=rules.parent)
    assert done.returncode == 0
    assert "hello from the loss" in done.stderr
    assert "hello" not in done.stdout


@pytest.mark.parametrize(
    "body, says",
    [
        ("    import os; os.abort()\n", "died of SIGABRT"),
        ("    import sys; sys.exit(5)\n", "calls sys.exit(5)"),
        ("    import time; time.sleep(60)\n", "timed out after 5 s"),
    ],
    ids=["crash", "exit", "sleep"],
)
def test_a_loss_that_does_not_come_back_is_a_failure_of_its_rule(body: str, says: str, rules: Path) -> None:
    _loss(rules, body)
    done = run("rules", "test", "rules", "--timeout", "5", "-j", "3", folder=rules.parent)
    assert done.returncode == 1
    assert says in done.stdout
    assert "dice_loss: 3 rules, 15 cases, 117 checks, all hold" in done.stdout


@pytest.mark.parametrize(
    "call, says",
    [("../losses.py:focul_loss", "focul_loss"), ("../losss.py:focal_loss", "no such file"), ("../losses.py:F", "F is")],
    ids=["no such name", "no such file", "no function"],
)
def test_a_call_that_is_none_is_told(call: str, says: str, rules: Path) -> None:
    changed(rules / "focal_loss.yaml", "call: ../losses.py:focal_loss", f"call: {call}")
    done = run("rules", "test", "rules", folder=rules.parent)
    assert done.returncode == 1
    (line,) = [line for line in done.stdout.splitlines() if line.startswith("  ")]
    assert line.startswith("  rules/focal_loss.yaml:2: call: ")
    assert says in line


# ------------------------------------------------------------------------------------------ --rules DIR


def test_a_model_is_checked_by_the_rules_of_a_folder() -> None:
    done = run("examples/segmenter.py:Net", "--loss", "dice_loss", "--rules", "examples/rules")
    assert (done.returncode, done.stderr) == (1, "")
    assert "error[SC601]: class axis is last" in done.stdout
    assert "loss = dice_loss(output.movedim(-1, 1), target)" in done.stdout
    assert "explain: shapecheck explain SC601 --rules examples/rules" in done.stdout
    assert "[executed]" in done.stdout


def test_masks_are_made_of_class_indices() -> None:
    arguments = ("--loss", "dice_loss", "--rules", "examples/rules", "--target", "N,H,W:int64")
    done = run("examples/segmenter.py:NetChannelsFirst", *arguments)
    assert done.returncode == 1
    assert "F.one_hot(target, output.shape[1]).float().movedim(-1, 1)" in done.stdout
    assert "[executed]" in done.stdout


@pytest.mark.parametrize("loss", ["dice_loss", "focal_loss"])
def test_a_model_that_is_right_is_ok(loss: str) -> None:
    done = run("examples/segmenter.py:NetChannelsFirst", "--loss", loss, "--rules", "examples/rules")
    assert done.returncode == 0
    assert done.stdout.startswith("ok: NetChannelsFirst")


@pytest.mark.parametrize("verify", ["--verify", "--no-verify"])
def test_a_spec_is_checked_by_the_rules_of_a_folder(verify: str, rules: Path) -> None:
    spec = rules.parent / "spec.yaml"
    spec.write_text('{loss: dice_loss, output: "8, 5, 6, 7", target: "8, 6, 7: int64"}', encoding="utf-8")
    done = run("spec.yaml", "--rules", "rules", verify, "--format", "concise", folder=rules.parent)
    assert done.returncode == 1
    assert "SC602 error" in done.stdout


def test_rules_and_explain_know_them_and_select_takes_their_codes() -> None:
    assert "SC602  dice-class-indices" in run("rules", "--rules", "examples/rules").stdout
    assert "SC602" not in run("rules").stdout
    page = run("explain", "dice-class-indices", "--rules", "examples/rules")
    assert page.returncode == 0
    assert "Belongs to: dice_loss." in page.stdout
    model = ("examples/segmenter.py:Net", "--loss", "dice_loss", "--rules", "examples/rules")
    assert run(*model, "--ignore", "SC601").returncode == 0
    assert run(*model, "--ignore", "SC6").returncode == 0
    assert run("examples/segmenter.py:Net", "--loss", "mse_loss", "--ignore", "SC601").returncode == 2


def test_without_the_folder_the_loss_is_unknown() -> None:
    done = run("examples/segmenter.py:Net", "--loss", "dice_loss")
    assert done.returncode == 2
    assert "unknown loss 'dice_loss'" in done.stderr


def test_a_mistake_in_a_rule_file_stops_the_check(rules: Path) -> None:
    line = changed(rules / "dice_loss.yaml", "name: dice-classes-last", "nme: dice-classes-last")
    shutil.copy(EXAMPLES / "segmenter.py", rules.parent)
    done = run("segmenter.py:Net", "--loss", "dice_loss", "--rules", "rules", folder=rules.parent)
    assert (done.returncode, done.stdout) == (2, "")
    assert f"rules/dice_loss.yaml:{line - 1}" in done.stderr


def test_the_first_folder_counts(rules: Path) -> None:
    other = rules.parent / "other"
    shutil.copytree(rules, other)
    changed(other / "dice_loss.yaml", "message: class axis is last", "message: classes stand behind")
    arguments = ("--loss", "dice_loss", "--rules", "rules/../other", "--rules", "rules", "--format", "concise")
    shutil.copy(EXAMPLES / "segmenter.py", rules.parent)
    assert "classes stand behind" in run("segmenter.py:Net", *arguments, folder=rules.parent).stdout


def test_from_python() -> None:
    output, target = torch.randn(8, 5, 6, 7), torch.randint(5, (8, 6, 7))
    report = shapecheck.check_tensors(output, target, "dice_loss", rules=[EXAMPLES / "rules"])
    (finding,) = report.findings
    assert (finding.code, finding.fixes[0].verified) == ("SC602", "executed")
    model = torch.nn.Conv2d(3, 5, 3)
    assert shapecheck.check(model, "focal_loss", rules=[str(EXAMPLES / "rules")], target="N,H,W").ok
    with pytest.raises(UserError, match="no such folder"):
        shapecheck.check_tensors(output, target, "dice_loss", rules=["nowhere"])
