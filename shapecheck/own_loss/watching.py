"""Watches how shapes of output and target meet inside the user's loss: which was stretched to fit. Decides nothing.

A function mode on real tensors sees every call of torch and costs next to nothing.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch.overrides import TorchFunctionMode

from shapecheck.errors import Location
from shapecheck.probe import places

_INSERTING = (
    "unsqueeze",
    "t",
    "transpose",
    "swapaxes",
    "swapdims",
    "expand",
    "expand_as",
    "repeat",
    "tile",
    "broadcast_to",
)
_LOOKING_UP = ("one_hot", "embedding", "__getitem__")
_NORMALISING = ("softmax", "log_softmax", "logsumexp", "cross_entropy", "gumbel_softmax")
_NO_MEETING = ("matmul", "mm", "bmm", "einsum", "cdist", "linear", "stack", "cat", "expand_as", "where")


@dataclass(frozen=True)
class Meeting:
    """Something made of the output met something made of the target, and the shapes differed.

    `kind` is pairs (both were stretched: each element met several) or stretched (one of them was, `which`).
    """

    kind: str
    which: str
    output: tuple[int, ...]
    target: tuple[int, ...]
    result: tuple[int, ...]
    location: Location | None


@dataclass(frozen=True, eq=False)
class _Origin:
    """Of a tensor inside the loss: what it was made of, and whether the user's code gave it axes on purpose."""

    tensor: torch.Tensor  # kept alive, so that its id stays its own
    sources: frozenset[str]
    arranged: bool


class Watch(TorchFunctionMode):
    """Follows output and target through the calls of torch.

    `meetings` are what was seen; `normalises` says whether scores were made into probabilities.
    """

    def __init__(self, output: torch.Tensor, target: torch.Tensor) -> None:
        super().__init__()
        self.meetings: list[Meeting] = []
        self.normalises = False
        self._given = {"output": tuple(output.shape), "target": tuple(target.shape)}
        self._origins: dict[int, _Origin] = {}
        for name, tensor in (("output", output), ("target", target)):
            self._origins[id(tensor)] = _Origin(tensor, frozenset({name}), False)

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Sequence[type],
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        kwargs = kwargs or {}
        result = func(*args, **kwargs)
        operands = [origin for origin in map(self._origin, _tensors((*args, *kwargs.values()))) if origin is not None]
        if operands:
            name = getattr(func, "__name__", "")
            self.normalises |= name in _NORMALISING and "output" in operands[0].sources
            self._meet(func, name, args, kwargs, operands, result)
            for tensor in _tensors((result,)):
                self._remember(tensor, name, args, operands)
        return result

    def _origin(self, tensor: torch.Tensor) -> _Origin | None:
        return self._origins.get(id(tensor))

    def _remember(self, tensor: torch.Tensor, name: str, args: Sequence[Any], operands: Sequence[_Origin]) -> None:
        rank = max(operand.tensor.dim() for operand in operands)
        deeper = tensor.dim() > rank and name not in _LOOKING_UP
        reshaped = tensor.dim() == 2 and tensor.shape != operands[0].tensor.shape
        turned = name in _INSERTING or (name in ("__get__", "view", "reshape") and reshaped and rank == 2)
        arranged = deeper or turned or (name == "__getitem__" and _has_none(args)) or any(o.arranged for o in operands)
        sources = frozenset().union(*(operand.sources for operand in operands))
        self._origins[id(tensor)] = _Origin(tensor, sources, arranged)

    def _meet(
        self,
        func: Callable[..., Any],
        name: str,
        args: Sequence[Any],
        kwargs: Mapping[str, Any],
        operands: Sequence[_Origin],
        result: Any,
    ) -> None:
        ours = next((o for o in operands if o.sources == {"output"}), None)
        theirs = next((o for o in operands if o.sources == {"target"}), None)
        if ours is None or theirs is None or name in _NO_MEETING or ours.tensor.shape == theirs.tensor.shape:
            return
        one, other = tuple(ours.tensor.shape), tuple(theirs.tensor.shape)
        try:
            whole = tuple(torch.broadcast_shapes(one, other))
        except RuntimeError:
            return
        numbers = 1 in (ours.tensor.numel(), theirs.tensor.numel())
        if (
            numbers
            or ours.arranged
            or theirs.arranged
            or not _broadcasts(func, args, kwargs, ours, theirs, whole, result)
        ):
            return
        kind, which = _kind(one, other, whole)
        given = kind == "pairs" or {"output": one, "target": other}[which] == self._given[which]
        if kind and given:
            self.meetings.append(Meeting(kind, which, one, other, whole, places.calling_line()))


def _kind(one: tuple[int, ...], other: tuple[int, ...], whole: tuple[int, ...]) -> tuple[str, str]:
    size = math.prod(whole)
    if size > math.prod(one) and size > math.prod(other):
        return "pairs", ""
    if size > math.prod(other):
        return "stretched", "target"
    return ("stretched", "output") if size > math.prod(one) else ("", "")


def _broadcasts(
    func: Callable[..., Any],
    args: Sequence[Any],
    kwargs: Mapping[str, Any],
    ours: _Origin,
    theirs: _Origin,
    whole: tuple[int, ...],
    result: Any,
) -> bool:
    """Whether the call works element by element: its result is of the whole shape, or the same with both stretched."""
    if not isinstance(result, torch.Tensor):
        return False
    if tuple(result.shape) == whole:
        return True
    stretched = {id(each.tensor): each.tensor.detach().expand(whole) for each in (ours, theirs)}

    def put(value: Any) -> Any:
        return stretched.get(id(value), value)

    try:
        again = func(*map(put, args), **{key: put(value) for key, value in kwargs.items()})
    except Exception:  # it does not broadcast
        return False
    return isinstance(again, torch.Tensor) and again.shape == result.shape and torch.allclose(again, result.detach())


def _tensors(values: Sequence[Any]) -> Iterator[torch.Tensor]:
    for value in values:
        if isinstance(value, torch.Tensor):
            yield value
        elif isinstance(value, (tuple, list)):
            yield from (item for item in value if isinstance(item, torch.Tensor))


def _has_none(args: Sequence[Any]) -> bool:
    index = args[1] if len(args) > 1 else None
    return index is None or (isinstance(index, tuple) and any(item is None for item in index))
