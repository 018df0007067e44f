"""A softmax at the end of the model that runs over positions where the classes are on another axis."""

from __future__ import annotations

from shapecheck.probe.behaviour.case import Case, Survey
from shapecheck.probe.behaviour.rewriting import with_dim
from shapecheck.probe.behaviour.samples import DIMENSION, along
from shapecheck.probe.behaviour.tracing import Step, Trace, traced
from shapecheck.probe.behaviour.watch import normalised_axis
from shapecheck.specs import Observation, Remedy

_POSITIONS = {"time": "time step", "depth": "position", "height": "position", "width": "position"}


def over_positions(case: Case, survey: Survey, seen: Observation) -> list[Observation]:
    """`seen` is the softmax or log_softmax that the output is. Where no axis is known to be the classes nothing is said."""
    roles = case.named.roles
    if seen.axis is None or "class" not in roles or roles[seen.axis] not in _POSITIONS:
        return []
    role = roles[seen.axis]
    facts = {"call": seen.kind, "role": role, "position": _POSITIONS[role]}
    steps = [step for step in survey.steps if step.location == seen.location and step.name == seen.kind]
    remedies = (_remedy(case, step, dim, seen.kind) for step in steps for dim in reversed(range(len(step.before))))
    remedy = next((remedy for remedy in remedies if remedy), None)
    return [Observation("softmax-over-positions", seen.location, seen.axis, facts, remedy)]


def _remedy(case: Case, step: Step, dim: int, kind: str) -> Remedy | None:
    """The same call over another axis of what it took, if then the classes of each position add up to one."""
    classes = case.named.roles.index("class")
    changed = Trace(frozenset({step.name}), changes={step.key: along(DIMENSION[step.name], dim)})
    output = traced(case.runner, case.call, case.path, changed)
    if output is None or output.shape != case.output.shape or normalised_axis(kind, output) != classes:
        return None
    proof = f"with it, the {output.shape[classes]} classes of every position add up to one"
    return Remedy(with_dim(step, -1 if dim == len(step.before) - 1 else dim), "executed", proof)
