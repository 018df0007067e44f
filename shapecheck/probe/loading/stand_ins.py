"""Stands in for third-party modules that are not installed, or that break when they are imported.

A stand-in does nothing and knows nothing: it can be called, subclassed, used as a decorator or as a type. While the user's
files are imported that is enough; once the model runs, anything that needs a value of it is an error that names the
missing module. Only imports in the user's own files get one, and none that the file itself is prepared to see fail.
"""

from __future__ import annotations

import difflib
import os
import re
import sys
from collections.abc import Callable, Iterator, Sequence, Set
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import FrameType, FunctionType, MethodType, ModuleType, TracebackType
from typing import Any, TypeVar

import torch
from torch import nn

from shapecheck import source
from shapecheck.errors import Location
from shapecheck.probe import places

_LIKE_ONE_OF_OURS = 0.8
_NEVER = ("torch", "shapecheck")
_NOT_INSTALLED = "is not installed"
NO_LONGER = "is not in the package that is installed"
_NO_NAME = re.compile(r"cannot import name '(\w+)' from ")
_MOST_REPAIRS = 5
_VERSION = "0.0.0"


class StandInUsedError(BaseException):
    """The model needs what a stand-in cannot give. No Exception, so that neither a search nor the user's code goes on."""

    def __init__(self, used: str) -> None:
        super().__init__(used)
        absence.used.insert(0, (used, places.calling_line()))


@dataclass
class Absence:
    """Why modules are missing: by top-level name, the line that imports it, and what is wrong with it."""

    at: dict[str, Location | None] = field(default_factory=dict)
    why: dict[str, str] = field(default_factory=dict)
    used: list[tuple[str, Location | None]] = field(default_factory=list)
    importing: bool = False
    is_own: Callable[[str], bool] = field(default=lambda name: False)

    def allows(self, name: str) -> bool:
        top = name.partition(".")[0]
        return top not in _NEVER and top not in sys.stdlib_module_names and not self.is_own(top)


absence = Absence()
Result = TypeVar("Result")


def _importing() -> bool:
    """Also while a module is imported that a function of the user's asks for."""
    frame: FrameType | None = None if absence.importing else sys._getframe(1)
    while frame is not None:
        if frame.f_code.co_name == "exec_module" and frame.f_code.co_filename.startswith("<frozen importlib"):
            return True
        frame = frame.f_back
    return absence.importing


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
    absence.why[name] = _NOT_INSTALLED if missing == name else f"cannot be imported ({type(cause).__name__})"
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
    frames = _frames(error)
    users = [number for number, (file, _) in enumerate(frames) if places.distance(file) == 0]
    if not users or not any(places.package(file) for file, _ in frames[users[-1] :]):
        return False
    file, line = frames[users[-1]]
    tree = source.parse(file)
    return tree is not None and source.is_import(tree, line)


def _in_users_import(error: BaseException) -> bool:
    """Whether it was raised by an import statement of the user's itself, that nothing around it expects to fail."""
    file, line = _frames(error)[-1]
    tree = source.parse(file) if places.distance(file) == 0 else None
    return tree is not None and source.is_import(tree, line) and not source.is_guarded_import(tree, line)


def _is_of_user(error: BaseException) -> bool:
    return any(places.distance(file) == 0 for file, _ in _frames(error))


def _causes(error: BaseException) -> list[BaseException]:
    """The error and those that led to it, the first one first."""
    causes = [error]
    while (before := causes[0].__cause__ or causes[0].__context__) is not None and before not in causes:
        causes.insert(0, before)
    return causes


def _innermost_package(error: BaseException) -> str | None:
    packages = (places.package(file) for file, _ in reversed(_frames(error)))
    return next((package for package in packages if package is not None), None)


def _frames(error: BaseException) -> list[tuple[str, int]]:
    frames = []
    trace: TracebackType | None = error.__traceback__
    while trace is not None:
        frames.append((trace.tb_frame.f_code.co_filename, trace.tb_lineno))
        trace = trace.tb_next
    return frames


# ---------------------------------------------------------------------------- finding


class _Absent(MetaPathFinder):
    """The last to be asked: nobody else knows the module."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        parent = fullname.rpartition(".")[0]
        if isinstance(sys.modules.get(parent), StandInModule):
            return ModuleSpec(fullname, _Empty(), is_package=True)
        if path is not None or not _importing():
            return None
        place = _unprepared(anybodys=fullname in absence.at)
        if place is None or not absence.allows(fullname):
            return None
        absence.at.setdefault(fullname, place)
        absence.why.setdefault(fullname, _NOT_INSTALLED)
        return ModuleSpec(fullname, _Empty(), is_package=True)


class _Broken(MetaPathFinder):
    """The first to be asked: a package that would break again."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        top = fullname.partition(".")[0]
        if absence.why.get(top, _NOT_INSTALLED) == _NOT_INSTALLED:
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


# ---------------------------------------------------------------------------- standing in


class StandInModule(ModuleType):
    """Has every name; as `from x import *` none."""

    __version__ = _VERSION
    __all__: tuple[str, ...] = ()

    def __getattr__(self, name: str) -> StandIn:
        if name.startswith("__"):
            raise AttributeError(f"{self.__name__} is not installed")
        return StandIn(f"{self.__name__}.{name}")


class StandIn:
    """Anything out of a missing module, by its dotted name."""

    _name: str

    def __init__(self, name: str) -> None:
        self.__dict__["_name"] = name

    def __getattr__(self, name: str) -> Any:
        if name == "__version__":
            return _VERSION
        if name.startswith("__") or name == "_name":
            raise AttributeError(name)
        return StandIn(f"{self._name}.{name}")

    def __setattr__(self, name: str, value: object) -> None:
        """Forgotten, as nothing could read it."""

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        only = args[0] if len(args) == 1 and not kwargs else None
        if isinstance(only, (type, FunctionType, MethodType, staticmethod, classmethod)):
            return only  # a decorator
        if not _importing():
            _remember(self)
            if args and isinstance(args[0], torch.Tensor):
                raise StandInUsedError(self._name)
        return StandIn(f"{self._name}()" if not self._name.endswith("()") else self._name)

    def __mro_entries__(self, bases: tuple[Any, ...]) -> tuple[type, ...]:
        """One class for all stand-ins among the bases: an `nn.Module` where one of them is called so and no other base is."""
        ours = [base for base in bases if isinstance(base, StandIn)]
        if ours[0] is not self:
            return ()
        has_module = any(isinstance(base, type) and issubclass(base, nn.Module) for base in bases)
        named = next((base for base in ours if source.names_model(base._name.rpartition(".")[2])), None)
        kind = StandInModel if named is not None and not has_module else StandInBase
        name = (named or self)._name
        return (type(name.rpartition(".")[2], (kind,), {"stands_for": name}),)

    def __instancecheck__(self, instance: object) -> bool:
        return False

    def __subclasscheck__(self, subclass: type) -> bool:
        return False

    def __getitem__(self, key: object) -> StandIn:
        return self

    def __setitem__(self, key: object, value: object) -> None:
        """Forgotten too."""

    def __enter__(self) -> StandIn:
        return self

    def __exit__(self, *error: object) -> None:
        return None

    def __iter__(self) -> Iterator[Any]:
        return iter(()) if _importing() else _needed(self)

    def __bool__(self) -> bool:
        return False if _importing() else _needed(self)

    def __repr__(self) -> str:
        return f"<{self._name}, not installed>"

    @classmethod
    def __torch_function__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        given = [*args, *(kwargs or {}).values()]
        flat = [item for value in given for item in (value if isinstance(value, (tuple, list)) else [value])]
        return _needed(next((item for item in flat if isinstance(item, StandIn)), None))


def _needed(stand_in: StandIn | None, *_: object) -> Any:
    raise StandInUsedError(stand_in._name if stand_in is not None else "a module that is not installed")


def _remember(stand_in: StandIn) -> None:
    if (stand_in._name, place := places.calling_line()) not in absence.used:
        absence.used.append((stand_in._name, place))


_VALUES = (
    "add", "radd", "sub", "rsub", "mul", "rmul", "truediv", "rtruediv", "floordiv", "rfloordiv", "mod", "rmod", "pow", "rpow",
    "matmul", "rmatmul", "or", "ror", "and", "rand", "neg",
)  # fmt: skip
_NUMBERS = ("len", "int", "float", "index", "contains")
_COMPARISONS = ("lt", "le", "gt", "ge")
for _operation in _NUMBERS:
    setattr(StandIn, f"__{_operation}__", _needed)
for _operation in _VALUES:
    setattr(StandIn, f"__{_operation}__", lambda self, *other: self if _importing() else _needed(self))
for _operation in _COMPARISONS:
    setattr(StandIn, f"__{_operation}__", lambda self, other: bool(self))


class StandInBase:
    """A base class out of a missing module."""

    stands_for: str = ""

    def __init__(self, *args: object, **kwargs: object) -> None:
        super().__init__()

    def __init_subclass__(cls, **kwargs: object) -> None:
        super().__init_subclass__()


class StandInModel(nn.Module):
    """A model's base class out of a missing module, such as LightningModule: an `nn.Module` whose other methods do nothing."""

    stands_for = ""

    def __init__(self, *args: object, **kwargs: object) -> None:
        super().__init__()

    def __init_subclass__(cls, **kwargs: object) -> None:
        super().__init_subclass__()

    def __getattr__(self, name: str) -> Any:
        """Only the user's own code may find what is not there."""
        try:
            return super().__getattr__(name)
        except AttributeError:
            if name.startswith("__") or places.distance(sys._getframe(1).f_code.co_filename):
                raise
            return StandIn(f"self.{name}")
