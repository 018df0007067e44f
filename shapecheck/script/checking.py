"""From a loss call that was taken down to its check: what the tensors say, what the module that made them does, and the script.

Imports torch, and runs the user's modules again.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

import torch

from shapecheck.errors import CheckError
from shapecheck.measure import class_axis_of, output_values
from shapecheck.pipeline import check
from shapecheck.probe.probing import Probe
from shapecheck.report import CheckResult
from shapecheck.rules import Loss
from shapecheck.script.following import Trail, as_it_is, repeated, trail_of
from shapecheck.script.lone import OF_ONE, ends_alone, loaders_of, weighed
from shapecheck.script.mending import at_the_softmax
from shapecheck.script.origins import Probes
from shapecheck.script.pairing import batch_axis, paired_wrongly
from shapecheck.script.seen import Seen
from shapecheck.script.sources import ModuleCall
from shapecheck.script.trails import observed, roles_at_end, still_seen
from shapecheck.script.ways import Way, way_of
from shapecheck.specs import Observation, Subject, TensorSpec
from shapecheck.torch_judge import TorchJudge

_SHUFFLES = frozenset({"positions-mixed", "softmax-over-positions", "softmax-over-samples"})


def checked(seen: Seen, probes: Probes, judge: bool) -> CheckResult:
    """The check of one call; `judge` is whether torch is asked and fixes are run."""
    if seen.subject is None:
        return CheckResult(str(seen.location), seen.loss.name, location=seen.location, error=seen.error)
    subject, probe = seen.subject, None
    comes = any(ends_alone(loader) for loader in loaders_of(seen))
    if seen.origin is not None:
        answer = probes.of(seen.origin, seen.loss, comes)
        probe = answer if isinstance(answer, Probe) else None
        if isinstance(answer, CheckError):
            subject = replace(subject, notes=(*subject.notes, f"the model was not probed: {answer.message}"))
    ways = {name: way_of(trail, seen.loss, _roles(trail, seen, probe)) for name, trail in seen.trails.items()}
    if probe is not None:
        subject = _with_probe(subject, seen, probe, ways.get(seen.loss.output), comes)
    found = [
        each
        for name, way in ways.items()
        if _is_of_model(way)
        for each in observed(way, comes, name == seen.loss.output)
    ]
    found += [each for way in _fed(seen) for each in observed(way, False, is_output=False)]
    if seen.loss.output in ways:
        target = seen.trails.get(seen.loss.target)
        words = subject.written.tensors if subject.written else {}
        names = words.get(seen.loss.output, "output"), words.get(seen.loss.target, "target")
        found += paired_wrongly(ways[seen.loss.output], target, _samples_of(target, seen, probe), names)
    found += [_cut(seen.cut, probe)] if seen.cut is not None else []
    found = [replace(each, facts={**each.facts, "applies_to": "script"}) for each in found]
    if any(each.kind in _SHUFFLES for each in found):
        subject = _without_values(subject, seen.loss)
    told = tuple(_one_cause((*subject.observations, *found)))
    if comes:
        told = tuple(weighed(each, seen, subject) if each.kind in OF_ONE else each for each in told)
    subject = replace(subject, observations=told)
    way = ways.get(seen.loss.output)
    result = check(subject, seen.loss, _judge(seen, probe, way) if judge else None)
    if judge and probe is not None and probe.values is not None and way is not None and _is_of_model(way):
        return at_the_softmax(result, way, probe.values)
    return result


def _one_cause(told: Sequence[Observation]) -> Iterator[Observation]:
    """Without what a batch of one does at a reshape that mixes axes whatever the batch."""
    lines = [each.location for each in told if each.kind == "positions-mixed"]
    for each in told:
        if each.kind not in OF_ONE or each.location not in lines:
            yield each


def _fed(seen: Seen) -> Iterator[Way]:
    """What the script did to what it gave the module: another module's output, or a batch."""
    for made in seen.origin.call.taken if seen.origin is not None else ():
        trail = trail_of(made)
        if trail is not None and trail.steps:
            yield Way(trail, None, None)


def _cut(cut: Observation, probe: Probe | None) -> Observation:
    """Where the script does not cut the way, the model does."""
    inside = [each for each in probe.observations if each.kind in ("detach", "argmax")] if probe is not None else []
    return inside[0] if inside and cut.location is None else cut


def _without_values(subject: Subject, loss: Loss) -> Subject:
    """What the rows of a tensor hold, where they are not what they should be, is no finding besides."""
    output = replace(subject.tensors[loss.output], values=None, normalised=None)
    return replace(subject, tensors={**subject.tensors, loss.output: output})


def _judge(seen: Seen, probe: Probe | None, way: Way | None) -> TorchJudge:
    """Torch, and what the loss was given, made again with and without a softmax of the model's or of the script's."""
    if probe is None or probe.values is None:
        return TorchJudge()
    if way is None or (seen.origin is not None and seen.origin.number):
        return TorchJudge(probe.values, probe.without if probe.rerun else None)
    made, base, values, steps = way.trail.made, way.trail.base, probe.values, way.trail.steps

    def without(observation: Observation) -> torch.Tensor:
        own = [step for step in steps if step.name == observation.kind and step.location == observation.location]
        again = (
            repeated(made, base, values, {own[-1]: as_it_is})
            if own
            else repeated(made, base, probe.without(observation))
        )
        if again is None:
            raise ValueError("what the script does cannot be done again")
        return again

    return TorchJudge(repeated(made, base, values), without)


def _is_of_model(way: Way) -> bool:
    return isinstance(way.trail.base.source, ModuleCall)


def _roles(trail: Trail, seen: Seen, probe: Probe | None) -> tuple[str, ...] | None:
    """Of the axes of what the module gave; another module's of the same shape, as a teacher's, is taken to be alike."""
    output = seen.trails.get(seen.loss.output)
    inside = seen.origin is None or seen.origin.number
    if probe is None or output is None or inside or trail.base.shape != output.base.shape:
        return None
    return _told_apart(probe, fed_along(seen))


def _told_apart(probe: Probe, batch: int | None) -> tuple[str, ...]:
    """The roles, where the loader tells which axis of the input holds the samples: a model may take them on any."""
    taken = probe.inputs[0].axes if batch is not None and len(probe.inputs) == 1 else ()
    other = taken[batch] if batch is not None and batch < len(taken) else "batch"
    if other == "batch" or probe.axes.count(other) != 1 or probe.axes.count("batch") != 1:
        return probe.axes
    return tuple({other: "batch", "batch": other}.get(role, role) for role in probe.axes)


def _samples_of(target: Trail | None, seen: Seen, probe: Probe | None) -> int | None:
    """The axis of the target's base that holds the samples: as the loader says, or cut from the same data as the input."""
    if target is None or probe is None:
        return None
    if fed_along(seen) is not None:
        return batch_axis(target.base)
    taken = seen.origin.call.taken if seen.origin is not None else ()
    trail = trail_of(taken[0]) if len(taken) == 1 else None
    roles = probe.inputs[0].axes if len(probe.inputs) == 1 else ()
    if trail is None or trail.axes is None or trail.base is not target.base or roles.count("batch") != 1:
        return None
    own = trail.axes[roles.index("batch")] if len(roles) == len(trail.axes) else frozenset()
    return next(iter(own)) if len(own) == 1 else None


def fed_along(seen: Seen) -> int | None:
    """The axis of the one tensor that the module takes along which the samples lie; None where no loader tells."""
    taken = seen.origin.call.taken if seen.origin is not None else ()
    trail = trail_of(taken[0]) if len(taken) == 1 else None
    own = batch_axis(trail.base) if trail is not None else None
    if trail is None or own is None or trail.axes is None:
        return None
    places = [place for place, axes in enumerate(trail.axes) if axes == {own}]
    return places[0] if len(places) == 1 else None


def _with_probe(subject: Subject, seen: Seen, probe: Probe, way: Way | None, comes: bool) -> Subject:
    """What the tensors alone have told stands: a target of probabilities may say where the classes are."""
    name = seen.loss.output
    spec = subject.tensors[name]
    inside = seen.origin is not None and seen.origin.number
    axes = _flat(probe.axes if inside or way is None else roles_at_end(way), subject, seen.loss)
    if axes is not None and len(axes) == len(spec.shape) and spec.axes is None and set(axes) != {"unknown"}:
        spec = _with_axes(spec, axes, seen.loss, probe.values if inside or way is None else _again(way, probe))
    trail = None if inside or way is None else way.trail
    return replace(
        subject,
        tensors={**subject.tensors, name: spec},
        inputs=probe.inputs,
        output_path=probe.output_path,
        observations=tuple(still_seen(probe.observations, trail, comes)),
        notes=(*subject.notes, *probe.notes),
    )


def _again(way: Way, probe: Probe) -> torch.Tensor | None:
    return None if probe.values is None else repeated(way.trail.made, way.trail.base, probe.values)


def _with_axes(spec: TensorSpec, axes: tuple[str, ...], loss: Loss, values: torch.Tensor | None) -> TensorSpec:
    """Where the classes are on another axis than the loss reads, what they hold is measured there."""
    read = class_axis_of(loss, tuple(size for size in spec.shape if isinstance(size, int)))
    if "class" in axes and loss.has_classes and axes.index("class") != read:
        held = None if values is None else output_values(values, axes.index("class"))
        spec = replace(spec, values=held, normalised=None)
    return replace(spec, axes=axes)


def _flat(axes: tuple[str, ...] | None, subject: Subject, loss: Loss) -> tuple[str, ...] | None:
    """Rows of all samples and positions are a batch, where the labels were made as many."""
    output, target = subject.tensors[loss.output], subject.tensors.get(loss.target)
    rows = target is not None and target.shape[:1] == output.shape[:1]
    return ("batch", *axes[1:]) if axes and rows and axes[0] == "merged" and "batch" not in axes else axes
