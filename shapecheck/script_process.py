"""The process in which a script runs: started, listened to, told when its time is up, ended. Decides nothing of checks.

Unlike a worker it is one process for one script, neither forked nor confined: the script finds its own standard input,
environment and threads.
"""

from __future__ import annotations

import json
import os
import queue
import re
import signal
import subprocess
import sys
import sysconfig
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from shapecheck.errors import Location
from shapecheck.processes import BOOTSTRAP

_LAST_WORDS = 15.0  # for checks of what was seen by then
_FAREWELL = 10.0  # for what closes files when the script is stopped, and for exit handlers once all is said
_LOADING = 600.0  # for importing torch, which is no time of the script's
_DUMPED = re.compile(r'^  File "(.+)", line (\d+) in', re.MULTILINE)

Message = Mapping[str, Any]


@dataclass(frozen=True)
class Ended:
    """`status` is negative for a signal; `place` the user's line that was running at a crash, or when time was up."""

    status: int | None
    timed_out: bool
    interrupted: bool
    place: Location | None


class ScriptProcess:
    """A context manager; nothing of the process is left when it ends. `timeout` is in seconds from when torch is there."""

    def __init__(self, order: Mapping[str, Any], timeout: float) -> None:
        self._order = order
        self._timeout = timeout
        self._messages: queue.SimpleQueue[Message | None] = queue.SimpleQueue()
        self._deadline = time.monotonic() + _LOADING
        self._timed_out = self._interrupted = self._told_to_end = self._stopped = self._all_said = False

    def __enter__(self) -> ScriptProcess:
        self._folder = tempfile.TemporaryDirectory(prefix="shapecheck-", ignore_cleanup_errors=True)
        self._stack = os.path.join(self._folder.name, "stack")
        # At a terminal the script may ask questions, which only a process of the same session can.
        self._alone = sys.stdin is None or not sys.stdin.isatty()
        order = json.dumps({**self._order, "stack": self._stack})
        package = os.path.dirname(os.path.abspath(__file__))
        self._process = subprocess.Popen(
            [sys.executable, "-c", BOOTSTRAP.format(module="shapecheck.script_start"), order, package],
            stdout=subprocess.PIPE,
            env={"MPLBACKEND": "Agg", **os.environ},
            start_new_session=self._alone,
        )
        threading.Thread(target=self._listen, daemon=True).start()
        return self

    def __exit__(self, *ended: object) -> None:
        self._kill()
        self._process.wait()
        self._folder.cleanup()

    def messages(self) -> Iterator[Message]:
        """What the process says, as it comes, until it has ended or was ended. Ctrl-C stops the script, not us."""
        while True:
            try:
                message = self._next()
            except KeyboardInterrupt:
                self._interrupt()
                continue
            if message is None:
                return
            self._renew(message)
            yield message

    def ended(self) -> Ended:
        """How it ended; to be asked after the last message."""
        status = self._process.wait()
        place = None if self._all_said else self._last_place()
        return Ended(status, self._timed_out, self._interrupted, place)

    def _listen(self) -> None:
        """In a thread, as pipes cannot be waited for in the same way on every system."""
        assert self._process.stdout is not None
        with suppress(ValueError, OSError):
            for line in self._process.stdout:
                with suppress(ValueError):  # the half line of a process that died
                    self._messages.put(json.loads(line))
        self._messages.put(None)

    def _next(self) -> Message | None:
        """None at the end. A process that the script left behind may hold the pipe open, so the script's own is asked too."""
        while True:
            try:
                return self._messages.get(timeout=0.05)
            except queue.Empty:
                pass
            if self._process.poll() is not None:
                return self._rest()
            if time.monotonic() > self._deadline:
                self._time_is_up()

    def _rest(self) -> Message | None:
        try:
            return self._messages.get(timeout=0.2)
        except queue.Empty:
            return None

    def _renew(self, message: Message) -> None:
        """Each message buys time: the script's time is its own, checks have as much again. A stopped script has to end."""
        self._all_said = "run" in message
        self._stopped |= "stopped" in message
        if "seen" in message:
            return
        ending = self._all_said or "stopped" in message
        left = _FAREWELL if ending else _LAST_WORDS if self._told_to_end else self._timeout
        self._deadline = time.monotonic() + left

    def _time_is_up(self) -> None:
        if self._all_said or self._told_to_end or not hasattr(signal, "SIGXCPU"):
            self._timed_out = not (self._all_said or self._interrupted)
            self._kill()
            return
        self._timed_out, self._told_to_end = not self._stopped, True
        self._deadline = time.monotonic() + _LAST_WORDS
        self._process.send_signal(signal.SIGXCPU)

    def _interrupt(self) -> None:
        """The first Ctrl-C asks for what there is, the second ends it all."""
        if self._interrupted:
            self._kill()
            raise KeyboardInterrupt
        self._interrupted = self._told_to_end = True
        self._deadline = time.monotonic() + _LAST_WORDS
        if self._alone and os.name == "posix":
            self._process.send_signal(signal.SIGINT)

    def _kill(self) -> None:
        """With everything that it started, where it leads a session."""
        if self._alone and os.name == "posix":
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(self._process.pid, signal.SIGKILL)
        with suppress(OSError):
            self._process.kill()

    def _last_place(self) -> Location | None:
        """The innermost line of the user's own in what the fault handler wrote."""
        try:
            with open(self._stack, encoding="utf-8", errors="replace") as file:
                dump = file.read()
        except OSError:
            return None
        lines = ((match[1], int(match[2])) for match in _DUMPED.finditer(dump))
        return next((Location(_shown(path), line) for path, line in lines if _is_users(path)), None)


def _is_users(path: str) -> bool:
    """As far as that can be told without torch."""
    installed = ("site-packages", "dist-packages")
    ours = (sysconfig.get_paths()["stdlib"] + os.sep, os.path.dirname(os.path.abspath(__file__)) + os.sep)
    return not path.startswith(("<", *ours)) and not any(folder in path for folder in installed)


def _shown(path: str) -> str:
    inside = os.path.relpath(path)
    return path if inside.startswith(os.pardir) else inside
