"""Calls of losses with small real tensors: how they are made, what torch does with them, what the rule file says.

Shared by the tests of the contracts; nothing here knows a loss by name. Tensors are made once for each shape, dtype
and content and shared by all calls, because no loss writes into its arguments.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

import torch
import torch.nn.functional as F

from shapecheck.matching import Facts, Verdict, arguments_of, facts, judge, result_shape
from shapecheck.measure import number_facts
from shapecheck.rules import load_loss
from shapecheck.specs import DTYPES

torch.set_num_threads(1)

Shape = tuple[int, ...]
Shapes = tuple[Shape, ...]
Fill = tuple[float, ...]

TESTED_DTYPES = DTYPES[:12]
PLAIN_DTYPES = ("float32", "int64")


# --------------------------------------------------------------------------------------------- tensors


@dataclass(frozen=True, eq=False)
class Made:
    """A tensor, or a Python value in its place, and the facts that a rule file sees of it."""

    value: Any
    facts: Facts

    def __str__(self) -> str:
        if self.facts.python:
            return repr(self.value)
        values = f" {self.value.tolist()}" if 0 < self.value.numel() < 5 else ""
        return f"{self.facts.shape} {self.facts.dtype}{values}"


@lru_cache(maxsize=100_000)
def made(shape: Shape, dtype: str = "float32", fill: Fill = (0,)) -> Made:
    """A tensor whose first elements are those of `fill`; its last one is repeated to the end.

    With `float`, `int` or `list` for a dtype it is such a Python value.
    """
    count = math.prod(shape)
    values = [*fill[:count], *[fill[-1]] * (count - len(fill))]
    if dtype in ("float", "int", "list"):
        return _python_value(dtype, fill[0], values)
    tensor = torch.tensor(values, dtype=torch.float64).to(getattr(torch, dtype)).reshape(shape)
    return Made(tensor, _measured(tensor, dtype))


def _python_value(kind: str, number: float, values: Sequence[float]) -> Made:
    value: Any = float(number)
    if kind == "list":
        value = [int(item) for item in values]
    elif kind == "int" and math.isfinite(number):
        value = int(number)
    spec = number_facts(value)
    assert spec is not None
    return Made(value, facts(spec))


def _measured(tensor: torch.Tensor, dtype: str) -> Facts:
    """What `shapecheck.measure` finds in real data: nothing where there is no order or no element."""
    shape = tuple(tensor.shape)
    if not tensor.numel() or tensor.is_complex():
        return Facts(shape, dtype)
    low, high, total = float(tensor.min()), float(tensor.max()), float(tensor.sum(dtype=torch.float64))
    whole = not tensor.is_floating_point() and tensor.dtype != torch.bool
    return Facts(shape, dtype, low, high, total=total, elements=tuple(tensor.reshape(-1).tolist()) if whole else None)


# ----------------------------------------------------------------------------------------------- calls


@dataclass(frozen=True, eq=False)
class Call:
    """One call: the tensors in torch's order, and the keywords, `Made` where they are tensors."""

    loss: str
    tensors: tuple[Made, ...]
    keywords: Mapping[str, Any]

    def __str__(self) -> str:
        given = [str(tensor) for tensor in self.tensors]
        given += [
            f"{name}={value if isinstance(value, Made) else repr(value)}" for name, value in self.keywords.items()
        ]
        return f"{self.loss}({', '.join(given)})"

    @property
    def plain(self) -> bool:
        """Whether every tensor is float32 or int64."""
        values = (*self.tensors, *(value for value in self.keywords.values() if isinstance(value, Made)))
        return all(value.facts.python or value.facts.dtype in PLAIN_DTYPES for value in values)


def torch_says(call: Call) -> torch.Tensor | Exception:
    """What torch computes, or what it raises.

    A loss that is only a module takes its keywords when it is made, and returns its numbers per element besides.
    """
    tensors = [tensor.value for tensor in call.tensors]
    keywords = {name: value.value if isinstance(value, Made) else value for name, value in call.keywords.items()}
    function = getattr(F, call.loss, None)
    try:
        if function is not None:
            return function(*tensors, **keywords)
        return _module(call.loss, tuple(keywords.items()))(*tensors).output
    except Exception as error:  # whatever torch raises is its answer
        return error


@lru_cache(maxsize=1000)
def _module(loss: str, keywords: tuple[tuple[str, Any], ...]) -> torch.nn.Module:
    return getattr(torch.nn, load_loss(loss).call.rpartition(".")[2])(**dict(keywords))


def rule_says(call: Call) -> Verdict:
    """The verdict of the rule file."""
    loss = load_loss(call.loss)
    tensors = {name: tensor.facts for name, tensor in zip(loss.tensors, call.tensors, strict=True)}
    numbers = {name: value for name, value in call.keywords.items() if not isinstance(value, Made)}
    weights = {name: value.facts for name, value in call.keywords.items() if isinstance(value, Made)}
    return judge(loss, tensors, {**arguments_of(loss, numbers, call.tensors[0].facts.dtype, tensors), **weights})


def difference(call: Call, verdict: Verdict, answer: torch.Tensor | Exception) -> str | None:
    """A line that says how rule and torch differ, or None."""
    if isinstance(answer, Exception):
        return f"{call}: the rule accepts, torch raises {_first_line(answer)}" if verdict.accepts else None
    if not verdict.accepts:
        refusal = ", ".join(requirement.name for requirement in verdict.broken) or "no signature"
        return f"{call}: the rule refuses ({refusal}), torch computes {tuple(answer.shape)}"
    if unreduced(call):
        expected = result_shape(verdict)
        if tuple(answer.shape) != expected:
            return f"{call}: the rule says the result is {expected}, torch gives {tuple(answer.shape)}"
    return None


def _first_line(error: Exception) -> str:
    return f"{type(error).__name__}: {(str(error).strip().splitlines() or [''])[0][:160]}"


def unreduced(call: Call) -> bool:
    """Whether torch's answer has one number per element; size_average and reduce override reduction."""
    if not hasattr(F, call.loss):
        return True
    old = [call.keywords.get(name) for name in ("size_average", "reduce")]
    return call.keywords.get("reduction") == "none" if old == [None, None] else old[1] is False


@dataclass
class Count:
    """How many calls were compared, how many of them torch took, and the lines of those that differ."""

    total: int = 0
    accepted: int = 0
    plain: list[str] = field(default_factory=list)  # float32 and int64 only
    other: list[str] = field(default_factory=list)

    @property
    def differing(self) -> list[str]:
        return [*self.plain, *self.other]

    def __str__(self) -> str:
        return "\n".join([f"{len(self.differing)} of {self.total} calls differ", *self.differing[:20]])


def compare(calls: Iterable[Call]) -> Count:
    """Ask torch and the rule about every call."""
    count = Count()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # broadcasting, deprecated keywords, discarded imaginary parts
        for call in calls:
            verdict, answer = rule_says(call), torch_says(call)
            count.total += 1
            count.accepted += not isinstance(answer, Exception)
            line = difference(call, verdict, answer)
            if line is not None:
                (count.plain if call.plain else count.other).append(line)
    return count
