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
from shapecheck.specs import DTYPES, FLOATING, INTEGRAL, TensorSpec

_CONSTANTS: Mapping[str, Any] = {
    **{dtype: dtype for dtype in DTYPES},
    "floating": FLOATING,
    "integral": INTEGRAL,
}


@dataclass(frozen=True, eq=False)
class Facts:
    """A tensor as conditions see it; what is not known is None."""

    shape: tuple[int, ...]
    dtype: str | None = None
    minimum: float | None = None
    maximum: float | None = None
    values: str = ""
    classes: int | None = None
    axes: tuple[str, ...] | None = None
    origin: str = "spec"

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
    return Facts(shape, spec.dtype, spec.minimum, spec.maximum, spec.values or "", spec.classes, spec.axes, spec.origin)


def arguments_of(loss: Loss, given: Mapping[str, Any], dtype: str | None) -> dict[str, Any]:
    """The keywords of the call with torch's defaults; a tensor argument becomes `Facts`, of the output's dtype
    unless it says another."""
    values: dict[str, Any] = {name: argument.default for name, argument in loss.arguments.items()}
    for name, value in given.items():
        argument = loss.arguments.get(name)
        if argument is not None and argument.tensor and value is not None:
            value = as_tensor(value, dtype)
        values[name] = value
    return values


def as_tensor(value: Any, dtype: str | None) -> Facts:
    """A tensor argument: `[10]` or `{shape: [10], dtype: float32}`."""
    if isinstance(value, Mapping):
        return Facts(tuple(value.get("shape", ())), value.get("dtype") or dtype)
    if isinstance(value, int):
        return Facts((value,), dtype)
    return Facts(tuple(value), dtype)


def bind(patterns: Mapping[str, Pattern], tensors: Mapping[str, Facts], use_roles: bool) -> Iterator[dict[str, Bound]]:
    """Every way to read the tensors by the patterns at once, with equal names of equal size."""
    # A product can only be taken apart once its parts are bound, so those patterns come last.
    order = tuple(sorted(patterns, key=lambda name: any(t.kind == "merged" for t in patterns[name].terms)))
    yield from _bind(order, patterns, tensors, use_roles, {}, {}, {})


def _bind(
    order: tuple[str, ...],
    patterns: Mapping[str, Pattern],
    tensors: Mapping[str, Facts],
    use_roles: bool,
    sizes: Mapping[str, int],
    ranks: Mapping[str, int],
    done: dict[str, Bound],
) -> Iterator[dict[str, Bound]]:
    if not order:
        yield done
        return
    name, rest = order[0], order[1:]
    tensor = tensors.get(name)
    if tensor is None:
        return
    roles = tensor.axes if use_roles else None
    for bound in match(patterns[name], tensor.shape, roles, sizes, ranks):
        yield from _bind(rest, patterns, tensors, use_roles, bound.sizes, bound.ranks, {**done, name: bound})


def judge(loss: Loss, tensors: Mapping[str, Facts], arguments: Mapping[str, Any]) -> Verdict:
    """What the contract says of these tensors and keywords (with defaults, see `arguments_of`)."""
    for signature in loss.signatures:
        bounds = next(bind(signature.patterns, tensors, use_roles=False), None)
        if bounds is not None:
            env = environment(tensors, arguments, bounds, signature.form)
            broken = tuple(
                requirement
                for requirement in loss.requires
                if (not requirement.where or compile_condition(requirement.where)(env) is True)
                and compile_condition(requirement.that)(env) is False
            )
            return Verdict(signature, bounds, broken, env)
    return Verdict(None, {}, (), environment(tensors, arguments, {}, None))


def environment(
    tensors: Mapping[str, Facts], arguments: Mapping[str, Any], bounds: Mapping[str, Bound], form: str | None
) -> dict[str, Any]:
    """What the names of a condition stand for."""
    env: dict[str, Any] = {**_CONSTANTS, **arguments, **tensors}
    for bound in bounds.values():
        env.update(bound.sizes)
        env.update({f"count_{name}": count for name, count in bound.ranks.items()})
    env["form"] = form
    return env


def holds(condition: str, env: Mapping[str, Any]) -> bool:
    """Whether a condition is certainly true; an empty one is."""
    return not condition or compile_condition(condition)(env) is True
