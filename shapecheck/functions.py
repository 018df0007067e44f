"""The functions that conditions in rule files may call: torch's broadcasting and promotion, on shapes and dtypes. Pure.

A tensor argument stands for its shape. What is not known (None) makes the result unknown, but for `broadcasts` and
`broadcast`, where a keyword tensor that was not given has no say.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise
from typing import Any

from shapecheck.specs import COMPLEX, FLOATING, INTEGRAL

Shape = tuple[int, ...]

_SIGNED = ("int8", "int16", "int32", "int64")
_UNSIGNED = ("uint16", "uint32", "uint64")  # these go with floating point only
_CATEGORIES = (("bool",), (*INTEGRAL, *_UNSIGNED), FLOATING, COMPLEX)
_COMPLEX_OF = {"float16": "complex32", "bfloat16": "complex64", "float32": "complex64", "float64": "complex128"}


def shape_of(value: Any) -> Shape:
    """The shape of a tensor, or the shape itself."""
    shape: Shape = getattr(value, "shape", value)
    return shape


def broadcast(*values: Any) -> Shape | None:
    """The shape of the values side by side, right-aligned; None where they do not fit."""
    shapes = [shape_of(value) for value in values if value is not None]
    rank = max(map(len, shapes), default=0)
    result = [1] * rank
    for shape in shapes:
        for axis, size in enumerate(shape, rank - len(shape)):
            if size != 1 and size != result[axis]:
                if result[axis] != 1:
                    return None
                result[axis] = size
    return tuple(result)


def broadcasts(*values: Any) -> bool:
    """Whether the values fit side by side."""
    return broadcast(*values) is not None


def expands(value: Any, other: Any) -> bool:
    """Whether `value` fits beside `other` without making it any larger."""
    return broadcast(value, other) == shape_of(other)


def promote(first: str, second: str) -> str:
    """torch.promote_types on names; '' where torch has no answer."""
    if first == second:
        return first
    low, high = sorted((first, second), key=_category)
    if _category(low) != _category(high):
        return _above(low, high)
    if high in FLOATING:
        return _wider_float(low, high)
    if high in COMPLEX:
        return max(low, high, key=COMPLEX.index)
    return _wider_integer(low, high)


def _category(dtype: str) -> int:
    return next((rank for rank, group in enumerate(_CATEGORIES) if dtype in group), len(_CATEGORIES))


def _above(low: str, high: str) -> str:
    """The dtype of the higher category, wide enough for a float of the lower."""
    if high in COMPLEX and low in FLOATING:
        return max(high, _COMPLEX_OF[low], key=COMPLEX.index)
    refused = high in _UNSIGNED or (low in _UNSIGNED and high in COMPLEX) or _category(high) == len(_CATEGORIES)
    return "" if refused else high


def _wider_float(first: str, second: str) -> str:
    return "float32" if {first, second} == {"float16", "bfloat16"} else max(first, second, key=FLOATING.index)


def _wider_integer(first: str, second: str) -> str:
    signed = [dtype for dtype in (first, second) if dtype in _SIGNED]
    if "uint8" in (first, second) and signed:
        return "int16" if signed[0] == "int8" else signed[0]
    return max(signed, key=_SIGNED.index) if len(signed) == 2 else ""


def differing(first: Any, second: Any) -> Shape | None:
    """The sizes of the first where the second has others; None for different ranks."""
    a, b = shape_of(first), shape_of(second)
    return tuple(x for x, y in zip(a, b) if x != y) if len(a) == len(b) else None


def without(value: Any, axis: int) -> Shape | None:
    """The shape after a sum over one axis; None where there is no such axis."""
    shape = shape_of(value)
    return shape[:axis] + shape[axis + 1 :] if 0 <= axis < len(shape) else None


def exceeds(first: Any, second: Any) -> bool | None:
    """Whether some value of the first is greater than the second's at its place."""
    a, b = first.elements, second.elements
    if a is not None and b is not None:
        return any(x > y for x, y in zip(a, b)) if len(a) == len(b) else None
    if first.minimum is not None and second.maximum is not None and first.minimum > second.maximum:
        return True
    known = first.maximum is not None and second.minimum is not None
    return False if known and first.maximum <= second.minimum else None


def first(*values: Any) -> Any:
    """The first value that is known."""
    return next((value for value in values if value is not None), None)


def within(rows: Any, lengths: Any) -> tuple[float, ...] | None:
    """The values of a padded batch that lie within the lengths of their rows; all values of a single row."""
    values: tuple[float, ...] | None = rows.elements
    ends, width = lengths.elements, rows.shape[-1] if rows.shape else 1
    if values is None or len(rows.shape) < 2:
        return values
    if ends is None or len(ends) * width != len(values):
        return None
    return tuple([value for place, value in enumerate(values) if place % width < ends[place // width]])


def unalignable(rows: Any, lengths: Any, steps: Any) -> bool | None:
    """Whether some sequence has too few steps for its labels, one for each and one more between two equal ones."""
    values, ends, given = rows.elements, lengths.elements, steps.elements
    if values is None or ends is None or given is None or len(ends) != len(given) or not ends:
        return None
    width = len(values) // len(ends) if len(rows.shape) > 1 else None
    starts = [sum(ends[:place]) if width is None else place * width for place in range(len(ends))]
    counts = [end if width is None else min(end, width) for end in ends]
    labels = [values[int(start) : int(start + count)] for start, count in zip(starts, counts)]
    return any(len(row) + sum(a == b for a, b in pairwise(row)) > most for row, most in zip(labels, given))


def smallest(values: Sequence[float]) -> float | None:
    return min(values, default=None)


def largest(values: Sequence[float]) -> float | None:
    return max(values, default=None)


def total(values: Sequence[int]) -> int:
    return sum(values)


# Those of `LENIENT` can do with arguments that are not known.
FUNCTIONS: Mapping[str, Callable[..., Any]] = {
    "broadcast": broadcast,
    "broadcasts": broadcasts,
    "expands": expands,
    "promote": promote,
    "differing": differing,
    "without": without,
    "exceeds": exceeds,
    "first": first,
    "sum": total,
    "min": smallest,
    "max": largest,
    "within": within,
    "unalignable": unalignable,
}
LENIENT = ("broadcast", "broadcasts", "first")
