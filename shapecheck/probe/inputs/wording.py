"""Better arguments from torch's own words, for calls that no layer's contract covers. Runs nothing.

What is said of sizes is read in size_words.py; here are ranks, lengths, dtypes, ranges and missing arguments.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import replace

import torch

from shapecheck.probe.inputs.adjusting import (
    all_free,
    grown,
    matching,
    mobile,
    resized_alike,
    usual,
)
from shapecheck.probe.inputs.candidates import Proposal, beside, parameters_of, with_dtype
from shapecheck.probe.inputs.failure import Failure, put
from shapecheck.probe.inputs.ranks import reranked
from shapecheck.probe.inputs.size_words import from_sizes, numbers_in
from shapecheck.probe.runs.feeding import positions, size_at
from shapecheck.probe.runs.running import EmptyOutputError

_TOO_SMALL = re.compile(
    r"[Kk]ernel size can't be greater|[Oo]utput size is too small|too short|too small|negative|non-zero size|non-empty|"
    r"Padding size should be less|more than 1 value|>= ?\d|at least|bigger|must be (greater|larger)|maximum size for tensor|"
    r"exceeds dimension size|smaller than|zero-size|0 elements|start out of range.*got -|length must be non-negative"
)
_TORCH_SIZES = re.compile(r"must match the size of tensor|Sizes of tensors must match|invalid for input of size")


def from_words(failure: Failure) -> list[Proposal]:
    """What every rule that knows the message proposes."""
    return [proposal for rule in _RULES for proposal in rule(failure)]


def _rank_in_words(failure: Failure) -> Iterator[Proposal]:
    text, rank = failure.text, len(failure.call[failure.blamed[0]].shape)
    match = re.search(r"unpack \(expected (\d+)", text)
    if match and 1 <= int(match[1]) <= 5:
        yield from reranked(failure, int(match[1]) - rank)
    match = re.search(r"too many values to unpack \(expected (\d)\)", text)
    if match:
        yield from _unpacked(failure, int(match[1]))
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
    match = re.search(r"(?s)\b(?:axis|axes|dims|dimensions)\b.*Expected size (\d+) but got size (\d+)", text)
    if match:
        yield from reranked(failure, int(match[1]) - int(match[2]))
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


def _unpacked(failure: Failure, parts: int) -> Iterator[Proposal]:
    """A tensor that is taken apart into so many: as its first axis, which may be missing."""
    for index in failure.blamed:
        argument = failure.call[index]
        rest, labels = argument.shape[1:], tuple(argument.label(axis) for axis in range(1, len(argument.shape)))
        whole = replace(argument, shape=(parts, *argument.shape), labels=("", argument.label(0), *labels))
        yield put(failure, index, replace(argument, shape=(parts, *rest), labels=("", *labels)), 0.3, "parts")
        yield put(failure, index, whole, 0.4, "parts")


def _too_small(failure: Failure) -> Iterator[Proposal]:
    if isinstance(failure.trial.error, EmptyOutputError) or _TOO_SMALL.search(failure.text):
        yield from grown(failure)


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
                number = replace(argument, kind="constant", shape=(), labels=(), value=max(1, size // 2))
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
        r"None|^$|^'\w+' object has no attribute", failure.text
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
    if not isinstance(failure.trial.error, (AssertionError, ValueError, RuntimeError)) or _TORCH_SIZES.search(
        failure.text
    ):
        return
    numbers = numbers_in(failure.text)
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


_RULES: tuple[Callable[[Failure], Iterator[Proposal]], ...] = (
    from_sizes, _rank_in_words, _too_small, _kinds, _plain_numbers, _smaller_values, _missing, _stated_sizes, _silent_assertion,
)  # fmt: skip
