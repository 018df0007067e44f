"""The user's own containers of tensors: what they hold, and a copy of one with other tensors in it. Runs nothing.

Dicts and what behaves like them, as the data of a graph do, tuples and lists, dataclasses, namespaces.
"""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import torch
from torch import nn
from torch.nn.utils.rnn import PackedSequence

_OPAQUE = (torch.Tensor, nn.Module, type, str, bytes, PackedSequence)


def entries(container: Any) -> Iterator[tuple[Any, Any]]:
    """Each key, place or attribute of a container, and what is there; nothing of anything else."""
    if isinstance(container, _OPAQUE):
        return
    if isinstance(container, Mapping):
        yield from container.items()
    elif isinstance(container, (tuple, list)):
        yield from enumerate(container)
    elif _has_keys(container):
        yield from ((key, container[key]) for key in container.keys())  # noqa: SIM118
    elif dataclasses.is_dataclass(container):
        yield from ((field.name, getattr(container, field.name)) for field in dataclasses.fields(container))
    else:
        yield from getattr(container, "__dict__", {}).items()


def _has_keys(container: Any) -> bool:
    return callable(getattr(container, "keys", None)) and hasattr(container, "__getitem__")


def name_of(container: Any, entry: Any) -> str:
    """What the user calls an entry: a field of a named tuple has a name too."""
    fields = getattr(container, "_fields", ())
    return str(fields[entry]) if isinstance(entry, int) and entry < len(fields) else str(entry)


def entry_of(container: Any, entry: Any) -> Any:
    """What is there; None if nothing is."""
    return next((value for key, value in entries(container) if key == entry), None)


def refilled(container: Any, values: Sequence[tuple[Any, Any]]) -> Any:
    """A shallow copy with these entries replaced; the container itself stays as it is."""
    if isinstance(container, tuple):
        items = list(container)
        for place, value in values:
            items[place] = value
        return type(container)(*items) if hasattr(container, "_fields") else tuple(items)
    twin = copy.copy(container)
    for entry, value in values:
        if isinstance(twin, list) or _has_keys(twin):
            twin[entry] = value
        else:
            object.__setattr__(twin, entry, value)
    return twin
