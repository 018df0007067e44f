"""Lets code that asks for a GPU run on the CPU where there is none, and keeps the lines that asked. Loads nothing.

Only devices that are absent are replaced, and only for the length of the block; what was patched is as before afterwards.
"""

from __future__ import annotations

import functools
import re
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any
from unittest.mock import patch

import torch
from torch.overrides import TorchFunctionMode

from shapecheck.errors import Location
from shapecheck.probe import places

_ACCELERATORS = ("cuda", "mps", "xpu", "hpu", "npu", "mtia")
_WORDS = re.compile(rb"cuda|pin_memory|\b(?:mps|xpu|hpu|npu)\b")  # not the middle of "input"
_TENSOR_TYPES = (
    "FloatTensor", "DoubleTensor", "HalfTensor", "BFloat16Tensor", "LongTensor", "IntTensor", "ShortTensor", "CharTensor",
    "ByteTensor", "BoolTensor",
)  # fmt: skip
_CPU = torch.device("cpu")


@dataclass
class Moves:
    """The lines of the user's code that asked for an absent device, by the device's name."""

    absent: frozenset[str]
    lines: dict[str, list[Location]] = field(default_factory=dict)

    def note(self) -> str | None:
        """`no cuda device here: read as cpu at model.py:31, 40`."""
        if not self.lines:
            return None
        lines = places.listed(place for known in self.lines.values() for place in known)
        return f"no {' or '.join(self.lines)} device here: read as cpu at {lines}"

    def asked(self, device: str) -> None:
        """What a package asks for is its own affair."""
        place = places.calling_line() if places.is_asked_by_user() else None
        if place is not None and place not in self.lines.setdefault(device, []):
            self.lines[device].append(place)


_active: list[Moves] = []


@contextmanager
def cpu_for_absent() -> Iterator[Moves]:
    """Within another such block it is that one."""
    if _active:
        yield _active[0]
        return
    moves = Moves(absent_devices())
    with ExitStack() as stack:
        for owner, name, replacement in _patches(moves) if "cuda" in moves.absent else ():
            stack.enter_context(patch.object(owner, name, replacement))
        _active.append(moves)
        stack.callback(_active.clear)
        yield moves


@contextmanager
def moving_tensors(always: bool = False) -> Iterator[None]:
    """Inside `cpu_for_absent`: calls of torch that name an absent device. Only where a file of the user's names one."""
    if _active and (always or _files_name_a_device()):
        with _MoveTensors(_active[0]):
            yield
    else:
        yield


def absent_devices() -> frozenset[str]:
    present = {torch.accelerator.current_accelerator().type} if torch.accelerator.is_available() else set()  # type: ignore[union-attr]
    return frozenset(_ACCELERATORS) - present


class _MoveTensors(TorchFunctionMode):
    def __init__(self, moves: Moves) -> None:
        super().__init__()
        self.moves = moves

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        name = getattr(func, "__name__", "")
        if name in self.moves.absent:
            self.moves.asked(name)
            return args[0]
        if name == "pin_memory" and "cuda" in self.moves.absent:
            return args[0]
        if kwargs and "device" in kwargs:
            kwargs = {**kwargs, "device": self._moved(kwargs["device"], strings=True)}
        if len(args) > 1:
            args = (args[0], *(self._moved(value, strings=name in ("to", "type", "_parse_to")) for value in args[1:]))
        elif args and name in ("_parse_to", "set_default_device", "device"):
            args = (self._moved(args[0], strings=True), *args[1:])
        return func(*args, **(kwargs or {}))

    def _moved(self, value: Any, strings: bool) -> Any:
        if isinstance(value, torch.device):
            device = value.type
        elif isinstance(value, str) and strings:
            device = value.removeprefix("torch.").partition(":")[0].partition(".")[0]
        else:
            return value
        if device not in self.moves.absent:
            return value
        self.moves.asked(device)
        if isinstance(value, str) and value.startswith("torch."):
            return value.replace(f"{device}.", "")
        return _CPU


def _patches(moves: Moves) -> Iterator[tuple[Any, str, Any]]:
    """What of torch.cuda fails without a GPU and needs none here."""
    for name in _TENSOR_TYPES:
        yield torch.cuda, name, getattr(torch, name)
    for name in ("set_device", "synchronize", "set_stream", "reset_peak_memory_stats"):
        yield torch.cuda, name, _answering(moves, None)
    yield torch.cuda, "current_device", _answering(moves, 0)
    yield torch.cuda, "get_device_name", _answering(moves, "cpu")
    yield torch.cuda, "get_device_capability", _answering(moves, (8, 0))
    yield torch, "load", _to_cpu(torch.load)
    yield torch.jit, "load", _to_cpu(torch.jit.load)
    yield torch, "set_default_device", _default_device(moves, torch.set_default_device)
    yield torch, "set_default_tensor_type", _default_type(moves, torch.set_default_tensor_type)


def _answering(moves: Moves, value: object) -> Callable[..., object]:
    def answer(*args: object, **kwargs: object) -> object:
        moves.asked("cuda")
        return value

    return answer


def _to_cpu(load: Callable[..., Any]) -> Callable[..., Any]:
    """Weights saved on a GPU are read on the CPU, wherever the user would have had them."""

    @functools.wraps(load)
    def loaded(path: Any, *args: Any, **kwargs: Any) -> Any:
        return load(path, **{**kwargs, "map_location": "cpu"})

    return loaded


def _default_device(moves: Moves, original: Callable[..., Any]) -> Callable[..., Any]:
    def set_default(device: Any) -> Any:
        kind = torch.device(device).type if device is not None else None
        if kind not in moves.absent:
            return original(device)
        moves.asked(str(kind))
        return None

    return set_default


def _default_type(moves: Moves, original: Callable[..., Any]) -> Callable[..., Any]:
    def set_default(kind: Any) -> Any:
        if isinstance(kind, str) and kind.startswith("torch.cuda."):
            moves.asked("cuda")
            kind = kind.replace("cuda.", "")
        return original(kind)

    return set_default


def _files_name_a_device() -> bool:
    files = [getattr(module, "__file__", None) for module in list(sys.modules.values())]
    return any(_names_a_device(file) for file in files if isinstance(file, str))


@functools.cache
def _names_a_device(file: str) -> bool:
    if places.distance(file) != 0:
        return False
    try:
        with open(file, "rb") as opened:
            return _WORDS.search(opened.read()) is not None
    except OSError:
        return False
