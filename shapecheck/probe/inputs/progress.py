"""One line on the user's terminal while a search takes long, gone when it ends. Nothing where standard error is no terminal."""

from __future__ import annotations

import os
import time
from contextlib import suppress
from dataclasses import dataclass, field

_PATIENCE, _INTERVAL = 1.0, 0.1
_STANDARD_ERROR = 2
_CLEAR = "\r\x1b[K"


@dataclass
class Progress:
    """`title` says what is sought. The cursor always goes back, so that whatever is printed next stands over the line."""

    title: str
    started: float = field(default_factory=time.monotonic)
    latest: float = 0.0

    def show(self, words: str) -> None:
        now = time.monotonic()
        if now - self.started > _PATIENCE and now - self.latest > _INTERVAL:
            self.latest = now
            _write(f"{_CLEAR}{self.title}: {words}"[:76] + "\r")

    def end(self) -> None:
        if self.latest:
            _write(_CLEAR)


def _write(text: str) -> None:
    """To the terminal itself: the user's code may have put anything in the place of `sys.stderr`."""
    with suppress(OSError):
        if os.isatty(_STANDARD_ERROR):
            os.write(_STANDARD_ERROR, text.encode("ascii", "replace"))
