"""Runs jobs in forked children of the worker, within a time limit each. Runs none itself; needs `os.fork`.

A child has its own session, so that it and whatever it started can be ended together; a pipe for its answer; and one
for Python's fault handler, which writes down the running line when the child crashes or is told that time is up.
"""

from __future__ import annotations

import ctypes
import faulthandler
import json
import os
import re
import select
import signal
import sys
import time
import warnings
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, BinaryIO

from shapecheck import worker
from shapecheck.endings import Result, died, timed_out

_TIME_IS_UP = signal.SIGXCPU  # hardly any program handles it
_TICK = 0.03
_LAST_WORDS = 0.5
_CHUNK = 1 << 20
_DIE_WITH_PARENT = 1
_DUMPED = re.compile(r'^  File "(.+)", line (\d+) in', re.MULTILINE)


@dataclass(eq=False)
class Child:
    """A running job: `answer` and `stack` are file descriptors, `deadline` is in the monotonic clock."""

    index: int
    pid: int
    answer: int
    stack: int
    deadline: float
    received: bytearray = field(default_factory=bytearray)
    silent: bool = False

    @property
    def complete(self) -> bool:
        return self.received.endswith(b"\n")


def run_jobs(request: Mapping[str, Any], control: int, answers: BinaryIO) -> None:
    """Answers every job of the request as it ends. Leaves the process when `control` is closed meanwhile."""
    worker.prepare(request)
    waiting = list(enumerate(request["jobs"]))[::-1]
    running: list[Child] = []
    try:
        while waiting or running:
            while waiting and len(running) < request["concurrency"]:
                running.append(_start(*waiting.pop(), request, running, (control, answers.fileno())))
            for child, result in _step(running, control, request["timeout"]):
                running.remove(child)
                answers.write(worker.answer(child.index, result))
                answers.flush()
    finally:
        for child in running:
            _end(child)


def _start(
    index: int, job: Mapping[str, Any], request: Mapping[str, Any], others: Iterable[Child], private: Iterable[int]
) -> Child:
    answer, write_answer = os.pipe()
    stack, write_stack = os.pipe()
    pid = _fork()
    if pid == 0:
        try:
            _close([*private, answer, stack, *(end for other in others for end in (other.answer, other.stack))])
            _be_child(job, request["entry"], write_answer, write_stack)
        finally:
            worker.leave(1)
    _close([write_answer, write_stack])
    return Child(index, pid, answer, stack, time.monotonic() + request["timeout"])


def _fork() -> int:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # idle threads of a numeric library do no harm
        return os.fork()


def _be_child(job: Mapping[str, Any], entry: str, answer: int, stack: int) -> None:
    """A process that the user's own code forked must not answer in the child's place."""
    os.setsid()
    _give_in_first()
    faulthandler.enable(stack, all_threads=False)
    faulthandler.register(_TIME_IS_UP, stack, all_threads=False)
    me = os.getpid()
    result = worker.outcome(entry, job)
    worker.flush()  # with the answer the child's time is over
    if os.getpid() == me:
        _write(answer, result + b"\n")
    worker.leave(0)


def _give_in_first() -> None:
    """On Linux: die with the worker, and be the first that a machine short of memory ends."""
    if sys.platform == "linux":
        with suppress(OSError, AttributeError):
            ctypes.CDLL(None).prctl(_DIE_WITH_PARENT, int(signal.SIGKILL))
        with suppress(OSError), open("/proc/self/oom_score_adj", "w") as score:
            score.write("1000")


def _write(descriptor: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]


def _step(running: list[Child], control: int, timeout: float) -> list[tuple[Child, bytes]]:
    """Waits a little for any child; the ones that ended, with their results as JSON."""
    open_ends = [child.answer for child in running if not child.silent]
    readable, _, _ = select.select([control, *open_ends], [], [], _TICK)
    if control in readable:  # nothing is sent during a run, so the other side is gone
        for child in running:
            _end(child)
        worker.leave(0)
    results = [(child, _look_at(child, child.answer in readable, timeout)) for child in running]
    return [(child, result) for child, result in results if result is not None]


def _look_at(child: Child, readable: bool, timeout: float) -> bytes | None:
    """The result of a child that has answered, died or run out of time. An answer on its way is waited for."""
    if readable:
        _read(child)
    status = None if child.complete else _status(child)
    if status is not None:
        while not child.silent and not child.complete and _arrives(child.answer, 0):
            _read(child)
    late = time.monotonic() > child.deadline and not child.received
    if child.complete:
        result = bytes(child.received).rstrip()
    elif status is not None:
        result = json.dumps(died(status, _last_line(child))).encode()
    elif late:
        os.kill(child.pid, _TIME_IS_UP)
        result = json.dumps(timed_out(timeout, _last_line(child))).encode()
    else:
        return None
    _end(child)
    return result


def _read(child: Child) -> None:
    chunk = os.read(child.answer, _CHUNK)
    child.received += chunk
    child.silent = not chunk


def _status(child: Child) -> int | None:
    """Exit status of a child that has ended, negative for a signal."""
    pid, status = os.waitpid(child.pid, os.WNOHANG)
    return os.waitstatus_to_exitcode(status) if pid else None


def _end(child: Child) -> None:
    """Ends the child and everything it started, and forgets it."""
    for kill in (os.killpg, os.kill):  # the group is there once the child has run its first line
        with suppress(ProcessLookupError, PermissionError):
            kill(child.pid, signal.SIGKILL)
    with suppress(ChildProcessError):
        os.waitpid(child.pid, 0)
    _close([child.answer, child.stack])


def _close(descriptors: Iterable[int]) -> None:
    for descriptor in descriptors:
        os.close(descriptor)


def _arrives(descriptor: int, seconds: float) -> bool:
    return bool(select.select([descriptor], [], [], seconds)[0])


def _last_line(child: Child) -> Result | None:
    """The innermost line of the user's own code in what the fault handler writes of the stack, all in one go."""
    said, patience = b"", _LAST_WORDS
    while _arrives(child.stack, patience):
        chunk = os.read(child.stack, _CHUNK)
        if not chunk:
            break
        said, patience = said + chunk, _TICK
    return user_line(said.decode(errors="replace"))


def user_line(dump: str) -> Result | None:
    from shapecheck.probe.places import distance
    from shapecheck.probe.telling import shown_path

    for match in _DUMPED.finditer(dump):
        if distance(match[1]) == 0:
            return {"path": shown_path(match[1]), "line": int(match[2])}
    return None
