"""`watch()`: each distinct loss call of a block is checked once, with its own tensors."""

from __future__ import annotations

import functools
import inspect
import sys
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from types import CodeType, TracebackType
from typing import Any, TextIO, TypeVar, overload

from shapecheck.errors import Location, UserError, did_you_mean
from shapecheck.intercept.calls import Deliberate, LossCall
from shapecheck.intercept.interception import Interception
from shapecheck.live.attached import is_shown_with, noted
from shapecheck.live.checking import Asked, Codes
from shapecheck.live.keys import Key, key_of, pattern_of
from shapecheck.render import terminal, text
from shapecheck.report import CheckResult, Finding, Report
from shapecheck.version import __version__

ENOUGH = 3  # checks of one pattern of sizes; further sizes of that pattern have nothing new to tell
MOST_RAISED = 20  # exceptions of one call that are looked at; a program that goes on after more will not read them
SERIOUS = {"error": ("error",), "warning": ("error", "warning")}
Function = TypeVar("Function", bound=Callable[..., Any])


class FindingsError(Deliberate):
    """A loss call in a block of `watch(raise_on=...)` has a finding; `report` holds it."""

    def __init__(self, report: Report) -> None:
        super().__init__(str(report))
        self.report = report

    def __reduce__(self) -> tuple[type[FindingsError], tuple[Report]]:
        return type(self), (self.report,)


@overload
def watch(function: Function, /) -> Function: ...
@overload
def watch(
    *,
    raise_on: str | None = None,
    rules: Sequence[str] = (),
    select: Codes = (),
    ignore: Codes = (),
    file: TextIO | None = None,
) -> Watch: ...
def watch(
    function: Function | None = None,
    /,
    *,
    raise_on: str | None = None,
    rules: Sequence[str] = (),
    select: Codes = (),
    ignore: Codes = (),
    file: TextIO | None = None,
) -> Watch | Function:
    """Check the loss calls of a block, or of a function where it is used as a decorator::

        with shapecheck.watch():
            train_one_epoch(model, loader)

        @shapecheck.watch
        def train_one_epoch(model, loader): ...

    Each distinct call, by its loss, its line, shapes, dtypes and keywords, is checked once with the real tensors. What
    is found, errors and warnings, is printed to standard error (or `file`), once for each line. A loss that raises is
    always looked at: the exception goes on with the diagnosis as a note, so that tracebacks, pytest and logging show it;
    where the block catches the exception, and on Python 3.10, which knows no notes, the diagnosis is printed. `report` of
    what `with` gives holds all that was checked.

    Once a call's shapes and dtypes are known, no value is looked at, nothing waits for a GPU, and a call costs less than
    50 microseconds: a label out of range in a later batch of the same shape is found when the loss raises. Where sizes
    go on changing (sequences of any length), sizes that relate to each other as others did are soon taken for known.
    What torch compiles, scripts or maps (`torch.vmap`) is not seen.

    `raise_on="error"` or `"warning"` raises `FindingsError` at the loss call. `rules` are folders of rule files,
    `select` and `ignore` are codes as on the command line. Raises UserError for arguments that make no sense.
    """
    if raise_on is not None and raise_on not in SERIOUS:
        raise UserError(f"raise_on is {raise_on!r}", did_you_mean(str(raise_on), SERIOUS))
    watching = Watch(Asked.of(rules, select, ignore), raise_on, file)
    return watching if function is None else watching(function)


class Watch:
    """What `watch()` gives. May be entered again while it is on, from any thread; the calls of all threads are seen."""

    def __init__(self, asked: Asked, raise_on: str | None = None, file: TextIO | None = None) -> None:
        self._observer = Observer(asked, raise_on, file)
        self._interception = Interception(self._observer, asked.folders)

    @property
    def report(self) -> Report:
        """Every distinct call so far, in the order they were made."""
        return self._observer.report

    def __enter__(self) -> Watch:
        self._interception.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._interception.__exit__(kind, error, trace)
        self._observer.left(error)

    def __call__(self, function: Function) -> Function:
        """The function with its calls watched."""
        if inspect.iscoroutinefunction(function):

            @functools.wraps(function)
            async def watched(*args: Any, **kwargs: Any) -> Any:
                with self:
                    return await function(*args, **kwargs)

        elif inspect.isgeneratorfunction(function):

            @functools.wraps(function)
            def watched(*args: Any, **kwargs: Any) -> Any:
                with self:
                    return (yield from function(*args, **kwargs))

        else:

            @functools.wraps(function)
            def watched(*args: Any, **kwargs: Any) -> Any:
                with self:
                    return function(*args, **kwargs)

        return watched  # type: ignore[return-value]


class Observer:
    """Listens to loss calls: checks what is new, prints what is serious."""

    def __init__(self, asked: Asked, raise_on: str | None, file: TextIO | None, *, silent: bool = False) -> None:
        self._asked = asked
        self._raise_on = raise_on
        self._file = file
        self._silent = silent
        self._lock = threading.Lock()
        self._known: dict[Key, CodeType] = {}  # the code keeps its id
        self._patterns: dict[Key, int] = {}
        self._raised: dict[Key, int] = {}
        self._results: list[CheckResult] = []
        self._unshown: Report | None = None  # of the latest call that raised
        self._printed: set[tuple[str, Location | None]] = set()

    @property
    def report(self) -> Report:
        return Report(tuple(self._results), __version__)

    def before(self, call: LossCall) -> None:
        """A call that raises is checked once, as such. Here the program goes on after one."""
        if self._unshown is not None:
            self.left(None)

    def after(self, call: LossCall, result: Any) -> None:
        if self._silent or not self._is_new(call):
            return
        checked = self._asked.result(call)
        if checked is None:
            return
        self._results.append(checked)
        found = _serious(checked, "warning")
        if self._raise_on and _serious(checked, self._raise_on):
            raise FindingsError(_report(checked, found))
        self._print_new(checked, found)

    def raised(self, call: LossCall, error: Exception) -> None:
        report = self.explanation(call, error)
        if report is not None and noted(error, report):
            self._unshown = report

    def left(self, error: BaseException | None) -> None:
        """A diagnosis is printed unless it is shown with the exception that leaves the block."""
        unshown, self._unshown = self._unshown, None
        if unshown is not None and not is_shown_with(error, unshown):
            self._print(unshown)

    def explanation(self, call: LossCall, error: Exception) -> Report | None:
        """Why torch raises, as far as the tensors tell; a failure of another kind (memory, a device) is not explained."""
        key = key_of(call)
        with self._lock:
            times = self._raised[key] = self._raised.get(key, 0) + 1
        checked = self._asked.result(call) if times <= MOST_RAISED else None
        if checked is None or checked.contract != "rejects" or not checked.findings:
            return None
        if times == 1:
            self._results.append(checked)
        return _report(checked, checked.findings)

    def _is_new(self, call: LossCall) -> bool:
        key = key_of(call)
        if key in self._known:
            return False
        with self._lock:
            if key in self._known:
                return False
            self._known[key] = call.stack[0].code
            pattern = pattern_of(call)
            times = self._patterns[pattern] = self._patterns.get(pattern, 0) + 1
        return times <= ENOUGH

    def _print_new(self, checked: CheckResult, found: tuple[Finding, ...]) -> None:
        """One line of the program has one finding of a kind, however many shapes come by."""
        new = tuple(each for each in found if (each.code, each.location or checked.location) not in self._printed)
        self._printed.update((each.code, each.location or checked.location) for each in new)
        if new:
            self._print(_report(checked, new))

    def _print(self, report: Report) -> None:
        stream = self._file if self._file is not None else sys.stderr
        shown = text.render(report, width=terminal.width(stream), color=terminal.color(stream))
        with suppress(OSError, ValueError):  # closed
            print(f"\n{shown}", file=stream, flush=True)


def _serious(checked: CheckResult, least: str) -> tuple[Finding, ...]:
    return tuple(finding for finding in checked.findings if finding.severity in SERIOUS[least])


def _report(checked: CheckResult, findings: tuple[Finding, ...]) -> Report:
    return Report((replace(checked, findings=findings),), __version__)
