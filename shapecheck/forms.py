"""What may be written in a YAML file, by the types of dataclasses: as JSON Schema, and checked with the line of a mistake.

One table for both: a key that is added to a dataclass is taken by the loader and known to editors. Knows nothing of rules.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import MISSING, Field, fields, is_dataclass
from functools import cache
from types import NoneType, UnionType
from typing import Annotated, Any, get_args, get_origin, get_type_hints

from shapecheck import yamls
from shapecheck.errors import Location, UserError, did_you_mean

Form = dict[str, Any]  # a JSON Schema, of the few words that `check` reads

FILLED_IN = {"written": False}  # metadata of a field that the loader fills in
BESIDE = {"written": False, "beside": True}  # metadata of a mapping whose keys stand among those of its dataclass


class Is:
    """In `Annotated[Any, Is(form)]`: the form itself."""

    def __init__(self, form: Form) -> None:
        self.form = form


class OneOf:
    """In `Annotated[str, OneOf(words)]`: one of these words."""

    def __init__(self, words: Any) -> None:
        self.form: Form = {"enum": list(words)}


class Like:
    """In `Annotated[str, Like(pattern, "a code is ...")]`: a word of this pattern, which `about` describes."""

    def __init__(self, pattern: str, about: str) -> None:
        self.form: Form = {"pattern": f"^(?:{pattern})$", "description": about}


class AllOf:
    """In `Annotated[Mapping[str, str], AllOf(keys)]`: a mapping with just these keys."""

    def __init__(self, keys: Any) -> None:
        properties = {key: {"type": "string"} for key in keys}
        self.form: Form = {"properties": properties, "required": list(keys), "additionalProperties": False}


class OnlyKeys:
    """In `Annotated[dict[str, T], OnlyKeys(keys)]`: a mapping with no other keys than these."""

    def __init__(self, keys: Any) -> None:
        self.form: Form = {"propertyNames": {"enum": list(keys)}}


class Written:
    """In `Annotated[Pattern, Written(str | int)]`: how a value is written that the loader makes something of."""

    def __init__(self, hint: Any) -> None:
        self.hint = hint


def written(kind: type) -> list[str]:
    """The keys of a dataclass that may be written in a file."""
    return [field.name for field in fields(kind) if field.metadata.get("written", True)]


@cache
def form_of(hint: Any) -> Form:
    """The JSON Schema of a type: a dataclass is a mapping of its fields, those without default required."""
    if get_origin(hint) is Annotated:
        base, *notes = get_args(hint)
        extra = {key: value for note in notes if hasattr(note, "form") for key, value in note.form.items()}
        hints = [note.hint for note in notes if isinstance(note, Written)]
        return {**form_of(hints[0] if hints else base), **extra}
    if is_dataclass(hint):
        return _mapping_of(hint)
    if get_origin(hint) is UnionType:
        return _either([form_of(option) for option in get_args(hint)])
    if get_origin(hint) is tuple:
        return {"type": "array", "items": form_of(get_args(hint)[0])}
    if isinstance(get_origin(hint), type) and issubclass(get_origin(hint), Mapping):
        return {"type": "object", "additionalProperties": form_of(get_args(hint)[1])}
    return {"type": _NAMES[hint]} if hint in _NAMES else {}


_NAMES = {str: "string", int: "integer", float: "number", bool: "boolean", NoneType: "null"}


def _mapping_of(kind: Any) -> Form:
    hints = get_type_hints(kind, include_extras=True)
    form: Form = {
        "type": "object",
        "description": " ".join((kind.__doc__ or "").split()),
        "properties": {name: form_of(hints[name]) for name in written(kind)},
        "additionalProperties": False,
    }
    required = [field.name for field in fields(kind) if field.name in form["properties"] and _is_required(field)]
    if required:
        form["required"] = required
    for field in fields(kind):
        if field.metadata.get("beside"):
            form["additionalProperties"] = form_of(hints[field.name])["additionalProperties"]
    return form


def _is_required(field: Field[Any]) -> bool:
    return field.default is MISSING and field.default_factory is MISSING


def _either(forms: list[Form]) -> Form:
    """Plain types side by side are one form with several types."""
    if all(set(form) == {"type"} for form in forms):
        return {"type": [form["type"] for form in forms]}
    return {"anyOf": forms}


# ---------------------------------------------------------------------------------------------- checking

_TYPES: Mapping[str, tuple[tuple[type, ...], str]] = {
    "string": ((str,), "a text"),
    "integer": ((int,), "a whole number"),
    "number": ((int, float), "a number"),
    "boolean": ((bool,), "true or false"),
    "array": ((list,), "a list"),
    "object": ((Mapping,), "a mapping"),
    "null": ((NoneType,), "nothing"),
}
MOST_SHOWN = 60


def check(node: Any, form: Form, path: str, key: str = "the file", place: Location | None = None) -> None:
    """Raises UserError for the first thing that is not of the form, at its line."""
    place = Location(path, yamls.line_of(node) or (place.line if place else None))
    options = form.get("anyOf") or [form]
    fitting = [option for option in options if _has_type(node, option)]
    if not fitting:
        raise UserError(f"{_called(key)} is {_shown(node)}, not {_described(options)}", location=place)
    last: UserError | None = None
    for option in fitting:
        try:
            _check_values(node, option, path, key, place)
        except UserError as error:
            last = error
        else:
            return
    if last is not None:
        raise last


def _has_type(node: Any, form: Form) -> bool:
    return any(_is(node, name) for name in _types(form))


def _types(form: Form) -> list[str]:
    kind = form.get("type", list(_TYPES))
    return [kind] if isinstance(kind, str) else kind


def _is(node: Any, name: str) -> bool:
    return isinstance(node, _TYPES[name][0]) and (name == "boolean" or not isinstance(node, bool))


def _described(options: list[Form]) -> str:
    return " or ".join(dict.fromkeys(_TYPES[name][1] for option in options for name in _types(option)))


def _check_values(node: Any, form: Form, path: str, key: str, place: Location) -> None:
    if "enum" in form and node not in form["enum"]:
        raise UserError(f"{_called(key)} is {_shown(node)}", did_you_mean(str(node), form["enum"]), location=place)
    if "pattern" in form and not re.search(form["pattern"], node):
        raise UserError(f"{_called(key)} is {_shown(node)}", form.get("description"), location=place)
    if isinstance(node, Mapping):
        _check_mapping(node, form, path, key, place)
    elif isinstance(node, list):
        for item in node:
            check(item, form.get("items", {}), path, key, place)


def _check_mapping(node: Mapping[str, Any], form: Form, path: str, where: str, place: Location) -> None:
    for key, value in node.items():
        names = form.get("propertyNames", {}).get("enum", [key])
        part = _part(str(key), form) if key in names else None
        if part is None:
            known = [
                *form.get("properties", {}),
                *form.get("propertyNames", {}).get("enum", ()),
                *(["a code such as SC601"] if "patternProperties" in form else []),
            ]
            raise UserError(
                f"unknown key {str(key)!r} in {_called(where)}", did_you_mean(str(key), known), location=place
            )
        check(value, part, path, str(key), place)
    for key in form.get("required", ()):
        if key not in node:
            raise UserError(f"the key {key!r} is missing in {_called(where)}", location=place)


def _part(key: str, form: Form) -> Form | None:
    """The form of what stands under a key; None where there may be no such key."""
    for found in _parts(key, form):
        return found
    rest = form.get("additionalProperties", {})
    return rest if isinstance(rest, dict) else None


def _parts(key: str, form: Form) -> Iterator[Form]:
    if key in form.get("properties", {}):
        yield form["properties"][key]
    yield from (part for pattern, part in form.get("patternProperties", {}).items() if re.search(pattern, key))


def _called(key: str) -> str:
    return key if key == "the file" else f"`{key}`"


def _shown(node: Any) -> str:
    if isinstance(node, Mapping):
        return "a mapping"
    text = "nothing" if node is None else "true or false" if isinstance(node, bool) else repr(node)
    return text if len(text) <= MOST_SHOWN else f"{text[:MOST_SHOWN]}..."
