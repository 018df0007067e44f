"""Tensors and keywords as a user names them, brought to the names of the contract and checked. Pure; no torch.

A wrong type would otherwise go unnoticed where nothing calls the loss, as in a check of a spec.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from shapecheck.errors import UserError, did_you_mean
from shapecheck.rules import Argument, Loss, Operand
from shapecheck.spec_files import tensor
from shapecheck.specs import DTYPES, Subject, TensorSpec

_TYPES: dict[str, tuple[tuple[type, ...], str]] = {
    "bool": ((bool,), "true or false"),
    "int": ((int,), "a whole number"),
    "float": ((int, float), "a number"),
    "str": ((str,), "a word"),
    "list": ((list, tuple), "a list"),
}


def named(subject: Subject, loss: Loss) -> Subject:
    """The subject in the contract's words: `output` for its first tensor, tensors among the keywords moved over.

    Raises UserError for a tensor or keyword the loss does not have, and for a value of the wrong type.
    """
    if not subject.loss_args and list(subject.tensors) == list(loss.tensors)[: len(subject.tensors)]:
        return subject
    tensors = {_required_name(name, loss): spec for name, spec in subject.tensors.items()}
    if len(tensors) < len(subject.tensors):
        raise UserError(f"a tensor of {loss.name} is given twice", f"it takes: {', '.join(loss.tensors)}")
    keywords = dict(subject.loss_args)
    for given in subject.loss_args:
        name = tensor_name(given, loss)
        if name is not None and given not in loss.arguments:
            if name in tensors:
                raise UserError(f"{given} is given as a tensor and as a keyword", "give it once")
            tensors[name] = _stand_in(given, keywords.pop(given), loss.tensors[name])
    ordered = {name: tensors[name] for name in loss.tensors if name in tensors}
    return replace(subject, tensors=ordered, loss_args=checked(loss, keywords))


def _required_name(given: str, loss: Loss) -> str:
    name = tensor_name(given, loss)
    if name is None:
        raise UserError(f"{loss.name} takes no tensor {given!r}", did_you_mean(given, loss.tensors))
    return name


def tensor_name(given: str, loss: Loss) -> str | None:
    """The contract's name of a tensor, by torch's own, or by what it is to the user; None for no tensor of the loss."""
    if given in loss.tensors:
        return given
    if given == "output":
        return loss.output
    if given == "target" and loss.target:
        return loss.target
    return next((name for name, operand in loss.tensors.items() if operand.alias == given), None)


def _stand_in(name: str, value: Any, operand: Operand) -> TensorSpec:
    """A tensor given among the keywords: a shape, or the numbers themselves where torch takes such.

    `[50, 48, 50]` are lengths for a loss that takes a list of them, and a shape for any other.
    """
    kind = type(value).__name__
    if kind in ("int", "float") and kind in operand.python:
        return _of_numbers((), (value,), kind)
    if isinstance(value, (list, tuple)) and "list" in operand.python and all(type(item) is int for item in value):
        return _of_numbers((len(value),), tuple(value), "list")
    return tensor(list(value) if isinstance(value, tuple) else value, name)


def _of_numbers(shape: tuple[int, ...], numbers: tuple[float, ...], kind: str) -> TensorSpec:
    dtype = "float64" if kind == "float" else "int64"
    low, high = (min(numbers), max(numbers)) if numbers else (None, None)
    return TensorSpec(shape, dtype, minimum=low, maximum=high, elements=numbers, python=kind)


def checked(loss: Loss, given: Mapping[str, Any]) -> dict[str, Any]:
    """The keywords as the contract reads them: a tensor becomes `{"shape": [10], "dtype": "float32"}`.

    Raises UserError for a keyword the loss does not have and for a value of the wrong type.
    """
    for name in given:
        if name not in loss.arguments and tensor_name(str(name), loss) is None:
            raise UserError(f"{loss.name} has no keyword {name!r}", did_you_mean(str(name), loss.arguments))
    return {
        name: _value(name, value, loss.arguments[name]) if name in loss.arguments else value
        for name, value in given.items()
    }


def _value(name: str, value: Any, argument: Argument) -> Any:
    if value is None and argument.default is None:
        return None
    if argument.tensor:
        return _tensor(name, value)
    if argument.type == "dtype":
        return _dtype(name, value)
    types, described = _TYPES.get(argument.type, ((object,), ""))
    wrong_bool = isinstance(value, bool) and bool not in types and object not in types
    if wrong_bool or not isinstance(value, types):
        default = None if argument.default is None else f"by default it is {argument.default}"
        raise UserError(f"{name} is {_shown(value)}, not {described}", default)
    return value


def _dtype(name: str, value: Any) -> str:
    text = str(value).removeprefix("torch.")
    if text not in DTYPES:
        raise UserError(f"{name} is {_shown(value)}, not a dtype", did_you_mean(text, DTYPES))
    return text


def _tensor(name: str, value: Any) -> dict[str, Any]:
    """A tensor keyword: its shape, or a mapping with what else is known of it."""
    items = value if isinstance(value, list) else [value]
    if any(isinstance(item, float) for item in items):
        raise UserError(f"{name} is {_shown(value)}, not a shape", f"give its shape, not its values: {name}=[10]")
    total = value.get("total") if isinstance(value, Mapping) else None
    plain = {key: item for key, item in value.items() if key != "total"} if isinstance(value, Mapping) else value
    spec = tensor(plain, name)
    given = {"shape": list(spec.shape), "dtype": spec.dtype, "min": spec.minimum, "max": spec.maximum, "total": total}
    return {key: fact for key, fact in given.items() if fact is not None}


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 40 else f"{text[:40]}..."
