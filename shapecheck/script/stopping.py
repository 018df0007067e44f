"""Stops a script before it changes its model: optimisers are asked for, not hooked one by one. Checks nothing.

Every class of optimiser gets its `step` wrapped by torch itself when the first one is made; that wrapper is where a
script asks for an update. Schedulers, gradient scalers, Lightning and other trainers all end there.
"""

from __future__ import annotations

import functools
import mmap
import os
import signal
import threading
from collections.abc import Callable
from typing import Any, NoReturn
from weakref import WeakKeyDictionary, WeakSet

import torch
from torch.optim import Optimizer

from shapecheck.errors import Location
from shapecheck.probe.places import calling_line
from shapecheck.script.guarding import Guard

_MOST_REFUSALS = 100  # a loop that swallows every exception would ask for ever


class Stop(SystemExit):
    """Ends the script from inside. As a SystemExit it passes `except Exception`, and ends threads and processes quietly."""


class Stopping:
    """Decides when the script has run far enough.

    `steps` updates of each optimiser are made. `reached` is called at every update that is asked for, before it is made
    or refused, and says whether a loss was seen by then; `stopped` when the script is stopped; `leave` ends the process
    when it has swallowed the stop. `reason` is '' until the stop, then

    update   an optimiser asked for more updates than `steps`
    by-hand  parameters were changed without an optimiser
    refused  something would have been written or started after an update was skipped, as `what` says; or another program
             would have taken the script's place
    process  a process forked by the script would have made an update, and has ended
    time, interrupt, terminate    by a signal

    `skipped` are the places of the updates that were not made, `made` the number of those that were.
    """

    def __init__(
        self, steps: int, reached: Callable[[], bool], stopped: Callable[[], None], leave: Callable[[], NoReturn]
    ) -> None:
        self.steps = steps
        self.guard = Guard(self._refused)
        self.reason = ""
        self.what = ""
        self.place: Location | None = None
        self.skipped: list[Location] = []
        self.refused: list[str] = []
        self.made = 0
        self._reached = reached
        self._stopped = stopped
        self._leave = leave
        self._optimizers: WeakSet[Optimizer] = WeakSet()
        self._updates: WeakKeyDictionary[Optimizer, int] = WeakKeyDictionary()
        self._done: WeakSet[Optimizer] = WeakSet()
        self._inside = threading.local()
        self._process = os.getpid()
        self._by_child = mmap.mmap(-1, 1)  # memory that forked processes share

    def install(self) -> None:
        """For the rest of the process's life."""
        wrap_step, on_new = Optimizer.profile_hook_step, Optimizer._patch_step_function
        stopping = self

        def wrapped(step: Callable[..., Any]) -> Callable[..., Any]:
            hooked = wrap_step(step)

            @functools.wraps(step)
            def asked(optimizer: Optimizer, *args: Any, **kwargs: Any) -> Any:
                return stopping._asked(functools.partial(hooked, optimizer), optimizer, *args, **kwargs)

            return asked

        @functools.wraps(on_new)
        def noted(optimizer: Optimizer) -> None:
            stopping._optimizers.add(optimizer)
            on_new(optimizer)

        Optimizer.profile_hook_step = staticmethod(wrapped)  # type: ignore[assignment]
        Optimizer._patch_step_function = noted  # type: ignore[method-assign, assignment]
        self.guard.install()

    @property
    def has_optimizers(self) -> bool:
        return len(self._optimizers) > 0

    @property
    def is_by_child(self) -> bool:
        """Whether a forked process has been stopped, and has then signalled to this one."""
        return self._by_child[0] != 0

    def stop(self, reason: str, place: Location | None = None, what: str = "") -> NoReturn:
        """Ends the script here. Raises Stop; when the script has swallowed it before, the process ends."""
        if self.reason:
            self._leave()
        self._begin(reason, place, what)
        raise Stop

    def _begin(self, reason: str, place: Location | None, what: str) -> None:
        self.reason, self.place, self.what = reason, place or calling_line(), what
        self.guard.close(for_good=True)
        self._stopped()
        if os.getpid() != self._process and hasattr(signal, "SIGXCPU"):
            self._by_child[0] = 1
            os.kill(self._process, signal.SIGXCPU)  # where the model of an update not made would now be saved

    def _asked(self, step: Callable[..., Any], optimizer: Optimizer, *args: Any, **kwargs: Any) -> Any:
        """In place of an optimiser's step."""
        if getattr(self._inside, "step", False):  # an optimiser in an optimiser
            return step(*args, **kwargs)
        if self.reason:
            self._leave()
        self._inside.step = True
        try:
            if self._updates.get(optimizer, 0) < self.steps:
                return self._update(step, optimizer, *args, **kwargs)
            return self._skip(step, optimizer, *args, **kwargs)
        finally:
            self._inside.step = False

    def _update(self, step: Callable[..., Any], optimizer: Optimizer, *args: Any, **kwargs: Any) -> Any:
        self._reached()
        result = step(*args, **kwargs)
        self._updates[optimizer] = self._updates.get(optimizer, 0) + 1
        self.made += 1
        return result

    def _skip(self, step: Callable[..., Any], optimizer: Optimizer, *args: Any, **kwargs: Any) -> Any:
        """Stops, unless another optimiser has yet to ask: its loss may come later in the same step."""
        place, closure = calling_line(), kwargs.get("closure", args[0] if args else None)
        result = None
        if callable(closure):
            with torch.enable_grad():
                result = closure()
        if self.reason:  # the closure swallowed it
            self._leave()
        if not self._reached() and not _has_gradients(optimizer):
            return step(*args, **kwargs)  # before training: it changes nothing, and a scheduler wants it
        again = optimizer in self._done
        self._done.add(optimizer)
        if place is not None and not again:
            self.skipped.append(place)
        if again or all(other in self._done for other in self._optimizers):
            self.stop("update", place)
        self.guard.close()
        return result

    def _refused(self, what: str) -> BaseException:
        """What is raised in place of something that would have left a trace."""
        if not self.reason:
            self._begin("refused", None, what)
        else:
            self.refused.append(what)
        if len(self.refused) > _MOST_REFUSALS:
            self._leave()
        return Stop()


def _has_gradients(optimizer: Optimizer) -> bool:
    return any(each.grad is not None for group in optimizer.param_groups for each in group["params"])
