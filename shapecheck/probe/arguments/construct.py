"""Builds the user's model from what a target names: a class, an instance or a function that returns one.

Defaults and `--arg` come first; what is required beyond them is sought in `arguments/` and reported with the model.
"""

from __future__ import annotations

import inspect
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from inspect import BoundArguments, Parameter, Signature
from typing import TYPE_CHECKING, Any

from torch import nn

from shapecheck.errors import Location, ModelError, nearest
from shapecheck.probe import places
from shapecheck.probe.arguments.faults import is_download, is_empty, is_of_code
from shapecheck.probe.arguments.plausible import annotation_text, not_built
from shapecheck.probe.telling import said, shown_value
from shapecheck.specs import UsedArgument

if TYPE_CHECKING:
    from shapecheck.probe.arguments.building import NotBuilt

_LONGEST_DEFAULT = 30
_EXPECTED = "name an nn.Module class, an instance, or a function that returns one"


@dataclass(frozen=True)
class Constructed:
    """A model, and the arguments it was built with: those of --arg and those that were found."""

    model: nn.Module
    arguments: tuple[UsedArgument, ...] = ()


@dataclass(frozen=True)
class _Target:
    """What is built, under which name, and where it stands."""

    found: Callable[..., Any]
    name: str
    signature: Signature | None
    location: Location
    classes: int | None
    files: tuple[str, ...]


def build_model(
    found: object,
    name: str,
    arguments: Mapping[str, Any],
    location: Location,
    classes: int | None = None,
    file: str | None = None,
) -> Constructed:
    """The model itself, or what the class or function makes of `arguments` and of what else it needs.

    `classes` is how many there are in the data, `file` the one that the user named. Raises ModelError: SC901 (not a model), SC902
    (arguments unknown, or missing and not found), SC903 (the constructor raised).
    """
    if isinstance(found, nn.Module):
        if arguments:
            raise _wrong_arguments(
                f"{name} is already built, so it takes no argument {next(iter(arguments))!r}",
                "name its class, or a function that builds it",
                location,
            )
        return Constructed(found)
    if not callable(found) or (isinstance(found, type) and not issubclass(found, nn.Module)):
        raise _no_model(f"{name} is {_kind(found)}", _EXPECTED, location)
    files = (os.path.abspath(file),) if file else ()
    target = _Target(found, name, _signature(found), location, classes, files)
    if target.signature is None:
        return _given(target, arguments)
    _check_names(target.signature, name, arguments, location)
    if _missing(target.signature, arguments):
        return _completed(target, arguments)
    return _as_given(target, target.signature, arguments)


def _as_given(target: _Target, signature: Signature, arguments: Mapping[str, Any]) -> Constructed:
    """With defaults and --arg alone; where these do not do, as the user's own code calls it."""
    try:
        return _given(target, arguments)
    except ModelError as error:
        if error.code != "SC903" or not _may_be_completed(signature, arguments, error.__cause__):
            raise
        try:
            return _completed(target, arguments)
        except ModelError:
            raise error  # noqa: B904 - with its own cause


def _may_be_completed(signature: Signature, arguments: Mapping[str, Any], error: BaseException | None) -> bool:
    """Whether something is left open: None often says that a size has to be given after all, a mapping may be a config."""
    if error is not None and is_of_code(error, arguments):
        return is_download(error)
    open_ends = (Parameter.VAR_POSITIONAL, Parameter.VAR_KEYWORD)
    left = [p for p in signature.parameters.values() if p.name not in arguments]
    is_open = any(p.default is None or is_empty(p.default) or p.kind in open_ends for p in left)
    return is_open or any(isinstance(value, Mapping) for value in arguments.values())


def _given(target: _Target, arguments: Mapping[str, Any]) -> Constructed:
    used = tuple(UsedArgument(name, value, "flag") for name, value in arguments.items())
    return Constructed(_model_in(_call(target, arguments), target.name, target.location), used)


def _completed(target: _Target, arguments: Mapping[str, Any]) -> Constructed:
    """With what the user's own calls, names and exceptions tell. Only here, as it costs time, are those looked at."""
    from shapecheck.probe.arguments.annotations import signature_of
    from shapecheck.probe.arguments.building import Builder, NotBuilt, Wanted

    signature = signature_of(target.found)
    wanted = Wanted(target.found, target.name, signature, arguments, target.classes, target.files)
    try:
        built = Builder(wanted, lambda named: _plain_call(target.found, signature, named)).build()
    except NotBuilt as failure:
        _raise_fault(target, failure)
        message, hint, place = not_built(failure, wanted, describe(target.name, target.signature))
        raise _wrong_arguments(message, hint, place or target.location) from None
    return Constructed(_model_in(built.made, target.name, target.location), built.used)


def _raise_fault(target: _Target, failure: NotBuilt) -> None:
    """Where all that was tried ended in the same way whatever the arguments, those are not to blame."""
    errors = [tried.error for tried in failure.tries if tried.error is not None]
    values = {path: value.value for tried in failure.tries for path, value in tried.trail.items()}
    if errors and all(is_of_code(error, values) for error in errors):
        hint = _called_as(target.name, {name: value.value for name, value in failure.tries[0].trail.items()})
        place = places.raised_at(errors[0]) or target.location
        message = f"building {target.name} raises {said(errors[0])}"
        raise ModelError(message, hint, code="SC903", location=place) from None


def _signature(found: Callable[..., Any]) -> Signature | None:
    """None where Python cannot tell (some built-in callables): then the call itself is the check."""
    try:
        return inspect.signature(found)
    except Exception:
        return None


def _check_names(signature: Signature, name: str, arguments: Mapping[str, Any], location: Location) -> None:
    """`config.hidden` names a field of the argument config."""
    takes = {key: p for key, p in signature.parameters.items() if p.kind is not p.VAR_KEYWORD}
    takes_any = any(p.kind is p.VAR_KEYWORD for p in signature.parameters.values())
    unknown = [key for key in arguments if key.partition(".")[0] not in takes]
    if unknown and not takes_any:
        guess = nearest(unknown[0], takes)
        raise _wrong_arguments(
            f"{name} takes no argument {unknown[0]!r}",
            (f"did you mean {guess!r}? " if guess else "") + f"its signature is {describe(name, signature)}",
            location,
        )


def _missing(signature: Signature, arguments: Mapping[str, Any]) -> bool:
    """Whether a required argument is not given, or only fields of one."""
    stars = (Parameter.VAR_POSITIONAL, Parameter.VAR_KEYWORD)
    required = (p for p in signature.parameters.values() if p.default is Parameter.empty and p.kind not in stars)
    return any(p.name not in arguments for p in required) or any("." in name for name in arguments)


def _call(target: _Target, arguments: Mapping[str, Any]) -> object:
    name, cause = target.name, None
    try:
        return _plain_call(target.found, target.signature, arguments)
    except SystemExit as error:
        message = f"building {name} calls sys.exit({shown_value(error.code)})"
        hint = "a constructor must not read the command line or end the program"
        place = places.raised_at(error)
    except BaseException as error:
        message = f"building {name} raises {said(error)}"
        hint = _raised_hint(name, target.signature, arguments)
        place = places.raised_at(error)
        cause = error if isinstance(error, Exception) else None
    raise ModelError(message, hint, code="SC903", location=place or target.location) from cause


def _plain_call(found: Callable[..., Any], signature: Signature | None, arguments: Mapping[str, Any]) -> object:
    positional, keywords = _bind(signature, arguments)
    return found(*positional, **keywords)


def _raised_hint(name: str, signature: Signature | None, arguments: Mapping[str, Any]) -> str:
    told = _called_as(name, arguments)
    if signature is None or not signature.parameters:
        return told
    return f"{told}; pass other arguments with --arg name=value: its signature is {describe(name, signature)}"


def _called_as(name: str, arguments: Mapping[str, Any]) -> str:
    return f"it was called as {name}({', '.join(f'{key}={shown_value(value)}' for key, value in arguments.items())})"


def _bind(signature: Signature | None, arguments: Mapping[str, Any]) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """Named arguments as the call needs them: positional-only parameters can be given by name too."""
    if signature is None:
        return (), dict(arguments)
    named = {key: value for key, value in arguments.items() if key in signature.parameters}
    rest = {key: value for key, value in arguments.items() if key not in named}
    for parameter in signature.parameters.values():
        if parameter.kind is Parameter.VAR_KEYWORD:
            named[parameter.name] = rest
        elif parameter.kind is Parameter.VAR_POSITIONAL and parameter.name in named:
            items = named[parameter.name]
            named[parameter.name] = tuple(items) if isinstance(items, (list, tuple)) else (items,)
    bound = BoundArguments(signature, named)
    return bound.args, bound.kwargs


def _model_in(made: object, name: str, location: Location) -> nn.Module:
    """What a factory returned, or the one model in the tuple it returned."""
    if isinstance(made, nn.Module):
        return _begun(made, name, location)
    found = [item for item in made if isinstance(item, nn.Module)] if isinstance(made, (tuple, list)) else []
    if len(found) == 1:
        return _begun(found[0], name, location)
    if found:
        hint = f"write a function that returns one of them, such as {name}(...)[0]"
        raise _no_model(f"{name} returns {len(found)} models, so it is open which one is meant", hint, location)
    hint = "is a return missing?" if made is None else _EXPECTED
    raise _no_model(f"{name} returns {_kind(made)}", hint, location)


def _begun(model: nn.Module, name: str, location: Location) -> nn.Module:
    """The model, if its class has set up what every module has."""
    if hasattr(model, "_parameters"):
        return model
    message = f"{name} is no working module: its __init__ does not call super().__init__()"
    raise ModelError(message, "call it in the first line of __init__", code="SC903", location=location)


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


def _kind(value: object) -> str:
    """`a dict, not a model`, `a class, but not an nn.Module`."""
    if isinstance(value, type):
        return "a class, but not an nn.Module"
    kind = type(value).__name__
    article = "an" if kind[0].lower() in "aeiou" else "a"
    return "None, not a model" if value is None else f"{article} {kind}, not a model"
