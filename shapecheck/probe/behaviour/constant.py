"""What cannot depend on the input: a softmax over a single value, an output that no input reaches."""

from __future__ import annotations

import torch

from shapecheck.probe.behaviour.case import SURVEYED, Case, Survey, surveyed
from shapecheck.probe.behaviour.rewriting import with_dim
from shapecheck.probe.behaviour.samples import along
from shapecheck.probe.behaviour.tracing import Step, Trace, aligned, traced
from shapecheck.probe.places import defined_at
from shapecheck.probe.runs.feeding import Call, feed, resize, tensors_in
from shapecheck.probe.runs.running import Fed
from shapecheck.specs import Observation, Remedy


def ignores_input(case: Case, survey: Survey) -> list[Observation]:
    """No call leads from the input to the output, which is the same to the last bit whatever is fed.

    A last layer that begins at zero is given values first: not every call can be followed.
    """
    if survey.follows or _all_alike(feed(case.call), feed(case.call, 1)):
        return []
    one = case.runner.tensor(case.call, case.path, lambda: _fed(case, 0))
    other = case.runner.tensor(case.call, case.path, lambda: _fed(case, 1))
    if one is None or other is None or one.shape != other.shape or not torch.equal(one, other):
        return []
    return [Observation("output-ignores-input", defined_at(case.runner.model.forward))]


def _all_alike(one: Fed, other: Fed) -> bool:
    return all(torch.equal(a, b) for a, b in zip(tensors_in(one), tensors_in(other), strict=True))


def _fed(case: Case, seed: int) -> Fed:
    """Other values for every seed; parameters that are all zero get some, which the guard takes back after the run."""
    zeros = [p for p in case.runner.model.parameters() if p.is_floating_point() and p.numel() and not bool(p.any())]
    with torch.no_grad():
        for number, parameter in enumerate(zeros):
            parameter.copy_(torch.rand(parameter.shape, generator=torch.Generator().manual_seed(number)))
    return feed(case.call, seed)


# ---------------------------------------------------------------------------- softmax over one value


def softmax_of_one(case: Case, survey: Survey) -> list[Observation]:
    """Scores of one column over which a softmax runs, beside an axis of positions over which it should."""
    for step in survey.steps:
        dim = survey.dims.get(step.number)
        if dim is not None and step.before[dim] == 1 and step.origin and not step.origin.paired:
            moving = _moving(case, survey, step)
            if moving:
                return [_observed(case, step, dim, moving)]
    return []


def _moving(case: Case, survey: Survey, step: Step) -> list[int]:
    """The axes of its input that follow time or space; none if the single value is one by these sizes only."""
    found: set[int] = set()
    for group in case.named.free:
        if group.label == "batch":
            continue
        other = _at(case, survey, resize(case.call, group.where, 2 * case.size(group)), step)
        if other is None:
            continue
        if len(other.before) != len(step.before) or any(
            new != old == 1 for new, old in zip(other.before, step.before, strict=True)
        ):
            return []
        found |= {a for a, (new, old) in enumerate(zip(other.before, step.before, strict=True)) if new != old}
    return sorted(found)


def _at(case: Case, survey: Survey, call: Call, step: Step) -> Step | None:
    again = surveyed(case, call)
    pairs = aligned(survey.steps, again.steps if again else ())
    return next((other for one, other in pairs if one is step), None)


def _observed(case: Case, step: Step, dim: int, moving: list[int]) -> Observation:
    """Of several axes of positions, as in an image, the softmax would have to run over all at once: no change of `dim`."""
    facts = {
        "call": step.name,
        "shape": step.before,
        "dim": dim,
        "constant": "zeros" if step.name == "log_softmax" else "ones",
    }
    remedy = _remedy(case, step, moving[0]) if len(moving) == 1 else None
    return Observation("softmax-of-one", step.location, facts=facts, remedy=remedy)


def _remedy(case: Case, step: Step, meant: int) -> Remedy | None:
    output = traced(case.runner, case.call, case.path, Trace(SURVEYED, changes={step.key: along(1, meant)}))
    base = case.runner.tensor(case.call, case.path)
    if output is None or base is None or output.shape != base.shape or torch.equal(output, base):
        return None
    proof = f"with it, the weights differ over the {step.before[meant]} positions and add up to one there"
    return Remedy(with_dim(step, meant), "executed", proof)
