"""What a script does to a model's output before the loss, as far as a loss cares: told from the recorded steps, run on numbers.

Of what the model does, that is left which the script does not undo. Runs no module.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace

from shapecheck.script.batch_axis import COMES, along_batch, squeezed_away
from shapecheck.script.following import Trail, carried, is_layout
from shapecheck.script.normalisers import LOGARITHMS, normalised
from shapecheck.script.reshaping import mixed
from shapecheck.script.ways import Way
from shapecheck.specs import Observation

_LASTING = frozenset({"softmax", "log_softmax", "sigmoid", "softmax-over-positions"})
_OF_BATCHES = frozenset({"batch-axis-lost", "batch-of-one-fails", "odd-batch-fails", "batch-is-fixed"})
_OF_GRADIENT = frozenset({"detach", "argmax"})
_SPARED = {"severity": "note", "evidence": "no such batch is known to come"}


# ---------------------------------------------------------------------------- what the model does


def still_seen(observations: Iterable[Observation], trail: Trail | None, comes: bool) -> Iterator[Observation]:
    """What the script leaves of it; `comes` is whether a batch of one sample is known to come.

    Whether gradient arrives, the tensors themselves have told.
    """
    steps = trail.steps if trail is not None else ()
    rest = [step for step in steps if not is_layout(step)]
    for seen in observations:
        if seen.kind in _OF_GRADIENT:
            continue
        if seen.kind in _OF_BATCHES:
            yield replace(seen, facts={**seen.facts, **(COMES if comes else _SPARED)})
        elif seen.kind not in _LASTING or not rest:
            yield _where_it_is(seen, trail)
        elif seen.kind == "softmax" and all(step.name in LOGARITHMS for step in rest):
            yield replace(_where_it_is(seen, trail), kind="log_softmax")


def _where_it_is(seen: Observation, trail: Trail | None) -> Observation:
    """With the axis of the loss's tensor for that of the model's output."""
    axes = trail.axes if trail is not None else None
    if seen.axis is None or axes is None:
        return seen
    places = [place for place, own in enumerate(axes) if own == {seen.axis}]
    return replace(seen, axis=places[0] if len(places) == 1 else None)


# ---------------------------------------------------------------------------- what the script does


def observed(way: Way, comes: bool, is_output: bool) -> Iterator[Observation]:
    """What happens on the way, each at its line. Only of the loss's output it matters that it is normalised."""
    if is_output:
        yield from normalised(way)
    yield from mixed(way)
    yield from along_batch(way)
    if comes:
        yield from squeezed_away(way)


# ---------------------------------------------------------------------------- roles


def roles_at_end(way: Way) -> tuple[str, ...] | None:
    """The roles of the axes of the loss's tensor."""
    return carried(way.trail, way.roles) if way.roles is not None else None
