"""Positions of one sample that a reshape mixes with its features: a view where a permute was meant.

Told from sizes alone, and only from sizes that leave no other reading; where those of the run do, the model is run at others.
Only what follows from the input counts. A swap right after padding, or one that is undone after a slice, shifts rows on purpose.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

import torch

from shapecheck.errors import Location
from shapecheck.probe.behaviour.case import SURVEYED, Case, Survey, surveyed
from shapecheck.probe.behaviour.naming import shapes_around
from shapecheck.probe.behaviour.reshapes import Repair, mixing, moved, repairs, suspicious
from shapecheck.probe.behaviour.rewriting import reshaped
from shapecheck.probe.behaviour.samples import replaced
from shapecheck.probe.behaviour.tracing import Invoked, Shape, Step, Trace, aligned, traced
from shapecheck.probe.inputs.sizing import next_prime
from shapecheck.probe.outputs.varying import Free, Rows, difference
from shapecheck.probe.runs.feeding import GROWING, Call, perturbed, positions, resize, size_at
from shapecheck.specs import Observation, Remedy

_MOST_REPAIRS_RUN = 6


@dataclass
class Suspect:
    """One reshape, in the first run and in others at other sizes; `moving` are its axes that follow an input's.

    A size that the user typed is the one the model is written for: what a reshape does at another one proves nothing.
    """

    runs: list[tuple[Survey, Step]]
    moving: set[int] = field(default_factory=set)

    @property
    def step(self) -> Step:
        return self.runs[0][1]

    def certain(self, fixed: bool) -> tuple[Survey, Step] | None:
        """The run by whose sizes axes certainly mix, one of which stands for positions.

        With `fixed` none can be seen to: then an axis has to turn up at another place, or those of an input be cut.
        """
        for survey, step in self.runs:
            group = mixing(step.before, step.after or ())
            if group is not None and (self.moving & set(group.before) or (fixed and _is_of_axes(survey.call, step))):
                return survey, step
        return None


def _is_of_axes(call: Call, step: Step) -> bool:
    return moved(step.before, step.after or ()) or any(argument.shape == step.before for argument in call)


def positions_mixed(case: Case, survey: Survey, known: Iterable[Location | None]) -> list[Observation]:
    """`known` are lines about which more is said already."""
    spoken = set(known)
    free = [group for group in case.named.free if group.label != "batch"]
    if _too_small(survey):
        survey = _doubled(case, free) or survey
    suspects = [s for s in _suspects(survey) if s.step.location not in spoken]
    if not suspects:
        return []
    for group in free:
        _compare(case, survey, group, suspects)
    fixed = all(_is_pinned(case, group) for group in free)
    found: dict[Location | None, Observation] = {}
    for suspect in suspects:
        seen = suspect.certain(fixed)
        if seen and suspect.step.location not in found and _matters(case, *seen):
            found[suspect.step.location] = _observed(case, *seen)
    return list(found.values())


def _suspects(survey: Survey) -> list[Suspect]:
    """Reshapes of what follows from the input that turn several axes into several others."""
    doubtful = {s.number: s for s in survey.steps if s.origin and s.after is not None and suspicious(s.before, s.after)}
    undone = {s.origin.viewed for s in doubtful.values() if s.origin} & doubtful.keys()
    return [
        Suspect([(survey, s)])
        for s in doubtful.values()
        if s.origin and not s.origin.padded and s.number not in undone and s.origin.viewed not in undone
    ]


def _too_small(survey: Survey) -> bool:
    """Whether a reshape makes an axis of one, as an image of a single patch does, which hides how it cuts."""
    return any(step.origin and 1 in (step.after or ()) and 1 not in step.before for step in survey.steps)


def _doubled(case: Case, free: list[Free]) -> Survey | None:
    call = case.call
    for group in free:
        call = resize(call, group.where, 2 * case.size(group))
    return surveyed(case, call) if free and case.keeps(call) else None


def _is_pinned(case: Case, group: Free) -> bool:
    """Whether sizes next to this one run, since a patch is cut at whole pixels, but none that gives more or fewer positions."""
    size = case.size(group)
    sizes = (2 * size, max(size // 2, 1))
    return not group.slopes and not any(
        case.runner.run(resize(case.call, group.where, other)).worked for other in sizes
    )


def _compare(case: Case, survey: Survey, group: Free, suspects: list[Suspect]) -> None:
    """The same reshapes with one input axis at another size: the first that shows there, as an odd size may not behind a pooling."""
    usual = size_at(survey.call, group.where[0])
    runs = (surveyed(case, resize(survey.call, group.where, size)) for size in _other_sizes(usual))
    ran: list[tuple[Survey, dict[int, Step]]] = []
    for run in runs:
        if run and _has_rows(case, run):
            steps = {one.number: other for one, other in aligned(survey.steps, run.steps)}
            ran.append((run, steps))
            if any(steps[s.step.number].before != s.step.before for s in suspects if s.step.number in steps):
                break
        if case.runner.expired:
            break
    again, others = ran[-1] if ran else (None, {})
    for suspect in suspects:
        other = others.get(suspect.step.number)
        if again and other is not None and other.after and len(other.before) == len(suspect.step.before):
            if case.keeps(again.call):
                suspect.runs.append((again, other))
            sizes = zip(other.before, suspect.step.before, strict=True)
            suspect.moving |= {axis for axis, (new, old) in enumerate(sizes) if new != old}


def _has_rows(case: Case, run: Survey) -> bool:
    """Whether the output still has a row for each sample, if it had; see `varying.Rows`."""
    batch = next((group for group in case.named.free if group.label == "batch"), None)
    rows = Rows.of(case.size(batch), tuple(case.output.shape), batch.slopes) if batch else Rows()
    return rows.stand(tuple(run.output.shape))


def _other_sizes(size: int) -> Iterator[int]:
    """The nearest come first: they have the fewest divisors in common with what the model has."""
    yield from dict.fromkeys((next_prime(size + 1), size + 4, size + 6, size + 10, 2 * size, size + 32, 3 * size))


def _matters(case: Case, survey: Survey, step: Step) -> bool:
    """Whether what the reshape gives reaches the output: of several heads the loss may be given another one's."""
    usual, other = (
        traced(case.runner, survey.call, case.path, Trace(SURVEYED, changes=changes))
        for changes in ({}, {step.key: _shifted})
    )
    mask = None if usual is None or other is None else difference(usual, other)
    return mask is None or bool(mask.any())


def _shifted(function: Invoked, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    result = function(*args, **kwargs)
    return result * 2 + 1 if result.is_floating_point() else result


def _observed(case: Case, survey: Survey, step: Step) -> Observation:
    facts = {"call": step.name, **shapes_around(case, survey.call, step)}
    return Observation("positions-mixed", step.location, facts=facts, remedy=_remedy(case, survey, step))


def _remedy(case: Case, survey: Survey, step: Step) -> Remedy | None:
    """A repair that the model runs with and that leaves the output's shape as it was.

    Of several, the one with which a disturbed position reaches the fewest places of the output; then the simplest.
    """
    running: list[tuple[int, int, Repair]] = []
    for repair in repairs(step.before, step.after or ())[:_MOST_REPAIRS_RUN]:
        trace = Trace(SURVEYED, changes={step.key: replaced(repair)})
        output = traced(case.runner, survey.call, case.path, trace)
        if output is not None and output.shape == survey.output.shape:
            running.append((_reach(case, survey.call, step, repair, output), len(running), repair))
            if len(repair.parts) == len(step.before):
                break  # axes moved as a whole leave no choice
    if not running:
        return None
    repair = min(running, key=lambda one: one[:2])[2]
    return Remedy(reshaped(step, repair), "executed", _proof(step, repair, tuple(survey.output.shape)))


def _reach(case: Case, call: Call, step: Step, repair: Repair, base: torch.Tensor) -> int:
    """How many output elements change with one row of positions of the input, added up over its axes."""
    total = 0
    for position in (p for p in positions(call) if call[p[0]].label(p[1]) in GROWING):
        trace = Trace(SURVEYED, changes={step.key: replaced(repair)})
        output = traced(case.runner, call, case.path, trace, perturbed(call, (position,), size_at(call, position) // 2))
        mask = None if output is None else difference(base, output)
        total += base.numel() if mask is None else int(mask.sum())
    return total


def _proof(step: Step, repair: Repair, output: Shape) -> str:
    whole = len(repair.split) == len([size for size in step.before if size != 1])
    axes = "moved and merged" if whole else "split, moved and merged"
    return f"the model was run with it: axes are only {axes}, none is cut across, and the output is {output} as before"
