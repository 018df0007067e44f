"""An object that stands for a config, `args` or a dictionary of options nobody gave: it answers what is read of it."""

from __future__ import annotations

import dis
import sys
from collections.abc import Callable, Mapping
from types import FrameType
from typing import Any

_READS = ("LOAD_ATTR", "LOAD_METHOD")


class Settings(dict[str, Any]):
    """A dictionary whose items are attributes too; what it lacks is asked of `answer`, which may raise KeyError.

    `getattr(args, "x", default)`, `hasattr(args, "x")` and `cfg.get("x")` see only what is there, as with the user's own.
    """

    __slots__ = ("__dict__", "answer")

    def __init__(self, known: Mapping[str, Any], answer: Callable[[str], Any]) -> None:
        super().__init__(known)
        self.__dict__ = self
        self.answer = answer

    def __getattr__(self, name: str) -> Any:
        """Only called for what is not there."""
        if name.startswith("_") or name == "answer" or not _is_plain_read(sys._getframe(1)):
            raise AttributeError(name)
        return self._asked(name, AttributeError)

    def __missing__(self, name: str) -> Any:
        return self._asked(name, KeyError)

    def _asked(self, name: str, otherwise: type[Exception]) -> Any:
        try:
            value = self.answer(name)
        except KeyError:
            raise otherwise(name) from None
        self[name] = value
        return value


def _is_plain_read(frame: FrameType) -> bool:
    """Whether the running instruction is `x.name`, rather than a call of getattr or hasattr."""
    return dis.opname[frame.f_code.co_code[frame.f_lasti]] in _READS
