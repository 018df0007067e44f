"""Ways to change arguments that failed: other sizes, more or fewer axes, axes the other way round. Runs nothing."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace

from torch import nn

from shapecheck.probe.inputs.candidates import Proposal, parts_of
from shapecheck.probe.inputs.failure import Failure, put
from shapecheck.probe.inputs.ranks import ranked
from shapecheck.probe.inputs.sizing import next_prime, size_hints
from shapecheck.probe.runs.feeding import GROWING, Argument, Call, Position, positions, resize, size_at
from shapecheck.probe.runs.leaves import leaves_of

LARGEST_SIZE = 70_000
_SPARE_STEPS = 100
_SMALL_BATCH = 3
_FEWEST_SAMPLES = 2
_USUAL = {
    1: (128, 100, 96, 64, 48, 50, 32, 1000, 256, 512, 1024, 187, 200, 3000, 16_000, 2048, 4096, 8000, 16_384),
    2: (32, 28, 224, 64, 128, 256, 96, 84, 48, 299, 227, 112, 160, 192, 384, 512, 16, 40, 100, 105),
    3: (16, 32, 64, 96, 128),
}


def scaled(failure: Failure, got: int, want: int, why: str) -> Iterator[Proposal]:
    """A flattened or pooled size: nearer with every try, the usual sizes near the estimate first."""
    free = failure.free()
    if not free or min(got, want) <= 0:
        yield from usual(failure, why)
        return
    ratio = (want / got) ** (1 / len(free))
    near = [round(size_at(failure.call, position) * ratio) for position in free]
    away = min(0.5, 0.2 * abs(math.log(want / got)))
    estimate = round(sum(near) / len(near))
    nearest = sorted(_USUAL.get(len(free), ()), key=lambda size: abs(size - estimate) / estimate if estimate else size)
    for rank, size in enumerate(nearest[:5]):
        yield Proposal(all_free(failure, [size] * len(free)), 0.05 + away + 0.04 * rank, why)
    for offset in (0, 1, -1, 2, 3):
        yield Proposal(all_free(failure, [estimate + offset] * len(free)), 0.15 + away + 0.03 * abs(offset), why)
    yield from _hinted(failure, why)
    if estimate <= 1:
        yield from ranked(failure, -1)


def scaled_alone(failure: Failure, got: int, want: int, why: str) -> Iterator[Proposal]:
    """One axis for itself: a signal of several rows, or features that are multiplied inside the model."""
    argument = failure.call[failure.main]
    for axis, size in enumerate(argument.shape):
        exact = got > 0 and size * want % got == 0
        if axis and min(got, want) > 0 and (exact or (argument.label(axis) in GROWING and len(failure.free()) > 1)):
            away = min(0.5, 0.2 * abs(math.log(want / got)))
            cost = 0.1 if exact and not argument.label(axis) else 0.3 + away
            for offset in (0,) if exact else (0, 1, 2, 3, -1):
                resized = resize(failure.call, [(failure.main, axis)], round(size * want / got) + offset)
                yield Proposal(resized, cost + 0.03 * abs(offset), why)


def usual(failure: Failure, why: str) -> Iterator[Proposal]:
    free = failure.free()
    yield from _hinted(failure, why)
    for rank, size in enumerate(_USUAL.get(len(free), ())):
        yield Proposal(all_free(failure, [size] * len(free)), 0.3 + 0.02 * rank, why)


def _hinted(failure: Failure, why: str) -> Iterator[Proposal]:
    free = failure.free()
    for hint in size_hints(failure.model)[:8]:
        if len(hint) == len(free) or (len(hint) == 1 and free):
            yield Proposal(all_free(failure, list(hint) * (len(free) // len(hint))), 0.15, "a size the model names")


def all_free(failure: Failure, sizes: list[int]) -> Call:
    call = failure.call
    for position, size in zip(failure.free(), sizes, strict=True):
        call = resized_alike(call, position, size) if len(failure.call) > 1 else resize(call, [position], size)
    return call


def resized_alike(call: Call, position: Position, size: int) -> Call:
    """With it, the equally labelled and sized axes of the other inputs."""
    old, label = size_at(call, position), call[position[0]].label(position[1])
    alike = [
        p
        for p in positions(call)
        if size_at(call, p) == old and call[p[0]].label(p[1]) == label and p[0] != position[0]
    ]
    return resize(call, [position, *alike], size)


def matching(failure: Failure, old: int, new: int, why: str, pinned: bool = False) -> Iterator[Proposal]:
    """Every axis (and index range) of size `old` becomes `new`: all of them, then one at a time.

    `pinned` says that this is a layer's own width, so that the axis is no longer free.
    """
    change = fixed if pinned else resize
    call = failure.call
    where = [p for p in positions(call) if size_at(call, p) == old and call[p[0]].kind != "state"]
    if len(where) > 1:
        yield Proposal(change(call, where, new), 0.2, why)
    for position in where:
        yield Proposal(
            change(call, [position], new), 0.5 if position[1] == 0 and len(call[position[0]].shape) > 1 else 0.0, why
        )
    for index, argument in enumerate(call):
        if argument.kind == "int" and argument.high == old:
            yield put(failure, index, replace(argument, high=new), 0.1, why)
        if argument.kind == "state" and old in argument.shape[1:]:
            axis = argument.shape.index(old, 1)
            yield put(failure, index, argument.resized(axis, new), 0.1, why)


def fixed(call: Call, where: list[Position], size: int) -> Call:
    """Axes whose size is now known not to be free."""
    changed = list(call)
    for index, axis in where:
        label = changed[index].label(axis)
        changed[index] = changed[index].resized(axis, size, label if label == "batch" else "")
    return tuple(changed)


def grown(failure: Failure) -> Iterator[Proposal]:
    """Longer by steps that a receptive field of 1-D audio needs; images grow less."""
    free = failure.free()
    if len(free) == 1:
        yield from _past_receptive_field(failure)
    factors = (4, 16, 64, 256, 640) if len(free) == 1 else (2, 4, 8)
    for rank, factor in enumerate(factors):
        longer = [next_prime(size_at(failure.call, position) * factor) for position in free]
        if free and max(longer) <= LARGEST_SIZE:
            yield Proposal(_few(all_free(failure, longer)), 0.1 + 0.3 * rank, "longer")
    if len(free) > 1:
        for size in (64, 128, 256):
            yield Proposal(all_free(failure, [size] * len(free)), 0.5, "longer")


def _past_receptive_field(failure: Failure) -> Iterator[Proposal]:
    """Long enough for every sample that the dilated convolutions reach, or that the model says they do.

    Gated layers have two convolutions side by side, so half of the sum is likelier.
    """
    reach = sum(
        (leaf.kernel_size[0] - 1) * leaf.dilation[0] for leaf in leaves_of(failure.model) if isinstance(leaf, nn.Conv1d)
    )
    said = [hint[0] for hint in size_hints(failure.model) if len(hint) == 1]
    now = size_at(failure.call, failure.free()[0])
    for rank, size in enumerate(dict.fromkeys((*sorted(said)[-1:], reach // 2, reach))):
        longer = next_prime(size + _SPARE_STEPS)
        if now < longer <= LARGEST_SIZE and size > _SPARE_STEPS:
            yield Proposal(_few(all_free(failure, [longer])), 0.02 * rank, "past the receptive field")


def _few(call: Call) -> Call:
    """Long sequences in a small batch."""
    batch = [p for p in positions(call) if call[p[0]].label(p[1]) == "batch"]
    return resize(call, batch, _SMALL_BATCH) if batch and size_at(call, batch[0]) > _SMALL_BATCH else call


def smaller_batch(call: Call) -> Iterator[Proposal]:
    """For what takes too much work."""
    batch = [p for p in positions(call) if call[p[0]].label(p[1]) == "batch"]
    if batch and size_at(call, batch[0]) > _FEWEST_SAMPLES:
        yield Proposal(resize(call, batch, _FEWEST_SAMPLES), 0.0, "fewer samples")


def swapped(failure: Failure, got: int, want: int) -> Iterator[Proposal]:
    """The wanted size is there, but on another axis: the model transposes."""
    for index, argument in enumerate(failure.call):
        if argument.kind != "float" or got not in argument.shape[1:] or want not in argument.shape[1:]:
            continue
        one, other = argument.shape.index(got, 1), argument.shape.index(want, 1)
        order = list(range(len(argument.shape)))
        order[one], order[other] = other, one
        shape = tuple(argument.shape[axis] for axis in order)
        labels = tuple(argument.label(axis) for axis in order)
        yield put(failure, index, replace(argument, shape=shape, labels=labels), -0.2, "axes the other way round")


def mobile(argument: Argument) -> Argument:
    """Ints have no channel axis: what was fixed may now be time."""
    labels = tuple(label or "time" for label in argument.labels)
    return replace(argument, labels=labels)


def other_guesses(failure: Failure) -> Iterator[Proposal]:
    """For the arguments beside the main one, whatever the error says: each of the other guesses at it."""
    main = failure.call[failure.main]
    parts = parts_of(failure.model) if len(failure.call) > 1 else []
    for index, argument in enumerate(failure.call):
        part = next((part for part in parts if part.name == argument.name), None)
        if index == failure.main or part is None:
            continue
        for rank, guess in enumerate(part.guesses(main, failure.model, failure.sizes)):
            yield put(failure, index, guess, 0.5 + 0.1 * rank, f"another {argument.name}")
