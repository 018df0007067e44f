"""Arguments of a forward pass, made up or like real ones: what they are (`Argument`) and the tensors made of them. Runs no model."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import torch

from shapecheck.probe.inputs.bundles import Bundle
from shapecheck.probe.inputs.holders import entry_of, refilled

SPACE = ("depth", "height", "width")
GROWING = ("time", *SPACE)


@dataclass(frozen=True)
class Argument:
    """One argument of `forward`.

    `kind` is float, int, bool, lengths (ints, each equal to `high`), state (of a recurrent layer; `pair` is an LSTM's) or
    constant (`value` is passed as it is). `labels` say what each axis is meant to be: a role, or '' for a fixed size. Ints
    run from 0 up to, not including, `high`. `holder` is the parameter that takes it together with others, by name as in
    `batch["tokens"]`, or in a tuple, at `place`; its own name is then `batch.tokens`. `sample` is the real tensor whose values
    it takes, at any shape; a real container that held it is `whole`, under `entry`.
    """

    name: str = ""
    kind: str = "float"
    shape: tuple[int, ...] = ()
    labels: tuple[str, ...] = ()
    dtype: torch.dtype = torch.float32
    high: int = 2
    keyword: bool = False
    pair: bool = False
    value: Any = None
    holder: str = ""
    place: int = -1
    sample: torch.Tensor | None = field(default=None, compare=False, repr=False)
    whole: Any = field(default=None, compare=False, repr=False)
    entry: Any = field(default=None, compare=False, repr=False)

    @property
    def short_name(self) -> str:
        """The name within its holder."""
        return self.name.removeprefix(f"{self.holder}.") if self.holder else self.name

    @property
    def is_tensor(self) -> bool:
        return self.kind != "constant"

    @property
    def key(self) -> tuple[object, ...]:
        """What makes two arguments the same try; constants may be unhashable."""
        return (self.name, self.kind, self.shape, self.dtype, self.high, self.keyword, self.pair, repr(self.value)[:80])

    def resized(self, axis: int, size: int, label: str | None = None) -> Argument:
        shape = (*self.shape[:axis], size, *self.shape[axis + 1 :])
        labels = self.labels
        if label is not None and axis < len(labels):
            labels = (*labels[:axis], label, *labels[axis + 1 :])
        return replace(self, shape=shape, labels=labels)

    def label(self, axis: int) -> str:
        return self.labels[axis] if axis < len(self.labels) else ""


Call = tuple[Argument, ...]
Position = tuple[int, int]  # (argument, axis)


def main_index(call: Call) -> int:
    """The argument the model is mainly about: the first tensor that is neither lengths nor state."""
    kinds = [argument.kind for argument in call]
    return next((i for i, kind in enumerate(kinds) if kind in ("float", "int")), 0)


def positions(call: Call) -> Iterator[Position]:
    for index, argument in enumerate(call):
        if argument.is_tensor:
            yield from ((index, axis) for axis in range(len(argument.shape)))


def tensors_in(value: Any) -> Iterator[torch.Tensor]:
    """Every tensor in nested tuples, lists and mappings."""
    if isinstance(value, torch.Tensor):
        yield value
    elif isinstance(value, (tuple, list)):
        for item in value:
            yield from tensors_in(item)
    elif isinstance(value, Mapping):
        for item in value.values():
            yield from tensors_in(item)


def batch_of(call: Call) -> int:
    """The size of the first batch axis; 0 without one."""
    return next((size_at(call, p) for p in positions(call) if call[p[0]].label(p[1]) == "batch"), 0)


def size_at(call: Call, position: Position) -> int:
    return call[position[0]].shape[position[1]]


def resize(call: Call, where: Iterable[Position], size: int) -> Call:
    """The call with these axes at another size; lengths follow the size they count, and real indices stay below it.

    What has no such axis itself may say which samples are neighbours.
    """
    where = tuple(where)
    old = {size_at(call, position) for position in where}
    changed = list(call)
    for index, axis in where:
        changed[index] = changed[index].resized(axis, size)
    grown = any(call[index].label(axis) in GROWING for index, axis in where)
    having = {index for index, _ in where}
    for index, argument in enumerate(changed):
        if argument.kind == "lengths" and argument.high in old and grown:
            changed[index] = replace(argument, high=size)
        elif argument.kind == "int" and argument.sample is not None and index not in having and not grown:
            changed[index] = replace(argument, high=max(1, min(argument.high, size)))
    return tuple(changed)


def total_bytes(call: Iterable[Argument]) -> int:
    return sum(math.prod(a.shape) * a.dtype.itemsize for a in call if a.is_tensor)


def feed(call: Call, seed: int = 0) -> tuple[list[Any], dict[str, Any]]:
    """Positional and keyword arguments; the same call always gives the same values, and others for another seed."""
    generator = torch.Generator().manual_seed(seed)
    values = [make(argument, generator) for argument in call]
    for argument, value in zip(call, values, strict=True):
        if seed and argument.sample is not None:
            _disturb(argument, value, generator)
    return given(call, values)


def given(call: Call, values: Sequence[Any]) -> tuple[list[Any], dict[str, Any]]:
    """Values as `forward` takes them: by position, by keyword, or several together in one argument."""
    positional: list[Any] = []
    keyword: dict[str, Any] = {}
    pairs = zip(call, values, strict=True)
    for holder, together in itertools.groupby(pairs, key=lambda pair: pair[0].holder):
        if holder:
            held = list(together)
            if held[0][0].keyword:
                keyword[holder] = _bundled(held)
            else:
                positional.append(_bundled(held))
            continue
        for argument, value in together:
            if argument.keyword:
                keyword[argument.name] = value
            else:
                positional.append(value)
    return positional, keyword


def _bundled(pairs: Sequence[tuple[Argument, Any]]) -> Any:
    if pairs[0][0].whole is not None:
        return refilled(pairs[0][0].whole, [(argument.entry, value) for argument, value in pairs])
    if pairs[0][0].place >= 0:
        return tuple(value for _, value in sorted(pairs, key=lambda pair: pair[0].place))
    return Bundle({argument.short_name: value for argument, value in pairs})


def values_of(call: Call, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Iterator[Any]:
    """The value of each argument of the call, found again in what was fed."""
    positional = iter(args)
    for holder, grouped in itertools.groupby(call, key=lambda argument: argument.holder):
        together = list(grouped)
        whole = (kwargs.get(holder) if together[0].keyword else next(positional, None)) if holder else None
        for argument in together:
            if argument.whole is not None:
                yield entry_of(whole, argument.entry)
            elif isinstance(whole, tuple):
                yield whole[argument.place]
            elif holder:
                yield whole.get(argument.short_name) if isinstance(whole, Mapping) else None
            else:
                yield kwargs.get(argument.name) if argument.keyword else next(positional, None)


def make(argument: Argument, generator: torch.Generator) -> Any:
    """The value of one argument: like its sample, else floats within (0, 1), safe under log and square root."""
    shape = argument.shape
    if argument.sample is not None:
        return _like(argument, argument.sample)
    if argument.kind == "constant":
        return argument.value
    if argument.kind == "lengths":
        return torch.full(shape, argument.high, dtype=argument.dtype)
    if argument.kind == "bool":
        return torch.ones(shape, dtype=torch.bool)
    if argument.kind == "int":
        return _indices(argument, generator)
    if argument.kind == "state":
        state = torch.zeros(shape, dtype=argument.dtype)
        return (state, state.clone()) if argument.pair else state
    if argument.dtype.is_complex:
        return torch.rand(shape, generator=generator, dtype=torch.complex64).to(argument.dtype)
    return torch.rand(shape, generator=generator).mul_(0.9).add_(0.05).to(argument.dtype)


def _indices(argument: Argument, generator: torch.Generator) -> torch.Tensor:
    """Both ends of the range occur, so that a range the model refuses or infers from the data shows."""
    values = torch.randint(0, max(argument.high, 1), argument.shape, generator=generator, dtype=torch.int64)
    if values.numel():
        values.view(-1)[-1] = max(argument.high, 1) - 1
    return values.to(argument.dtype)


def _like(argument: Argument, sample: torch.Tensor) -> torch.Tensor:
    """The first values of the sample along each axis, or each of them several times over: what is sorted or padded stays so."""
    values = sample
    for axis, (size, old) in enumerate(zip(argument.shape, sample.shape, strict=True)):
        if size < old:
            values = values.narrow(axis, 0, size)
        elif size > old:
            values = values.index_select(axis, torch.arange(size, device=values.device) * old // size)
    if argument.kind == "lengths" and values.numel():
        return (values + (argument.high - values.max())).clamp(min=min(1, int(values.min())))
    if argument.kind == "int" and int(sample.max()) >= argument.high:
        return values % argument.high
    with torch.enable_grad():  # what came of another module carries gradient, and is no leaf
        return values.clone() if sample.requires_grad else values.detach().clone()


def perturbed(call: Call, where: Iterable[Position], index: int) -> Callable[[], tuple[list[Any], dict[str, Any]]]:
    """`feed`, with other values at `index` along each of these axes."""
    axes = dict(where)

    def fed() -> tuple[list[Any], dict[str, Any]]:
        generator = torch.Generator().manual_seed(0)
        noise = torch.Generator().manual_seed(1)
        values = [make(argument, generator) for argument in call]
        for number, axis in axes.items():
            value = values[number]
            for tensor in value if isinstance(value, tuple) else (value,):
                _disturb(call[number], tensor.select(axis, index), noise, tensor.movedim(axis, 0))
        return given(call, values)

    return fed


def _disturb(argument: Argument, row: torch.Tensor, noise: torch.Generator, others: torch.Tensor | None = None) -> None:
    """Other values in place, of the same range. `others` are all rows of which it is one."""
    if argument.kind == "int":
        row.copy_(_other_indices(argument, row, others))
    elif argument.kind in ("float", "state"):
        added = torch.rand(row.shape, generator=noise).to(row)
        row.add_(added if argument.sample is None else added * _scale(argument.sample))


def _other_indices(argument: Argument, row: torch.Tensor, others: torch.Tensor | None) -> torch.Tensor:
    """Of indices that were made up, the next ones; of real ones those of another row, as each column may have a range of its own.

    Where all rows are alike, the next that occurs.
    """
    if argument.sample is None:
        return (row + 1) % max(argument.high, 1)
    unlike = (other for other in others if not torch.equal(other, row)) if others is not None else iter(())
    other = next(unlike, None)
    if other is not None:
        return other.clone()
    occurring = argument.sample.unique()
    places = (torch.searchsorted(occurring, row.contiguous()) + 1) % len(occurring)
    following: torch.Tensor = occurring.index_select(0, places.flatten())
    return following.view_as(row)


def _scale(sample: torch.Tensor) -> float:
    """One, or as much as can be seen beside large values."""
    largest = float(sample.detach().abs().max())
    return max(1.0, largest / 1000) if math.isfinite(largest) else 1.0
