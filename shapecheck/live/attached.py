"""The diagnosis that goes with an exception of a loss, for whoever shows the exception."""

from __future__ import annotations

import sys
import traceback
from collections.abc import Callable
from typing import Any

from shapecheck.errors import Location
from shapecheck.probe.places import listed
from shapecheck.render import terminal, text
from shapecheck.report import Report

_MARK = "_shapecheck"
_ASKED_FOR = "_render_traceback_"  # IPython asks an exception for this before it shows a traceback


def noted(error: BaseException, report: Report) -> bool:
    """Adds the diagnosis as a note, where Python has notes (3.11). False where the exception has one already."""
    if _MARK in error.__dict__:
        return False
    error.__dict__[_MARK] = id(report)  # the report itself would have to be pickled with the exception
    add_note: Any = getattr(error, "add_note", None)
    if add_note is not None:
        add_note(f"\n{report}")
    return True


def is_shown_with(error: BaseException | None, report: Report) -> bool:
    """Whether the report is a note on this exception, or on one that Python shows before it."""
    while error is not None and not isinstance(error, SystemExit):
        if error.__dict__.get(_MARK) == id(report):
            return hasattr(error, "__notes__")
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    return False


class Attached:
    """Hangs on an exception, so that it lives as long. Is of no use where the exception is sent to another process."""

    def __init__(self, report: Report, kind: str, lines: tuple[Location, ...], wanted: Callable[[], bool]) -> None:
        self.report = report
        self.kind = kind
        self.lines = lines
        self.wanted = wanted

    def shown(self, how: str, *, width: int = 80, color: bool = False) -> str:
        """In the place of the traceback; `how` says how that is to be had."""
        called = f", called from {listed(self.lines[1:], 4)}" if self.lines[1:] else ""
        diagnosis = text.render(self.report, width=width, color=color)
        return f"{diagnosis}\n{self.kind} in {self.lines[0]}{called}\n{how}\n"

    def __call__(self) -> list[str]:
        """What IPython shows for the exception that it has just set as Python's last one."""
        if attached_to(sys.last_value) is self and self.wanted():
            how = "full traceback: shapecheck.uninstall(), then %tb"
            return self.shown(how, width=terminal.width(), color=_in_colour()).splitlines()
        return _traceback()

    def __reduce__(self) -> tuple[Callable[[], Attached], tuple[()]]:
        return _of_another_process, ()


def attach(error: BaseException, attached: Attached) -> None:
    error.__dict__[_ASKED_FOR] = attached


def attached_to(error: BaseException | None) -> Attached | None:
    """None also where the exception goes with another one, which must not be hidden."""
    found = getattr(error, "__dict__", {}).get(_ASKED_FOR)
    if error is None or not isinstance(found, Attached):
        return None
    other = error.__cause__ is not None or (error.__context__ is not None and not error.__suppress_context__)
    return None if other else found


def _of_another_process() -> Attached:
    return Attached(Report((), ""), "", (), lambda: False)


def _shell() -> Any:
    ipython: Any = sys.modules.get("IPython")
    return ipython.get_ipython() if ipython is not None else None


def _in_colour() -> bool:
    """A notebook shows the colours of a terminal, and is none."""
    return terminal.color() or type(_shell()).__name__ == "ZMQInteractiveShell"


def _traceback() -> list[str]:
    error: Any = sys.last_value
    shell = _shell()
    if shell is None:
        return traceback.format_exception(error)
    lines: list[str] = shell.InteractiveTB.structured_traceback(type(error), error, error.__traceback__, tb_offset=1)
    return lines
