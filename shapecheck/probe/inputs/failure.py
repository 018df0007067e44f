"""A failed run, as the repairs look at it. Runs nothing."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import nn

from shapecheck.probe.inputs.candidates import Proposal, with_dtype
from shapecheck.probe.inputs.sizing import Sizes
from shapecheck.probe.runs.feeding import GROWING, Argument, Call, Position, main_index
from shapecheck.probe.runs.running import Trial


@dataclass(frozen=True)
class Failure:
    """A failed run and what the repairs need beside it."""

    trial: Trial
    model: nn.Module
    sizes: Sizes

    @property
    def call(self) -> Call:
        return self.trial.call

    @property
    def main(self) -> int:
        return main_index(self.call)

    @property
    def text(self) -> str:
        return f"{self.trial.error}\n{self.trial.wanted}" if self.trial.wanted else str(self.trial.error)

    @property
    def blamed(self) -> tuple[int, ...]:
        """The arguments the failed operation worked on; the main one where that is not known."""
        return self.trial.blamed or (self.main,)

    @property
    def beside(self) -> list[int]:
        """Those of them that are not the main one, nor a state, whose shape is known."""
        return [i for i in self.trial.blamed if i != self.main and self.call[i].kind in ("float", "int", "bool")]

    def free(self) -> list[Position]:
        """The axes of the main input that may grow."""
        argument = self.call[self.main]
        labelled = [axis for axis in range(len(argument.shape)) if argument.label(axis) in GROWING]
        return [(self.main, axis) for axis in labelled]


def put(failure: Failure, index: int, argument: Argument, cost: float, why: str) -> Proposal:
    old = failure.call[index]
    argument = replace(argument, name=old.name, keyword=old.keyword, holder=old.holder, place=old.place)
    dtype = old.dtype if old.kind == "float" else torch.get_default_dtype()
    argument = with_dtype(argument, dtype)
    return Proposal((*failure.call[:index], argument, *failure.call[index + 1 :]), cost, why)
