"""A value for each constructor argument that nobody gave, by its annotation, its use and its name.

Builds the config objects and modules that an argument asks for in the same way. Raises Unguessable for the rest.
"""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Mapping
from enum import Enum
from inspect import Parameter, Signature
from typing import Any, get_args

import torch
from torch import nn

from shapecheck.probe.arguments.annotations import NAMED, field_names, is_callable, kind_of, origin_of, signature_of
from shapecheck.probe.arguments.lookalikes import BLOCKS, OBJECTS, PARTS, callable_for, named_like, same_name
from shapecheck.probe.arguments.naming import by_name, role_of
from shapecheck.probe.arguments.plain_values import Question, plain_value
from shapecheck.probe.arguments.settings import Settings
from shapecheck.probe.arguments.shrinking import small_fields
from shapecheck.probe.arguments.usage import Usage
from shapecheck.probe.arguments.values import Record, Surroundings, Unguessable, Value, is_config

_DEEPEST = 4
_LATE = ("heads", "patch")
_NO_OBJECTS = (
    int, float, str, list, tuple, dict, set, complex, bytes, type, nn.Module, Enum, torch.device, torch.dtype, torch.Tensor,
)  # fmt: skip


class Guesser:
    """Fills in one call. `fixed` are dotted names with their values; `trail` ends up with everything that was used."""

    def __init__(self, fixed: Mapping[str, Value], surroundings: Surroundings) -> None:
        self.fixed = fixed
        self.around = surroundings
        self.trail: dict[str, Value] = {}
        self.defaults: dict[str, Any] = {}
        self.owners: list[str] = []

    def arguments(self, signature: Signature, owner: str, path: str = "") -> dict[str, Any]:
        """Values by name for what is required and what is fixed; `owner` is the class or function. Raises Unguessable."""
        if len(self.owners) > _DEEPEST:
            raise Unguessable(path.rstrip("."))
        self.owners.append(owner)
        try:
            return self._filled(signature, path)
        finally:
            self.owners.pop()

    def _filled(self, signature: Signature, path: str) -> dict[str, Any]:
        made: dict[str, Any] = {}
        self.defaults |= {p.name: p.default for p in signature.parameters.values() if type(p.default) is int}
        parameters = [p for p in signature.parameters.values() if p.kind is not Parameter.VAR_KEYWORD]
        for parameter in sorted(parameters, key=lambda each: role_of(each.name) in _LATE):
            full = f"{path}{parameter.name}"
            if self._is_fixed(full):
                made[parameter.name] = self._given(parameter, full)
            elif parameter.default is Parameter.empty and parameter.kind is not Parameter.VAR_POSITIONAL:
                made[parameter.name] = self._guessed(parameter, full)
        if any(p.kind is Parameter.VAR_KEYWORD for p in signature.parameters.values()):
            made |= self._open(path, made)
        return {p.name: made.pop(p.name) for p in parameters if p.name in made} | made

    def _is_fixed(self, full: str) -> bool:
        return full in self.fixed or any(name.startswith(full + ".") for name in self.fixed)

    def _open(self, path: str, made: Mapping[str, Any]) -> dict[str, Any]:
        """Fixed names that only `**kwargs` can take."""
        found = {}
        for full, value in self.fixed.items():
            name = full.removeprefix(path)
            if full.startswith(path) and "." not in name and name not in made:
                self.trail[full] = value
                found[name] = value.value
        return found

    def _given(self, parameter: Parameter, full: str) -> Any:
        """A value as it stands; fields that belong to an object make that object."""
        value = self.fixed.get(full)
        fields = {n.removeprefix(full + "."): v for n, v in self.fixed.items() if n.startswith(full + ".")}
        if value is not None and not self._is_description(value, parameter):
            if fields and hasattr(value.value, "__dict__"):
                return self._changed(value, fields, full)
            self.trail[full] = value
            return value.value
        described = value.value.fields if value and isinstance(value.value, Record) else value.value if value else {}
        parts = (
            {f"{full}.{name}": dataclasses.replace(value, value=part) for name, part in described.items()}
            if value
            else {}
        )
        return self._with(parts)._object(parameter, full)

    def _is_description(self, value: Value, parameter: Parameter) -> bool:
        """Fields of an object rather than the argument itself: `--arg config='{width: 3}'` for a class of configs."""
        typed = isinstance(value.value, Mapping) and value.origin == "flag" and self._is_object(parameter)
        return isinstance(value.value, Record) or typed

    def _with(self, more: Mapping[str, Value]) -> Guesser:
        """The same call with more that is fixed; what was fixed before wins."""
        whole = Guesser({**more, **self.fixed}, self.around)
        whole.trail, whole.owners, whole.defaults = self.trail, self.owners, self.defaults
        return whole

    def _changed(self, value: Value, fields: Mapping[str, Value], full: str) -> Any:
        """A copy of a ready object with fields of it set."""
        changed = copy.copy(value.value)
        for name, each in fields.items():
            setattr(changed, name, each.value)
            self.trail[f"{full}.{name}"] = each
        return changed

    def _guessed(self, parameter: Parameter, full: str) -> Any:
        usage = self._usage(parameter.name)
        kind = kind_of(parameter.annotation)
        if kind is None and full == parameter.name and self._is_other_model(full, usage):
            raise Unguessable(full)
        if self._is_object(parameter):
            return self._object(parameter, full)
        if isinstance(kind, type) and issubclass(kind, nn.Module):
            return self._module(parameter, kind, full)
        plain = self.plain(parameter.name, full, kind, usage)
        self.trail[full] = Value(plain, "guessed")
        return plain

    def _is_other_model(self, name: str, usage: Usage) -> bool:
        """A model that is made elsewhere: not one named by a string or counted, and none of a class of this module."""
        told = usage.is_number or usage.is_counted or usage.compared or usage.keys_of
        return bool(PARTS.match(name)) and not told and self._like(name) is None

    # --------------------------------------------------------------------------------------- objects

    def _is_object(self, parameter: Parameter) -> bool:
        """Whether it takes a config, `args` or another object of the user's that stores values."""
        kind = kind_of(parameter.annotation)
        if isinstance(kind, type):
            return kind is dict or (kind is not object and not issubclass(kind, _NO_OBJECTS))
        if kind is not None:
            return False
        usage = self._usage(parameter.name)
        if isinstance(self._like(parameter.name), type) and not OBJECTS.match(parameter.name):
            return False
        return bool(OBJECTS.match(parameter.name)) or (usage.is_object and not usage.is_sequence)

    def _object(self, parameter: Parameter, full: str) -> Any:
        kind = kind_of(parameter.annotation)
        if not isinstance(kind, type) or kind is dict:
            kind = self._config_class(parameter)
        if kind is None:
            return self._settings(full)
        if not self._may_build(kind):
            raise Unguessable(full)
        return self._config(kind, full)

    def _may_build(self, kind: type) -> bool:
        """Configs, and classes of the model's own package: what others do when they are built is not known."""
        home = str(self.around.namespace.get("__name__", "")).partition(".")[0]
        return is_config(kind) or kind.__module__.partition(".")[0] == home

    def _config_class(self, parameter: Parameter) -> type | None:
        """The class that transformers names, or one of the module that has every field that is read."""
        usage = self._usage(parameter.name)
        named = self.around.namespace.get("config_class")
        if isinstance(named, type):
            return named
        classes = [v for v in self.around.namespace.values() if isinstance(v, type) and is_config(v)]
        fitting = [kind for kind in classes if usage.fields and set(usage.fields) <= field_names(kind)]
        return fitting[0] if fitting else None

    def _config(self, kind: type, full: str) -> Any:
        """An object of the class with its own defaults, made small where they are those of a large model."""
        try:
            signature = signature_of(kind)
        except ValueError:
            raise Unguessable(full) from None
        fixed = {name: Value(value, "guessed") for name, value in self._small(kind, signature, full).items()}
        made = kind(**self._with(fixed).arguments(signature, kind.__name__, full + "."))
        if not any(name.startswith(full + ".") for name in self.trail):
            self.trail[full] = Value(f"{kind.__name__}()", "guessed")
        return made

    def _small(self, kind: type, signature: Signature, full: str) -> dict[str, Any]:
        """Fields of the config to set against its defaults."""
        required = [p for p in signature.parameters.values() if p.default is Parameter.empty and p.kind in NAMED]
        defaults = {p.name: p.default for p in signature.parameters.values() if p.default is not Parameter.empty}
        if not required:
            try:
                defaults = {**vars(kind()), **defaults}
            except Exception:
                return {}
        takes = [p.name for p in signature.parameters.values() if p.kind in NAMED]
        return {f"{full}.{name}": value for name, value in small_fields(defaults, takes, self.around.classes).items()}

    def _settings(self, full: str) -> Settings:
        """A namespace that answers whatever is read of it."""
        prefix = full + "."
        given = {name.removeprefix(prefix): value for name, value in self.fixed.items() if name.startswith(prefix)}
        read = {part for usage in self.around.usages.values() for part in (*usage.fields, *usage.items)}
        self.trail |= {prefix + n: value for n, value in given.items() if n in read or value.origin != "call"}
        settings = Settings({name: value.value for name, value in given.items() if "." not in name}, lambda name: None)
        settings.answer = lambda name: self._answer(name, prefix)
        for name in [name for name in settings if isinstance(settings[name], (Record, Mapping))]:
            settings[name] = self._given(Parameter(name, Parameter.KEYWORD_ONLY), prefix + name)
        return settings

    def _answer(self, name: str, prefix: str) -> Any:
        """Raises KeyError for what cannot be guessed."""
        full = prefix + name
        usage = self.around.usage(name)
        if full in self.fixed:
            value = self.fixed[full]
        elif usage.is_object and not usage.is_sequence and role_of(name) in ("", "width"):
            return self._settings(full)
        elif name in self.around.options():
            value = self.around.options()[name]
        else:
            try:
                value = Value(self.plain(name, full, None, usage), "guessed")
            except Unguessable:
                raise KeyError(name) from None
        self.trail[full] = value
        return value.value

    # --------------------------------------------------------------------------------------- modules, functions

    def _module(self, parameter: Parameter, kind: type, full: str) -> Any:
        named = self._like(parameter.name) if kind is nn.Module else kind
        if not (isinstance(named, type) and issubclass(named, nn.Module)):
            if role_of(parameter.name) == "activation":
                self.trail[full] = Value("nn.ReLU()", "guessed")
                return nn.ReLU()
            raise Unguessable(full)
        made = named(**self.arguments(signature_of(named), named.__name__, full + "."))
        self.trail.setdefault(full, Value(f"{named.__name__}(...)", "guessed"))
        return made

    # --------------------------------------------------------------------------------------- the rest

    def plain(self, name: str, full: str, kind: Any, usage: Usage) -> Any:
        """A number, string, flag or list of them, or a class where one is called. Raises Unguessable."""
        called = usage.is_called and not hasattr(torch.Tensor, name)  # `x.size()` is no call of an argument `size`
        if is_callable(kind) or (kind is None and (called or (BLOCKS.match(name) and not usage.is_counted))):
            wants_class = called or origin_of(kind) is type or nn.Module in get_args(kind)
            made = callable_for(name, self.around.namespace, wants_class)
            if made is None:
                raise Unguessable(full)
            return made
        like = self._like(name) if kind is None and not usage.is_counted and not usage.is_number else None
        if (
            isinstance(like, type)
            and issubclass(like, nn.Module)
            and (by_name(name) is None or same_name(name, like.__name__))
        ):
            return self._instance(name, like, full)
        known = {path: each.value for path, each in {**self.fixed, **self.trail}.items()}
        return plain_value(Question(name, full, kind, usage, self.around, {**self.defaults, **known}))

    def _instance(self, name: str, like: type, full: str) -> Any:
        """The class itself where it is only somewhat like the name, as a block is; else one of its objects."""
        if not same_name(name, like.__name__):
            return like
        return self._module(Parameter(name, Parameter.POSITIONAL_OR_KEYWORD, annotation=like), like, full)

    def _like(self, name: str) -> Any:
        """Never the class that the argument belongs to."""
        like = named_like(name, self.around.namespace)
        return None if getattr(like, "__name__", "") in self.owners else like

    def _usage(self, name: str) -> Usage:
        return self.around.usage(name, self.owners[-1] if self.owners else "")
