"""Python's operators on plain values, within bounds: nothing a file says may take the check's time or memory. Pure."""

from __future__ import annotations

import ast
import operator
from collections.abc import Callable, Mapping
from typing import Any

MOST_ITEMS = 100_000
_LARGEST_BASE, _LARGEST_EXPONENT = 1000, 64
_OPERATORS: Mapping[type[ast.AST], Callable[..., Any]] = {
    ast.Pow: operator.pow, ast.Add: operator.add, ast.Sub: operator.sub, ast.Mult: operator.mul, ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv, ast.Mod: operator.mod, ast.USub: operator.neg, ast.UAdd: operator.pos, ast.Not: operator.not_,
    ast.Eq: operator.eq, ast.NotEq: operator.ne, ast.Gt: operator.gt, ast.Lt: operator.lt,
    ast.Is: operator.is_, ast.IsNot: operator.is_not,
}  # fmt: skip


def computed(sign: ast.AST, *values: Any) -> Any:
    """What `left + right` or `-value` is. Raises ValueError where that would be large, and whatever the operator raises."""
    if isinstance(sign, ast.Pow) and not _is_small_power(*values):
        raise ValueError("a large power")
    if isinstance(sign, ast.Mult) and not all(isinstance(value, (int, float)) for value in values):
        left, right = (value if isinstance(value, int) else len(value) for value in values)
        if left * right > MOST_ITEMS:
            raise ValueError("a long list")
    return _OPERATORS[type(sign)](*values)


def _is_small_power(base: Any, exponent: Any) -> bool:
    numbers = isinstance(base, (int, float)) and isinstance(exponent, (int, float))
    return numbers and abs(base) < _LARGEST_BASE and abs(exponent) < _LARGEST_EXPONENT
