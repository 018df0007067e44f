"""What a model's `forward` calls the parts of the tuple it returns: `return logits, hidden`. Reads the syntax tree, runs nothing."""

from __future__ import annotations

import ast
from collections.abc import Callable
from typing import Any

from shapecheck.probe.inputs.written import definition

_WRAPPED = frozenset({"softmax", "log_softmax", "sigmoid", "tanh", "relu", "squeeze", "view", "reshape", "permute", "transpose", "contiguous", "stack", "cat", "flatten", "unsqueeze"})  # fmt: skip


def returned_names(forward: Callable[..., Any], parts: int) -> tuple[str, ...]:
    """One name a part, '' where it has none; () where no `return` of so many parts can be found. The last one counts."""
    node = definition(forward)
    found = [names for names in map(_names, _returns(node)) if len(names) == parts] if node else []
    return found[-1] if found else ()


def _returns(node: ast.FunctionDef) -> list[ast.expr]:
    inner = {
        id(child) for other in ast.walk(node) if other is not node and _is_function(other) for child in ast.walk(other)
    }
    return [one.value for one in ast.walk(node) if isinstance(one, ast.Return) and one.value and id(one) not in inner]


def _is_function(node: ast.AST) -> bool:
    return isinstance(node, (ast.FunctionDef, ast.Lambda))


def _names(value: ast.expr) -> tuple[str, ...]:
    return tuple(map(_name, value.elts)) if isinstance(value, (ast.Tuple, ast.List)) else ()


def _name(node: ast.expr) -> str:
    """`logits` for `logits`, `self.logits`, `F.softmax(logits)` and `logits.squeeze(1)`; `head()` for `self.head(x)`."""
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute):
        return node.attr
    if not isinstance(node, ast.Call):
        return ""
    name = _name(node.func)
    if name not in _WRAPPED:
        return f"{name}()" if name else ""
    on = node.func.value if isinstance(node.func, ast.Attribute) else None
    is_method = isinstance(on, ast.Name) and on.id not in ("F", "torch", "self", "nn")
    inner = on if is_method else node.args[0] if node.args else None
    return _name(inner) if inner is not None else ""
