"""`watch()` and `install()`: each distinct call once, at the user's line, and nothing else changes."""

from __future__ import annotations

import asyncio
import gc
import io
import pickle
import random
import subprocess
import sys
import threading
import weakref
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from helpers import written
from torch import nn

import shapecheck
from shapecheck.live.attached import attached_to

ROOT = Path(__file__).parent.parent
BROADCAST = "ignore:Using a target size"
pytestmark = pytest.mark.filterwarnings(BROADCAST)
notes = pytest.mark.skipif(sys.version_info < (3, 11), reason="exceptions have no notes")


def broadcast(size: int = 8) -> torch.Tensor:
    return F.mse_loss(torch.zeros(size, 1), torch.zeros(size))


def right(size: int = 8) -> torch.Tensor:
    return F.cross_entropy(torch.zeros(size, 3), torch.zeros(size, dtype=torch.long))


def class_axis_last() -> torch.Tensor:
    return F.cross_entropy(torch.zeros(8, 5, 10), torch.zeros(8, 5, dtype=torch.long))


def codes(report: shapecheck.Report) -> list[str]:
    return [finding.code for finding in report.findings]


# ------------------------------------------------------------------------------------- what is checked and printed


def test_a_silent_finding_is_printed_once_at_its_line(capsys: pytest.CaptureFixture[str]) -> None:
    with shapecheck.watch() as watching:
        for size in (8, 8, 8, 5):
            broadcast(size)
    told = capsys.readouterr()
    line = broadcast.__code__.co_firstlineno + 1
    assert told.out == ""
    assert told.err.count("error[SC410]") == 1
    assert f"test_live.py:{line}" in told.err
    assert codes(watching.report) == ["SC410"] * 2, "each distinct call is in the report"


def test_right_calls_print_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    with shapecheck.watch() as watching:
        right()
        nn.CrossEntropyLoss()(torch.randn(4, 3), torch.tensor([0, 1, 2, 0]))
    assert capsys.readouterr() == ("", "")
    assert watching.report.ok
    assert len(watching.report.checks) == 2


def test_sizes_that_relate_as_others_did_are_known() -> None:
    with shapecheck.watch(file=io.StringIO()) as watching:
        for size in range(2, 40):
            right(size)
        assert len(watching.report.checks) < 6
        right(1)
        assert len(watching.report.checks) < 8
        broadcast(1)
    assert watching.report.checks[-1].loss == "mse_loss"


def test_a_loss_that_raises_is_explained(capsys: pytest.CaptureFixture[str]) -> None:
    with shapecheck.watch() as watching:
        with suppress(RuntimeError):
            class_axis_last()
        assert "error[SC101]" not in capsys.readouterr().err, "it is not known yet that nobody will show it"
        F.mse_loss(torch.zeros(4), torch.zeros(4))
        assert "error[SC101]" in capsys.readouterr().err
    assert capsys.readouterr().err == ""
    assert codes(watching.report) == ["SC101"]


@notes
@pytest.mark.parametrize(
    "leaves, printed",
    [(None, 1), (ValueError, 0), (SystemExit, 1)],
    ids=("caught", "goes on as another", "ends the program quietly"),
)
def test_a_diagnosis_is_shown_once(
    leaves: type[BaseException] | None, printed: int, capsys: pytest.CaptureFixture[str]
) -> None:
    with suppress(RuntimeError), shapecheck.watch():
        class_axis_last()
    assert capsys.readouterr().err == "", "a traceback shows the note"
    with suppress(BaseException), shapecheck.watch():
        try:
            class_axis_last()
        except RuntimeError:
            if leaves is not None:
                raise leaves("of the program's own")  # noqa: B904
    assert capsys.readouterr().err.count("error[SC101]") == printed


@notes
def test_the_exception_carries_the_diagnosis() -> None:
    with pytest.raises(RuntimeError) as raised, shapecheck.watch(file=io.StringIO()), shapecheck.watch():
        class_axis_last()
    (note,) = raised.value.__notes__  # type: ignore[attr-defined]
    assert "error[SC101]" in note
    assert "\x1b" not in note
    again = pickle.loads(pickle.dumps(raised.value))
    assert str(again) == str(raised.value)


def test_a_label_that_only_comes_later_is_found_when_torch_raises(capsys: pytest.CaptureFixture[str]) -> None:
    scores = torch.zeros(4, 3)

    def step(label: int) -> torch.Tensor:
        return F.cross_entropy(scores, torch.tensor([0, 1, 2, label]))

    with shapecheck.watch() as watching:
        step(0)
        with pytest.raises(IndexError):
            step(3)
    assert "labels" in capsys.readouterr().err
    assert [check.status for check in watching.report.checks] == ["ok", "findings"]


def test_what_the_tensors_do_not_explain_stays_alone(capsys: pytest.CaptureFixture[str]) -> None:
    class OutOfMemory(torch.Tensor):
        @classmethod
        def __torch_function__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            if func is F.mse_loss:
                raise RuntimeError("out of memory")
            return super().__torch_function__(func, types, args, kwargs or {})

    with pytest.raises(RuntimeError, match="out of memory") as raised, shapecheck.watch():
        F.mse_loss(torch.zeros(4).as_subclass(OutOfMemory), torch.zeros(4))
    assert capsys.readouterr().err == ""
    assert not getattr(raised.value, "__notes__", [])


@pytest.mark.parametrize(
    "around",
    [
        torch.no_grad,
        torch.inference_mode,
        lambda: torch.autocast("cpu", torch.bfloat16),
        lambda: torch.device("meta"),
        torch.enable_grad,
    ],
    ids=("no_grad", "inference_mode", "autocast", "device", "enable_grad"),
)
def test_the_mode_of_the_program_changes_no_diagnosis(around: Callable[[], Any]) -> None:
    scores, target = torch.zeros(8, 1), torch.zeros(8)
    with shapecheck.watch(file=io.StringIO()) as watching, around():
        F.mse_loss(scores, target)
    (finding,) = watching.report.findings
    assert (finding.code, finding.fixes[0].verified) == ("SC410", "executed")


def test_the_program_goes_on_as_if_nobody_watched() -> None:
    def draw() -> tuple[float, float, float]:
        return torch.rand(1).item(), random.random(), F.mse_loss(torch.rand(8, 1), torch.rand(8)).item()

    def all_draws() -> list[tuple[float, float, float]]:
        torch.manual_seed(0)
        random.seed(0)
        return [draw() for _ in range(3)]

    expected = all_draws()
    with shapecheck.watch(file=io.StringIO()):
        assert all_draws() == expected
    assert torch.is_grad_enabled()


def test_no_tensor_is_kept() -> None:
    scores = torch.zeros(8, 1)
    gone = weakref.ref(scores)
    with shapecheck.watch(file=io.StringIO()) as watching:
        F.mse_loss(scores, torch.zeros(8))
        del scores
        gc.collect()
        assert gone() is None
    assert codes(watching.report) == ["SC410"]


def test_a_container_for_the_scores_is_explained() -> None:
    with pytest.raises(TypeError), shapecheck.watch(file=io.StringIO()) as watching:
        F.cross_entropy((torch.zeros(8, 3),), torch.zeros(8, dtype=torch.long))  # type: ignore[arg-type]
    assert watching.report.findings[0].fixes[0].kind == "select-output"


def test_threads_are_watched(capsys: pytest.CaptureFixture[str]) -> None:
    with shapecheck.watch() as watching:
        threads = [threading.Thread(target=broadcast) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert len(watching.report.checks) == 1
    assert capsys.readouterr().err.count("SC410]") == 1


# ------------------------------------------------------------------------------------- options


def test_raise_on_stops_at_the_loss() -> None:
    with pytest.raises(shapecheck.FindingsError, match="SC410") as raised, shapecheck.watch(raise_on="error"):
        broadcast()
    assert codes(raised.value.report) == ["SC410"]
    assert str(pickle.loads(pickle.dumps(raised.value))) == str(raised.value)


def test_ignored_findings_are_none(capsys: pytest.CaptureFixture[str]) -> None:
    with shapecheck.watch(raise_on="error", ignore="SC410"), shapecheck.watch(select=["SC1"]):
        broadcast()
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(
    "options, said",
    [
        ({"raise_on": "eror"}, "did you mean 'error'"),
        ({"ignore": "SC999"}, "SC999"),
        ({"rules": ["no/such/folder"]}, "no such folder"),
    ],
)
def test_wrong_options_are_refused(options: dict[str, Any], said: str) -> None:
    for take in (shapecheck.watch, shapecheck.install):
        if take is shapecheck.watch or "raise_on" not in options:
            with pytest.raises(shapecheck.UserError, match=said):
                take(**options)


def test_as_a_decorator() -> None:
    @shapecheck.watch(raise_on="error")
    def function() -> None:
        broadcast()

    @shapecheck.watch(raise_on="error")
    async def coroutine() -> None:
        broadcast()

    @shapecheck.watch(raise_on="error")
    def generator() -> Any:
        yield broadcast()

    @shapecheck.watch
    def plain(size: int) -> int:
        return right(size).dim()

    assert plain(4) == 0
    for call in (function, lambda: asyncio.run(coroutine()), lambda: list(generator())):
        with pytest.raises(shapecheck.FindingsError):
            call()
    broadcast()


def test_may_be_entered_again_while_it_is_on(capsys: pytest.CaptureFixture[str]) -> None:
    watching = shapecheck.watch()
    with watching:
        with watching:
            broadcast()
        broadcast(5)
    broadcast(6)
    assert len(watching.report.checks) == 2
    assert capsys.readouterr().err.count("SC410]") == 1


# ------------------------------------------------------------------------------------- at a prompt


def test_a_report_shows_itself_at_a_prompt() -> None:
    report = shapecheck.check_tensors(torch.zeros(8, 1), torch.zeros(8), "mse_loss")
    assert repr(report) == str(report).rstrip("\n")
    assert repr(report).startswith("error[SC410]")


# ------------------------------------------------------------------------------------- install()

SCRIPT = """
import torch
import torch.nn.functional as F
import shapecheck

def step(logits, labels):
    return F.cross_entropy(logits, labels)

shapecheck.install()
shapecheck.install()
step(torch.zeros(8, 5, 10), torch.zeros(8, 5, dtype=torch.long))
"""


def test_the_diagnosis_takes_the_place_of_the_traceback(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "train.py"],
        cwd=written(tmp_path, {"train.py": SCRIPT}),
        env={"PYTHONPATH": str(ROOT), "PATH": ""},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert done.stderr.count("error[SC101]") == 1
    assert "--> train.py:7" in done.stderr
    assert "RuntimeError in train.py:7, called from train.py:11" in done.stderr
    assert "SHAPECHECK_TRACEBACK=1" in done.stderr


@pytest.fixture
def installed() -> Iterator[None]:
    shapecheck.install()
    yield
    shapecheck.uninstall()


def wrapped() -> None:
    try:
        class_axis_last()
    except RuntimeError as error:
        raise KeyError("mine") from error


def while_handling() -> None:
    try:
        raise KeyError("mine")
    except KeyError:
        class_axis_last()


def another() -> None:
    raise KeyError("mine")


def uninstalled() -> None:
    shapecheck.install()
    try:
        class_axis_last()
    finally:
        shapecheck.uninstall()


def ended_by(function: Callable[[], Any]) -> BaseException:
    """What ends a program, handed to the hook that Python would call."""
    with pytest.raises(Exception) as raised:
        function()
    sys.excepthook(raised.type, raised.value, raised.tb)
    return raised.value


@pytest.mark.usefixtures("installed")
def test_the_hook_shows_the_diagnosis(capsys: pytest.CaptureFixture[str]) -> None:
    ended_by(class_axis_last)
    shown = capsys.readouterr().err
    assert shown.count("error[SC101]") == 1
    assert "Traceback" not in shown


@pytest.mark.usefixtures("installed")
@pytest.mark.parametrize("program", [another, wrapped, while_handling, uninstalled])
def test_no_other_exception_is_hidden(program: Callable[[], Any], capsys: pytest.CaptureFixture[str]) -> None:
    error = ended_by(program)
    shown = capsys.readouterr().err
    assert "Traceback (most recent call last)" in shown
    assert type(error).__name__ in shown
    assert program is uninstalled or "mine" in shown


@pytest.mark.usefixtures("installed")
def test_a_variable_brings_the_traceback_back(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SHAPECHECK_TRACEBACK", "1")
    ended_by(class_axis_last)
    assert "Traceback (most recent call last)" in capsys.readouterr().err


@pytest.mark.usefixtures("installed")
def test_in_a_thread(capsys: pytest.CaptureFixture[str]) -> None:
    thread = threading.Thread(target=class_axis_last, name="Worker")
    thread.start()
    thread.join()
    shown = capsys.readouterr().err
    assert "in Worker:\nerror[SC101]" in shown
    assert "Traceback" not in shown


def test_install_may_watch_too(capsys: pytest.CaptureFixture[str]) -> None:
    hooks = sys.excepthook, threading.excepthook
    shapecheck.install()
    broadcast()
    shapecheck.install(watch=True)
    try:
        broadcast()
        with pytest.raises(RuntimeError) as raised:
            class_axis_last()
    finally:
        shapecheck.uninstall()
        shapecheck.uninstall()
    assert attached_to(raised.value) is not None
    assert capsys.readouterr().err.count("error[") == 1, "what raises is shown by the hook"
    assert (sys.excepthook, threading.excepthook) == hooks


def test_ipython_shows_the_diagnosis(tmp_path: Path) -> None:
    pytest.importorskip("IPython")
    cells = [
        "import torch, torch.nn.functional as F",
        "%load_ext shapecheck",
        "F.cross_entropy(torch.zeros(8, 5, 10), torch.zeros(8, 5, dtype=torch.long))",
        "1 / 0",
        "%unload_ext shapecheck",
        "F.cross_entropy(torch.zeros(8, 5, 10), torch.zeros(8, 5, dtype=torch.long))",
    ]
    done = subprocess.run(
        [sys.executable, "-m", "IPython", "--simple-prompt", "--colors=NoColor", "--no-banner"],
        input="\n".join(cells),
        cwd=tmp_path,
        env={"PYTHONPATH": str(ROOT), "PATH": "", "IPYTHONDIR": str(tmp_path), "HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=120,
    )
    third, fourth, last = (done.stdout.partition(f"In [{n}]:")[2].partition(f"In [{n + 1}]:")[0] for n in (3, 4, 6))
    assert "error[SC101]" in third
    assert "--> In[3]:1" in third
    assert "Traceback" not in third
    assert "ZeroDivisionError" in fourth
    assert "Traceback" in last
    assert "error[SC101]" not in last
