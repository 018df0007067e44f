"""Sizes for dummy inputs: distinct primes that the model itself does not have, and sizes that it names. Runs nothing."""

from __future__ import annotations

import itertools
import re
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from torch.nn.parameter import UninitializedBuffer, UninitializedParameter

PRIMES = (
    2, 3, 5, 7, 11, 13, 17, 19, 23, 29, 31, 37, 41, 43, 47, 53, 59, 61, 67, 71, 73, 79, 83, 89, 97, 101, 103, 107, 109, 113, 127,
    131, 137, 139, 149, 151, 157, 163, 167, 173, 179, 181, 191, 193, 197, 199, 211, 223, 227, 229, 233, 239, 241, 251, 257,
)  # fmt: skip
_NO_HINT = re.compile(r"kernel|hidden|vocab|batch|embed|pool|pad|stride|layer|num_(?!frames|samples|times)|dim")
_SIZE_HINT = re.compile(
    r"image|img|input|sample|seq|context|n_times|len|block|frames|n_ctx|window|resolution|recept|size$"
)


@dataclass(frozen=True)
class Sizes:
    """The free sizes of the first guesses. `steps` is a short sequence, `samples` a longer one."""

    batch: int
    steps: int
    samples: int
    height: int
    width: int
    depth: int


def sizes_for(model: nn.Module) -> Sizes:
    taken = model_sizes(model)
    chosen: list[int] = []
    for start in (5, 11, 97, 37, 53, 19):
        chosen.append(free_prime(start, taken | set(chosen)))
    batch, steps, samples, height, width_, depth = chosen
    return Sizes(batch, steps, samples, height, width_, depth)


def free_prime(start: int, taken: set[int]) -> int:
    """The first prime from `start` up that nothing else uses; a batch falls back to 3 before it grows."""
    order = [p for p in PRIMES if p >= start]
    order = [5, 3, *order[1:]] if start == 5 else order
    return next((prime for prime in order if prime not in taken), start)


def model_sizes(model: nn.Module) -> set[int]:
    """Every size the model itself has: of parameters, buffers and layers."""
    tensors = itertools.chain(model.parameters(), model.buffers())
    lazy = (UninitializedParameter, UninitializedBuffer)
    sizes = {size for tensor in tensors if not isinstance(tensor, lazy) for size in tensor.shape}
    return sizes | {value for values in size_hints(model) for value in values}


def size_hints(model: nn.Module) -> list[tuple[int, ...]]:
    """Sizes of inputs the model carries as attributes: image_size, seq_len, block_size, window ..."""
    own = [module for module in model.modules() if not type(module).__module__.startswith("torch.")]
    holders: list[Any] = [model, *own[:60]]
    for name in ("config", "cfg", "args", "hparams", "pretrained_cfg", "default_cfg"):
        holders.append(getattr(model, name, None))
    found: dict[tuple[int, ...], None] = {}
    for holder in holders:
        attributes = holder if isinstance(holder, dict) else getattr(holder, "__dict__", {})
        for name, value in list(attributes.items()):
            sizes = _as_sizes(value)
            if isinstance(name, str) and sizes and _SIZE_HINT.search(name) and not _NO_HINT.search(name):
                found.setdefault(sizes)
    return list(found)


def _as_sizes(value: object) -> tuple[int, ...]:
    values = value if isinstance(value, (tuple, list)) else (value,)
    whole = [v for v in values if isinstance(v, int) and not isinstance(v, bool) and 1 < v < 100_000]
    return tuple(whole) if len(whole) == len(values) <= 4 else ()


def float_dtype(model: nn.Module) -> torch.dtype:
    """The dtype of the model's parameters: a model in double wants double."""
    return next((p.dtype for p in model.parameters() if p.is_floating_point()), torch.float32)


def next_prime(number: int) -> int:
    number = max(number, 2)
    while any(number % divisor == 0 for divisor in range(2, int(number**0.5) + 1)):
        number += 1
    return number


def prime_below(number: int) -> int:
    return max((prime for prime in PRIMES if prime <= number), default=1)
