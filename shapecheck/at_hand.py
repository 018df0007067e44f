"""A subject from real tensors at hand: at a breakpoint, in a running script, from a batch of data. Imports torch.

Everything is measured here and now; nothing of the tensors is kept.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import torch

from shapecheck import measure
from shapecheck.errors import Location, UserError, did_you_mean
from shapecheck.keywords import tensor_name
from shapecheck.rules import Loss
from shapecheck.specs import Subject, TensorSpec


def subject(
    rule: Loss,
    tensors: Mapping[str, Any],
    loss_args: Mapping[str, Any],
    *,
    name: str = "",
    location: Location | None = None,
) -> Subject:
    """One loss call as its tensors are: `tensors` by the contract's names (or a user's: output, target), all else in `loss_args`.

    Raises UserError for tensors that are missing or none.
    """
    keywords = dict(loss_args)
    given = dict(tensors)
    given |= {key: keywords.pop(key) for key in list(keywords) if tensor_name(key, rule) not in (None, *given)}
    specs = measured(rule, given)
    for known, operand in rule.tensors.items():
        if known not in specs and (known == rule.target or operand.assume is None):
            raise UserError(f"{rule.name} needs the tensor {known!r}", f"it takes: {', '.join(rule.tensors)}")
    plain = measure.facts_of_keywords(keywords)
    return Subject(rule.name, specs, plain, name=name or rule.name, location=location, engine="real")


def measured(rule: Loss, given: Mapping[str, Any]) -> dict[str, TensorSpec]:
    """What can be measured of each tensor, by the contract's names. Raises UserError for what is none of its tensors."""
    specs: dict[str, TensorSpec] = {}
    values = {}
    for name, value in given.items():
        known = tensor_name(str(name), rule)
        if known is None:
            raise UserError(f"{rule.name} takes no tensor {name!r}", did_you_mean(str(name), rule.tensors))
        number = measure.number_facts(value)
        if number is not None and number.python in rule.tensors[known].python:
            specs[known] = number
        else:
            require_tensor(str(name), value)
            values[known] = value
    shape = tuple(values[rule.output].shape) if rule.output in values else ()
    specs |= {name: measure.tensor_facts(value, rule, name, shape) for name, value in values.items()}
    target = values.get(rule.target)
    told = measure.class_axis_told(target, rule) if target is not None and tuple(target.shape) == shape else None
    if told is not None:
        axes = tuple("class" if axis == told else "unknown" for axis in range(len(shape)))
        specs[rule.output] = replace(specs[rule.output], axes=axes)
        specs[rule.target] = replace(specs[rule.target], axes=axes, values="probabilities")
    return specs


def require_tensor(name: str, value: Any) -> None:
    """Raises UserError for what is no tensor, or one without dense values."""
    if not isinstance(value, torch.Tensor):
        raise UserError(
            f"{name} is a {type(value).__name__}, not a tensor",
            "pass the tensor inside, such as output.logits or output[0]",
        )
    if value.is_meta:
        raise UserError(f"{name} is on the meta device, where it has no values", "pass a real tensor, or write a spec")
    if value.is_quantized or value.is_nested or value.layout is not torch.strided:
        raise UserError(f"{name} is not a dense tensor", f"pass {name}.to_dense(), {name}.dequantize() or a padded one")
