"""Ways to lay out a tensor for the layer it enters first, the likeliest first. Runs nothing."""

from __future__ import annotations

import itertools
import math

from torch import nn

from shapecheck.probe.inputs.sizing import Sizes, free_prime
from shapecheck.probe.runs.feeding import Argument
from shapecheck.probe.runs.leaves import (
    ATTENTIVE,
    BATCH_NORMS,
    CELLS,
    RECURRENT,
    convolution_rank,
    is_batch_first,
    width,
)


def layouts(leaf: nn.Module, sizes: Sizes) -> list[Argument]:
    """Ways to feed a model whose input enters this layer, the likeliest first."""
    rank = convolution_rank(leaf)
    size = width(leaf) or (3 if rank == 2 else 1)
    if rank or (isinstance(leaf, tuple(BATCH_NORMS)) and _norm_rank(leaf)):
        return _convolutional(rank or _norm_rank(leaf), size, sizes)
    if isinstance(leaf, (nn.Embedding, nn.EmbeddingBag)):
        return _indices(leaf, sizes)
    if isinstance(leaf, (*RECURRENT, *ATTENTIVE)):
        return _sequences(leaf, size, sizes)
    if isinstance(leaf, CELLS):
        return [flat(size, sizes), steps_first(size, sizes), steps_last(size, sizes)]
    if isinstance(leaf, (nn.GroupNorm, nn.BatchNorm1d)):
        return [image(size, sizes), _series(size, sizes)] if isinstance(leaf, nn.GroupNorm) else [
            flat(size, sizes), _series(size, sizes), steps_first(size, sizes),
        ]  # fmt: skip
    if isinstance(leaf, nn.LayerNorm):
        return _normalised(tuple(leaf.normalized_shape), sizes)
    return _linear(size, sizes)


def _norm_rank(leaf: nn.Module) -> int:
    """Spatial axes of a batch norm that leaves no doubt; BatchNorm1d takes (N, C) as well."""
    return next((ranks[-1] - 2 for kind, ranks in BATCH_NORMS.items() if isinstance(leaf, kind) and len(ranks) == 1), 0)


def _convolutional(rank: int, size: int, sizes: Sizes) -> list[Argument]:
    if rank == 1:
        bare = [tensor(sizes, time=sizes.samples)] if size == 1 else []
        tokens = Argument(kind="int", shape=(sizes.batch, sizes.samples), labels=("batch", "time"), high=max(size, 2))
        return [_series(size, sizes), *bare, tensor(sizes, time=sizes.samples, last=size), tokens]
    if rank == 2:
        gray = [tensor(sizes, height=sizes.height, width=sizes.width)] if size == 1 else []
        last = tensor(sizes, height=sizes.height, width=sizes.width, last=size)
        return [image(size, sizes), *gray, last, _series(size, sizes)]
    small = [free_prime(start, {size, sizes.batch}) for start in (13, 17, 23)]
    volume = dict(zip(("depth", "height", "width"), small, strict=True))
    return [tensor(sizes, first=size, **volume), tensor(sizes, last=size, **volume)]


def _indices(leaf: nn.Embedding | nn.EmbeddingBag, sizes: Sizes) -> list[Argument]:
    shapes = [
        ((sizes.batch, sizes.steps), ("batch", "time")),
        ((sizes.batch,), ("batch",)),
        ((sizes.batch, sizes.depth, sizes.steps), ("batch", "time", "time")),
    ]
    return [Argument(kind="int", shape=s, labels=labels, high=leaf.num_embeddings) for s, labels in shapes]


def _sequences(leaf: nn.Module, size: int, sizes: Sizes) -> list[Argument]:
    batch_first, time_first = steps_first(size, sizes), Argument(
        shape=(sizes.steps, sizes.batch, size), labels=("time", "batch", "")
    )  # fmt: skip
    order = [batch_first, time_first] if is_batch_first(leaf) else [time_first, batch_first]
    flat = [tensor(sizes, time=sizes.steps)] if size == 1 else []
    return [*order, *flat, steps_last(size, sizes)]


def _normalised(shape: tuple[int, ...], sizes: Sizes) -> list[Argument]:
    fixed = ("",) * len(shape)
    sequence = Argument(shape=(sizes.batch, sizes.steps, *shape), labels=("batch", "time", *fixed))
    return [sequence, Argument(shape=(sizes.batch, *shape), labels=("batch", *fixed))]


def _linear(size: int, sizes: Sizes) -> list[Argument]:
    found = [flat(size, sizes), steps_first(size, sizes)]
    for channels in (1, 3):
        side = math.isqrt(size // channels)
        if side > 4 and side * side * channels == size:
            found.append(tensor(sizes, first=channels, height=side, width=side))
    return [*found, steps_last(size, sizes)]


def flat(size: int, sizes: Sizes) -> Argument:
    return Argument(shape=(sizes.batch, size), labels=("batch", ""))


def _series(size: int, sizes: Sizes) -> Argument:
    return tensor(sizes, first=size, time=sizes.samples)


def steps_first(size: int, sizes: Sizes) -> Argument:
    return tensor(sizes, time=sizes.steps, last=size)


def steps_last(size: int, sizes: Sizes) -> Argument:
    return tensor(sizes, first=size, time=sizes.steps)


def image(size: int, sizes: Sizes) -> Argument:
    return tensor(sizes, first=size, height=sizes.height, width=sizes.width)


def tensor(sizes: Sizes, first: int | None = None, last: int | None = None, **space: int) -> Argument:
    """(batch, first?, *space, last?): `first` and `last` are fixed sizes."""
    head, tail = ([("", first)] if first else []), ([("", last)] if last else [])
    axes = [("batch", sizes.batch), *head, *space.items(), *tail]
    return Argument(shape=tuple(size for _, size in axes), labels=tuple(label for label, _ in axes))


def generic(sizes: Sizes, rank: int | None = None) -> list[Argument]:
    """What models take when nothing else is known, or those of this rank."""
    tokens = Argument(kind="int", shape=(sizes.batch, sizes.steps), labels=("batch", "time"), high=2)
    found = [
        image(3, sizes), tokens, steps_first(16, sizes), _series(1, sizes), flat(16, sizes),
        tensor(sizes, time=sizes.samples), image(1, sizes),
        tensor(sizes, first=1, depth=sizes.depth, height=sizes.height, width=sizes.width),
    ]  # fmt: skip
    return [argument for argument in found if rank is None or len(argument.shape) == rank]


def from_parameters(model: nn.Module, sizes: Sizes) -> list[Argument]:
    """For models that multiply with parameters of their own: each side of a matrix may be the feature axis."""
    shapes = dict.fromkeys(tuple(p.shape) for p in model.parameters(recurse=False) if p.dim() >= 1)
    found = [_convolutional(len(shape) - 2, shape[1], sizes)[0] for shape in shapes if 3 <= len(shape) <= 5]
    for shape in itertools.islice(shapes, 4):
        for size in dict.fromkeys((shape[0], shape[-1])):
            found += [flat(size, sizes), steps_first(size, sizes), steps_last(size, sizes)]
    return found
