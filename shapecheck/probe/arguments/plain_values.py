"""A number, word, flag or list of them for an argument, by its annotation, its use and its name. Builds no objects."""

from __future__ import annotations

import inspect
import re
import typing
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any

import torch
from torch import nn

from shapecheck.probe.arguments.annotations import element_of, is_sequence, length_of, origin_of
from shapecheck.probe.arguments.naming import WIDTH, Named, by_name, consistent, is_plural, role_of, several
from shapecheck.probe.arguments.usage import Usage
from shapecheck.probe.arguments.values import Surroundings, Unguessable

_FEW = 4
_NUMBERS = (
    "in_features", "out_features", "num_embeddings", "embedding_dim", "in_channels", "out_channels", "input_size", "hidden_size",
)  # fmt: skip
_MAYBE_TOKENS = ("features", "classes", "width", "channels", "latent")
_MAYBE_WORDS = ("names", "width", "cell", "activation", "norm")


@dataclass(frozen=True)
class Question:
    """One argument: `path` is its dotted name, `kind` its annotation, `known` what the others are."""

    name: str
    path: str
    kind: Any
    usage: Usage
    around: Surroundings
    known: Mapping[str, Any]


def plain_value(asked: Question) -> Any:
    """Raises Unguessable."""
    found, special = _special(asked)
    if found:
        return special
    value = _scalar(asked, element_of(asked.kind))
    if not _takes_several(asked):
        return _one_of(value, asked)
    items = several(asked.name, value, length_of(asked.kind) or asked.usage.length)
    return tuple(items) if origin_of(asked.kind) is tuple else items


def _takes_several(asked: Question) -> bool:
    if asked.kind is not None:
        return is_sequence(asked.kind)
    usage, anywhere = asked.usage, asked.around.usage(asked.name)
    is_one = usage.is_counted or usage.is_number or any(name in _NUMBERS for name in _places(anywhere))
    return usage.is_sequence or (is_plural(asked.name) and not is_one)


def _one_of(value: Any, asked: Question) -> Any:
    """Of a usual list one number, where one is asked for: the size of an image, the smallest kernel."""
    if isinstance(value, (list, tuple)) and asked.kind in (int, float):
        return value[-1] if role_of(asked.name) == "image-shape" else value[0]
    return value


def _special(asked: Question) -> tuple[bool, Any]:
    """Whether the annotation leaves only a few values, and the first of them."""
    kind, name = asked.kind, asked.name
    if typing.get_origin(kind) is typing.Literal:
        return True, typing.get_args(kind)[0]
    if isinstance(kind, type) and issubclass(kind, Enum):
        return True, next(iter(kind))
    if kind is torch.device or (role_of(name) == "device" and kind is not str):
        return True, torch.device("cpu")
    if kind is torch.dtype or name in ("dtype", "torch_dtype"):
        return True, torch.float32
    if kind is bool:
        named = by_name(name)
        return True, named.value if named and isinstance(named.value, bool) else False
    return False, None


def _scalar(asked: Question, kind: Any) -> Any:
    """The value itself, or that of one item. Raises Unguessable."""
    named = _of_embedding(asked.usage, by_name(asked.name)) or _of_layer(asked.usage)
    choices = [*_keys(asked), *asked.usage.compared]
    if kind is str or (kind is None and choices and (named is None or named.role in _MAYBE_WORDS)):
        return _word(asked, choices)
    if named is not None and named.role == "names":
        raise Unguessable(asked.path)
    if named is not None and named.role == "classes" and asked.around.classes:
        return asked.around.classes
    return consistent(asked.name, _number(asked, named, kind), asked.known)


def _number(asked: Question, named: Named | None, kind: Any) -> Any:
    value: Any = named.value if named else _FEW if re.match(r"(n|num|nb)_", asked.name) else WIDTH
    if asked.usage.is_counted and (named is None or named.role == "width"):
        value = 2
    if kind is int and type(value) in (float, str, bool):
        return WIDTH
    if kind is float:
        return float(value) if named and type(value) in (int, float) else 0.1
    return value


def _word(asked: Question, choices: list[str]) -> str:
    named = by_name(asked.name)
    usual = named.value if named is not None and isinstance(named.value, str) else None
    if usual is None and not choices:
        raise Unguessable(asked.path)
    return usual if usual is not None and (usual in choices or not choices) else choices[0]


def _keys(asked: Question) -> Iterator[str]:
    """Keys of the tables that it is looked up in."""
    for name in asked.usage.keys_of:
        table = asked.around.namespace.get(name)
        known = table if isinstance(table, Mapping) else asked.around.usage(name).keys
        yield from (key for key in known if isinstance(key, str))


def _of_layer(usage: Usage) -> Named | None:
    """What the layer of torch that the argument goes to calls it."""
    return next(filter(None, map(by_name, _places(usage))), None)


def _places(usage: Usage) -> Iterator[str]:
    """The parameters of torch's layers that it is passed for."""
    for layer, place in usage.layers:
        kind = getattr(nn, layer, None)
        if isinstance(kind, type):
            names = list(inspect.signature(kind).parameters)
            name = place if isinstance(place, str) else names[place] if place < len(names) else ""
            yield from filter(None, [name])


def _of_embedding(usage: Usage, named: Named | None) -> Named | None:
    """A dimension or a number of classes that is the number of rows of an embedding counts tokens."""
    rows = any(layer == "Embedding" and place in (0, "num_embeddings") for layer, place in usage.layers)
    return by_name("vocab_size") if rows and (named is None or named.role in _MAYBE_TOKENS) else named
