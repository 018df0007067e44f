"""Better arguments from torch's own words, for calls that no layer's contract covers. Runs nothing.

Because free sizes are distinct, a wrong size in a message is traced back to the input axis that has it.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator
from dataclasses import replace

import torch
from torch import nn

from shapecheck.probe.adjusting import (
    LARGEST_SIZE,
    Failure,
    all_free,
    fixed,
    grown,
    matching,
    mobile,
    put,
    ranked,
    reranked,
    resized_alike,
    scaled,
    swapped,
    usual,
)
from shapecheck.probe.candidates import Proposal, beside, parameters_of, with_dtype
from shapecheck.probe.feeding import GROWING, Argument, positions, resize, size_at
from shapecheck.probe.leaves import leaves_of
from shapecheck.probe.running import EmptyOutputError

_TOO_SMALL = re.compile(
    r"[Kk]ernel size can't be greater|[Oo]utput size is too small|too short|too small|negative|non-zero size|non-empty|"
    r"Padding size should be less|more than 1 value|>= ?\d|at least|bigger|must be (greater|larger)|maximum size for tensor|"
    r"exceeds dimension size|smaller than|zero-size|0 elements|start out of range.*got -|length must be non-negative"
)
_STRETCHED = 8
_DIVISIBLE = re.compile(r"divis|multiple|chunks|divide")


def from_words(failure: Failure) -> list[Proposal]:
    """What every rule that knows the message proposes."""
    return [proposal for rule in _RULES for proposal in rule(failure)]


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
    yield from proposals
    yield from _shorter_beside(failure, one, other)
    yield from _powers_of_two(failure)
    if not proposals:
        yield from scaled(failure, one, other, "sizes that must agree")
        yield from scaled(failure, other, one, "sizes that must agree")


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
    """A hidden state of a batch size that is written down in the model."""
    match = re.search(r"Expected hidden(?:\[\d\])? size \(\d+, (\d+), \d+\), got \[\d+, (\d+), \d+\]", failure.text)
    if match:
        yield from matching(failure, int(match[1]), int(match[2]), "the batch of the hidden state")


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


def _rank_in_words(failure: Failure) -> Iterator[Proposal]:
    text, rank = failure.text, len(failure.call[failure.blamed[0]].shape)
    match = re.search(r"unpack \(expected (\d+)", text)
    if match and 1 <= int(match[1]) <= 5:
        yield from reranked(failure, int(match[1]) - rank)
    match = re.search(r"range of \[-?\d+, (\d+)\], but got (-?\d+)", text)
    if match:
        over = int(match[2]) - int(match[1])
        yield from reranked(failure, over if over > 0 else 1)
    elif re.search(r"tuple index out of range|too many indices|Dimension out of range|list index", text):
        yield from reranked(failure, 1)
    for pattern in (
        r"number of dimensions in the tensor input.*?= (\d+).*?= (\d+)",
        r"(\d+) dimension\(s\).*?(\d+)-dim",
    ):
        match = re.search(pattern, text)
        if match:
            yield from reranked(failure, int(match[2]) - int(match[1]))
    match = re.search(r"must have same number of dimensions: got (\d+) and (\d+)", text)
    if match:
        yield from reranked(failure, int(match[1]) - int(match[2]))
        yield from reranked(failure, int(match[2]) - int(match[1]))
    match = re.search(
        r"[Ee]xpected:? (?:input )?(?:to be )?(\d)-?[dD]|must be (\d)-?D|[Ww]rong shape: expected (\d) dims|expected (\d) dims",
        text,
    )
    wanted = next((int(group) for group in match.groups() if group), 0) if match else 0
    if 0 < wanted < 6 and wanted != rank:
        yield from reranked(failure, wanted - rank)


def _too_small(failure: Failure) -> Iterator[Proposal]:
    if isinstance(failure.trial.error, EmptyOutputError) or _TOO_SMALL.search(failure.text):
        yield from grown(failure)


def _divisible(failure: Failure) -> Iterator[Proposal]:
    if not _DIVISIBLE.search(failure.text):
        return
    for number in _numbers(failure.text):
        if 1 < number <= 4096 and failure.free():
            near = [max(1, round(size_at(failure.call, p) / number)) * number for p in failure.free()]
            yield Proposal(all_free(failure, near), 0.2, f"a multiple of {number}")
            apart = [size + number * rank for rank, size in enumerate(near)]
            yield Proposal(all_free(failure, apart), 0.15, f"a multiple of {number}")
    yield from _powers_of_two(failure)


def _kinds(failure: Failure) -> Iterator[Proposal]:
    """Integer or floating, and how large the integers may be."""
    text = failure.text
    if re.search(
        r"one_hot|LongTensor|Long|indices|integer|index tensor|tensors used as indices|expected scalar type Int", text
    ):
        for index, argument in enumerate(failure.call):
            if argument.kind == "float":
                yield put(failure, index, mobile(replace(argument, kind="int")), 0.1, "indices wanted")
                if len(argument.shape) > 2:
                    flat = replace(
                        argument, kind="int", shape=(argument.shape[0], failure.sizes.samples), labels=("batch", "time")
                    )
                    yield put(failure, index, flat, 0.2, "indices wanted")
    if re.search(r"dtype|scalar type|Input type|not implemented for|floating point|a floating|'Long'|Float", text):
        for index, argument in enumerate(failure.call):
            if argument.kind == "int":
                yield put(failure, index, replace(argument, kind="float"), 0.15, "floats wanted")
            if argument.kind == "float" and re.search("[Dd]ouble|[Cc]omplex", text):
                kind = torch.complex64 if re.search("[Cc]omplex", text) else torch.float64
                other = kind if argument.dtype is not kind else torch.float32
                yield Proposal(
                    (*failure.call[:index], replace(argument, dtype=other), *failure.call[index + 1 :]), 0.2, str(other)
                )
            if argument.kind == "bool" or (argument.kind == "int" and "bool" in text.lower()):
                yield put(
                    failure, index, replace(argument, kind="int" if argument.kind == "bool" else "bool"), 0.3, "dtype"
                )


def _plain_numbers(failure: Failure) -> Iterator[Proposal]:
    """A length that is one number for the whole batch."""
    if re.search(
        r"converted to (an index|Scalar)|interpreted as an integer|only one element tensors|bad operand", failure.text
    ):
        for index, argument in enumerate(failure.call):
            if argument.kind == "lengths" or (argument.kind == "constant" and argument.value is None):
                size = argument.high if argument.kind == "lengths" else failure.sizes.steps
                number = Argument(argument.name, "constant", keyword=argument.keyword, value=max(1, size // 2))
                yield Proposal((*failure.call[:index], number, *failure.call[index + 1 :]), 0.0, "a plain number")


def _smaller_values(failure: Failure) -> Iterator[Proposal]:
    text = failure.text
    if not re.search(
        r"smaller than num_classes|index out of range in self|out of bounds|index \d+ is out|(?<!Dimension |ist index |ple index )out of range",
        text,
    ):
        return
    for index, argument in enumerate(failure.call):
        if argument.kind == "int" and argument.high > 2:
            for rank, high in enumerate(dict.fromkeys((argument.high // 2, 10, 2))):
                if 2 <= high < argument.high:
                    yield put(failure, index, replace(argument, high=high), 0.05 + 0.2 * rank, "smaller indices")
    match = re.search(r"index (\d+) is out of bounds for dimension \d+ with size (\d+)", text)
    if match:
        yield from matching(failure, int(match[1]) + 1, int(match[2]), "an index table")
    for position in failure.free():
        if size_at(failure.call, position) > 7:
            yield Proposal(resized_alike(failure.call, position, 7), 0.6, "a shorter sequence")


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
                yield put(failure, index, guess, 0.2, f"{argument.name} is needed")


def _stated_sizes(failure: Failure) -> Iterator[Proposal]:
    """`Input height (64) doesn't match model (224)`: numbers in a message that are sizes, and numbers that are not."""
    if not isinstance(failure.trial.error, (AssertionError, ValueError, RuntimeError)):
        return
    numbers = _numbers(failure.text)
    call = failure.call
    present = {size_at(call, p) for p in positions(call) if call[p[0]].label(p[1]) != "batch"}
    new = [n for n in numbers if n not in present and 1 < n < 20_000][:3]
    for old in [n for n in numbers if n in present and n > 1][:3]:
        for size in new:
            yield from matching(failure, old, size, "a size in the message")
    for size in new:
        if failure.free():
            yield Proposal(all_free(failure, [size] * len(failure.free())), 0.35, "a size in the message")


def _silent_assertion(failure: Failure) -> Iterator[Proposal]:
    if isinstance(failure.trial.error, AssertionError) and not failure.text:
        yield from usual(failure, "a bare assert")


def _numbers(text: str) -> list[int]:
    return [int(number) for number in re.findall(r"(?<![\w.])\d{1,6}(?![\w.])", text)]


_RULES: tuple[Callable[[Failure], Iterator[Proposal]], ...] = (
    _multiplication, _convolution, _elementwise, _fixed_batch, _reshaped, _rank_in_words, _too_small, _divisible, _kinds, _plain_numbers, _smaller_values,
    _missing, _stated_sizes, _silent_assertion,
)  # fmt: skip
