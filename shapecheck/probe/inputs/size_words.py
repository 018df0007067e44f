"""Better sizes from torch's own words: products, sums, joins, reshapes, divisions. Runs nothing.

Because free sizes are distinct, a wrong size in a message is traced back to the input axis that has it.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from dataclasses import replace

from torch import nn

from shapecheck.probe.inputs.adjusting import (
    LARGEST_SIZE,
    all_free,
    fixed,
    matching,
    scaled,
    scaled_alone,
    swapped,
)
from shapecheck.probe.inputs.candidates import Proposal
from shapecheck.probe.inputs.failure import Failure, put
from shapecheck.probe.inputs.ranks import ranked
from shapecheck.probe.runs.feeding import GROWING, batch_of, positions, resize, size_at
from shapecheck.probe.runs.leaves import leaves_of

_STRETCHED, _LATER = 8, 0.3
_DIVISIBLE = re.compile(r"divis|multiple|chunks|divide")


def from_sizes(failure: Failure) -> Iterator[Proposal]:
    """What every rule that knows the message proposes."""
    for rule in (_multiplication, _convolution, _elementwise, _fixed_batch, _reshaped, _divisible):
        yield from rule(failure)


def _multiplication(failure: Failure) -> Iterator[Proposal]:
    match = re.search(r"\((\d+)x(\d+) and (\d+)x(\d+)\)", failure.text) or re.search(
        r"same reduction dim, but got \[(\d+), (\d+)\] X \[(\d+), (\d+)\]", failure.text
    )
    if match:
        left, right = int(match[2]), int(match[3])
        proposals = list(matching(failure, left, right, "a matrix product")) + list(
            matching(failure, right, left, "a matrix product")
        )
        yield from proposals
        yield from () if proposals else scaled(failure, left, right, "a matrix product")
    match = re.search(
        r"input \((\d+)\), mat \((\d+)x(\d+)\), vec \((\d+)\)|size mismatch, got (\d+), (\d+)x(\d+),(\d+)", failure.text
    )
    if match:
        numbers = [int(number) for number in match.groups() if number]
        yield from matching(failure, numbers[-1], numbers[2], "a matrix product")
        yield from matching(failure, numbers[2], numbers[-1], "a matrix product")


def _convolution(failure: Failure) -> Iterator[Proposal]:
    text = failure.text
    match = re.search(r"expected input\[[\d, ]+\] to have (\d+) channels, but got (\d+) channels", text)
    if match:
        want, got = map(int, match.groups())
        yield from swapped(failure, got, want)
        yield from matching(failure, got, want, f"a convolution wants {want} channels", pinned=True)
    match = re.search(
        r"Expected (\d)D \(unbatched\) or (\d)D \(batched\) input to \w+, but got input of size: \[([\d, ]*)\]", text
    )
    if match:
        yield from ranked(failure, int(match[2]) - len(match[3].split(",")))
    match = re.search(r"expected (?:weight|input)'?s? to be at least|weight of size \[(\d+), (\d+)", text)
    if match and match[2] and not re.search("channels", text):
        yield from ranked(failure, 1)


def _elementwise(failure: Failure) -> Iterator[Proposal]:
    match = re.search(r"size of tensor a \((\d+)\) must match the size of tensor b \((\d+)\)", failure.text) or re.search(
        r"Expected size (\d+) but got size (\d+)", failure.text
    ) or re.search(r"Expected (\d+) in dimension \d+ but got (\d+)", failure.text)  # fmt: skip
    if not match:
        return
    one, other = int(match[1]), int(match[2])
    proposals = [
        *matching(failure, one, other, "sizes that must agree"),
        *matching(failure, other, one, "sizes that must agree"),
    ]
    shorter = list(_shorter_beside(failure, one, other))
    yield from shorter
    yield from (replace(proposal, cost=proposal.cost + (_LATER if shorter else 0.0)) for proposal in proposals)
    yield from scaled_alone(failure, one, other, "sizes that must agree")
    yield from _spread_out(failure, (one, other))
    yield from _powers_of_two(failure)
    if not proposals:
        yield from scaled(failure, one, other, "sizes that must agree")
        yield from scaled(failure, other, one, "sizes that must agree")


def _spread_out(failure: Failure, sizes: tuple[int, int]) -> Iterator[Proposal]:
    """What stands beside the main input may be one for all steps, and is then the same for each."""
    for position in positions(failure.call):
        if position[0] != failure.main and position[1] and size_at(failure.call, position) in sizes:
            yield Proposal(fixed(failure.call, [position], 1), 0.1, "the same for all steps")


def _shorter_beside(failure: Failure, one: int, other: int) -> Iterator[Proposal]:
    """What stands beside the main input is stretched many times (frames to samples): fewer frames will do."""
    if max(one, other) < _STRETCHED * min(one, other):
        return
    for position in positions(failure.call):
        argument, steps = failure.call[position[0]], failure.sizes.steps
        if (
            position[0] != failure.main
            and argument.label(position[1]) == "time"
            and size_at(failure.call, position) > steps
        ):
            yield Proposal(resize(failure.call, [position], steps), -0.1, f"a shorter {argument.name}")


def _powers_of_two(failure: Failure) -> Iterator[Proposal]:
    """Sizes that halve and double without remainder, different on each axis; small ones first for volumes."""
    free = failure.free()
    strides = math.prod(leaf.stride[0] for leaf in leaves_of(failure.model) if isinstance(leaf, nn.Conv1d))
    if len(free) == 1 and 2 < strides < LARGEST_SIZE // 2:
        for times in (2, 1, 3):
            yield Proposal(all_free(failure, [strides * times]), 0.05 * times, "a multiple of all strides")
    for rank, size in enumerate((16, 32, 64, 128)[0 if len(free) == 3 else 1 :] if free else ()):
        sizes = [size * factor for factor in range(1, len(free) + 1)]
        yield Proposal(all_free(failure, sizes), 0.1 + 0.1 * rank, "a multiple of a power of two")
        yield Proposal(all_free(failure, [size] * len(free)), 0.25 + 0.1 * rank, "a multiple of a power of two")


def _fixed_batch(failure: Failure) -> Iterator[Proposal]:
    """A batch size that is written down in the model: in a hidden state, or in a reshape that fits each single sample."""
    match = re.search(r"Expected hidden(?:\[\d\])? size \(\d+, (\d+), \d+\), got \[\d+, (\d+), \d+\]", failure.text)
    if match:
        yield from matching(failure, int(match[1]), int(match[2]), "the batch of the hidden state")
    match = re.search(r"shape '\[([\d, ]+)\]' is invalid for input of size (\d+)", failure.text)
    batch = batch_of(failure.call)
    if match and batch and int(match[2]) % batch == 0:
        view, of_one = [int(size) for size in match[1].split(",")], int(match[2]) // batch
        if of_one and math.prod(view) % of_one == 0 and math.prod(view) // of_one in view:
            where = [p for p in positions(failure.call) if failure.call[p[0]].label(p[1]) == "batch"]
            yield Proposal(resize(failure.call, where, math.prod(view) // of_one), 0.0, "the batch of a reshape")


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
        yield from scaled(failure, total // batch, want, "a reshape")
        yield from _as_view(failure, rest)
    for index in failure.beside:
        shape = (batch, *rest)
        argument = replace(failure.call[index], shape=shape, labels=("batch", *("",) * len(rest)))
        yield put(failure, index, argument, 0.0, "the shape of a reshape")
    for size in rest:
        for axis in range(1, len(failure.call[failure.main].shape)):
            cost = 0.3 if failure.call[failure.main].label(axis) in GROWING else 0.6
            yield Proposal(fixed(failure.call, [(failure.main, axis)], size), cost, f"a reshape to {size}")


def _as_view(failure: Failure, rest: list[int]) -> Iterator[Proposal]:
    """The very shape that is asked for, and an image that flattens to it."""
    argument, batch = failure.call[failure.main], failure.sizes.batch
    shape = (batch, *rest)
    labels = ("batch", *("",) * len(rest))
    yield put(failure, failure.main, replace(argument, shape=shape, labels=labels), 0.3, "the shape of a reshape")
    for channels in (1, 3):
        side = int((rest[-1] / channels) ** 0.5 + 0.5)
        if len(rest) == 1 and side > 3 and side * side * channels == rest[0]:
            image = replace(argument, shape=(batch, channels, side, side), labels=("batch", "", "height", "width"))
            yield put(failure, failure.main, image, 0.1, "an image that flattens")


def _divisible(failure: Failure) -> Iterator[Proposal]:
    if not _DIVISIBLE.search(failure.text):
        return
    for number in numbers_in(failure.text):
        if 1 < number <= 4096 and failure.free():
            near = [max(1, round(size_at(failure.call, p) / number)) * number for p in failure.free()]
            yield Proposal(all_free(failure, near), 0.2, f"a multiple of {number}")
            apart = [size + number * rank for rank, size in enumerate(near)]
            yield Proposal(all_free(failure, apart), 0.15, f"a multiple of {number}")
    yield from _powers_of_two(failure)


def numbers_in(text: str) -> list[int]:
    return [int(number) for number in re.findall(r"(?<![\w.])\d{1,6}(?![\w.])", text)]
