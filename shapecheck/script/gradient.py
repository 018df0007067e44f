"""Whether a loss leads to anything that is trained: looked at when the script calls backward. Imports torch, changes nothing."""

from __future__ import annotations

import gc
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import torch
from torch import nn

from shapecheck import source
from shapecheck.errors import Location
from shapecheck.probe.behaviour.rewriting import without_round_trip
from shapecheck.script.following import Trail, as_it_is, repeated
from shapecheck.script.sources import Made, ModuleCall, Step, found
from shapecheck.specs import Observation, Remedy

_MOST_NODES = 100_000


def leads_nowhere(loss: torch.Tensor) -> bool:
    """Whether backward from here reaches no parameter, though optimisers have some to train."""
    if not loss.requires_grad:
        return True
    leaves = list(_up_to_a_parameter(loss))
    if isinstance(leaves[-1] if leaves else None, nn.Parameter):
        return False
    trained = {id(parameter) for parameter in _trained()}  # looks through all objects there are, which takes long
    return (bool(trained) or loss.grad_fn is None) and not any(id(leaf) in trained for leaf in leaves)


def _up_to_a_parameter(loss: torch.Tensor) -> Iterator[torch.Tensor]:
    for leaf in _leaves(loss):
        yield leaf
        if isinstance(leaf, nn.Parameter):
            return


def _trained() -> Iterator[torch.Tensor]:
    for optimizer in [each for each in gc.get_objects() if issubclass(type(each), torch.optim.Optimizer)]:
        for group in optimizer.param_groups:
            yield from (parameter for parameter in group["params"] if parameter.requires_grad)


def _leaves(loss: torch.Tensor) -> Iterator[torch.Tensor]:
    """The tensors that gradient is added up in, nearest first. Of a graph too large to walk one is made up: it has some."""
    if loss.grad_fn is None:
        yield loss
        return
    left, seen = [loss.grad_fn], {loss.grad_fn}
    while left:
        node: Any = left.pop(0)
        variable = getattr(node, "variable", None)
        if isinstance(variable, torch.Tensor):
            yield variable
        for following, _ in node.next_functions:
            if following is not None and following not in seen:
                seen.add(following)
                left.append(following)
        if len(seen) > _MOST_NODES:
            yield nn.Parameter(torch.empty(0))
            return


def comes_of(made: Made | None, steps: Sequence[Step]) -> list[Step]:
    """Which of the steps led to a tensor."""
    if made is None or not isinstance(made.source, Step):
        return []
    own = [step for step in steps if step is made.source]
    return own or [step for taken in made.source.taken for step in comes_of(taken, steps)]


def cut_of(trail: Trail | None, frozen_at: Callable[[torch.Tensor], Location | None]) -> Observation | None:
    """What cuts the way from the parameters to the loss's tensor; None where it is none of the script's lines."""
    if trail is None:
        return None
    step = next((each for each in trail.steps if _cuts(each, _given(each, trail))), None)
    if step is not None:
        picks = step.name in ("argmax", "argmin")
        remedy = None if picks else _without(step, trail)
        return Observation("argmax" if picks else "detach", step.location, remedy=remedy)
    call = trail.base.source
    if not isinstance(call, ModuleCall) or trail.base.graded:
        return None
    if not call.graded:
        return Observation("detach", call.spot.location if call.spot else None)
    return _frozen(call, frozen_at)


def _frozen(call: ModuleCall, frozen_at: Callable[[torch.Tensor], Location | None]) -> Observation | None:
    """A module none of whose parameters takes gradient."""
    parameters = list(call.module.parameters())
    if any(parameter.requires_grad for parameter in parameters):
        return None
    place = next(filter(None, map(frozen_at, parameters)), call.spot.location if call.spot else None)
    return Observation("frozen", place, facts={"model": type(call.module).__name__, "count": len(parameters)})


def cut_behind(loss: Made | None) -> Observation | None:
    """What cuts the way from a loss call to what backward is called on."""
    left = [loss] if loss is not None else []
    while left:
        made = left.pop(0)
        if isinstance(made.source, Step):
            if _cuts(made.source, [made]):
                return lost(made.source.location)
            left += made.source.taken
    return None


def lost(place: Location | None) -> Observation:
    """The loss itself is cut off at a line."""
    return Observation("loss-cut", place, remedy=_shorter(place))


_REFUSED = re.compile(r"not differentiable with respect to argument '(\w+)'")


def undifferentiable(error: Exception) -> Observation | None:
    """The argument that requires a gradient for which torch has no formula, if that is why a loss call failed."""
    named = _REFUSED.search(str(error))
    if named is None:
        return None
    argument = named[1]
    return Observation("not-differentiable", None, facts={"argument": argument, "is_weight": "weight" in argument})


def left_at(place: Location | None) -> Observation:
    """What the loss is given has left torch at a line and come back."""
    return Observation("detach", place, remedy=_shorter(place))


def _shorter(place: Location | None) -> Remedy | None:
    line = without_round_trip(place)
    return Remedy(line) if line else None


def _cuts(step: Step, given: Iterable[Made]) -> bool:
    """Whether it takes something that carries gradient and gives nothing that does."""
    return any(made.graded for made in step.taken) and not any(made.graded for made in given)


def _without(step: Step, trail: Trail) -> Remedy | None:
    """The line without the step, if gradient then comes through all that follows."""
    place = step.location
    line = None
    if place is not None and place.line:
        line = source.without_call(place.path, place.line, step.name) or without_round_trip(place)
    with torch.enable_grad():
        again = repeated(trail.made, trail.base, torch.zeros(trail.base.shape).requires_grad_(), {step: as_it_is})
    if line is None or again is None or not again.requires_grad:
        return None
    return Remedy(
        line, "executed", "the steps of the script were taken again without it: what the loss is given carries gradient"
    )


def _given(step: Step, trail: Trail) -> Iterator[Made]:
    """What the step gave, as the next one took it."""
    if trail.made.source is step:
        yield trail.made
    for other in trail.steps:
        yield from (made for made in found(Made, (other.args, dict(other.kwargs))) if made.source is step)
