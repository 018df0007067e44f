"""Losses of the user's own that a rule file names by file and function, seen by Python's profiling hook.

Their functions are made while the program runs, so that there is nothing to exchange beforehand: what is known is where
their code stands. Installed only where there is such a rule, and not where another profiler is at work.
"""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from types import CodeType, FrameType
from typing import Any

from shapecheck.callable_names import parse_callable
from shapecheck.intercept.binding import divided, named_by_contract, settings
from shapecheck.intercept.calls import Listener, LossCall
from shapecheck.intercept.stack import spots
from shapecheck.intercept.telling import Told, begun, ended, here, raised
from shapecheck.rules import Loss

_METHODS = ("forward", "__call__")


@dataclass(frozen=True)
class Place:
    """Where the code of a loss stands: a file or a module, and the name of a function or class in it."""

    file: str
    module: str
    name: str

    def holds(self, frame: FrameType) -> bool:
        code = frame.f_code
        if code.co_name == self.name:
            return self._is_in(frame)
        return code.co_name in _METHODS and self._is_in(frame) and self.name in _classes(_first(frame))

    def _is_in(self, frame: FrameType) -> bool:
        if self.module:
            return bool(frame.f_globals.get("__name__") == self.module)
        return os.path.realpath(frame.f_code.co_filename) == self.file


def place_of(rule: Loss) -> Place:
    """Raises UserError where the rule's call is no name of a function in a file or module."""
    target = parse_callable(rule.call, rule.file.parent)
    file = os.path.realpath(target.path) if target.path else ""
    return Place(file, "" if file else target.module or "", target.name or "")


@dataclass(eq=False)
class Profiler:
    """The hook itself. `listening` are the listeners with the places of the losses that each sees."""

    listening: tuple[tuple[Listener, Mapping[Place, Loss]], ...] = ()
    _others: set[CodeType] = field(default_factory=set)  # code that is no loss

    def listen(self, listening: tuple[tuple[Listener, Mapping[Place, Loss]], ...]) -> None:
        """From now on these, in this thread and those that it will start; the hook is removed where nobody is left."""
        self.listening = listening
        self._others = set()
        current = sys.getprofile()
        if listening and current is None:
            sys.setprofile(self.hook)
            threading.setprofile(self.hook)
        elif not listening and current == self.hook:
            sys.setprofile(None)
            threading.setprofile(None)

    def hook(self, frame: FrameType, event: str, arg: Any) -> None:
        """Python calls this at every call and return of the program."""
        if event == "call":
            if frame.f_code not in self._others and not here.busy:
                self._called(frame)
        elif event == "return" and _running.frame is frame:
            _running.finish(arg)

    def _called(self, frame: FrameType) -> None:
        found = [
            (listener, rule)
            for listener, places in self.listening
            for place, rule in places.items()
            if place.holds(frame)
        ]
        if found:
            here.busy = True
            _running.start(frame, begun((listener, partial(_call, rule, frame)) for listener, rule in found))
        elif frame.f_code.co_name not in _METHODS:
            self._others.add(frame.f_code)


class _Running(threading.local):
    """The call that goes on in this thread. Its exception is only to be had by tracing its frame."""

    frame: FrameType | None = None
    calls: Told
    error: BaseException | None = None

    def start(self, frame: FrameType, calls: Told) -> None:
        self.frame, self.calls, self.error = frame, calls, None
        if sys.gettrace() is None:
            frame.f_trace, frame.f_trace_lines = self._trace, False
            sys.settrace(_no_trace)

    def _trace(self, frame: FrameType, event: str, arg: Any) -> Any:
        if event == "exception":
            self.error = arg[1]
        return self._trace

    def finish(self, result: Any) -> None:
        """`result` is None where an exception ends the call: a loss is never None."""
        calls, error = self.calls, self.error
        self.frame, self.calls, self.error = None, [], None
        if sys.gettrace() is _no_trace:
            sys.settrace(None)
        try:
            if result is not None:
                ended(calls, result)
            elif isinstance(error, Exception):
                raised(calls, error)
        finally:
            here.busy = False


_running = _Running()


def _no_trace(frame: FrameType, event: str, arg: Any) -> None:
    """No frame is traced but the one that asks for it itself."""


def _call(rule: Loss, frame: FrameType) -> LossCall:
    given = dict(_arguments(frame))
    held: dict[str, Any] = {}
    if frame.f_code.co_name in _METHODS:
        held = settings(given.pop(next(iter(given))), rule)
    tensors, keywords = divided({**held, **given}, named_by_contract(given, rule), rule, {})
    return LossCall(rule.name, tensors, keywords, spots(frame.f_back))


def _arguments(frame: FrameType) -> Iterator[tuple[str, Any]]:
    code = frame.f_code
    values = frame.f_locals
    for name in code.co_varnames[: code.co_argcount + code.co_kwonlyargcount]:
        if name in values:
            yield name, values[name]


def _first(frame: FrameType) -> Any:
    return next((value for _, value in _arguments(frame)), None)


def _classes(value: Any) -> tuple[str, ...]:
    return tuple(each.__name__ for each in type(value).__mro__)
