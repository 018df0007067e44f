"""Values of constructor arguments with where they come from, and what is known around a model. Frozen data."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from shapecheck.errors import Location
from shapecheck.probe.arguments.usage import NOTHING, Usage


class Unguessable(Exception):
    """Nothing tells what the argument takes; `path` is its name."""

    def __init__(self, path: str) -> None:
        super().__init__(path)
        self.path = path


@dataclass(frozen=True)
class Value:
    """A value and where it comes from: flag, call or guessed."""

    value: Any
    origin: str
    location: Location | None = None


@dataclass(frozen=True)
class Record:
    """The fields of an object that the text describes: parsed options, a namespace, a config class that is not imported."""

    fields: Mapping[str, Any]


@dataclass(frozen=True)
class Surroundings:
    """What is known around the model.

    `namespace` is that of the module it is defined in, `usages` how the whole file uses names and `usages_in` how one class
    of it does, `options` the defaults of a command line nearby.
    """

    namespace: Mapping[str, Any]
    usages: Mapping[str, Usage]
    usages_in: Callable[[str], Mapping[str, Usage]] = field(default=lambda owner: {})
    classes: int | None = None
    options: Callable[[], Mapping[str, Value]] = field(default=dict)

    def usage(self, name: str, owner: str = "") -> Usage:
        """How the class `owner` uses the name, if that tells anything; else how anything in the file does."""
        own = self.usages_in(owner).get(name, NOTHING) if owner else NOTHING
        return own if own.is_telling else self.usages.get(name, NOTHING)


def is_config(kind: type) -> bool:
    """Whether building one is only a matter of storing values."""
    names = ("config", "args", "arguments", "hparams", "options", "settings", "params", "hyperparameters", "dimensions")
    return dataclasses.is_dataclass(kind) or kind.__name__.lower().endswith(names)
