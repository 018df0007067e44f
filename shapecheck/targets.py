"""Reads what the user names on the command line: `model.py:WaveNet`, `package.module:Name`, `model.pt2`, `spec.yaml`.

Looks at folders and syntax trees only to answer mistakes; runs no user code and imports no torch.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from typing import Literal

from shapecheck import source
from shapecheck.errors import CheckError, ModelError, UserError, nearest

SPEC_ENDINGS = (".yaml", ".yml", ".json")
SOURCE_ENDINGS = (".py", ".ipynb")
SAVED_ENDINGS = (".pt2", ".pt", ".pth")
FORMS = "write model.py:WaveNet, package.module:WaveNet, spec.yaml, or - for a spec on standard input"
_MOST_NAMES = 8

_NAME = re.compile(r"[^\W\d]\w*(\.[^\W\d]\w*)*\Z")
_NOT_SOURCE = {
    ".ckpt": "name the file of the class that was saved, such as model.py:WaveNet",
    ".onnx": "name the file of the class that was exported, such as model.py:WaveNet",
}


@dataclass(frozen=True)
class Target:
    """What to check. `path` is the file as the user wrote it (`-` is standard input), `module` a dotted name."""

    text: str
    kind: Literal["file", "module", "spec"]
    path: str | None = None
    module: str | None = None
    name: str | None = None


def parse_target(text: str) -> Target:
    """Raises UserError for a malformed target, ModelError for a Python file that does not exist."""
    if not text.strip():
        raise UserError("the target is empty", FORMS)
    if text == "-":
        return Target(text, "spec", path="-")
    if text.lower().endswith(SPEC_ENDINGS):
        return _spec(text)
    place, name = _split(text)
    if not place:
        raise UserError(f"{text!r} names no file or module", FORMS)
    if place.lower().endswith(SAVED_ENDINGS):
        return _saved(text, place, name)
    if name is None:
        raise _without_name(place)
    if not _is_name(name):
        raise UserError(f"{name!r} in {text!r} is not a name", _name_hint(place, name))
    return _place(text, place, name)


def _is_name(text: str) -> bool:
    return all(part.isidentifier() for part in text.split("."))


def _split(text: str) -> tuple[str, str | None]:
    """`place:name`; the colon of a Windows drive separates nothing, and `::`, as pytest writes it, does."""
    place, colon, name = text.strip().rpartition(":")
    if not colon or (len(place) == 1 and place.isalpha() and name[:1] in ("\\", "/")):
        return text.strip(), None
    return place.rstrip(":"), name or None


def _spec(path: str) -> Target:
    if os.path.isdir(path):
        raise UserError(f"{path} is a folder, not a spec", "name the spec files in it, such as spec.yaml")
    if not os.path.exists(path):
        raise UserError(f"no such file: {path}", nearest_file(path, SPEC_ENDINGS))
    return Target(path, "spec", path=path)


def _saved(text: str, path: str, name: str | None) -> Target:
    """An exported program, a TorchScript archive or a pickled module: the file is the model."""
    if name is not None:
        raise UserError(f"{path} is one saved model, without names in it", f"write {path}")
    if not os.path.exists(path):
        raise ModelError(f"no such file: {path}", nearest_file(path, SAVED_ENDINGS), code="SC901")
    return Target(text, "file", path=path)


def _place(text: str, place: str, name: str) -> Target:
    package_file = os.path.join(place, "__init__.py")
    if _looks_like_path(place) and os.path.isfile(package_file):
        return Target(text, "file", path=package_file, name=name)
    if os.path.isdir(place) and _looks_like_path(place):
        raise UserError(f"{place} is a folder", _folder_hint(place))
    ending = os.path.splitext(place)[1].lower()
    if ending in SOURCE_ENDINGS:
        _must_exist(place)
        return Target(text, "file", path=place, name=name)
    if ending in _NOT_SOURCE:
        raise UserError(f"{place} is not a Python source file", _NOT_SOURCE[ending].format(path=place))
    if _is_name(place):
        return Target(text, "module", module=place, name=name)
    if os.path.isfile(place + ".py"):
        raise UserError(f"{place!r} is neither a Python file nor a module", f"did you mean {place}.py:{name}?")
    raise UserError(f"{place!r} is neither a Python file nor a module", FORMS)


def _must_exist(path: str) -> None:
    if os.path.isdir(path):
        raise ModelError(f"{path} is a folder, not a Python file", _folder_hint(path), code="SC901")
    if not os.path.exists(path):
        raise _no_such_file(path)


def _no_such_file(path: str) -> ModelError:
    return ModelError(f"no such file: {path}", nearest_file(path, SOURCE_ENDINGS), code="SC901")


def _without_name(place: str) -> CheckError:
    """Something names a file, folder or module, but no model in it."""
    ending = os.path.splitext(place)[1].lower()
    if ending in _NOT_SOURCE:
        return UserError(f"{place} is not a Python source file", _NOT_SOURCE[ending].format(path=place))
    if os.path.isdir(place):
        return UserError(f"{place} is a folder", _folder_hint(place))
    if ending in SOURCE_ENDINGS and not os.path.exists(place):
        return _no_such_file(place)
    if ending in SOURCE_ENDINGS:
        return UserError(f"{place} is named without a model in it", _names_hint(place, place))
    if _is_name(place):
        file = place.replace(".", os.sep) + ".py"
        return UserError(f"{place!r} is not a target", _names_hint(file, place) if os.path.isfile(file) else FORMS)
    return UserError(f"{place!r} is not a target", FORMS)


def _name_hint(place: str, name: str) -> str:
    called = re.match(r"([\w.]+)\(", name)
    if called:
        return f"write {place}:{called[1]}; constructor arguments go to --arg name=value"
    return _names_hint(place, place)


def _names_hint(file: str, shown: str) -> str:
    """`name one of its models: model.py:WaveNet, model.py:Encoder`."""
    tree = source.parse(file)
    names = (source.models(tree) or source.functions(tree)) if tree else []
    if not names:
        return f"name a model in it, such as {shown}:WaveNet"
    more = f", ... ({len(names)} in all)" if len(names) > _MOST_NAMES else ""
    return "name one of its models: " + ", ".join(f"{shown}:{name}" for name in names[:_MOST_NAMES]) + more


def _folder_hint(folder: str) -> str:
    for file in _files(folder, (".py",)):
        path = os.path.join(folder, file)
        tree = source.parse(path)
        names = source.models(tree) if tree else []
        if names:
            return f"name a file and a model in it, such as {path}:{names[0]}"
    return "name a file and a model in it, such as model.py:WaveNet"


def nearest_file(path: str, endings: tuple[str, ...]) -> str:
    """A hint about a file that is not there: what was probably meant, or what is there."""
    folder, file = os.path.split(path)
    if folder and not os.path.isdir(folder):
        return f"there is no folder {folder} here"
    files = _files(folder, endings)
    guess = nearest(file, files)
    if guess:
        return f"did you mean {os.path.join(folder, guess)}?"
    there = ", ".join(files[:_MOST_NAMES])
    return (
        f"files of that kind there: {there}"
        if there
        else f"there is no {' or '.join(endings)} file in {folder or 'this folder'}"
    )


def _files(folder: str, endings: tuple[str, ...]) -> list[str]:
    try:
        return sorted(file for file in os.listdir(folder or ".") if file.lower().endswith(endings))
    except (OSError, ValueError):
        return []


def _looks_like_path(place: str) -> bool:
    return os.sep in place or "/" in place or place in (".", "..")
