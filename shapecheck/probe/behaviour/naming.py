"""What the axes of a tensor inside the model stand for: those of the input that they follow. Run only for what is reported."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from shapecheck.probe.behaviour.case import Case
from shapecheck.probe.behaviour.tracing import RESHAPES, Shape, Step, Trace, aligned, traced
from shapecheck.probe.inputs.sizing import next_prime
from shapecheck.probe.outputs.axes import sides_of
from shapecheck.probe.outputs.varying import Free
from shapecheck.probe.runs.feeding import Call, resize, size_at

_Followed = tuple[list[set[str]], list[set[str]]]  # of each axis before and after


def shapes_around(case: Case, call: Call, step: Step) -> dict[str, Any]:
    """The facts `before`, `after` and, for each of their axes, `roles_before` and `roles_after`: '' where nothing is known."""
    before, after = step.before, step.after or ()
    followed = _followed(case, call, step)
    return {
        "before": before, "after": after,
        "roles_before": _roles(before, followed[0]), "roles_after": _roles(after, followed[1]),
    }  # fmt: skip


def _followed(case: Case, call: Call, step: Step) -> _Followed:
    """Which groups of input axes each axis moves with, found by running at other sizes."""
    found: _Followed = [set() for _ in step.before], [set() for _ in step.after or ()]
    usual = _reshapes(case, call)
    for group in case.named.free:
        other = _elsewhere(case, call, group, usual, step)
        shapes = ((step.before, other.before), (step.after or (), other.after or ())) if other else ()
        for axes, (old, new) in zip(found, shapes, strict=False):
            for axis in (axis for axis in range(len(old)) if len(new) == len(old) and new[axis] != old[axis]):
                axes[axis].add("" if sides_of(call, group) else group.label)
    return found


def _elsewhere(case: Case, call: Call, group: Free, usual: Sequence[Step], step: Step) -> Step | None:
    """The same reshape with these input axes at another size."""
    size = size_at(call, group.where[0])
    for other in (next_prime(size + 1), 2 * size, 3 * size) if not case.runner.expired else ():
        pairs = aligned(usual, _reshapes(case, resize(call, group.where, other)))
        twin = next((new for old, new in pairs if (old.key, old.after) == (step.key, step.after)), None)
        if twin is not None:
            return twin
    return None


def _reshapes(case: Case, call: Call) -> list[Step]:
    trace = Trace(RESHAPES)
    return trace.steps if traced(case.runner, call, case.path, trace) is not None else []


def _roles(shape: Shape, followed: Sequence[set[str]]) -> tuple[str, ...]:
    """An axis that follows nothing is the features, if it is alone."""
    fixed = [axis for axis, size in enumerate(shape) if size > 1 and not followed[axis]]
    lone = fixed if any(followed) and len(fixed) == 1 else []
    return tuple(
        "merged" if len(groups) > 1 else next(iter(groups), "feature" if axis in lone else "")
        for axis, groups in enumerate(followed)
    )
