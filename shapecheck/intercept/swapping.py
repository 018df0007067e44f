"""A Python function that calls somebody else instead, while it stays the same object.

Its code is exchanged, not the names it goes by: a `partial`, a dictionary or a class that took hold of the function
earlier calls the same object, pickles and dispatch tables go on finding it, and putting the code back puts back all.
Imports nothing of torch.
"""

from __future__ import annotations

from collections.abc import Callable
from types import CodeType, FunctionType
from typing import Any

Instead = Callable[[tuple[Any, ...], dict[str, Any]], Any]

INSTEAD: dict[str, Instead] = {}
# Python's warnings are about the caller of the function that warns, and frames of its own importing do not count.
_PLACE = "<shapecheck looks on; to warnings as importlib._bootstrap>"
_NAME = "the key of what is called instead stands here"


def _stand_in(*args: Any, **kwargs: Any) -> Any:
    from shapecheck.intercept.swapping import INSTEAD  # the globals are those of the function that lends its name

    __tracebackhide__ = True
    return INSTEAD["the key of what is called instead stands here"](args, kwargs)


def can_be_swapped(function: Any) -> bool:
    """Code with variables of an enclosing function cannot be exchanged for code without."""
    return isinstance(function, FunctionType) and not function.__closure__


def twin(function: FunctionType) -> FunctionType:
    """A second function with the same code, to call what the first did."""
    made = FunctionType(function.__code__, function.__globals__, function.__name__, function.__defaults__)
    made.__kwdefaults__ = function.__kwdefaults__
    made.__qualname__, made.__module__ = function.__qualname__, function.__module__
    made.__annotations__, made.__doc__ = function.__annotations__, function.__doc__
    return made


class Swap:
    """While it is on, a call of `function` is a call of `instead(args, kwargs)`.

    `__wrapped__` shows its real signature and source to `inspect`, and so to `torch.jit.script`.
    """

    def __init__(self, function: FunctionType, original: FunctionType, instead: Instead) -> None:
        self.function = function
        self.original = original
        key = f"{function.__module__}.{function.__qualname__}"
        INSTEAD[key] = instead  # stays: another thread may be on its way there when the code is put back
        self._ours = _code(key, function)
        self._theirs = original.__code__
        self._names = dict(function.__dict__)

    def on(self) -> None:
        if self.function.__code__ is self._theirs:
            self.function.__code__ = self._ours
            self.function.__wrapped__ = self.original  # type: ignore[attr-defined]

    def off(self) -> None:
        if self.function.__code__ is self._ours:
            self.function.__code__ = self._theirs
            del self.function.__wrapped__  # type: ignore[attr-defined]
            self.function.__dict__.update(self._names)


def _code(key: str, function: FunctionType) -> CodeType:
    code = _stand_in.__code__
    constants = tuple(key if constant == _NAME else constant for constant in code.co_consts)
    return code.replace(co_consts=constants, co_name=function.__name__, co_filename=_PLACE)


def without_place(function: Instead) -> Instead:
    """The same, passed over where a warning is given its place: `warnings.warn(..., stacklevel=2)` means who called us."""
    assert isinstance(function, FunctionType)
    function.__code__ = function.__code__.replace(co_filename=_PLACE)
    return function
