"""What the script does to a model's output before the loss, as far as a loss cares. Judges from recorded steps alone."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from shapecheck.rules import Loss
from shapecheck.script.following import Trail
from shapecheck.specs import Observation


def still_seen(observations: Iterable[Observation], trail: Trail | None) -> Iterator[Observation]:
    yield from observations


def observed(loss: Loss, trails: Mapping[str, Trail], roles: Sequence[str] | None) -> Iterator[Observation]:
    return iter(())
