"""Reshapes between a model and its loss that stand in the place of a permute. Runs no module."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch

from shapecheck.probe.behaviour.reshapes import Repair, mixing, moved, repairs
from shapecheck.probe.behaviour.rewriting import reshaped
from shapecheck.probe.behaviour.tracing import RESHAPES
from shapecheck.script.following import followed, varying
from shapecheck.script.sources import Step
from shapecheck.script.ways import Way, as_traced, axes_at, before_of
from shapecheck.specs import Observation, Remedy

_MOST_REPAIRS = 12


def mixed(way: Way) -> Iterator[Observation]:
    """A reshape after which the classes of one place are no longer together, or that swaps axes by their sizes alone."""
    if way.trail.axes is None or way.clean:
        return
    for step in way.trail.steps:
        if step.name in RESHAPES and step.shape is not None and _is_to_blame(way, step):
            yield _of_reshape(way, step)
            return


def _is_to_blame(way: Way, step: Step) -> bool:
    """Where the classes are known, a reshape that cuts them up; else one by whose sizes axes certainly change places."""
    before, after = before_of(step), step.shape or ()
    if way.classes is not None and way.reads is not None:
        return _mended(way, step) is not None
    return sorted(before) == sorted(after) and mixing(before, after) is not None and moved(before, after)


def _mended(way: Way, step: Step) -> Repair | None:
    """A way to the same shape that leaves the classes of each place together, on the axis where they are read."""
    for repair in repairs(before_of(step), step.shape or ())[:_MOST_REPAIRS]:
        indices = followed(way.trail.made, way.trail.base, {step: _replacing(repair)})
        if indices is not None and way.is_clean(varying(indices, way.trail.base.shape)):
            return repair
    return None


def _replacing(repair: Repair) -> Any:
    def instead(tensor: torch.Tensor, *args: Any, **kwargs: Any) -> torch.Tensor:
        return tensor.reshape(repair.split).permute(repair.order).reshape(repair.after)

    return instead


def _of_reshape(way: Way, step: Step) -> Observation:
    traced, repair = as_traced(step), _mended(way, step)
    remedy = Remedy(reshaped(traced, repair), "executed", _proof(way)) if repair is not None else None
    facts = {
        "call": step.name, "before": traced.before, "after": traced.after,
        "roles_before": _shown(way, step), "roles_after": (),
    }  # fmt: skip
    return Observation("positions-mixed", step.location, None, facts, remedy)


def _shown(way: Way, step: Step) -> tuple[str, ...]:
    axes = axes_at(way, step) or ()
    named = [[way.roles[place] for place in sorted(own)] if way.roles else [] for own in axes]
    return tuple("merged" if len(roles) > 1 else next(iter(roles), "").replace("unknown", "") for roles in named)


def _proof(way: Way) -> str:
    if way.classes is None or way.reads is None:
        return "run on numbered elements: with it every axis is moved as a whole"
    size, shape = way.trail.base.shape[way.classes], way.trail.made.shape
    rows = int(torch.Size(shape).numel()) // max(shape[way.reads], 1)
    return f"run on numbered elements: with it each of the {rows} rows holds the {size} classes of one place, before it did not"
