"""From a failed run to better arguments: which size, rank, dtype or range was wrong, and what to try instead. Runs nothing.

A layer's mismatch is known exactly (see leaves.py); only for functional calls are torch's words read. Because free sizes are
distinct, a wrong size found anywhere in a message is traced back to the input axis that has it.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import torch
from torch import nn

from shapecheck.probe.candidates import (
    PRIMES,
    Proposal,
    Sizes,
    beside,
    generic,
    layouts,
    parameters_of,
    size_hints,
    with_dtype,
)  # fmt: skip
from shapecheck.probe.feeding import GROWING, Argument, Call, Position, main_index, positions, resize, size_at
from shapecheck.probe.leaves import LeafMismatchError
from shapecheck.probe.running import EmptyOutputError, Trial

LARGEST_SIZE = 70_000
_USUAL = {
    1: (128, 100, 96, 64, 48, 50, 32, 1000, 256, 512, 1024, 187, 200, 3000, 16_000, 2048, 4096, 8000, 16_384),
    2: (32, 28, 224, 64, 128, 256, 96, 84, 48, 299, 227, 112, 160, 192, 384, 512, 16, 40, 100, 105),
    3: (16, 32, 64, 96, 128),
}
_TOO_SMALL = re.compile(
    r"[Kk]ernel size can't be greater|[Oo]utput size is too small|too short|too small|negative|non-zero size|non-empty|"
    r"Padding size should be less|more than 1 value|>= ?\d|at least|bigger|must be (greater|larger)|maximum size for tensor|"
    r"exceeds dimension size|smaller than|zero-size|0 elements"
)
_DIVISIBLE = re.compile(r"divis|multiple|chunks|divide")


@dataclass(frozen=True)
class Failure:
    """A failed run and what the repairs need beside it."""

    trial: Trial
    model: nn.Module
    sizes: Sizes

    @property
    def call(self) -> Call:
        return self.trial.call

    @property
    def main(self) -> int:
        return main_index(self.call)

    @property
    def text(self) -> str:
        return str(self.trial.error)

    def free(self) -> list[Position]:
        """The axes of the main input that may grow."""
        argument = self.call[self.main]
        labelled = [axis for axis in range(len(argument.shape)) if argument.label(axis) in GROWING]
        return [(self.main, axis) for axis in labelled]


def repairs(failure: Failure) -> list[Proposal]:
    """What to try next, each with a cost of its own."""
    if not failure.call:
        return []
    error = failure.trial.error
    if isinstance(error, LeafMismatchError):
        return [*_for_leaf(failure, error), *_other_guesses(failure)]
    found: list[Proposal] = []
    for rule in _RULES:
        found += rule(failure)
    found += _other_guesses(failure)
    return found or [*_usual(failure, "usual sizes"), *_ranked(failure, 1), *_ranked(failure, -1)]


# ---------------------------------------------------------------------------- a layer's own contract


def _for_leaf(failure: Failure, error: LeafMismatchError) -> Iterator[Proposal]:
    if error.kind == "dtype":
        yield from _dtype(failure, error)
    elif error.kind == "range":
        yield from _range(failure, error)
    elif error.kind == "flatten":
        yield from _scaled(failure, error.got, error.want, "rows of a flattened tensor")
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
                yield _put(failure, index, _mobile(cut), 0.05 * rank, why)
        else:
            yield _put(failure, index, replace(argument, kind="float"), 0.0, why)
            for layout in layouts(error.leaf, failure.sizes):
                yield _put(failure, index, replace(layout, name=argument.name), 0.1, why)


def _mobile(argument: Argument) -> Argument:
    """Ints have no channel axis: what was fixed may now be time."""
    labels = tuple(label or "time" for label in argument.labels)
    return replace(argument, labels=labels)


def _range(failure: Failure, error: LeafMismatchError) -> Iterator[Proposal]:
    why = f"{type(error.leaf).__name__} has {error.want} entries"
    indices = [i for i, a in enumerate(failure.call) if a.kind == "int"]
    same = [i for i in indices if failure.call[i].high == error.got]
    for index in same or indices:
        yield _put(failure, index, replace(failure.call[index], high=error.want), 0.0, why)
    for position in positions(failure.call):
        if size_at(failure.call, position) in (error.got, error.got - 1):
            yield Proposal(_resized_alike(failure.call, position, _prime_below(error.want)), 0.1, why)


def _misfit(failure: Failure, error: LeafMismatchError) -> Iterator[Proposal]:
    name = f"{type(error.leaf).__name__} wants {error.want}"
    entering = error.leaf is failure.trial.arrivals[0].leaf
    if error.kind == "rank":
        yield from _ranked(failure, error.want - error.got)
    else:
        yield from _swapped(failure, error)
        whole = entering and error.shape == failure.call[failure.main].shape
        yield from _matching(failure, error.got, error.want, name, pinned=whole)
    if entering:
        yield from _leaf_layouts(failure, error.leaf)
    if error.kind == "size" and not any(size == error.got for size in failure.call[failure.main].shape[1:]):
        yield from _scaled(failure, error.got, error.want, name)
        yield from _scaled_alone(failure, error.got, error.want, name)
        yield from _shifted(failure, error)


def _leaf_layouts(failure: Failure, leaf: nn.Module) -> Iterator[Proposal]:
    name = failure.call[failure.main].name
    for rank, layout in enumerate(layouts(leaf, failure.sizes)):
        yield _put(
            failure,
            failure.main,
            replace(layout, name=name),
            0.2 + 0.05 * rank,
            f"the layout {type(leaf).__name__} takes",
        )


def _swapped(failure: Failure, error: LeafMismatchError) -> Iterator[Proposal]:
    """The wanted size is there, but on another axis: the model transposes."""
    for index, argument in enumerate(failure.call):
        if argument.kind != "float" or error.got not in argument.shape[1:] or error.want not in argument.shape[1:]:
            continue
        one, other = argument.shape.index(error.got, 1), argument.shape.index(error.want, 1)
        order = list(range(len(argument.shape)))
        order[one], order[other] = other, one
        shape = tuple(argument.shape[axis] for axis in order)
        labels = tuple(argument.label(axis) for axis in order)
        yield _put(failure, index, replace(argument, shape=shape, labels=labels), -0.2, "axes the other way round")


def _shifted(failure: Failure, error: LeafMismatchError) -> Iterator[Proposal]:
    """Several inputs are joined on their feature axes: one of them is off by the difference."""
    for index, axis in positions(failure.call):
        size = failure.call[index].shape[axis] + error.want - error.got
        if axis and not failure.call[index].label(axis) and 0 < size < 5000:
            yield Proposal(resize(failure.call, [(index, axis)], size), 0.45, "joined features")


def _scaled(failure: Failure, got: int, want: int, why: str) -> Iterator[Proposal]:
    """A flattened or pooled size: nearer with every try, the usual sizes near the estimate first."""
    free = failure.free()
    if not free or got <= 0:
        yield from _usual(failure, why)
        return
    ratio = (want / got) ** (1 / len(free))
    near = [round(size_at(failure.call, position) * ratio) for position in free]
    away = min(0.5, 0.2 * abs(math.log(want / got)))
    estimate = round(sum(near) / len(near))
    usual = sorted(_USUAL[len(free)], key=lambda size: abs(size - estimate) / estimate if estimate else size)
    for rank, size in enumerate(usual[:5]):
        yield Proposal(_all_free(failure, [size] * len(free)), 0.05 + away + 0.04 * rank, why)
    for offset in (0, 1, -1, 2, 3):
        yield Proposal(_all_free(failure, [estimate + offset] * len(free)), 0.15 + away + 0.03 * abs(offset), why)
    yield from _hinted(failure, why)
    if estimate <= 1:
        yield from _ranked(failure, -1)


def _scaled_alone(failure: Failure, got: int, want: int, why: str) -> Iterator[Proposal]:
    """One axis for itself: a signal of several rows, or features that are multiplied inside the model."""
    argument = failure.call[failure.main]
    for axis, size in enumerate(argument.shape):
        exact = size * want % got == 0
        if axis and got > 0 and (exact or (argument.label(axis) in GROWING and len(failure.free()) > 1)):
            away = min(0.5, 0.2 * abs(math.log(want / got)))
            cost = 0.1 if exact and not argument.label(axis) else 0.3 + away
            for offset in (0,) if exact else (0, 1, 2, 3, -1):
                resized = resize(failure.call, [(failure.main, axis)], round(size * want / got) + offset)
                yield Proposal(resized, cost + 0.03 * abs(offset), why)


def _usual(failure: Failure, why: str) -> Iterator[Proposal]:
    free = failure.free()
    yield from _hinted(failure, why)
    for rank, size in enumerate(_USUAL.get(len(free), ())):
        yield Proposal(_all_free(failure, [size] * len(free)), 0.3 + 0.02 * rank, why)


def _hinted(failure: Failure, why: str) -> Iterator[Proposal]:
    free = failure.free()
    for hint in size_hints(failure.model)[:8]:
        if len(hint) == len(free) or (len(hint) == 1 and free):
            yield Proposal(_all_free(failure, list(hint) * (len(free) // len(hint))), 0.15, "a size the model names")


def _all_free(failure: Failure, sizes: list[int]) -> Call:
    call = failure.call
    for position, size in zip(failure.free(), sizes, strict=True):
        call = _resized_alike(call, position, size) if len(failure.call) > 1 else resize(call, [position], size)
    return call


def _resized_alike(call: Call, position: Position, size: int) -> Call:
    """With it, the equally labelled and sized axes of the other inputs."""
    old, label = size_at(call, position), call[position[0]].label(position[1])
    alike = [
        p
        for p in positions(call)
        if size_at(call, p) == old and call[p[0]].label(p[1]) == label and p[0] != position[0]
    ]
    return resize(call, [position, *alike], size)


# ---------------------------------------------------------------------------- sizes and ranks


def _put(failure: Failure, index: int, argument: Argument, cost: float, why: str) -> Proposal:
    old = failure.call[index]
    argument = replace(argument, keyword=old.keyword)
    dtype = old.dtype if old.kind == "float" else torch.get_default_dtype()
    argument = with_dtype(argument, dtype)
    return Proposal((*failure.call[:index], argument, *failure.call[index + 1 :]), cost, why)


def _matching(failure: Failure, old: int, new: int, why: str, pinned: bool = False) -> Iterator[Proposal]:
    """Every axis (and index range) of size `old` becomes `new`: all of them, then one at a time.

    `pinned` says that this is a layer's own width, so that the axis is no longer free.
    """
    change = _fixed if pinned else resize
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
            yield _put(failure, index, replace(argument, high=new), 0.1, why)
        if argument.kind == "state" and old in argument.shape[1:]:
            axis = argument.shape.index(old, 1)
            yield _put(failure, index, argument.resized(axis, new), 0.1, why)


def _fixed(call: Call, where: list[Position], size: int) -> Call:
    """Axes whose size is now known not to be free."""
    changed = list(call)
    for index, axis in where:
        label = changed[index].label(axis)
        changed[index] = changed[index].resized(axis, size, label if label == "batch" else "")
    return tuple(changed)


def _ranked(failure: Failure, change: int) -> Iterator[Proposal]:
    """The main input with more or fewer axes."""
    argument = failure.call[failure.main]
    sizes, rank = failure.sizes, len(argument.shape) + change
    head, label = argument.shape[:1], argument.labels[:1]
    options: list[tuple[tuple[int, ...], tuple[str, ...]]] = []
    if rank == 1:
        options = [(head, label)]
    elif rank == 2 and change < 0:
        options = [((*head, argument.shape[-1]), (*label, argument.label(len(argument.shape) - 1)))]
        options += [((*head, argument.shape[1]), (*label, argument.label(1)))]
    elif rank == 3 and change > 0:
        last = argument.shape[-1:]
        options = [
            ((*head, sizes.steps, *last), (*label, "time", "")),
            ((*head, *last, sizes.samples), (*label, "", "time")),
        ]
    elif rank == 3 and len(argument.shape) > 1:
        options = [((*head, argument.shape[1], sizes.samples), (*label, "", "time"))]
        options += (
            [((*head, *argument.shape[-2:]), (*label, *argument.labels[-2:]))] if len(argument.labels) > 2 else []
        )
    elif rank == 4 and len(argument.shape) > 1:
        space = (sizes.height, sizes.width)
        for channels in dict.fromkeys((argument.shape[1], 1, 3)):
            options.append(((*head, channels, *space), (*label, "", "height", "width")))
    elif rank == 5 and len(argument.shape) > 1:
        clip = (sizes.steps, argument.shape[1] if len(argument.shape) == 4 else 3, sizes.height, sizes.width)
        options = [((*head, *clip), (*label, "time", "", "height", "width"))]
    for number, (shape, labels) in enumerate(options):
        yield _put(
            failure, failure.main, replace(argument, shape=shape, labels=labels), 0.2 + 0.05 * number, f"{rank} axes"
        )
    for number, layout in enumerate(generic(sizes, rank)):
        yield _put(failure, failure.main, replace(layout, name=argument.name), 0.5 + 0.05 * number, f"{rank} axes")


def _grown(failure: Failure) -> Iterator[Proposal]:
    """Longer by steps that a receptive field of 1-D audio needs; images grow less."""
    free = failure.free()
    factors = (4, 16, 64, 256, 640) if len(free) == 1 else (2, 4, 8)
    for rank, factor in enumerate(factors):
        longer = [next_prime(size_at(failure.call, position) * factor) for position in free]
        if free and max(longer) <= LARGEST_SIZE:
            yield Proposal(_all_free(failure, longer), 0.1 + 0.3 * rank, "longer")
    if len(free) > 1:
        for size in (64, 128, 256):
            yield Proposal(_all_free(failure, [size] * len(free)), 0.5, "longer")


def next_prime(number: int) -> int:
    number = max(number, 2)
    while any(number % divisor == 0 for divisor in range(2, int(number**0.5) + 1)):
        number += 1
    return number


def _prime_below(number: int) -> int:
    return max((prime for prime in PRIMES if prime <= number), default=1)


# ---------------------------------------------------------------------------- torch's words


def _multiplication(failure: Failure) -> Iterator[Proposal]:
    match = re.search(r"\((\d+)x(\d+) and (\d+)x(\d+)\)", failure.text) or re.search(
        r"same reduction dim, but got \[(\d+), (\d+)\] X \[(\d+), (\d+)\]", failure.text
    )
    if match:
        left, right = int(match[2]), int(match[3])
        proposals = list(_matching(failure, left, right, "a matrix product")) + list(
            _matching(failure, right, left, "a matrix product")
        )
        yield from proposals
        yield from () if proposals else _scaled(failure, left, right, "a matrix product")
    match = re.search(
        r"input \((\d+)\), mat \((\d+)x(\d+)\), vec \((\d+)\)|size mismatch, got (\d+), (\d+)x(\d+),(\d+)", failure.text
    )
    if match:
        numbers = [int(number) for number in match.groups() if number]
        yield from _matching(failure, numbers[-1], numbers[2], "a matrix product")
        yield from _matching(failure, numbers[2], numbers[-1], "a matrix product")


def _convolution(failure: Failure) -> Iterator[Proposal]:
    text = failure.text
    match = re.search(r"expected input\[[\d, ]+\] to have (\d+) channels, but got (\d+) channels", text)
    if match:
        want, got = map(int, match.groups())
        yield from _swapped_sizes(failure, got, want)
        yield from _matching(failure, got, want, f"a convolution wants {want} channels", pinned=True)
    match = re.search(
        r"Expected (\d)D \(unbatched\) or (\d)D \(batched\) input to \w+, but got input of size: \[([\d, ]*)\]", text
    )
    if match:
        yield from _ranked(failure, int(match[2]) - len(match[3].split(",")))
    match = re.search(r"expected (?:weight|input)'?s? to be at least|weight of size \[(\d+), (\d+)", text)
    if match and match[2] and not re.search("channels", text):
        yield from _ranked(failure, 1)


def _swapped_sizes(failure: Failure, got: int, want: int) -> Iterator[Proposal]:
    yield from _swapped(failure, LeafMismatchError(failure.model, "size", (), 0, got, want))


def _elementwise(failure: Failure) -> Iterator[Proposal]:
    match = re.search(r"size of tensor a \((\d+)\) must match the size of tensor b \((\d+)\)", failure.text) or re.search(
        r"Expected size (\d+) but got size (\d+)", failure.text
    ) or re.search(r"Expected (\d+) in dimension \d+ but got (\d+)", failure.text)  # fmt: skip
    if not match:
        return
    one, other = int(match[1]), int(match[2])
    proposals = [
        *_matching(failure, one, other, "sizes that must agree"),
        *_matching(failure, other, one, "sizes that must agree"),
    ]
    yield from proposals
    yield from _powers_of_two(failure)
    if not proposals:
        yield from _scaled(failure, one, other, "sizes that must agree")
        yield from _scaled(failure, other, one, "sizes that must agree")


def _powers_of_two(failure: Failure) -> Iterator[Proposal]:
    """Sizes that halve and double without remainder, different on each axis; small ones first for volumes."""
    free = failure.free()
    for rank, size in enumerate((16, 32, 64, 128)[0 if len(free) == 3 else 1 :] if free else ()):
        sizes = [size * factor for factor in range(1, len(free) + 1)]
        yield Proposal(_all_free(failure, sizes), 0.1 + 0.1 * rank, "a multiple of a power of two")
        yield Proposal(_all_free(failure, [size] * len(free)), 0.25 + 0.1 * rank, "a multiple of a power of two")


def _fixed_batch(failure: Failure) -> Iterator[Proposal]:
    """A hidden state of a batch size that is written down in the model."""
    match = re.search(r"Expected hidden(?:\[\d\])? size \(\d+, (\d+), \d+\), got \[\d+, (\d+), \d+\]", failure.text)
    if match:
        yield from _matching(failure, int(match[1]), int(match[2]), "the batch of the hidden state")


def _reshaped(failure: Failure) -> Iterator[Proposal]:
    match = re.search(r"shape '\[([-\d, ]+)\]' is invalid for input of size (\d+)", failure.text)
    if not match:
        return
    view, total = [int(size) for size in match[1].split(",")], int(match[2])
    batch = failure.call[failure.main].shape[0] if failure.call[failure.main].shape else 1
    rest = [size for size in view if size > 1 and size != batch]
    want = 1
    for size in rest:
        want *= size
    if want > 1 and total % batch == 0:
        yield from _scaled(failure, total // batch, want, "a reshape")
        yield from _as_view(failure, rest)
    for size in rest:
        for axis in range(1, len(failure.call[failure.main].shape)):
            yield Proposal(_fixed(failure.call, [(failure.main, axis)], size), 0.45, f"a reshape to {size}")


def _as_view(failure: Failure, rest: list[int]) -> Iterator[Proposal]:
    """The very shape that is asked for, and an image that flattens to it."""
    argument, batch = failure.call[failure.main], failure.sizes.batch
    shape = (batch, *rest)
    labels = ("batch", *("",) * len(rest))
    yield _put(failure, failure.main, replace(argument, shape=shape, labels=labels), 0.3, "the shape of a reshape")
    for channels in (1, 3):
        side = int((rest[-1] / channels) ** 0.5 + 0.5)
        if len(rest) == 1 and side > 3 and side * side * channels == rest[0]:
            image = replace(argument, shape=(batch, channels, side, side), labels=("batch", "", "height", "width"))
            yield _put(failure, failure.main, image, 0.1, "an image that flattens")


def _rank_in_words(failure: Failure) -> Iterator[Proposal]:
    text, rank = failure.text, len(failure.call[failure.main].shape)
    match = re.search(r"unpack \(expected (\d+)", text)
    if match and 1 <= int(match[1]) <= 5:
        yield from _ranked(failure, int(match[1]) - rank)
    match = re.search(r"range of \[-?\d+, (\d+)\], but got (-?\d+)", text)
    if match:
        over = int(match[2]) - int(match[1])
        yield from _ranked(failure, over if over > 0 else 1)
    elif re.search(r"tuple index out of range|too many indices|Dimension out of range|list index", text):
        yield from _ranked(failure, 1)
    for pattern in (
        r"number of dimensions in the tensor input.*?= (\d+).*?= (\d+)",
        r"(\d+) dimension\(s\).*?(\d+)-dim",
    ):
        match = re.search(pattern, text)
        if match:
            yield from _ranked(failure, int(match[2]) - int(match[1]))
    match = re.search(
        r"[Ee]xpected:? (?:input )?(?:to be )?(\d)-?[dD]|must be (\d)-?D|[Ww]rong shape: expected (\d) dims|expected (\d) dims",
        text,
    )
    wanted = next((int(group) for group in match.groups() if group), 0) if match else 0
    if 0 < wanted < 6 and wanted != rank:
        yield from _ranked(failure, wanted - rank)


def _too_small(failure: Failure) -> Iterator[Proposal]:
    if isinstance(failure.trial.error, EmptyOutputError) or _TOO_SMALL.search(failure.text):
        yield from _grown(failure)


def _divisible(failure: Failure) -> Iterator[Proposal]:
    if not _DIVISIBLE.search(failure.text):
        return
    for number in _numbers(failure.text):
        if 1 < number <= 4096 and failure.free():
            near = [max(1, round(size_at(failure.call, p) / number)) * number for p in failure.free()]
            yield Proposal(_all_free(failure, near), 0.2, f"a multiple of {number}")
            apart = [size + number * rank for rank, size in enumerate(near)]
            yield Proposal(_all_free(failure, apart), 0.15, f"a multiple of {number}")
    yield from _powers_of_two(failure)


def _kinds(failure: Failure) -> Iterator[Proposal]:
    """Integer or floating, and how large the integers may be."""
    text = failure.text
    if re.search(
        r"one_hot|LongTensor|Long|indices|integer|index tensor|tensors used as indices|expected scalar type Int", text
    ):
        for index, argument in enumerate(failure.call):
            if argument.kind == "float":
                yield _put(failure, index, _mobile(replace(argument, kind="int")), 0.1, "indices wanted")
                if len(argument.shape) > 2:
                    flat = replace(
                        argument, kind="int", shape=(argument.shape[0], failure.sizes.samples), labels=("batch", "time")
                    )
                    yield _put(failure, index, flat, 0.2, "indices wanted")
    if re.search(r"dtype|scalar type|Input type|not implemented for|floating point|a floating|'Long'|Float", text):
        for index, argument in enumerate(failure.call):
            if argument.kind == "int":
                yield _put(failure, index, replace(argument, kind="float"), 0.15, "floats wanted")
            if argument.kind == "float" and re.search("[Dd]ouble|[Cc]omplex", text):
                kind = torch.complex64 if re.search("[Cc]omplex", text) else torch.float64
                other = kind if argument.dtype is not kind else torch.float32
                yield Proposal(
                    (*failure.call[:index], replace(argument, dtype=other), *failure.call[index + 1 :]), 0.2, str(other)
                )
            if argument.kind == "bool" or (argument.kind == "int" and "bool" in text.lower()):
                yield _put(
                    failure, index, replace(argument, kind="int" if argument.kind == "bool" else "bool"), 0.3, "dtype"
                )


def _smaller_values(failure: Failure) -> Iterator[Proposal]:
    text = failure.text
    if not re.search(
        r"smaller than num_classes|index out of range in self|out of bounds|index \d+ is out|out of range", text
    ):
        return
    for index, argument in enumerate(failure.call):
        if argument.kind == "int" and argument.high > 2:
            for rank, high in enumerate(dict.fromkeys((argument.high // 2, 10, 2))):
                if 2 <= high < argument.high:
                    yield _put(failure, index, replace(argument, high=high), 0.05 + 0.2 * rank, "smaller indices")
    match = re.search(r"index (\d+) is out of bounds for dimension \d+ with size (\d+)", text)
    if match:
        yield from _matching(failure, int(match[1]) + 1, int(match[2]), "an index table")
    for position in failure.free():
        if size_at(failure.call, position) > 7:
            yield Proposal(_resized_alike(failure.call, position, 7), 0.6, "a shorter sequence")


def _missing(failure: Failure) -> Iterator[Proposal]:
    """An optional parameter that is needed after all: named in the message, or None where something was wanted."""
    required, optional = parameters_of(failure.model)
    given = {argument.name for argument in failure.call}
    main = failure.call[failure.main]
    none = isinstance(failure.trial.error, (AttributeError, TypeError, AssertionError)) and re.search(
        "None|^$", failure.text
    )
    for parameter in optional:
        named = re.search(rf"\b{re.escape(parameter.name)}\b", failure.text)
        if parameter.name in given or not (named or (none and parameter.default is None)):
            continue
        for rank, guess in enumerate(beside(parameter, main, failure.model, failure.sizes)[:2]):
            added = with_dtype(replace(guess, keyword=True), main.dtype if main.kind == "float" else torch.float32)
            yield Proposal(
                (*failure.call, added), 0.1 + 0.2 * rank + (0 if named else 0.3), f"{parameter.name} is needed"
            )
    for index, argument in enumerate(failure.call):
        if argument.kind == "constant" and argument.value is None and none:
            wanted = next((p for p in (*required, *optional) if p.name == argument.name), None)
            others = beside(wanted, main, failure.model, failure.sizes) if wanted else []
            for guess in [guess for guess in others if guess.is_tensor][:3]:
                yield _put(failure, index, guess, 0.2, f"{argument.name} is needed")


def _other_guesses(failure: Failure) -> Iterator[Proposal]:
    """For the arguments beside the main one, whatever the error says: each of the other guesses at it."""
    main = failure.call[failure.main]
    required, optional = parameters_of(failure.model) if len(failure.call) > 1 else ([], [])
    for index, argument in enumerate(failure.call):
        parameter = next((p for p in (*required, *optional) if p.name == argument.name), None)
        if index == failure.main or parameter is None:
            continue
        for rank, guess in enumerate(beside(parameter, main, failure.model, failure.sizes)):
            yield _put(failure, index, guess, 0.5 + 0.1 * rank, f"another {argument.name}")


def _stated_sizes(failure: Failure) -> Iterator[Proposal]:
    """`Input height (64) doesn't match model (224)`: numbers in a message that are sizes, and numbers that are not."""
    if not isinstance(failure.trial.error, (AssertionError, ValueError, RuntimeError)):
        return
    numbers = _numbers(failure.text)
    call = failure.call
    present = {size_at(call, p) for p in positions(call) if call[p[0]].label(p[1]) != "batch"}
    new = [n for n in numbers if n not in present and 1 < n < 20_000][:3]
    for old in [n for n in numbers if n in present][:3]:
        for size in new:
            yield from _matching(failure, old, size, "a size in the message")
    for size in new:
        if failure.free():
            yield Proposal(_all_free(failure, [size] * len(failure.free())), 0.35, "a size in the message")


def _silent_assertion(failure: Failure) -> Iterator[Proposal]:
    if isinstance(failure.trial.error, AssertionError) and not failure.text:
        yield from _usual(failure, "a bare assert")


def _numbers(text: str) -> list[int]:
    return [int(number) for number in re.findall(r"(?<![\w.])\d{1,6}(?![\w.])", text)]


_RULES: tuple[Callable[[Failure], Iterator[Proposal]], ...] = (
    _multiplication, _convolution, _elementwise, _fixed_batch, _reshaped, _rank_in_words, _too_small, _divisible, _kinds, _smaller_values,
    _missing, _stated_sizes, _silent_assertion,
)  # fmt: skip
