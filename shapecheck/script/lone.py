"""Batches of one sample: whether one will come, and what the loss then does. Runs no module. Imports torch."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import torch
from torch.utils.data import DataLoader

from shapecheck.pipeline import check
from shapecheck.report import CheckResult
from shapecheck.script.following import Trail, batches, repeated
from shapecheck.script.seen import Seen
from shapecheck.script.sources import Shape
from shapecheck.specs import Observation, Subject, TensorSpec

OF_ONE = frozenset({"batch-axis-lost", "batch-of-one-fails"})


def loaders_of(seen: Seen) -> Iterator[DataLoader[Any]]:
    """Where what the loss and its module were given comes from."""
    made = [trail.made for trail in seen.trails.values()]
    if seen.origin is not None:
        made += seen.origin.call.taken
    for each in made:
        yield from (batch.loader for batch in batches(each))


def ends_alone(loader: DataLoader[Any]) -> bool:
    """Whether the last batch of an epoch holds one sample."""
    size = loader.batch_size
    try:
        samples = len(loader.sampler)  # type: ignore[arg-type]
    except (TypeError, NotImplementedError):
        return False
    return size is not None and (size == 1 or (samples % size == 1 and not loader.drop_last))


def weighed(observation: Observation, seen: Seen, subject: Subject) -> Observation:
    """What becomes of a batch of one that will come: an error where training stops, a note where nothing changes."""
    if "output_one" not in observation.facts:
        return _graded(observation, "error")
    output, target = _output_of_one(observation, seen), _target_of_one(seen, subject)
    if output is None or target is None:
        return observation
    found = [finding.severity for finding in _of_shapes(seen, subject, output, target).findings]
    worst = next((severity for severity in ("error", "warning") if severity in found), "note")
    return (
        observation
        if worst == "note" and output != target and not seen.loss.has_classes
        else _graded(observation, worst)
    )


def _graded(observation: Observation, severity: str) -> Observation:
    return replace(observation, facts={**observation.facts, "severity": severity})


def _output_of_one(observation: Observation, seen: Seen) -> Shape | None:
    """The shape of what the loss is given for one sample."""
    trail = seen.trails.get(seen.loss.output)
    of_base = tuple(observation.facts.get("base_one", observation.facts["output_one"]))
    return of_base if trail is None else _at_the_end(trail, of_base)


def _target_of_one(seen: Seen, subject: Subject) -> Shape | None:
    trail, spec = seen.trails.get(seen.loss.target), subject.tensors.get(seen.loss.target)
    if trail is not None and trail.base.shape:
        return _at_the_end(trail, (1, *trail.base.shape[1:]))
    sizes = tuple(size for size in spec.shape if isinstance(size, int)) if spec is not None else ()
    return (1, *sizes[1:]) if sizes else None


def _at_the_end(trail: Trail, of_base: Shape) -> Shape | None:
    """What the script makes of a base of this shape."""
    if not trail.steps:
        return of_base
    end = repeated(trail.made, trail.base, torch.zeros(of_base))
    return None if end is None else tuple(end.shape)


def _of_shapes(seen: Seen, subject: Subject, output: Shape, target: Shape) -> CheckResult:
    """What is found of the same call with these shapes."""
    shapes = {seen.loss.output: output, seen.loss.target: target}
    tensors = {
        name: TensorSpec(shapes[name], spec.dtype) if name in shapes else spec for name, spec in subject.tensors.items()
    }
    return check(Subject(subject.loss, tensors, subject.loss_args), seen.loss)
