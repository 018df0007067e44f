"""The keywords a user gives for a loss, checked against what the loss takes. Pure; no torch.

A wrong type would otherwise go unnoticed where nothing calls the loss, as in a check of a spec.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from shapecheck.errors import UserError, did_you_mean
from shapecheck.rules import Argument, Loss
from shapecheck.spec_files import tensor

_TYPES: dict[str, tuple[tuple[type, ...], str]] = {
    "bool": ((bool,), "true or false"),
    "int": ((int,), "a whole number"),
    "float": ((int, float), "a number"),
    "str": ((str,), "a word"),
}


def checked(loss: Loss, given: Mapping[str, Any]) -> dict[str, Any]:
    """The keywords as the contract reads them: a tensor becomes `{"shape": [10], "dtype": "float32"}`.

    Raises UserError for a keyword the loss does not have and for a value of the wrong type.
    """
    for name in given:
        if name not in loss.arguments:
            raise UserError(f"{loss.name} has no keyword {name!r}", did_you_mean(str(name), loss.arguments))
    return {name: _value(name, value, loss.arguments[name]) for name, value in given.items()}


def _value(name: str, value: Any, argument: Argument) -> Any:
    if value is None and argument.default is None:
        return None
    if argument.tensor:
        return _tensor(name, value)
    types, described = _TYPES.get(argument.type, ((object,), ""))
    wrong_bool = isinstance(value, bool) and bool not in types and object not in types
    if wrong_bool or not isinstance(value, types):
        default = None if argument.default is None else f"by default it is {argument.default}"
        raise UserError(f"{name} is {_shown(value)}, not {described}", default)
    return value


def _tensor(name: str, value: Any) -> dict[str, Any]:
    items = value if isinstance(value, list) else [value]
    if any(isinstance(item, float) for item in items):
        raise UserError(f"{name} is {_shown(value)}, not a shape", f"give its shape, not its values: {name}=[10]")
    spec = tensor(value, name)
    given = {"shape": list(spec.shape), "dtype": spec.dtype}
    return {key: fact for key, fact in given.items() if fact is not None}


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 40 else f"{text[:40]}..."
