"""Calls of a model in its own file, `net(torch.randn(2, 3, 64, 64))` in a test or under `if __name__ == "__main__"`.

Read from the syntax tree: names that stand for whole numbers and for random tensors are followed, and nothing is run.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

from shapecheck import source
from shapecheck.probe.runs.feeding import Argument, Call

_MOST_CALLS = 6
_FLOATS = frozenset(
    {"randn", "rand", "zeros", "ones", "empty", "full", "Tensor", "FloatTensor", "randn_like", "rand_like"}
)
_INTS = frozenset({"randint", "LongTensor", "IntTensor", "randperm", "arange"})
_SAME = frozenset(
    {"cuda", "to", "cpu", "float", "double", "half", "detach", "requires_grad_", "clone", "contiguous", "Variable"}
)
_CASTS = {"long": "int", "int": "int", "bool": "bool"}
_SUMMARIES = frozenset({"summary", "get_model_complexity_info"})


@dataclass
class _Scope:
    """What the names of one block stand for, as far as it can be read."""

    tensors: dict[str, Argument] = field(default_factory=dict)
    numbers: dict[str, int] = field(default_factory=dict)
    models: set[str] = field(default_factory=set)


def shown_calls(tree: ast.Module, name: str, names: Sequence[str], least: int) -> list[Call]:
    """Different calls, in the order of the file."""
    makers = {name} | {
        node.name for node in tree.body
        if isinstance(node, ast.FunctionDef) and any(source.called_name(inner) == name for inner in ast.walk(node))
    }  # fmt: skip
    found: dict[object, Call] = {}
    outer = _Scope()
    for body in _blocks(tree):
        scope = _Scope(dict(outer.tensors), dict(outer.numbers), set(outer.models))
        for node in source.statements(body):
            for call in _in_statement(node, scope, makers, names):
                if len(call) >= least:
                    found.setdefault(tuple(argument.key for argument in call), call)
            _remember(node, scope, makers)
        outer = scope if body is tree.body else outer
    return list(found.values())[:_MOST_CALLS]


def _blocks(tree: ast.Module) -> Iterator[list[ast.stmt]]:
    """The module's own statements, and those of its functions and tests; not those of methods of models."""
    yield tree.body
    for node in tree.body:
        if isinstance(node, ast.FunctionDef):
            yield node.body
        if isinstance(node, ast.ClassDef) and "test" in node.name.lower():
            yield from (inner.body for inner in node.body if isinstance(inner, ast.FunctionDef))


def _in_statement(node: ast.stmt, scope: _Scope, makers: set[str], names: Sequence[str]) -> Iterator[Call]:
    if isinstance(node, (ast.ClassDef, ast.FunctionDef, ast.If, ast.For, ast.With, ast.Try, ast.While)):
        return
    for inner in ast.walk(node):
        if isinstance(inner, ast.Call) and _is_of_model(inner, scope, makers):
            call = _arguments(inner, scope, names)
            if call:
                yield call
        elif isinstance(inner, ast.Call) and source.called_name(inner) in _SUMMARIES:
            yield from _summarised(inner, scope, names)


def _is_of_model(node: ast.Call, scope: _Scope, makers: set[str]) -> bool:
    """`net(x)`, `net.forward(x)`, `Net()(x)`."""
    called = node.func
    if isinstance(called, ast.Attribute) and called.attr == "forward":
        called = called.value
    if isinstance(called, ast.Call):
        return source.called_name(called) in makers
    return isinstance(called, ast.Name) and called.id in scope.models


def _remember(node: ast.stmt, scope: _Scope, makers: set[str]) -> None:
    if not isinstance(node, ast.Assign) or len(node.targets) != 1:
        return
    pairs = [(node.targets[0], node.value)]
    if isinstance(node.targets[0], ast.Tuple) and isinstance(node.value, ast.Tuple):
        pairs = list(zip(node.targets[0].elts, node.value.elts, strict=False))
    for target, value in pairs:
        if not isinstance(target, ast.Name):
            continue
        number, tensor = _number(value, scope), _tensor(value, scope)
        if number is not None:
            scope.numbers[target.id] = number
        elif tensor is not None:
            scope.tensors[target.id] = tensor
        elif any(source.called_name(inner) in makers for inner in ast.walk(value)):
            scope.models.add(target.id)


def _arguments(node: ast.Call, scope: _Scope, names: Sequence[str]) -> Call | None:
    """None where one of them cannot be read."""
    if len(node.args) > len(names) or any(isinstance(value, ast.Starred) for value in node.args):
        return None
    pairs = [*zip(names, node.args, strict=False), *((k.arg or "", k.value) for k in node.keywords)]
    found = []
    for position, (name, value) in enumerate(pairs):
        argument = _argument(value, scope)
        if argument is None or name not in names:
            return None
        found.append(replace(argument, name=name, keyword=position >= len(node.args)))
    return tuple(found)


def _argument(value: ast.expr, scope: _Scope) -> Argument | None:
    tensor = _tensor(value, scope)
    if tensor is not None:
        return tensor
    if isinstance(value, ast.Constant) and (value.value is None or isinstance(value.value, (bool, int, float, str))):
        return Argument(kind="constant", value=value.value)
    number = _number(value, scope)
    return None if number is None else Argument(kind="constant", value=number)


def _summarised(node: ast.Call, scope: _Scope, names: Sequence[str]) -> Iterator[Call]:
    """`summary(net, (3, 64, 64))`: the batch is left out, or stands in front in `input_size=(1, 3, 64, 64)`."""
    given = {keyword.arg: keyword.value for keyword in node.keywords}
    value = given.get("input_size") or (node.args[1] if len(node.args) > 1 else None)
    model = node.args[0] if node.args else given.get("model")
    known = isinstance(model, ast.Name) and model.id in scope.models
    if not known or not isinstance(value, (ast.Tuple, ast.List)) or not names:
        return
    sizes = [_number(item, scope) for item in value.elts]
    whole = tuple(size for size in sizes if size is not None and size > 0)
    if whole and len(whole) == len(sizes):
        yield (Argument(names[0], shape=(1, *whole)),)
        yield (Argument(names[0], shape=whole),)


def _tensor(node: ast.expr, scope: _Scope) -> Argument | None:
    if isinstance(node, ast.Name):
        return scope.tensors.get(node.id)
    name = source.called_name(node)
    if not isinstance(node, ast.Call) or not name:
        return None
    if name in _SAME or name in _CASTS:
        inner = node.func.value if isinstance(node.func, ast.Attribute) else node.args[0] if node.args else None
        found = _tensor(inner, scope) if isinstance(inner, ast.expr) else None
        return replace(found, kind=_CASTS[name]) if found is not None and name in _CASTS else found
    if name not in _FLOATS | _INTS:
        return None
    return _random(node, name, scope)


def _random(node: ast.Call, name: str, scope: _Scope) -> Argument | None:
    given = {keyword.arg: keyword.value for keyword in node.keywords}
    values, high = list(node.args), 2
    if name == "randint":
        high = _number(given.get("high") or (values[-2] if len(values) > 1 else None), scope) or 2
        values = values[-1:] if "size" not in given else [given["size"]]
    if name == "full":
        values = values[:1]
    if name in ("randperm", "arange"):
        high = _number(values[-1] if values else None, scope) or 2
    if name.endswith("_like"):
        return _tensor(values[0], scope) if values else None
    values = [given["size"]] if "size" in given else values
    items = values[0].elts if len(values) == 1 and isinstance(values[0], (ast.Tuple, ast.List)) else values
    sizes = [_number(item, scope) for item in items]
    if not sizes or any(size is None or size <= 0 for size in sizes):
        return None
    dtype = ast.unparse(given["dtype"]) if "dtype" in given else ""
    kind = "bool" if "bool" in dtype else "int" if name in _INTS or re.search(r"long|int", dtype) else "float"
    return Argument(kind=kind, shape=tuple(size for size in sizes if size), high=high)


def _number(node: ast.expr | None, scope: _Scope) -> int | None:
    if isinstance(node, ast.Constant):
        return node.value if isinstance(node.value, int) and not isinstance(node.value, bool) else None
    if isinstance(node, ast.Name):
        return scope.numbers.get(node.id)
    if isinstance(node, ast.BinOp):
        one, other = _number(node.left, scope), _number(node.right, scope)
        if one is not None and other is not None:
            return _sum(node.op, one, other)
    return None


def _sum(operation: ast.operator, one: int, other: int) -> int | None:
    if isinstance(operation, ast.Mult):
        return one * other
    if isinstance(operation, ast.FloorDiv) and other:
        return one // other
    return one + other if isinstance(operation, ast.Add) else one - other if isinstance(operation, ast.Sub) else None
