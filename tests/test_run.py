"""`shapecheck run`: the whole command on small scripts - what runs, where it stops, what is said, what is left untouched."""

from __future__ import annotations

import ctypes
import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from shapecheck import wire
from shapecheck.errors import Location
from shapecheck.render import text
from shapecheck.report import CheckResult, Finding, Fix, Report, ScriptRun
from shapecheck.specs import TensorSpec

ENVIRONMENT = {key: value for key, value in os.environ.items() if key not in ("FORCE_COLOR", "NO_COLOR", "COLUMNS")}
posix = pytest.mark.skipif(os.name != "posix", reason="needs signals")


def _has_landlock() -> bool:
    return sys.platform == "linux" and ctypes.CDLL(None).syscall(444, None, 0, 1) > 0


HEAD = """\
import atexit, os, sys
import torch
from torch import nn
import torch.nn.functional as F
torch.manual_seed(0)
model = nn.Linear(6, 3)
x, y = torch.randn(5, 6), torch.randint(0, 3, (5,))
def optimizer(of=model):
    return torch.optim.SGD(of.parameters(), lr=0.1)
"""


@dataclass(frozen=True)
class Done:
    """A run of the command with --format json."""

    status: int
    report: dict[str, Any]
    stderr: str

    @property
    def run(self) -> dict[str, Any]:
        found: dict[str, Any] = self.report["run"]
        return found

    @property
    def lines(self) -> list[int]:
        """Of the loss calls that were checked."""
        return [check["location"]["line"] for check in self.report["checks"] if check["error"] is None]

    @property
    def errors(self) -> list[str]:
        return [check["error"]["code"] for check in self.report["checks"] if check["error"]]

    @property
    def codes(self) -> list[str]:
        return [finding["code"] for check in self.report["checks"] for finding in check["findings"]]


def command(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "shapecheck", "run", *words],
        cwd=folder,
        env=ENVIRONMENT,
        capture_output=True,
        stdin=subprocess.DEVNULL,
        text=True,
        timeout=120,
    )


def write(folder: Path, text: str, head: str = HEAD) -> int:
    """Writes train.py; the number of lines before `text`."""
    (folder / "train.py").write_text(head + text, encoding="utf-8")
    return head.count("\n")


def run(folder: Path, text: str, *args: str, options: tuple[str, ...] = (), head: str = HEAD) -> Done:
    write(folder, text, head)
    done = command(folder, "--format", "json", *options, "train.py", *args)
    assert done.stdout, done.stderr
    return Done(done.returncode, json.loads(done.stdout), done.stderr)


AT = HEAD.count("\n")
FOUND, CODE = "F.cross_entropy(model(x).softmax(1), y)\n", "SC402"

# ---------------------------------------------------------------------------- where it stops


def test_it_stops_before_the_first_update(tmp_path: Path) -> None:
    done = run(
        tmp_path,
        """
before = model.weight.detach().clone()
opt = optimizer()
atexit.register(lambda: print("unchanged", bool((model.weight == before).all())))
for epoch in range(3):
    loss = F.cross_entropy(model(x), y)
    loss.backward()
    print("asks", epoch)
    opt.step()
    print("never")
""",
    )
    assert (done.status, done.lines, done.run["ended"]) == (0, [AT + 6], "update")
    assert done.run["location"] == {"path": "train.py", "line": AT + 9}
    assert (done.run["updates_made"], done.run["updates_not_made"]) == (0, [{"path": "train.py", "line": AT + 9}])
    assert done.stderr.split() == ["asks", "0", "unchanged", "True"]


def test_steps_are_made_as_without_us(tmp_path: Path) -> None:
    text = """
import random, numpy
opt = torch.optim.Adam(model.parameters())
drop = nn.Dropout(0.5)
for step in range(4):
    noise = torch.randn(5, 6) + random.random() + numpy.random.rand()
    loss = F.cross_entropy(model(drop(x + noise)), y)
    print(f"loss {loss.item():.6f}")
    opt.zero_grad()
    loss.backward()
    opt.step()
"""
    text = "import random, numpy\nrandom.seed(0); numpy.random.seed(0)\n" + text
    done = run(tmp_path, text, options=("--steps", "3"))
    alone = subprocess.run([sys.executable, "train.py"], cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert alone.stdout.count("loss") == 4
    assert done.stderr == alone.stdout
    assert (done.status, done.run["updates_made"], done.lines) == (0, 3, [AT + 9])


def test_a_later_loss_of_the_step_is_seen(tmp_path: Path) -> None:
    done = run(
        tmp_path,
        """
other = nn.Linear(6, 3)
first, second = optimizer(), optimizer(other)
for step in range(5):
    F.cross_entropy(model(x), y).backward()
    first.step()
    print("between", step)
    F.cross_entropy(other(x)[..., None], y[:, None]).backward()
    second.step()
    print("never")
""",
    )
    assert done.lines == [AT + 5, AT + 8]
    assert done.run["updates_not_made"] == [{"path": "train.py", "line": line} for line in (AT + 6, AT + 9)]
    assert done.stderr == "between 0\n"


def test_an_optimiser_that_never_asks_is_waited_for_once(tmp_path: Path) -> None:
    text = """
later = optimizer(nn.Linear(2, 2))
opt = optimizer()
for step in range(100):
    F.cross_entropy(model(x), y).backward()
    opt.step()
    print("step", step)
"""
    done = run(tmp_path, text)
    assert (done.stderr, done.run["ended"], done.lines) == ("step 0\n", "update", [AT + 5])


def test_the_loss_of_a_closure_is_seen(tmp_path: Path) -> None:
    done = run(
        tmp_path,
        """
opt = torch.optim.LBFGS(model.parameters())
def closure():
    opt.zero_grad()
    loss = F.cross_entropy(model(x), y)
    loss.backward()
    return loss
opt.step(closure)
print("never")
""",
    )
    assert (done.lines, done.run["ended"], done.stderr) == ([AT + 5], "update", "")


@pytest.mark.parametrize(
    "update",
    ["p.data.sub_(0.1 * p.grad)", "p.data = p.data - 0.1 * p.grad"],
    ids=("in-place", "new-data"),
)
def test_updates_by_hand_are_noticed(update: str, tmp_path: Path) -> None:
    done = run(
        tmp_path,
        f"""
for step in range(40):
    loss = F.cross_entropy(model(x), y)
    loss.backward()
    print("step", step)
    with torch.no_grad():
        for p in model.parameters():
            {update}
            p.grad = None
""",
    )
    assert (done.run["ended"], done.stderr, done.lines) == ("by-hand", "step 0\n", [AT + 3])


def test_training_by_torch_func_is_noticed(tmp_path: Path) -> None:
    done = run(
        tmp_path,
        """
from torch.func import functional_call, grad
weights = {name: each.detach() for name, each in model.named_parameters()}
def loss(weights):
    return F.cross_entropy(functional_call(model, weights, (x,)), y)
while True:
    slope = grad(loss)(weights)
    weights = {name: each - 0.1 * slope[name] for name, each in weights.items()}
""",
    )
    assert (done.status, done.run["ended"], done.lines) == (0, "by-hand", [AT + 5])


def test_a_script_that_only_evaluates_runs_to_its_end(tmp_path: Path) -> None:
    done = run(
        tmp_path,
        """
model.eval()
with torch.no_grad():
    for batch in range(70):
        F.cross_entropy(model(x), y)
print("done")
""",
    )
    assert (done.status, done.run["ended"], done.stderr) == (0, "end", "done\n")


# ---------------------------------------------------------------------------- how it ends by itself


def test_a_loss_that_raises_is_explained_in_place_of_its_traceback(tmp_path: Path) -> None:
    done = run(tmp_path, "out = model(x)\nF.cross_entropy(out, y.float())\nprint('never')\n")
    assert (done.status, done.errors, done.stderr, done.run["ended"]) == (1, [], "", "raised")
    assert [code[:3] for code in done.codes] == ["SC2"]


def test_a_script_may_catch_what_its_loss_raises(tmp_path: Path) -> None:
    done = run(
        tmp_path,
        """
try:
    F.cross_entropy(model(x), y.float())
except RuntimeError as error:
    print("caught", type(error).__name__)
F.cross_entropy(model(x), y)
""",
    )
    assert (done.status, done.stderr, done.lines) == (1, "caught RuntimeError\n", [AT + 3, AT + 6])
    assert done.run["ended"] == "end"


def test_an_exception_of_its_own_stands_beside_the_checks(tmp_path: Path) -> None:
    done = run(tmp_path, FOUND + "def later():\n    raise ValueError('no more data')\nlater()\n")
    assert (done.status, done.errors, done.codes) == (3, ["SC911"], [CODE])
    error = next(check["error"] for check in done.report["checks"] if check["error"])
    assert error["location"] == {"path": "train.py", "line": AT + 3}
    assert "no more data" in error["message"]
    trace = done.stderr[done.stderr.index("Traceback") :]
    assert ("shapecheck" in trace, trace.count("File")) == (False, 2)
    assert trace.endswith("ValueError: no more data\n")


def test_an_exit_is_no_error_once_something_was_checked(tmp_path: Path) -> None:
    done = run(tmp_path, "F.cross_entropy(model(x), y)\nsys.exit(4)\n")
    assert (done.status, done.run["ended"], done.errors) == (0, "exit", [])
    assert "sys.exit(4)" in done.run["message"]


def test_wrong_arguments_of_its_own(tmp_path: Path) -> None:
    text = """
import argparse
parser = argparse.ArgumentParser()
parser.add_argument("--lr", type=float, required=True)
parser.parse_args()
"""
    done = run(tmp_path, text)
    assert (done.status, done.errors) == (3, ["SC912"])
    assert "usage: train.py" in done.stderr
    assert "sys.exit(2)" in done.run["message"]


def test_a_script_without_a_loss_call(tmp_path: Path) -> None:
    done = run(tmp_path, "print('hello')\n")
    assert (done.status, done.errors, done.stderr) == (3, ["SC912"], "hello\n")


def test_a_script_that_cannot_be_compiled(tmp_path: Path) -> None:
    done = run(tmp_path, "def broken(:\n")
    assert (done.status, done.errors) == (3, ["SC911"])
    assert done.report["checks"][0]["location"] == {"path": "train.py", "line": AT + 1}
    assert "SyntaxError" in done.stderr


# ---------------------------------------------------------------------------- how it ends badly


def test_an_exit_past_python(tmp_path: Path) -> None:
    done = run(tmp_path, f"{FOUND}os._exit(3)\n")
    assert (done.status, done.codes, done.errors) == (1, [CODE], [])


@posix
@pytest.mark.parametrize(
    "end", ["os.kill(os.getpid(), 9)", "import ctypes; ctypes.string_at(0)"], ids=("kill", "crash")
)
def test_a_crash_keeps_what_was_found(end: str, tmp_path: Path) -> None:
    done = run(tmp_path, FOUND + end + "\n")
    assert (done.status, done.codes, done.errors) == (3, [CODE], ["SC907"])
    if "ctypes" in end:
        assert done.report["checks"][-1]["error"]["location"] == {"path": "train.py", "line": AT + 2}


@posix
def test_time_is_up(tmp_path: Path) -> None:
    text = FOUND + "import time\ntry:\n    time.sleep(60)\nfinally:\n    print('closing')\n"
    done = run(tmp_path, text, options=("--timeout", "6"))
    assert (done.status, done.codes, done.errors, done.run["ended"]) == (3, [CODE], ["SC906"], "time")
    assert done.run["location"] == {"path": "train.py", "line": AT + 4}
    assert done.stderr == "closing\n"


@posix
def test_ctrl_c_reports_what_was_seen(tmp_path: Path) -> None:
    write(tmp_path, FOUND + "print('seen', flush=True)\nimport time\ntime.sleep(60)\n")
    words = [sys.executable, "-m", "shapecheck", "run", "train.py"]
    streams = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with subprocess.Popen(words, cwd=tmp_path, env=ENVIRONMENT, text=True, **streams) as process:  # type: ignore[call-overload]
        assert process.stderr.readline() == "seen\n"
        time.sleep(0.3)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=60)
    assert (process.returncode, err) == (130, "")
    assert CODE in out
    assert "interrupted" in out


# ---------------------------------------------------------------------------- what is left untouched

STEP = "opt = optimizer()\nF.cross_entropy(model(x), y).backward()\n"
WRITES = """
import shutil, subprocess, sqlite3
atexit.register(lambda: torch.save(model, "best.pt"))
open("new.tmp", "w").close()
try:
    try:
        try:
            try:
                try:
                    try:
                        opt.step()
                    finally:
                        torch.save(model, "best.pt")
                finally:
                    open("best.pt", "w").write("x")
            except BaseException:
                os.remove("best.pt")
        finally:
            os.replace("new.tmp", "best.pt")
    except SystemExit:
        subprocess.run(["rm", "best.pt"])
finally:
    shutil.rmtree(".")
"""


FORKS = """
import tempfile
os.mkdir("temporary")
tempfile.tempdir = os.path.abspath("temporary")
def saved():
    file, name = tempfile.mkstemp(dir=".")
    os.replace(name, "best.pt")
def refused(*doings):
    for doing in doings:
        try:
            doing()
        except BaseException:
            continue
        print("done", doing)
try:
    opt.step()
finally:
    if not os.fork():
        refused(saved, lambda: os.utime("best.pt", (0, 0)), lambda: os.remove("best.pt"))
        os._exit(0)
    os.wait()
    refused(saved, lambda: os.utime("best.pt", (0, 0)), lambda: os.remove("best.pt"))
"""


@pytest.mark.parametrize(
    "text, what",
    [
        (WRITES, ["write best.pt"]),
        ("other = optimizer()\nopt.step()\ntorch.save(model, 'best.pt')\nprint('never')\n", []),
        pytest.param(FORKS, [], marks=posix),
    ],
    ids=("stopped", "skipped", "forked"),
)
def test_what_a_stopped_script_would_write_is_not_written(text: str, what: list[str], tmp_path: Path) -> None:
    (tmp_path / "best.pt").write_bytes(b"the best so far")
    done = run(tmp_path, STEP + text)
    assert (tmp_path / "best.pt").read_bytes() == b"the best so far"
    assert {path.name for path in tmp_path.iterdir()} <= {"best.pt", "train.py", "new.tmp", "temporary"}
    assert (tmp_path / "train.py").exists()
    assert (done.status, done.lines, done.stderr) == (0, [AT + 2], "")
    assert [word in str(done.run["notes"]) for word in what] == [True for _ in what]


@pytest.mark.skipif(not _has_landlock(), reason="needs a kernel that confines")
def test_libraries_below_python_write_nothing_either(tmp_path: Path) -> None:
    (tmp_path / "best.pt").write_bytes(b"the best so far")
    done = run(tmp_path, STEP + "try:\n    opt.step()\nfinally:\n    torch.jit.script(model).save('best.pt')\n")
    assert (tmp_path / "best.pt").read_bytes() == b"the best so far"
    assert (done.status, done.run["ended"]) == (0, "update")
    assert "Permission denied" in str(done.run["notes"])


def test_what_was_open_is_written_and_closed(tmp_path: Path) -> None:
    done = run(
        tmp_path,
        f"""
import logging, tempfile, zipfile
log = open("log.txt", "w")
log.write("first line")
logging.basicConfig(filename="run.log", level="INFO")
logging.info("began")
archive = zipfile.ZipFile("kept.zip", "w")
archive.writestr("a.txt", "inside")
{STEP}
with tempfile.TemporaryDirectory() as folder, open("more.txt", "w") as more:
    more.write("with")
    open(os.path.join(folder, "a"), "w").close()
    print(folder)
    opt.step()
""",
    )
    assert (tmp_path / "log.txt").read_text() == "first line"
    assert "began" in (tmp_path / "run.log").read_text()
    assert (tmp_path / "more.txt").read_text() == "with"
    names = subprocess.run([sys.executable, "-m", "zipfile", "-l", "kept.zip"], cwd=tmp_path, capture_output=True)
    assert b"a.txt" in names.stdout
    assert not Path(done.stderr.strip()).exists()
    assert done.run["written"] == ["log.txt", "run.log", "kept.zip", "more.txt"]
    assert done.run["notes"] == []


def test_a_stop_makes_no_noise_and_a_probe_prints_nothing(tmp_path: Path) -> None:
    done = run(
        tmp_path,
        """
import asyncio, warnings
class Net(nn.Linear):
    def forward(self, x):
        print("in", tuple(x.shape))
        print("err", file=sys.stderr)
        warnings.warn("odd", stacklevel=1)
        return super().forward(x)
net = Net(6, 3)
opt = optimizer(net)
async def train():
    await asyncio.sleep(0)
    F.cross_entropy(net(x), y).backward()
    opt.step()
async def main():
    await asyncio.gather(train(), asyncio.sleep(100))
asyncio.run(main())
""",
    )
    assert (done.status, done.run["ended"]) == (0, "update")
    lines = done.stderr.splitlines()
    assert [*sorted(lines[:2]), len(lines)] == ["err", "in (5, 6)", 4]
    assert "UserWarning: odd" in lines[2]


@pytest.mark.slow
def test_a_script_that_goes_on_after_the_stop_is_ended(tmp_path: Path) -> None:
    text = (
        STEP + "try:\n    opt.step()\nexcept BaseException:\n    pass\nimport time\nwhile True:\n    time.sleep(0.1)\n"
    )
    done = run(tmp_path, text, options=("--timeout", "600"))
    assert (done.status, done.lines, done.run["ended"]) == (0, [AT + 2], "update")


def test_a_stop_that_is_swallowed_ends_the_process_in_order(tmp_path: Path) -> None:
    done = run(
        tmp_path,
        """
log = open("log.txt", "w")
atexit.register(lambda: print("at exit"))
opt = optimizer()
for step in range(1000):
    try:
        log.write(f"step {step}\\n")
        F.cross_entropy(model(x), y).backward()
        opt.step()
    except BaseException as error:
        print(type(error).__name__)
print("never")
""",
    )
    assert (done.status, done.lines, done.run["ended"]) == (0, [AT + 8], "update")
    assert done.stderr == "Stop\nat exit\n"
    assert (tmp_path / "log.txt").read_text() == "step 0\nstep 1\n"


# ---------------------------------------------------------------------------- what is said of it

PHASES = """
first, second = optimizer(), None
criterion = nn.MSELoss()
loss = F.mse_loss(
    model(x),
    torch.zeros(5, 3),
)
loss.backward()
first.step()
for step in range(3):
    second = second or optimizer()
    loss = criterion(model(x), torch.zeros(5, 3)) + nn.L1Loss()(model(x), x[:, :3])
    loss.backward()
    second.step()
"""


def test_losses_that_were_not_reached_are_told(tmp_path: Path) -> None:
    done = run(tmp_path, PHASES)
    assert done.lines == [AT + 4]
    assert done.run["notes"] == [f"no loss call was seen at train.py:{AT + 12} up to there; --steps N goes on"]
    done = run(tmp_path, PHASES, options=("--steps", "1"))
    assert (done.lines, done.run["notes"]) == ([AT + 4, AT + 12, AT + 12], [])


def test_one_mistake_of_several_calls_is_told_once() -> None:
    fix = Fix("drop-softmax", "return the logits", "output", "output")
    finding = Finding(
        "SC402", "softmaxed", "error", "softmax twice", "twice", location=Location("net.py", 4), fixes=(fix,)
    )

    def check(line: int, batch: int, code: str = "SC402") -> CheckResult:
        tensors = {"output": TensorSpec((batch, 3), "float32", origin="data")}
        found = (replace(finding, code=code),)
        name = f"train.py:{line}"
        return CheckResult(name, "mse_loss", location=Location("train.py", line), findings=found, tensors=tensors)

    ran = ScriptRun("train.py", "end", "train.py ran to its end")
    report = Report((check(7, 8), check(7, 2), check(9, 8), check(9, 8, "SC403")), "1", run=ran)
    told = text.render(report)
    assert "--> net.py:4 for the losses at train.py:7, train.py:9\n" in told
    assert "  also: output (2, 3)\n" in told
    assert told.count("error[SC402]") == told.count("error[SC403]") == 1
    assert "2 errors in 4 checks" in told
    assert len(report.to_dict()["checks"][1]["findings"]) == 1
    apart = text.render(replace(report, run=None))
    assert apart.count("error[SC402]") == 3


SAID = """\
ok: train.py:41 fits mse_loss

run: train.py ran up to its first optimiser updates (train.py:43, 47), which
     were not made; nothing after it ran
  written by the script: log.txt, runs/a/events.out, runs/a/config.json,
                         runs/a/args.txt, b, c and 1 more
  note: what ran after train.py:43 ran with parameters that had not been updated
"""


def test_how_far_it_ran_is_told() -> None:
    places = (Location("train.py", 43), Location("train.py", 47))
    told = "train.py ran up to its first optimiser updates (train.py:43, 47), which were not made; nothing after it ran"
    files = ("log.txt", "runs/a/events.out", "runs/a/config.json", "runs/a/args.txt", "b", "c", "d")
    notes = ("what ran after train.py:43 ran with parameters that had not been updated",)
    script = ScriptRun("train.py", "update", told, places[1], 0, places, files, notes)
    spec = TensorSpec((), "float32", origin="data")
    check = CheckResult("train.py:41", "mse_loss", location=Location("train.py", 41), tensors={"target": spec})
    report = Report((check,), "1", run=script)
    assert text.render(report).replace(" target ()", "") == SAID
    assert report.to_dict()["run"]["updates_not_made"][1] == {"path": "train.py", "line": 47}
    assert wire.unpack(wire.pack(script)) == script


# ---------------------------------------------------------------------------- as python would run it


def test_it_runs_as_python_would(tmp_path: Path) -> None:
    (tmp_path / "src").mkdir()
    (tmp_path / "src" / "beside.py").write_text("here = __file__\n")
    text = """
import beside, pickle, sys, os, threading, multiprocessing, torch
import torch.nn.functional as F
class Mine: pass
print(__name__, sys.argv, os.getcwd() == sys.argv[-1], sys.path[0] == os.path.dirname(beside.here))
print(os.path.isabs(__file__), pickle.loads(pickle.dumps(Mine())).__class__ is Mine, torch.get_num_threads() == THREADS)
print(os.environ.get("CUDA_VISIBLE_DEVICES"), os.environ.get("HF_HUB_OFFLINE"), os.environ.get("PYTHONHASHSEED"))
print(repr(sys.stdin.readline()))
from torch.utils.data import DataLoader
def main():
    for (row,) in DataLoader([(torch.ones(3),)] * 4, batch_size=4, num_workers=2):
        F.mse_loss(row, row)
    thread = threading.Thread(target=lambda: F.l1_loss(row, row))
    thread.start()
if __name__ == "__main__":
    main()
"""
    threads = subprocess.check_output([sys.executable, "-c", "import torch; print(torch.get_num_threads())"], text=True)
    text = text.replace("THREADS", threads.strip())
    (tmp_path / "src" / "train.py").write_text(text)
    words = ["--format", "json", "src/train.py", "--format", "-x", "--help", str(tmp_path)]
    done = subprocess.run(
        [sys.executable, "-m", "shapecheck", "run", *words],
        cwd=tmp_path,
        env=ENVIRONMENT,
        capture_output=True,
        input="typed\n",
        text=True,
        timeout=120,
    )
    report = json.loads(done.stdout)
    assert done.stderr.splitlines() == [
        f"__main__ ['src/train.py', '--format', '-x', '--help', '{tmp_path}'] True True",
        "True True True",
        "None None None",
        "'typed\\n'",
    ]
    assert [check["loss"] for check in report["checks"]] == ["mse_loss", "l1_loss"]
    assert report["checks"][0]["location"] == {"path": "src/train.py", "line": 12}
    assert done.returncode == 0


def test_a_module(tmp_path: Path) -> None:
    package = tmp_path / "package"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "data.py").write_text("size = 5\n")
    body = "from .data import size\nimport sys\nprint(__name__, sys.argv[1:], size)\nimport torch\n"
    (package / "train.py").write_text(body + "torch.nn.functional.mse_loss(torch.ones(2), torch.ones(2))\n")
    done = command(tmp_path, "--quiet", "-m", "package.train", "--lr", "0.1", "-m", "x")
    assert (done.returncode, done.stderr) == (0, "__main__ ['--lr', '0.1', '-m', 'x'] 5\n")
    wrong = command(tmp_path, "-m", "package.trian", "--lr", "0.1")
    assert (wrong.returncode, wrong.stderr) == (3, "")
    assert "no module named package.trian" in wrong.stdout
    assert "did you mean -m package.train?" in wrong.stdout


TRAINED_ELSEWHERE = """
import torch.multiprocessing as mp
def work(model, rank):
    opt = optimizer()
    for step in range(3):
        F.cross_entropy(model(x), y).backward()
        opt.step()
        print("never")
if __name__ == "__main__":
    optimizer().step()
    os.chdir("..")
    process = mp.get_context(METHOD).Process(target=work, args=(model.share_memory(), 0))
    process.start()
    process.join()
    open("never", "w").close()
"""


@posix
@pytest.mark.parametrize("method, ended, lines", [("fork", "process", [AT + 6]), ("spawn", "refused", [])])
def test_processes_of_its_own(method: str, ended: str, lines: list[int], tmp_path: Path) -> None:
    (tmp_path / "inside").mkdir()
    done = run(tmp_path / "inside", TRAINED_ELSEWHERE.replace("METHOD", repr(method)))
    assert (done.run["ended"], done.lines, done.stderr) == (ended, lines, "")
    assert done.run["location"]["path"] == "train.py"
    assert not (tmp_path / "never").exists()
    assert ended != "refused" or "before it called a loss" in done.report["checks"][0]["error"]["message"]


@pytest.mark.parametrize(
    "words, status, said",
    [
        ((), 2, "no script given"),
        (("",), 2, "the script's name is empty"),
        (("trian.py",), 3, "did you mean train.py?"),
        (("folder",), 2, "such as folder/main.py"),
        (("work.ipynb",), 2, "is a notebook"),
        (("train.py:Net",), 2, "names a model, not a script"),
        (("--steps", "-1", "train.py"), 2, "--steps"),
        (("--select", "SC9999", "train.py"), 2, "SC9999"),
    ],
    ids=("none", "empty", "misspelt", "folder", "notebook", "model", "steps", "select"),
)
def test_wrong_usage(words: tuple[str, ...], status: int, said: str, tmp_path: Path) -> None:
    (tmp_path / "train.py").touch()
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "main.py").touch()
    done = command(tmp_path, *words)
    assert (done.returncode, done.stdout) == (status, "")
    assert said in done.stderr
    assert "Traceback" not in done.stderr
