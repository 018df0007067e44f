"""Reads a Python file's syntax tree: which names it has, and on which lines. Runs nothing and raises nothing."""

from __future__ import annotations

import ast
import copy
import os
import re
import warnings
from collections.abc import Iterator
from functools import lru_cache

from shapecheck import notebooks

_DEFINITIONS = (ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
_CONTAINERS = ("Sequential", "ModuleList", "ModuleDict", "PreTrainedModel")


def parse(path: str) -> ast.Module | None:
    """The file's syntax tree, or None where it cannot be read or does not parse."""
    try:
        status = os.stat(path)
    except (OSError, ValueError):
        return None
    return _parsed(path, status.st_mtime_ns, status.st_size)


@lru_cache(maxsize=64)
def _parsed(path: str, changed: int, size: int) -> ast.Module | None:
    """The same tree until the file is changed."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return ast.parse(read(path))
    except (OSError, SyntaxError, ValueError, RecursionError, MemoryError):
        return None


def read(path: str) -> bytes | str:
    """What Python makes of the file: of a notebook its code cells. Raises OSError, and ValueError for no notebook."""
    with open(path, "rb") as file:
        data = file.read()
    return notebooks.python_of(data) if path.lower().endswith(notebooks.ENDING) else data


def models(tree: ast.Module) -> list[str]:
    """Names of the top-level classes that look like an `nn.Module`, in the order of the file."""
    classes = [node for node in statements(tree.body) if isinstance(node, ast.ClassDef)]
    found: set[str] = set()
    while True:
        more = {node.name for node in classes if _is_model(node, found)} - found
        if not more:
            return [node.name for node in classes if node.name in found]
        found |= more


def functions(tree: ast.Module) -> list[str]:
    """Names of the public top-level functions."""
    found = (node.name for node in statements(tree.body) if isinstance(node, ast.FunctionDef))
    return [name for name in found if not name.startswith("_")]


def definition_line(tree: ast.Module, dotted: str) -> int | None:
    """Line of `class`, `def`, assignment or import that binds `Name` or `Outer.Inner`; the last one wins."""
    first, _, rest = dotted.partition(".")
    line = None
    for node in statements(tree.body):
        if first in _bound(node):
            inner = ast.Module(node.body, []) if rest and isinstance(node, ast.ClassDef) else None
            line = (definition_line(inner, rest) if inner else None) or node.lineno
    return line


def hidden_line(tree: ast.Module, name: str) -> tuple[str, int] | None:
    """Where a class or function of that name stands inside another one, and inside which."""
    for outer in ast.walk(tree):
        if isinstance(outer, _DEFINITIONS):
            for node in ast.walk(outer):
                if node is not outer and isinstance(node, _DEFINITIONS) and node.name == name:
                    return outer.name, node.lineno
    return None


def function_at(tree: ast.Module, line: int) -> ast.FunctionDef | ast.AsyncFunctionDef | None:
    """The innermost function that the line is in."""
    functions = (node for node in ast.walk(tree) if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)))
    return max((node for node in functions if _spans(node, line)), key=lambda node: node.lineno, default=None)


def called_name(node: ast.AST) -> str:
    """`Net` of `Net(...)` and `models.Net(...)`; '' of anything else."""
    function = node.func if isinstance(node, ast.Call) else None
    return (
        function.attr if isinstance(function, ast.Attribute) else function.id if isinstance(function, ast.Name) else ""
    )


def functional_name(path: str) -> str:
    """How the file can call `torch.nn.functional`: `F`, `nn.functional`, else in full; `F` where it cannot be read."""
    tree = parse(path)
    if tree is None:
        return "F"
    known = {}
    for node in ast.walk(tree):
        for alias in node.names if isinstance(node, (ast.Import, ast.ImportFrom)) else ():
            module = f"{node.module}." if isinstance(node, ast.ImportFrom) and node.module else ""
            known[module + alias.name] = alias.asname or (alias.name if module else "")
    if known.get("torch.nn.functional"):
        return known["torch.nn.functional"]
    return f"{known['torch.nn']}.functional" if known.get("torch.nn") else "torch.nn.functional"


def simple_statement(path: str, line: int) -> ast.stmt | None:
    """The innermost assignment, return or expression that the line is in."""
    tree = parse(path)
    found = [node for node in ast.walk(tree) if isinstance(node, _SIMPLE) and _spans(node, line)] if tree else []
    return min(found, key=lambda node: (node.end_lineno or 0) - node.lineno, default=None)


def with_call_replaced(statement: ast.stmt, call: ast.Call, expression: ast.expr) -> str:
    """The statement with an expression in the place of a call that it holds."""
    changed, dumped = copy.deepcopy(statement), ast.dump(call)
    twin = next(node for node in ast.walk(changed) if isinstance(node, ast.Call) and ast.dump(node) == dumped)
    return ast.unparse(_Put(twin, expression).visit(changed))


def main_block_line(tree: ast.Module, name: str) -> int | None:
    """Where `if __name__ == "__main__":` binds the name."""
    for node in tree.body:
        if isinstance(node, ast.If) and "__main__" in ast.unparse(node.test):
            return definition_line(ast.Module(node.body, []), name)
    return None


def relative_level(tree: ast.Module) -> int:
    """The most dots that a `from ..x import y` of the file begins with."""
    return max((node.level for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)), default=0)


def is_import(tree: ast.Module, line: int) -> bool:
    """Whether an import statement stands on that line."""
    return any(isinstance(node, (ast.Import, ast.ImportFrom)) and _spans(node, line) for node in ast.walk(tree))


def is_guarded_import(tree: ast.Module, line: int) -> bool:
    """Whether the line is one of a `try` whose handlers expect that an import fails."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Try) and any(_spans(inner, line) for inner in node.body):
            kinds = [ast.unparse(handler.type) if handler.type else "Exception" for handler in node.handlers]
            if any(re.search(r"ImportError|ModuleNotFoundError|\b(Base)?Exception", kind) for kind in kinds):
                return True
        if isinstance(node, ast.With) and "suppress" in ast.unparse(node.items[0]) and _spans(node, line):
            return True
    return False


def names_model(base: str) -> bool:
    """Whether a base class of that name, without dots, is probably an `nn.Module`."""
    return base.endswith("Module") or base in _CONTAINERS


def statements(body: list[ast.stmt]) -> Iterator[ast.stmt]:
    """The statements that run with the body, those inside `if`, `try` and `with` included."""
    for node in body:
        yield node
        if isinstance(node, _DEFINITIONS):
            continue
        for block in ("body", "orelse", "finalbody"):
            yield from statements(getattr(node, block, []))
        for handler in getattr(node, "handlers", []):
            yield from statements(handler.body)


def _is_model(node: ast.ClassDef, known: set[str]) -> bool:
    bases = [ast.unparse(base).split("[")[0].rpartition(".")[2] for base in node.bases]
    return any(names_model(base) or base in known for base in bases)


def _bound(node: ast.stmt) -> set[str]:
    """The names that a statement binds."""
    if isinstance(node, _DEFINITIONS):
        return {node.name}
    if isinstance(node, (ast.Import, ast.ImportFrom)):
        return {alias.asname or alias.name.partition(".")[0] for alias in node.names}
    if isinstance(node, ast.Assign):
        targets = [name for target in node.targets for name in ast.walk(target)]
    elif isinstance(node, (ast.AnnAssign, ast.AugAssign)):
        targets = list(ast.walk(node.target))
    else:
        return set()
    return {name.id for name in targets if isinstance(name, ast.Name) and isinstance(name.ctx, ast.Store)}


def without_call(path: str, line: int, name: str) -> str | None:
    """The statement on that line without its call of `...name(...)`: the first argument, or the object, in its place.

    `return F.softmax(self.head(x), dim=1)` -> `return self.head(x)`. None where there is no such call.
    """
    original = simple_statement(path, line)
    if original is None:
        return None
    changed = _LeaveOut(name)
    statement = changed.visit(copy.deepcopy(original))
    if changed.count != 1:
        return None
    if isinstance(statement, ast.Assign) and ast.unparse(statement.targets[0]) == ast.unparse(statement.value):
        return f"# delete this line: {ast.unparse(original)}"
    return ast.unparse(statement)


_SIMPLE = (ast.Return, ast.Assign, ast.AugAssign, ast.AnnAssign, ast.Expr)


def _spans(node: ast.stmt, line: int) -> bool:
    return node.lineno <= line <= (node.end_lineno or node.lineno)


class _Put(ast.NodeTransformer):
    """One call replaced by an expression."""

    def __init__(self, place: ast.Call, expression: ast.expr) -> None:
        self._place, self._expression = place, expression

    def visit_Call(self, node: ast.Call) -> ast.AST:
        return self._expression if node is self._place else self.generic_visit(node)


class _LeaveOut(ast.NodeTransformer):
    """Replaces calls by what they are called on; `self.softmax(x)` and `x.softmax(1)` both become `x`."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.count = 0

    def visit_Call(self, node: ast.Call) -> ast.AST:
        self.generic_visit(node)
        called = ast.unparse(node.func).rpartition(".")[2]
        if self.name[:7] not in called.lower() or "log" in called.lower():
            return node
        self.count += 1
        named = next((keyword.value for keyword in node.keywords if keyword.arg == "input"), None)
        if named is not None:
            return named
        if isinstance(node.func, ast.Attribute) and not self._takes_its_value(node):
            return node.func.value
        return node.args[0] if node.args else node

    def _takes_its_value(self, node: ast.Call) -> bool:
        """Whether the first argument is the tensor: as for F.softmax(x, 1) and self.softmax(x), not x.softmax(1)."""
        return bool(node.args) and not isinstance(node.args[0], (ast.Constant, ast.UnaryOp))
