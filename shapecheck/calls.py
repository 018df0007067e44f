"""Runs the calls of a fix, and the loss after them, on real tensors. Imports torch."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
import torch.nn.functional as F

from shapecheck.diagnosis import State
from shapecheck.matching import Facts, result_names
from shapecheck.oracle import Tensors, call_loss, weights
from shapecheck.samples import SEED


def attention_for(after: State, tensors: Tensors) -> torch.nn.Linear | None:
    """The pooling layer of a fix that has one, for the features that reach it."""
    output = after.loss.output
    calls = after.calls.get(output, ())
    place = next((index for index, call in enumerate(calls) if call.kind == "attention"), None)
    if place is None:
        return None
    pooled = tensors[output].detach()
    for call in calls[:place]:
        pooled = call.run(pooled, tensors, F)
    features = pooled.shape[-1]
    # At a breakpoint the user's random state has to stay as it is, so the weights come from a generator of our own.
    with torch.random.fork_rng(devices=[]):
        layer = torch.nn.Linear(features, 1, dtype=pooled.dtype)
    generator = torch.Generator().manual_seed(SEED)
    with torch.no_grad():
        for parameter in layer.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=generator) / features**0.5)
    return layer


def fixed(tensors: Tensors, after: State, start: State, attention: Any) -> dict[str, Any]:
    """The tensors and tensor keywords after the fix's calls."""
    values: dict[str, Any] = dict(tensors)
    keywords = {name: value for name, value in start.arguments.items() if isinstance(value, Facts)}
    values.update({name: weights(_resized(name, value, tensors, start, after)) for name, value in keywords.items()})
    originals = dict(values)
    for name, calls in after.calls.items():
        for call in calls:
            values[name] = call.run(values[name], originals, F, attention)
    return values


def _resized(name: str, facts: Facts, tensors: Tensors, start: State, after: State) -> Facts:
    """A keyword tensor for a small copy of the call: what was as long as an axis of the output is so again.

    A vector `per` class goes by the class axis of whichever tensor has it, anything else by the axis of the output above
    which it stands.
    """
    own, small = start.tensors[start.loss.output].shape, tuple(tensors[start.loss.output].shape)
    argument = start.loss.arguments.get(name)
    per = (
        _axis_of(after, argument.per) if argument is not None and argument.per else _lined_up(name, facts, start, after)
    )
    shape = []
    for axis, size in enumerate(facts.shape, len(own) - len(facts.shape)):
        if per is not None:
            holder, origin = per
            known = start.tensors[holder].shape[origin] == size
            shape.append(tuple(tensors[holder].shape)[origin] if known else size)
            continue
        place = axis if axis >= 0 and own[axis] == size else next((a for a, s in enumerate(own) if s == size), None)
        shape.append(size if place is None or size == 1 else small[place])
    return Facts(tuple(shape), facts.dtype, facts.minimum, facts.maximum)


def _lined_up(name: str, facts: Facts, start: State, after: State) -> tuple[str, int] | None:
    """The axis of an unchanged output that the fix lines a vector up with, as in `pos_weight.view(-1, 1, 1)`."""
    output, fixed_shape = after.loss.output, getattr(after.arguments.get(name), "shape", ())
    if len(fixed_shape) == 1 < len(facts.shape) and not after.calls.get(output):
        return output, start.tensors[output].rank - 1  # a column made a row again
    if len(facts.shape) != 1 or len(fixed_shape) < 2 or after.calls.get(output):
        return None
    first = start.tensors[output].rank - len(fixed_shape)
    places = [first + axis for axis, size in enumerate(fixed_shape) if size != 1]
    return (output, places[0]) if len(places) == 1 else None


def _axis_of(after: State, axis: str) -> tuple[str, int] | None:
    """The tensor that holds an axis of the contract, and where it stands there before any fix."""
    for name, bound in after.verdict.bounds.items():
        origins = after.named[name].origins[bound.names.index(axis)] if axis in bound.names else ()
        if len(origins) == 1 and isinstance(origins[0], int):
            return name, origins[0]
    places = class_origins(after)
    return (after.loss.output, places[0]) if places else None


def class_origins(after: State) -> list[int]:
    """The axes of the output, before any fix, that stay whole in a single loss: those of classes or features."""
    output = after.loss.output
    bound = after.verdict.bounds.get(output)
    if bound is None:
        return []
    outer = result_names(after.verdict)
    whole = [origin for name, origin in zip(bound.names, after.named[output].origins) if name not in outer]
    return [origins[0] for origins in whole if len(origins) == 1 and isinstance(origins[0], int)]


def keywords(after: State, values: Mapping[str, Any]) -> dict[str, Any]:
    """The keywords for these tensors; a number `per` an axis is the axis' size in them."""
    sizes = sizes_in(after, values)
    found: dict[str, Any] = {}
    for name, value in after.arguments.items():
        argument = after.loss.arguments.get(name)
        if isinstance(value, Facts):
            found[name] = values.get(name)
        elif argument is not None and argument.per and value == after.verdict.env.get(argument.per):
            found[name] = sizes.get(argument.per, value)
        elif value is not None:
            found[name] = value
    return found


def sizes_in(after: State, values: Mapping[str, Any]) -> dict[str, int]:
    """Axis name of the contract -> its size in these tensors."""
    return {
        axis: size
        for name, bound in after.verdict.bounds.items()
        if isinstance(values[name], torch.Tensor)
        for axis, size in zip(bound.names, values[name].shape)
    }


def reduced(after: State, values: Mapping[str, Any]) -> torch.Tensor:
    """The loss as called; one without reduction is summed."""
    arguments = keywords(after, values)
    if arguments.get("reduction") == "none":
        arguments["reduction"] = "sum"
    value = call_loss(after.loss, {name: values[name] for name in after.loss.tensors}, arguments)
    return value if value.dim() == 0 else value.sum()


def elements_of(after: State, values: Mapping[str, Any]) -> torch.Tensor | None:
    """The loss of each element; None for a loss that only gives one number."""
    if "reduction" not in after.loss.arguments:
        return None
    arguments = {k: v for k, v in keywords(after, values).items() if k not in ("size_average", "reduce")}
    with torch.no_grad():
        return call_loss(
            after.loss, {name: values[name] for name in after.loss.tensors}, {**arguments, "reduction": "none"}
        )
