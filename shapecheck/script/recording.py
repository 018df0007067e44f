"""What a running script did with its losses: every distinct call, measured when it was made, checked when that is asked for.

Values change after the call, so that what a check needs of them is taken down at once. Imports torch; stops nothing.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from shapecheck.at_hand import subject
from shapecheck.errors import CheckError, Location
from shapecheck.intercept.calls import LossCall
from shapecheck.intercept.interception import Interception
from shapecheck.pipeline import check
from shapecheck.report import CheckResult
from shapecheck.rules import Loss, load_loss
from shapecheck.specs import Subject
from shapecheck.torch_judge import TorchJudge

_MOST_OF_A_LINE = 6  # calls of other shapes at one place that are still told apart

Key = tuple[object, ...]


@dataclass(eq=False)
class Seen:
    """One distinct loss call. `subject` is None where the call could not be measured, as `error` says."""

    loss: Loss
    location: Location
    subject: Subject | None = None
    error: CheckError | None = None
    raised: bool = False
    reported: bool = False


class Recording:
    """While entered, takes down the loss calls of the program; `folders` hold more rules, as of --rules.

    `last_error` is what the latest loss call that failed has raised.
    """

    def __init__(self, folders: Sequence[Path] = ()) -> None:
        self.last_error: BaseException | None = None
        self._folders = tuple(folders)
        self._seen: dict[Key, Seen] = {}
        self._pauses = 0
        self._lock = threading.RLock()
        self._entered = ExitStack()

    def __enter__(self) -> Recording:
        self._entered.enter_context(Interception(self, self._folders))
        return self

    def __exit__(self, *exception: object) -> None:
        self._entered.close()

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Nothing is taken down meanwhile: for what is run on our own account."""
        self._pauses += 1
        try:
            yield
        finally:
            self._pauses -= 1

    @property
    def seen(self) -> tuple[Seen, ...]:
        """The distinct calls, in the order in which they came."""
        return tuple(self._seen.values())

    # ------------------------------------------------------------------------ what the interception tells

    def before(self, call: LossCall) -> None:
        if self._pauses:
            return
        with self._lock, self.paused():
            key = _key(call)
            if key not in self._seen and sum(other[:2] == key[:2] for other in self._seen) < _MOST_OF_A_LINE:
                self._seen[key] = self._taken_down(call)

    def after(self, call: LossCall, result: Any) -> None:
        return

    def raised(self, call: LossCall, error: Exception) -> None:
        """A call that fails is measured whatever is known of calls like it: it may be one label."""
        if self._pauses:
            return
        self.last_error = error
        with self._lock, self.paused():
            key = _key(call)
            known = self._seen.get(key)
            if known is None or known.reported or not known.raised:
                self._seen[key] = replace(self._taken_down(call), raised=True)

    def _taken_down(self, call: LossCall) -> Seen:
        loss = load_loss(call.loss, self._folders)
        try:
            with torch.no_grad():
                measured = subject(loss, call.tensors, call.loss_args, name=str(call.location), location=call.location)
        except CheckError as error:
            return Seen(loss, call.location, error=error)
        return Seen(loss, call.location, measured)

    # ------------------------------------------------------------------------ what is asked in the end

    def results(self, judge: bool) -> Iterator[CheckResult]:
        """The check of each call that none was yet given of; `judge` is whether torch is asked and fixes are run."""
        for seen in [seen for seen in self.seen if not seen.reported]:
            seen.reported = True
            with self.paused():
                result = _checked(seen, judge)
            yield result


def _checked(seen: Seen, judge: bool) -> CheckResult:
    if seen.subject is None:
        return CheckResult(str(seen.location), seen.loss.name, location=seen.location, error=seen.error)
    return check(seen.subject, seen.loss, TorchJudge() if judge else None)


# ---------------------------------------------------------------------------- which calls are one


def _key(call: LossCall) -> Key:
    """Loss, place, and all that is known of the arguments without looking at values."""
    tensors = tuple((name, _described(value)) for name, value in call.tensors.items())
    keywords = tuple((name, _described(value)) for name, value in call.loss_args.items())
    return (call.loss, call.stack[0], tensors, keywords)


def _described(value: Any) -> object:
    if isinstance(value, torch.Tensor):
        return (tuple(value.shape), value.dtype)
    if isinstance(value, (tuple, list)):
        return (type(value), tuple(_described(item) for item in value))
    return value if isinstance(value, (bool, int, float, str, type(None))) else type(value)
