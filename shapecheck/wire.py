"""Reports as plain JSON data between the worker and the command line, without losing anything. Not the public form."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from shapecheck import report, specs
from shapecheck.errors import CheckError, Location, error_from

_KINDS: dict[str, Any] = {
    kind.__name__: kind
    for kind in (
        report.Fix, report.Row, report.Finding, report.AcceptedTarget, report.CheckResult, report.ScriptRun, specs.TensorSpec,
        specs.ProbedInput, specs.UsedArgument, specs.WrittenCall, specs.Subject, specs.Observation, specs.Remedy, specs.InputRequest,
        Location,
    )
}  # fmt: skip


def pack(value: Any) -> Any:
    """Dataclasses, mappings and lists to tagged mappings, tuples to JSON's lists."""
    if isinstance(value, CheckError):
        return {"~": "error", **value.to_dict()}
    kind = type(value).__name__
    if _KINDS.get(kind) is type(value):
        return {"~": kind, **{field.name: pack(getattr(value, field.name)) for field in fields(value)}}
    if isinstance(value, Mapping):
        return {"~": "map", "items": [[pack(key), pack(item)] for key, item in value.items()]}
    if isinstance(value, list):
        return {"~": "list", "items": [pack(item) for item in value]}
    if isinstance(value, tuple):
        return [pack(item) for item in value]
    return value if isinstance(value, (str, int, float, bool, type(None))) else str(value)


def unpack(value: Any) -> Any:
    """The way back."""
    if isinstance(value, list):
        return tuple(unpack(item) for item in value)
    if not isinstance(value, Mapping):
        return value
    kind = value["~"]
    if kind == "error":
        return error_from(value)
    if kind == "map":
        return {unpack(key): unpack(item) for key, item in value["items"]}
    if kind == "list":
        return [unpack(item) for item in value["items"]]
    return _KINDS[kind](**{key: unpack(item) for key, item in value.items() if key != "~"})
