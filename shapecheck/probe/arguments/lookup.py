"""Finds what a syntax tree says of a name: assignments, parameters, calls, what is returned. Works out no values."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache

from shapecheck import source
from shapecheck.probe.arguments.options import is_parsing

Function = ast.FunctionDef | ast.AsyncFunctionDef


def assigned_to(body: list[ast.stmt], name: str, before: int) -> ast.expr | None:
    """The last simple assignment of the name above a line."""
    found = None
    for statement in source.statements(body):
        if statement.lineno >= before:
            continue
        if isinstance(statement, ast.AnnAssign) and statement.value and is_name(statement.target, name):
            found = statement.value
        elif isinstance(statement, ast.Assign):
            for target in statement.targets:
                found = _part(target, statement.value, name) or found
    return found


def _part(target: ast.expr, value: ast.expr, name: str) -> ast.expr | None:
    """What a target of an assignment gives the name: `a, b = 1, 2`."""
    if is_name(target, name):
        return value
    if isinstance(target, ast.Tuple) and isinstance(value, ast.Tuple) and len(target.elts) == len(value.elts):
        return next((v for t, v in zip(target.elts, value.elts, strict=True) if is_name(t, name)), None)
    if isinstance(target, ast.Tuple) and target.elts and is_name(target.elts[0], name) and isinstance(value, ast.Call):
        return value if is_parsing(value) else None
    return None


def is_name(node: ast.expr, name: str) -> bool:
    return isinstance(node, ast.Name) and node.id == name


def parameters_of(function: Function) -> list[str]:
    taken = function.args
    return [each.arg for each in (*taken.posonlyargs, *taken.args, *taken.kwonlyargs)]


def default_of(function: Function, name: str) -> ast.expr | None:
    """The default of one parameter."""
    positional = [*function.args.posonlyargs, *function.args.args]
    defaults = dict(zip([each.arg for each in reversed(positional)], reversed(function.args.defaults), strict=False))
    keyword = zip(function.args.kwonlyargs, function.args.kw_defaults, strict=True)
    defaults |= {each.arg: default for each, default in keyword if default is not None}
    return defaults.get(name)


def passed_to(call: ast.Call, names: list[str], name: str) -> ast.expr | None:
    if any(isinstance(argument, ast.Starred) for argument in call.args):
        return None
    given = dict(zip(names, call.args, strict=False))
    given |= {keyword.arg: keyword.value for keyword in call.keywords if keyword.arg}
    return given.get(name)


def attribute_of_self(tree: ast.AST, name: str, around: Sequence[Function]) -> ast.expr | None:
    """What the class around the place, inside the functions given, assigns to `self.name`."""
    owners = (node for node in ast.walk(tree) if isinstance(node, ast.ClassDef) and around and around[-1] in node.body)
    for statement in (part for owner in owners for part in ast.walk(owner)):
        target = statement.targets[0] if isinstance(statement, ast.Assign) else None
        if isinstance(statement, ast.Assign) and isinstance(target, ast.Attribute) and target.attr == name:
            return statement.value
    return None


def returned_by(tree: ast.AST, name: str) -> tuple[ast.FunctionDef, ast.expr] | None:
    """The function of that name with what it returns, where it has one `return`."""
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef) and node.name == name:
            returns = [part for part in ast.walk(node) if isinstance(part, ast.Return) and part.value is not None]
            if len(returns) == 1 and returns[0].value is not None:
                return node, returns[0].value
    return None


Call = tuple[ast.Call, tuple[Function, ...]]


def calls_of(tree: ast.AST, name: str) -> list[Call]:
    """Calls of `name(...)` or `x.name(...)`, each with the functions around it, innermost first."""
    return _calls(tree).get(name, [])


@lru_cache(maxsize=64)
def _calls(tree: ast.AST) -> Mapping[str, list[Call]]:
    found: dict[str, list[Call]] = {}
    for node, around in _walk(tree, ()):
        if isinstance(node, ast.Call):
            found.setdefault(source.called_name(node), []).append((node, around))
    return found


def _walk(tree: ast.AST, around: tuple[Function, ...]) -> Iterator[tuple[ast.AST, tuple[Function, ...]]]:
    for child in ast.iter_child_nodes(tree):
        yield child, around
        inside = (child, *around) if isinstance(child, (ast.FunctionDef, ast.AsyncFunctionDef)) else around
        yield from _walk(child, inside)
