"""What an expression in the user's text stands for, where that can be told without running the script it is in.

Literals, arithmetic on them, module constants, argparse defaults, fields of config objects, and calls of the user's own
config and model classes, which are built. Everything else raises Unresolved.
"""

from __future__ import annotations

import ast
import builtins
import dataclasses
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import Enum
from types import FunctionType, ModuleType
from typing import Any

import torch
from torch import nn

from shapecheck import source
from shapecheck.probe.arguments.lookup import (
    Function,
    assigned_to,
    attribute_of_self,
    calls_of,
    default_of,
    is_name,
    parameters_of,
    passed_to,
    returned_by,
)
from shapecheck.probe.arguments.operators import MOST_ITEMS, computed
from shapecheck.probe.arguments.options import is_parsing, options_in
from shapecheck.probe.arguments.values import Record, is_config

_DEEPEST = 12
_PLAIN_CALLS = (
    "len", "int", "float", "str", "bool", "max", "min", "sum", "abs", "round", "range", "list", "tuple", "sorted", "set", "dict",
)  # fmt: skip
_RECORDS = (
    "Namespace", "SimpleNamespace", "EasyDict", "edict", "AttrDict", "DotDict", "dotdict", "Munch", "Box", "ConfigDict", "OrderedDict",
    "dict", "create",
)  # fmt: skip
_KEEPING = ("to", "cuda", "cpu", "eval", "train", "float", "double", "copy")
_PLAIN = (bool, int, float, str, list, tuple, set, dict, range, torch.dtype, torch.device)


class Unresolved(Exception):
    """The value is only known when the script runs."""


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
    around: tuple[Function, ...] = ()
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
        bound = assigned_to(function.body, node.id, node.lineno)
        if bound is not None:
            return resolve(bound, inside)
        if node.id in parameters_of(function):
            return _parameter(function, node.id, inside)
    return _of_module(node.id, scope.text, scope.depth)


def _of_module(name: str, text: Text, depth: int) -> Any:
    values = text.values
    if name in values:
        return _usable(values[name])
    scope = Scope(text, depth=depth + 1)
    bound = assigned_to(text.tree.body, name, sys.maxsize)
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
    if value is None or isinstance(value, _PLAIN) or dataclasses.is_dataclass(value) or hasattr(value, "__dict__"):
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


def _parameter(function: Function, name: str, scope: Scope) -> Any:
    """What the callers in this file pass for it, or else its default."""
    outside = dataclasses.replace(scope, around=scope.around[1:])
    for call, around in calls_of(scope.text.tree, function.name):
        passed = passed_to(call, parameters_of(function), name)
        if passed is not None and call.lineno not in range(function.lineno, (function.end_lineno or 0) + 1):
            return resolve(passed, dataclasses.replace(outside, around=around))
    return resolve(_there(default_of(function, name)), outside)


# ------------------------------------------------------------------------------------------- expressions


def _attribute(node: ast.Attribute, scope: Scope) -> Any:
    if is_name(node.value, "self"):
        return resolve(_there(attribute_of_self(scope.text.tree, node.attr, scope.around)), scope)
    base = resolve(node.value, scope)
    if isinstance(base, Record):
        if node.attr not in base.fields:
            raise Unresolved
        return base.fields[node.attr]
    if isinstance(base, dict) and node.attr in base:
        return base[node.attr]
    return getattr(base, node.attr)


def _subscript(node: ast.Subscript, scope: Scope) -> Any:
    base = resolve(node.value, scope)
    if isinstance(base, Record):
        return base.fields[resolve(node.slice, scope)]
    if isinstance(node.slice, ast.Slice):
        parts = [None if part is None else resolve(part, scope) for part in (node.slice.lower, node.slice.upper)]
        return base[slice(*parts)]
    return base[resolve(node.slice, scope)]


def _comparison(node: ast.Compare, scope: Scope) -> Any:
    if len(node.ops) != 1:
        raise Unresolved
    return computed(node.ops[0], resolve(node.left, scope), resolve(node.comparators[0], scope))


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
    function, name = node.func, source.called_name(node)
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
        if name == "range" and any(abs(value) > MOST_ITEMS for value in args):
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
    function, value = returned_by(scope.text.tree, name) or (None, None)
    return resolve(_there(value), dataclasses.replace(scope, around=(function,) if function else ()))


def _there(node: ast.expr | None) -> ast.expr:
    if node is None:
        raise Unresolved
    return node


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
    ast.BinOp: lambda node, scope: computed(node.op, resolve(node.left, scope), resolve(node.right, scope)),
    ast.UnaryOp: lambda node, scope: computed(node.op, resolve(node.operand, scope)),
    ast.Compare: _comparison,
    ast.IfExp: _choice,
    ast.BoolOp: _either,
    ast.List: _items,
    ast.Tuple: _items,
    ast.Set: _items,
    ast.Dict: _mapping,
    ast.Call: _call,
}
