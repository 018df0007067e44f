"""The contracts of the rule files against the real torch: what they accept, what they refuse, the shape of the result.

A disagreement is a bug of a rule file. Labels are 0 unless a test is about label values, so that shapes, dtypes and
keywords decide alone.
"""

from __future__ import annotations

import itertools
import math
import random
import warnings
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shapecheck.matching import Facts, Verdict, arguments_of, judge
from shapecheck.rules import load_loss
from shapecheck.shapes import Pattern
from shapecheck.specs import DTYPES

torch.set_num_threads(1)

LOSSES = ("cross_entropy", "nll_loss")
TESTED_DTYPES = DTYPES[:12]
Shape = tuple[int, ...]
SHAPES: list[Shape] = [shape for rank in range(6) for shape in itertools.product(range(4), repeat=rank)]

# Pairs that some form takes, of every rank and with empty axes, and pairs just beside them.
FITTING: list[tuple[Shape, Shape]] = [
    ((3,), ()), ((3,), (1,)), ((3,), (3,)), ((1,), ()), ((1,), (1,)), ((0,), ()), ((0,), (1,)), ((0,), (0,)),
    ((2, 3), (2,)), ((2, 3), (2, 3)), ((1, 3), (1,)), ((2, 1), (2,)), ((2, 1), (2, 1)), ((0, 3), (0,)), ((0, 3), (0, 3)),
    ((2, 0), (2,)), ((2, 0), (2, 0)), ((0, 0), (0,)), ((0, 0), (0, 0)),
    ((2, 3, 4), (2, 4)), ((2, 3, 4), (2, 3, 4)), ((1, 3, 1), (1, 1)), ((2, 1, 3), (2, 3)), ((0, 3, 4), (0, 4)),
    ((2, 3, 0), (2, 0)), ((2, 3, 0), (2, 3, 0)), ((2, 0, 3), (2, 3)), ((2, 0, 0), (2, 0)),
    ((2, 3, 4, 5), (2, 4, 5)), ((2, 3, 4, 5), (2, 3, 4, 5)), ((0, 3, 2, 2), (0, 2, 2)), ((2, 3, 0, 1), (2, 0, 1)),
    ((2, 0, 2, 1), (2, 2, 1)), ((2, 0, 0, 1), (2, 0, 1)),
    ((2, 3, 1, 2, 2), (2, 1, 2, 2)), ((2, 3, 1, 2, 2), (2, 3, 1, 2, 2)), ((2, 0, 1, 2, 2), (2, 1, 2, 2)),
]  # fmt: skip
BESIDE: list[tuple[Shape, Shape]] = [
    ((2, 3), (3,)), ((2, 3), (2, 1)), ((2, 3), ()), ((3,), (2,)), ((), ()), ((), (1,)), ((2, 3, 4), (2, 3)),
    ((2, 3, 4, 5), (2, 5, 4)), ((2, 3, 4, 5), (2, 3, 4)), ((2, 3, 4, 5), (2, 1, 4, 5)),
]  # fmt: skip


@dataclass(frozen=True)
class Call:
    """One call of a loss with real tensors."""

    loss: str
    output: torch.Tensor
    target: torch.Tensor
    keywords: Mapping[str, Any] = field(default_factory=dict)

    def __str__(self) -> str:
        shown = {name: _shown(value) for name, value in self.keywords.items()}
        return f"{self.loss}({_shown(self.output)}, {_shown(self.target)}, {shown})"


def _shown(value: Any) -> str:
    if not isinstance(value, torch.Tensor):
        return repr(value)
    values = f" {value.tolist()}" if value.numel() < 5 else ""
    return f"{tuple(value.shape)} {_name(value.dtype)}{values}"


def _name(dtype: torch.dtype) -> str:
    return str(dtype).removeprefix("torch.")


def _facts(tensor: torch.Tensor) -> Facts:
    measured = tensor.numel() > 0 and not tensor.is_complex()
    low, high = (float(tensor.min()), float(tensor.max())) if measured else (None, None)
    return Facts(tuple(tensor.shape), _name(tensor.dtype), low, high)


def rule_says(call: Call) -> Verdict:
    """The verdict of the rule file."""
    loss = load_loss(call.loss)
    given = {name: _plain(value) for name, value in call.keywords.items()}
    tensors = {"output": _facts(call.output), "target": _facts(call.target)}
    return judge(loss, tensors, arguments_of(loss, given, _name(call.output.dtype)))


def _plain(value: Any) -> Any:
    if not isinstance(value, torch.Tensor):
        return value
    return {"shape": list(value.shape), "dtype": _name(value.dtype)}


def torch_says(call: Call) -> torch.Tensor | Exception:
    """What torch computes, or what it raises."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # size_average and reduce are deprecated
        try:
            return getattr(F, call.loss)(call.output, call.target, **call.keywords)
        except Exception as error:
            return error


def disagreement(call: Call, verdict: Verdict) -> str | None:
    """A line that says how rule and torch differ, or None."""
    answer = torch_says(call)
    if isinstance(answer, Exception):
        return f"{call}: the rule accepts, torch raises {answer}" if verdict.accepts else None
    if not verdict.accepts:
        refusal = [requirement.name for requirement in verdict.broken] or "no signature"
        return f"{call}: the rule refuses ({refusal}), torch computes"
    if call.keywords.get("reduction") == "none" and not {"size_average", "reduce"} & set(call.keywords):
        expected = result_shape(verdict)
        if tuple(answer.shape) != expected:
            return f"{call}: the rule says the result is {expected}, torch gives {tuple(answer.shape)}"
    return None


def result_shape(verdict: Verdict) -> Shape:
    """The shape that the signature's `result` pattern says."""
    assert verdict.signature is not None
    output = verdict.bounds["output"]
    return tuple(output.sizes[name] for name in _expanded(verdict.signature.result, output.ranks))


def _expanded(pattern: Pattern, ranks: Mapping[str, int]) -> Iterator[str]:
    for term in pattern.terms:
        if term.kind == "star":
            yield from (f"{term.name}.{index}" for index in range(ranks[term.name]))
        else:
            yield term.name


def check(calls: Iterable[Call]) -> tuple[int, int]:
    """Fails with every disagreement; else how many calls torch took, and how many there were."""
    accepted = total = 0
    differing = []
    for call in calls:
        verdict = rule_says(call)
        total += 1
        accepted += verdict.accepts
        line = disagreement(call, verdict)
        if line is not None:
            differing.append(line)
    assert not differing, "\n".join([f"{len(differing)} of {total} calls differ", *differing[:20]])
    return accepted, total


# ---------------------------------------------------------------------------------------------- shapes


def _beside(generator: random.Random) -> tuple[Shape, Shape]:
    """An output and a target that fits it, or fits but for one axis."""
    output = generator.choice(SHAPES)
    target = list(output)
    if target and generator.random() < 0.7:
        del target[min(generator.choice((0, 1, 1, 4)), len(target) - 1)]
    change = generator.randrange(4)
    if change == 1 and target:
        target[generator.randrange(len(target))] = generator.randrange(4)
    elif change == 2:
        target.insert(generator.randrange(len(target) + 1), generator.randrange(4))
    return output, tuple(target)


def _sample(count: int) -> Iterator[tuple[Shape, Shape]]:
    generator = random.Random(0)
    for index in range(count):
        yield _beside(generator) if index % 2 else (generator.choice(SHAPES[:341]), generator.choice(SHAPES[:341]))


def _shape_calls(loss: str, dtype: torch.dtype, pairs: Iterable[tuple[Shape, Shape]]) -> Iterator[Call]:
    for output, target in pairs:
        yield Call(loss, torch.zeros(output), torch.zeros(target, dtype=dtype), {"reduction": "none"})


@pytest.mark.parametrize("dtype", (torch.int64, torch.float32), ids=_name)
@pytest.mark.parametrize("loss", LOSSES)
def test_a_sample_of_all_shapes(loss: str, dtype: torch.dtype) -> None:
    accepted, _ = check(_shape_calls(loss, dtype, _sample(4000)))
    assert accepted > 100 or (loss == "nll_loss" and dtype == torch.float32)


@pytest.mark.slow
@pytest.mark.parametrize("dtype", (torch.int64, torch.float32), ids=_name)
@pytest.mark.parametrize("loss", LOSSES)
def test_all_shapes(loss: str, dtype: torch.dtype) -> None:
    """Every pair up to rank 4, and every pair of neighbouring ranks up to 5 with sizes 0..2."""
    small = [shape for shape in SHAPES if max(shape, default=0) < 3]
    pairs = itertools.chain(
        itertools.product(SHAPES[:341], repeat=2),
        ((a, b) for a in small for b in small if 5 in (len(a), len(b)) and abs(len(a) - len(b)) <= 1),
    )
    check(_shape_calls(loss, dtype, pairs))


# ---------------------------------------------------------------------------------------------- dtypes


@pytest.mark.parametrize("loss", LOSSES)
def test_all_dtypes_in_every_form(loss: str) -> None:
    dtypes = [getattr(torch, name) for name in TESTED_DTYPES]
    check(
        Call(loss, torch.zeros(output, dtype=of_output), torch.zeros(target, dtype=of_target), {"reduction": reduction})
        for output, target in FITTING
        for of_output in dtypes
        for of_target in dtypes
        for reduction in (("none", "mean") if of_target == torch.uint8 else ("none",))
    )


# -------------------------------------------------------------------------------------------- keywords


def _weights(output: Shape) -> Iterator[torch.Tensor | None]:
    classes = output[1] if len(output) > 1 else math.prod(output)
    yield None
    shapes = [(classes,), (classes + 1,), (1,), (0,), ()]
    if classes:
        shapes += [(classes, 1), (1, classes), (1, 1, classes), (classes, 1, 1), (classes, classes), (1, 1)]
    yield from (torch.ones(shape) for shape in shapes)


@pytest.mark.parametrize("loss", LOSSES)
def test_weights_of_all_shapes(loss: str) -> None:
    smoothings = (0.0, 0.1) if loss == "cross_entropy" else (None,)
    check(
        Call(loss, torch.zeros(output), torch.zeros(target, dtype=dtype), _given(weight=weight, reduction=reduction, label_smoothing=smoothing))
        for output, target in FITTING
        for dtype in (torch.int64, torch.uint8, torch.float32)
        for weight in _weights(output)
        for reduction in ("none", "mean", "sum")
        for smoothing in smoothings
    )  # fmt: skip


def _given(**keywords: Any) -> dict[str, Any]:
    return {name: value for name, value in keywords.items() if value is not None}


@pytest.mark.parametrize("loss", LOSSES)
def test_weights_of_all_dtypes(loss: str) -> None:
    check(
        Call(loss, torch.zeros(output, dtype=dtype), torch.zeros(target, dtype=of_target), {"weight": torch.ones(3, dtype=getattr(torch, name))})
        for output, target in (((3,), ()), ((2, 3), (2,)), ((2, 3, 4), (2, 4)), ((2, 3, 4, 5), (2, 4, 5)), ((2, 3), (2, 3)))
        for dtype in (torch.float32, torch.float64, torch.float16)
        for of_target in (torch.int64, torch.float32)
        for name in TESTED_DTYPES
    )  # fmt: skip


REDUCTIONS = ("none", "mean", "sum", "elementwise_mean", "batchmean", "avg")


@pytest.mark.parametrize("loss", LOSSES)
def test_reductions_and_what_overrides_them(loss: str) -> None:
    check(
        Call(loss, torch.zeros(output), torch.zeros(target, dtype=dtype), _given(reduction=reduction, size_average=average, reduce=reduce))
        for output, target in (((3,), ()), ((2, 3), (2,)), ((2, 3, 4), (2, 4)), ((2, 3), (2, 3)), ((0, 3, 2), (0, 2)))
        for dtype in (torch.int64, torch.uint8, torch.float32)
        for reduction in REDUCTIONS
        for average in (None, True, False)
        for reduce in (None, True, False)
    )  # fmt: skip


def test_label_smoothing_and_ignore_index() -> None:
    check(
        Call("cross_entropy", torch.zeros(output), torch.zeros(target, dtype=dtype), {"label_smoothing": smoothing, "ignore_index": ignored})
        for output, target in (*FITTING, *BESIDE)
        for dtype in (torch.int64, torch.uint8, torch.float32)
        for smoothing in (0, 0.1, 1, 1.5, -0.5, math.nan)
        for ignored in (-100, -1, 0, 1, 5)
    )  # fmt: skip


# ---------------------------------------------------------------------------------------------- labels


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("output, target", [((3,), ()), ((4, 3), (4,)), ((2, 3, 4), (2, 4)), ((2, 3, 2, 2), (2, 2, 2))])
@pytest.mark.parametrize("odd", (-100, -1, 0, 1, 2, 3, 4, 255))
@pytest.mark.parametrize("ignored", (-100, -1, 0, 3, 255))
def test_labels_in_and_out_of_range(loss: str, output: Shape, target: Shape, odd: int, ignored: int) -> None:
    labels = torch.zeros(target, dtype=torch.int64)
    labels.view(-1)[-1] = odd
    call = Call(loss, torch.zeros(output), labels, {"ignore_index": ignored})
    answer = torch_says(call)
    assert [requirement.name for requirement in rule_says(call).broken] == (
        ["label-range"] if isinstance(answer, Exception) else []
    )
    if isinstance(answer, Exception):
        assert isinstance(answer, IndexError)
        assert f"Target {odd} is out of bounds" in str(answer)


def test_labels_that_are_not_known_decide_nothing() -> None:
    loss = load_loss("cross_entropy")
    tensors = {"output": Facts((2, 3), "float32"), "target": Facts((2,), "int64")}
    assert judge(loss, tensors, arguments_of(loss, {}, "float32")).accepts


# -------------------------------------------------------------------------------------------- mixtures


@st.composite
def calls(draw: st.DrawFn) -> Call:
    """A call with anything that may be right or wrong of it."""
    loss = draw(st.sampled_from(LOSSES))
    output, target = draw(st.sampled_from(FITTING) | st.sampled_from([*FITTING, *BESIDE]))
    dtype = getattr(torch, draw(st.sampled_from(FLOATS) | st.sampled_from(TESTED_DTYPES)))
    of_target = getattr(torch, draw(st.sampled_from(("int64", "uint8", "float32")) | st.sampled_from(TESTED_DTYPES)))
    labels = torch.zeros(target, dtype=of_target)
    if labels.numel() and of_target == torch.int64:
        labels.view(-1)[-1] = draw(st.sampled_from((0, 0, 1, 2, 3, -1, -100)))
    keywords: dict[str, Any] = {}
    if draw(st.booleans()):
        weight = draw(st.sampled_from(list(_weights(output))))
        of_weight = draw(st.just(dtype) | st.sampled_from(TESTED_DTYPES).map(lambda name: getattr(torch, name)))
        keywords["weight"] = weight if weight is None else weight.to(of_weight)
    keywords |= draw(st.fixed_dictionaries({}, optional=_optional(loss)))
    return Call(loss, torch.zeros(output, dtype=dtype), labels, keywords)


FLOATS = ("float32", "float64")


def _optional(loss: str) -> dict[str, st.SearchStrategy[Any]]:
    options: dict[str, st.SearchStrategy[Any]] = {
        "ignore_index": st.sampled_from((-100, -1, 0, 1, 5)),
        "reduction": st.sampled_from(REDUCTIONS),
        "size_average": st.sampled_from((None, True, False)),
        "reduce": st.sampled_from((None, True, False)),
    }
    if loss == "cross_entropy":
        options["label_smoothing"] = st.sampled_from((0, 0.1, 1, 1.5, -0.5, math.nan))
    return options


@settings(max_examples=2500, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
@given(calls())
def test_mixtures(call: Call) -> None:
    assert disagreement(call, rule_says(call)) is None
