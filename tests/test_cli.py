"""The whole command: exit status, what goes to which stream, and every kind of bad input."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from shapecheck import cli
from shapecheck.version import __version__

ENVIRONMENT = {key: value for key, value in os.environ.items() if key not in ("FORCE_COLOR", "NO_COLOR", "COLUMNS")}
posix = pytest.mark.skipif(os.name != "posix", reason="needs a POSIX shell")

MODELS = """
import sys
import torch
from torch import nn

print("imported")

class Steps(nn.Module):
    def __init__(self, n_classes: int = 10):
        super().__init__()
        self.conv = nn.Conv1d(1, n_classes, 3, padding=1)
    def forward(self, x):
        print("forward", file=sys.stdout)
        return self.conv(x).transpose(1, 2)

class Fits(Steps):
    def forward(self, x):
        return self.conv(x)

class Probabilities(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(13, 7)
    def forward(self, features):
        return self.layer(features).softmax(dim=1)

class Structured(Probabilities):
    def forward(self, features):
        return {"logits": self.layer(features), "aux": self.layer(features)[:, :3]}

class BuildRaises(nn.Module):
    def __init__(self):
        super().__init__()
        self.size = {}["missing"]

class ForwardRaises(Probabilities):
    def forward(self, features):
        raise RuntimeError("not\\x1b[31m today")

class ForwardExits(Probabilities):
    def forward(self, features):
        sys.exit(4)

class Loops(Probabilities):
    def forward(self, features):
        while True:
            pass

class Needs(nn.Module):
    def __init__(self, anything):
        super().__init__()
        raise TypeError(anything)

class Typed(Probabilities):
    def __init__(self, widths, limit, names, word):
        super().__init__()
        assert [3] + widths == [3, 4, 5]
        assert (limit, names, word) == (float("inf"), {1: "a", "b": None}, "2020")

class NoTensor(Probabilities):
    def forward(self, features):
        return "text"

def makes_none():
    return None

number = 3
"""
FILES: dict[str, str | bytes] = {
    "models.py": MODELS,
    "waits.py": "import sys\nprint('started', file=sys.stderr, flush=True)\nwhile True:\n    pass\nclass Net: ...\n",
    "loops.py": "while True:\n    pass\nclass Net: ...\n",
    "exits.py": "import sys\nimport torch\nsys.exit(0)\n",
    "vanishes.py": "import os\nimport torch\nos._exit(0)\nclass Net: ...\n",
    "syntax.py": "import torch\nclass Net(:\n    pass\n",
    "imports.py": "import torch\nimport nowhere_to_be_found.at_all\nclass Net(nowhere_to_be_found.Base): ...\n",
    "latin.py": b"name = '\xe9'\nclass Net: ...\n",
    "zeros.py": b"a = 1\x00\n",
    "empty.py": "",
    "fits.json": '{"loss": "cross_entropy", "output": {"shape": [4, 10]}, "target": {"shape": [4]}}',
    "steps.yaml": "loss: cross_entropy\noutput: {shape: [4, 9, 10], axes: [batch, time, class]}\ntarget: [4, 9]\n",
    "no_loss.yaml": "output: [4, 10]\ntarget: [4]\n",
    "warned.yaml": "loss: cross_entropy\noutput: [4, 10]\ntarget: {shape: [4, 10], dtype: float32, values: continuous}\n",
    "two.yaml": "loss: nll_loss\noutput: {shape: [4, 9, 10], axes: [batch, time, class], values: logits}\ntarget: [4, 9]\n",
    "broken.yaml": "loss: cross_entropy\noutput: [4, 10\n",
    "misspelt.yaml": "loss: cros_entropy\noutput: [4, 10]\n",
    "latin.yaml": b"loss: \xe9\n",
    "zeros.yaml": b"loss: \x00\n",
    "empty.yaml": "",
    "comments.yaml": "# nothing\n# but comments\n",
    "deep.yaml": "loss: " + "[" * 100_000,
    "bomb.yaml": "a: &a [x, x, x, x, x, x, x, x, x]\n"
    + "".join(f"{b}: &{b} [{', '.join([f'*{a}'] * 9)}]\n" for a, b in zip("abcdefg", "bcdefgh", strict=True)),
    "zero.yaml": "loss: cross_entropy\noutput: [4, 0]\ntarget: [4]\n",
    "negative.yaml": "loss: cross_entropy\noutput: [4, -10]\ntarget: [4]\n",
    "large.yaml": "loss: cross_entropy\noutput: [4, 1000000000000000]\ntarget: [4]\n",
    "digits.yaml": f"loss: cross_entropy\noutput: [4, {'9' * 5000}]\ntarget: [4]\n",
}


@dataclass(frozen=True)
class Done:
    """A command that has ended."""

    status: int
    out: str
    err: str

    @property
    def report(self) -> dict[str, Any]:
        parsed: dict[str, Any] = json.loads(self.out)
        return parsed

    @property
    def codes(self) -> list[str]:
        return [finding["code"] for check in self.report["checks"] for finding in check["findings"]]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("user")
    for name, content in FILES.items():
        (path / name).write_bytes(content.encode() if isinstance(content, str) else content)
    for name in ("folder.py", "folder.yaml", "package"):
        (path / name).mkdir()
    for name in ("huge.yaml", "huge.py"):
        with (path / name).open("wb") as file:
            file.truncate(100_000_000)
    return path


def command(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "shapecheck", *arguments]


def start(folder: Path, *arguments: str, given: str | None = None, **variables: str) -> Done:
    """The command in a process of its own, as a user runs it."""
    done = subprocess.run(
        command(*arguments),
        cwd=folder,
        env={**ENVIRONMENT, **variables},
        input=given,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert "Traceback" not in done.stderr + done.stdout
    assert "SC999" not in done.stderr + done.stdout
    return Done(done.returncode, done.stdout, done.stderr)


def heeds_interrupts() -> None:
    """Ctrl-C reaches the child even where the tests run in the background, in which shells switch it off."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def started(folder: Path, *arguments: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        command(*arguments), cwd=folder, env=ENVIRONMENT, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        preexec_fn=heeds_interrupts,
    )  # fmt: skip


@pytest.fixture
def inside(folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., Done]:
    """The command in this process: enough, and faster, where no model is run."""
    monkeypatch.chdir(folder)
    for name in ("FORCE_COLOR", "NO_COLOR", "COLUMNS"):
        monkeypatch.delenv(name, raising=False)

    def call(*arguments: str) -> Done:
        capsys.readouterr()
        status = cli.run(list(arguments))
        said = capsys.readouterr()
        assert "SC999" not in said.err + said.out
        return Done(status, said.out, said.err)

    return call


Inside = Callable[..., Done]


# -------------------------------------------------------------------------------- models, all in one command

# target: code, words of the message or hint, the file, and the line of the user's code that has to be named
BAD_MODELS: dict[str, tuple[str, str, str | None, str | None]] = {
    "absent.py:Net": ("SC901", "no such file: absent.py", "absent.py", None),
    "modles.py:Steps": ("SC901", "did you mean models.py?", "modles.py", None),
    "nowhere.at.all:Net": ("SC901", "there is no module nowhere", None, None),
    "models.py:Stesp": ("SC901", "did you mean Steps?", "models.py", None),
    "models.py:number": ("SC901", "number is an int, not a model", "models.py", "number = 3"),
    "models.py:makes_none": ("SC901", "is a return missing?", "models.py", "def makes_none():"),
    "models.py:BuildRaises": ("SC903", "KeyError: 'missing'", "models.py", 'self.size = {}["missing"]'),
    "models.py:ForwardRaises": ("SC905", "RuntimeError: not", "models.py", 'raise RuntimeError("not'),
    "models.py:ForwardExits": ("SC905", "sys.exit(4)", "models.py", "sys.exit(4)"),
    "models.py:Loops": ("SC906", "timed out after 3 s", "models.py", None),
    "models.py:Needs": ("SC902", "--arg anything=", "models.py", "raise TypeError(anything)"),
    "loops.py:Net": ("SC906", "--timeout", "loops.py", None),
    "exits.py:Net": ("SC901", "sys.exit(0)", "exits.py", "sys.exit(0)"),
    "vanishes.py:Net": ("SC907", "exit status 0", "vanishes.py", None),
    "syntax.py:Net": ("SC901", "does not parse", "syntax.py", "class Net(:"),
    "imports.py:Net": ("SC901", "nowhere_to_be_found", "imports.py", "import nowhere_to_be_found.at_all"),
    "latin.py:Net": ("SC901", "not UTF-8", "latin.py", "name = "),
    "zeros.py:Net": ("SC901", "null bytes", "zeros.py", None),
    "empty.py:Net": ("SC901", "empty.py has no Net", "empty.py", None),
    "folder.py:Net": ("SC901", "is a folder", "folder.py", None),
    "huge.py:Net": ("SC901", "does not parse", "huge.py", None),
    "models.py:NoTensor": ("SC908", "no tensor", "models.py", None),
}


@pytest.fixture(scope="module")
def bad_models(folder: Path) -> Done:
    options = ["--loss", "cross_entropy", "--format", "json", "--timeout", "3", "--jobs", "2"]
    return start(folder, *BAD_MODELS, "models.py:Fits", *options)


def test_bad_models_fail_and_good_ones_are_still_checked(bad_models: Done) -> None:
    assert bad_models.status == 3
    assert bad_models.report["summary"] == {"checks": 23, "ok": 1, "findings": 0, "errors": 22}
    assert bad_models.report["checks"][-1]["status"] == "ok"
    assert "imported" in bad_models.err


@pytest.mark.parametrize("target", list(BAD_MODELS))
def test_bad_model(bad_models: Done, folder: Path, target: str) -> None:
    code, words, path, line = BAD_MODELS[target]
    check = bad_models.report["checks"][list(BAD_MODELS).index(target)]
    error = check["error"]
    assert error["code"] == code
    assert words in f"{error['message']} {error['hint']}"
    assert error["hint"]
    place = error["location"] or check["location"]
    assert (place and place["path"]) == path
    if line is not None:
        text = (folder / place["path"]).read_text(encoding="latin-1")
        assert line in text.splitlines()[place["line"] - 1]


@pytest.fixture(scope="module")
def good_models(folder: Path) -> Done:
    targets = ["models.py:Steps", "models:Fits", "models.py:Probabilities", "steps.yaml", "absent.yaml"]
    return start(folder, "--loss", "cross_entropy", *targets)


def test_findings_on_standard_output_and_prints_on_standard_error(good_models: Done) -> None:
    assert good_models.status == 2
    assert re.findall(r"^\S+:", good_models.out, re.MULTILINE) == [
        "error[SC101]:",
        "ok:",
        "error[SC402]:",
        "error[SC101]:",
        "error[SC910]:",
    ]
    assert good_models.out.endswith("3 errors in 4 checks; 1 more could not be done\n")
    assert set(good_models.err.splitlines()) == {"imported", "forward"}


def test_options_of_a_model(folder: Path) -> None:
    options = ["-l", "cross_entropy", "-a", "n_classes=7", "-i", "N,1,21", "-t", "N,T:int32", "-L", "weight=[7]"]
    (check,) = start(folder, "models.py:Steps", *options, "--classes", "7", "--format", "json").report["checks"]
    assert check["output"]["shape"][1:] == [21, 7]
    assert check["inputs"][0]["origin"] == "flag"
    assert check["target"] == {"shape": check["output"]["shape"][:2], "dtype": "int32", "origin": "flag"}
    assert [finding["code"] for finding in check["findings"]] == ["SC101", "SC202"]
    assert check["loss_args"] == {"weight": {"shape": [7]}}
    assert {fix["verified"] for finding in check["findings"] for fix in finding["fixes"]} == {"executed"}


def test_arguments_of_a_model_are_read_as_yaml(folder: Path) -> None:
    arguments = ["widths=[4, 5]", "limit=.inf", "names={1: a, b: null}", "word='2020'"]
    options = [part for argument in arguments for part in ("--arg", argument)]
    done = start(folder, "models.py:Typed", "-l", "cross_entropy", *options, "--format", "json")
    assert done.codes == ["SC402"]


def test_without_verification_nothing_is_called_executed(folder: Path) -> None:
    done = start(folder, "models.py:Structured", "-l", "nll_loss", "-o", "logits", "--no-verify", "--format", "json")
    (check,) = done.report["checks"]
    assert check["output"]["path"] == "logits"
    assert [finding["code"] for finding in check["findings"]] == ["SC404"]
    assert {fix["verified"] for fix in check["findings"][0]["fixes"]} <= {"contract", "no"}


def test_a_spec_is_verified_on_demand(folder: Path) -> None:
    (check,) = start(folder, "steps.yaml", "--verify", "--format", "json").report["checks"]
    assert {fix["verified"] for fix in check["findings"][0]["fixes"]} == {"executed"}
    assert check["engine"] == "none"


@pytest.mark.parametrize("model", ["Steps", "Probabilities"])
def test_a_traced_model_has_the_findings_of_the_model(folder: Path, inside: Inside, model: str) -> None:
    target = f"models.py:{model}"
    done = start(folder, "trace", target, "-l", "cross_entropy", "-L", "reduction=sum", "-o", f"{model}.yaml")
    assert (done.status, done.out) == (0, "")
    assert f"wrote {model}.yaml" in done.err
    of_model = start(folder, target, "-l", "cross_entropy", "-L", "reduction=sum", "--format", "json")
    of_spec = inside(f"{model}.yaml", "--format", "json")
    assert of_spec.codes == of_model.codes != []
    assert of_spec.status == of_model.status == 1
    (from_model,), (from_spec,) = of_model.report["checks"], of_spec.report["checks"]
    for key in ("name", "loss", "loss_args", "contract", "output", "accepted_targets"):
        assert from_spec[key] == from_model[key]
    kinds = [
        [[fix["kind"] for fix in each["fixes"]] for each in check["findings"]] for check in (from_model, from_spec)
    ]
    assert kinds[0] == kinds[1]


@posix
def test_ctrl_c(folder: Path) -> None:
    with started(folder, "waits.py:Net", "-l", "nll_loss") as process:
        assert process.stderr is not None
        assert process.stderr.readline() == b"started\n"
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=20)
    assert (process.returncode, out, err) == (130, b"", b"")


# --------------------------------------------------------------------------------------------- bad specs

BAD_SPECS: dict[str, tuple[str, int | None]] = {
    "absent.yaml": ("no such file: absent.yaml", None),
    "mispelt.yaml": ("did you mean misspelt.yaml?", None),
    "broken.yaml": ("broken.yaml is not YAML", 2),
    "misspelt.yaml": ("did you mean 'cross_entropy'?", 1),
    "no_loss.yaml": ("the check names no loss", 1),
    "latin.yaml": ("latin.yaml is not UTF-8: byte 0xe9 at offset 6", 1),
    "zeros.yaml": ("zeros.yaml is not YAML", None),
    "empty.yaml": ("empty.yaml is empty", None),
    "comments.yaml": ("comments.yaml is empty", None),
    "deep.yaml": ("nested more than 100 levels deep", 1),
    "bomb.yaml": ("through its aliases", 6),
    "negative.yaml": ("`output` has the negative size -10", 1),
    "large.yaml": ("`output` has a size of 1000000000000000", 1),
    "digits.yaml": ("(5002 characters) is no int that can be read", 2),
    "huge.yaml": ("huge.yaml has 100,000,000 bytes", None),
    "folder.yaml": ("folder.yaml is a folder", None),
}


@pytest.mark.parametrize("path", BAD_SPECS)
def test_bad_spec(inside: Inside, path: str) -> None:
    words, line = BAD_SPECS[path]
    done = inside("fits.json", path, "--format", "json")
    good, bad = done.report["checks"]
    assert done.status == 2
    assert good["status"] == "ok"
    assert bad["error"]["code"] == "SC910"
    assert words in f"{bad['error']['message']} {bad['error']['hint']}"
    assert len(bad["error"]["message"]) < 200
    assert (bad["error"]["location"] or {}).get("line") == line
    assert done.err == ""


def test_sizes_of_zero_are_no_mistake_of_the_reader(inside: Inside) -> None:
    done = inside("zero.yaml", "--format", "json")
    assert (done.status, done.report["checks"][0]["contract"]) == (1, "rejects")


# ------------------------------------------------------------------------------------------- wrong usage


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], "no target given"),
        (["models.py"], "models.py:Steps"),
        (["models"], "'models' is not a target"),
        (["models.py:Steps"], "add --loss, such as: shapecheck models.py:Steps --loss cross_entropy"),
        (["models.py:Steps", "-l", "cros_entropy"], "did you mean 'cross_entropy'?"),
        (["models.py:Steps", "-l", ""], "unknown loss ''"),
        (["models.py:Steps", "--los", "nll_loss"], "--loss"),
        (["models.py:Steps", "--loss"], "requires an argument"),
        (["explian", "SC101"], "did you mean shapecheck explain?"),
        (["explain", "class-axis-lats"], "did you mean 'class-axis-last'?"),
        (["explain", "SC998"], "no rule 'SC998'"),
        (["explain"], "Missing argument"),
        (["trace", "steps.yaml"], "steps.yaml is a spec already"),
        (["package"], "package is a folder"),
        (["fits.json", "--format", "xml"], "'xml' is not one of"),
        (["fits.json", "--timeout", "0"], "--timeout"),
        (["fits.json", "--timeout", "nan"], "--timeout nan is no time"),
        (["fits.json", "--timeout", "soon"], "--timeout"),
        (["fits.json", "--jobs", "0"], "--jobs"),
        (["fits.json", "--classes", "0"], "--classes"),
        (["fits.json", "--select", "SC777"], "--select 'SC777' fits no rule"),
        (["fits.json", "--ignore", "class-axis-lst"], "did you mean 'class-axis-last'?"),
        (["models.py:Fits", "-l", "nll_loss", "-L", "redution=sum"], "did you mean 'reduction'?"),
        (["models.py:Fits", "-l", "nll_loss", "-L", "reduction"], "write --loss-arg reduction=value"),
        (["models.py:Fits", "-l", "nll_loss", "-L", "reduction=[1"], "--loss-arg reduction is not YAML"),
        (["models.py:Fits", "-l", "nll_loss", "-L", "ignore_index=often"], "not a whole number"),
        (["models.py:Fits", "-l", "nll_loss", "-L", "weight=[0.5]"], "give its shape, not its values"),
        (["models.py:Fits", "-l", "nll_loss", "-a", "=3"], "is no name=value"),
        (["models.py:Fits", "-l", "nll_loss", "-a", "n=1", "-a", "n=2"], "--arg n is given twice"),
        (["models.py:Fits", "-l", "nll_loss", "-i", "-1,1,5"], "has the negative size -1"),
        (["models.py:Fits", "-l", "nll_loss", "-i", "1000000000000000"], "more than any tensor here can hold"),
        (["models.py:Fits", "-l", "nll_loss", "-i", "4;5"], "'4;5' is not a size"),
        (["models.py:Fits", "-l", "nll_loss", "-i", "4:flaot32"], "did you mean 'float32'?"),
        (["models.py:Fits", "-l", "nll_loss", "-i", "4x=4"], "'4x' is not a parameter name"),
        (["models.py:Fits", "-l", "nll_loss", "-t", "N,,T"], "'' is not a size in --target"),
        (["models.py:Fits", "-l", "nll_loss", "-t", "1000000000000000"], "more than any tensor here can hold"),
        (["models.py:Fits", "-l", "nll_loss", "-t", "-1"], "has the negative size -1"),
    ],
)
def test_wrong_usage(inside: Inside, arguments: Sequence[str], words: str) -> None:
    done = inside(*arguments)
    assert done.status == 2
    assert done.out == ""
    assert words in " ".join(done.err.split())
    assert "imported" not in done.err


# ----------------------------------------------------------------------------------------------- options


@pytest.mark.parametrize(
    "name",
    [
        "cross_entropy",
        "CrossEntropyLoss",
        "F.cross_entropy",
        "nn.CrossEntropyLoss",
        "torch.nn.CrossEntropyLoss",
        "torch.nn.functional.cross_entropy",
        "nn.functional.cross_entropy",
    ],
)
def test_names_of_a_loss(inside: Inside, name: str) -> None:
    done = inside("--loss", name, "no_loss.yaml", "--format", "json")
    assert (done.status, done.report["checks"][0]["loss"]) == (0, "cross_entropy")


@pytest.mark.parametrize(
    ("argument", "codes"),
    [
        ("weight=[10]", []),
        ("weight=10", []),
        ("weight=10:float64", ["SC204"]),
        ("weight={shape: [10], dtype: float64}", ["SC204"]),
        ("weight=[9]", ["SC108"]),
        ("weight=null", []),
        ("reduction=none", []),
        ("reduction=avg", ["SC306"]),
        ("ignore_index=0", []),
        ("label_smoothing=0.1", []),
        ("label_smoothing=2", ["SC305"]),
    ],
)
def test_keywords_of_a_loss(inside: Inside, argument: str, codes: list[str]) -> None:
    done = inside("no_loss.yaml", "-l", "cross_entropy", "-L", argument, "--format", "json")
    assert done.codes == codes
    assert done.status == (1 if codes else 0)


@pytest.mark.parametrize(
    ("options", "codes"),
    [
        ([], ["SC101", "SC404"]),
        (["--select", "SC1"], ["SC101"]),
        (["--select", "SC1,SC4"], ["SC101", "SC404"]),
        (["--select", "no-log-probabilities"], ["SC404"]),
        (["--ignore", "SC101"], ["SC404"]),
        (["--ignore", "class-axis-last", "--ignore", "sc404"], []),
        (["--select", "ALL", "--ignore", "SC4"], ["SC101"]),
        (["--select", "SC9"], []),
    ],
)
def test_select_and_ignore(inside: Inside, options: list[str], codes: list[str]) -> None:
    done = inside("two.yaml", *options, "--format", "json")
    assert done.codes == codes
    assert done.status == (1 if codes else 0)


def test_warnings_fail_only_if_strict(inside: Inside) -> None:
    usual, strict = inside("warned.yaml", "--format", "json"), inside("warned.yaml", "--format", "json", "--strict")
    assert usual.report["checks"][0]["findings"][0]["severity"] == "warning"
    assert usual.codes == strict.codes
    assert (usual.status, strict.status) == (0, 1)


def test_a_target_for_specs_that_have_none(inside: Inside, folder: Path) -> None:
    (folder / "alone.yaml").write_text("loss: cross_entropy\noutput: [4, 10]\n")
    (check,) = inside("alone.yaml", "--target", "5", "--format", "json").report["checks"]
    assert check["target"] == {"shape": [5], "dtype": "int64", "origin": "flag"}
    assert [finding["code"] for finding in check["findings"]] == ["SC105"]


def test_quiet_verbose_and_concise(inside: Inside) -> None:
    usual, quiet, verbose = (inside("steps.yaml", *options).out for options in ([], ["-q"], ["-v"]))
    assert quiet.splitlines() == usual.splitlines()[:2]
    assert len(verbose.splitlines()) > len(usual.splitlines())
    assert "engine: " in verbose
    concise = inside("steps.yaml", "fits.json", "--format", "concise").out
    assert re.fullmatch(r"steps\.yaml:1: SC101 error: class axis is last, .* \[\d fixes, first: .*\]\n", concise)
    assert inside("fits.json", "--quiet").out == ""


def test_standard_input(folder: Path) -> None:
    done = start(folder, "-", "--format", "json", given=str(FILES["steps.yaml"]))
    assert (done.status, done.codes) == (1, ["SC101"])
    assert done.report["checks"][0]["location"] == {"path": "standard input", "line": 1}
    assert start(folder, "-", given="").status == 2


def test_no_torch_for_specs(folder: Path) -> None:
    code = (
        "import sys; from shapecheck import cli; status = cli.run(['steps.yaml']);"
        "heavy = {'torch', 'numpy', 'rich'} & set(sys.modules); sys.exit(f'{heavy}' if heavy else status)"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=folder, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (1, "")


@pytest.mark.parametrize(
    ("variables", "options", "colored"),
    [
        ({}, [], False),
        ({"FORCE_COLOR": "1"}, [], True),
        ({"FORCE_COLOR": "1", "NO_COLOR": "1"}, [], False),
        ({"FORCE_COLOR": "1"}, ["--no-color"], False),
        ({"FORCE_COLOR": "1", "TERM": "dumb"}, [], True),
    ],
)
def test_colour(
    inside: Inside, monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], options: list[str], colored: bool
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert ("\x1b[" in inside("steps.yaml", *options).out) is colored
    assert ("\x1b[" in inside("explain", "SC101", *options).out) is colored
    assert ("\x1b[" in inside("models.py:Steps", *options).err) is colored
    assert "\x1b" not in inside("steps.yaml", "--format", "json").out + inside("--help").out


def test_version(inside: Inside) -> None:
    assert inside("--version") == Done(0, f"shapecheck {__version__}\n", "")


@pytest.mark.parametrize("command", [[], ["check"], ["trace"], ["explain"], ["rules"]])
def test_help_is_plain_and_fits_80_columns(inside: Inside, monkeypatch: pytest.MonkeyPatch, command: list[str]) -> None:
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    monkeypatch.setenv("COLUMNS", "80")
    done = inside(*command, "--help")
    assert (done.status, done.err) == (0, "")
    assert "\x1b" not in done.out
    assert max(len(line) for line in done.out.splitlines()) <= 80
    assert done == inside(*command, "-h")


def test_explain_by_code_and_name(inside: Inside) -> None:
    page = inside("explain", "SC101")
    assert page.status == 0
    assert page.out.startswith("# SC101 class-axis-last (error)\n")
    assert page == inside("explain", "sc101") == inside("explain", "Class-Axis-Last")


def test_explain_by_torchs_own_words(inside: Inside) -> None:
    """Numbers are others than in the rule file, and several findings may come with one text."""
    several = inside("explain", "RuntimeError: Expected target size [64, 3], got [64, 99]").out
    assert several.startswith("# Several findings come with this text")
    assert "SC101 class-axis-last" in several
    one = inside("explain", "Hello: smooth_l1_loss does not support negative values for beta.").out
    assert one.startswith("# SC313 negative-beta")
    assert "Torch says:" in one


def test_every_code_that_is_printed_has_a_page(inside: Inside, capsys: pytest.CaptureFixture[str]) -> None:
    sources = (Path(cli.__file__).parent).rglob("*.py")
    codes = {code for source in sources for code in re.findall(r'"(SC\d{3})"', source.read_text(encoding="utf-8"))}
    listed = {rule["code"] for rule in json.loads(inside("rules", "--format", "json").out)}
    for code in sorted(codes | listed):
        assert cli.run(["explain", code]) == 0
        page = capsys.readouterr().out
        assert page.startswith(f"# {code} "), code


def test_rules(inside: Inside) -> None:
    rules = json.loads(inside("rules", "--format", "json").out)
    assert {"code": "SC101", "name": "class-axis-last", "severity": "error"}.items() <= rules[0].items()
    lines = inside("rules").out.splitlines()
    assert [line.split()[:3] for line in lines] == [[rule["code"], rule["name"], rule["severity"]] for rule in rules]


# -------------------------------------------------------------------------------------- streams that fail


def many_checks(folder: Path) -> str:
    path = folder / "many.yaml"
    path.write_text("checks:\n" + "- {loss: cross_entropy, output: [4, 9, 10], target: [4, 9]}\n" * 200)
    return path.name


@posix
def test_a_reader_that_leaves_early(folder: Path) -> None:
    with started(folder, many_checks(folder)) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert process.stdout.readline().startswith(b"error[SC101]")
        process.stdout.close()
        assert process.stderr.read() == b""
        assert process.wait(timeout=60) == 1


@posix
@pytest.mark.parametrize(
    ("redirection", "status", "words"),
    [
        (">&-", 1, ""),
        ("2>&-", 1, "error[SC101]"),
        (">&- 2>&-", 1, ""),
        (">/dev/full", 2, "cannot write to standard output: No space left on device"),
    ],
)
def test_closed_and_full_streams(folder: Path, redirection: str, status: int, words: str) -> None:
    if "full" in redirection and not os.path.exists("/dev/full"):
        pytest.skip("no /dev/full")
    line = f'exec "{sys.executable}" -m shapecheck steps.yaml {redirection}'
    done = subprocess.run(["sh", "-c", line], cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == status
    assert words in done.stdout + done.stderr
    assert "Traceback" not in done.stderr


@posix
def test_closed_standard_input(folder: Path) -> None:
    line = f'exec "{sys.executable}" -m shapecheck - <&-'
    done = subprocess.run(["sh", "-c", line], cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "standard input is closed" in done.stdout + done.stderr


def test_an_encoding_that_lacks_the_letters(folder: Path) -> None:
    done = start(folder, "-", given='{name: "\\u2603", loss: nope, output: [4]}', PYTHONIOENCODING="ascii")
    assert done.status == 2
    assert "\\u2603" in done.out
