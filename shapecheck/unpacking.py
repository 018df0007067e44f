"""The tensors that can be had of what is none: members of tuples, mappings and objects, arrays and lists as one. Imports torch."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from typing import Any

import torch

MOST = 12  # members looked at
DEEP = 2


def kind(value: Any) -> str:
    """The name of a value's type as torch's own errors have it."""
    return type(value).__name__


def members(value: Any, depth: int = DEEP) -> Iterator[tuple[str, torch.Tensor]]:
    """Each dense tensor inside, with its path as code: `.logits`, `[0]`, `['out']`, `[0].logits`."""
    for path, item in _items(value):
        if isinstance(item, torch.Tensor):
            if is_dense(item):
                yield path, item
        elif depth > 1:
            yield from ((path + inner, tensor) for inner, tensor in members(item, depth - 1))


def _items(value: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(value, Mapping):
        for key, item in value.items():
            own = isinstance(key, str) and key.isidentifier() and _reads(value, key, item)
            yield (f".{key}" if own else f"[{key!r}]"), item
    elif isinstance(value, tuple) and hasattr(value, "_fields"):
        yield from ((f".{name}", item) for name, item in zip(value._fields, value))
    elif isinstance(value, (list, tuple)):
        yield from ((f"[{place}]", item) for place, item in enumerate(value[:MOST]))
    elif dataclasses.is_dataclass(value) and not isinstance(value, type):
        yield from ((f".{each.name}", getattr(value, each.name, None)) for each in dataclasses.fields(value))
    elif not isinstance(value, (torch.nn.Module, type)) and hasattr(value, "__dict__"):
        yield from ((f".{name}", item) for name, item in vars(value).items() if not name.startswith("_"))


def looped(value: Any) -> str | None:
    """What a loop over its items runs over; None where not each of its items is a tensor."""
    mapping = isinstance(value, Mapping)
    items = list(value.values()) if mapping else list(value) if isinstance(value, (list, tuple)) else []
    return (".values()" if mapping else "") if items and all(isinstance(item, torch.Tensor) for item in items) else None


def _reads(value: Any, key: str, item: Any) -> bool:
    """Whether a mapping gives its items as attributes too, as a ModelOutput does; a dict's own methods are none."""
    if type(value) is dict:
        return False
    try:
        return getattr(value, key) is item
    except Exception:  # an object of the user's may raise whatever it likes
        return False


def as_one(value: Any) -> torch.Tensor | None:
    """All of it as one tensor, as torch.as_tensor makes it: of a number, an array, nested lists of numbers."""
    if value is None or isinstance(value, (str, bytes, Mapping)) or _holds_tensors(value):
        return None
    try:
        return torch.as_tensor(value)
    except Exception:  # words, ragged lists, objects: torch raises a different error for each
        return None


def stacked(value: Any) -> torch.Tensor | None:
    """The tensors of a list or tuple as one, where they are all of one shape."""
    if not isinstance(value, (list, tuple)) or not value or not all(isinstance(item, torch.Tensor) for item in value):
        return None
    alike = {(item.shape, item.dtype, item.device) for item in value}
    return torch.stack(tuple(item.detach() for item in value)) if len(alike) == 1 and is_dense(value[0]) else None


def has_words(value: Any) -> bool:
    """Whether it is a list of strings, such as the names of classes."""
    return isinstance(value, (list, tuple)) and bool(value) and all(isinstance(item, str) for item in value)


def is_dense(tensor: torch.Tensor) -> bool:
    """Whether its values can be read as they are."""
    return tensor.layout is torch.strided and not (tensor.is_meta or tensor.is_quantized or tensor.is_nested)


def _holds_tensors(value: Any) -> bool:
    return (
        isinstance(value, (list, tuple))
        and any(isinstance(item, (torch.Tensor, list, tuple)) for item in value)
        and any(True for _ in members(value))
    )
