"""Loads what a target names and says where in the user's text it stands. Runs no model.

Whatever importing the user's code does (raise, exit, miss a package) becomes a ModelError of code SC901.
"""

from __future__ import annotations

import inspect
import os
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from types import FunctionType
from typing import Any

from torch import nn

from shapecheck import source
from shapecheck.errors import Location, ModelError, nearest
from shapecheck.probe import places
from shapecheck.probe.arguments.construct import build_model
from shapecheck.probe.loading import importing, remarks
from shapecheck.probe.loading.allowances import lenient, uncompiled
from shapecheck.probe.loading.devices import moving_tensors
from shapecheck.probe.loading.importing import Imported
from shapecheck.probe.loading.replacing import with_stand_ins
from shapecheck.probe.loading.stand_ins import StandIn, StandInBase
from shapecheck.probe.runs.state import seed
from shapecheck.probe.telling import said, shown_path, shown_value
from shapecheck.specs import UsedArgument
from shapecheck.targets import SAVED_ENDINGS, Target

_MOST_NAMES = 12
_BUILDER = "write a function that builds the model and returns it, and name that"
_AS_SCRIPT = 'a check only imports the file: what should run as a script alone belongs under if __name__ == "__main__":'


@dataclass(frozen=True)
class Loaded:
    """A model ready to run, the name the user gave it, where it stands in the user's code, and what had to be done for it."""

    model: nn.Module
    name: str
    location: Location
    imported: Imported | None = None
    notes: tuple[str, ...] = ()
    arguments: tuple[UsedArgument, ...] = ()


def load_model(target: Target, arguments: Mapping[str, Any], classes: int | None = None) -> Loaded:
    """Imports and builds, always with the same random numbers; `classes` is how many there are in the data.

    Raises ModelError: SC901 (not loadable), SC902 (arguments missing or unknown), SC903 (the constructor raised).
    """
    seed()
    if target.path is not None and target.path.lower().endswith(SAVED_ENDINGS):
        return _saved(target.path, arguments)
    with lenient(), moving_tensors(always=True):
        imported = _imported(target)
        found, location = _found(imported, target)
        name = target.name or target.text
        seed()
        with remarks.explaining(imported):
            made = with_stand_ins(lambda: build_model(found, name, arguments, location, classes, target.path))
            model = uncompiled(made.model)
    return Loaded(model, name, location, imported, remarks.notes(imported), made.arguments)


def _saved(path: str, arguments: Mapping[str, Any]) -> Loaded:
    from shapecheck.probe.loading.packaged import load_saved

    location = Location(path)
    return Loaded(build_model(load_saved(path), path, arguments, location).model, path, location)


def load_object(target: Target) -> tuple[Any, Location]:
    """The object, and the line of its `class`, `def` or assignment. Raises ModelError (SC901)."""
    return _found(_imported(target), target)


def _found(imported: Imported, target: Target) -> tuple[Any, Location]:
    assert target.name is not None
    found = _attribute(imported, target, target.name)
    return found, _location(found, imported.module, target, target.name)


def _imported(target: Target) -> Imported:
    if target.name is None:
        raise ModelError(f"{target.text!r} names no model", "write model.py:WaveNet", code="SC901")
    try:
        if target.path is None:
            return importing.import_module(target.module or target.text, target.name)
        _readable(target.path)
        return importing.import_file(target.path, target.name)
    except ModelError:
        raise
    except BaseException as error:
        raise _import_failure(error, target) from None


def _import_failure(error: BaseException, target: Target) -> ModelError:
    shown = target.path or target.module or target.text
    if isinstance(error, SyntaxError):
        return _syntax_failure(error, shown)
    if isinstance(error, ModuleNotFoundError):
        return _missing_module(error, target, shown)
    place = places.raised_at(error) or (Location(target.path) if target.path else None)
    if isinstance(error, SystemExit):
        return _load_failure(f"importing {shown} calls sys.exit({shown_value(error.code)})", _AS_SCRIPT, place)
    return _load_failure(f"importing {shown} raises {said(error)}", _AS_SCRIPT, place)


def _readable(path: str) -> None:
    """The open system call is the only sure test."""
    if os.path.isdir(path):
        raise _load_failure(f"{path} is a folder, not a Python file", "name a file in it, such as model.py:WaveNet")
    try:
        with open(path, "rb"):
            return
    except FileNotFoundError:
        raise _load_failure(f"no such file: {path}", None) from None
    except (OSError, ValueError) as error:
        raise _load_failure(f"{path} cannot be read: {said(error)}", None) from None


def _syntax_failure(error: SyntaxError, shown: str) -> ModelError:
    """The interpreter names the file itself: it may be another one of the user's."""
    file = error.filename or shown
    undecodable = _undecodable_line(file)
    place = Location(shown_path(file), undecodable or error.lineno or None)
    if undecodable is not None:
        hint = "save it as UTF-8, or say which encoding it has in its first line: # -*- coding: latin-1 -*-"
        return _load_failure(f"{place.path} is not UTF-8 text: {said(error.msg)}", hint, place)
    text = (error.text or "").strip()
    told = f"{place.path} does not parse: {said(error.msg)}" + (f" in {said(text)!r}" if text else "")
    notebook = file.endswith(".ipynb")
    return _load_failure(
        told, None if notebook else f"see it outside shapecheck: python -m py_compile {place.path}", place
    )


def _undecodable_line(file: str) -> int | None:
    try:
        with open(file, "rb") as opened:
            data = opened.read()
        data.decode("utf-8")
    except UnicodeDecodeError as error:
        return data.count(b"\n", 0, error.start) + 1
    except OSError:
        pass
    return None


def _missing_module(error: ModuleNotFoundError, target: Target, shown: str) -> ModelError:
    place, name = places.raised_at(error), error.name or ""
    top = name.partition(".")[0]
    if place is None and f"{target.module}.".startswith(f"{name}."):
        return _load_failure(f"there is no module {name}", _module_hint(name))
    if not name or top in sys.modules:
        hint = f"the {top} that was imported has no such module" if name else None
        return _load_failure(f"importing {shown} raises {said(error)}", hint, place)
    folder = importing.whereabouts(top)
    if folder is not None:
        hint = f"{top} is in {folder}: make that folder importable with PYTHONPATH={folder}"
        return _load_failure(f"{shown} needs the module {name}, which cannot be imported from there", hint, place)
    hint = f"install {top} in this environment"
    return _load_failure(f"{shown} needs the module {name}, which is not installed", hint, place)


def _module_hint(name: str) -> str:
    """The neighbour of the nearest spelling."""
    here = [os.path.splitext(file)[0] for file in os.listdir(".") if file.endswith(".py") or os.path.isdir(file)]
    guess = nearest(name, here)
    return f"did you mean {guess}?" if guess else "modules are looked up in the current folder and in this environment"


def _attribute(imported: Imported, target: Target, name: str) -> Any:
    found: Any = imported.module
    for part in name.split("."):
        try:
            found = with_stand_ins(partial(getattr, found, part), by_user=False)
        except AttributeError:
            raise _no_such_name(imported, target, name) from None
        except BaseException as error:
            place = places.raised_at(error)
            raise _load_failure(
                f"reading {name} from {target.path or target.module} raises {said(error)}", None, place
            ) from None
    lost = _lost(found)
    if lost:
        raise remarks.missing(target.path or target.text, lost) or _no_such_name(imported, target, name)
    return found


def _lost(found: object) -> str:
    """The name of what a stand-in would have to be for the object to be a model."""
    if isinstance(found, StandIn):
        return found._name
    inherits = isinstance(found, type) and issubclass(found, StandInBase) and not issubclass(found, nn.Module)
    return str(found.stands_for) if inherits else ""  # type: ignore[attr-defined]


def _no_such_name(imported: Imported, target: Target, name: str) -> ModelError:
    """Why it is not there: what makes it failed, or was not run, or it stands where no import finds it."""
    module = imported.module
    file = getattr(module, "__file__", None) or ""
    shown = target.path or target.module or target.text
    at = target.path or shown_path(file)
    outcome = imported.outcomes.get(os.path.abspath(file))
    failure = outcome.failure if outcome is not None else None
    if failure is not None:
        sys.modules.pop(
            getattr(module, "__name__", ""), None
        )  # as after any import that fails, the next one starts anew
    left_out = remarks.why_left_out(imported, name)
    tree = source.parse(file)
    known = [*(key for key, _ in _public(module)), *(source.models(tree) if tree else ())]
    guess = nearest(name, known) if left_out is None else None
    if left_out is not None and (failure is None or left_out.root is not None):
        needs = f" {left_out.why}, and that" if left_out.root else ""
        message = f"{name}{needs} is not there: {remarks.reason(left_out)}"
        return _load_failure(message, _BUILDER, Location(at, left_out.line))
    if failure is not None and guess is None:
        return _import_failure(failure, target)
    absent = remarks.missing(shown) if guess is None else None
    if absent is not None:
        return absent
    script_line = source.main_block_line(tree, name) if tree else None
    hidden = source.hidden_line(tree, name) if tree else None
    message = f"{shown} has no {name}"
    if script_line is not None:
        hint = 'it stands under if __name__ == "__main__":, which a check does not run; move it out'
        return _load_failure(message, hint, Location(at, script_line))
    if hidden is not None:
        hint = (
            f"it stands inside {hidden[0]}; move it to the top level of the file, or write a function that returns it"
        )
        return _load_failure(message, hint, Location(at, hidden[1]))
    return _load_failure(message, _names_hint(module, name), Location(at) if file else None)


def _names_hint(module: Any, name: str = "") -> str:
    """The nearest spelling, and what the module has: models, or else functions and classes of its own."""
    names = _models_in(module) or _defined(module, inspect.isfunction) or _defined(module, inspect.isclass)
    guess = nearest(name, [key for key, _ in _public(module)]) if name else None
    if not names:
        there = "it has no model and no function"
    else:
        there = "it has " + ", ".join(names[:_MOST_NAMES]) + (", ..." if len(names) > _MOST_NAMES else "")
    return f"did you mean {guess}? {there}" if guess else there


def _models_in(module: Any) -> list[str]:
    """Names of the module's own `nn.Module` classes and of the instances it holds."""
    instances = [name for name, value in _public(module) if issubclass(type(value), nn.Module)]
    return [*_defined(module, _is_model_class), *instances]


def _is_model_class(value: object) -> bool:
    return inspect.isclass(value) and issubclass(value, nn.Module)


def _defined(module: Any, kind: Callable[[object], bool]) -> list[str]:
    own = getattr(module, "__name__", None)
    return [name for name, value in _public(module) if kind(value) and getattr(value, "__module__", None) == own]


def _public(module: Any) -> list[tuple[str, Any]]:
    """What the module holds; the user's code may have put any object in a module's place."""
    held = getattr(module, "__dict__", {})
    return [(name, value) for name, value in list(held.items()) if not name.startswith("_")]


def _location(found: Any, module: Any, target: Target, name: str) -> Location:
    """Where it is defined, if that is the user's own code; else the line that gives it its name here."""
    file = getattr(module, "__file__", None) or target.path or ""
    bound = _line(file, name)
    if issubclass(type(found), (type, FunctionType)):
        home = sys.modules.get(found.__module__ or "")
        definition = getattr(home, "__file__", None) or ""
        line = _line(definition, found.__qualname__)
        users = places.distance(definition) == 0 or definition == file
        if line is not None and (users or bound is None):
            return Location(_as_typed(definition, file, target), line)
    return Location(_as_typed(file, file, target), bound)


def _line(file: str, name: str) -> int | None:
    tree = source.parse(file)
    return source.definition_line(tree, name) if tree else None


def _as_typed(file: str, of_module: str, target: Target) -> str:
    return target.path if target.path is not None and file == of_module else shown_path(file)


def _load_failure(message: str, hint: str | None, location: Location | None = None) -> ModelError:
    return ModelError(message, hint, code="SC901", location=location)
