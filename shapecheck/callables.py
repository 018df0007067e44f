"""Loads a loss of the user's own, a function or a module, into this process. Calls no loss. Imports torch.

The user's folders become importable as for a model (`probe/loading/importing.py`).
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import nn

from shapecheck.callable_names import FORMS, losses_in, parse_callable
from shapecheck.errors import Location, ModelError, nearest
from shapecheck.probe import places
from shapecheck.probe.arguments.construct import describe
from shapecheck.probe.loading.load import load_object
from shapecheck.probe.runs.state import seed
from shapecheck.probe.telling import said

_TORCH_LOSSES = "torch.nn.modules.loss"


@dataclass(frozen=True, eq=False)
class Loaded:
    """A callable of the user's as it stands in their code: a function, a module, or a class of either."""

    found: Callable[..., Any]
    name: str
    location: Location | None


def load_callable(text: str, folder: Path | None = None) -> Callable[..., Any]:
    """What `losses.py:dice_loss` names, files relative to `folder` (else the current one); a class is not yet built.

    Runs the user's file in this process. Raises UserError (no such file, not a name) and ModelError SC901 (the file
    cannot be imported, has no such name, or holds something there that cannot be called).
    """
    return load(text, folder).found


def load(text: str, folder: Path | None = None) -> Loaded:
    """As `load_callable`, with the place of its definition."""
    target = parse_callable(text, folder)
    seed()
    try:
        found, location = load_object(target)
    except ModelError as error:
        if error.hint and "it has " in error.hint and target.path is not None:
            error.hint = _offered(target.name or "", target.path)
        raise
    found = _uncompiled(found)
    if not callable(found):
        raise _not_a_loss(f"{target.name} is {_kind(found)}, which cannot be called", location, target.path)
    return Loaded(found, target.name or text, location)


def _uncompiled(found: Any) -> Any:
    """What `torch.compile` was given: compiling takes longer than a check."""
    inner = getattr(found, "_torchdynamo_orig_callable", None)
    return inner if inner is not None else getattr(found, "_orig_mod", found)


def built(loaded: Loaded, arguments: Mapping[str, Any]) -> tuple[Callable[..., Any], dict[str, Any]]:
    """What is called with output and target, and the keywords that go to that call.

    A class is built with those of the `arguments` that its constructor takes. Raises ModelError: SC902 (a keyword that
    it does not have, or needs), SC903 (the constructor raised), SC901 (a class whose instances cannot be called).
    """
    found = loaded.found
    if not isinstance(found, type):
        _check_names(loaded, [found], arguments)
        return found, dict(arguments)
    _check_names(loaded, [found, getattr(found, "forward", None) or found.__call__], arguments)
    takes = _keywords(found)
    own = {name: value for name, value in arguments.items() if takes is None or name in takes}
    _require_arguments(loaded, found, own)
    made = _made(loaded, found, own)
    if not callable(made):
        raise _not_a_loss(f"a {loaded.name} cannot be called", loaded.location, None)
    return made, {name: value for name, value in arguments.items() if name not in own}


def _made(loaded: Loaded, found: type, arguments: Mapping[str, Any]) -> object:
    seed()
    try:
        return found(**arguments)
    except Exception as error:
        hint = f"pass other arguments with --loss-arg name=value: its signature is {_described(loaded.name, found)}"
        place = places.raised_at(error) or loaded.location
        raise ModelError(f"building {loaded.name} raises {said(error)}", hint, code="SC903", location=place) from None


def torch_loss(found: Callable[..., Any]) -> tuple[str, dict[str, Any]] | None:
    """The name and keywords of a loss of torch's own, such as `nn.CrossEntropyLoss(ignore_index=0)` held by a name.

    None for anything that is the user's, subclasses of torch's losses included.
    """
    if isinstance(found, partial) and not found.args:
        inner = torch_loss(found.func)
        return None if inner is None else (inner[0], {**inner[1], **found.keywords})
    if isinstance(found, type):
        return (found.__name__, {}) if found.__module__ == _TORCH_LOSSES else None
    if isinstance(found, nn.Module):
        return (type(found).__name__, _settings(found)) if type(found).__module__ == _TORCH_LOSSES else None
    name = getattr(found, "__name__", "")
    return (name, {}) if name and getattr(F, name, None) is found else None


def _settings(module: nn.Module) -> dict[str, Any]:
    """The constructor arguments that a loss of torch's keeps as attributes, those at their defaults left out."""
    settings = {}
    for name, parameter in inspect.signature(type(module)).parameters.items():
        value = getattr(module, name, parameter.default)
        if isinstance(value, torch.Tensor) or value != parameter.default:
            settings[name] = value
    return settings


def signature_of(found: Callable[..., Any]) -> inspect.Signature | None:
    """Of a module that of its forward. None where Python cannot tell."""
    try:
        return inspect.signature(found.forward if isinstance(found, nn.Module) else found)
    except (TypeError, ValueError):
        return None


def _described(name: str, found: Callable[..., Any]) -> str:
    return describe(name, signature_of(found))


def _keywords(found: Callable[..., Any] | None) -> tuple[str, ...] | None:
    """The names that it takes as keywords; None where any will do or Python cannot tell."""
    signature = signature_of(found) if found is not None else None
    if signature is None or any(each.kind is each.VAR_KEYWORD for each in signature.parameters.values()):
        return None
    kinds = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
    return tuple(name for name, each in signature.parameters.items() if each.kind in kinds and name != "self")


def _check_names(loaded: Loaded, takers: Sequence[Callable[..., Any] | None], arguments: Mapping[str, Any]) -> None:
    """Every keyword is one that the function, or the constructor or the call of the class, takes."""
    taken = [_keywords(taker) for taker in takers]
    if any(names is None for names in taken):
        return
    known = [name for names in taken for name in names or ()]
    for name in arguments:
        if name not in known:
            guess = nearest(name, known)
            hint = (f"did you mean {guess!r}? " if guess else "") + (
                f"its signature is {_described(loaded.name, loaded.found)}"
            )
            message = f"{loaded.name} takes no keyword {name!r}"
            raise ModelError(message, hint, code="SC902", location=loaded.location)


def _require_arguments(loaded: Loaded, found: type, arguments: Mapping[str, Any]) -> None:
    signature = signature_of(found)
    variable = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    missing = [
        name
        for name, each in (signature.parameters.items() if signature else ())
        if each.kind not in variable and each.default is each.empty and name not in arguments
    ]
    if missing:
        wanted = " ".join(f"--loss-arg {name}=..." for name in missing)
        message = f"building {loaded.name} needs {', '.join(missing)}"
        hint = f"pass {wanted}; its signature is {_described(loaded.name, found)}"
        raise ModelError(message, hint, code="SC902", location=loaded.location)


def _offered(name: str, path: str) -> str:
    """The nearest spelling, and the losses of the file."""
    names = losses_in(path)
    guess = nearest(name, names)
    there = f"it has {', '.join(names[:12])}" if names else "it has no function and no class"
    return f"did you mean {guess}? {there}" if guess else there


def _not_a_loss(message: str, location: Location | None, path: str | None) -> ModelError:
    names = losses_in(path) if path else []
    hint = f"name a function or a module; the file has {', '.join(names[:12])}" if names else FORMS
    return ModelError(message, hint, code="SC901", location=location)


def _kind(value: object) -> str:
    kind = type(value).__name__
    return "None" if value is None else f"{'an' if kind[0].lower() in 'aeiou' else 'a'} {kind}"
