"""Stands in for third-party modules that are not installed, or that break when they are imported.

A stand-in does nothing and knows nothing: it can be called, subclassed, used as a decorator or as a type. While the user's
files are imported that is enough; once the model runs, anything that needs a value of it is an error that names the
missing module. Which modules get one is decided in `replacing.py`.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from types import FunctionType, MethodType, ModuleType
from typing import Any

import torch
from torch import nn

from shapecheck import source
from shapecheck.probe import places
from shapecheck.probe.loading.absence import absence, is_importing

_VERSION = "0.0.0"


class StandInUsedError(BaseException):
    """The model needs what a stand-in cannot give. No Exception, so that neither a search nor the user's code goes on."""

    def __init__(self, used: str) -> None:
        super().__init__(used)
        absence.used.insert(0, (used, places.calling_line()))


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
        if not is_importing():
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
        return iter(()) if is_importing() else _needed(self)

    def __bool__(self) -> bool:
        return False if is_importing() else _needed(self)

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
    setattr(StandIn, f"__{_operation}__", lambda self, *other: self if is_importing() else _needed(self))
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
