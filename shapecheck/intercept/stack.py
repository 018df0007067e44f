"""The user's own lines on the stack, taken down at once and worked out when they are asked for. Runs nothing."""

from __future__ import annotations

import linecache
import os
import sys
import sysconfig
from types import CodeType, FrameType
from typing import Any, NamedTuple

from shapecheck.errors import Location
from shapecheck.probe.places import distance, shown

_COMMANDS = sysconfig.get_path("scripts") + os.sep


class Spot(NamedTuple):
    """An instruction that is running: a code object and where in it. Holds no frame, so that no tensor is kept alive."""

    code: CodeType
    instruction: int

    @property
    def line(self) -> int:
        """1-based; where an instruction has no line of its own, that of the function."""
        for start, end, line in self.code.co_lines():
            if start <= self.instruction < end and line is not None:
                return line
        return self.code.co_firstlineno

    @property
    def location(self) -> Location:
        filename = self.code.co_filename
        try:
            return Location(_cell(filename) or shown(filename), self.line)
        except OSError:  # there is no current folder any more
            return Location(filename, self.line)

    @property
    def expression(self) -> str:
        """The source text of what is running there; '' where that is not known (Python 3.10)."""
        positions: Any = getattr(self.code, "co_positions", None)
        if positions is None:
            return ""
        places = list(positions())
        first, last, start, end = places[self.instruction // 2]
        if None in (first, last, start, end):
            return ""
        lines = [linecache.getline(self.code.co_filename, line).encode() for line in range(first, last + 1)]
        lines[-1] = lines[-1][:end]
        lines[0] = lines[0][start:]
        return b"".join(lines).decode(errors="replace")


def spots(innermost: FrameType | None) -> tuple[Spot, ...]:
    """The user's frames from this one outwards, innermost first.

    Where no code of the user's is on the stack, the innermost frame of an installed package, else the innermost at all.
    """
    found, frame = [], innermost
    while frame is not None:  # written out: this is what a loss call waits for
        code = frame.f_code
        known = _RANKS.get(code.co_filename)
        if (rank(frame) if known is None else known) == 0:
            found.append(Spot(code, frame.f_lasti))
        frame = frame.f_back
    return tuple(found) or _nearest(innermost)


_RANKS: dict[str, int] = {}


def rank(frame: FrameType) -> int:
    """As `places.distance`; what was typed at a prompt is the user's too, and the commands of an environment are not."""
    filename = frame.f_code.co_filename
    if filename.startswith("<"):
        return 0 if frame.f_globals.get("__name__") == "__main__" else 2
    if filename not in _RANKS:
        _RANKS[filename] = 2 if filename.startswith(_COMMANDS) else distance(filename)
    return _RANKS[filename]


def _nearest(frame: FrameType | None) -> tuple[Spot, ...]:
    every = []
    while frame is not None:
        every.append((rank(frame), Spot(frame.f_code, frame.f_lasti)))
        frame = frame.f_back
    return tuple([spot for _, spot in sorted(every, key=lambda item: item[0])[:1]])


def _cell(filename: str) -> str:
    """What IPython calls the cell that a file stands for, `In[3]`; '' for other files."""
    ipython: Any = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython is not None else None
    named = getattr(getattr(shell, "compile", None), "format_code_name", lambda name: None)(filename)
    return named[1] if named else ""
