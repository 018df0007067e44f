"""What a syntax tree tells of a constructor argument beside its name: how the code uses it. Runs nothing.

A name stands for itself, for `args.name` and for `config["name"]` alike.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from shapecheck import source

_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)
_RUNNING = re.compile(r"forward|generate|sample|predict|_step$|^step|loss|loader|train|valid|test|encode|decode|call")
_LENGTHS = ("len", "enumerate", "zip", "reversed", "sum", "iter")
_SHAPED = ("randn", "rand", "zeros", "ones", "empty", "arange", "full", "linspace", "eye")
_METHODS = (
    "items", "keys", "values", "get", "append", "lower", "upper", "split", "startswith", "endswith", "format", "strip", "copy", "pop",
    "replace", "to", "parameters",
)  # fmt: skip


@dataclass
class Usage:
    """`compared` are the strings it is compared with, `keys_of` the tables it is looked up in, `keys` those that it has itself,
    `fields` and `items` what is read of it, `layers` the layers that it goes to with its place or keyword there."""

    compared: list[str] = field(default_factory=list)
    keys_of: list[str] = field(default_factory=list)
    keys: list[str] = field(default_factory=list)
    fields: list[str] = field(default_factory=list)
    items: list[str] = field(default_factory=list)
    layers: list[tuple[str, int | str]] = field(default_factory=list)
    is_sequence: bool = False
    length: int = 0
    is_counted: bool = False
    is_called: bool = False
    is_number: bool = False

    @property
    def is_telling(self) -> bool:
        """Which layers it goes to alone says little: what those do with it is written elsewhere."""
        return replace(self, layers=[]) != NOTHING

    @property
    def is_object(self) -> bool:
        return bool(self.fields or self.items)


NOTHING = Usage()


def owners(tree: ast.AST) -> Mapping[str, ast.AST]:
    """The classes and functions of a file by name."""
    return {node.name: node for node in ast.iter_child_nodes(tree) if isinstance(node, (ast.ClassDef, *_FUNCTIONS))}


def usages(trees: Sequence[ast.AST]) -> Mapping[str, Usage]:
    """By name, of everything in the trees; what runs only later (forward, training) tells what a value is compared with."""
    found: dict[str, Usage] = {}
    for tree in trees:
        for node, later in _nodes(tree, False):
            for name, put in _facts(node, later):
                put(found.setdefault(name, Usage()))
    return found


def _nodes(tree: ast.AST, later: bool) -> Iterator[tuple[ast.AST, bool]]:
    for child in ast.iter_child_nodes(tree):
        inside = later or (isinstance(child, _FUNCTIONS) and bool(_RUNNING.search(child.name)))
        yield child, inside
        yield from _nodes(child, inside)


def _facts(node: ast.AST, later: bool) -> Iterator[tuple[str, _Put]]:
    if isinstance(node, ast.Assign) and isinstance(node.value, ast.Dict):
        yield from _table(node.targets[0], node.value)
    elif isinstance(node, ast.Compare):
        yield from _compared(node)
    elif isinstance(node, ast.Subscript):
        yield from _indexed(node, later)
    elif later:
        return
    elif isinstance(node, ast.Call):
        yield from _called(node)
    elif isinstance(node, ast.BinOp):
        sides = (node.left, node.right) if not isinstance(node.op, (ast.Add, ast.Mult)) else ()
        yield from ((name, _Put("is_number", True)) for name in map(_key, sides) if name)
    elif isinstance(node, ast.Attribute) and (name := _key(node.value)) and name != "self":
        if node.attr not in _METHODS:
            yield name, _Put("fields", node.attr)
    elif isinstance(node, (ast.For, ast.comprehension, ast.Starred)):
        if name := _key(node.value if isinstance(node, ast.Starred) else node.iter):
            yield name, _Put("is_sequence", True)
    elif isinstance(node, ast.Assign) and (name := _key(node.value)) and isinstance(node.targets[0], ast.Tuple):
        yield name, _Put("is_sequence", True)
        yield name, _Put("length", len(node.targets[0].elts))


@dataclass(frozen=True)
class _Put:
    """One fact, written into a usage when called."""

    name: str
    value: object

    def __call__(self, usage: Usage) -> None:
        old = getattr(usage, self.name)
        if isinstance(old, list):
            old.extend([self.value] if self.value not in old else [])
        elif isinstance(old, bool):
            setattr(usage, self.name, True)
        else:
            setattr(usage, self.name, max(old, self.value))


def _compared(node: ast.Compare) -> Iterator[tuple[str, _Put]]:
    sides = [node.left, *node.comparators]
    words = [word for side in sides for word in _words(side)]
    for name in filter(None, (side.attr if isinstance(side, ast.Attribute) else _key(side) for side in sides)):
        for word in words:
            yield name, _Put("compared", word)


def _table(target: ast.expr, table: ast.Dict) -> Iterator[tuple[str, _Put]]:
    name = _key(target)
    for word in _words(ast.List([key for key in table.keys if key])) if name else ():
        yield str(name), _Put("keys", word)


def _words(node: ast.expr) -> list[str]:
    parts = node.elts if isinstance(node, (ast.List, ast.Tuple, ast.Set)) else [node]
    return [part.value for part in parts if isinstance(part, ast.Constant) and isinstance(part.value, str)]


def _indexed(node: ast.Subscript, later: bool) -> Iterator[tuple[str, _Put]]:
    """`layers[3]`, `config["width"]`, `cfg[vgg_name]`; annotations such as `List[int]` tell nothing."""
    outer, inner = _key(node.value), _key(node.slice)
    if inner and isinstance(node.value, ast.Dict):
        yield from (
            (inner, _Put("compared", word)) for word in _words(ast.List([key for key in node.value.keys if key]))
        )
    if inner and outer:
        yield inner, _Put("keys_of", outer)
    if outer is None or later or outer == "self":
        return
    index = node.slice
    if isinstance(index, ast.Constant) and isinstance(index.value, str):
        yield outer, _Put("items", index.value)
    elif isinstance(index, (ast.Constant, ast.UnaryOp, ast.Slice, ast.BinOp)) or inner in ("i", "j", "idx", "index"):
        yield outer, _Put("is_sequence", True)
        if isinstance(index, ast.Constant) and isinstance(index.value, int):
            yield outer, _Put("length", index.value + 1)


def _called(node: ast.Call) -> Iterator[tuple[str, _Put]]:
    function = node.func
    called = source.called_name(node)
    if isinstance(function, ast.Name):
        yield function.id, _Put("is_called", True)
    elif name := _key(function):
        yield name, _Put("is_called", True)
    places: list[tuple[int | str, ast.expr]] = [
        *enumerate(node.args),
        *((k.arg or "**", k.value) for k in node.keywords),
    ]
    for place, argument in places:
        name = _key(argument)
        if name is None:
            continue
        if called == "range":
            yield name, _Put("is_counted", True)
        elif called in _LENGTHS and isinstance(function, ast.Name):
            yield name, _Put("is_sequence", True)
        elif called in _SHAPED:
            yield name, _Put("is_number", True)
        elif called[:1].isupper():
            yield name, _Put("layers", (called, place))


def _key(node: ast.AST | None) -> str | None:
    """The name in `name`, `x.name` and `x["name"]`."""
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute):
        return node.attr if not _is_self(node) else None
    if isinstance(node, ast.Subscript) and isinstance(node.slice, ast.Constant) and isinstance(node.slice.value, str):
        return node.slice.value
    return None


def _is_self(node: ast.Attribute) -> bool:
    return isinstance(node.value, ast.Name) and node.value.id == "self"
