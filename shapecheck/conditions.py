"""Conditions in rule files: a small part of Python's expressions, compiled to closures. Nothing is ever eval'ed.

    target.dtype in (int64, uint8)
    weight.shape == (class,)
    broadcasts(output, target)
    label_smoothing <= 1 and not target.maximum >= class

Names are what the rule provides: tensors (with the `ATTRIBUTES` below), keyword arguments of the loss, the sizes of
the axes that the contract bound, dtypes and groups of dtypes. A fact that is not known makes a condition neither true
nor false (`None`), and so do comparisons with it; `possibly(...)` is true unless the condition is certainly false.
`values` of a tensor is '' where nothing is known of it. The functions are those of `functions.py`.
"""

from __future__ import annotations

import ast
import operator
import re
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

from shapecheck.functions import FUNCTIONS, LENIENT
from shapecheck.specs import COMPLEX, DTYPES, FLOATING, INTEGRAL

Value = Any
Condition = Callable[[Mapping[str, Value]], Value]

ATTRIBUTES = (
    "shape", "rank", "numel", "dtype", "minimum", "maximum", "total", "elements", "values", "classes", "axes",
    "origin", "python", "permuted", "distinct", "stray", "normalised",
)  # fmt: skip
CONSTANTS: Mapping[str, Value] = {
    **{dtype: dtype for dtype in DTYPES},
    "floating": FLOATING,
    "integral": INTEGRAL,
    "complex": COMPLEX,
}
_COMPARE: dict[type, Callable[[Any, Any], Any]] = {
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
    ast.In: lambda a, b: a in b,
    ast.NotIn: lambda a, b: a not in b,
}
_ARITHMETIC: dict[type, Callable[[Any, Any], Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.FloorDiv: operator.floordiv,
    ast.Mod: operator.mod,
}
# Quoted words stay as they are: 'class-index' is a value, not the class axis.
_WORD = re.compile(r"""'[^']*'|"[^"]*"|\b([A-Za-z_]\w*)\.(\d+)\b|\bclass\b""")


def to_python(text: str) -> str:
    """The field's words as Python can read them: `class` is a keyword there and `where.0` no name."""
    return _WORD.sub(_python_word, text.strip())


def _python_word(match: re.Match[str]) -> str:
    if match.group(1):
        return f"{match.group(1)}__{match.group(2)}"
    return "class_" if match.group() == "class" else match.group()


def from_python(name: str) -> str:
    """The way back: `class_` -> `class`, `where__0` -> `where.0`."""
    stem, underscores, number = name.rpartition("__")
    if underscores and number.isdigit():
        return f"{stem}.{number}"
    return "class" if name == "class_" else name


@cache
def compile_condition(text: str) -> Condition:
    """Compile one condition. Raises ValueError naming what is not part of the language."""
    return _compile(parsed(text), text)


@cache
def parsed(text: str) -> ast.expr:
    """The syntax tree of a condition. Raises ValueError where it cannot be read."""
    try:
        return ast.parse(to_python(text), mode="eval").body
    except SyntaxError as error:
        raise ValueError(f"condition {text!r}: {error.msg}") from None


@cache
def compiled(node: ast.expr) -> Condition:
    """A part of a condition that has been compiled as a whole before."""
    return _compile(node, "")


@cache
def names_in(text: str) -> frozenset[str]:
    """The names a condition asks for, constants and functions left out. Raises ValueError where it cannot be read."""
    compile_condition(text)
    tree = ast.parse(to_python(text), mode="eval")
    called = {id(node.func) for node in ast.walk(tree) if isinstance(node, ast.Call)}
    found = [from_python(node.id) for node in ast.walk(tree) if isinstance(node, ast.Name) and id(node) not in called]
    return frozenset(name for name in found if name not in CONSTANTS)


def _compile(node: ast.expr, text: str) -> Condition:
    if isinstance(node, ast.Constant):
        value = node.value
        return lambda env: value
    if isinstance(node, ast.Name):
        return _name(from_python(node.id))
    if isinstance(node, (ast.Tuple, ast.List)):
        return _tuple(node.elts, text)
    if isinstance(node, ast.Attribute):
        return _attribute(node, text)
    if isinstance(node, ast.Subscript):
        return _subscript(node, text)
    if isinstance(node, ast.BoolOp):
        parts = [_compile(part, text) for part in node.values]
        return _any_of(parts) if isinstance(node.op, ast.Or) else all_of(parts)
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, (ast.Not, ast.USub)):
        return _inverted(node, text)
    if isinstance(node, ast.Compare):
        return _comparison(node, text)
    if isinstance(node, ast.Call):
        return _call(node, text)
    if isinstance(node, ast.BinOp) and type(node.op) in _ARITHMETIC:
        left, right, act = _compile(node.left, text), _compile(node.right, text), _ARITHMETIC[type(node.op)]
        return lambda env: _computed(act, left(env), right(env))
    raise ValueError(f"condition {text!r}: {ast.unparse(node)!r} is not part of the language")


def _name(name: str) -> Condition:
    if name in CONSTANTS:
        value = CONSTANTS[name]
        return lambda env: value
    return lambda env: env.get(name)


def _tuple(nodes: list[ast.expr], text: str) -> Condition:
    items = [_compile(item, text) for item in nodes]
    if all(map(_is_constant, nodes)):
        value = tuple(item({}) for item in items)
        return lambda env: value
    return lambda env: tuple([item(env) for item in items])


def _inverted(node: ast.UnaryOp, text: str) -> Condition:
    inner = _compile(node.operand, text)
    invert = operator.not_ if isinstance(node.op, ast.Not) else operator.neg
    return lambda env: None if (value := inner(env)) is None else invert(value)


def _call(node: ast.Call, text: str) -> Condition:
    name = node.func.id if isinstance(node.func, ast.Name) and not node.keywords else ""
    arguments = [_compile(argument, text) for argument in node.args]
    if name == "possibly" and len(arguments) == 1:
        inner = arguments[0]
        return lambda env: (value := inner(env)) is None or bool(value)
    if name not in FUNCTIONS:
        allowed = ", ".join(("possibly", *FUNCTIONS))
        raise ValueError(f"condition {text!r}: {ast.unparse(node)!r} is no function of the language; it has {allowed}")
    function, lenient = FUNCTIONS[name], name in LENIENT

    def call(env: Mapping[str, Value]) -> Value:
        values = [argument(env) for argument in arguments]
        try:
            return None if not lenient and None in values else function(*values)
        except (TypeError, AttributeError):  # a word where a tensor is due: neither true nor false
            return None

    return call


def _subscript(node: ast.Subscript, text: str) -> Condition:
    """`output.shape[-1]`, `output.shape[:-1]`; an axis that is not there is not known."""
    inner = _compile(node.value, text)
    try:
        bounds = node.slice
        if isinstance(bounds, ast.Slice):
            start, stop = (None if part is None else ast.literal_eval(part) for part in (bounds.lower, bounds.upper))
            cut = slice(start, stop)
            return lambda env: value[cut] if isinstance(value := inner(env), (tuple, list)) else None
        index = ast.literal_eval(bounds)
    except ValueError:
        raise ValueError(f"condition {text!r}: an index is a whole number or a:b") from None
    return lambda env: _at(value, index) if isinstance(value := inner(env), (tuple, list)) else None


def _at(value: Value, index: int) -> Value:
    return value[index] if -len(value) <= index < len(value) else None


def _computed(act: Callable[[Any, Any], Any], left: Value, right: Value) -> Value:
    numbers = isinstance(left, (int, float)) and isinstance(right, (int, float))
    return act(left, right) if numbers and not (act in (operator.mod, operator.floordiv) and right == 0) else None


def _attribute(node: ast.Attribute, text: str) -> Condition:
    inner, name = _compile(node.value, text), node.attr
    if name not in ATTRIBUTES:
        raise ValueError(f"condition {text!r}: a tensor has no {name!r}; allowed: {', '.join(ATTRIBUTES)}")
    if isinstance(node.value, ast.Name):  # nearly all are `output.shape`: spare them a call
        tensor = from_python(node.value.id)
        return lambda env: getattr(env.get(tensor), name, None)
    return lambda env: getattr(inner(env), name, None)


def _comparison(node: ast.Compare, text: str) -> Condition:
    if len(node.ops) > 1:
        raise ValueError(f"condition {text!r}: write chained comparisons with 'and'")
    left, right = _compile(node.left, text), _compile(node.comparators[0], text)
    kind = node.ops[0]
    if isinstance(kind, (ast.Is, ast.IsNot)):
        wanted = isinstance(kind, ast.Is)
        return lambda env: ((left(env) is None) and (right(env) is None)) is wanted
    if type(kind) not in _COMPARE:
        raise ValueError(f"condition {text!r}: {ast.unparse(node)!r} is not part of the language")
    act = _COMPARE[type(kind)]
    # Among values of which some are not known, `in` can only be certain of what it finds.
    decided = {ast.In: True, ast.NotIn: False}.get(type(kind))
    if _is_constant(node.comparators[0]):
        return _comparison_with(left, act, right({}))

    def compare(env: Mapping[str, Value]) -> Value:
        a = left(env)
        if a is None:
            return None
        b = right(env)
        if b is None:
            return None
        try:
            value = act(a, b)
        except TypeError:  # a string where a number is due: neither true nor false
            return None
        if value is decided or (type(a) is not tuple and type(b) is not tuple) or not _holds_unknown(a, b):
            return value
        return None if _may_be_equal(a, b) else value

    return compare


def _comparison_with(left: Condition, act: Callable[[Any, Any], Any], b: Value) -> Condition:
    """A comparison with something that is always known, which most are."""

    def compare(env: Mapping[str, Value]) -> Value:
        a = left(env)
        if a is None or (type(a) is tuple and None in a):
            return None
        try:
            return act(a, b)
        except TypeError:
            return None

    return compare


def _is_constant(node: ast.expr) -> bool:
    if isinstance(node, (ast.Tuple, ast.List)):
        return all(map(_is_constant, node.elts))
    return isinstance(node, ast.Constant) or (isinstance(node, ast.Name) and node.id in CONSTANTS)


def _holds_unknown(a: Value, b: Value) -> bool:
    return (type(a) is tuple and None in a) or (type(b) is tuple and None in b)


def _may_be_equal(a: Value, b: Value) -> bool:
    """Whether values that are partly unknown could be equal once they are known."""
    if not (isinstance(a, tuple) and isinstance(b, tuple)):
        return True
    return len(a) == len(b) and all(x is None or y is None or x == y for x, y in zip(a, b))


def _any_of(parts: list[Condition]) -> Condition:
    def disjunction(env: Mapping[str, Value]) -> Value:
        unknown = False
        for part in parts:
            value = part(env)
            if value:
                return True
            unknown = unknown or value is None
        return None if unknown else False

    return disjunction


def all_of(parts: list[Condition]) -> Condition:
    """`and`: False once a part is, else unknown if one is."""

    def conjunction(env: Mapping[str, Value]) -> Value:
        unknown = False
        for part in parts:
            value = part(env)
            if value is None:
                unknown = True
            elif not value:
                return False
        return None if unknown else True

    return conjunction
