"""The batch axis taken for time: `out[-1]` or `out.mean(0)` where the batch comes first, so that a row stands for each step.

A model that runs time first looks the same from outside but for one thing: its rows are samples, and do not read each other.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from shapecheck.probe.behaviour.case import Case, disturbed, kept
from shapecheck.probe.behaviour.rewriting import with_dim, with_index
from shapecheck.probe.behaviour.samples import along
from shapecheck.probe.behaviour.tracing import Change, Invoked, Step, Trace, traced
from shapecheck.probe.outputs.varying import Free, rows
from shapecheck.probe.runs.feeding import main_index, tensors_in
from shapecheck.specs import Observation, Remedy

_REDUCTIONS = frozenset({"mean", "sum", "amax", "amin", "max", "min", "logsumexp"})
_MOST_TRIES = 4
_INDEXED = {
    "call": "an index",
    "verb": "picks from",
    "consequence": "only one of them is kept, and the rows that are left are its time steps",
}
_REDUCED = {
    "verb": "runs over",
    "consequence": "all of them become one, and the rows that are left are time steps",
}


def batch_taken(case: Case) -> list[Observation]:
    """Of the input's first axis nothing is left, the rows of the output are the next one's, and depend on each other."""
    group, next_axis = case.leading, (main_index(case.call), 1)
    second = next((other for other in case.named.free if other.where == (next_axis,)), None)
    if group is None or group.slopes or second is None or not _depend(case, second):
        return []
    samples = case.size(group)
    for step, change in _over_first(case, samples)[:_MOST_TRIES]:
        mask = disturbed(case, group.where, {step.key: change})
        if mask is not None and samples in mask.shape and kept(mask, samples, own=True):
            return [_observed(step, samples)]
    return []


def _depend(case: Case, group: Free) -> bool:
    """Whether the rows that follow these axes change with another row."""
    mask = disturbed(case, group.where, {}) if 1 in group.slopes.values() else None
    return mask is not None and any(
        slope == 1 and mask.shape[axis] == case.size(group) and len(rows(mask, axis)) > 1
        for axis, slope in group.slopes.items()
    )


def _over_first(case: Case, samples: int) -> list[tuple[Step, Change]]:
    """The calls that take one of so many rows, or all of them together, and what they would be along the next axis."""
    found: list[tuple[Step, Change]] = []

    def note(step: Step, args: tuple[Any, ...], kwargs: dict[str, Any], _: Any) -> None:
        if step.origin and len(step.before) > 2 and step.before[0] == samples and _takes_first(step, args, kwargs):
            found.append((step, _indexed if step.name == "__getitem__" else along(1, 1)))

    traced(case.runner, case.call, case.path, Trace(_REDUCTIONS | {"__getitem__"}, note))
    return found


def _takes_first(step: Step, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> bool:
    given = args[1] if len(args) > 1 else kwargs.get("dim", kwargs.get("axis"))
    if step.name == "__getitem__":
        return isinstance(given, int) and not isinstance(given, bool)
    return given in (0, (0,), [0], -len(step.before)) and not isinstance(given, bool)


def _indexed(func: Invoked, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    return func(next(tensors_in(args)), (slice(None), args[1]))


def _observed(step: Step, samples: int) -> Observation:
    indexes = step.name == "__getitem__"
    proof = f"with it, disturbing sample 0 changes row 0 of the output and nothing else, of {samples} rows"
    facts = {"before": step.before, "dim": 0, **(_INDEXED if indexes else _REDUCED | {"call": step.name})}
    code = with_index(step) if indexes else with_dim(step, 1)
    return Observation("softmax-over-samples", step.location, facts=facts, remedy=Remedy(code, "executed", proof))
