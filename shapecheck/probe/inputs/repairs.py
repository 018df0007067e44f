"""From a failed run to better arguments: which size, rank, dtype or range was wrong, and what to try instead. Runs nothing.

A layer's mismatch is known exactly (leaves.py); only for other calls are torch's words read (wording.py).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from torch import nn

from shapecheck.probe.inputs.adjusting import (
    matching,
    mobile,
    other_guesses,
    resized_alike,
    scaled,
    scaled_alone,
    smaller_batch,
    swapped,
    usual,
)
from shapecheck.probe.inputs.blame import TooMuchWorkError
from shapecheck.probe.inputs.candidates import Proposal
from shapecheck.probe.inputs.failure import Failure, put
from shapecheck.probe.inputs.joining import joined
from shapecheck.probe.inputs.layouts import layouts
from shapecheck.probe.inputs.ranks import aligned, ranked, refitted
from shapecheck.probe.inputs.sizing import prime_below
from shapecheck.probe.inputs.wording import from_words
from shapecheck.probe.runs.feeding import positions, size_at
from shapecheck.probe.runs.leaves import LeafMismatchError, convolution_rank


def repairs(failure: Failure) -> list[Proposal]:
    """What to try next, each with a cost of its own."""
    if not failure.call:
        return []
    error = failure.trial.error
    if isinstance(error, TooMuchWorkError):
        return list(smaller_batch(failure.call))
    if isinstance(error, LeafMismatchError):
        return [*_for_leaf(failure, error), *other_guesses(failure)]
    found = [*from_words(failure), *other_guesses(failure)]
    return found or [*usual(failure, "usual sizes"), *ranked(failure, 1), *ranked(failure, -1)]


def _for_leaf(failure: Failure, error: LeafMismatchError) -> Iterator[Proposal]:
    if error.kind == "dtype":
        yield from _dtype(failure, error)
    elif error.kind == "range":
        yield from _range(failure, error)
    elif failure.beside:
        yield from _for_beside(failure, error, failure.beside[0])
        yield from _misfit(failure, error)
    elif error.kind == "flatten":
        yield from scaled(failure, error.got, error.want, "rows of a flattened tensor")
    else:
        yield from _misfit(failure, error)


def _dtype(failure: Failure, error: LeafMismatchError) -> Iterator[Proposal]:
    """Prefer the argument whose very shape arrived."""
    wanted, kinds = ("int", ("float",)) if error.want else ("float", ("int",))
    indices = [i for i, a in enumerate(failure.call) if a.kind in kinds]
    exact = [i for i in indices if failure.call[i].shape == error.shape]
    why = f"{type(error.leaf).__name__} takes {'indices' if error.want else 'floats'}"
    for index in exact or indices:
        argument = failure.call[index]
        if wanted == "int":
            for rank in dict.fromkeys((min(len(argument.shape), 2), len(argument.shape), 1)):
                high = getattr(error.leaf, "num_embeddings", 2)
                cut = replace(
                    argument, kind="int", shape=argument.shape[:rank], labels=argument.labels[:rank], high=high
                )
                yield put(failure, index, mobile(cut), 0.05 * rank, why)
        else:
            yield put(failure, index, replace(argument, kind="float"), 0.0, why)
            for layout in layouts(error.leaf, failure.sizes):
                yield put(failure, index, replace(layout, name=argument.name), 0.1, why)


def _range(failure: Failure, error: LeafMismatchError) -> Iterator[Proposal]:
    why = f"{type(error.leaf).__name__} has {error.want} entries"
    indices = [i for i, a in enumerate(failure.call) if a.kind == "int"]
    same = [i for i in indices if failure.call[i].high == error.got]
    for index in same or indices:
        argument = failure.call[index]
        yield put(failure, index, replace(argument, high=error.want), 0.0, why)
        if error.got > argument.high:  # every column has a part of the table of its own
            rest = max(2, error.want - (error.got - argument.high))
            yield put(failure, index, replace(argument, high=rest), 0.0, f"{why}, of which some are added")
    for position in positions(failure.call):
        if size_at(failure.call, position) in (error.got, error.got - 1):
            yield Proposal(resized_alike(failure.call, position, prime_below(error.want)), 0.1, why)


def _for_beside(failure: Failure, error: LeafMismatchError, index: int) -> Iterator[Proposal]:
    """The argument that arrived, in a layout of the layer; a view with more axes gets only the difference."""
    argument = failure.call[index]
    if argument.shape != error.shape and error.kind == "rank":
        yield from refitted(failure, index, len(argument.shape) + error.want - error.got)
    found = layouts(error.leaf, failure.sizes) if argument.shape == error.shape else []
    for rank, layout in enumerate(sorted(found, key=lambda layout: len(layout.shape) != len(argument.shape))):
        why = f"the layout {type(error.leaf).__name__} takes"
        yield put(failure, index, aligned(failure, layout, index), 0.05 * rank, why)


def _misfit(failure: Failure, error: LeafMismatchError) -> Iterator[Proposal]:
    name = f"{type(error.leaf).__name__} wants {error.want}"
    entering = error.leaf is failure.trial.arrivals[0].leaf
    if error.kind == "rank":
        yield from ranked(failure, error.want - error.got)
    else:
        yield from swapped(failure, error.got, error.want)
        whole = entering and error.shape == failure.call[failure.main].shape
        yield from matching(failure, error.got, error.want, name, pinned=whole)
    if error.kind == "size" and len(error.shape) == 1:  # one row alone: the batch went in the place of the steps
        yield from ranked(failure, 1)
    if entering:
        yield from _leaf_layouts(failure, error.leaf)
    if error.kind == "size" and not any(size == error.got for size in failure.call[failure.main].shape[1:]):
        yield from scaled(failure, error.got, error.want, name)
        yield from scaled_alone(failure, error.got, error.want, name)
        cost = 0.45 if isinstance(error.leaf, nn.Linear) else 0.0
        yield from joined(failure, error.got, error.want, cost, channels=convolution_rank(error.leaf) > 0)


def _leaf_layouts(failure: Failure, leaf: nn.Module) -> Iterator[Proposal]:
    name = failure.call[failure.main].name
    for rank, layout in enumerate(layouts(leaf, failure.sizes)):
        yield put(
            failure,
            failure.main,
            replace(layout, name=name),
            0.2 + 0.05 * rank,
            f"the layout {type(leaf).__name__} takes",
        )
