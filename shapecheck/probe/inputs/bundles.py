"""A parameter of `forward` that takes several tensors at once, `batch["tokens"]` or `data.x`: which ones. Runs nothing.

What it holds is read off the model's own code.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from typing import Any

import torch
from torch import nn

from shapecheck import source

_OF_MAPPINGS = frozenset({"items", "keys", "values", "get", "pop", "update", "copy"})
_OF_DATA = frozenset({"num_nodes", "num_graphs", "num_features", "device", "to", "cuda", "cpu"})


class Bundle(dict[str, Any]):
    """Tensors by name, as items and as attributes: stands for a dict, a namespace or a graph's data."""

    def __getattr__(self, name: str) -> Any:
        try:
            return self[name]
        except KeyError:
            raise AttributeError(f"the bundle of inputs has no {name}") from None

    def to(self, *_: Any, **__: Any) -> Bundle:
        return self


def held_names(model: nn.Module, parameter: str) -> list[str]:
    """What `forward` takes out of its argument `parameter` by name; empty for a parameter that is a tensor itself."""
    code = getattr(getattr(type(model), "forward", None), "__code__", None)
    tree = source.parse(code.co_filename) if code else None
    line = code.co_firstlineno if code else 0
    for node in ast.walk(tree) if tree else ():
        if isinstance(node, ast.FunctionDef) and node.name == "forward" and _stands_at(node, line):
            return list(dict.fromkeys(_taken(node, parameter)))
    return []


def _stands_at(node: ast.FunctionDef, line: int) -> bool:
    return line in (node.lineno, *(decorator.lineno for decorator in node.decorator_list))


def _taken(node: ast.FunctionDef, parameter: str) -> Iterator[str]:
    for inner in ast.walk(node):
        of = inner.value if isinstance(inner, (ast.Subscript, ast.Attribute)) else None
        if isinstance(of, ast.Name) and of.id == parameter:
            name = inner.attr if isinstance(inner, ast.Attribute) else _key(inner)
            if name and (isinstance(inner, ast.Subscript) or _is_entry(name)):
                yield name


def _key(node: ast.AST) -> str:
    """The string in `batch["tokens"]`, else ''."""
    key = node.slice if isinstance(node, ast.Subscript) else None
    return key.value if isinstance(key, ast.Constant) and isinstance(key.value, str) else ""


def _is_entry(attribute: str) -> bool:
    return attribute not in _OF_MAPPINGS | _OF_DATA and not hasattr(torch.Tensor, attribute)
