"""How wide a stream is and whether it shows colour. Prints nothing."""

from __future__ import annotations

import os
import sys
from typing import TextIO


def width(stream: TextIO | None = None) -> int:
    """The columns of the terminal behind a stream, by default standard output; 80 where there is none."""
    import shutil  # a check whose output goes to a file does without

    known = is_terminal(stream or sys.stdout) or "COLUMNS" in os.environ
    return shutil.get_terminal_size((80, 24)).columns if known else 80


def color(stream: TextIO | None = None) -> bool:
    """Colour on a terminal, unless NO_COLOR or TERM=dumb speak against it; FORCE_COLOR wins over the terminal."""
    if os.environ.get("NO_COLOR"):
        return False
    terminal = is_terminal(stream or sys.stdout) and os.environ.get("TERM") != "dumb"
    return bool(os.environ.get("FORCE_COLOR")) or terminal


def new_line(width: int) -> str:
    """Brings a terminal's cursor to the start of a line, the next one if something stands on this one already."""
    return " " * (width - 1) + "\r"


def is_terminal(stream: TextIO | None) -> bool:
    """Also of what stands in for a stream; None is one that the shell closed."""
    try:
        return stream is not None and stream.isatty()
    except (AttributeError, ValueError):  # no real file, or closed
        return False
