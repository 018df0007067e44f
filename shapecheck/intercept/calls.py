"""One call of a loss as the program made it: which loss, the real tensors, the other arguments, and the user's line."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Protocol

from shapecheck.errors import Location
from shapecheck.intercept.stack import Spot
from shapecheck.probe.places import is_asked_by_user
from shapecheck.rules import Loss
from shapecheck.specs import WrittenCall
from shapecheck.written import written


@dataclass(frozen=True, eq=False)
class LossCall:
    """A call of a loss that has a rule.

    `tensors` are by the contract's names what was passed, not necessarily tensors; `loss_args` the other arguments
    where they differ from the loss's own defaults, tensors among them as tensors. `stack` are the user's own lines,
    innermost first. The values are the program's own: they are not to be changed, and not to be kept.
    """

    loss: str
    tensors: Mapping[str, Any]
    loss_args: Mapping[str, Any]
    stack: tuple[Spot, ...]

    @cached_property
    def location(self) -> Location:
        """The innermost line of the user's own code."""
        return self.lines[0]

    @cached_property
    def lines(self) -> tuple[Location, ...]:
        """All of the user's lines on the stack, innermost first."""
        return tuple(spot.location for spot in self.stack)

    def told_by(self, rule: Loss) -> WrittenCall | None:
        """The call in the user's own words, if it is their line that calls torch."""
        if not is_asked_by_user():
            return None
        return written(self.stack[0].expression, rule, self.location)


class Deliberate(Exception):
    """Raised by a listener that means it to reach the program."""


class Listener(Protocol):
    """What is told of every loss call that no other loss makes. The calls come in the thread that makes them.

    An Exception raised here never reaches the program, unless it is `Deliberate`; a BaseException that is none goes
    through the call.
    """

    def before(self, call: LossCall) -> None: ...

    def after(self, call: LossCall, result: Any) -> None: ...

    def raised(self, call: LossCall, error: Exception) -> None: ...
