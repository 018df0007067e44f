"""Reads how the user names a loss of their own, `losses.py:dice_loss`, `package.module:DiceLoss`; or their data, `train.py:loader`.

Looks at folders and syntax trees only to answer mistakes; runs no user code and imports no torch.
"""

from __future__ import annotations

import ast
import os
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from shapecheck import source
from shapecheck.errors import UserError, nearest
from shapecheck.targets import SOURCE_ENDINGS, Target

FORMS = "write losses.py:my_loss, or package.module:my_loss"
_MOST_NAMES = 8
_DATA = re.compile(r"load|data|batch|train|samples", re.IGNORECASE)


@dataclass(frozen=True)
class Wording:
    """What is named, in words: what it is, how to write it, where its arguments go; and which names of a file it may be."""

    thing: str
    within: str
    forms: str
    example: str
    arguments: str
    names: Callable[[str], list[str]]
    endings: tuple[str, ...] = (".py",)


def names_callable(loss: str) -> bool:
    """Whether the text names a callable of the user's rather than a loss that has rules."""
    text = loss.strip()
    return ":" in text or text.lower().endswith(".py")


def parse_callable(text: str, folder: Path | None = None, wording: Wording | None = None) -> Target:
    """The file or module and the name in it; relative to `folder`, else to the current one. By default it is a loss.

    Raises UserError for a malformed name and for a file that does not exist.
    """
    words = wording or LOSS
    place, name = _split(text)
    if not place:
        raise UserError(f"{words.thing} {text!r} names no file or module", words.forms)
    if _is_module(place, words):
        if not name or not _is_name(name):
            raise _bad_name(text, place, name, _module_file(place, folder), words)
        file = _module_file(place, folder) if folder is not None else None
        return Target(text, "file", path=file, name=name) if file else Target(text, "module", module=place, name=name)
    path = place if folder is None else str(folder / place)
    _require_file(path, place, words)
    if not name or not _is_name(name):
        raise _bad_name(text, place, name, path, words)
    return Target(text, "file", path=path, name=name)


def _split(text: str) -> tuple[str, str]:
    """`place:name`; the colon of a Windows drive separates nothing, and `::`, as pytest writes it, does."""
    place, colon, name = text.strip().rpartition(":")
    if not colon or (len(place) == 1 and name[:1] in ("\\", "/")):
        return text.strip(), ""
    return place.rstrip(":"), name


def parse_data(text: str) -> Target:
    """What --data names. Raises UserError as `parse_callable` does."""
    return parse_callable(text, None, DATA)


def _is_module(place: str, words: Wording) -> bool:
    return not place.lower().endswith(words.endings) and _is_name(place)


def _is_name(text: str) -> bool:
    return all(part.isidentifier() for part in text.split("."))


def _module_file(module: str, folder: Path | None) -> str | None:
    """The file of a module that lies in the folder."""
    stem = os.path.join(folder or "", *module.split("."))
    return next((file for file in (f"{stem}.py", os.path.join(stem, "__init__.py")) if os.path.isfile(file)), None)


def _require_file(path: str, typed: str, words: Wording) -> None:
    if os.path.isdir(path):
        raise UserError(f"{typed} is a folder, not a file with {words.within} in it", words.forms)
    if not typed.lower().endswith(words.endings):
        guess = f"did you mean {typed}.py?" if os.path.isfile(path + ".py") else words.forms
        raise UserError(f"{typed!r} is neither a Python file nor a module", guess)
    if not os.path.exists(path):
        raise UserError(f"no such file: {path}", _nearest_file(path))


def _nearest_file(path: str) -> str:
    folder, file = os.path.split(path)
    if folder and not os.path.isdir(folder):
        return f"there is no folder {folder} here"
    try:
        files = sorted(each for each in os.listdir(folder or ".") if each.lower().endswith(".py"))
    except OSError:
        files = []
    guess = nearest(file, files)
    if guess:
        return f"did you mean {os.path.join(folder, guess)}?"
    there = ", ".join(files[:_MOST_NAMES])
    return f"Python files there: {there}" if there else f"there is no Python file in {folder or 'this folder'}"


def _bad_name(text: str, place: str, name: str, file: str | None, words: Wording) -> UserError:
    without = f"{place} is named without {words.within} in it"
    message = f"{name!r} in {words.thing} {text!r} is not a name" if name else without
    called, bracket, _ = name.partition("(")
    if bracket and _is_name(called):
        return UserError(message, f"write {place}:{called}; {words.arguments}")
    names = words.names(file) if file else []
    if not names:
        return UserError(message, f"name a function or class in it, such as {place}:{words.example}")
    more = f", ... ({len(names)} in all)" if len(names) > _MOST_NAMES else ""
    return UserError(message, "name one of: " + ", ".join(f"{place}:{each}" for each in names[:_MOST_NAMES]) + more)


def losses_in(path: str) -> list[str]:
    """Public functions and classes of a file, those that are called losses first; [] where it does not parse."""
    tree = source.parse(path)
    kinds = (ast.FunctionDef, ast.ClassDef)
    found = [node.name for node in source.statements(tree.body) if isinstance(node, kinds)] if tree else []
    public = [name for name in dict.fromkeys(found) if not name.startswith("_")]
    return sorted(public, key=lambda name: "loss" not in name.lower() and "criterion" not in name.lower())


def data_in(path: str) -> list[str]:
    """Public names of a file that may hold data, or give some: variables, functions, classes, the likeliest first."""
    tree = source.parse(path)
    found: list[str] = []
    for node in source.statements(tree.body) if tree else ():
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
            found.append(node.name)
        elif isinstance(node, ast.Assign):
            found += [inner.id for target in node.targets for inner in ast.walk(target) if isinstance(inner, ast.Name)]
    models = source.models(tree) if tree else []
    public = [name for name in dict.fromkeys(found) if not name.startswith("_") and name not in models]
    return sorted(public, key=lambda name: not _DATA.search(name))


LOSS = Wording("the loss", "a loss", FORMS, "my_loss", "its arguments go to --loss-arg name=value", losses_in)
DATA = Wording(
    "the data", "data", "write train.py:loader, or package.module:loader", "loader",
    "it is called without arguments: name a function that needs none, and calls this one", data_in, SOURCE_ENDINGS,
)  # fmt: skip
