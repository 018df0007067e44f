"""Finds lines of the user's own code on a stack. Reads no files and runs nothing."""

from __future__ import annotations

import os
import sys
import sysconfig
from collections.abc import Callable, Iterable
from functools import cache
from types import FrameType
from typing import Any, TypeVar

import torch

import shapecheck
from shapecheck.errors import Location

Result = TypeVar("Result")

_NEVER = (os.path.dirname(torch.__file__), os.path.dirname(os.path.abspath(shapecheck.__file__)))
_STANDARD = sysconfig.get_paths()["stdlib"]


@cache
def distance(filename: str) -> int:
    """0 for the user's code, 1 for an installed package, 2 for torch, shapecheck and Python's own."""
    path = os.path.abspath(filename)
    inside = [root for root in _NEVER if path.startswith(root + os.sep)]
    if inside or filename.startswith("<"):
        return 2
    if "site-packages" in path or "dist-packages" in path:
        return 1
    return 2 if path.startswith(_STANDARD + os.sep) else 0


@cache
def package(filename: str) -> str | None:
    """The top-level name of the installed package a file belongs to; None for other files."""
    if distance(filename) != 1:
        return None
    parts = os.path.abspath(filename).split(os.sep)
    top = next(number for number, part in enumerate(parts) if part in ("site-packages", "dist-packages"))
    return parts[top + 1].partition(".")[0]


def raised_at(error: BaseException) -> Location | None:
    """The innermost line of the user's code that the exception passed through."""
    return _innermost(reversed(lines_of(error)))


def lines_of(error: BaseException) -> list[tuple[str, int]]:
    """File and line of every frame that the exception passed through, outermost first."""
    lines = []
    trace = error.__traceback__
    while trace is not None:
        lines.append((trace.tb_frame.f_code.co_filename, trace.tb_lineno))
        trace = trace.tb_next
    return lines


def calling_line() -> Location | None:
    """The innermost line of the user's code that is running now."""
    return _innermost(_outwards(sys._getframe(1)))


def is_asked_by_user() -> bool:
    """Whether the user's own code, rather than an installed package, called torch or us."""
    ranks = (distance(filename) for filename, _ in _outwards(sys._getframe(1)))
    return next((rank == 0 for rank in ranks if rank < 2), False)


def defined_at(function: Any) -> Location | None:
    """Where a function or method of the user's starts."""
    code = getattr(function, "__code__", None)
    return Location(shown(code.co_filename), code.co_firstlineno) if code and distance(code.co_filename) == 0 else None


def listed(locations: Iterable[Location], most: int = 6) -> str:
    """`model.py:6, 7, 12; train.py:3`, in the order given; beyond the `most` they are counted."""
    every = list(dict.fromkeys(locations))
    lines: dict[str, list[str]] = {}
    for place in every[:most]:
        lines.setdefault(place.path, []).append(str(place.line))
    told = "; ".join(f"{path}:{', '.join(numbers)}" for path, numbers in lines.items())
    return f"{told} and {len(every) - most} more" if len(every) > most else told


def apart(call: Callable[[], Result]) -> Result:
    """Makes the call. Lines of the user's that are further out on the stack, as those of a script that was stopped, do not call it."""
    return call()


def _outwards(frame: FrameType | None) -> Iterable[tuple[str, int]]:
    while frame is not None and frame.f_code is not apart.__code__:
        yield frame.f_code.co_filename, frame.f_lineno
        frame = frame.f_back


def _innermost(lines: Iterable[tuple[str, int]]) -> Location | None:
    """A line in an installed package counts only where the user's own code is not on the stack at all."""
    package = None
    for filename, line in lines:
        rank = distance(filename)
        if rank == 0:
            return Location(shown(filename), line)
        if rank == 1 and package is None:
            package = Location(shown(filename), line)
    return package


home: str | None = None  # the folder that the user is in, where their program may go to others


def shown(filename: str) -> str:
    """As the user would type it: relative where it is in the current folder."""
    inside = os.path.relpath(filename, home)
    return filename if inside.startswith(os.pardir) else inside
