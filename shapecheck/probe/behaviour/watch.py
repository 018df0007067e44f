"""What a run does on the way to its output that a loss may care about: softmax, sigmoid, argmax, detach.

A `TorchFunctionMode` sees the calls the user's code makes. A call counts only if its result is the output, through nothing but
changes of layout; results are held for the length of the run, so that no identity is used twice.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch.overrides import TorchFunctionMode

from shapecheck.errors import Location
from shapecheck.probe.places import calling_line
from shapecheck.probe.runs.feeding import tensors_in
from shapecheck.probe.runs.values import has_values
from shapecheck.specs import Observation

_DATA = vars(torch._C.TensorBase)["data"].__get__
_KINDS: dict[Any, str] = {
    F.softmax: "softmax", torch.softmax: "softmax", torch.Tensor.softmax: "softmax", torch.special.softmax: "softmax",
    F.log_softmax: "log_softmax", torch.log_softmax: "log_softmax", torch.Tensor.log_softmax: "log_softmax",
    torch.special.log_softmax: "log_softmax",
    torch.sigmoid: "sigmoid", torch.sigmoid_: "sigmoid", torch.Tensor.sigmoid: "sigmoid", torch.Tensor.sigmoid_: "sigmoid",
    torch.special.expit: "sigmoid", torch.argmax: "argmax", torch.Tensor.argmax: "argmax",
    torch.detach: "detach", torch.detach_: "detach", torch.Tensor.detach: "detach", torch.Tensor.detach_: "detach",
    _DATA: "detach", torch.Tensor.numpy: "detach", torch.Tensor.tolist: "detach", torch.Tensor.item: "detach",
    torch.Tensor.__array__: "detach",
}  # fmt: skip
REMOVABLE = ("softmax", "log_softmax", "sigmoid")
_LOGARITHMS = (torch.log, torch.Tensor.log, torch.log_, torch.Tensor.log_)
_LAYOUT = frozenset({
    "contiguous", "clone", "to", "float", "double", "half", "type", "type_as", "cpu", "cuda", "transpose", "permute", "movedim",
    "moveaxis", "swapaxes", "swapdims", "t", "view", "view_as", "reshape", "reshape_as", "flatten", "unflatten", "squeeze",
    "unsqueeze", "squeeze_", "unsqueeze_", "transpose_", "t_", "narrow", "select", "index_select", "__getitem__", "cat",
    "concat", "concatenate", "stack", "hstack", "vstack", "chunk", "split", "unbind", "expand", "requires_grad_",
})  # fmt: skip
_LAYOUT_PROPERTIES = tuple(vars(torch._C.TensorBase)[name].__get__ for name in ("T", "mT", "data"))


@dataclass(frozen=True)
class _Seen:
    """`size` is that of the axis a softmax was asked to run over, where it was."""

    kind: str
    calls: tuple[int, ...]
    location: Location | None
    size: int | None = None


@dataclass(frozen=True)
class Watched:
    """An observation, and the numbers of the calls to skip to run without it."""

    observation: Observation
    calls: tuple[int, ...]


class Watch(TorchFunctionMode):
    """Records calls while it is entered; `bypass` numbers calls that are replaced by identity."""

    def __init__(self, bypass: Iterable[int] = ()) -> None:
        super().__init__()
        self._bypass = frozenset(bypass)
        self._count = 0
        self._origins: dict[int, tuple[torch.Tensor, _Seen]] = {}
        self._cuts: dict[int, tuple[torch.Tensor, Location | None]] = {}
        self._last_cut: Location | None = None

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        kwargs = dict(kwargs or {})
        kind = "log" if func in _LOGARITHMS else _KINDS.get(func)
        if kind is not None:
            self._count += 1
            if self._count in self._bypass:
                return args[0] if args else kwargs.get("input")
        result = func(*args, **kwargs)
        sources = list(tensors_in((args, kwargs)))
        self._follow_values(func, kind, _asked_size(sources, args, kwargs), sources, result)
        self._follow_gradient(kind, sources, result)
        return result

    def _follow_values(
        self, func: Any, kind: str | None, size: int | None, sources: list[torch.Tensor], result: Any
    ) -> None:
        origins = [self._origins[id(source)][1] for source in sources if id(source) in self._origins]
        if kind in REMOVABLE or kind == "argmax":
            self._hold(result, _Seen(str(kind), (self._count,), calling_line(), size))
        elif not origins or len({origin.kind for origin in origins}) > 1:
            return
        elif kind == "log" and origins[0].kind == "softmax":
            seen = origins[0]
            self._hold(result, _Seen("log_softmax", (*seen.calls, self._count), seen.location, seen.size))
        elif kind == "detach" or (_moves_only(func) and len(origins) == len(sources)):
            calls = tuple(call for origin in origins for call in origin.calls)
            self._hold(result, _Seen(origins[-1].kind, calls, origins[-1].location, origins[-1].size))

    def _follow_gradient(self, kind: str | None, sources: list[torch.Tensor], result: Any) -> None:
        """Where the gradient was lost, for every tensor that has none because of that.

        What leaves torch (numpy, a list, a number) comes back unknown; the last place where that happened stands for it.
        """
        without = [tensor for tensor in tensors_in(result) if not tensor.requires_grad]
        if any(source.requires_grad for source in sources) and (without or kind == "detach"):
            cut = calling_line()
            if kind in ("detach", "argmax") or not torch.is_grad_enabled():
                self._last_cut = cut
        else:
            cut = next((self._cuts[id(source)][1] for source in sources if id(source) in self._cuts), None)
        if cut is not None:
            for tensor in without:
                self._cuts[id(tensor)] = (tensor, cut)

    def _hold(self, result: Any, seen: _Seen) -> None:
        for tensor in tensors_in(result):
            self._origins[id(tensor)] = (tensor, seen)

    def on(self, output: torch.Tensor, learns: bool) -> list[Watched]:
        """What of all that was recorded is the output itself; `learns` is whether the model has anything to learn."""
        found = []
        held = self._origins.get(id(output))
        if held is not None:
            seen = held[1]
            axis = normalised_axis(seen.kind, output) if has_values(output) else _axis_of_size(seen.size, output)
            if axis is not None or seen.kind in ("sigmoid", "argmax"):
                found.append(Watched(Observation(seen.kind, seen.location, axis), seen.calls))
        if learns and output.is_floating_point() and not output.requires_grad:
            _, cut = self._cuts.get(id(output), (output, self._last_cut))
            found.append(Watched(Observation("detach", cut), ()))
        return found


def _asked_size(tensors: list[torch.Tensor], args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> int | None:
    axis = kwargs.get("dim", args[1] if len(args) > 1 else None)
    known = isinstance(axis, int) and tensors and -tensors[0].dim() <= axis < tensors[0].dim()
    return int(tensors[0].shape[axis]) if known else None


def _axis_of_size(size: int | None, output: torch.Tensor) -> int | None:
    """Without values: the one axis as long as the one that a softmax was asked to run over."""
    fitting = [axis for axis, length in enumerate(output.shape) if length == size]
    return fitting[0] if len(fitting) == 1 else None


def normalised_axis(kind: str, output: torch.Tensor) -> int | None:
    """The axis over which the values add up to one (their exponentials, for log_softmax), measured.

    Where all axes longer than one qualify, the last of them; None where none does.
    """
    if kind not in ("softmax", "log_softmax") or not output.numel():
        return None
    values = output.detach().double()
    values = values.exp() if kind == "log_softmax" else values
    fitting = [axis for axis in range(output.dim()) if _adds_up(values, axis)]
    return max(fitting, key=lambda axis: (output.shape[axis] > 1, axis)) if fitting else None


def _adds_up(values: torch.Tensor, axis: int) -> bool:
    sums = values.sum(axis)
    return bool(torch.allclose(sums, torch.ones_like(sums), atol=1e-3))


def _moves_only(func: Any) -> bool:
    return getattr(func, "__name__", "") in _LAYOUT or func in _LAYOUT_PROPERTIES
