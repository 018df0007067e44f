"""Reads and writes the YAML output spec. No torch; what is wrong is named with its line.

One check may stand alone at the top level, or many under `checks:`.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from shapecheck import yamls
from shapecheck.errors import CheckError, Location, UserError, did_you_mean
from shapecheck.specs import INTENTS, ROLES, VALUES, Size, Subject, TensorSpec, parse_dtype, parse_shape, parse_size

FORMAT = 1
CHECK_KEYS = ("name", "loss", "loss_args", "output", "target", "tensors", "intent", "classes")
TOP_KEYS = ("shapecheck", "checks")
TENSOR_KEYS = (
    "shape", "dtype", "axes", "min", "max", "total", "classes", "values", "permuted", "distinct", "stray", "normalised",
)  # fmt: skip
MOST_AXES = 25


@dataclass(frozen=True, eq=False)
class Entry:
    """One check of a file: its subject, or why it cannot be read."""

    name: str
    location: Location
    subject: Subject | None = None
    error: CheckError | None = None


def read(path: str, loss: str | None = None, loss_args: Mapping[str, Any] | None = None) -> list[Entry]:
    """The checks of a spec file (`-` is standard input); `loss` is for checks that name none.

    Raises UserError where the file as a whole cannot be read; a check that is wrong becomes an Entry with its error.
    """
    if path == "-":
        document = yamls.load(_standard_input(), "standard input")
    else:
        document = yamls.load_file(Path(path), path)
    shown = "standard input" if path == "-" else path
    return [_entry(item, index, shown, loss, loss_args or {}) for index, item in enumerate(_checks(document, shown))]


def _standard_input() -> bytes:
    if sys.stdin is None:
        raise UserError("standard input is closed", "pipe a spec into it: cat spec.yaml | shapecheck -")
    return sys.stdin.buffer.read(yamls.LARGEST_BYTES + 1)


def _checks(document: Any, path: str) -> list[Any]:
    if not isinstance(document, Mapping):
        what = "is empty" if document is None else "holds no mapping"
        raise UserError(
            f"{path} {what}",
            "write `loss:`, `output:` and `target:`, or a list under `checks:`",
            location=Location(path),
        )
    version = document.get("shapecheck", FORMAT)
    if version != FORMAT or isinstance(version, bool):
        raise UserError(f"{path} has format {version!r}, this version reads {FORMAT}", location=Location(path))
    if "checks" not in document:
        allowed = (*TOP_KEYS[:1], *CHECK_KEYS)
        _known(document, allowed if set(document) & set(CHECK_KEYS) else (*TOP_KEYS, *CHECK_KEYS), path, "a spec")
        single = yamls.Mapping({key: value for key, value in document.items() if key != "shapecheck"})
        single.line = yamls.line_of(document)
        return [single]
    _known(document, TOP_KEYS, path, "a spec with `checks:`")
    if not isinstance(document["checks"], list) or not document["checks"]:
        raise UserError(
            f"{path}: `checks:` is no list of checks",
            "write `checks:` and `- loss: ...` below it",
            location=Location(path),
        )
    return document["checks"]


def _entry(item: Any, index: int, path: str, loss: str | None, loss_args: Mapping[str, Any]) -> Entry:
    place = Location(path, yamls.line_of(item))
    fallback = path if index == 0 else f"{path}#{index + 1}"
    name = str(item.get("name") or fallback) if isinstance(item, Mapping) else fallback
    try:
        return Entry(name, place, _subject(item, name, place, loss, loss_args))
    except CheckError as error:
        return Entry(name, place, error=UserError(error.message, error.hint, location=error.location or place))


def _subject(item: Any, name: str, place: Location, loss: str | None, loss_args: Mapping[str, Any]) -> Subject:
    if not isinstance(item, Mapping):
        raise UserError("a check is a mapping", f"with some of: {', '.join(CHECK_KEYS)}")
    _known(item, CHECK_KEYS, place.path, "a check")
    named = item.get("loss") or loss
    if not isinstance(named, str):
        raise UserError("the check names no loss", "add `loss: cross_entropy`, or --loss on the command line")
    arguments = item.get("loss_args") or {}
    if not isinstance(arguments, Mapping):
        raise UserError("`loss_args` is no mapping", "write loss_args: {ignore_index: -100}")
    intent = item.get("intent")
    if intent is not None and intent not in INTENTS:
        raise UserError(f"unknown intent {intent!r}", did_you_mean(str(intent), INTENTS))
    tensors = tensors_of(item)
    return Subject(
        loss=named,
        tensors=tensors,
        loss_args={**loss_args, **arguments},
        name=name,
        location=place,
        intent=intent,
        classes=class_count(item.get("classes")),
    )


def unmeasured(target: TensorSpec | None) -> str:
    """The note on values that no spec gives, or ''."""
    known = target is not None and (target.maximum is not None or target.values)
    return "" if known else "values not checked: the spec gives no min, max or values for the target"


def class_count(classes: Any) -> int | None:
    """A number of classes, where there is one. Raises UserError."""
    if classes is None:
        return None
    if isinstance(classes, bool) or not isinstance(classes, int) or classes < 1:
        raise UserError(f"`classes` is {classes!r}, not a number of classes", "a whole number from 1 up")
    return classes


def tensors_of(item: Mapping[str, Any]) -> dict[str, TensorSpec]:
    """The tensors of a check by name. Raises UserError."""
    named = item.get("tensors") or {}
    if not isinstance(named, Mapping):
        raise UserError("`tensors` is no mapping", "write tensors: {anchor: ..., positive: ...}")
    given = {**{key: item[key] for key in ("output", "target") if item.get(key) is not None}, **named}
    if not given:
        raise UserError("the check has no output", 'write output: "N, C : float32" or output: {shape: [32, 10]}')
    return {str(name): tensor(value, str(name)) for name, value in given.items()}


def tensor(value: Any, name: str) -> TensorSpec:
    """A tensor of a spec: `"N, T, 10 : float32"`, `[32, 10]`, or a mapping. Raises UserError."""
    if isinstance(value, str):
        shape, dtype = parse_shape(value, f"`{name}`")
        return _bounded(TensorSpec(shape, dtype), name)
    if isinstance(value, (int, list)) and not isinstance(value, bool):
        return _bounded(TensorSpec(_shape(value, name)), name)
    if not isinstance(value, Mapping):
        raise UserError(
            f"`{name}` is {value!r}, no tensor", f'write {name}: "N, C : float32" or {name}: {{shape: [32, 10]}}'
        )
    place = Location("", yamls.line_of(value))
    _known(value, TENSOR_KEYS, place.path, f"`{name}`")
    if "shape" not in value:
        raise UserError(f"`{name}` has no shape", f"write {name}: {{shape: [32, 10]}}")
    parsed = value["shape"]
    shape, dtype = parse_shape(parsed, f"`{name}`") if isinstance(parsed, str) else (_shape(parsed, name), None)
    dtype = parse_dtype(str(value["dtype"])) if value.get("dtype") is not None else dtype
    spec = TensorSpec(
        shape,
        dtype,
        axes=_axes(value.get("axes"), shape, name),
        minimum=_number(value, "min", name),
        maximum=_number(value, "max", name),
        total=_number(value, "total", name),
        classes=class_count(value.get("classes")),
        values=_values(value.get("values"), name),
        permuted=value.get("permuted") is True,
        distinct=_count(value, "distinct", name),
        stray=_number(value, "stray", name),
        normalised=_count(value, "normalised", name),
    )
    if spec.minimum is not None and spec.maximum is not None and spec.minimum > spec.maximum:
        raise UserError(f"`{name}` has min {spec.minimum:g} above max {spec.maximum:g}", "swap them")
    if spec.minimum is not None and spec.minimum < 0 and dtype in ("uint8", "bool"):
        raise UserError(f"`{name}` is {dtype} and cannot have min {spec.minimum:g}", "check the dtype")
    return _bounded(spec, name)


def _count(value: Mapping[str, Any], key: str, name: str) -> int | None:
    number = value.get(key)
    if number is not None and (type(number) is not int or number < 0):
        raise UserError(f"`{name}` has {key} {number!r}", "write a whole number")
    return number


def _bounded(spec: TensorSpec, name: str) -> TensorSpec:
    if len(spec.shape) > MOST_AXES:
        raise UserError(
            f"`{name}` has {len(spec.shape)} axes, more than the {MOST_AXES} that torch takes", "check the brackets"
        )
    return spec


def _shape(value: Any, name: str) -> tuple[Size, ...]:
    items = value if isinstance(value, list) else [value]
    return tuple(parse_size(size, f"`{name}`") for size in items)


def _axes(value: Any, shape: tuple[Size, ...], name: str) -> tuple[str, ...] | None:
    if value is None:
        return None
    axes = [part.strip() for part in value.strip("[]() ").split(",")] if isinstance(value, str) else value
    if not isinstance(axes, list) or len(axes) != len(shape):
        raise UserError(f"`{name}` has {len(shape)} sizes, but axes: {value!r}", "name one role for each axis")
    for role in axes:
        if role not in ROLES:
            raise UserError(f"unknown axis {role!r} of `{name}`", did_you_mean(str(role), ROLES))
    return tuple(axes)


def _number(value: Mapping[str, Any], key: str, name: str) -> float | None:
    number = value.get(key)
    if number is not None and (isinstance(number, bool) or not isinstance(number, (int, float))):
        raise UserError(f"`{name}` has {key}: {number!r}, no number")
    return number


def _values(values: Any, name: str) -> str | None:
    if values is None:
        return None
    if values not in VALUES:
        raise UserError(f"unknown values {values!r} of `{name}`", did_you_mean(str(values), VALUES))
    return str(values)


def _known(node: Mapping[str, Any], allowed: tuple[str, ...], path: str, where: str) -> None:
    for key in node:
        if key not in allowed:
            place = Location(path, yamls.line_of(node)) if path else None
            raise UserError(f"unknown key {key!r} in {where}", did_you_mean(str(key), allowed), location=place)


def write(subject: Subject) -> str:
    """The spec of a subject as YAML, for a later check without torch."""
    import yaml

    entry: dict[str, Any] = {"name": subject.name, "loss": subject.loss}
    if subject.loss_args:
        entry["loss_args"] = dict(subject.loss_args)
    for name, spec in subject.tensors.items():
        entry[name] = _plain(spec)
    if subject.classes is not None:
        entry["classes"] = subject.classes
    return yaml.safe_dump(
        {"shapecheck": FORMAT, "checks": [entry]}, sort_keys=False, default_flow_style=None, width=100
    )


def _plain(spec: TensorSpec) -> dict[str, Any]:
    facts = {
        "shape": list(spec.shape),
        "dtype": spec.dtype,
        "axes": list(spec.axes) if spec.axes else None,
        "min": spec.minimum,
        "max": spec.maximum,
        "total": spec.total,
        "values": spec.values,
        "permuted": spec.permuted or None,
        "distinct": spec.distinct,
        "stray": spec.stray,
        "normalised": spec.normalised,
    }
    return {key: value for key, value in facts.items() if value is not None}


def with_target(entry: Entry, target: TensorSpec | None) -> Entry:
    """The entry with a target from the command line, where it has none of its own."""
    if entry.subject is None or target is None or "target" in entry.subject.tensors:
        return entry
    subject = replace(entry.subject, tensors={**entry.subject.tensors, "target": target})
    return replace(entry, subject=subject)
