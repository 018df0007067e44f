"""Folders of rule files that users name: read at once, so that a mistake in one is told before anything runs. No torch."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from shapecheck.errors import UserError, nearest
from shapecheck.rules import Loss, load_file, loss_files


def opened(folders: Sequence[str | os.PathLike[str]]) -> tuple[Path, ...]:
    """The folders as `load_loss` takes them, once every rule file in them has been read and compiled.

    Raises UserError for what is no folder of rule files, and for a mistake in one, with its line.
    """
    paths = tuple(_folder(str(folder)) for folder in folders)
    for path in paths:
        losses_in(path, paths)
    return paths


def losses_in(folder: Path, folders: tuple[Path, ...]) -> list[Loss]:
    """The losses whose rule files stand in one folder, which is among the `folders`. Raises UserError."""
    return [load_file(path, folders) for path in loss_files(folder)]


def _folder(text: str) -> Path:
    path = Path(os.path.abspath(text))
    if path.is_file():
        raise UserError(f"{text} is a file, not a folder of rule files", f"name its folder: {path.parent}")
    if not path.is_dir():
        raise UserError(f"no such folder: {text}", _nearest_folder(path))
    if not loss_files(path):
        raise UserError(f"{text} has no rule files", "a rule file is LOSS.yaml; see 'Writing a rule' in the README")
    return path


def _nearest_folder(path: Path) -> str:
    try:
        others = sorted(entry.name for entry in path.parent.iterdir() if entry.is_dir())
    except OSError:
        return f"there is no folder {path.parent}"
    guess = nearest(path.name, others)
    return f"did you mean {guess!r}?" if guess else "name a folder of rule files, LOSS.yaml"
