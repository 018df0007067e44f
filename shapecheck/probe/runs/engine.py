"""How a model is run: for real, or on shapes alone where its parameters are too many. Chooses no inputs and reads no outputs."""

from __future__ import annotations

import re
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from shapecheck.errors import Location, ModelError
from shapecheck.probe.runs.depth import Cut, cut, cuts_of
from shapecheck.probe.runs.leaves import LeafMismatchError
from shapecheck.probe.runs.valueless import MadeUp, call_on_meta, on_meta, without_values
from shapecheck.probe.runs.values import is_fake
from shapecheck.probe.runs.weight import LIMIT, bytes_of

if TYPE_CHECKING:
    from shapecheck.probe.runs.fake import ShapesMode

State = dict[str, torch.Tensor]
_LEAVES_TORCH = re.compile(r"numpy|data pointer|data_ptr|DLPack|dlpack|Unsupported operator|UnsupportedOperator")


class ValuesNeededError(Exception):
    """The model cannot be run on shapes alone, whatever the input; `cause` is what it raised, and where."""

    def __init__(self, cause: Exception, location: Location | None) -> None:
        super().__init__(str(cause))
        self.cause, self.location = cause, location


class Engine:
    """Runs models for real, on the CPU."""

    name = "real"
    has_values = True
    shallow = False

    def fed(self, args: list[Any], kwargs: dict[str, Any]) -> tuple[list[Any], dict[str, Any]]:
        """The arguments as this engine takes them."""
        return args, kwargs

    def call(self, model: nn.Module, args: list[Any], kwargs: dict[str, Any]) -> Any:
        """One forward pass."""
        return model(*args, **kwargs)

    def gives_way(self, error: Exception | None, location: Location | None) -> bool:
        """Whether the same call may come out otherwise when it is run once more."""
        return False

    def whole(self) -> None:
        """From here on every layer is run."""

    def notes(self, model: nn.Module) -> tuple[str, ...]:
        """What was not done because of how the model was run."""
        return ()

    def for_real(self, failed: ModelError, worth: int) -> nn.Module:
        """The same model with values, of up to `worth` bytes. Raises `failed`, with what else could be done, where there is none."""
        raise failed


@dataclass
class ShapesEngine(Engine):
    """Runs models on shapes alone: on the meta device as long as that will do, which is faster, else on fake tensors.

    `mode` is the one the model was built in, if it was; `real` builds the model once more, with values. While `shallow`, of many
    layers alike only two are run.
    """

    mode: ShapesMode | None = None
    real: Callable[[ModelError, int], nn.Module] | None = None
    shallow: bool = True
    numbers: MadeUp = field(default_factory=MadeUp)
    _meta: bool = True
    _cuts: tuple[Cut, ...] | None = None
    _states: dict[tuple[bool, bool], State] = field(default_factory=dict)

    name = "fake"
    has_values = False

    def fed(self, args: list[Any], kwargs: dict[str, Any]) -> tuple[list[Any], dict[str, Any]]:
        if self._meta:
            return list(on_meta(tuple(args))), on_meta(kwargs)
        mode = self._mode()
        return [_faked(mode, value) for value in args], {name: _faked(mode, value) for name, value in kwargs.items()}

    def call(self, model: nn.Module, args: list[Any], kwargs: dict[str, Any]) -> Any:
        if self._cuts is None:
            self._cuts = cuts_of(model)
        with cut(self._cuts) if self.shallow else nullcontext():
            if self._meta:
                with self.numbers:
                    return call_on_meta(model, self._state(model), args, kwargs)
            state = self._state(model)
            with self._mode():
                return torch.func.functional_call(model, state, tuple(args), kwargs)

    def gives_way(self, error: Exception | None, location: Location | None) -> bool:
        """From the shallow model to the whole one, and from the meta device to fake tensors. Raises ValuesNeededError."""
        if error is None or isinstance(error, LeafMismatchError):
            return False
        if self.shallow and self._cuts and _misses_a_layer(error):
            self.shallow = False
            return True
        if self._meta and _misses_values(error):
            self._meta = False
            return True
        if not self._meta and _LEAVES_TORCH.search(str(error)):
            raise ValuesNeededError(error, location)
        return False

    def whole(self) -> None:
        self.shallow = False

    def notes(self, model: nn.Module) -> tuple[str, ...]:
        made_up = self.numbers.read or (self.mode is not None and self.mode.read)
        return (
            f"{_counted(model)} parameters: shapes were computed without values",
            "index ranges not checked: run on shapes alone",
            *(["values that the model reads off its tensors were made up"] if made_up else []),
        )

    def for_real(self, failed: ModelError, worth: int) -> nn.Module:
        if self.real is None:
            raise failed
        return self.real(failed, worth)

    def _mode(self) -> ShapesMode:
        if self.mode is None:
            from shapecheck.probe.runs.fake import ShapesMode

            self.mode = ShapesMode()
        return self.mode

    def _state(self, model: nn.Module) -> State:
        """Parameters and buffers as shapes; layers go by other names in the shallow model."""
        key = (self._meta, self.shallow)
        if key not in self._states:
            self._states[key] = without_values(model) if self._meta else _fake_state(self._mode(), model)
        return self._states[key]


def engine_for(model: nn.Module) -> Engine:
    """For a model that is there already: one with parameters on the meta device has no values either."""
    nowhere = any(tensor.is_meta or is_fake(tensor) for tensor in (*model.parameters(), *model.buffers()))
    if nowhere:
        return ShapesEngine()
    return ShapesEngine(real=lambda failed, worth: model) if bytes_of(model) > LIMIT else Engine()


def _misses_a_layer(error: Exception) -> bool:
    """Code that counts layers by number. Torch has index errors of its own, on axes."""
    return isinstance(error, KeyError) or (isinstance(error, IndexError) and "imension" not in str(error))


def _misses_values(error: Exception) -> bool:
    words = str(error)
    return (
        isinstance(error, NotImplementedError)
        or "meta" in words
        or "FakeTensor" in words
        or "no data" in words
        or "dtype" in words
    )


def _faked(mode: ShapesMode, value: Any) -> Any:
    if isinstance(value, torch.Tensor):
        return value if is_fake(value) else mode.from_tensor(value)
    return tuple(_faked(mode, item) for item in value) if isinstance(value, tuple) else value


def _fake_state(mode: ShapesMode, model: nn.Module) -> State:
    """Only what has to be replaced: parameters on the meta device belong to no device that inputs are on."""
    tensors = [*model.named_parameters(), *model.named_buffers()]
    with mode:
        return {
            name: torch.empty(tensor.shape, dtype=tensor.dtype).requires_grad_(tensor.requires_grad)
            for name, tensor in tensors
            if tensor.is_meta and not is_fake(tensor)
        }


def _counted(model: nn.Module) -> str:
    """`7.0 billion`."""
    count = sum(parameter.numel() for parameter in model.parameters())
    for size, word in ((10**12, "trillion"), (10**9, "billion"), (10**6, "million")):
        if count >= size:
            return f"{count / size:.1f} {word}"
    return f"{count:,}"
