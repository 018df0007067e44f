"""A subject from real tensors at hand: at a breakpoint, in a running script, from a batch of data. Imports torch.

Everything is measured here and now; nothing of the tensors is kept.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

import torch

from shapecheck import measure, unpacking
from shapecheck.errors import Location, UserError, did_you_mean
from shapecheck.keywords import tensor_name
from shapecheck.rules import Loss
from shapecheck.specs import Part, Subject, TensorSpec


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
    _require_tensors(rule, keywords)
    plain = measure.facts_of_keywords(keywords)
    return Subject(rule.name, specs, plain, name=name or rule.name, location=location, engine="real")


def _require_tensors(rule: Loss, keywords: Mapping[str, Any]) -> None:
    """Raises UserError for a list or number among the keywords where torch takes a tensor: in a real call it is no shape."""
    for name, value in keywords.items():
        argument = rule.arguments.get(name)
        if argument is not None and argument.tensor and not (value is None or isinstance(value, torch.Tensor)):
            raise UserError(
                f"{name} is a {unpacking.kind(value)}, but {rule.name} takes a tensor",
                f"write {name}=torch.as_tensor({name}, dtype=output.dtype)",
            )


def measured(rule: Loss, given: Mapping[str, Any]) -> dict[str, TensorSpec]:
    """What can be measured of each tensor, by the contract's names; of what is no tensor, of those that can be had of it.

    Raises UserError for what the loss has no name for, and for tensors without dense values.
    """
    specs: dict[str, TensorSpec] = {}
    values, others = {}, {}
    for name, value in given.items():
        known = tensor_name(str(name), rule)
        if known is None:
            raise UserError(f"{rule.name} takes no tensor {name!r}", did_you_mean(str(name), rule.tensors))
        number = measure.number_facts(value)
        if isinstance(value, torch.Tensor):
            require_dense(str(name), value)
            values[known] = value
        elif number is not None and number.python in rule.tensors[known].python:
            specs[known] = number
        else:
            others[known] = value
    shape = tuple(values[rule.output].shape) if rule.output in values else ()
    specs |= {name: measure.tensor_facts(value, rule, name, shape) for name, value in values.items()}
    if rule.output in others:
        specs[rule.output] = _held(others.pop(rule.output), rule, rule.output, ())
        shape = tuple(size for size in specs[rule.output].shape if isinstance(size, int))
    specs |= {name: _held(value, rule, name, shape) for name, value in others.items()}
    target = values.get(rule.target)
    told = measure.class_axis_told(target, rule) if target is not None and tuple(target.shape) == shape else None
    if told is not None and rule.output in values:
        axes = tuple("class" if axis == told else "unknown" for axis in range(len(shape)))
        specs[rule.output] = replace(specs[rule.output], axes=axes)
        specs[rule.target] = replace(specs[rule.target], axes=axes, values="probabilities")
    return specs


def _held(value: Any, rule: Loss, name: str, shape: tuple[int, ...]) -> TensorSpec:
    """What is no tensor, with the tensors that can be had of it, each measured in its place."""
    among = unpacking.looped(value)
    parts = [
        Part(how, measure.tensor_facts(tensor, rule, name, shape), path, among) for how, path, tensor in _had(value)
    ]
    first = parts[0].spec.shape if parts else ()
    words = "words" if unpacking.has_words(value) else None
    return TensorSpec(first, origin="data", python=unpacking.kind(value), values=words, parts=tuple(parts))


def _had(value: Any) -> Iterator[tuple[str, str, torch.Tensor]]:
    """Its members, those of one shape also as one; or all of it as one where it has no tensors inside."""
    whole, stacked = unpacking.as_one(value), unpacking.stacked(value)
    if whole is not None:
        yield "tensor", "", whole
        return
    yield from (("member", path, tensor) for path, tensor in unpacking.members(value))
    if stacked is not None:
        yield "stack", "", stacked


def require_tensor(name: str, value: Any) -> None:
    """Raises UserError for what is no tensor, or one without dense values."""
    if not isinstance(value, torch.Tensor):
        raise UserError(
            f"{name} is a {type(value).__name__}, not a tensor",
            "pass the tensor inside, such as output.logits or output[0]",
        )
    require_dense(name, value)


def require_dense(name: str, value: torch.Tensor) -> None:
    """Raises UserError for a tensor whose values cannot be read as they are."""
    if value.is_meta:
        raise UserError(f"{name} is on the meta device, where it has no values", "pass a real tensor, or write a spec")
    if value.is_quantized or value.is_nested or value.layout is not torch.strided:
        raise UserError(f"{name} is not a dense tensor", f"pass {name}.to_dense(), {name}.dequantize() or a padded one")
