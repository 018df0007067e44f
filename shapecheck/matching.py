"""Does a loss accept these tensors? The contract of a rule file applied to sizes and dtypes; pure.

Torch picks the form by shape alone and only then looks at dtypes, keywords and values; so does `judge`.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from shapecheck.conditions import compile_condition
from shapecheck.narrowing import Narrowed, kind_of, narrowed, signatures_of
from shapecheck.plans import Bound, Patterns
from shapecheck.rules import Loss, Requirement, Signature
from shapecheck.shapes import Pattern
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
    permuted: bool = False
    distinct: int | None = None
    stray: float | None = None
    normalised: int | None = None

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
    possible: Narrowed

    @property
    def accepts(self) -> bool:
        return self.signature is not None and not self.broken


def facts(spec: TensorSpec) -> Facts:
    """The facts of a tensor whose sizes are all numbers: symbols have been replaced before."""
    shape: tuple[Any, ...] = spec.shape
    elements = spec.elements
    return Facts(
        shape, spec.dtype, spec.minimum, spec.maximum, spec.values or "", spec.classes, spec.axes, spec.origin,
        spec.total if elements is None else sum(elements), elements, spec.python, spec.permuted,
        spec.distinct, spec.stray, spec.normalised,
    )  # fmt: skip


def arguments_of(
    loss: Loss, given: Mapping[str, Any], dtype: str | None, tensors: Mapping[str, Facts] | None = None
) -> Mapping[str, Any]:
    """The keywords of the call with torch's defaults, or what follows from the tensors.

    A tensor argument becomes `Facts`, of the output's dtype unless it says another.
    """
    if not given and not loss.assumed:
        return loss.defaults
    values: dict[str, Any] = {**loss.defaults}
    for name, value in given.items():
        argument = loss.arguments.get(name)
        if argument is not None and argument.tensor and value is not None:
            value = as_tensor(value, dtype)
        values[name] = value
    for name in loss.assumed:
        if values[name] is None:
            values[name] = compile_condition(loss.arguments[name].assume)({**values, **(tensors or {})})
    return values


def as_tensor(value: Any, dtype: str | None) -> Facts:
    """A tensor argument: `[10]` or `{shape: [10], dtype: float32, min: 0, max: 1}`."""
    if isinstance(value, Mapping):
        low, high, total = (value.get(key) for key in ("min", "max", "total"))
        return Facts(tuple(value.get("shape", ())), value.get("dtype") or dtype, low, high, total=total)
    if isinstance(value, int):
        return Facts((value,), dtype)
    return Facts(tuple(value), dtype)


def bind(patterns: Patterns, tensors: Mapping[str, Facts], use_roles: bool) -> Iterator[dict[str, Bound]]:
    """Every way to read the tensors by the patterns at once, with equal names of equal size."""
    try:
        read = [tensors[name] for name in patterns]
    except KeyError:
        return iter(())
    roles = [facts.axes for facts in read] if use_roles else None
    return patterns.read([facts.shape for facts in read], roles)


def judge(
    loss: Loss,
    tensors: Mapping[str, Facts],
    arguments: Mapping[str, Any],
    observed: tuple[str, ...] = (),
    classes: int | None = None,
) -> Verdict:
    """What the contract says of these tensors and keywords (with defaults, see `arguments_of`).

    `observed` and `classes` decide nothing, but which rules may explain it.
    """
    kind = kind_of(loss, tensors, arguments, observed, classes)
    known = {
        "observed": observed, "classes": classes, "loss": loss.name, "reduces": reduction_of(arguments), "form": None,
    }  # fmt: skip
    for signature in signatures_of(loss, tensors):
        for bounds in bind(signature.patterns, tensors, use_roles=False):
            known["form"] = signature.form
            env = environment(tensors, arguments, bounds, known)
            if not signature.where or holds(signature.where, env):
                possible = narrowed(loss, kind, tensors, arguments, known)
                broken = tuple(
                    [r for r, where, that in possible.requirements if where(env) is True and that(env) is False]
                )
                verdict = Verdict(signature, bounds, broken, env, possible)
                if possible.asks_result:
                    env["result"] = result_shape(verdict)
                return verdict
    known["form"] = None
    possible = narrowed(loss, kind, tensors, arguments, known)
    return Verdict(None, {}, (), environment(tensors, arguments, {}, known), possible)


def environment(
    tensors: Mapping[str, Facts], arguments: Mapping[str, Any], bounds: Mapping[str, Bound], known: Mapping[str, Any]
) -> dict[str, Any]:
    """What the names of a condition stand for: keywords, tensors, sizes of axes, lengths of axis lists, and `known`."""
    for bound in bounds.values():  # each has the sizes of all
        counts = {f"count_{name}": count for name, count in bound.ranks.items()}
        return {**arguments, **tensors, **bound.sizes, **counts, **known}
    return {**arguments, **tensors, **known}


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
    env = verdict.env
    return tuple([env[name] if isinstance(name, str) else name for name in _result_axes(verdict, signature)])


def result_names(verdict: Verdict) -> tuple[str, ...]:
    """The axes of the loss without reduction, by the names of the contract; none for a broadcast form."""
    if verdict.signature is None or isinstance(verdict.signature.result, str):
        return ()
    names = _result_axes(verdict, verdict.signature)
    return tuple([name if isinstance(name, str) else "" for name in names])


def _result_axes(verdict: Verdict, signature: Signature) -> tuple[str | int, ...]:
    """The result's pattern for the ranks at hand; remembered, as every check of an empty batch asks for it."""
    ranks = next(iter(verdict.bounds.values())).ranks
    key = tuple(ranks.values())
    found = signature.result_axes.get(key)
    if found is None and not isinstance(signature.result, str):
        found = signature.result_axes[key] = tuple(expanded(signature.result, ranks))
    return found or ()


def expanded(pattern: Pattern, ranks: Mapping[str, int]) -> Iterator[str | int]:
    """The names in a pattern, `*where` as `where.0`, `where.1`, ...; a size for itself."""
    for term in pattern.terms:
        if term.kind in ("star", "plus"):
            yield from (f"{term.name}.{index}" for index in range(ranks.get(term.name, 0)))
        else:
            yield term.name or term.size


def holds(condition: str, env: Mapping[str, Any]) -> bool:
    """Whether a condition is certainly true; an empty one is."""
    return not condition or compile_condition(condition)(env) is True
