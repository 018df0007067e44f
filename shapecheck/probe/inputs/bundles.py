"""A parameter of `forward` that takes several tensors at once, `batch["tokens"]`, `data.x` or a tuple: which ones. Runs nothing.

What it holds is read off the model's own code.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from shapecheck.probe.inputs.written import definition

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


@dataclass(frozen=True)
class Entry:
    """One of the tensors that an argument holds: under its name, or at a place of a tuple, which is negative for a name."""

    name: str
    place: int = -1


def held(model: nn.Module, parameter: str) -> list[Entry]:
    """What `forward` takes out of its argument `parameter`; empty for a parameter that is a tensor itself."""
    forward = definition(getattr(type(model), "forward", None))
    if forward is None:
        return []
    by_name = [Entry(name) for name in dict.fromkeys(_taken(forward, parameter))]
    return by_name or [Entry(name, place) for place, name in enumerate(_in_a_row(forward, parameter))]


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


# ---------------------------------------------------------------------------- tuples


def _in_a_row(node: ast.FunctionDef, parameter: str) -> list[str]:
    """What stands at each place of a tuple: of `text, lengths = inputs`, or of `inputs[0]` and `inputs[1]` and no other use."""
    names: dict[int, str] = {}
    for statement in node.body:
        unpacked = _unpacked(statement, parameter)
        if unpacked:
            return unpacked
        mentions = [n for n in ast.walk(statement) if isinstance(n, ast.Name) and n.id == parameter]
        places = _indexed(statement, parameter)
        if len(places) < sum(isinstance(mention.ctx, ast.Load) for mention in mentions):
            return []
        names = {place: _assigned(statement) or str(place) for place in places} | names
        if any(isinstance(mention.ctx, ast.Store) for mention in mentions):  # from here on the name is another thing's
            break
    whole = len(names) > 1 and sorted(names) == list(range(len(names)))
    return [names[place] for place in sorted(names)] if whole else []


def _unpacked(node: ast.stmt, parameter: str) -> list[str]:
    if not isinstance(node, ast.Assign) or not isinstance(node.value, ast.Name) or node.value.id != parameter:
        return []
    target = node.targets[0]
    names = [item.id for item in target.elts if isinstance(item, ast.Name)] if isinstance(target, ast.Tuple) else []
    return names if isinstance(target, ast.Tuple) and len(names) == len(target.elts) else []


def _indexed(node: ast.stmt, parameter: str) -> list[int]:
    """The places in every `parameter[place]` of a statement."""
    found = (n for n in ast.walk(node) if isinstance(n, ast.Subscript) and isinstance(n.value, ast.Name))
    of_it = (n.slice for n in found if isinstance(n.value, ast.Name) and n.value.id == parameter)
    return [s.value for s in of_it if isinstance(s, ast.Constant) and isinstance(s.value, int) and s.value >= 0]


def _assigned(node: ast.stmt) -> str:
    """The name that is given to the entry itself."""
    plain = isinstance(node, ast.Assign) and isinstance(node.value, ast.Subscript)
    target = node.targets[0] if isinstance(node, ast.Assign) and plain else None
    return target.id if isinstance(target, ast.Name) else ""
