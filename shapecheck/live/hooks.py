"""`install()`: in the whole process a diagnosis takes the place of the traceback that a loss's exception would print."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Any

from shapecheck.intercept.calls import LossCall
from shapecheck.intercept.interception import Interception
from shapecheck.live.attached import Attached, attach, attached_to, noted
from shapecheck.live.checking import Asked, Codes
from shapecheck.live.watching import Observer
from shapecheck.render import terminal

FULL = "SHAPECHECK_TRACEBACK"
HOW = f"full traceback: set {FULL}=1, or leave out shapecheck.install()"


def install(*, watch: bool = False, rules: Sequence[str] = (), select: Codes = (), ignore: Codes = ()) -> None:
    """Explain every loss of this process that raises: in a script, a thread, IPython or a notebook.

    A loss call that ends the program, or the cell, prints the diagnosis at the user's line instead of torch's
    traceback; any other exception is shown as ever, and so is one that goes with another. A program that catches the
    exception finds the diagnosis as a note on it (Python 3.11 and later). `uninstall()`, or the environment variable
    SHAPECHECK_TRACEBACK=1, brings the full traceback back.

    With `watch` the calls that do not raise are checked too, each distinct one once, as `shapecheck.watch()` does.
    `rules`, `select` and `ignore` are as there. A second call replaces what the first one asked for. In IPython,
    `%load_ext shapecheck` does the same. Raises UserError for arguments that make no sense.
    """
    asked = Asked.of(rules, select, ignore)
    uninstall()
    _hooks.install(asked, watch)


def uninstall() -> None:
    """Undo `install()`; nothing happens where it was not called."""
    _hooks.uninstall()


class _Hooks:
    """What is installed, if anything. Another tool may have put its hook over ours: then ours stays and does nothing."""

    def __init__(self) -> None:
        self._interception: Interception | None = None
        self._script: Callable[..., Any] = sys.__excepthook__
        self._thread: Callable[..., Any] = threading.__excepthook__

    def is_on(self) -> bool:
        return self._interception is not None and not os.environ.get(FULL)

    def install(self, asked: Asked, watch: bool) -> None:
        self._interception = Interception(_Explaining(asked, self.is_on, silent=not watch), asked.folders)
        self._interception.__enter__()
        if sys.excepthook != self.on_script:
            self._script, sys.excepthook = sys.excepthook, self.on_script
        if threading.excepthook != self.on_thread:
            self._thread, threading.excepthook = threading.excepthook, self.on_thread

    def uninstall(self) -> None:
        if self._interception is None:
            return
        self._interception.__exit__(None, None, None)
        self._interception = None
        if sys.excepthook == self.on_script:
            sys.excepthook = self._script
        if threading.excepthook == self.on_thread:
            threading.excepthook = self._thread

    def on_script(self, kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
        if not self._explained(error):
            self._script(kind, error, trace)

    def on_thread(self, args: threading.ExceptHookArgs) -> None:
        where = f"in {args.thread.name}:" if args.thread is not None else ""
        if not self._explained(args.exc_value, where):
            self._thread(args)

    def _explained(self, error: BaseException | None, where: str = "") -> bool:
        """False where the exception has to be shown by whoever does so without us."""
        found = attached_to(error)
        if found is None or not self.is_on():
            return False
        try:
            print(where, _shown(found), sep="\n", end="", file=sys.stderr, flush=True)
        except Exception:  # whatever is wrong with us or the stream: the exception is what matters
            return False
        return True


_hooks = _Hooks()


def _shown(found: Attached) -> str:
    return found.shown(HOW, width=terminal.width(sys.stderr), color=terminal.color(sys.stderr))


class _Explaining(Observer):
    """Says nothing when a loss raises, but keeps the diagnosis with the exception."""

    def __init__(self, asked: Asked, is_on: Callable[[], bool], *, silent: bool) -> None:
        super().__init__(asked, None, None, silent=silent)
        self._is_on = is_on

    def raised(self, call: LossCall, error: Exception) -> None:
        report = self.explanation(call, error)
        if report is not None:
            noted(error, report)
            attach(error, Attached(report, type(error).__name__, call.lines, self._is_on))
