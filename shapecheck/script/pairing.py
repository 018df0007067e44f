"""Whether the scores and the labels of a loss lie in the same order: told from numbered elements. Runs no module.

Scores of (time, batch) and labels of (batch, time) that are both laid out in one row have as many entries, each beside one of
another sample.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import torch
from torch.utils.data import default_collate

from shapecheck.probe.behaviour.rewriting import turned_before
from shapecheck.probe.behaviour.tracing import RESHAPES
from shapecheck.script.following import Trail, followed
from shapecheck.script.sources import Batch, Made, Shape, Step
from shapecheck.script.ways import Way
from shapecheck.specs import Observation, Remedy

_MOST = 2**20  # pairs that are looked at


@dataclass(frozen=True, eq=False)
class _Side:
    """A tensor of the loss; `places` numbers for each of its entries the element of its base."""

    trail: Trail
    places: torch.Tensor

    def along(self, axis: int) -> torch.Tensor:
        """Where each entry lies along an axis of the base."""
        shape = self.trail.base.shape
        return self.places.long() // math.prod(shape[axis + 1 :]) % shape[axis]


def paired_wrongly(
    way: Way, target: Trail | None, samples: int | None, names: tuple[str, str]
) -> Iterator[Observation]:
    """Scores and labels that run through samples and positions in different orders.

    `samples` is the axis of the labels' base along which the samples lie, where what the model was fed with tells; without it
    only reshapes can be seen to differ. `names` are what the script calls scores and labels.
    """
    batch = way.roles.index("batch") if way.roles and way.roles.count("batch") == 1 else None
    laid_out = target is not None and _flattening(way.trail) is not None and _flattening(target) is not None
    if target is None or batch is None or (samples is None and not laid_out):
        return
    scores, labels = _sides(way, target)
    if scores is None or labels is None or _in_order(scores, batch, labels, samples):
        return
    if laid_out:
        yield from _of_reshapes(way, scores, batch, labels, samples)
    else:
        yield from _of_axes(way, scores, batch, labels, samples, names)


def _of_reshapes(way: Way, scores: _Side, batch: int, labels: _Side, samples: int | None) -> Iterator[Observation]:
    step, swap = _flattening(labels.trail), _swap(scores, batch, labels, samples)
    if step is None or swap is None:
        return
    line = turned_before(step.location, step.written, *swap) or f"target.transpose{swap}.reshape(-1)"
    turned = Remedy(line, "executed", _proof(way, batch))
    others = tuple(_other(way, scores, batch, labels, samples))
    yield Observation("paired-wrongly", step.location, None, _facts(way, labels.trail.base.shape), turned, others)


def _of_axes(
    way: Way, scores: _Side, batch: int, labels: _Side, samples: int | None, names: tuple[str, str]
) -> Iterator[Observation]:
    """Two axes of one size that lie the other way round."""
    shape = labels.trail.made.shape
    for one, other in combinations(range(len(shape)), 2):
        if shape[one] == shape[other]:
            places = labels.places.reshape(shape).transpose(one, other).flatten()
            if _in_order(scores, batch, _Side(labels.trail, places), samples):
                remedies = [
                    Remedy(f"{name}.transpose({axis}, {beside})", "executed", _proof(way, batch))
                    for name, (axis, beside) in ((names[1], (one, other)), (names[0], _of_scores(way, one, other)))
                ]
                yield Observation("paired-wrongly", None, None, _facts(way, shape), remedies[0], (remedies[1],))
                return


def _of_scores(way: Way, *axes: int) -> tuple[int, ...]:
    """The axes of the scores that lie beside those of the labels: behind the classes they are one further."""
    classes = way.reads is not None and len(way.trail.made.shape) > 1 and "class" in (way.roles or ())
    return tuple(axis + (classes and axis >= (way.reads or 0)) for axis in axes)


def _facts(way: Way, labels: Shape) -> dict[str, object]:
    return {"scores": way.trail.base.shape, "scores_order": _words(way), "labels": labels}


def _proof(way: Way, batch: int) -> str:
    size = way.trail.base.shape[batch]
    return f"run on numbered elements: with it each of the {size} samples' scores lies beside the labels of one sample"


def _flattening(trail: Trail) -> Step | None:
    """The reshape that lays axes out in one row, first of all."""
    return next((step for step in trail.steps if step.name in RESHAPES and _merges(step)), None)


def _merges(step: Step) -> bool:
    before = step.taken[0].shape if step.taken else ()
    return step.shape is not None and len(step.shape) < len(before) and len(step.taken) == 1


def _sides(way: Way, target: Trail) -> tuple[_Side | None, _Side | None]:
    """Both, entry by entry as the loss pairs them."""
    scores, labels = followed(way.trail.made, way.trail.base), followed(target.made, target.base)
    if scores is None or labels is None:
        return None, None
    if way.reads is not None and scores.dim() == labels.dim() + 1:
        scores = scores.select(way.reads, 0)
    if scores.shape != labels.shape or not 1 < scores.numel() <= _MOST:
        return None, None
    return _Side(way.trail, scores.flatten()), _Side(target, labels.flatten())


def _in_order(scores: _Side, batch: int, labels: _Side, samples: int | None) -> bool:
    """Whether one axis of the labels may be the samples: as far as is known which."""
    own = _matching(scores, batch, labels)
    return bool(own) if samples is None else samples in own


def _matching(scores: _Side, batch: int, labels: _Side) -> list[int]:
    """The axes of the labels along which the samples of the scores lie one by one."""
    samples, size = scores.along(batch), scores.trail.base.shape[batch]
    return [
        axis
        for axis, other in enumerate(labels.trail.base.shape)
        if other == size and int(torch.unique(samples * size + labels.along(axis)).numel()) == size
    ]


def batch_axis(base: Made) -> int | None:
    """Along which axis the samples lie, where torch itself has put them together."""
    plain = isinstance(base.source, Batch) and base.source.loader.collate_fn is default_collate
    return 0 if plain else None


def _swap(scores: _Side, batch: int, labels: _Side, samples: int | None) -> tuple[int, int] | None:
    """The two axes of the labels, before they are laid out, after whose exchange both are in order."""
    for one, other, places in _exchanged(labels.trail):
        if places.numel() == scores.places.numel() and _in_order(
            scores, batch, _Side(labels.trail, places.flatten()), samples
        ):
            return one, other
    return None


def _exchanged(trail: Trail) -> Iterator[tuple[int, int, torch.Tensor]]:
    """Each two axes of what is laid out, and the numbers as they lie after their exchange."""
    step = _flattening(trail)
    for one, other in combinations(range(len(step.taken[0].shape)), 2) if step is not None else ():
        places = followed(trail.made, trail.base, {step: _turning(step, one, other)}) if step is not None else None
        if places is not None:
            yield one, other, places


def _turning(step: Step, one: int, other: int) -> Any:
    def instead(tensor: torch.Tensor, *args: Any, **kwargs: Any) -> torch.Tensor:
        return tensor.transpose(one, other).reshape(step.shape or ())

    return instead


def _other(way: Way, scores: _Side, batch: int, labels: _Side, samples: int | None) -> Iterator[Remedy]:
    """The same by turning the scores."""
    proof = "run on numbered elements: so turned, the scores lie in the order of the labels"
    step = _flattening(way.trail)
    for one, other, places in _exchanged(way.trail):
        places = places.select(way.reads, 0) if way.reads is not None and places.dim() > 1 else places
        line = turned_before(step.location, step.written, one, other) if step is not None else None
        turned = _Side(way.trail, places.flatten())
        if line and places.numel() == labels.places.numel() and _in_order(turned, batch, labels, samples):
            yield Remedy(line, "executed", proof)
            return


def _words(way: Way) -> str:
    """`time by batch` of the axes that are laid out."""
    roles: Sequence[str] = way.roles or ()
    return " by ".join(role for role in roles if role not in ("class", "unit"))
