"""What a running script did with its losses: every distinct call, measured when it was made, checked when that is asked for.

Values change after the call, so that what a check needs of them is taken down at once. Imports torch; stops nothing.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any
from weakref import WeakKeyDictionary, ref

import torch

from shapecheck.at_hand import subject
from shapecheck.errors import CheckError, Location
from shapecheck.intercept.calls import LossCall
from shapecheck.intercept.interception import Interception
from shapecheck.probe.places import apart, calling_line
from shapecheck.probe.runs.feeding import tensors_in
from shapecheck.report import CheckResult
from shapecheck.rules import load_loss
from shapecheck.script.checking import checked
from shapecheck.script.following import path_of, trail_of
from shapecheck.script.gradient import comes_of, cut_behind, cut_of, leads_nowhere, left_at, lost, undifferentiable
from shapecheck.script.origins import Probes, origin_of
from shapecheck.script.seen import Seen
from shapecheck.script.sources import Given, Made, ModuleCall, Step
from shapecheck.script.tape import BACKWARD, FAILED, Tape
from shapecheck.specs import Observation

_MOST_SINCE = 64  # losses of which one backward is made
_MOST_OF_A_LINE = 6  # calls of other shapes at one place that are still told apart

Key = tuple[object, ...]


class Recording:
    """While entered, takes down the loss calls of the program; `folders` hold more rules, as of --rules.

    `last_error` is what the latest loss call that failed has raised, or a backward that reached nothing to train;
    `explaining` are the names of the checks of which a finding takes its place.
    """

    def __init__(self, folders: Sequence[Path] = ()) -> None:
        self.last_error: BaseException | None = None
        self.explaining: tuple[str, ...] = ()
        self._folders = tuple(folders)
        self._seen: dict[Key, Seen] = {}
        self._tape = Tape()
        self._numbers: WeakKeyDictionary[ModuleCall, int] = WeakKeyDictionary()
        self._probes = Probes(self._folders)
        self._since: deque[tuple[ref[torch.Tensor], Made | None, Seen]] = deque(maxlen=_MOST_SINCE)
        self._left: Location | None = None
        self._loss_left: Location | None = None
        self._untrained: tuple[Seen, ...] = ()
        self._tape.listeners.append(self._heard)
        self._pauses = 0
        self._lock = threading.RLock()
        self._entered = ExitStack()

    def __enter__(self) -> Recording:
        self._entered.enter_context(Interception(self, self._folders))
        self._entered.enter_context(self._tape)
        return self

    def __exit__(self, *exception: object) -> None:
        self._entered.close()

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Nothing is taken down meanwhile: for what is run on our own account."""
        self._pauses += 1
        try:
            with self._tape.paused():
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
        self._count()
        with self._lock, self.paused():
            key = _key(call)
            known = self._seen.get(key)
            if known is None:
                if sum(other[:2] == key[:2] for other in self._seen) < _MOST_OF_A_LINE:
                    self._seen[key] = self._taken_down(call)
            elif not known.reported and (known.graded < torch.is_grad_enabled() or _is_wider(call, known)):
                self._seen[key] = self._taken_down(call)
            elif known.reported and _is_wider(call, known):
                self._seen.setdefault((*key, "wider"), self._taken_down(call))

    def after(self, call: LossCall, result: Any) -> None:
        """Until backward is called it is not known whether the loss is one to train with."""
        if not self._pauses and isinstance(result, torch.Tensor):
            seen = self._seen.get(_key(call))
            if seen is not None:
                self._since.append((ref(result), self._tape.made(result), seen))

    def raised(self, call: LossCall, error: Exception) -> None:
        """A call that fails is measured whatever is known of calls like it: it may be one label."""
        if self._pauses:
            return
        self.last_error = error
        self.explaining = (str(call.location),)
        with self._lock, self.paused():
            key = _key(call)
            known = self._seen.get(key)
            if known is None or known.reported or not known.raised:
                self._seen[key] = replace(self._taken_down(call), raised=True, cut=undifferentiable(error))

    def _heard(self, name: str, args: tuple[Any, ...]) -> None:
        """Data leaves torch, or gradients are asked for."""
        if self._pauses or not args:
            return
        with self.paused():
            if name == FAILED:
                self._failed(args[0])
            elif name in BACKWARD:
                self._untrained = ()
                for loss in tensors_in(args[:1]):
                    if self._since and leads_nowhere(loss):
                        self._cut(loss)
                self._since.clear()
            else:
                self._leaves(args[0])

    def _failed(self, error: Exception) -> None:
        """A backward that raises where nothing is trained is explained by what cuts the way."""
        if self._untrained:
            self.last_error = error
            self.explaining = tuple(str(seen.location) for seen in self._untrained)

    def _leaves(self, tensor: torch.Tensor) -> None:
        """The script takes a tensor's values out of torch: what it makes of them has no gradient."""
        if any(tensor is result() for result, _, _ in self._since):
            self._loss_left = calling_line()
        elif tensor.requires_grad:
            self._left = calling_line()
        elif (trail := path_of(self._tape.made(tensor))) and (cut := cut_of(trail, self._tape.frozen_at)):
            self._left = cut.location

    def _cut(self, loss: torch.Tensor) -> None:
        """The losses that this one is made of train nothing: the line at which the way to the parameters ends."""
        made = self._tape.made(loss)
        known = [each for _, each, _ in self._since if each is not None and isinstance(each.source, Step)]
        reached = comes_of(made, [each.source for each in known if isinstance(each.source, Step)])
        own = [seen for result, each, seen in self._since if result() is loss or (each and each.source in reached)]
        self._untrained = tuple(own) or (self._since[-1][2],)
        for seen in self._untrained:
            seen.cut = self._why(seen, made)

    def _why(self, seen: Seen, loss: Made | None) -> Observation:
        """Why nothing is trained by what backward is called on, which may be made of a loss call's result."""
        trail = seen.trails.get(seen.loss.output)
        cut = cut_of(trail, self._tape.frozen_at) or cut_behind(loss)
        if cut is not None:
            return cut
        if trail is None or isinstance(trail.base.source, Given):
            return left_at(self._left)
        return lost(self._loss_left) if trail.made.graded and loss is None else Observation("detach", None)

    def _count(self) -> None:
        """The loss calls of a module that computes its loss itself are numbered from 1."""
        for running in self._tape.running[:1]:
            self._numbers[running] = self._numbers.get(running, 0) + 1

    def _taken_down(self, call: LossCall) -> Seen:
        loss = load_loss(call.loss, self._folders)
        try:
            with torch.no_grad():
                measured = subject(loss, call.tensors, call.loss_args, name=str(call.location), location=call.location)
                measured = replace(measured, written=call.told_by(loss))
        except CheckError as error:
            return Seen(loss, call.location, error=error)
        trails = {name: trail for name, value in call.tensors.items() if (trail := trail_of(self._tape.made(value)))}
        running = self._tape.running
        number = self._numbers.get(running[0], 0) if running else 0
        origin = origin_of(trails.get(loss.output), running, number)
        return Seen(loss, call.location, measured, None, trails, origin, torch.is_grad_enabled())

    # ------------------------------------------------------------------------ what is asked in the end

    def results(self, judge: bool) -> Iterator[CheckResult]:
        """The check of each call that none was yet given of; `judge` is whether torch is asked and fixes are run."""
        for seen in [seen for seen in self.seen if not seen.reported]:
            seen.reported = True
            with self.paused(), _one_thread():
                result = apart(partial(checked, seen, self._probes, judge))
            yield result


@contextmanager
def _one_thread() -> Iterator[None]:
    """For runs of a few samples threads cost more than they bring, above all where others want the same cores."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


# ---------------------------------------------------------------------------- which calls are one


def _is_wider(call: LossCall, known: Seen) -> bool:
    """Whether class indices reach further than in all calls like it: one label in a late batch may have no class."""
    target = call.tensors.get(known.loss.target)
    spec = known.subject.tensors.get(known.loss.target) if known.subject is not None else None
    if not known.loss.has_classes or spec is None or spec.maximum is None or spec.minimum is None:
        return False
    if not isinstance(target, torch.Tensor) or target.is_floating_point() or not target.numel():
        return False
    low, high = target.detach().aminmax()
    return bool(low < spec.minimum) or bool(high > spec.maximum)


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
