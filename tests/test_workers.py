"""The worker process, with user code that misbehaves for real. One worker is shared by all tests that leave it whole."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from shapecheck.workers import Workers

ROOT = Path(__file__).parent.parent

ENTRIES = """
import ctypes, os, signal, subprocess, sys, threading, time

def echo(job):
    return {"got": job}

def about(job):
    import torch
    return {"threads": torch.get_num_threads(), "gpu": torch.cuda.is_available(), "path": sys.path, "pid": os.getpid()}

def prints(job):
    print("from python")
    os.write(1, b"from below\\n")
    subprocess.run(["echo", "from a child"])
    ctypes.CDLL(None).printf(b"from C\\n")
    print("unfinished", end="")
    return {"typed": sys.stdin.read()}

def large(job):
    return {"text": "x" * job["length"], "given": len(job.get("text", ""))}

def hangs(job):
    while True:
        pass  # here

def sleeps(job):
    time.sleep(job["seconds"])
    return {"slept": job["seconds"]}

def hangs_below(job):
    ctypes.CDLL(None).pause()

def stubborn(job):
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGALRM):
        signal.signal(number, signal.SIG_IGN)
    while True:
        try:
            time.sleep(60)
        except BaseException:
            pass

def crashes(job):
    ctypes.string_at(0)

def killed(job):
    os.kill(os.getpid(), signal.SIGKILL)

def leaves(job):
    os._exit(3)

def exits(job):
    sys.exit("enough")

def raises(job):
    raise ValueError("unexpected")

def returns_a_tensor(job):
    return {"tensor": object()}

def model_error(job):
    from shapecheck.errors import Location, ModelError
    raise ModelError("no", "yes", code="SC903", location=Location("model.py", 3))

def leaves_things_behind(job):
    threading.Thread(target=time.sleep, args=(600,)).start()
    sleeper = subprocess.Popen(["sleep", "600"])
    forked = os.fork()
    if not forked:
        time.sleep(600)
    return {"pids": [sleeper.pid, forked]}

def forks_and_returns_twice(job):
    if os.fork():
        time.sleep(0.2)
        return {"who": "parent"}
    return {"who": "child"}

def dies_beside_its_child(job):
    if os.fork():
        os._exit(5)
    time.sleep(600)

def ends_the_worker(job):
    os.kill(os.getppid(), signal.SIGKILL)
    time.sleep(600)
"""


@pytest.fixture(scope="module", autouse=True)
def entries(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("entries")
    (folder / "misbehaving.py").write_text(ENTRIES)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", str(folder))
        yield folder / "misbehaving.py"


@pytest.fixture(scope="module")
def workers(entries: Path) -> Iterator[Workers]:
    with Workers() as shared:
        yield shared


def one(workers: Workers, entry: str, timeout: float = 20.0, **job: Any) -> dict[str, Any]:
    [(index, result)] = workers.run([job], timeout, entry=f"misbehaving:{entry}")
    assert index == 0
    return result


def line_of(entries: Path, text: str) -> int:
    return next(i for i, line in enumerate(entries.read_text().splitlines(), 1) if text in line)


def running(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"


def gone(pid: int) -> bool:
    deadline = time.monotonic() + 3
    while running(pid) and time.monotonic() < deadline:
        time.sleep(0.01)
    return not running(pid)


def test_jobs_come_back_with_their_index(workers: Workers) -> None:
    results = dict(workers.run([{"n": n} for n in range(5)], 20, concurrency=2, entry="misbehaving:echo"))
    assert results == {n: {"got": {"n": n}} for n in range(5)}


def test_no_jobs_no_answers(workers: Workers) -> None:
    assert list(workers.run([], 1)) == []


def test_the_first_to_end_comes_first(workers: Workers) -> None:
    jobs = [{"seconds": 0.4}, {"seconds": 0.0}]
    assert [index for index, _ in workers.run(jobs, 20, concurrency=2, entry="misbehaving:sleeps")] == [1, 0]


def test_one_thread_no_gpu_and_no_current_folder(workers: Workers) -> None:
    about = one(workers, "about")
    assert (about["threads"], about["gpu"]) == (1, False)
    assert "" not in about["path"]


def test_every_job_has_a_process_of_its_own(workers: Workers) -> None:
    assert one(workers, "about")["pid"] != one(workers, "about")["pid"]


def test_prints_go_to_standard_error_and_input_is_empty(entries: Path) -> None:
    script = """
        from shapecheck.workers import run
        if __name__ == "__main__":
            print(list(run([{}], 20, entry="misbehaving:prints")))
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script)],
        check=True,
        capture_output=True,
        text=True,
        input="typed",
        cwd=ROOT,
    )
    assert done.stdout == "[(0, {'typed': ''})]\n"
    for line in ("from python", "from below", "from a child", "from C", "unfinished"):
        assert line in done.stderr


@pytest.mark.parametrize("closed", ["2>&-", ">&- 2>&- <&-"])
def test_closed_streams_disturb_nobody(entries: Path, tmp_path: Path, closed: str) -> None:
    script = "import sys; from shapecheck.workers import run; answer = list(run([{}], 20, entry='misbehaving:prints'))"
    script += f"; open({str(tmp_path / 'answer')!r}, 'w').write(str(answer))"
    done = subprocess.run(["sh", "-c", f'"$0" -c "$1" {closed}', sys.executable, script], check=False, cwd=ROOT)
    assert (done.returncode, (tmp_path / "answer").read_text()) == (0, "[(0, {'typed': ''})]")


def test_large_jobs_and_answers(workers: Workers) -> None:
    jobs: list[dict[str, Any]] = [{"length": 3_000_000, "text": "y" * 2_000_000}, {"length": 1_000_000}]
    results = dict(workers.run(jobs, 20, concurrency=2, entry="misbehaving:large"))
    assert (len(results[0]["text"]), results[0]["given"], len(results[1]["text"])) == (3_000_000, 2_000_000, 1_000_000)


@pytest.mark.parametrize("entry", ["hangs", "hangs_below", "stubborn"])
def test_time_limit(workers: Workers, entries: Path, entry: str) -> None:
    error = one(workers, entry, timeout=0.3)["error"]
    assert (error["code"], error["exit_status"], error["message"]) == ("SC906", 3, "timed out after 0.3 s")
    assert error["location"]["path"].endswith("misbehaving.py")


def test_time_limit_names_the_line(workers: Workers, entries: Path) -> None:
    place = one(workers, "hangs", timeout=0.3)["error"]["location"]
    assert place["line"] in (line_of(entries, "# here"), line_of(entries, "# here") - 1)


def test_a_crash_names_the_signal_and_the_line(workers: Workers, entries: Path) -> None:
    error = one(workers, "crashes")["error"]
    assert (error["code"], error["exit_status"]) == ("SC907", 3)
    assert "SIGSEGV" in error["message"]
    assert error["location"]["line"] == line_of(entries, "string_at")


@pytest.mark.parametrize(
    ("entry", "code", "text"),
    [
        ("killed", "SC907", "probably out of memory"),
        ("leaves", "SC907", "exit status 3"),
        ("exits", "SC907", "sys.exit('enough')"),
        ("raises", "SC999", "internal error: ValueError"),
        ("returns_a_tensor", "SC999", "internal error: TypeError"),
        ("no_such_entry", "SC999", "internal error: AttributeError"),
        ("dies_beside_its_child", "SC907", "exit status 5"),
    ],
)
def test_every_end_is_told(workers: Workers, entry: str, code: str, text: str) -> None:
    error = one(workers, entry)["error"]
    assert (error["code"], error["exit_status"]) == (code, 3)
    assert text in error["message"]
    assert error["hint"]


def test_an_internal_error_carries_its_traceback(workers: Workers) -> None:
    assert 'raise ValueError("unexpected")' in one(workers, "raises")["error"]["detail"]


def test_check_errors_keep_their_parts(workers: Workers) -> None:
    assert one(workers, "model_error")["error"] == {
        "code": "SC903",
        "message": "no",
        "hint": "yes",
        "location": {"path": "model.py", "line": 3},
        "exit_status": 3,
    }


def test_what_the_code_started_is_ended(workers: Workers) -> None:
    began = time.monotonic()
    result = one(workers, "leaves_things_behind")
    assert time.monotonic() - began < 5
    assert all(gone(pid) for pid in result["pids"])


def test_a_forked_child_does_not_answer(workers: Workers) -> None:
    assert one(workers, "forks_and_returns_twice") == {"who": "parent"}


def test_one_bad_job_leaves_the_others_alone(workers: Workers) -> None:
    jobs = [{"seconds": seconds} for seconds in (0.0, 60.0, 0.0)]
    results = dict(workers.run(jobs, 0.5, concurrency=2, entry="misbehaving:sleeps"))
    assert results[1]["error"]["code"] == "SC906"
    assert results[0] == results[2] == {"slept": 0.0}


def test_a_lost_worker_is_told_and_replaced() -> None:
    with Workers() as workers:
        results = dict(workers.run([{"n": 0}, {"n": 1}], 20, entry="misbehaving:ends_the_worker"))
        assert {result["error"]["code"] for result in results.values()} == {"SC907"}
        assert one(workers, "echo") == {"got": {}}


def test_an_abandoned_run_ends_its_children() -> None:
    with Workers() as workers:
        jobs: list[dict[str, Any]] = [{}, {"seconds": 600}]
        answers = workers.run(jobs, 900, concurrency=2, entry="misbehaving:leaves_things_behind")
        next(answers)
        answers.close()  # type: ignore[attr-defined]
        assert one(workers, "echo") == {"got": {}}


def test_closing_does_not_wait_for_torch() -> None:
    began = time.monotonic()
    Workers().__enter__().close()
    assert time.monotonic() - began < 0.5


PARENT = """
from shapecheck.workers import run
try:
    print(list(run([{}], 900, entry="announcing:hang")))
except KeyboardInterrupt:
    print("interrupted")
"""
ANNOUNCING = """
import os, time
def hang(job):
    with open("pid", "w") as file:
        file.write(str(os.getpid()))
    time.sleep(600)
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_nothing_outlives_the_parent(tmp_path: Path, entries: Path, number: int) -> None:
    (entries.parent / "announcing.py").write_text(ANNOUNCING)
    path = os.pathsep.join([str(entries.parent), str(ROOT)])
    parent = subprocess.Popen(
        [sys.executable, "-c", PARENT],
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # ignored where tests run in the background
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": path},
    )
    announced = tmp_path / "pid"
    deadline = time.monotonic() + 20
    while not (announced.exists() and announced.read_text()) and time.monotonic() < deadline:
        time.sleep(0.02)
    parent.send_signal(number)
    output, errors = parent.communicate(timeout=10)
    assert gone(int(announced.read_text()))
    if number == signal.SIGINT:
        assert (output, errors) == ("interrupted\n", "")


def test_without_torch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "torch.py").write_text("raise ModuleNotFoundError(\"No module named 'torch'\", name='torch')")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(tmp_path), os.environ["PYTHONPATH"]]))
    with Workers() as workers:
        results = list(workers.run([{"n": 0}, {"n": 1}], 20, entry="misbehaving:echo"))
    assert [index for index, _ in results] == [0, 1]
    for _, result in results:
        assert result["error"]["message"] == "torch is not installed in this environment"
        assert result["error"]["hint"] == "pip install torch==2.13.0"
        assert result["error"]["exit_status"] == 3


def test_the_current_folder_shadows_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("random", "types", "json", "shapecheck", "numpy", "torch"):
        (tmp_path / f"{name}.py").write_text("raise RuntimeError('shadowed')")
    monkeypatch.chdir(tmp_path)
    with Workers() as workers:
        assert one(workers, "echo") == {"got": {}}


def test_without_fork(entries: Path) -> None:
    workers = Workers(fork=False)
    assert one(workers, "echo", n=1) == {"got": {"n": 1}}
    assert one(workers, "leaves")["error"]["message"].endswith("exit status 3")
    assert one(workers, "hangs", timeout=0.2)["error"]["code"] == "SC906"
