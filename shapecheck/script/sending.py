"""Messages from the script's process to the command line: lines of JSON, sent as soon as there is something to tell.

The pipe is a private copy of standard output; what the script prints goes to standard error. Imports no torch.
"""

from __future__ import annotations

import json
import os
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from types import ModuleType
from typing import Any

fcntl: ModuleType | None
try:
    import fcntl
except ImportError:  # a system without fork
    fcntl = None


class Sender:
    """Takes standard output away from the script. Nothing is raised where nobody listens any more.

    `lock` is a file by which processes that the script forks keep their lines apart.
    """

    def __init__(self, lock: str) -> None:
        self._pipe = os.dup(1)
        self._file = open(lock, "w")  # noqa: SIM115  # stays open
        self._lock = threading.RLock()
        os.dup2(2, 1)
        for stream in (sys.stdout, sys.stderr):
            with suppress(Exception):
                stream.reconfigure(line_buffering=True, errors="backslashreplace")  # type: ignore[union-attr]

    def send(self, **message: Any) -> None:
        line = memoryview(json.dumps(message).encode() + b"\n")
        with self._lock, self._alone(), suppress(OSError):
            while line:
                line = line[os.write(self._pipe, line) :]

    @contextmanager
    def _alone(self) -> Iterator[None]:
        if fcntl is None:
            yield
            return
        fcntl.lockf(self._file, fcntl.LOCK_EX)
        try:
            yield
        finally:
            fcntl.lockf(self._file, fcntl.LOCK_UN)

    def error(self, result: Mapping[str, Any]) -> None:
        """An answer as `endings.failure` makes it."""
        self.send(error=result["error"])
