"""Starts a worker process, asks it and ends it; `worker.py` is what runs there. Decides nothing.

One worker talks over its standard input and output, one line of JSON a message.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress

from shapecheck.endings import Result

GRACE = 2.0

# Loads this very package by its folder: neither the current folder nor the package's own may stand in for Python's
# modules, and a folder on sys.path would let its other contents do so. The last argument is the folder; `{module}` starts.
BOOTSTRAP = """
import sys
if sys.path and sys.path[0] == "":
    del sys.path[0]
from importlib.util import module_from_spec, spec_from_file_location
folder = sys.argv.pop()
spec = spec_from_file_location("shapecheck", folder + "/__init__.py", submodule_search_locations=[folder])
sys.modules["shapecheck"] = module_from_spec(spec)
spec.loader.exec_module(sys.modules["shapecheck"])
from {module} import main
main()
"""

Process = subprocess.Popen[bytes]


def spawn() -> Process:
    """A worker in a session of its own, so that Ctrl-C at the terminal reaches only its parent."""
    return subprocess.Popen(
        [
            sys.executable,
            "-c",
            BOOTSTRAP.format(module="shapecheck.worker"),
            os.path.dirname(os.path.abspath(__file__)),
        ],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env=_environment(),
        start_new_session=True,
    )


def _environment() -> dict[str, str]:
    """No GPU, no downloads and no windows for a check, and sets in the same order every time."""
    defaults = {"HF_HUB_OFFLINE": "1", "MPLBACKEND": "Agg", "PYTHONHASHSEED": "0"}
    if sys.platform == "darwin":
        defaults["OBJC_DISABLE_INITIALIZE_FORK_SAFETY"] = "YES"
    return {**defaults, **os.environ, "CUDA_VISIBLE_DEVICES": ""}


def wait_until_ready(process: Process) -> None:
    """Until torch is imported there, or the process has ended."""
    assert process.stdout is not None
    process.stdout.readline()


def ask(process: Process, request: bytes, count: int) -> Iterator[tuple[int, Result]]:
    """Sends the request and yields `count` answers, or fewer where the worker ends early."""
    assert process.stdin is not None
    assert process.stdout is not None
    with suppress(BrokenPipeError):
        process.stdin.write(request)
        process.stdin.flush()
    while count:
        line = process.stdout.readline()
        if not line:
            return
        message = _message(line)
        if "index" in message:
            count -= 1
            yield message["index"], message["result"]


def _message(line: bytes) -> Result:
    """Empty for the half line of a worker that died."""
    try:
        message = json.loads(line)
    except ValueError:
        return {}
    return message if isinstance(message, dict) else {}


def exit_status(process: Process) -> int | None:
    """How a worker that fell silent has ended."""
    with suppress(subprocess.TimeoutExpired):
        return process.wait(GRACE)
    return None


def finish(process: Process, busy: bool = False) -> None:
    """Ends the worker. A `busy` one is first left to end its children, which its closed input tells it to do."""
    if process.stdin is not None:
        with suppress(OSError):
            process.stdin.close()
    if busy:
        exit_status(process)
    process.kill()
    process.wait()
    if process.stdout is not None:
        process.stdout.close()
