"""What a failed check of the user's own wanted: `assert x.dim() == 3`, or `if t < 9: raise ...`, from the values in its frame.

Runs none of the user's statements: it reads names, attributes, items and sizes, and does sums.
"""

from __future__ import annotations

import ast
import operator
from collections.abc import Callable, Iterator
from types import FrameType
from typing import Any

import torch

from shapecheck import source

_SUMS: dict[type[ast.operator], Callable[[Any, Any], Any]] = {
    ast.Add: operator.add, ast.Sub: operator.sub, ast.Mult: operator.mul, ast.FloorDiv: operator.floordiv, ast.Mod: operator.mod,
}  # fmt: skip
_COMPARISONS: dict[type[ast.cmpop], Callable[[Any, Any], bool]] = {
    ast.Eq: operator.eq, ast.NotEq: operator.ne, ast.Lt: operator.lt, ast.LtE: operator.le, ast.Gt: operator.gt,
    ast.GtE: operator.ge, ast.In: lambda one, many: one in many, ast.NotIn: lambda one, many: one not in many,
}  # fmt: skip
_OPPOSITE: dict[type[ast.cmpop], type[ast.cmpop]] = {
    ast.Eq: ast.NotEq, ast.NotEq: ast.Eq, ast.Lt: ast.GtE, ast.GtE: ast.Lt, ast.Gt: ast.LtE, ast.LtE: ast.Gt,
    ast.In: ast.NotIn, ast.NotIn: ast.In,
}  # fmt: skip


def wanted(error: BaseException) -> str:
    """`x.dim() == 3: expected 3 dims, but got 2 dims`; '' where the error comes of no check that can be read."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    tree = source.parse(trace.tb_frame.f_code.co_filename) if trace is not None else None
    if trace is None or tree is None:
        return ""
    try:
        return next(_unmet(tree, trace.tb_lineno, trace.tb_frame), "")
    except Exception:  # whatever the user's objects do when they are asked
        return ""


def _unmet(tree: ast.Module, line: int, frame: FrameType) -> Iterator[str]:
    for test, held in _checks(tree, line):
        for compare in _comparisons(test):
            one, other = compare.left, compare.comparators[0]
            got, against = _value(one, frame), _value(other, frame)
            kind = type(compare.ops[0])
            if kind in _COMPARISONS and _COMPARISONS[kind](got, against) is held:
                words = _words(one, _OPPOSITE[kind] if held else kind, got, against, frame)
                if words:
                    yield f"{ast.unparse(compare)}: {words}"


def _checks(tree: ast.Module, line: int) -> Iterator[tuple[ast.expr, bool]]:
    """The test of the assertion, or of the `if` around the `raise`, on this line; and how it came out."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Assert) and _is_on(node, line):
            yield node.test, False
        if isinstance(node, ast.If) and any(
            isinstance(inner, ast.Raise) and _is_on(inner, line) for inner in node.body
        ):
            yield node.test, True


def _is_on(node: ast.stmt, line: int) -> bool:
    return node.lineno <= line <= (node.end_lineno or node.lineno)


def _comparisons(test: ast.expr) -> Iterator[ast.Compare]:
    if isinstance(test, ast.BoolOp):
        for part in test.values:
            yield from _comparisons(part)
    elif isinstance(test, ast.Compare) and len(test.ops) == 1:
        yield test


def _words(one: ast.expr, kind: type[ast.cmpop], got: Any, against: Any, frame: FrameType) -> str:
    """What should have held and did not, in words like torch's own."""
    if kind is ast.In and isinstance(against, (tuple, list, set)) and against:
        kind, against = ast.Eq, next(iter(against))
    if isinstance(got, (tuple, list)) and isinstance(against, (tuple, list)) and len(got) == len(against):
        got, against = next(((a, b) for a, b in zip(got, against, strict=True) if a != b), (None, None))
    if not isinstance(got, int) or not isinstance(against, int):
        return ""
    if kind is ast.Eq and isinstance(one, ast.BinOp) and isinstance(one.op, ast.Mod):
        return f"{_value(one.left, frame)} is not divisible by {_value(one.right, frame)}"
    if kind is ast.Eq:
        return (
            f"expected {against} dims, but got {got} dims"
            if _is_rank(one)
            else f"Expected size {against} but got size {got}"
        )
    return (
        f"{got} is too small"
        if kind in (ast.Gt, ast.GtE)
        else f"{got} is out of range"
        if kind in (ast.Lt, ast.LtE)
        else ""
    )


def _is_rank(node: ast.expr) -> bool:
    """`x.dim()`, `x.ndim`, `len(x.shape)`, `len(x.size())`."""
    if isinstance(node, ast.Attribute):
        return node.attr == "ndim"
    if not isinstance(node, ast.Call):
        return False
    if isinstance(node.func, ast.Attribute):
        return node.func.attr in ("dim", "ndimension")
    inner = node.args[0] if node.args else None
    inner = inner.func if isinstance(inner, ast.Call) else inner
    return isinstance(inner, ast.Attribute) and inner.attr in ("shape", "size")


def _value(node: ast.expr, frame: FrameType) -> Any:
    """Raises whatever looking things up raises, and ValueError for an expression that would have to be run."""
    if isinstance(node, ast.Constant):
        return node.value
    if isinstance(node, ast.Name):
        return frame.f_locals[node.id] if node.id in frame.f_locals else frame.f_globals[node.id]
    if isinstance(node, ast.Attribute):
        return getattr(_value(node.value, frame), node.attr)
    if isinstance(node, ast.Subscript) and not isinstance(node.slice, ast.Slice):
        return _value(node.value, frame)[_value(node.slice, frame)]
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        return -_value(node.operand, frame)
    if isinstance(node, ast.BinOp) and type(node.op) in _SUMS:
        return _SUMS[type(node.op)](_value(node.left, frame), _value(node.right, frame))
    if isinstance(node, (ast.Tuple, ast.List)):
        return tuple(_value(item, frame) for item in node.elts)
    if isinstance(node, ast.Call) and not node.keywords:
        return _called(node, frame)
    raise ValueError(ast.unparse(node))


def _called(node: ast.Call, frame: FrameType) -> Any:
    """`len(x)`, and the sizes of tensors."""
    arguments = [_value(argument, frame) for argument in node.args]
    if isinstance(node.func, ast.Name) and node.func.id == "len":
        return len(arguments[0])
    if isinstance(node.func, ast.Attribute) and node.func.attr in ("size", "dim", "ndimension", "numel"):
        tensor = _value(node.func.value, frame)
        if isinstance(tensor, torch.Tensor):
            return getattr(tensor, node.func.attr)(*arguments)
    raise ValueError(ast.unparse(node))
