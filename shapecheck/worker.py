"""The process that runs user code: imports torch once, then forks a child for every job. Knows nothing of checks.

Requests come on its standard input and answers go to its standard output, one line of JSON each; before any user code
runs both are moved out of its reach, so that what it prints ends on standard error. With fork, this process runs no
user code itself and so stays answerable for the time limit. `workers.py` is the other side.
"""

from __future__ import annotations

import gc
import json
import os
import sys
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any, BinaryIO

from shapecheck.endings import Result, failure, internal
from shapecheck.errors import CheckError


def main() -> None:
    """Serves requests until standard input ends."""
    requests, answers = _take_standard_streams()
    no_torch = _import_torch()
    _write(answers, json.dumps({"ready": True}).encode() + b"\n")
    for line in iter(requests.readline, b""):
        request = json.loads(line)
        if no_torch is not None:
            for index in range(len(request["jobs"])):
                _write(answers, answer(index, json.dumps(no_torch).encode()))
        elif request["fork"]:
            from shapecheck.forking import run_jobs

            run_jobs(request, requests.fileno(), answers)
        else:
            _write(answers, answer(0, outcome(request["entry"], request["jobs"][0])))
    leave(0)


def answer(index: int, result: bytes) -> bytes:
    """The line that is sent for a job."""
    return b'{"index": %d, "result": %s}\n' % (index, result)


def outcome(entry: str, job: Mapping[str, Any]) -> bytes:
    """What `module:function` makes of the job, or the error that came out of it, as JSON."""
    try:
        return json.dumps(_function(entry)(dict(job))).encode()
    except CheckError as error:
        return json.dumps({"error": error.to_dict()}).encode()
    except SystemExit as error:
        return json.dumps(_stopped(error)).encode()
    except BaseException as error:
        return json.dumps(internal(error)).encode()


def prepare(request: Mapping[str, Any]) -> None:
    """What the module of the entry can do once for all jobs, in its `prepare`, before there are children.

    Runs no user code; what fails here fails again in the job that needs it.
    """
    from importlib import import_module

    gc.disable()
    try:
        module = import_module(request["entry"].partition(":")[0])
        if hasattr(module, "prepare"):
            module.prepare(request["jobs"])
    except Exception:
        return
    finally:
        gc.enable()
        gc.freeze()


def flush() -> None:
    """Writes out what Python and C still hold of the user's prints."""
    for stream in (sys.stdout, sys.stderr):
        with suppress(Exception):  # the user's code may have put anything there
            stream.flush()
    if hasattr(os, "fork"):
        import ctypes

        with suppress(OSError, AttributeError):
            ctypes.CDLL(None).fflush(None)


def leave(status: int) -> None:
    """Ends the process at once: threads, exit handlers and children of the user's code are not waited for."""
    flush()
    os._exit(status)


def _function(dotted: str) -> Callable[[dict[str, Any]], Result]:
    from importlib import import_module

    module, _, name = dotted.partition(":")
    found: Callable[[dict[str, Any]], Result] = getattr(import_module(module), name)
    return found


def _stopped(error: SystemExit) -> Result:
    from shapecheck.probe.places import raised_at
    from shapecheck.probe.telling import shown_value

    place = raised_at(error)
    return failure(
        "SC907",
        f"the user's code calls sys.exit({shown_value(error.code)})",
        'move what should only run as a script under if __name__ == "__main__":',
        None if place is None else {"path": place.path, "line": place.line},
    )


def _take_standard_streams() -> tuple[BinaryIO, BinaryIO]:
    """Private copies of standard input and output; the standard ones become the null device and standard error."""
    nothing = os.open(os.devnull, os.O_RDWR)
    if nothing == 2:  # started without a standard error: now the null device is
        nothing = os.open(os.devnull, os.O_RDWR)
    requests, answers = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    os.dup2(nothing, 0)
    os.dup2(2, 1)
    os.close(nothing)
    for stream in (sys.stdout, sys.stderr):
        if stream is not None:
            stream.reconfigure(line_buffering=True, errors="backslashreplace")  # type: ignore[union-attr]
    return requests, answers


def _import_torch() -> Result | None:
    """None, or why not. Collecting garbage amid so many new objects would cost a tenth of the import."""
    gc.disable()
    try:
        import torch

        torch.set_num_threads(1)  # a fork after OpenMP threads have run would hang
    except BaseException as error:
        return without_torch(error)
    finally:
        gc.enable()
    gc.freeze()
    return None


def without_torch(error: BaseException) -> Result:
    """The answer to every job, where torch cannot be imported."""
    from shapecheck.probe.telling import said

    absent = isinstance(error, ModuleNotFoundError) and error.name == "torch"
    message = "torch is not installed in this environment" if absent else f"torch cannot be imported: {said(error)}"
    return failure("SC901", message, "pip install torch==2.13.0")


def _write(answers: BinaryIO, line: bytes) -> None:
    answers.write(line)
    answers.flush()
