"""One run of the model with the calls of its code recorded, and some of them replaced. Judges nothing.

Calls are counted from the moment the arguments are made, so that two runs on equal shapes can be compared call by call.
What follows from the input is known by identity, held weakly: a tensor that nobody holds any more is forgotten.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch.overrides import TorchFunctionMode
from torch.utils.weak import WeakTensorKeyDictionary

from shapecheck.errors import Location
from shapecheck.probe.places import calling_line
from shapecheck.probe.runs.feeding import Call, feed, tensors_in
from shapecheck.probe.runs.running import Fed, Runner

RESHAPES = frozenset({"view", "reshape", "flatten", "unflatten", "view_as", "reshape_as", "ravel"})
SQUEEZES = frozenset({"squeeze", "squeeze_"})
_SLICES = frozenset({"__getitem__", "narrow", "select", "contiguous", "clone", "to", "chunk", "split"})
_MOVES = _SLICES | RESHAPES | {"transpose", "permute", "movedim", "unsqueeze", "squeeze", "swapaxes"}
_PADS = frozenset({"pad", "cat", "concat", "concatenate", "hstack", "vstack"})
_PRODUCTS = frozenset({"matmul", "bmm", "baddbmm", "einsum", "__matmul__", "tensordot"})
_LAYERS = frozenset({"linear", "conv1d", "conv2d", "conv3d", "embedding"})
_QUESTIONS = frozenset({"__get__", "size", "dim", "numel", "stride", "is_floating_point", "__len__", "is_contiguous"})

Shape = tuple[int, ...]


@dataclass(frozen=True)
class Origin:
    """How a tensor came from the input: `padded` at its last step but moves, `viewed` by which reshape but for slices.

    `paired` is whether its axes are those of two tensors that were multiplied: scores of queries and keys.
    """

    padded: bool = False
    viewed: int = 0
    paired: bool = False


@dataclass(frozen=True)
class Step:
    """One call. `origin` is None where none of the tensors it took follows from the input."""

    number: int
    name: str
    location: Location | None
    before: Shape
    after: Shape | None
    origin: Origin | None = None

    @property
    def key(self) -> object:
        """The same for the same line run again, as in the next of several equal layers."""
        return (self.name, self.location, self.before) if self.location else self.number


Invoked = Callable[..., Any]
Change = Callable[[Invoked, tuple[Any, ...], dict[str, Any]], Any]
Visit = Callable[[Step, tuple[Any, ...], dict[str, Any], Any], None]


class Trace(TorchFunctionMode):
    """While entered: `steps` are the calls named by `names` (all of them, if None), `visit` sees each with its tensors.

    `changes` maps a step's key, or its number, to what is called in its place.
    """

    def __init__(
        self, names: frozenset[str] | None, visit: Visit | None = None, changes: Mapping[object, Change] | None = None
    ) -> None:
        super().__init__()
        self.steps: list[Step] = []
        self._names, self._visit, self._changes = names, visit, changes or {}
        self._origins: Any = WeakTensorKeyDictionary()
        self._began = False

    def begin(self, fed: Fed) -> Fed:
        """From here on calls count; what is fed is the input."""
        self._began = True
        for tensor in tensors_in(fed):
            self._origins[tensor] = Origin()
        return fed

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        kwargs = dict(kwargs or {})
        name = getattr(func, "__name__", "")
        if not self._began or name in _QUESTIONS:
            return func(*args, **kwargs)
        origin = None if name.endswith("_like") or name.startswith("new_") else self._origin_of(name, args, kwargs)
        if self._names is not None and name not in self._names:
            result = func(*args, **kwargs)
        else:
            result, origin = self._recorded(name, func, args, kwargs, origin)
        if origin is not None:
            for tensor in tensors_in(args[:1] if name == "__setitem__" else result):
                self._origins[tensor] = origin
        return result

    def _recorded(
        self, name: str, func: Invoked, args: tuple[Any, ...], kwargs: dict[str, Any], origin: Origin | None
    ) -> tuple[Any, Origin | None]:
        first = next(tensors_in((args, kwargs)), None)
        before = () if first is None else tuple(first.shape)
        step = Step(len(self.steps) + 1, name, calling_line(), before, None, origin)
        change = self._changes.get(step.key) or self._changes.get(step.number)
        result = func(*args, **kwargs) if change is None else change(func, args, kwargs)
        step = replace(step, after=tuple(result.shape) if isinstance(result, torch.Tensor) else None)
        self.steps.append(step)
        if self._visit is not None:
            self._visit(step, args, kwargs, result)
        if origin is not None and name in RESHAPES and not origin.viewed and first is not None and first.dim() > 1:
            origin = replace(origin, viewed=step.number)
        return result, origin

    def _origin_of(self, name: str, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Origin | None:
        taken = list(tensors_in((args, kwargs)))
        known = [self._origins[tensor] for tensor in taken if tensor in self._origins]
        if not known:
            return None
        paired = name not in _LAYERS and any(origin.paired for origin in known)
        if name in _PADS:
            return Origin(len(known) < len(taken) or name == "pad", paired=paired)
        if name in _MOVES:
            return Origin(known[0].padded, known[0].viewed if name in _SLICES else 0, paired)
        return Origin(paired=paired or (name in _PRODUCTS and len(known) > 1))

    def follows(self, tensor: torch.Tensor) -> bool:
        """Whether calls lead from the input to the tensor, as far as torch was asked."""
        return tensor in self._origins


def traced(
    runner: Runner, call: Call, path: str, trace: Trace, fed: Callable[[], Fed] | None = None
) -> torch.Tensor | None:
    """The output of a run inside the trace; None if it fails."""
    with trace:
        return runner.tensor(call, path, lambda: trace.begin((fed or (lambda: feed(call)))()))


def aligned(one: Sequence[Step], other: Sequence[Step]) -> Iterator[tuple[Step, Step]]:
    """Steps of two runs side by side, as long as both run the same calls on the same lines."""
    for left, right in zip(one, other, strict=False):
        if (left.name, left.location) != (right.name, right.location):
            return
        yield left, right
