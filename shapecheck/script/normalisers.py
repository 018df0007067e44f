"""A softmax or sigmoid that the script puts between a model and its loss: which, and over which axis. Runs no module."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from shapecheck.probe.behaviour.rewriting import with_dim
from shapecheck.script.following import is_layout
from shapecheck.script.sources import Step
from shapecheck.script.ways import Way, as_traced, axes_at, before_of, dim_of, runs_over
from shapecheck.specs import Observation, Remedy

NORMALISERS = frozenset({"softmax", "log_softmax", "sigmoid", "sigmoid_", "expit"})
LOGARITHMS = frozenset({"log", "log_"})
_POSITIONS = ("time", "depth", "height", "width")


def normalised(way: Way) -> Iterator[Observation]:
    """The softmax, log_softmax or sigmoid that the tensor is, but for changes of layout."""
    logarithm = False
    for step in reversed(way.trail.steps):
        if step.name in NORMALISERS:
            yield from _normaliser(way, step, logarithm)
            return
        if step.name in LOGARITHMS and not logarithm:
            logarithm = True
        elif not is_layout(step):
            return


def _normaliser(way: Way, step: Step, logarithm: bool) -> Iterator[Observation]:
    kind = "sigmoid" if step.name.startswith(("sigmoid", "expit")) else step.name
    own = runs_over(way, step)
    if kind != "sigmoid":
        yield from _over_others(way, step, own)
    axes = way.trail.axes or ()
    places = [place for place, end in enumerate(axes) if own is not None and end == own]
    if logarithm:
        kind = {"softmax": "log_softmax"}.get(kind, "")
    if kind:
        yield Observation(kind, step.location, places[0] if len(places) == 1 else None)


def _over_others(way: Way, step: Step, own: frozenset[int] | None) -> Iterator[Observation]:
    """A softmax that runs over positions or samples, where the classes are on another axis."""
    if way.roles is None or way.classes is None or own is None or len(own) != 1:
        return
    role, dim = way.roles[next(iter(own))], dim_of(step)
    if role in _POSITIONS:
        facts: dict[str, Any] = {
            "call": step.name,
            "role": role,
            "position": "time step" if role == "time" else "position",
        }
        yield Observation("softmax-over-positions", step.location, None, facts, _over_classes(way, step))
    elif role == "batch" and dim is not None:
        consequence = "what is made of one of them depends on which others are beside it"
        facts = {
            "call": step.name,
            "verb": "runs over",
            "before": before_of(step),
            "dim": dim,
            "consequence": consequence,
        }
        yield Observation("softmax-over-samples", step.location, None, facts, _over_classes(way, step))


def _over_classes(way: Way, step: Step) -> Remedy | None:
    axes = axes_at(way, step)
    places = [place for place, own in enumerate(axes or ()) if own == {way.classes}]
    if len(places) != 1:
        return None
    dim = -1 if places[0] == len(axes or ()) - 1 else places[0]
    size = before_of(step)[places[0]]
    return Remedy(with_dim(as_traced(step), dim), "executed", f"with it, the {size} classes of every row add up to one")
