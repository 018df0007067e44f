"""Builds a model whose required arguments nobody gave: as the user's own code does, else with guessed values.

A bounded number of tries; each is a call of the user's constructor. Says for every value where it comes from.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from enum import Enum
from inspect import Signature
from typing import Any

from torch import nn

from shapecheck import source
from shapecheck.probe import places
from shapecheck.probe.arguments.call_sites import Neighbourhood, Site, options_near, sites_of
from shapecheck.probe.arguments.guessing import Guesser
from shapecheck.probe.arguments.repairing import ASK, changes
from shapecheck.probe.arguments.usage import Usage, owners, usages
from shapecheck.probe.arguments.values import Record, Surroundings, Unguessable, Value
from shapecheck.probe.runs.state import seed
from shapecheck.probe.telling import shown_value
from shapecheck.specs import UsedArgument

_MOST_TRIES = 25
_MOST_SECONDS = 10.0

Fixed = Mapping[str, Value]


@dataclass(frozen=True)
class Wanted:
    """What is to be called: its name and signature, and the values given by the user."""

    found: Callable[..., Any]
    name: str
    signature: Signature
    given: Mapping[str, Any]
    classes: int | None = None
    files: tuple[str, ...] = ()

    @property
    def flags(self) -> Fixed:
        return {name: Value(value, "flag") for name, value in self.given.items()}


@dataclass(frozen=True)
class Built:
    """What the call made, and what it was called with."""

    made: object
    used: tuple[UsedArgument, ...]


@dataclass(frozen=True)
class Try:
    """One call: where its values come from, the values, and what it raised."""

    source: str
    fixed: Fixed
    trail: Mapping[str, Value] = field(default_factory=dict)
    error: BaseException | None = None


class NotBuilt(Exception):
    """Nothing that was tried builds it; `unguessable` is an argument that stopped it before any try."""

    def __init__(self, tries: Sequence[Try], unguessable: str | None, trail: Mapping[str, Value]) -> None:
        super().__init__()
        self.tries = list(tries)
        self.unguessable = unguessable
        self.trail = trail


class Builder:
    """`call` is how the target is called with arguments by name."""

    def __init__(self, wanted: Wanted, call: Callable[[Mapping[str, Any]], object]) -> None:
        self.wanted = wanted
        self.call = call
        self.tries: list[Try] = []
        self.unguessable: str | None = None
        self.deadline = time.monotonic() + _MOST_SECONDS
        self.neighbourhood = Neighbourhood(_files(wanted))
        self.around = _surroundings(wanted, self.neighbourhood)
        self.known: set[str] = set()
        self.owner = getattr(_constructor(wanted.found), "__name__", "")

    def build(self) -> Built:
        """Raises NotBuilt."""
        starts = [*self._as_called(), Try("names", self.wanted.flags)]
        for start in starts:
            built = self._tried(start)
            if built is not None:
                return built
        for failed in [each for each in self.tries if each.error is not None]:
            built = self._repaired(failed)
            if built is not None:
                return built
        raise NotBuilt(self.tries, self.unguessable, self._best_trail())

    def _as_called(self) -> Iterator[Try]:
        for site in sites_of(self.wanted.found, self.wanted.name, self.wanted.signature, self.neighbourhood):
            yield Try(str(site.location), {**_values(site), **self.wanted.flags})

    def _tried(self, start: Try) -> Built | None:
        guesser = Guesser(start.fixed, self.around)
        seed()
        try:
            arguments = guesser.arguments(self.wanted.signature, self.owner)
            made = self.call(arguments)
        except Unguessable as missing:
            self.unguessable = self.unguessable or missing.path
            return None
        except (Exception, SystemExit) as error:
            self.tries.append(replace(start, trail=guesser.trail, error=error))
            return None
        return Built(made, used_arguments(guesser.trail))

    def _repaired(self, failed: Try) -> Built | None:
        """Depth first: a change after which something else goes wrong is a step ahead."""
        self.known.add(_signature_of(failed))
        error = failed.error
        assert error is not None
        for change in changes(error, failed.trail, self.around.usages, self.wanted.signature):
            if len(self.tries) >= _MOST_TRIES or time.monotonic() > self.deadline:
                return None
            count = len(self.tries)
            new = {name: self._new(name, value, failed.fixed) for name, value in change.items()}
            built = self._tried(replace(failed, fixed={**failed.fixed, **new}))
            if built is not None:
                return built
            if len(self.tries) > count and _signature_of(self.tries[-1]) not in self.known:
                built = self._repaired(self.tries[-1])
                if built is not None:
                    return built
        return None

    def _new(self, name: str, value: Any, fixed: Fixed) -> Value:
        if value is ASK:
            plain = name.rpartition(".")[2]
            try:
                value = Guesser(fixed, self.around).plain(plain, name, None, self.around.usage(plain, self.owner))
            except Unguessable:
                value = None
        return Value(value, "guessed")

    def _best_trail(self) -> Mapping[str, Value]:
        """What a hint can show: the guesses of the first try, or those for each argument by itself."""
        by_names = [each.trail for each in self.tries if each.source == "names"]
        if by_names:
            return by_names[0]
        guesser = Guesser(self.wanted.flags, self.around)
        for parameter in self.wanted.signature.parameters.values():
            with suppress(Exception):
                guesser.arguments(Signature([parameter]), self.owner)
        return guesser.trail


def _signature_of(tried: Try) -> str:
    """What went wrong, where, and on which way: two layers of one model may be built by the same line."""
    error = tried.error
    lines = [place for place in places.lines_of(error) if places.distance(place[0]) == 0] if error else []
    return f"{type(error).__name__} {error} {lines}"


def _values(site: Site) -> Fixed:
    return {name: Value(value, "call", site.location) for name, value in site.values.items()}


def _files(wanted: Wanted) -> tuple[str, ...]:
    """The file of the definition, if it is the user's, and the file that the user named."""
    module = sys.modules.get(getattr(wanted.found, "__module__", None) or "")
    defined = getattr(module, "__file__", None)
    own = [defined] if defined and places.distance(defined) == 0 else []
    return tuple(dict.fromkeys([*own, *wanted.files]))


def _surroundings(wanted: Wanted, around: Neighbourhood) -> Surroundings:
    constructor = _constructor(wanted.found)
    module = sys.modules.get(getattr(constructor, "__module__", None) or "")
    namespace = dict(getattr(module, "__dict__", {}))
    if isinstance(getattr(wanted.found, "config_class", None), type):
        namespace["config_class"] = wanted.found.config_class  # type: ignore[attr-defined]
    tree = source.parse(getattr(module, "__file__", None) or "")
    used = usages([tree] if tree else [])
    options: dict[str, Value] = {}

    def defaults() -> Mapping[str, Value]:
        if not options:
            near = options_near(around, [name for name in used if name.isidentifier()])
            options.update({name: Value(value, "call", place) for name, (value, place) in near.items()})
            options.setdefault("", Value(None, "call"))
        return options

    parts = owners(tree) if tree else {}
    by_owner: dict[str, Mapping[str, Usage]] = {}

    def used_in(owner: str) -> Mapping[str, Usage]:
        if owner not in by_owner:
            by_owner[owner] = usages([parts[owner]]) if owner in parts else {}
        return by_owner[owner]

    return Surroundings(namespace, used, used_in, wanted.classes, defaults)


def _constructor(found: Any) -> Any:
    """The class in whose file the constructor stands, which may be a base."""
    if not isinstance(found, type):
        return found
    return next((kind for kind in found.__mro__ if "__init__" in vars(kind)), found)


def used_arguments(trail: Mapping[str, Value]) -> tuple[UsedArgument, ...]:
    """As the report shows them; an object whose fields are listed is not listed itself."""
    whole = [name for name in trail if any(other.startswith(name + ".") for other in trail)]
    return tuple(
        UsedArgument(name, _plain(value.value), value.origin, value.location)
        for name, value in trail.items()
        if name not in whole
    )


def _plain(value: Any) -> Any:
    if value is None or (isinstance(value, (bool, int, float, str)) and not isinstance(value, Enum)):
        return value
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, Record):
        return _plain(value.fields)
    if isinstance(value, nn.Module):
        return f"{type(value).__name__}(...)"
    return (
        value.__name__
        if isinstance(value, type) or (callable(value) and hasattr(value, "__name__"))
        else shown_value(value)
    )
