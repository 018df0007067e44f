"""One forward pass on dummy arguments: what it gave, or where and why it failed. Chooses nothing.

Most models run for real on tiny CPU tensors; how is the engine's business.
"""

from __future__ import annotations

import io
import math
import time
import warnings
from collections.abc import Callable
from contextlib import redirect_stdout
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import nn

from shapecheck.errors import Location
from shapecheck.probe.inputs.assertions import wanted
from shapecheck.probe.inputs.blame import Blame, Sources
from shapecheck.probe.outputs.outputs import at, named, pieces
from shapecheck.probe.places import raised_at
from shapecheck.probe.runs.effort import VERY_SLOW
from shapecheck.probe.runs.engine import Engine
from shapecheck.probe.runs.feeding import Call, batch_of, feed
from shapecheck.probe.runs.leaves import RECURRENT, Arrival, LeafMismatchError, Recorder
from shapecheck.probe.runs.state import Guard, seed
from shapecheck.probe.runs.valueless import Shapes, output_shapes, shapes_of
from shapecheck.probe.runs.values import has_values, is_plain

MOST_WORK = 5.0  # of one try of the search
Fed = tuple[list[Any], dict[str, Any]]


class EmptyOutputError(Exception):
    """The model ran, but every tensor it returned is empty."""


class TensorlessOutputError(Exception):
    """The model ran, but returned no tensor."""


@dataclass(frozen=True)
class Trial:
    """One run. `depth` is how many layers it reached; `error` carries no traceback, `location` is the user's line.

    `work` is counted in seconds of a nominal machine. `blamed` are the arguments that the operation that failed worked on,
    as they were fed or as views; `wanted` is what a check of the user's own asked for.
    """

    call: Call
    output: Any = None
    error: Exception | None = None
    location: Location | None = None
    arrivals: tuple[Arrival, ...] = ()
    states: tuple[torch.Tensor, ...] = ()
    work: float = 0.0
    blamed: tuple[int, ...] = ()
    wanted: str = ""

    @property
    def depth(self) -> int:
        return len(self.arrivals)

    @property
    def worked(self) -> bool:
        return self.error is None


@dataclass
class Runner:
    """Runs the model; `runs` counts. The model is as before after every run.

    `valueless` says that output shapes may be asked of tensors without values, which slow models gain by; `slow` that every run
    counts.
    """

    model: nn.Module
    guard: Guard
    recorder: Recorder
    deadline: float
    engine: Engine = field(default_factory=Engine)
    runs: int = 0
    valueless: bool = False
    slow: bool = False

    @property
    def expired(self) -> bool:
        return time.monotonic() > self.deadline

    def run(self, call: Call) -> Trial:
        """A quiet run without gradients. Never raises for what the model does."""
        return self._guarded(call, lambda: feed(call))

    def tensor(self, call: Call, path: str, fed: Callable[[], Fed] | None = None) -> torch.Tensor | None:
        """The output tensor at `path`, or None if the model does not run on this call."""
        trial = self._guarded(call, fed or (lambda: feed(call)))
        if not trial.worked:
            return None
        try:
            return at(trial.output, path)
        except KeyError:
            return None

    def quicken(self, trial: Trial) -> None:
        """From here on shapes come without values, if the model is slow and they come out the same.

        Recurrent layers take such tensors one step after the other in Python: no gain there.
        """
        if not self.engine.has_values:
            return
        if trial.work > VERY_SLOW and not any(isinstance(arrival.leaf, RECURRENT) for arrival in trial.arrivals):
            self.valueless = True
            self.valueless = self.shapes(trial.call) == shapes_of(trial.output)

    def shapes(self, call: Call) -> Shapes | None:
        """The shapes of the output's parts by path, or None if the model does not run on this call."""
        if not self.valueless:
            trial = self._guarded(call, lambda: feed(call))
            return shapes_of(trial.output) if trial.worked else None
        try:
            with warnings.catch_warnings(), redirect_stdout(io.StringIO()):
                warnings.simplefilter("ignore")
                return output_shapes(self.model, call)
        finally:
            self.recorder.clear()
            self.guard.restore()

    def _guarded(self, call: Call, fed: Callable[[], Fed]) -> Trial:
        trial = self._once(call, fed)
        while self.engine.gives_way(trial.error, trial.location):
            trial = self._once(call, fed)
        return trial

    def _once(self, call: Call, fed: Callable[[], Fed]) -> Trial:
        self.runs += 1
        self.recorder.clear()
        self.recorder.batch = batch_of(call)
        seed()
        output: Any = None
        error: Exception | None = None
        location: Location | None = None
        checked = ""
        blame = Blame(MOST_WORK if self.recorder.checking and self.engine.has_values else math.inf)
        try:
            args, kwargs = self.engine.fed(*fed())
            blame.sources = Sources(call, args, kwargs)
            with torch.no_grad(), warnings.catch_warnings(), redirect_stdout(io.StringIO()), blame:
                warnings.simplefilter("ignore")
                output = self.engine.call(self.model, args, kwargs)
            _refuse_nothing(output)
        except SystemExit as stopped:
            error = RuntimeError(f"the model called sys.exit({stopped.code!r})")
            location = raised_at(stopped)
        except Exception as raised:
            location, checked = raised_at(raised), "" if isinstance(raised, LeafMismatchError) else wanted(raised)
            error = raised.with_traceback(None)
            raised.__context__ = raised.__cause__ = None
        finally:
            self.guard.restore()
        recorder = self.recorder
        blamed = blame.sources.of(recorder.latest) if isinstance(error, LeafMismatchError) else blame.last
        arrivals, states = tuple(recorder.arrivals), tuple(recorder.states)
        recorder.clear()
        if error is not None:
            return Trial(call, None, error, location, arrivals, work=blame.work, blamed=blamed, wanted=checked)
        return Trial(call, output, None, None, arrivals, states, blame.work)


def _refuse_nothing(output: Any) -> None:
    tensors = [piece.tensor for piece in pieces(output)]
    if not tensors:
        raise TensorlessOutputError(f"the model returned {named(output)}, which holds no tensor")
    if not any(tensor.numel() for tensor in tensors):
        raise EmptyOutputError(f"the output is empty: shape {tuple(tensors[0].shape)}")


def has_nan(output: Any) -> bool:
    tensors = [piece.tensor for piece in pieces(output)]
    return any(t.is_floating_point() and has_values(t) and is_plain(t) and bool(torch.isnan(t).any()) for t in tensors)
