"""Where the tensors of a running script come from: a batch, a module, and what the script itself did with them since.

Every outermost call of a module with parameters is noted with its arguments, and every function of torch's that the
script calls on what came of one. Inside such a module nothing is: the probe looks there itself. A module without
parameters, as most criterions and activations are, is a part of the script. Tensors are known by identity and held
weakly; of a module's arguments one copy is kept for each kind of call. Judges nothing. Imports torch.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, nullcontext
from dataclasses import dataclass, field
from typing import Any, TypeVar
from unittest.mock import patch
from weakref import WeakKeyDictionary

import torch
from torch import nn, overrides
from torch.overrides import TorchFunctionMode
from torch.utils.data import DataLoader
from torch.utils.data.dataloader import _BaseDataLoaderIter
from torch.utils.weak import WeakTensorKeyDictionary

from shapecheck.errors import Location
from shapecheck.intercept.stack import Spot, spots
from shapecheck.probe.inputs.holders import entries, refilled
from shapecheck.probe.inputs.real import RealCall
from shapecheck.probe.loading.allowances import never_compiled
from shapecheck.probe.outputs.outputs import pieces
from shapecheck.probe.runs.feeding import tensors_in
from shapecheck.script.functions import INDEXED, LAYOUT, TURNED
from shapecheck.script.sources import Batch, Given, Made, ModuleCall, Step, found, made_of, with_sources

Result = TypeVar("Result")

_LONGEST = 64  # steps and modules one after the other; what goes on for longer, as a state carried along, is let go
_MOST_SAMPLES = 4  # kinds of calls of one module of which the arguments are kept
_QUESTIONS = frozenset({
    "size", "dim", "numel", "stride", "is_floating_point", "__len__", "is_contiguous", "element_size", "storage_offset",
    "data_ptr", "nelement", "ndimension", "is_complex", "get_device", "__repr__", "__format__", "__hash__", "__bool__",
    "register_hook", "retain_grad",
})  # fmt: skip
BACKWARD = frozenset({"backward", "grad"})
LEAVES = frozenset({"item", "tolist", "numpy", "__array__"})
FAILED = "backward that failed"
_TOLD = BACKWARD | LEAVES


class _ThisThread(threading.local):
    def __init__(self) -> None:
        self.running: list[ModuleCall] = []
        self.off = 0


@dataclass(eq=False)
class Tape:
    """Notes while it is entered, but in `paused` blocks. `listeners` hear of what leaves torch, of backward, and of its failure."""

    _made: Any = field(default_factory=WeakTensorKeyDictionary)
    _samples: Any = field(default_factory=WeakKeyDictionary)
    _loaders: Any = field(default_factory=WeakKeyDictionary)
    _frozen: Any = field(default_factory=WeakTensorKeyDictionary)
    _here: _ThisThread = field(default_factory=_ThisThread)
    _entered: ExitStack = field(default_factory=ExitStack)
    listeners: list[Callable[[str, tuple[Any, ...]], None]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._mode = _Mode(self)

    def __enter__(self) -> Tape:
        self._entered.enter_context(never_compiled())
        for kind, name, instead in (
            (nn.Module, "__call__", self._noting),
            (DataLoader, "__iter__", self._opening),
            (_BaseDataLoaderIter, "__next__", self._tagging),
        ):
            self._entered.enter_context(patch.object(kind, name, instead(getattr(kind, name))))
        self._entered.enter_context(self._mode)
        return self

    def __exit__(self, *exception: object) -> None:
        self._entered.close()

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Nothing that this thread does meanwhile is noted."""
        self._here.off += 1
        try:
            with self._aside():
                yield
        finally:
            self._here.off -= 1

    @contextmanager
    def _aside(self) -> Iterator[None]:
        """Functions of torch's are called as if nobody listened, which is faster. Modes of the script's stay on."""
        if overrides._get_current_function_mode() is not self._mode:  # not ours to take away
            yield
            return
        with overrides._pop_mode_temporarily():
            yield

    def made(self, tensor: Any) -> Made | None:
        """Where a tensor came from, as far as that was seen."""
        known: Made | None = self._made.get(tensor) if isinstance(tensor, torch.Tensor) else None
        return known

    def frozen_at(self, parameter: torch.Tensor) -> Location | None:
        """The line that said last that a parameter takes no gradient, if that was seen."""
        spot: Spot | None = self._frozen.get(parameter)
        return spot.location if spot else None

    @property
    def running(self) -> tuple[ModuleCall, ...]:
        """The modules with parameters whose forward is going on, outermost first; of more than two only these."""
        return tuple(self._here.running)

    # ------------------------------------------------------------------------ modules

    def _noting(self, called: Callable[..., Any]) -> Callable[..., Any]:
        tape = self

        def __call__(module: nn.Module, *args: Any, **kwargs: Any) -> Any:  # noqa: N807
            __tracebackhide__ = True
            here = tape._here
            if here.off or len(here.running) > 1 or not _learns(module):
                return called(module, *args, **kwargs)
            call = _quietly(tape._begun, module, args, kwargs)
            if call is None:
                return called(module, *args, **kwargs)
            here.running.append(call)
            try:
                with tape._aside() if len(here.running) > 1 else nullcontext():
                    result = called(module, *args, **kwargs)
            finally:
                here.running.remove(call)
            _quietly(tape._tag, call, result)
            return result

        return __call__

    def _begun(self, module: nn.Module, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> ModuleCall:
        outer = self._here.running[-1] if self._here.running else None
        taken = tuple(made for tensor in tensors_in((args, kwargs)) if (made := self.made(tensor)) is not None)
        depth = 1 + max((made.source.depth for made in taken), default=0)
        taken = taken if depth < _LONGEST else ()
        real = None if outer else self._sample(module, args, kwargs)
        spot = next(iter(spots(sys._getframe(1))), None)
        return ModuleCall(module, real, taken, spot, outer, torch.is_grad_enabled(), depth if taken else 1)

    def _sample(self, module: nn.Module, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> RealCall:
        """Copies of the arguments; for a call as there was one before, those."""
        kept: dict[object, RealCall] = self._samples.setdefault(module, {})
        key = (module.training, tuple(_kinds((args, kwargs))))
        if key not in kept:
            with self.paused(), torch.no_grad():
                copies = tuple(_copied(value) for value in args), {name: _copied(v) for name, v in kwargs.items()}
            if len(kept) >= _MOST_SAMPLES:
                del kept[next(iter(kept))]
            kept[key] = RealCall(*copies, training=module.training)
        return kept[key]

    def _tag(self, source: Batch | ModuleCall, result: Any) -> None:
        for piece in pieces(result):
            tensor = piece.tensor
            self._made[tensor] = made_of(tensor, source, piece.path)

    # ------------------------------------------------------------------------ batches

    def _opening(self, opened: Callable[[Any], Any]) -> Callable[[Any], Any]:
        tape = self

        def __iter__(loader: DataLoader[Any]) -> Any:  # noqa: N807
            iterator = opened(loader)
            if not tape._here.off:
                tape._loaders[iterator] = loader
            return iterator

        return __iter__

    def _tagging(self, following: Callable[[Any], Any]) -> Callable[[Any], Any]:
        tape = self

        def __next__(iterator: Any) -> Any:  # noqa: N807
            __tracebackhide__ = True
            batch = following(iterator)
            loader = tape._loaders.get(iterator)
            if loader is not None and not tape._here.off:
                _quietly(tape._tag, Batch(loader), batch)
            return batch

        return __next__

    # ------------------------------------------------------------------------ steps

    def noted(self, function: Callable[..., Any], args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
        """The function's result; a step, if it takes what is known and gives tensors."""
        here = self._here
        if here.off or len(here.running) > 1:
            return function(*args, **kwargs)
        name = getattr(function, "__name__", "")
        if name in _QUESTIONS:
            return function(*args, **kwargs)
        if name in _TOLD:
            return self._told(function, name, args, kwargs)
        known = _quietly(self._known, function, name, args, kwargs)
        result = function(*args, **kwargs)
        if known:
            _quietly(self._hold, function, name, args, kwargs, known, result)
        return result

    def _known(
        self, function: Callable[..., Any], name: str, args: tuple[Any, ...], kwargs: Mapping[str, Any]
    ) -> dict[int, Made]:
        """What is known of the tensors that a function takes."""
        if _freezes(function, name, args, kwargs):
            self._frozen[args[0]] = next(iter(spots(sys._getframe(1))), None)
        known = {id(tensor): made for tensor in tensors_in((args, kwargs)) if (made := self._made.get(tensor))}
        begins = not known and not self._here.running and (name in LAYOUT or function in TURNED)
        return self._given(args) if begins else known

    def _given(self, args: tuple[Any, ...]) -> dict[int, Made]:
        """Data that were not seen before, as a beginning."""
        first = args[0] if args else None
        if not isinstance(first, torch.Tensor) or first.requires_grad or first.dim() < 2:
            return {}
        self._made[first] = made = made_of(first, Given())
        return {id(first): made}

    def _told(self, function: Callable[..., Any], name: str, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
        self._tell(name, args)
        try:
            return function(*args, **kwargs)
        except Exception as error:
            if name in BACKWARD:
                self._tell(FAILED, (error,))
            raise

    def _tell(self, name: str, about: tuple[Any, ...]) -> None:
        for listener in self.listeners:
            _quietly(listener, name, about)

    def _hold(
        self,
        function: Callable[..., Any],
        name: str,
        args: tuple[Any, ...],
        kwargs: Mapping[str, Any],
        known: Mapping[int, Made],
        result: Any,
    ) -> None:
        """A tensor that is given back as it was, as by `contiguous`, goes on being what it was."""
        changed = name == "__setitem__" or (name.endswith("_") and not name.endswith("__"))
        given = list(tensors_in(args[:1] if name == "__setitem__" else result))
        depth = 1 + max(made.source.depth for made in known.values())
        if not given or depth > _LONGEST or (not changed and any(id(tensor) in known for tensor in given)):
            return
        taken = with_sources(args, known), with_sources(dict(kwargs), known)
        if name in INDEXED:  # indices and masks are mostly made for this one call: held weakly they would be gone
            taken = (*with_sources(args[:1], known), *args[1:]), dict(kwargs)
        if next(found(Made, taken), None) is None:  # looked up by what is known, in a table that is not
            return
        shape = tuple(given[0].shape) if isinstance(result, torch.Tensor) or name == "__setitem__" else None
        spot = next(iter(spots(sys._getframe(1))), None)
        step = Step(function, name, *taken, shape, spot, torch.is_grad_enabled(), depth)
        for number, tensor in enumerate(given):
            self._made[tensor] = made_of(tensor, step, str(number))


class _Mode(TorchFunctionMode):
    def __init__(self, tape: Tape) -> None:
        super().__init__()
        self._tape = tape

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        return self._tape.noted(func, args, kwargs or {})


_SETS_GRAD = torch.Tensor.requires_grad.__set__  # type: ignore[attr-defined]


def _freezes(function: Callable[..., Any], name: str, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> bool:
    """Whether a parameter is told to take no gradient."""
    if name != "requires_grad_" and function != _SETS_GRAD:
        return False
    wanted = args[1] if len(args) > 1 else kwargs.get("requires_grad", True)
    return isinstance(args[0], nn.Parameter) and not wanted


def _quietly(work: Callable[..., Result], *args: Any) -> Result | None:
    """None for what cannot be noted, as of a tensor that torch.func follows: that is no matter of the script's."""
    try:
        return work(*args)
    except Exception:
        return None


def _learns(module: nn.Module) -> bool:
    return next(module.parameters(), None) is not None


def _kinds(value: Any) -> Iterator[object]:
    """What tells one kind of call from another: shapes and types of the tensors."""
    for tensor in tensors_in(value):
        yield tuple(tensor.shape), tensor.dtype


def _copied(value: Any) -> Any:
    """A copy of a tensor, and of the tensors in a container of the user's; everything else as it is."""
    if isinstance(value, torch.Tensor):
        return value.detach().clone().requires_grad_(value.requires_grad)
    inside = [(entry, _copied(inner)) for entry, inner in entries(value) if isinstance(inner, torch.Tensor)]
    return refilled(value, inside) if inside else value
