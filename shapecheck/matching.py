"""Does a loss accept these tensors? The contract of a rule file applied to sizes and dtypes; pure.

Torch picks the form by shape alone and only then looks at dtypes, keywords and values; so does `judge`.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from shapecheck.conditions import compile_condition
from shapecheck.rules import Loss, Requirement, Signature
from shapecheck.shapes import Bound, Pattern, match
from shapecheck.specs import TensorSpec


@dataclass(frozen=True, eq=False)
class Facts:
    """A tensor as conditions see it; what is not known is None.

    `python` is 'int', 'float' or 'list' for a Python value in a tensor's place, '' for a tensor.
    """

    shape: tuple[int, ...]
    dtype: str | None = None
    minimum: float | None = None
    maximum: float | None = None
    values: str = ""
    classes: int | None = None
    axes: tuple[str, ...] | None = None
    origin: str = "spec"
    total: float | None = None
    elements: tuple[float, ...] | None = None
    python: str = ""

    @property
    def rank(self) -> int:
        return len(self.shape)

    @property
    def numel(self) -> int:
        return math.prod(self.shape)


@dataclass(frozen=True, eq=False)
class Verdict:
    """What a contract says: the signature that the shapes took, how it read the axes, and what it refuses.

    `accepts` is None where a fact that decides is not known.
    """

    signature: Signature | None
    bounds: Mapping[str, Bound]
    broken: tuple[Requirement, ...]
    env: Mapping[str, Any]

    @property
    def accepts(self) -> bool:
        return self.signature is not None and not self.broken


def facts(spec: TensorSpec) -> Facts:
    """The facts of a tensor whose sizes are all numbers."""
    shape = tuple(size for size in spec.shape if isinstance(size, int))
    assert len(shape) == len(spec.shape), "symbols are replaced before matching"
    elements = spec.elements
    total = spec.total if elements is None else sum(elements)
    return Facts(
        shape, spec.dtype, spec.minimum, spec.maximum, spec.values or "", spec.classes, spec.axes, spec.origin,
        total, elements, spec.python,
    )  # fmt: skip


def arguments_of(
    loss: Loss, given: Mapping[str, Any], dtype: str | None, tensors: Mapping[str, Facts] | None = None
) -> dict[str, Any]:
    """The keywords of the call with torch's defaults, or what follows from the tensors.

    A tensor argument becomes `Facts`, of the output's dtype unless it says another.
    """
    values: dict[str, Any] = {name: argument.default for name, argument in loss.arguments.items()}
    for name, value in given.items():
        argument = loss.arguments.get(name)
        if argument is not None and argument.tensor and value is not None:
            value = as_tensor(value, dtype)
        values[name] = value
    for name, argument in loss.arguments.items():
        if argument.assume and values[name] is None:
            values[name] = compile_condition(argument.assume)({**values, **(tensors or {})})
    return values


def as_tensor(value: Any, dtype: str | None) -> Facts:
    """A tensor argument: `[10]` or `{shape: [10], dtype: float32, min: 0, max: 1}`."""
    if isinstance(value, Mapping):
        low, high, total = (value.get(key) for key in ("min", "max", "total"))
        return Facts(tuple(value.get("shape", ())), value.get("dtype") or dtype, low, high, total=total)
    if isinstance(value, int):
        return Facts((value,), dtype)
    return Facts(tuple(value), dtype)


def bind(patterns: Mapping[str, Pattern], tensors: Mapping[str, Facts], use_roles: bool) -> Iterator[dict[str, Bound]]:
    """Every way to read the tensors by the patterns at once, with equal names of equal size."""
    yield from _bind(tuple(patterns.items()), tensors, use_roles, {}, {}, {})


def _bind(
    left: tuple[tuple[str, Pattern], ...],
    tensors: Mapping[str, Facts],
    use_roles: bool,
    sizes: Mapping[str, int],
    ranks: Mapping[str, int],
    done: dict[str, Bound],
) -> Iterator[dict[str, Bound]]:
    if not left:
        yield done
        return
    (name, pattern), rest = left[0], left[1:]
    tensor = tensors.get(name)
    if tensor is None:
        return
    roles = tensor.axes if use_roles else None
    for bound in match(pattern, tensor.shape, roles, sizes, ranks):
        yield from _bind(rest, tensors, use_roles, bound.sizes, bound.ranks, {**done, name: bound})


def judge(loss: Loss, tensors: Mapping[str, Facts], arguments: Mapping[str, Any]) -> Verdict:
    """What the contract says of these tensors and keywords (with defaults, see `arguments_of`)."""
    for signature in loss.signatures:
        for bounds in bind(signature.patterns, tensors, use_roles=False):
            env = environment(loss, tensors, arguments, bounds, signature.form)
            if holds(signature.where, env):
                broken = tuple(requirement for requirement in loss.requires if _breaks(requirement, env))
                return Verdict(signature, bounds, broken, env)
    return Verdict(None, {}, (), environment(loss, tensors, arguments, {}, None))


def _breaks(requirement: Requirement, env: Mapping[str, Any]) -> bool:
    return holds(requirement.where, env) and compile_condition(requirement.that)(env) is False


def environment(
    loss: Loss,
    tensors: Mapping[str, Facts],
    arguments: Mapping[str, Any],
    bounds: Mapping[str, Bound],
    form: str | None,
) -> dict[str, Any]:
    """What the names of a condition stand for."""
    env: dict[str, Any] = {**arguments, **tensors}
    for bound in bounds.values():
        env.update(bound.sizes)
        for name, count in bound.ranks.items():
            env[f"count_{name}"] = count
    env["form"] = form
    env["loss"] = loss.name
    env["reduces"] = reduction_of(arguments)
    return env


def reduction_of(arguments: Mapping[str, Any]) -> str:
    """What `reduction` comes to: the deprecated size_average and reduce override it, with None for true."""
    average, reduce = arguments.get("size_average"), arguments.get("reduce")
    if average is not None or reduce is not None:
        if reduce is not None and not reduce:
            return "none"
        return "mean" if average is None or average else "sum"
    reduction: str = arguments.get("reduction", "mean")
    return "mean" if reduction == "elementwise_mean" else reduction


def result_shape(verdict: Verdict) -> tuple[int, ...] | None:
    """The shape of the loss without reduction, or None where the shapes fit no signature."""
    signature = verdict.signature
    if signature is None:
        return None
    if isinstance(signature.result, str):
        shape: tuple[int, ...] | None = compile_condition(signature.result)(verdict.env)
        return shape
    ranks = {name: count for bound in verdict.bounds.values() for name, count in bound.ranks.items()}
    return tuple(verdict.env[name] for name in expanded(signature.result, ranks))


def result_names(verdict: Verdict) -> tuple[str, ...]:
    """The axes of the loss without reduction, by the names of the contract; none for a broadcast form."""
    if verdict.signature is None or isinstance(verdict.signature.result, str):
        return ()
    ranks = {name: count for bound in verdict.bounds.values() for name, count in bound.ranks.items()}
    return tuple(expanded(verdict.signature.result, ranks))


def expanded(pattern: Pattern, ranks: Mapping[str, int]) -> Iterator[str]:
    """The names in a pattern, `*where` as `where.0`, `where.1`, ..."""
    for term in pattern.terms:
        if term.kind in ("star", "plus"):
            yield from (f"{term.name}.{index}" for index in range(ranks.get(term.name, 0)))
        else:
            yield term.name


def holds(condition: str, env: Mapping[str, Any]) -> bool:
    """Whether a condition is certainly true; an empty one is."""
    return not condition or compile_condition(condition)(env) is True
