"""What an expression in the user's text stands for, where that can be told without running the script it is in.

Literals, arithmetic on them, module constants, argparse defaults, fields of config objects, and calls of the user's own
config and model classes, which are built. Everything else raises Unresolved.
"""

from __future__ import annotations

import ast
import builtins
import dataclasses
import operator
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import Enum
from functools import lru_cache
from types import FunctionType, ModuleType, SimpleNamespace
from typing import Any

import torch
from torch import nn

from shapecheck import source
from shapecheck.probe.arguments.options import is_parsing, options_in

_DEEPEST = 12
_MOST_ITEMS = 100_000
_PLAIN_CALLS = (
    "len", "int", "float", "str", "bool", "max", "min", "sum", "abs", "round", "range", "list", "tuple", "sorted", "set", "dict",
)  # fmt: skip
_RECORDS = (
    "Namespace", "SimpleNamespace", "EasyDict", "edict", "AttrDict", "DotDict", "dotdict", "Munch", "Box", "ConfigDict", "OrderedDict",
    "dict", "create",
)  # fmt: skip
_KEEPING = ("to", "cuda", "cpu", "eval", "train", "float", "double", "copy")
_OPERATORS: Mapping[type[ast.AST], Callable[..., Any]] = {
    ast.Add: operator.add, ast.Sub: operator.sub, ast.Mult: operator.mul, ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv, ast.Mod: operator.mod, ast.USub: operator.neg, ast.UAdd: operator.pos, ast.Not: operator.not_,
    ast.Eq: operator.eq, ast.NotEq: operator.ne, ast.Gt: operator.gt, ast.Lt: operator.lt,
    ast.Is: operator.is_, ast.IsNot: operator.is_not,
}  # fmt: skip


class Unresolved(Exception):
    """The value is only known when the script runs."""


@dataclass(frozen=True)
class Record:
    """The fields of an object that the text describes: parsed options, a namespace, a config class that is not imported."""

    fields: Mapping[str, Any]


@dataclass(frozen=True)
class Text:
    """One file of the user's: its tree, and the module that came of it where it was imported."""

    path: str
    tree: ast.Module
    module: ModuleType | None = None
    near: Callable[[str], Text | None] = field(default=lambda name: None, repr=False)

    @property
    def values(self) -> Mapping[str, Any]:
        return vars(self.module) if self.module is not None else {}


@dataclass(frozen=True)
class Scope:
    """A place in a file: the functions around it, innermost first, and how deep the search is."""

    text: Text
    around: tuple[ast.FunctionDef | ast.AsyncFunctionDef, ...] = ()
    depth: int = 0

    def deeper(self) -> Scope:
        return dataclasses.replace(self, depth=self.depth + 1)


def resolve(node: ast.expr, scope: Scope) -> Any:
    """Raises Unresolved."""
    if scope.depth > _DEEPEST:
        raise Unresolved
    solver = _SOLVERS.get(type(node))
    if solver is None:
        raise Unresolved
    try:
        return solver(node, scope.deeper())
    except Unresolved:
        raise
    except (Exception, SystemExit):  # whatever the user's config or model class does when it is built
        raise Unresolved from None


# ------------------------------------------------------------------------------------------- names


def _name(node: ast.Name, scope: Scope) -> Any:
    for index, function in enumerate(scope.around):
        inside = dataclasses.replace(scope, around=scope.around[index:])
        bound = _assigned(function.body, node.id, node.lineno)
        if bound is not None:
            return resolve(bound, inside)
        if node.id in _parameters(function):
            return _parameter(function, node.id, inside)
    return _of_module(node.id, scope.text, scope.depth)


def _of_module(name: str, text: Text, depth: int) -> Any:
    values = text.values
    if name in values:
        return _usable(values[name])
    scope = Scope(text, depth=depth + 1)
    bound = _assigned(text.tree.body, name, sys.maxsize)
    if bound is not None:
        return resolve(bound, scope)
    for statement in source.statements(text.tree.body):
        if isinstance(statement, ast.ClassDef) and statement.name == name:
            return Record(_class_fields(statement, scope))
        if isinstance(statement, (ast.Import, ast.ImportFrom)):
            for alias in statement.names:
                if (alias.asname or alias.name) == name:
                    return _imported(statement, alias.name, text, depth)
    if hasattr(builtins, name):
        return getattr(builtins, name)
    raise Unresolved


def _usable(value: Any) -> Any:
    if value is None or isinstance(
        value,
        (
            bool,
            int,
            float,
            str,
            list,
            tuple,
            set,
            dict,
            range,
            type,
            FunctionType,
            ModuleType,
            Enum,
            nn.Module,
            SimpleNamespace,
        ),
    ):
        return value
    if isinstance(value, (torch.dtype, torch.device)) or dataclasses.is_dataclass(value) or hasattr(value, "__dict__"):
        return value
    raise Unresolved


def _imported(statement: ast.Import | ast.ImportFrom, name: str, text: Text, depth: int) -> Any:
    """Something of a module that is loaded already, or of a file beside this one."""
    if isinstance(statement, ast.Import):
        loaded = sys.modules.get(name)
        if loaded is None:
            raise Unresolved
        return loaded
    home = statement.module or ""
    loaded = None if statement.level else sys.modules.get(home)
    if loaded is not None and hasattr(loaded, name):
        return _usable(getattr(loaded, name))
    near = text.near(home.rpartition(".")[2])
    if near is None:
        raise Unresolved
    return _of_module(name, near, depth + 1)


def _assigned(body: list[ast.stmt], name: str, before: int) -> ast.expr | None:
    """The last simple assignment of the name above a line."""
    found = None
    for statement in source.statements(body):
        if statement.lineno >= before:
            continue
        if isinstance(statement, ast.AnnAssign) and statement.value and _is_name(statement.target, name):
            found = statement.value
        elif isinstance(statement, ast.Assign):
            for target in statement.targets:
                found = _part(target, statement.value, name) or found
    return found


def _part(target: ast.expr, value: ast.expr, name: str) -> ast.expr | None:
    """What a target of an assignment gives the name: `a, b = 1, 2`."""
    if _is_name(target, name):
        return value
    if isinstance(target, ast.Tuple) and isinstance(value, ast.Tuple) and len(target.elts) == len(value.elts):
        return next((v for t, v in zip(target.elts, value.elts, strict=True) if _is_name(t, name)), None)
    if isinstance(target, ast.Tuple) and target.elts and _is_name(target.elts[0], name) and isinstance(value, ast.Call):
        return value if is_parsing(value) else None
    return None


def _is_name(node: ast.expr, name: str) -> bool:
    return isinstance(node, ast.Name) and node.id == name


def _parameters(function: ast.FunctionDef | ast.AsyncFunctionDef) -> list[str]:
    taken = function.args
    return [each.arg for each in (*taken.posonlyargs, *taken.args, *taken.kwonlyargs)]


def _parameter(function: ast.FunctionDef | ast.AsyncFunctionDef, name: str, scope: Scope) -> Any:
    """What the callers in this file pass for it, or else its default."""
    outside = dataclasses.replace(scope, around=scope.around[1:])
    for call, around in calls_of(scope.text.tree, function.name):
        passed = _passed(call, _parameters(function), name)
        if passed is not None and call.lineno not in range(function.lineno, (function.end_lineno or 0) + 1):
            return resolve(passed, dataclasses.replace(outside, around=around))
    positional = [*function.args.posonlyargs, *function.args.args]
    defaults = dict(zip([each.arg for each in reversed(positional)], reversed(function.args.defaults), strict=False))
    keyword = zip(function.args.kwonlyargs, function.args.kw_defaults, strict=True)
    defaults |= {each.arg: default for each, default in keyword if default is not None}
    if name not in defaults:
        raise Unresolved
    return resolve(defaults[name], outside)


def _passed(call: ast.Call, names: list[str], name: str) -> ast.expr | None:
    if any(isinstance(argument, ast.Starred) for argument in call.args):
        return None
    given = dict(zip(names, call.args, strict=False))
    given |= {keyword.arg: keyword.value for keyword in call.keywords if keyword.arg}
    return given.get(name)


Call = tuple[ast.Call, tuple[ast.FunctionDef | ast.AsyncFunctionDef, ...]]


def calls_of(tree: ast.AST, name: str) -> list[Call]:
    """Calls of `name(...)` or `x.name(...)`, each with the functions around it, innermost first."""
    return _calls(tree).get(name, [])


@lru_cache(maxsize=64)
def _calls(tree: ast.AST) -> Mapping[str, list[Call]]:
    found: dict[str, list[Call]] = {}
    for node, around in _walk(tree, ()):
        if isinstance(node, ast.Call):
            called = node.func
            name = (
                called.id if isinstance(called, ast.Name) else called.attr if isinstance(called, ast.Attribute) else ""
            )
            found.setdefault(name, []).append((node, around))
    return found


def _walk(
    tree: ast.AST, around: tuple[ast.FunctionDef | ast.AsyncFunctionDef, ...]
) -> Iterator[tuple[ast.AST, tuple[ast.FunctionDef | ast.AsyncFunctionDef, ...]]]:
    for child in ast.iter_child_nodes(tree):
        yield child, around
        inside = (child, *around) if isinstance(child, (ast.FunctionDef, ast.AsyncFunctionDef)) else around
        yield from _walk(child, inside)


# ------------------------------------------------------------------------------------------- expressions


def _attribute(node: ast.Attribute, scope: Scope) -> Any:
    if _is_name(node.value, "self"):
        return resolve(_own_attribute(node.attr, scope), scope)
    base = resolve(node.value, scope)
    if isinstance(base, Record):
        if node.attr not in base.fields:
            raise Unresolved
        return base.fields[node.attr]
    if isinstance(base, dict) and node.attr in base:
        return base[node.attr]
    return getattr(base, node.attr)


def _own_attribute(name: str, scope: Scope) -> ast.expr:
    """What the class around the place gives `self.name`."""
    for owner in ast.walk(scope.text.tree):
        if isinstance(owner, ast.ClassDef) and scope.around and scope.around[-1] in owner.body:
            for statement in ast.walk(owner):
                target = statement.targets[0] if isinstance(statement, ast.Assign) else None
                if isinstance(statement, ast.Assign) and isinstance(target, ast.Attribute) and target.attr == name:
                    return statement.value
    raise Unresolved


def _subscript(node: ast.Subscript, scope: Scope) -> Any:
    base = resolve(node.value, scope)
    if isinstance(base, Record):
        return base.fields[resolve(node.slice, scope)]
    if isinstance(node.slice, ast.Slice):
        parts = [None if part is None else resolve(part, scope) for part in (node.slice.lower, node.slice.upper)]
        return base[slice(*parts)]
    return base[resolve(node.slice, scope)]


def _operation(node: ast.BinOp, scope: Scope) -> Any:
    left, right = resolve(node.left, scope), resolve(node.right, scope)
    if isinstance(node.op, ast.Pow):
        if isinstance(left, (int, float)) and isinstance(right, (int, float)) and abs(left) < 1000 and abs(right) < 64:
            return left**right
        raise Unresolved
    if isinstance(node.op, ast.Mult) and not (isinstance(left, (int, float)) and isinstance(right, (int, float))):
        sizes = [value if isinstance(value, int) else len(value) for value in (left, right)]
        if sizes[0] * sizes[1] > _MOST_ITEMS:
            raise Unresolved
    return _OPERATORS[type(node.op)](left, right)


def _comparison(node: ast.Compare, scope: Scope) -> Any:
    if len(node.ops) != 1:
        raise Unresolved
    return _OPERATORS[type(node.ops[0])](resolve(node.left, scope), resolve(node.comparators[0], scope))


def _choice(node: ast.IfExp, scope: Scope) -> Any:
    try:
        test = bool(resolve(node.test, scope))
    except Unresolved:
        return resolve(node.body, scope)
    return resolve(node.body if test else node.orelse, scope)


def _either(node: ast.BoolOp, scope: Scope) -> Any:
    value = None
    for part in node.values:
        value = resolve(part, scope)
        if bool(value) is isinstance(node.op, ast.Or):
            return value
    return value


def _items(node: ast.List | ast.Tuple | ast.Set, scope: Scope) -> Any:
    items: list[Any] = []
    for part in node.elts:
        if isinstance(part, ast.Starred):
            items.extend(resolve(part.value, scope))
        else:
            items.append(resolve(part, scope))
    return tuple(items) if isinstance(node, ast.Tuple) else set(items) if isinstance(node, ast.Set) else items


def _mapping(node: ast.Dict, scope: Scope) -> Any:
    found: dict[Any, Any] = {}
    for key, value in zip(node.keys, node.values, strict=True):
        if key is None:
            found |= resolve(value, scope)
        else:
            found[resolve(key, scope)] = resolve(value, scope)
    return found


# ------------------------------------------------------------------------------------------- calls


def _call(node: ast.Call, scope: Scope) -> Any:
    function = node.func
    name = (
        function.attr if isinstance(function, ast.Attribute) else function.id if isinstance(function, ast.Name) else ""
    )
    if is_parsing(node):
        return Record(options_in(scope.text.tree))
    if name == "is_available":
        return False
    if isinstance(function, ast.Attribute) and name in _KEEPING:
        return resolve(function.value, scope)
    if name == "vars" and len(node.args) == 1:
        given = resolve(node.args[0], scope)
        return dict(given.fields) if isinstance(given, Record) else vars(given)
    args, kwargs = _arguments(node, scope)
    if name in _RECORDS and name not in scope.text.values:
        return _record(args, kwargs, as_dict=name in ("dict", "OrderedDict"))
    try:
        called = resolve(function, scope)
    except Unresolved:
        return _returned(name, scope)
    return _made(called, args, kwargs, scope, name)


def _arguments(node: ast.Call, scope: Scope) -> tuple[list[Any], dict[str, Any]]:
    args = list(_items(ast.List(node.args, ast.Load()), scope))
    kwargs: dict[str, Any] = {}
    for keyword in node.keywords:
        if keyword.arg is not None:
            kwargs[keyword.arg] = resolve(keyword.value, scope)
            continue
        given = resolve(keyword.value, scope)
        kwargs |= given.fields if isinstance(given, Record) else given
    return args, kwargs


def _record(args: list[Any], kwargs: Mapping[str, Any], as_dict: bool) -> Any:
    fields: dict[str, Any] = {}
    for argument in args:
        fields |= argument.fields if isinstance(argument, Record) else dict(argument)
    fields |= kwargs
    return fields if as_dict else Record(fields)


def _made(called: Any, args: list[Any], kwargs: Mapping[str, Any], scope: Scope, name: str) -> Any:
    if name in _PLAIN_CALLS and called is getattr(builtins, name):
        if name == "range" and any(abs(value) > _MOST_ITEMS for value in args):
            raise Unresolved
        made = called(*args, **kwargs)
        return list(made) if name == "range" else made
    if called is torch.device:
        return torch.device("cpu")
    if isinstance(called, Record):
        return Record({**called.fields, **kwargs})
    if isinstance(called, type) and (issubclass(called, (nn.Module, Enum)) or is_config(called)):
        return called(*args, **kwargs)
    if isinstance(called, FunctionType):
        return _returned(name, scope)
    raise Unresolved


def _returned(name: str, scope: Scope) -> Any:
    """What a function of this file returns, where it has one `return`."""
    for node in ast.walk(scope.text.tree):
        if isinstance(node, ast.FunctionDef) and node.name == name:
            returns = [part for part in ast.walk(node) if isinstance(part, ast.Return) and part.value is not None]
            if len(returns) == 1 and returns[0].value is not None:
                return resolve(returns[0].value, dataclasses.replace(scope, around=(node,)))
    raise Unresolved


def is_config(kind: type) -> bool:
    """Whether building one is only a matter of storing values."""
    names = ("config", "args", "arguments", "hparams", "options", "settings", "params", "hyperparameters", "dimensions")
    return dataclasses.is_dataclass(kind) or kind.__name__.lower().endswith(names)


def _class_fields(node: ast.ClassDef, scope: Scope) -> Mapping[str, Any]:
    """Literal fields of a config class: those of its body and those that its constructor sets."""
    assignments = [
        part for part in ast.walk(node) if isinstance(part, (ast.Assign, ast.AnnAssign)) and part.value is not None
    ]
    fields: dict[str, Any] = {}
    for assignment in assignments:
        target = assignment.targets[0] if isinstance(assignment, ast.Assign) else assignment.target
        name = target.id if isinstance(target, ast.Name) else target.attr if isinstance(target, ast.Attribute) else ""
        try:
            fields[name] = resolve(assignment.value, scope)  # type: ignore[arg-type]
        except Unresolved:
            continue
    return fields


_SOLVERS: Mapping[type[ast.AST], Callable[[Any, Scope], Any]] = {
    ast.Constant: lambda node, scope: node.value,
    ast.Name: _name,
    ast.Attribute: _attribute,
    ast.Subscript: _subscript,
    ast.BinOp: _operation,
    ast.UnaryOp: lambda node, scope: _OPERATORS[type(node.op)](resolve(node.operand, scope)),
    ast.Compare: _comparison,
    ast.IfExp: _choice,
    ast.BoolOp: _either,
    ast.List: _items,
    ast.Tuple: _items,
    ast.Set: _items,
    ast.Dict: _mapping,
    ast.Call: _call,
}
