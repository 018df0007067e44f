"""A forward pass that the user's own program made, as arguments that can be made again: with fewer samples, at other sizes.

Its sizes may coincide; which axis is which is told by varying them, as ever.
"""

from __future__ import annotations

import inspect
import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any

import torch
from torch import nn

from shapecheck.probe.inputs.asking import labelled
from shapecheck.probe.inputs.candidates import INDEX_NAMES, LENGTHS
from shapecheck.probe.inputs.holders import entries, name_of
from shapecheck.probe.runs.feeding import Argument, Call, Position, main_index, positions, resize, size_at
from shapecheck.probe.runs.leaves import Arrival, convolution_rank, width
from shapecheck.probe.runs.values import has_values, is_plain

_FEW = (5, 6, 7, 8, 4, 3)  # samples that show who reads whom, and cost little
_MOST_ALIKE = 3  # inputs as long as the batch


@dataclass(frozen=True, eq=False)
class RealCall:
    """What a module was called with. `training` is the mode it was in, if that is known.

    `labels` are at hand for a model that gives more when it has them. A call that is `needed` stands for itself: no dummy
    input does where the model does not run on it.
    """

    args: tuple[Any, ...]
    kwargs: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))
    training: bool | None = None
    labels: torch.Tensor | None = None
    needed: bool = False


def call_of(model: nn.Module, real: RealCall) -> Call:
    """Its tensors, at most one level down in what the user's own containers hold, and constants for the rest."""
    named = zip(_names(model, len(real.args)), real.args, strict=True)
    positional = [argument for name, value in named for argument in _arguments(name, value, False)]
    keyword = [argument for name, value in real.kwargs.items() for argument in _arguments(name, value, True)]
    return _with_lengths((*positional, *keyword))


def labels_like(real: RealCall, call: Call) -> Argument | None:
    """The labels at hand, of as many samples as the call has."""
    if real.labels is None or not call or not _can_be_made(real.labels):
        return None
    argument = _sampled(real.labels)
    main = call[main_index(call)]
    samples = next((size for size, label in zip(main.shape, main.labels, strict=False) if label == "batch"), 0)
    labels = ("batch", *main.labels[1 : len(argument.shape)])
    return replace(argument, shape=(samples, *argument.shape[1:]), labels=labels) if argument.shape else None


def as_given(call: Call) -> Call:
    """The same arguments at the sizes of the real ones."""
    return tuple(_at_own_size(argument) for argument in call)


def _at_own_size(argument: Argument) -> Argument:
    sample = argument.sample
    if sample is None:
        return argument
    high = int(sample.max()) + (argument.kind == "int") if argument.kind in ("int", "lengths") else argument.high
    return replace(argument, shape=tuple(sample.shape), high=high)


def _names(model: nn.Module, count: int) -> list[str]:
    """The names of the first parameters of `forward`; of those behind a `*args`, its name and a number."""
    try:
        parameters = list(inspect.signature(model.forward).parameters.values())
    except (TypeError, ValueError):
        parameters = []
    several = next((p.name for p in parameters if p.kind is p.VAR_POSITIONAL), "input")
    names = [p.name for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    return [*names, *(f"{several}{number}" for number in range(count - len(names)))][:count]


def _arguments(name: str, value: Any, keyword: bool) -> Iterator[Argument]:
    if _can_be_made(value):
        yield replace(_sampled(value), name=name, keyword=keyword)
        return
    held = [(entry, inner) for entry, inner in entries(value) if _can_be_made(inner)]
    if not held:
        yield Argument(name, "constant", value=value, keyword=keyword)
    for entry, inner in held:
        short = f"{name}.{name_of(value, entry)}"
        yield replace(_sampled(inner), name=short, holder=name, whole=value, entry=entry, keyword=keyword)


def _can_be_made(value: Any) -> bool:
    return (
        isinstance(value, torch.Tensor)
        and is_plain(value)
        and has_values(value)
        and not value.is_quantized
        and value.numel() > 0
    )


def _sampled(tensor: torch.Tensor) -> Argument:
    sample = tensor.detach().requires_grad_(tensor.requires_grad)
    if tensor.dtype is torch.bool:
        kind = "bool"
    else:
        kind = "float" if tensor.is_floating_point() or tensor.is_complex() else "int"
    high = int(tensor.max()) + 1 if kind == "int" else 2
    return Argument(kind=kind, shape=tuple(tensor.shape), dtype=tensor.dtype, high=high, sample=sample)


def _with_lengths(call: Call) -> Call:
    """A row of counts, of which the largest is as long as another input: the steps of each sample."""
    return tuple(_as_lengths(argument, call) for argument in call)


def _as_lengths(argument: Argument, call: Call) -> Argument:
    if argument.kind != "int" or len(argument.shape) != 1 or argument.sample is None or int(argument.sample.min()) < 0:
        return argument
    longest, samples = argument.high - 1, argument.shape[0]
    name = argument.short_name.lower()
    if INDEX_NAMES.search(name) and not LENGTHS.search(name):
        return argument
    others = [other for other in call if other is not argument and len(other.shape) > 1]
    counts = any(_has_both(other.shape, samples, longest) for other in others)
    return replace(argument, kind="lengths", high=longest) if counts and longest > 1 else argument


def _has_both(shape: tuple[int, ...], samples: int, steps: int) -> bool:
    return any({a, b} == {samples, steps} for a, b in itertools.combinations(shape[:3], 2))


# ---------------------------------------------------------------------------- fewer samples


def fewer(call: Call, axis: int = 0) -> Iterator[Call]:
    """The call with few samples along that axis of the main input, and of the others that have as many; at last as it is.

    They are as many as no other axis is long, so that the batch is known by its size. A matrix of nodes against nodes is cut on
    both sides; a mask of steps against steps may be as long as the batch by chance, and then fewer of the others are cut.
    """
    main = main_index(call)
    if len(call[main].shape) > axis:
        samples = call[main].shape[axis]
        alike = [_all_of(index, argument, samples) for index, argument in enumerate(call) if index != main]
        others = [where for where in alike if where]
        for chosen in _choices(others):
            where = ((main, axis), *chosen)
            yield resize(call, where, _few(call, where))
    yield call


def _choices(others: Sequence[tuple[Position, ...]]) -> Iterator[tuple[Position, ...]]:
    """Of the axes as long as the batch: the first of each input, all of them, the first of fewer and fewer inputs."""
    yield tuple(where[0] for where in others)
    if any(len(where) > 1 for where in others):
        yield tuple(itertools.chain(*others))
    fewer = range(len(others) - 1, -1, -1) if len(others) <= _MOST_ALIKE else range(1 if others else 0)
    for count in fewer:
        for chosen in itertools.combinations(others, count):
            yield tuple(where[0] for where in chosen)


def _all_of(index: int, argument: Argument, size: int) -> tuple[Position, ...]:
    sizes = argument.shape if argument.is_tensor else ()
    return tuple((index, axis) for axis, own in enumerate(sizes) if own == size)


def _few(call: Call, where: Sequence[Position]) -> int:
    taken = {size_at(call, position) for position in positions(call) if position not in where}
    now = size_at(call, where[0])
    return next((size for size in (now, *_FEW) if size not in taken and 3 <= size <= max(_FEW)), now)


def with_labels_of(call: Call, arrivals: Sequence[Arrival]) -> Call:
    """The usual labels; only axes as long as the main input's batch are batches."""
    blank = tuple(replace(argument, labels=()) for argument in call)
    usual = list(labelled(blank, arrivals))
    index = main_index(blank)
    main = usual[index] = _with_frames(usual[index], arrivals)
    samples = next((size for size, label in zip(main.shape, main.labels, strict=False) if label == "batch"), 0)
    return tuple(argument if argument is main else _with_batch(argument, samples) for argument in usual)


def _with_frames(argument: Argument, arrivals: Sequence[Arrival]) -> Argument:
    """Of a film that goes into convolutions frame by frame, the axis beside the channels is time."""
    leaf = arrivals[0].leaf if arrivals else None
    rank = convolution_rank(leaf) if leaf is not None else 0
    if not rank or leaf is None or len(argument.shape) != rank + 3 or argument.label(0) != "batch":
        return argument
    channels_first = argument.shape[1] == width(leaf) != argument.shape[2]
    labels = [argument.label(axis) for axis in range(len(argument.shape))]
    labels[2 if channels_first else 1] = "time"
    return replace(argument, labels=tuple(labels))


def _with_batch(argument: Argument, samples: int) -> Argument:
    kept = enumerate(argument.label(axis) for axis in range(len(argument.shape)))
    labels = ("batch" if argument.shape[axis] == samples else "" if label == "batch" else label for axis, label in kept)
    return replace(argument, labels=tuple(labels))
