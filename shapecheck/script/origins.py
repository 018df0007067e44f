"""The module that made what a loss is given, and its probe: fed with its own real call, once for each. Imports torch."""

from __future__ import annotations

import copy
import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from torch import nn

from shapecheck.errors import CheckError, ModelError
from shapecheck.intercept.calls import LossCall
from shapecheck.intercept.interception import Interception
from shapecheck.probe.inputs.real import RealCall
from shapecheck.probe.inputs.tries import first_line
from shapecheck.probe.loading.allowances import uncompiled
from shapecheck.probe.probing import Probe, ProbeHints, probe
from shapecheck.rules import Loss
from shapecheck.script.following import Trail
from shapecheck.script.sources import ModuleCall

_SECONDS = 10.0


@dataclass(frozen=True, eq=False)
class Origin:
    """A module that ran to its end, and which part of what it gave; or, with a `number`, up to that loss call of its own."""

    call: ModuleCall
    path: str = ""
    number: int = 0

    @property
    def module(self) -> nn.Module:
        return uncompiled(self.call.module)


def origin_of(trail: Trail | None, running: Sequence[ModuleCall], number: int) -> Origin | None:
    """`running` are the modules whose forward the loss was called in, `number` counts the loss calls in the outermost.

    A module that was given the tensors is a criterion. One whose own layers made them computes its loss itself.
    """
    source = trail.base.source if trail is not None else None
    if trail is not None and isinstance(source, ModuleCall) and source.outer is None:
        return Origin(source, trail.base.path)
    return Origin(running[0], number=number) if running else None


@dataclass(eq=False)
class Probes:
    """What was probed so far, and why something could not be."""

    rules: tuple[Any, ...] = ()
    _known: dict[object, Probe | CheckError] = field(default_factory=dict)

    def of(self, origin: Origin, loss: Loss, ends_alone: bool = False) -> Probe | CheckError:
        """The probe of the module as it was called; once for each part of its output and kind of loss.

        `ends_alone` is whether a batch of one sample is known to come.
        """
        ends_alone &= origin.call.real is not None and bool(origin.call.real.training)
        key = (id(origin.module), id(origin.call.real), origin.path, origin.number, loss.name, ends_alone)
        if key not in self._known:
            self._known[key] = _probed(origin, loss, self.rules, ends_alone)
        return self._known[key]


def _probed(origin: Origin, loss: Loss, folders: tuple[Any, ...], ends_alone: bool) -> Probe | CheckError:
    hints = ProbeHints(loss=loss.name, has_classes=loss.has_classes, ends_with_one=ends_alone, budget_seconds=_SECONDS)
    module = until_loss(origin.module, origin.number, folders) if origin.number else origin.module
    try:
        return probe(module, (), origin.path or None, hints, real=origin.call.real or RealCall(()))
    except CheckError as error:
        return error
    except Exception as error:  # what the tensors alone say is still worth a report
        return ModelError(f"{type(error).__name__}: {first_line(error)}", code="SC904")


# ---------------------------------------------------------------------------- a module that computes its loss itself


class _Reached(BaseException):
    """Not an Exception, so that no handler of the model's takes it for a failure."""

    def __init__(self, output: Any) -> None:
        super().__init__()
        self.output = output


class _Stop:
    """Ends the forward pass at the loss call of that number."""

    def __init__(self, number: int) -> None:
        self.left = number

    def before(self, call: LossCall) -> None:
        self.left -= 1
        if not self.left:
            raise _Reached(next(iter(call.tensors.values())))

    def after(self, call: LossCall, result: Any) -> None:
        return

    def raised(self, call: LossCall, error: Exception) -> None:
        return


def until_loss(module: nn.Module, number: int, folders: tuple[Any, ...] = ()) -> nn.Module:
    """The same module, with the same parts, whose output is what its loss call of that number (from 1) is given first."""
    twin = copy.copy(module)
    vars(twin)["forward"] = _reaching(twin.forward, number, folders)
    return twin


def _reaching(forward: Callable[..., Any], number: int, folders: tuple[Any, ...]) -> Callable[..., Any]:
    stop = _Stop(number)
    interception = Interception(stop, folders)

    @functools.wraps(forward)
    def reaching(*args: Any, **kwargs: Any) -> Any:
        stop.left = number
        try:
            with interception:
                forward(*args, **kwargs)
        except _Reached as reached:
            return reached.output
        raise RuntimeError("the forward pass ended before its loss")

    return reaching
