"""What several test files do alike: models imported by path, files written, a worker that finds its entry module."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType

import pytest

from shapecheck.workers import Workers

MODELS = Path(__file__).parent / "models"


def module_at(path: Path, name: str = "") -> ModuleType:
    """The file as a module of that name, else of its own."""
    spec = importlib.util.spec_from_file_location(name or path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    module = sys.modules[spec.name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def written(folder: Path, files: Mapping[str, str | bytes]) -> Path:
    """The folder, with these files in it."""
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return folder


@contextmanager
def workers_with(entry: Path, text: str) -> Iterator[Workers]:
    """A worker that can import the entry module of these lines."""
    written(entry.parent, {entry.name: text})
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", str(entry.parent))
        with Workers() as shared:
            yield shared
