"""Loss calls that stand in the script and did not come before it was stopped: those of a later phase, of validation.

Reads the syntax tree alone: which of them the script would make is not known.
"""

from __future__ import annotations

import ast
import os
from collections.abc import Iterable, Iterator

from torch.nn.modules import loss as torch_losses

from shapecheck import source
from shapecheck.errors import Location
from shapecheck.probe.places import shown
from shapecheck.rules import all_losses

_MODULES = frozenset(torch_losses.__all__)


def unseen(files: Iterable[str], seen: Iterable[Location]) -> list[Location]:
    """The lines of calls of torch's losses in these files at which none was seen."""
    known = set(seen)
    return [place for file in dict.fromkeys(map(os.path.abspath, files)) for place in _in_file(file, known)]


def _in_file(file: str, seen: set[Location]) -> Iterator[Location]:
    tree, path = source.parse(file), shown(file)
    for call in _loss_calls(tree) if tree is not None else ():
        lines = range(call.lineno, (call.end_lineno or call.lineno) + 1)
        if not any(Location(path, line) in seen for line in lines):
            yield Location(path, call.lineno)


def _loss_calls(tree: ast.Module) -> list[ast.Call]:
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call)]
    functions = {rule.name for rule in all_losses()}
    held = {_last(target) for node in ast.walk(tree) for target in _holders(node)} - {""}
    found = [call for call in calls if _last(call.func) in functions | held or _makes_loss(call.func)]
    return sorted(found, key=lambda call: call.lineno)


def _holders(node: ast.AST) -> list[ast.expr]:
    """The names that a loss module is kept under: `criterion = nn.CrossEntropyLoss()`, `self.loss = ...`."""
    return node.targets if isinstance(node, ast.Assign) and _makes_loss(node.value) else []


def _makes_loss(node: ast.AST) -> bool:
    return isinstance(node, ast.Call) and _last(node.func) in _MODULES


def _last(node: ast.AST) -> str:
    """`cross_entropy` of `F.cross_entropy`."""
    return node.attr if isinstance(node, ast.Attribute) else node.id if isinstance(node, ast.Name) else ""
