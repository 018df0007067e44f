"""Messages from the script's process to the command line: lines of JSON, sent as soon as there is something to tell.

The pipe is a private copy of standard output; what the script prints goes to standard error. Imports no torch.
"""

from __future__ import annotations

import json
import os
import sys
import threading
from collections.abc import Mapping
from contextlib import suppress
from typing import Any


class Sender:
    """Takes standard output away from the script. Nothing is raised where nobody listens any more."""

    def __init__(self) -> None:
        self._pipe = os.dup(1)
        self._lock = threading.RLock()
        os.dup2(2, 1)
        for stream in (sys.stdout, sys.stderr):
            with suppress(Exception):
                stream.reconfigure(line_buffering=True, errors="backslashreplace")  # type: ignore[union-attr]

    def send(self, **message: Any) -> None:
        line = memoryview(json.dumps(message).encode() + b"\n")
        with self._lock, suppress(OSError):
            while line:
                line = line[os.write(self._pipe, line) :]

    def error(self, result: Mapping[str, Any]) -> None:
        """An answer as `endings.failure` makes it."""
        self.send(error=result["error"])
