"""Builds the user's model from what a target names: a class, an instance or a function that returns one.

Arguments come from `--arg` alone; plausible values appear in hints and are never used.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping
from inspect import BoundArguments, Parameter, Signature
from typing import Any

from torch import nn

from shapecheck.errors import Location, ModelError, nearest
from shapecheck.probe import places
from shapecheck.probe.plausible import annotation_text, argument_line, needs_an_object
from shapecheck.probe.telling import said, shown_value

_LONGEST_DEFAULT = 30


def build_model(found: object, name: str, arguments: Mapping[str, Any], location: Location) -> nn.Module:
    """The model itself, or what the class or function makes of `arguments`.

    Raises ModelError: SC901 (not a model), SC902 (arguments missing or unknown), SC903 (the constructor raised).
    """
    if isinstance(found, nn.Module):
        if arguments:
            raise _wrong_arguments(
                f"{name} is already built, so it takes no argument {next(iter(arguments))!r}",
                "name its class, or a function that builds it",
                location,
            )
        return found
    if not callable(found) or (isinstance(found, type) and not issubclass(found, nn.Module)):
        raise _no_model(f"{name} is {_kind(found)}", _EXPECTED, location)
    signature = _signature(found)
    if signature is not None:
        _check_names(signature, name, arguments, location)
    return _model_in(_call(found, signature, name, arguments, location), name, location)


_EXPECTED = "name an nn.Module class, an instance, or a function that returns one"


def _signature(found: Callable[..., Any]) -> Signature | None:
    """None where Python cannot tell (some built-in callables): then the call itself is the check."""
    try:
        return inspect.signature(found)
    except Exception:
        return None


def _check_names(signature: Signature, name: str, arguments: Mapping[str, Any], location: Location) -> None:
    takes = {key: p for key, p in signature.parameters.items() if p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)}
    takes_any = any(p.kind is p.VAR_KEYWORD for p in signature.parameters.values())
    unknown = [key for key in arguments if key not in takes]
    if unknown and not takes_any:
        guess = nearest(unknown[0], takes)
        raise _wrong_arguments(
            f"{name} takes no argument {unknown[0]!r}",
            (f"did you mean {guess!r}? " if guess else "") + f"its signature is {describe(name, signature)}",
            location,
        )
    missing = [p for key, p in takes.items() if p.default is Parameter.empty and key not in arguments]
    if missing:
        raise _missing(missing, name, signature, location)


def _missing(missing: list[Parameter], name: str, signature: Signature, location: Location) -> ModelError:
    names = [parameter.name for parameter in missing]
    objects = [parameter.name for parameter in missing if needs_an_object(parameter)]
    if objects:
        way = f"{_listed(objects)} cannot be written as --arg: write a function that returns {name}(...) and name that"
    else:
        way = f"pass {' '.join(argument_line(parameter) for parameter in missing)}, with your own values"
    message = f"{name} needs the argument{'s' if len(names) > 1 else ''} {_listed(names)}"
    return _wrong_arguments(message, f"{way}; its signature is {describe(name, signature)}", location)


def _call(
    found: Callable[..., Any],
    signature: Signature | None,
    name: str,
    arguments: Mapping[str, Any],
    location: Location,
) -> object:
    positional, keywords = _bind(signature, arguments)
    try:
        return found(*positional, **keywords)
    except SystemExit as error:
        message = f"building {name} calls sys.exit({shown_value(error.code)})"
        hint = "a constructor must not read the command line or end the program"
        place = places.raised_at(error)
    except BaseException as error:
        message = f"building {name} raises {said(error)}"
        hint = _raised_hint(name, signature, arguments)
        place = places.raised_at(error)
    raise ModelError(message, hint, code="SC903", location=place or location)


def _raised_hint(name: str, signature: Signature | None, arguments: Mapping[str, Any]) -> str:
    given = ", ".join(f"{key}={shown_value(value)}" for key, value in arguments.items())
    told = f"it was called as {name}({given})"
    if signature is None or not signature.parameters:
        return told
    return f"{told}; pass other arguments with --arg name=value: its signature is {describe(name, signature)}"


def _bind(signature: Signature | None, arguments: Mapping[str, Any]) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """Named arguments as the call needs them: positional-only parameters can be given by name too."""
    if signature is None:
        return (), dict(arguments)
    named = {key: value for key, value in arguments.items() if key in signature.parameters}
    rest = {key: value for key, value in arguments.items() if key not in named}
    for parameter in signature.parameters.values():
        if parameter.kind is Parameter.VAR_KEYWORD:
            named[parameter.name] = rest
    bound = BoundArguments(signature, named)
    return bound.args, bound.kwargs


def _model_in(made: object, name: str, location: Location) -> nn.Module:
    """What a factory returned, or the one model in the tuple it returned."""
    if isinstance(made, nn.Module):
        return made
    found = [item for item in made if isinstance(item, nn.Module)] if isinstance(made, (tuple, list)) else []
    if len(found) == 1:
        return found[0]
    if found:
        hint = f"write a function that returns one of them, such as {name}(...)[0]"
        raise _no_model(f"{name} returns {len(found)} models, so it is open which one is meant", hint, location)
    hint = "is a return missing?" if made is None else _EXPECTED
    raise _no_model(f"{name} returns {_kind(made)}", hint, location)


def describe(name: str, signature: Signature | None) -> str:
    """`Net(classes: int, hidden=64)`; long defaults are left out."""
    return f"{name}({', '.join(_parameter(p) for p in signature.parameters.values())})" if signature else f"{name}(...)"


def _parameter(parameter: Parameter) -> str:
    stars = (
        "*" if parameter.kind is Parameter.VAR_POSITIONAL else "**" if parameter.kind is Parameter.VAR_KEYWORD else ""
    )
    typed = parameter.annotation is not Parameter.empty
    text = f"{stars}{parameter.name}"
    if typed:
        text += f": {annotation_text(parameter)}"
    if parameter.default is not Parameter.empty:
        default = shown_value(parameter.default)
        default = default if len(default) <= _LONGEST_DEFAULT else "..."
        text += f" = {default}" if typed else f"={default}"
    return text


def _no_model(message: str, hint: str, location: Location) -> ModelError:
    return ModelError(message, hint, code="SC901", location=location)


def _wrong_arguments(message: str, hint: str, location: Location) -> ModelError:
    return ModelError(message, hint, code="SC902", location=location)


def _listed(names: Iterable[str]) -> str:
    *first, last = names
    return f"{', '.join(first)} and {last}" if first else last


def _kind(value: object) -> str:
    """`a dict, not a model`, `a class, but not an nn.Module`."""
    if isinstance(value, type):
        return "a class, but not an nn.Module"
    kind = type(value).__name__
    article = "an" if kind[0].lower() in "aeiou" else "a"
    return "None, not a model" if value is None else f"{article} {kind}, not a model"
