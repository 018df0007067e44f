"""Imports the user's file as the user's own scripts would, whatever it is called. Explains no errors.

The user's folders become importable, but only the user's files look there first: installed packages go on finding
what is installed, so a `random.py` or `datasets/` next to the model disturbs nobody.
"""

from __future__ import annotations

import glob
import importlib
import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder, SourceFileLoader
from importlib.util import module_from_spec, spec_from_file_location
from types import FrameType, ModuleType

from shapecheck import source
from shapecheck.probe import places

_REPOSITORY_MARKS = (".git", "pyproject.toml", "setup.py", "setup.cfg")


@dataclass(frozen=True)
class Home:
    """Where a file lives: its packages, outermost first, the folder they are in, and the folders above that."""

    file: str
    packages: tuple[str, ...]
    root: str
    above: tuple[str, ...]

    @property
    def stem(self) -> str:
        return os.path.splitext(os.path.basename(self.file))[0]


def import_file(path: str) -> ModuleType:
    """The file's module, under its own dotted name where that is free. Raises whatever the file raises."""
    home = _home(os.path.abspath(path))
    _make_importable((home.root, *home.above), last=_package_folders(home))
    sys.argv = [path]
    if not home.packages:
        return _execute(home.file, _free_name(home.stem, home.file))
    outermost = os.path.join(home.root, home.packages[0])
    top = home.packages[0] if _is_free(home.packages[0], outermost) else _alias(home.packages[0])
    if top not in sys.modules:
        _execute_package(outermost, top)
    package = ".".join((top, *home.packages[1:]))
    parent = importlib.import_module(package)
    if home.stem == "__init__":
        return parent
    module = _execute(home.file, f"{package}.{home.stem}")
    setattr(parent, home.stem, module)
    return module


def import_module(name: str) -> ModuleType:
    """A module by its dotted name; the current folder is importable. Raises whatever the module raises."""
    _make_importable((os.getcwd(),), last=())
    sys.argv = [name]
    return importlib.import_module(name)


def whereabouts(name: str) -> str | None:
    """A folder near the current one that has `name.py` or a folder `name`; at most three levels down."""
    for depth in range(4):
        for found in sorted(glob.glob(os.path.join(*["*"] * depth, name + "*"))):
            if os.path.basename(found) == name + ".py" or (os.path.basename(found) == name and os.path.isdir(found)):
                return os.path.dirname(found) or os.curdir
    return None


class InstalledFirst(MetaPathFinder):
    """Answers installed code from the folders that were importable before the user's were.

    So too for a user's `timm.py` that imports timm: it never means itself.
    """

    def __init__(self, folders: Sequence[str]) -> None:
        self.folders = list(folders)

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if path is not None:
            return None
        importer = _importer(sys._getframe(1))
        itself = os.path.splitext(os.path.basename(importer))[0] == fullname
        if importer == __file__ or (places.distance(importer) == 0 and not itself):
            return None
        spec = PathFinder.find_spec(fullname, self.folders)
        return spec if spec is not None and spec.loader is not None else None


def _importer(frame: FrameType | None) -> str:
    """The file whose import statement is running."""
    while frame is not None:
        filename = frame.f_code.co_filename
        if filename != importlib.__file__ and not filename.startswith("<frozen importlib"):
            return filename
        frame = frame.f_back
    return "<unknown>"


def _make_importable(first: Sequence[str], last: Sequence[str]) -> None:
    if not any(isinstance(finder, InstalledFirst) for finder in sys.meta_path):
        sys.meta_path.insert(0, InstalledFirst(sys.path))
    added = list(dict.fromkeys(first))
    kept = [folder for folder in sys.path if folder not in added]
    sys.path[:] = [*added, *kept, *(folder for folder in last if folder not in (*added, *kept))]


def _home(file: str) -> Home:
    """Packages are folders with `__init__.py`; without one, as many as the file's relative imports climb."""
    packages: list[str] = []
    root = os.path.dirname(file)
    while _is_package(root):
        packages.insert(0, os.path.basename(root))
        root = os.path.dirname(root)
    tree = source.parse(file)
    for _ in range(source.relative_level(tree) - len(packages) if tree else 0):
        if not os.path.basename(root) or "." in os.path.basename(root):
            break
        packages.insert(0, os.path.basename(root))
        root = os.path.dirname(root)
    return Home(file, tuple(packages), root, _above(root))


def _is_package(folder: str) -> bool:
    return os.path.isfile(os.path.join(folder, "__init__.py")) and "." not in os.path.basename(folder)


def _above(root: str) -> tuple[str, ...]:
    """The folders over `root` up to the repository's, or the current one, and the repository's `src`."""
    chain = [root]
    while os.path.dirname(chain[-1]) != chain[-1]:
        chain.append(os.path.dirname(chain[-1]))
    tops = [folder for folder in chain if folder == os.getcwd() or _is_repository(folder)]
    if not tops:
        return ()
    kept = chain[: chain.index(tops[-1]) + 1]
    beside = [os.path.join(folder, "src") for folder in kept if os.path.isdir(os.path.join(folder, "src"))]
    return (*kept[1:], *beside)


def _is_repository(folder: str) -> bool:
    return any(os.path.exists(os.path.join(folder, mark)) for mark in _REPOSITORY_MARKS)


def _package_folders(home: Home) -> tuple[str, ...]:
    """The packages' own folders, innermost first: files run as scripts import their neighbours without a dot."""
    folders = [os.path.join(home.root, *home.packages[: depth + 1]) for depth in range(len(home.packages))]
    return tuple(reversed(folders))


def _is_free(name: str, place: str) -> bool:
    """Whether nothing but the file or folder `place` itself is imported under the name."""
    module = sys.modules.get(name)
    return module is None or place == getattr(module, "__file__", None) or place in getattr(module, "__path__", ())


def _free_name(stem: str, file: str) -> str:
    """The stem, or an alias where the name is taken, means an installed module or is no name at all."""
    free = _is_free(stem, file) and stem.isidentifier() and stem not in sys.stdlib_module_names
    return stem if free and not _is_installed(stem, file) else _alias(stem)


def _is_installed(name: str, file: str) -> bool:
    """Whether the name led elsewhere than to the file before the user's folders were added."""
    specs = [PathFinder.find_spec(name, f.folders) for f in sys.meta_path if isinstance(f, InstalledFirst)]
    return any(spec is not None and spec.origin != file for spec in specs)


def _alias(name: str) -> str:
    plain = "".join(letter if letter.isalnum() else "_" for letter in name)
    return f"shapecheck_loaded_{plain}"


def _execute(file: str, name: str) -> ModuleType:
    """Runs the file itself: a lookup by name could end at a folder of the same name beside it."""
    loaded = sys.modules.get(name)
    if loaded is not None and getattr(loaded, "__file__", None) == file:
        return loaded
    spec = spec_from_file_location(name, file, loader=SourceFileLoader(name, file))
    assert spec is not None
    return _run(spec)


def _execute_package(folder: str, name: str) -> ModuleType:
    """The package in `folder` and no other of that name; it needs no `__init__.py`."""
    file = os.path.join(folder, "__init__.py")
    if os.path.isfile(file):
        loader = SourceFileLoader(name, file)
        spec = spec_from_file_location(name, file, loader=loader, submodule_search_locations=[folder])
    else:
        spec = ModuleSpec(name, None, is_package=True)
        spec.submodule_search_locations = [folder]
    assert spec is not None
    return _run(spec)


def _run(spec: ModuleSpec) -> ModuleType:
    module = module_from_spec(spec)
    sys.modules[spec.name] = module
    try:
        if spec.loader is not None:
            spec.loader.exec_module(module)
    except BaseException:
        sys.modules.pop(spec.name, None)
        raise
    return sys.modules.get(spec.name, module)
