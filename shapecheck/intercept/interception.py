"""Tells a listener of every outermost loss call of the program while it is on, in any thread. Checks nothing.

What is compiled, traced or mapped by torch has no values to look at and runs as if nobody listened.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from types import FunctionType, TracebackType
from typing import Any

import torch

from shapecheck.intercept.binding import Parameters, divided, named_by_contract, parameters_of, settings
from shapecheck.intercept.calls import Deliberate, Listener, LossCall
from shapecheck.intercept.hidden import NoValues, plain
from shapecheck.intercept.profiling import Place, Profiler, place_of
from shapecheck.intercept.stack import spots
from shapecheck.intercept.swapping import Swap, can_be_swapped, twin, without_place
from shapecheck.intercept.telling import begun, ended, here, raised
from shapecheck.oracle import function_of
from shapecheck.rule_folders import losses_in
from shapecheck.rules import Loss, all_losses

_lock = threading.RLock()
_active: tuple[Interception, ...] = ()


class Interception:
    """A context manager: while it is entered, `listener` is told of the loss calls of all threads.

    `folders` are folders of rule files besides ours. May be entered again while it is on.
    """

    def __init__(self, listener: Listener, folders: tuple[Path, ...] = ()) -> None:
        self.listener = listener
        self.folders = folders
        self._entered = 0

    @cached_property
    def losses(self) -> dict[FunctionType, _Seen]:
        """The functions that are seen, and the loss that each is to this listener."""
        return dict(_torch_losses(self.folders))

    @cached_property
    def own(self) -> dict[Place, Loss]:
        """Where the losses of the user's own stand that have a rule."""
        rules = (rule for folder in self.folders for rule in losses_in(folder, self.folders))
        return {place_of(rule): rule for rule in rules if not rule.call.startswith("torch.")}

    def __enter__(self) -> Interception:
        """Raises UserError for a rule file whose loss cannot be found."""
        with _lock:
            _ = self.losses, self.own  # read before anything is changed
            self._entered += 1
            if self._entered == 1:
                _switch((*_active, self))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with _lock:
            self._entered -= 1
            if self._entered == 0:
                _switch(tuple(each for each in _active if each is not self))


@dataclass(frozen=True, eq=False)
class _Seen:
    """What a function is to a listener: a loss with a rule, called as `parameters` say, as a method where `method`.

    `names` are the contract's names of the parameters that are tensors.
    """

    rule: Loss
    parameters: Parameters
    names: Mapping[str, str]
    method: bool

    def call(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> LossCall | None:
        """None where Python would refuse the call, or where there are no values: that is not for us to judge."""
        given = self.parameters.bound(args, kwargs)
        if given is None:
            return None
        try:
            if self.method:
                given = {**settings(args[0], self.rule), **given}
            tensors, keywords = divided(given, self.names, self.rule, {} if self.method else self.parameters.defaults)
            tensors = {name: plain(value) for name, value in tensors.items()}
            keywords = {name: plain(value) for name, value in keywords.items()}
        except NoValues:
            return None
        return LossCall(self.rule.name, tensors, keywords, spots(sys._getframe(1)))


def _torch_losses(folders: tuple[Path, ...]) -> Iterator[tuple[FunctionType, _Seen]]:
    for rule in all_losses(folders):
        if not rule.call.startswith("torch."):
            continue
        found: Any = function_of(rule)
        method = isinstance(found, type)
        function = found.forward if method else found
        if can_be_swapped(function):
            parameters = parameters_of(_originals.get(function, function))
            names = named_by_contract(parameters.order[method:], rule)
            yield function, _Seen(rule, parameters, names, method)


_originals: dict[FunctionType, FunctionType] = {}
_swaps: dict[FunctionType, Swap] = {}
_profiler = Profiler()


def _switch(active: tuple[Interception, ...]) -> None:
    """Only these are told from now on; every function that one of them sees is swapped, and no other."""
    global _active
    wanted = {function for each in active for function in each.losses}
    for function in wanted - set(_swaps):
        _originals[function] = original = twin(function)
        _swaps[function] = Swap(function, original, _told(function, original))
    _active = active
    _profiler.listen(tuple((each.listener, each.own) for each in active if each.own))
    for function in wanted:
        _swaps[function].on()
    for function in set(_swaps) - wanted:
        _swaps.pop(function).off()
        del _originals[function]


def _told(function: FunctionType, original: FunctionType) -> Callable[[tuple[Any, ...], dict[str, Any]], Any]:
    """What is called in a loss function's place."""

    def instead(args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        __tracebackhide__ = True
        if torch.compiler.is_compiling() or here.busy or torch._C._get_tracing_state() is not None:
            return original(*args, **kwargs)
        here.busy = True
        try:
            calls = begun((listener, partial(seen.call, args, kwargs)) for listener, seen in _seeing(function))
            result = original(*args, **kwargs)
            ended(calls, result)
            return result
        except Deliberate as error:
            raise error.with_traceback(None)  # noqa: B904 - how a listener came to it is of no use to the program
        except Exception as error:  # of the loss: a listener's own never comes here
            raised(calls, error)
            raise
        finally:
            here.busy = False

    return without_place(instead)


def _seeing(function: FunctionType) -> list[tuple[Listener, _Seen]]:
    return [(each.listener, each.losses[function]) for each in _active if function in each.losses]
