"""The run that is looked at: the model, its call, its output, and what is known of their axes. Runs the model only when asked."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from shapecheck.probe.behaviour.tracing import RESHAPES, Change, Step, Trace, traced
from shapecheck.probe.outputs.axes import Named
from shapecheck.probe.outputs.varying import Free, along, difference
from shapecheck.probe.runs.feeding import Call, Position, main_index, perturbed, positions, size_at
from shapecheck.probe.runs.running import Fed, Runner

SURVEYED = RESHAPES | {"softmax", "log_softmax"}


@dataclass(frozen=True)
class Survey:
    """The reshapes and softmaxes of one run, the axes of the latter, and whether the output follows from the input."""

    call: Call
    output: torch.Tensor
    steps: Sequence[Step]
    dims: Mapping[int, int]
    follows: bool


@dataclass(frozen=True)
class Case:
    """`output` is what the call gave at `path`; `typed` is the call with the labels that the user gave its axes.

    `keeps` says of a call whether its sizes are still those the user chose.
    """

    runner: Runner
    named: Named
    path: str
    output: torch.Tensor
    typed: Call = ()
    keeps: Callable[[Call], bool] = lambda call: True

    @property
    def call(self) -> Call:
        return self.named.call

    @property
    def leading(self) -> Free | None:
        """The input axes that vary with the first axis of the main input."""
        first = (main_index(self.call), 0)
        return next((group for group in self.named.free if first in group.where), None)

    @property
    def batch(self) -> Free | None:
        """The input axes that are the batch; or, where samples turned out to depend on each other, that were taken for it."""
        known = next((group for group in self.named.free if group.label == "batch"), None)
        return known or self.leading or self._fixed()

    def _fixed(self) -> Free | None:
        where = tuple(p for p in positions(self.call) if self.call[p[0]].label(p[1]) == "batch")
        return Free(where, "batch", {}) if where else None

    def size(self, group: Free) -> int:
        return size_at(self.call, group.where[0])


def surveyed(case: Case, call: Call, fed: Callable[[], Fed] | None = None) -> Survey | None:
    """None where the model does not run on this call."""
    dims: dict[int, int] = {}

    def note(step: Step, args: tuple[Any, ...], kwargs: dict[str, Any], _: Any) -> None:
        dim = kwargs.get("dim", args[1] if len(args) > 1 else None)
        if step.name not in RESHAPES and isinstance(dim, int) and step.before:
            dims[step.number] = dim % len(step.before)

    trace = Trace(SURVEYED, note)
    output = traced(case.runner, call, case.path, trace, fed)
    return None if output is None else Survey(call, output, trace.steps, dims, trace.follows(output))


def mixed(case: Case, group: Free, other: torch.Tensor) -> bool:
    """Whether more of the output changes with sample 0 than the part that is its own; `other` is that of a disturbed run."""
    if kept(difference(case.output, other), case.size(group), own=True) is not False:
        return False
    return kept(disturbed(case, group.where, {}), case.size(group), own=True) is False


def disturbed(case: Case, where: tuple[Position, ...], changes: Mapping[object, Change]) -> torch.Tensor | None:
    """Which elements of the output change with index 0 of these input axes, the calls of `changes` replaced."""
    one = traced(case.runner, case.call, case.path, _all(changes))
    other = traced(case.runner, case.call, case.path, _all(changes), perturbed(case.call, where, 0))
    return None if one is None or other is None else difference(one, other)


def _all(changes: Mapping[object, Change]) -> Trace:
    return Trace(None, changes=changes) if changes else Trace(frozenset())


def kept(mask: torch.Tensor | None, samples: int, own: bool = False) -> bool | None:
    """Whether what changed lies in one of so many equal places along one axis, or along a part of one; None: nothing did.

    With `own` it has to be the first place, that of the sample itself.
    """
    if mask is None or not bool(mask.any()):
        return None
    places = (_places(along(mask, axis), samples) for axis in range(mask.dim()) if mask.shape[axis] % samples == 0)
    return any(len(found) == 1 and (not own or found == [0]) for each in places for found in each)


def _places(touched: torch.Tensor, samples: int) -> Iterator[list[int]]:
    """Which of the samples are touched, for each way in which an axis may be made of samples and something else."""
    others = touched.numel() // samples
    for block in (block for block in range(1, others + 1) if others % block == 0):
        yield touched.view(-1, samples, block).any(2).any(0).nonzero().flatten().tolist()
