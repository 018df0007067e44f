"""Puts stand-ins in the place of modules, or names of modules, that are missing or break. Runs no file of the user's itself.

Only imports in the user's own files get one, and none that the file itself is prepared to see fail.
"""

from __future__ import annotations

import difflib
import os
import re
import sys
from collections.abc import Callable, Iterator, Sequence, Set
from contextlib import contextmanager
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import TypeVar

from shapecheck import source
from shapecheck.errors import Location
from shapecheck.probe import places
from shapecheck.probe.loading.absence import NO_LONGER, NOT_INSTALLED, absence, is_importing
from shapecheck.probe.loading.stand_ins import StandIn, StandInModule

_LIKE_ONE_OF_OURS = 0.8
_NO_NAME = re.compile(r"cannot import name '(\w+)' from ")
_MOST_REPAIRS = 5

Result = TypeVar("Result")


@contextmanager
def importing(is_own: Callable[[str], bool]) -> Iterator[None]:
    """While the user's files are imported; `is_own` tells names that should be in the user's own folders."""
    before = absence.importing
    absence.importing, absence.is_own = True, is_own
    if not any(isinstance(finder, _Absent) for finder in sys.meta_path):
        sys.meta_path.append(_Absent())
        sys.meta_path.insert(0, _Broken())
    try:
        yield
    finally:
        absence.importing = before


def with_stand_ins(run: Callable[[], Result], by_user: bool = True) -> Result:
    """What `run` returns, if need be once more for every installed package that breaks when it is imported.

    `by_user` is whether the import stands in the user's files, rather than being all that the user asked for.
    """
    for _ in range(_MOST_REPAIRS):
        before = set(sys.modules)
        try:
            return run()
        except Exception as error:
            if not _replaced(error, by_user):
                raise
            _forget_users(before)
    return run()


def _forget_users(before: Set[str]) -> None:
    """Modules of the user's that came since: a package that is imported again is only whole with its parts."""
    for name in sys.modules.keys() - before:
        if places.distance(getattr(sys.modules[name], "__file__", None) or "<>") == 0:
            del sys.modules[name]


def _replaced(error: Exception, by_user: bool) -> bool:
    """Whether an installed package that breaks, or what is missing of it, has a stand-in from now on."""
    if _replaced_name(error):
        return True
    cause, *later = _causes(error)
    if by_user and not any(map(_imports_of_user, (cause, *later))):
        return False
    missing = cause.name.partition(".")[0] if isinstance(cause, ModuleNotFoundError) and cause.name else None
    breaking = next(filter(None, map(_innermost_package, (cause, *later))), None)
    name = missing if missing and breaking else breaking
    if name is None or name in absence.at or name in sys.modules or not absence.allows(name):
        return False
    absence.at[name] = next((places.raised_at(each) for each in (cause, *later) if _is_of_user(each)), None)
    absence.why[name] = NOT_INSTALLED if missing == name else f"cannot be imported ({type(cause).__name__})"
    for module in [module for module in sys.modules if module.partition(".")[0] == name]:
        del sys.modules[module]
    return True


def _replaced_name(error: Exception) -> bool:
    """Whether a name has a stand-in that the user's file imports from an installed module that no longer has it."""
    found = _NO_NAME.match(str(error)) if type(error) is ImportError else None
    module = sys.modules.get(error.name or "") if isinstance(error, ImportError) and found else None
    file = getattr(module, "__file__", None)
    if found is None or module is None or file is None or places.distance(file) != 1 or not _in_users_import(error):
        return False
    name = f"{module.__name__}.{found[1]}"
    if name in absence.at or not absence.allows(name):
        return False
    absence.at[name], absence.why[name] = places.raised_at(error), NO_LONGER
    setattr(module, found[1], StandIn(name))
    return True


def resembles(name: str, folders: Sequence[str]) -> bool:
    """Whether a file or folder in one of them is called nearly so."""
    files: set[str] = set()
    for folder in folders:
        try:
            files |= {os.path.splitext(file)[0] for file in os.listdir(folder or os.curdir)}
        except OSError:
            continue
    return bool(difflib.get_close_matches(name, files, 1, _LIKE_ONE_OF_OURS))


def _imports_of_user(error: BaseException) -> bool:
    """Whether the last line of the user's on the way is an import of something installed."""
    frames = places.lines_of(error)
    users = [number for number, (file, _) in enumerate(frames) if places.distance(file) == 0]
    if not users or not any(places.package(file) for file, _ in frames[users[-1] :]):
        return False
    file, line = frames[users[-1]]
    tree = source.parse(file)
    return tree is not None and source.is_import(tree, line)


def _in_users_import(error: BaseException) -> bool:
    """Whether it was raised by an import statement of the user's itself, that nothing around it expects to fail."""
    file, line = places.lines_of(error)[-1]
    tree = source.parse(file) if places.distance(file) == 0 else None
    return tree is not None and source.is_import(tree, line) and not source.is_guarded_import(tree, line)


def _is_of_user(error: BaseException) -> bool:
    return any(places.distance(file) == 0 for file, _ in places.lines_of(error))


def _causes(error: BaseException) -> list[BaseException]:
    """The error and those that led to it, the first one first."""
    causes = [error]
    while (before := causes[0].__cause__ or causes[0].__context__) is not None and before not in causes:
        causes.insert(0, before)
    return causes


def _innermost_package(error: BaseException) -> str | None:
    packages = (places.package(file) for file, _ in reversed(places.lines_of(error)))
    return next((package for package in packages if package is not None), None)


# ---------------------------------------------------------------------------- finding


class _Absent(MetaPathFinder):
    """The last to be asked: nobody else knows the module."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        parent = fullname.rpartition(".")[0]
        if isinstance(sys.modules.get(parent), StandInModule):
            return ModuleSpec(fullname, _Empty(), is_package=True)
        if path is not None or not is_importing():
            return None
        place = _unprepared(anybodys=fullname in absence.at)
        if place is None or not absence.allows(fullname):
            return None
        absence.at.setdefault(fullname, place)
        absence.why.setdefault(fullname, NOT_INSTALLED)
        return ModuleSpec(fullname, _Empty(), is_package=True)


class _Broken(MetaPathFinder):
    """The first to be asked: a package that would break again."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        top = fullname.partition(".")[0]
        if absence.why.get(top, NOT_INSTALLED) == NOT_INSTALLED:
            return None
        if _unprepared(anybodys=True) is None:
            raise ModuleNotFoundError(f"{top} {absence.why[top]}", name=fullname)
        return ModuleSpec(fullname, _Empty(), is_package=True)


def _unprepared(anybodys: bool) -> Location | None:
    """The import statement, if it is the user's, or `anybodys`, and nothing around it expects it to fail."""
    frame = sys._getframe(1)
    while frame.f_back is not None and _is_machinery(frame.f_code.co_filename):
        frame = frame.f_back
    file, line = frame.f_code.co_filename, frame.f_lineno
    tree = source.parse(file) if anybodys or places.distance(file) == 0 else None
    if tree is None or source.is_guarded_import(tree, line) or not source.is_import(tree, line):
        return None
    return Location(places.shown(file), line)


def _is_machinery(file: str) -> bool:
    return file == __file__ or file.startswith("<frozen") or os.sep + "importlib" + os.sep in file


class _Empty(Loader):
    def create_module(self, spec: ModuleSpec) -> ModuleType:
        return StandInModule(spec.name)

    def exec_module(self, module: ModuleType) -> None:
        return None
