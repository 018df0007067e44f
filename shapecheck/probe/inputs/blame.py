"""Which arguments a failed operation worked on: by storage, so that a view of an argument counts as the argument itself.

A `TorchFunctionMode` sees every operation of the user's code; the last one before an exception is the one to blame.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import torch
from torch.overrides import TorchFunctionMode

from shapecheck.probe.runs.effort import effort
from shapecheck.probe.runs.feeding import Call, tensors_in, values_of


class TooMuchWorkError(Exception):
    """A run that was ended because it would not have ended soon."""


class Sources:
    """The arguments of one call, found again by the storage of their tensors."""

    def __init__(self, call: Call, args: list[Any], kwargs: Mapping[str, Any]) -> None:
        self._numbers: dict[int, int] = {}
        for number, value in enumerate(values_of(call, args, kwargs)):
            for tensor in tensors_in(value):
                self._numbers.setdefault(_storage(tensor), number)
        self._numbers.pop(0, None)

    def of(self, *values: Any) -> tuple[int, ...]:
        """The numbers of the arguments that these tensors are, or are views of."""
        found = (self._numbers.get(_storage(tensor)) for tensor in tensors_in(values))
        return tuple(dict.fromkeys(number for number in found if number is not None))


class Blame(TorchFunctionMode):
    """While entered, `last` holds the arguments that the latest operation took; `work` adds up what all of them cost, up to `most`."""

    def __init__(self, most: float = math.inf) -> None:
        super().__init__()
        self.sources = Sources((), [], {})
        self.last: tuple[int, ...] = ()
        self.work = 0.0
        self.most = most

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        self.last = self.sources.of(args, kwargs or {})
        result = func(*args, **(kwargs or {}))
        self.work += effort(func, args, kwargs or {}, result)
        if self.work > self.most:
            raise TooMuchWorkError(f"the run takes more than about {self.most:g} s")
        return result


def _storage(tensor: torch.Tensor) -> int:
    """0 for tensors without one: sparse, uninitialized, of a class of the user's own."""
    try:
        return int(tensor.untyped_storage()._cdata)  # memory without values has no address
    except Exception:
        return 0
