"""Real batches of the user's data: of a DataLoader, a Dataset, a data module, an iterable, a function that returns one. Runs no model.

Batches are made in this process, without workers. Loaders stay as they are; random numbers are the caller's business, with
`undisturbed`.
"""

from __future__ import annotations

import copy
import inspect
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import nn
from torch.utils.data import BatchSampler, DataLoader, Dataset, IterableDataset, SequentialSampler, default_collate

from shapecheck.callable_names import data_in, parse_data
from shapecheck.errors import Location, ModelError, nearest
from shapecheck.probe import places
from shapecheck.probe.inputs.holders import entries
from shapecheck.probe.loading.allowances import lenient
from shapecheck.probe.loading.devices import moving_tensors
from shapecheck.probe.loading.load import load_object
from shapecheck.probe.runs.state import seed, surroundings
from shapecheck.probe.telling import said

FEW = 8  # samples taken of a Dataset
_SPREAD = (5**0.5 - 1) / 2
_DEEPEST = 4  # a function that returns a data module that holds a loader
_WRITE = "name a DataLoader, a Dataset, a list of batches, or a function without arguments that returns one"


@dataclass(frozen=True, eq=False)
class Data:
    """Batches as the user's loader makes them. `others` gives further ones, `batches` is how many there are, where that is known.

    Of a Dataset the first batch is made of `samples`, and the others are single ones, which `batches` then counts. `seconds` is
    how long the first one took.
    `ends_with_one` is whether the last batch of an epoch holds a single sample, None where nobody knows; `told` says why.
    """

    text: str
    first: Any
    others: Callable[[], Iterator[Any]]
    batches: int | None = None
    samples: int = 0
    ends_with_one: bool | None = None
    told: str = ""
    location: Location | None = None
    notes: tuple[str, ...] = ()
    seconds: float = 0.0


def load_data(text: str) -> Data:
    """What `train.py:loader` names. Raises UserError (no such file, not a name) and ModelError SC901, SC902."""
    target = parse_data(text)
    seed()
    with lenient(), moving_tensors(always=True):
        try:
            found, location = load_object(target)
        except ModelError as error:
            if error.hint and "it has " in error.hint and target.path is not None:
                error.hint = _offered(target.name or "", target.path)
            raise
        return data_of(found, text, location)


def data_of(value: Any, text: str = "data", location: Location | None = None) -> Data:
    """The batches of whatever holds some. Raises ModelError: SC901 where there are none, SC902 where arguments are missing."""
    began = time.monotonic()
    try:
        data = _Reader(text, location).read(value)
        return replace(data, seconds=time.monotonic() - began)
    except ModelError:
        raise
    except Exception as error:
        place = places.raised_at(error) or location
        hint = "the same happens outside shapecheck when a batch is taken from it" if place else _WRITE
        raise ModelError(f"taking a batch of {text} raises {said(error)}", hint, code="SC901", location=place) from None


@contextmanager
def undisturbed(value: Any) -> Iterator[None]:
    """Random numbers as they were afterwards, those of a loader's own generators too."""
    owners = [value, getattr(value, "sampler", None), getattr(value, "dataset", None)]
    held = [getattr(owner, "generator", None) for owner in owners]
    generators = [generator for generator in held if isinstance(generator, torch.Generator)]
    states = [generator.get_state() for generator in generators]
    with surroundings():
        try:
            yield
        finally:
            for generator, state in zip(generators, states, strict=True):
                generator.set_state(state)


@dataclass(frozen=True)
class _Reader:
    """`text` is how the user named it, for messages."""

    text: str
    location: Location | None

    def read(self, value: Any, depth: int = 0) -> Data:
        if depth > _DEEPEST:
            raise self._nothing(value)
        if isinstance(value, DataLoader):
            return self._of_loader(value)
        if _is_data_module(value):
            return self.read(_training_loader(value), depth + 1)
        if isinstance(value, Dataset):
            return self._of_dataset(value)
        if isinstance(value, nn.Module):
            raise self._nothing(value)
        if isinstance(value, type) or inspect.isroutine(value):
            return self.read(self._called(value), depth + 1)
        if _is_batch(value):
            return Data(self.text, value, lambda: iter(()), 1, location=self.location)
        chosen = _one_of_several(value)
        if chosen is not None:
            name, one = chosen
            return _with_note(self.read(one, depth + 1), f"{self.text} holds several: {name} was taken")
        return self._of_iterable(value)

    def _called(self, found: Callable[..., Any]) -> Any:
        """Raises ModelError for a function or class that needs arguments."""
        name = self.text.rpartition(":")[2]
        needed = _needed(found)
        if needed:
            called = f"{name}({', '.join(f'{each}=...' for each in needed)})"
            hint = f"write a function without arguments and name that:\n  def data():\n      return {called}"
            message = f"{self.text} needs {', '.join(needed)}"
            raise ModelError(message, hint, code="SC902", location=self.location)
        return found()

    def _of_loader(self, loader: DataLoader[Any]) -> Data:
        twin = _in_this_process(loader)
        batches, count = iter(twin), _length(loader)
        first = self._first(batches, loader)
        blocks = _blocks(loader)
        others = (lambda: batches) if blocks is None else (lambda: _of_blocks(loader, blocks))
        one, told = _ending(loader)
        return Data(self.text, first, others, count, ends_with_one=one, told=told, location=self.location)

    def _of_dataset(self, dataset: Dataset[Any]) -> Data:
        count = None if isinstance(dataset, IterableDataset) else _length(dataset)
        if count is None:
            samples = [sample for _, sample in zip(range(FEW), iter(dataset), strict=False)]
            return self._collated(samples, lambda: iter(()), None, dataset)
        if not count:
            raise self._empty(dataset)
        places = _spread_over(count)
        samples = [dataset[next(places)] for _ in range(min(FEW, count))]
        return self._collated(samples, lambda: (_alone(dataset[place]) for place in places), count, dataset)

    def _collated(
        self, samples: list[Any], others: Callable[[], Iterator[Any]], count: int | None, dataset: Any
    ) -> Data:
        if not samples:
            raise self._empty(dataset)
        try:
            first, note = default_collate(samples), f"{len(samples)} samples of {self.text} were put into a batch"
        except (RuntimeError, TypeError):
            note = f"the samples of {self.text} differ in shape: a batch of the first one alone was made of them"
            first, samples = _alone(samples[0]), samples[:1]
        return Data(self.text, first, others, count, len(samples), location=self.location, notes=(note,))

    def _of_iterable(self, value: Any) -> Data:
        if not isinstance(value, Iterable) or isinstance(value, (str, bytes)):
            raise self._nothing(value)
        batches = iter(value)
        first = self._first(batches, value)
        if isinstance(first, DataLoader) or not any(True for _ in _tensors(first)):
            raise ModelError(
                f"what {self.text} gives first is {_kind(first)}, with no tensor in it",
                _WRITE,
                code="SC901",
                location=self.location,
            )
        if _is_sample(first):
            rest = [sample for _, sample in zip(range(FEW - 1), batches, strict=False)]
            return self._collated([first, *rest], lambda: map(_alone, batches), None, value)
        return Data(self.text, first, lambda: batches, _length(value), location=self.location)

    def _first(self, batches: Iterator[Any], of: Any) -> Any:
        for batch in batches:
            return batch
        raise self._empty(of)

    def _empty(self, value: Any) -> ModelError:
        return ModelError(
            f"{self.text} is {_kind(value)} without a single batch",
            "a check needs one real batch; name a loader that has data",
            code="SC901",
            location=self.location,
        )

    def _nothing(self, value: Any) -> ModelError:
        return ModelError(
            f"{self.text} is {_kind(value)}, which holds no batches", _WRITE, code="SC901", location=self.location
        )


def _with_note(data: Data, note: str) -> Data:
    return replace(data, notes=(note, *data.notes))


def _offered(name: str, path: str) -> str:
    names = data_in(path)
    guess = nearest(name, names)
    there = f"it has {', '.join(names[:12])}" if names else _WRITE
    return f"did you mean {guess}? {there}" if guess else there


# ---------------------------------------------------------------------------- what a value is


def _is_data_module(value: Any) -> bool:
    return not isinstance(value, type) and callable(getattr(value, "train_dataloader", None))


def _training_loader(module: Any) -> Any:
    """As a trainer asks for it, but for downloads."""
    if callable(getattr(module, "setup", None)):
        module.setup("fit")
    return module.train_dataloader()


def _needed(found: Callable[..., Any]) -> list[str]:
    """The parameters that have to be given."""
    try:
        parameters = inspect.signature(found).parameters.values()
    except (TypeError, ValueError):
        return []
    variable = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    return [each.name for each in parameters if each.default is each.empty and each.kind not in variable]


def _is_batch(value: Any) -> bool:
    """Tensors or arrays by name or in a row, and no loader or further batches."""
    if _is_array(value):
        return True
    if isinstance(value, Mapping) or hasattr(value, "_fields"):
        return any(_is_array(item) for _, item in entries(value))
    if not isinstance(value, (tuple, list)) or not value:
        return False
    if _is_array(value[0]):
        return True
    return len(value) > 1 and _is_batch(value[0]) and _is_array(value[-1])


def _is_array(value: Any) -> bool:
    return isinstance(value, torch.Tensor) or (hasattr(value, "__array__") and getattr(value, "shape", ()) != ())


def _is_sample(value: Any) -> bool:
    """One sample, not several in a batch: its label is a single number."""
    inner = [item for _, item in entries(value)] if isinstance(value, (Mapping, tuple, list)) else [value]
    return any(isinstance(item, (int, float)) or getattr(item, "shape", None) == () for item in inner)


def _one_of_several(value: Any) -> tuple[str, Any] | None:
    """Of loaders for training and validation the first, or the one of training by its name."""
    if not isinstance(value, (Mapping, tuple, list)):
        return None
    held = [(entry, item) for entry, item in entries(value) if isinstance(item, (DataLoader, Dataset))]
    if not held:
        return None
    entry, one = next((pair for pair in held if "train" in str(pair[0]).lower()), held[0])
    return (f"the first, a {type(one).__name__}," if isinstance(entry, int) else repr(entry)), one


def _tensors(value: Any, depth: int = 3) -> Iterator[Any]:
    if _is_array(value):
        yield value
    elif depth:
        for _, item in entries(value):
            yield from _tensors(item, depth - 1)


def _kind(value: Any) -> str:
    if value is None:
        return "None"
    name = type(value).__name__
    return f"{'an' if name[0].lower() in 'aeiou' else 'a'} {name}"


def _length(value: Any) -> int | None:
    """None for what has none, or counts itself wrong."""
    try:
        return len(value)
    except Exception:
        return None


# ---------------------------------------------------------------------------- batches of a loader


def _in_this_process(loader: DataLoader[Any]) -> DataLoader[Any]:
    """The same loader, without workers and what goes with them."""
    twin = copy.copy(loader)
    alone = {
        "num_workers": 0,
        "prefetch_factor": None,
        "persistent_workers": False,
        "timeout": 0,
        "pin_memory": False,
        "_iterator": None,
    }
    for name, value in alone.items():
        object.__setattr__(twin, name, value)
    return twin


def _blocks(loader: DataLoader[Any]) -> Iterator[Sequence[int]] | None:
    """Indices of further batches, from all over a data set that is read in order; None where the loader has its own order."""
    count, size = _length(loader.dataset), loader.batch_size
    plain = type(loader.sampler) is SequentialSampler and type(loader.batch_sampler) is BatchSampler
    if not plain or count is None or size is None or loader.sampler.data_source is not loader.dataset:  # type: ignore[attr-defined]
        return None
    blocks = count // size if loader.drop_last else -(-count // size)
    return (range(block * size, min(block * size + size, count)) for block in _spread_over(blocks) if block)


def _of_blocks(loader: DataLoader[Any], blocks: Iterable[Sequence[int]]) -> Iterator[Any]:
    for block in blocks:
        yield loader.collate_fn([loader.dataset[index] for index in block])


def _spread_over(count: int) -> Iterator[int]:
    """Every number below the count, each time far from those before: labels may well lie in order."""
    seen = set()
    for number in range(count):
        place = int(number * _SPREAD % 1 * count)
        while place in seen:
            place = (place + 1) % count
        seen.add(place)
        yield place


def _alone(sample: Any) -> Any:
    return default_collate([sample])


def _ending(loader: DataLoader[Any]) -> tuple[bool | None, str]:
    """Whether the last batch of an epoch holds one sample, and the figures."""
    size, samples = loader.batch_size, _length(loader.sampler)
    if size is None or samples is None or isinstance(loader.dataset, IterableDataset):
        return None, ""
    told = f"{samples} samples in batches of {size}" + (" with drop_last" if loader.drop_last else "")
    return (samples % size == 1 and not loader.drop_last) or size == 1, told
