"""Imports the user's file as the user's own scripts would, whatever it is called. Explains no errors.

Files that would train or download are run in part (`executing.py`), and absent packages get a stand-in (`replacing.py`).

The user's folders become importable, but only the user's files look there first: installed packages go on finding
what is installed, so a `random.py` or `datasets/` next to the model disturbs nobody.
"""

from __future__ import annotations

import glob
import importlib
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder, SourceFileLoader
from importlib.util import find_spec, module_from_spec, spec_from_file_location
from types import FrameType, ModuleType
from typing import ClassVar

from shapecheck import source
from shapecheck.probe import places
from shapecheck.probe.folders import up_to_repository
from shapecheck.probe.loading import executing, replacing
from shapecheck.probe.loading.slicing import worth_slicing


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


@dataclass(frozen=True)
class Imported:
    """A module, and what became of each of the user's files on the way that was not simply run, by path."""

    module: ModuleType
    outcomes: Mapping[str, executing.Outcome]


def import_file(path: str, name: str | None = None) -> Imported:
    """The file's module, under its own dotted name where that is free; `name` is what is wanted of it.

    Raises whatever the file raises, unless the name is there all the same.
    """
    home = _home(os.path.abspath(path))
    _make_importable((home.root, *home.above), last=_package_folders(home))
    sys.argv = [path]
    with _importing((home.root, *_package_folders(home))), UsersFiles.wanting(home.file, name) as outcomes:
        return Imported(replacing.with_stand_ins(lambda: _module_of(home)), dict(outcomes))


def import_module(name: str, wanted: str | None = None) -> Imported:
    """A module by its dotted name; the current folder is importable. Raises as `import_file` does."""
    _make_importable((os.getcwd(),), last=())
    sys.argv = [name]
    with _importing((os.getcwd(),)):
        known = name in sys.modules
        spec = None if known else replacing.with_stand_ins(lambda: find_spec(name), by_user=False)
        with UsersFiles.wanting(spec.origin if spec else None, wanted) as outcomes:
            module = replacing.with_stand_ins(lambda: importlib.import_module(name), by_user=False)
            return Imported(module, dict(outcomes))


def _module_of(home: Home) -> ModuleType:
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


@contextmanager
def _importing(folders: Sequence[str]) -> Iterator[None]:
    """The current folder is as before afterwards, whatever the user's files made of it."""
    before = os.getcwd()
    try:
        with replacing.importing(lambda name: whereabouts(name) is not None or replacing.resembles(name, folders)):
            yield
    finally:
        os.chdir(before)


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


class UsersFiles(MetaPathFinder):
    """Finds modules as Python does, and has the user's own run by `UsersLoader`."""

    wanted: ClassVar[dict[str, str]] = {}
    outcomes: ClassVar[dict[str, executing.Outcome]] = {}

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        spec = PathFinder.find_spec(fullname, path)
        if spec is None or type(spec.loader) is not SourceFileLoader or places.distance(spec.origin or "<>"):
            return None
        spec.loader = UsersLoader(spec.loader.name, spec.loader.path)
        return spec

    @classmethod
    @contextmanager
    def wanting(cls, file: str | None, name: str | None) -> Iterator[dict[str, executing.Outcome]]:
        """While the block runs, the file is run as far as the name needs it."""
        if file is not None and name is not None:
            cls.wanted[file] = name
        try:
            yield cls.outcomes
        finally:
            cls.wanted.clear()


class UsersLoader(SourceFileLoader):
    """Runs a file of the user's in part where the whole would do more than define things.

    A file that does not parse raises as it does in Python.
    """

    def exec_module(self, module: ModuleType) -> None:
        name = UsersFiles.wanted.get(self.path)
        tree = source.parse(self.path)
        if tree is None:
            compile(source.read(self.path), self.path, "exec")
        if tree is None or (name is None and not worth_slicing(tree)):
            super().exec_module(module)
        else:
            UsersFiles.outcomes[self.path] = executing.execute(module, tree, self.path, name)


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
        sys.meta_path[:0] = [InstalledFirst(sys.path), UsersFiles()]
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
    return Home(file, tuple(packages), root, _with_sources(root))


def _is_package(folder: str) -> bool:
    return os.path.isfile(os.path.join(folder, "__init__.py")) and "." not in os.path.basename(folder)


def _with_sources(root: str) -> tuple[str, ...]:
    """The folders over `root` up to the repository's, or the current one, and the repository's `src`."""
    folders = up_to_repository(root)
    beside = [os.path.join(folder, "src") for folder in folders if os.path.isdir(os.path.join(folder, "src"))]
    return (*folders[1:], *beside)


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
    spec = spec_from_file_location(name, file, loader=UsersLoader(name, file))
    assert spec is not None
    return _run(spec)


def _execute_package(folder: str, name: str) -> ModuleType:
    """The package in `folder` and no other of that name; it needs no `__init__.py`."""
    file = os.path.join(folder, "__init__.py")
    if os.path.isfile(file):
        loader = UsersLoader(name, file)
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
