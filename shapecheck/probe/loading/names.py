"""Which names a statement of the user's binds, reads, and may change. Works on syntax trees alone."""

from __future__ import annotations

import ast
import builtins
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

BUILTIN = frozenset(dir(builtins)) | {"__name__", "__file__", "__doc__", "__spec__", "__package__", "__path__"}
DEFINITIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)
_COMPREHENSIONS = (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)


@dataclass(frozen=True)
class Names:
    """What one top-level statement has to do with the module's names.

    `reads` must exist when the statement runs, `reads_later` when a function that it defines is called; `changes` are
    bound before, and may be changed by it: `x` of `x.y = 1`, `x[0] = 1`, `x.append(1)` and `register(x)`.
    """

    binds: frozenset[str]
    reads: frozenset[str]
    reads_later: frozenset[str]
    changes: frozenset[str]


def names_of(statement: ast.stmt, lazy_annotations: bool = False) -> Names:
    """`lazy_annotations` is whether the file has `from __future__ import annotations`."""
    reader = _Reader(lazy_annotations)
    reader.visit(statement)
    binds = frozenset(_bound(statement))
    changes: Iterable[str] = () if isinstance(statement, DEFINITIONS) else _changed(statement)
    return Names(binds, frozenset(reader.now) - BUILTIN, frozenset(reader.later) - BUILTIN, frozenset(changes))


def root(node: ast.expr) -> str | None:
    """`x` of `x.y[0].z`; None where it starts with no name, but with a call."""
    while isinstance(node, (ast.Attribute, ast.Subscript, ast.Starred)):
        node = node.value
    return node.id if isinstance(node, ast.Name) else None


def dotted(node: ast.expr) -> str:
    """`a.b.c`, calls and indices on the way left out: also of `a.b(1)[0].c`."""
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute):
        return f"{dotted(node.value)}.{node.attr}"
    inner = node.func if isinstance(node, ast.Call) else node.value if isinstance(node, ast.Subscript) else None
    return dotted(inner) if inner is not None else ""


def running(node: ast.AST) -> Iterator[ast.AST]:
    """The nodes that run with the statement: not the bodies of functions that it only defines, nor a comprehension's names."""
    yield node
    children: Iterable[ast.AST] = ast.iter_child_nodes(node)
    if isinstance(node, _FUNCTIONS):
        children = _defined_with(node)
    elif isinstance(node, ast.comprehension):
        children = (node.iter, *node.ifs)
    for child in children:
        yield from running(child)


def _defined_with(function: ast.AST) -> Iterator[ast.AST]:
    """What of a function runs where it is defined: decorators and defaults."""
    yield from getattr(function, "decorator_list", [])
    arguments = function.args  # type: ignore[attr-defined]
    yield from (default for default in (*arguments.defaults, *arguments.kw_defaults) if default is not None)


def _bound(statement: ast.stmt) -> Iterator[str]:
    if isinstance(statement, DEFINITIONS):
        yield statement.name
        return
    for node in running(statement):
        if isinstance(node, DEFINITIONS):
            yield node.name
        elif isinstance(node, (ast.Import, ast.ImportFrom)):
            yield from (alias.asname or alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield node.id
        elif isinstance(node, ast.ExceptHandler) and node.name:
            yield node.name


def _changed(statement: ast.stmt) -> Iterator[str]:
    """What is assigned into, and what a call is made of or for whose result nobody takes."""
    for node in running(statement):
        found: list[ast.expr] = []
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Call):
            call = node.value
            found = [*call.args, *(keyword.value for keyword in call.keywords)]
            found += [call.func.value] if isinstance(call.func, ast.Attribute) else []
        elif isinstance(node, (ast.Attribute, ast.Subscript)) and not isinstance(node.ctx, ast.Load):
            found = [node]
        yield from (name for name in map(root, found) if name is not None)


@dataclass
class _Reader(ast.NodeVisitor):
    """Collects the names that are read, now or later; those local to functions and comprehensions are left out."""

    lazy_annotations: bool
    now: set[str] = field(default_factory=set)
    later: set[str] = field(default_factory=set)
    _local: frozenset[str] = frozenset()
    _of_class: frozenset[str] = frozenset()
    _deferred: bool = False

    def visit_Name(self, node: ast.Name) -> None:
        if isinstance(node.ctx, ast.Load) and node.id not in self._local | self._of_class:
            (self.later if self._deferred else self.now).add(node.id)

    def generic_visit(self, node: ast.AST) -> None:
        if isinstance(node, _FUNCTIONS):
            self._function(node)
        elif isinstance(node, ast.ClassDef):
            self._visit([*node.decorator_list, *node.bases, *node.keywords])
            kept, self._of_class = self._of_class, self._of_class | _stored(node.body)
            self._visit(node.body)
            self._of_class = kept
        elif isinstance(node, _COMPREHENSIONS):
            kept, self._local = self._local, self._local.union(*(_stored([part.target]) for part in node.generators))
            super().generic_visit(node)
            self._local = kept
        else:
            super().generic_visit(node)

    def _function(self, node: ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda) -> None:
        """What it reads itself is read later, and does not see the names of a class around it."""
        given = node.args
        every = (*given.posonlyargs, *given.args, *given.kwonlyargs, given.vararg, given.kwarg)
        arguments = [each for each in every if each is not None]
        self._visit(_defined_with(node))
        if not self.lazy_annotations:
            self._visit([*(each.annotation for each in arguments), getattr(node, "returns", None)])
        body: list[ast.AST] = [node.body] if isinstance(node, ast.Lambda) else list(node.body)
        kept = self._local, self._of_class, self._deferred
        own = frozenset(each.arg for each in arguments) | _stored(body) - _global(body)
        self._local, self._of_class, self._deferred = self._local | own, frozenset(), True
        self._visit(body)
        self._local, self._of_class, self._deferred = kept

    def _visit(self, nodes: Iterable[ast.AST | None]) -> None:
        for node in nodes:
            if node is not None:
                self.visit(node)


def _stored(nodes: Iterable[ast.AST]) -> frozenset[str]:
    found: set[str] = set()
    for top in nodes:
        for node in running(top):
            if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
                found.add(node.id)
            elif isinstance(node, DEFINITIONS):
                found.add(node.name)
            elif isinstance(node, (ast.Import, ast.ImportFrom)):
                found |= {alias.asname or alias.name.partition(".")[0] for alias in node.names}
    return frozenset(found)


def _global(nodes: Iterable[ast.AST]) -> frozenset[str]:
    return frozenset(
        name for top in nodes for node in running(top) if isinstance(node, ast.Global) for name in node.names
    )
