"""Runs the calls of a fix, and the loss after them, on real tensors. Imports torch."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
import torch.nn.functional as F

from shapecheck.diagnosis import State
from shapecheck.matching import Facts
from shapecheck.oracle import SEED, Tensors, weights


def attention_for(after: State, tensors: Tensors) -> torch.nn.Linear | None:
    """The pooling layer of a fix that has one, for the features that reach it."""
    calls = after.calls.get("output", ())
    place = next((index for index, call in enumerate(calls) if call.kind == "attention"), None)
    if place is None:
        return None
    pooled = tensors["output"].detach()
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
    axis = class_origin(after)
    keywords = {name: value for name, value in start.arguments.items() if isinstance(value, Facts)}
    values.update({name: _weights_for(value, tensors, start, axis) for name, value in keywords.items()})
    originals = dict(values)
    for name, calls in after.calls.items():
        for call in calls:
            values[name] = call.run(values[name], originals, F, attention)
    return values


def _weights_for(facts: Facts, tensors: Tensors, start: State, axis: int | None) -> torch.Tensor:
    """Class weights; on a small copy with fewer classes (along `axis` of the output), as many as it has."""
    if axis is None:
        return weights(facts)
    classes, own = start.tensors["output"].shape[axis], tensors["output"].shape[axis]
    return weights(Facts(tuple(own if size == classes else size for size in facts.shape), facts.dtype))


def class_origin(after: State) -> int | None:
    """The axis of the output before any fix that holds the classes."""
    named = after.named["output"]
    origins = [origins for name, origins in zip(named.names, named.origins) if name == "class"]
    return origins[0][0] if origins and len(origins[0]) == 1 else None


def keywords(after: State, values: Mapping[str, Any]) -> dict[str, Any]:
    return {
        name: values.get(name) if isinstance(value, Facts) else value
        for name, value in after.arguments.items()
        if value is not None
    }


def reduced(after: State, values: Mapping[str, Any]) -> torch.Tensor:
    arguments = keywords(after, values)
    if arguments.get("reduction") == "none":
        arguments["reduction"] = "sum"
    loss: torch.Tensor = getattr(F, after.loss_name)(values["output"], values["target"], **arguments)
    return loss


def elements_of(after: State, values: Mapping[str, Any]) -> torch.Tensor:
    arguments = {k: v for k, v in keywords(after, values).items() if k not in ("size_average", "reduce")}
    with torch.no_grad():
        elements: torch.Tensor = getattr(F, after.loss_name)(
            values["output"], values["target"], **{**arguments, "reduction": "none"}
        )
    return elements
