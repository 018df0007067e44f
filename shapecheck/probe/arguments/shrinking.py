"""Makes the defaults of a config small: a check needs the shapes of a large model, not its size. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from shapecheck.probe.arguments.naming import WIDTH, by_name, role_of

_LARGE = 20_000_000
_OPEN = ("vocabulary", "classes", "width", "layers", "heads", "length", "channels", "image", "patch", "features")
_SMALL: Mapping[str, int] = {"layers": 2, "width": WIDTH, "heads": 4, "heads-width": 16, "feed-forward": 2 * WIDTH}


def small_fields(defaults: Mapping[str, Any], takes: Sequence[str], classes: int | None) -> dict[str, Any]:
    """Fields to set: those that the config leaves open (None, -1), and the sizes of a model that would be large."""
    fields = {name: _filled(name, classes) for name in takes if _is_open(name, defaults)}
    if _weights(defaults) > _LARGE:
        fields |= {name: _SMALL[role_of(name)] for name in takes if _is_larger(name, defaults.get(name))}
    return {name: value for name, value in fields.items() if value is not None}


def _is_open(name: str, defaults: Mapping[str, Any]) -> bool:
    """-1 is how configs say that a size comes later; None mostly says that there is a default elsewhere."""
    value = defaults.get(name, 0)
    return type(value) is int and value == -1 and role_of(name) in _OPEN


def _filled(name: str, classes: int | None) -> Any:
    named = by_name(name)
    return classes if classes and named and named.role == "classes" else named.value if named else None


def _is_larger(name: str, value: Any) -> bool:
    return type(value) is int and role_of(name) in _SMALL and value > _SMALL[role_of(name)]


def _weights(defaults: Mapping[str, Any]) -> int:
    """About how many parameters a transformer of these sizes has."""
    sizes: dict[str, int] = {}
    for name, value in defaults.items():
        if type(value) is int and value > 0:
            sizes[role_of(name)] = max(sizes.get(role_of(name), 0), value)
    width = sizes.get("width", 0)
    return 12 * sizes.get("layers", 1) * width * width + sizes.get("vocabulary", 0) * width
