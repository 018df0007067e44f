"""Tells listeners of a call, and keeps their mistakes away from the program. Imports nothing of torch."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

from shapecheck.intercept.calls import Deliberate, Listener, LossCall

Told = list[tuple[Listener, LossCall]]


class _ThisThread(threading.local):
    """Whether a loss call is going on, or something that is not to be seen."""

    busy: bool = False


here = _ThisThread()
_complained: set[str] = set()


@contextmanager
def unseen() -> Iterator[None]:
    """Loss calls that this thread makes meanwhile are told to nobody."""
    was, here.busy = here.busy, True
    try:
        yield
    finally:
        here.busy = was


def begun(candidates: Iterable[tuple[Listener, Callable[[], LossCall | None]]]) -> Told:
    """Who is to be told of this call, and has been told that it begins."""
    calls = [(listener, call) for listener, make in candidates if (call := _made(make)) is not None]
    for listener, call in calls:
        _tell(listener.before, call)
    return calls


def ended(calls: Told, result: Any) -> None:
    for listener, call in calls:
        _tell(listener.after, call, result)


def raised(calls: Told, error: Exception) -> None:
    for listener, call in calls:
        _tell(listener.raised, call, error)


def _made(make: Callable[[], LossCall | None]) -> LossCall | None:
    try:
        return make()
    except Exception as error:
        _complain(error)
        return None


def _tell(method: Callable[..., None], *told: Any) -> None:
    try:
        method(*told)
    except Deliberate:
        raise
    except Exception as error:
        _complain(error)


def _complain(error: Exception) -> None:
    """A mistake of ours is said once and never reaches the program."""
    text = f"{type(error).__name__}: {error}"
    if text not in _complained:
        _complained.add(text)
        with suppress(Exception):  # standard error may be closed
            print(f"shapecheck: a loss call could not be looked at ({text}); the program goes on", file=sys.stderr)
