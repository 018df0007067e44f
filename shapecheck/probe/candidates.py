"""First guesses at the arguments of `forward`, from its signature, the model's layers and its parameters. Runs nothing.

All free sizes differ from one another and from every size in the model, so that a wrong one leads back to one input axis.
"""

from __future__ import annotations

import inspect
import itertools
import math
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import nn
from torch.nn.parameter import UninitializedBuffer, UninitializedParameter

from shapecheck.probe.feeding import Argument, Call
from shapecheck.probe.leaves import (
    ATTENTIVE,
    BATCH_NORMS,
    CELLS,
    RECURRENT,
    convolution_rank,
    is_batch_first,
    leaves_of,
    width,
)  # fmt: skip

PRIMES = (
    2, 3, 5, 7, 11, 13, 17, 19, 23, 29, 31, 37, 41, 43, 47, 53, 59, 61, 67, 71, 73, 79, 83, 89, 97, 101, 103, 107, 109, 113, 127,
    131, 137, 139, 149, 151, 157, 163, 167, 173, 179, 181, 191, 193, 197, 199, 211, 223, 227, 229, 233, 239, 241, 251, 257,
)  # fmt: skip
_TOKENS = re.compile(
    r"(^|_)(ids?|idx|tokens?|src|tgt|trg|texts?|words?|captions?|categ\w*|cats?|segment|seg|tags|seq|sequences?|sentences?|"
    r"input_ids|indices|chars?|labels?|targets?|users?|items?)($|_)"
)
_SINGLE = re.compile(r"_id$|^(user|item|speaker|spk|label|y|cls|class|category|domain|style)s?(_|$)")
_MASK = re.compile(r"mask|padding")
_LENGTHS = re.compile(r"(^|_)(len|lens|lengths?|seq_?lens?)($|_)|lens$|lengths?$")
_STATE = re.compile(
    r"^(h|hx|hidden|hiddens?|state|states|h0|h_?0|hidden_state|prev_state|prev_hidden|hc|init_hidden|h_prev|hid)$"
)
_CELL = re.compile(r"^(c0|c_0|cx|cell|cell_state|c_prev)$")
_MEMORY = re.compile(r"enc(oder)?_(out|hid|state|feat)\w*|memory|context")
_TIMESTEP = re.compile(r"^(t|time|timesteps?|times|sigma|noise_level|step|time_?steps?)$")
_IMAGE = re.compile(r"im(g|age)|pixel|frame|photo")
_AUDIO = re.compile(r"wav|audio|mix|signal")
_NO_HINT = re.compile(r"kernel|hidden|vocab|batch|embed|pool|pad|stride|layer|num_|dim")
_SIZE_HINT = re.compile(r"image|img|input|sample|seq|context|n_times|len|block|frames|n_ctx|window|resolution|size$")


@dataclass(frozen=True)
class Sizes:
    """The free sizes of the first guesses. `steps` is a short sequence, `samples` a longer one."""

    batch: int
    steps: int
    samples: int
    height: int
    width: int
    depth: int


@dataclass(frozen=True)
class Proposal:
    """Arguments worth a try; the lower the cost, the sooner. `why` is for the list of what was tried."""

    call: Call
    cost: float
    why: str


def sizes_for(model: nn.Module) -> Sizes:
    taken = model_sizes(model)
    chosen: list[int] = []
    for start in (5, 11, 97, 37, 53, 19):
        chosen.append(_free_prime(start, taken | set(chosen)))
    batch, steps, samples, height, width_, depth = chosen
    return Sizes(batch, steps, samples, height, width_, depth)


def _free_prime(start: int, taken: set[int]) -> int:
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


# ---------------------------------------------------------------------------- what enters the first layer


def layouts(leaf: nn.Module, sizes: Sizes) -> list[Argument]:
    """Ways to feed a model whose input enters this layer, the likeliest first."""
    rank = convolution_rank(leaf)
    size = width(leaf) or (3 if rank == 2 else 1)
    if rank or (isinstance(leaf, tuple(BATCH_NORMS)) and _norm_rank(leaf)):
        return _convolutional(rank or _norm_rank(leaf), size, sizes)
    if isinstance(leaf, (nn.Embedding, nn.EmbeddingBag)):
        return _indices(leaf, sizes)
    if isinstance(leaf, (*RECURRENT, *ATTENTIVE)):
        return _sequences(leaf, size, sizes)
    if isinstance(leaf, CELLS):
        return [_flat(size, sizes), _steps_first(size, sizes), _steps_last(size, sizes)]
    if isinstance(leaf, (nn.GroupNorm, nn.BatchNorm1d)):
        return [_image(size, sizes), _series(size, sizes)] if isinstance(leaf, nn.GroupNorm) else [
            _flat(size, sizes), _series(size, sizes), _steps_first(size, sizes),
        ]  # fmt: skip
    if isinstance(leaf, nn.LayerNorm):
        return _normalised(tuple(leaf.normalized_shape), sizes)
    return _linear(size, sizes)


def _norm_rank(leaf: nn.Module) -> int:
    """Spatial axes of a batch norm that leaves no doubt; BatchNorm1d takes (N, C) as well."""
    return next((ranks[-1] - 2 for kind, ranks in BATCH_NORMS.items() if isinstance(leaf, kind) and len(ranks) == 1), 0)


def _convolutional(rank: int, size: int, sizes: Sizes) -> list[Argument]:
    if rank == 1:
        bare = [_tensor(sizes, time=sizes.samples)] if size == 1 else []
        tokens = Argument(kind="int", shape=(sizes.batch, sizes.samples), labels=("batch", "time"), high=max(size, 2))
        return [_series(size, sizes), *bare, _tensor(sizes, time=sizes.samples, last=size), tokens]
    if rank == 2:
        gray = [_tensor(sizes, height=sizes.height, width=sizes.width)] if size == 1 else []
        last = _tensor(sizes, height=sizes.height, width=sizes.width, last=size)
        return [_image(size, sizes), *gray, last, _series(size, sizes)]
    small = [_free_prime(start, {size, sizes.batch}) for start in (13, 17, 23)]
    volume = dict(zip(("depth", "height", "width"), small, strict=True))
    return [_tensor(sizes, first=size, **volume), _tensor(sizes, last=size, **volume)]


def _indices(leaf: nn.Embedding | nn.EmbeddingBag, sizes: Sizes) -> list[Argument]:
    shapes = [
        ((sizes.batch, sizes.steps), ("batch", "time")),
        ((sizes.batch,), ("batch",)),
        ((sizes.batch, sizes.depth, sizes.steps), ("batch", "time", "time")),
    ]
    return [Argument(kind="int", shape=s, labels=labels, high=leaf.num_embeddings) for s, labels in shapes]


def _sequences(leaf: nn.Module, size: int, sizes: Sizes) -> list[Argument]:
    batch_first, time_first = _steps_first(size, sizes), Argument(
        shape=(sizes.steps, sizes.batch, size), labels=("time", "batch", "")
    )  # fmt: skip
    order = [batch_first, time_first] if is_batch_first(leaf) else [time_first, batch_first]
    flat = [_tensor(sizes, time=sizes.steps)] if size == 1 else []
    return [*order, *flat, _steps_last(size, sizes)]


def _normalised(shape: tuple[int, ...], sizes: Sizes) -> list[Argument]:
    fixed = ("",) * len(shape)
    sequence = Argument(shape=(sizes.batch, sizes.steps, *shape), labels=("batch", "time", *fixed))
    return [sequence, Argument(shape=(sizes.batch, *shape), labels=("batch", *fixed))]


def _linear(size: int, sizes: Sizes) -> list[Argument]:
    found = [_flat(size, sizes), _steps_first(size, sizes)]
    for channels in (1, 3):
        side = math.isqrt(size // channels)
        if side > 4 and side * side * channels == size:
            found.append(_tensor(sizes, first=channels, height=side, width=side))
    return [*found, _steps_last(size, sizes)]


def _flat(size: int, sizes: Sizes) -> Argument:
    return Argument(shape=(sizes.batch, size), labels=("batch", ""))


def _series(size: int, sizes: Sizes) -> Argument:
    return _tensor(sizes, first=size, time=sizes.samples)


def _steps_first(size: int, sizes: Sizes) -> Argument:
    return _tensor(sizes, time=sizes.steps, last=size)


def _steps_last(size: int, sizes: Sizes) -> Argument:
    return _tensor(sizes, first=size, time=sizes.steps)


def _image(size: int, sizes: Sizes) -> Argument:
    return _tensor(sizes, first=size, height=sizes.height, width=sizes.width)


def _tensor(sizes: Sizes, first: int | None = None, last: int | None = None, **space: int) -> Argument:
    """(batch, first?, *space, last?): `first` and `last` are fixed sizes."""
    head, tail = ([("", first)] if first else []), ([("", last)] if last else [])
    axes = [("batch", sizes.batch), *head, *space.items(), *tail]
    return Argument(shape=tuple(size for _, size in axes), labels=tuple(label for label, _ in axes))


def generic(sizes: Sizes, rank: int | None = None) -> list[Argument]:
    """What models take when nothing else is known, or those of this rank."""
    tokens = Argument(kind="int", shape=(sizes.batch, sizes.steps), labels=("batch", "time"), high=2)
    found = [
        _image(3, sizes), tokens, _steps_first(16, sizes), _series(1, sizes), _flat(16, sizes),
        _tensor(sizes, time=sizes.samples), _image(1, sizes),
        _tensor(sizes, first=1, depth=sizes.depth, height=sizes.height, width=sizes.width),
    ]  # fmt: skip
    return [argument for argument in found if rank is None or len(argument.shape) == rank]


def _from_parameters(model: nn.Module, sizes: Sizes) -> list[Argument]:
    """For models that multiply with parameters of their own: each side of a matrix may be the feature axis."""
    shapes = dict.fromkeys(tuple(p.shape) for p in model.parameters(recurse=False) if p.dim() >= 1)
    found = [_convolutional(len(shape) - 2, shape[1], sizes)[0] for shape in shapes if 3 <= len(shape) <= 5]
    for shape in itertools.islice(shapes, 4):
        for size in dict.fromkeys((shape[0], shape[-1])):
            found += [_flat(size, sizes), _steps_first(size, sizes), _steps_last(size, sizes)]
    return found


# ---------------------------------------------------------------------------- the whole signature


def parameters_of(model: nn.Module) -> tuple[list[inspect.Parameter], list[inspect.Parameter]]:
    """Required and optional parameters of `forward`; `*args` counts as one input if there is nothing else."""
    try:
        parameters = list(inspect.signature(model.forward).parameters.values())
    except (TypeError, ValueError):
        return [inspect.Parameter("input", inspect.Parameter.POSITIONAL_ONLY)], []
    named = [p for p in parameters if p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)]
    required = [p for p in named if p.default is p.empty]
    if not named and any(p.kind is p.VAR_POSITIONAL for p in parameters):
        required = [inspect.Parameter("input", inspect.Parameter.POSITIONAL_ONLY)]
    return required, [p for p in named if p.default is not p.empty]


def initial(model: nn.Module, sizes: Sizes) -> Iterator[Proposal]:
    """First guesses for all required parameters, or for the first optional one if none is required."""
    required, optional = parameters_of(model)
    lead = required or optional[:1]
    if not lead:
        yield Proposal((), 0.0, "no arguments")
        return
    dtype = float_dtype(model)
    for main, cost, why in _main_guesses(model, lead[0].name, sizes):
        head = with_dtype(replace(main, name=lead[0].name, keyword=lead[0].kind is lead[0].KEYWORD_ONLY), dtype)
        choices = [beside(parameter, head, model, sizes)[:5] for parameter in lead[1:]]
        for number, rest in enumerate(_cheapest_first(choices)):
            yield Proposal((head, *(with_dtype(a, dtype) for a in rest)), cost + 0.35 * number, why)


def _cheapest_first(choices: list[list[Argument]]) -> list[tuple[Argument, ...]]:
    """Combinations by the sum of their ranks, at most a dozen."""
    ranked = itertools.islice(itertools.product(*[list(enumerate(c)) for c in choices]), 2000)
    ordered = sorted(ranked, key=lambda combination: sum(rank for rank, _ in combination))
    return [tuple(argument for _, argument in combination) for combination in ordered[:12]]


def with_dtype(argument: Argument, dtype: torch.dtype) -> Argument:
    if argument.kind in ("float", "state"):
        return replace(argument, dtype=dtype)
    return replace(argument, dtype=torch.bool if argument.kind == "bool" else torch.int64)


def _main_guesses(model: nn.Module, name: str, sizes: Sizes) -> Iterator[tuple[Argument, float, str]]:
    if _SINGLE.search(name) and any(isinstance(leaf, nn.Embedding) for leaf in leaves_of(model)):
        yield Argument(kind="int", shape=(sizes.batch,), labels=("batch",), high=2), -0.6, "its name"
    if _TOKENS.search(name):
        high = next((m.num_embeddings for m in leaves_of(model) if isinstance(m, nn.Embedding)), 0)
        if high:
            yield (
                Argument(kind="int", shape=(sizes.batch, sizes.steps), labels=("batch", "time"), high=high),
                -0.5,
                "its name",
            )
    for tall, channels in _tall_filters(model):
        rows = Argument(shape=(sizes.batch, channels, tall, sizes.samples), labels=("batch", "", "", "time"))
        yield rows, -0.1, "a filter over all rows"
    if _IMAGE.search(name):
        yield _image(3, sizes), 0.2, "its name"
    if _AUDIO.search(name):
        yield _tensor(sizes, time=sizes.samples), 0.4, "its name"
    for number, leaf in enumerate(_entrances(leaves_of(model))):
        for rank, layout in enumerate(layouts(leaf, sizes)):
            yield layout, 0.6 * number + 0.3 * rank, f"the first {type(leaf).__name__}"
    for rank, layout in enumerate(_from_parameters(model, sizes)):
        yield layout, 0.8 + 0.1 * rank, "the model's own parameters"
    for rank, layout in enumerate(generic(sizes)):
        yield layout, 1.5 + 0.2 * rank, "a common layout"


def _tall_filters(model: nn.Module) -> list[tuple[int, int]]:
    """Kernels that are one column wide and tall: filters over all electrodes of a recording."""
    convolutions = [leaf for leaf in leaves_of(model) if isinstance(leaf, nn.Conv2d)]
    tall = [leaf.kernel_size[0] for leaf in convolutions if leaf.kernel_size[0] > 7 and leaf.kernel_size[1] == 1]
    return [(int(size), convolutions[0].in_channels) for size in tall[:1]]


def _entrances(leaves: list[nn.Module]) -> list[nn.Module]:
    """The first layer, and two later ones of other types: registration order is not running order."""
    others = [leaf for leaf in leaves[1:8] if type(leaf) is not type(leaves[0])]
    return leaves[:1] + others[:2]


def beside(parameter: inspect.Parameter, main: Argument, model: nn.Module, sizes: Sizes) -> list[Argument]:
    """Guesses at an argument that stands beside the main one, from its name and annotation."""
    name = parameter.name
    guesses = _beside(name, str(parameter.annotation), main, model, sizes)
    keyword = parameter.kind is parameter.KEYWORD_ONLY
    return [replace(guess, name=name, keyword=keyword) for guess in guesses]


def _beside(name: str, annotation: str, main: Argument, model: nn.Module, sizes: Sizes) -> list[Argument]:
    plain = {"<class 'int'>": 1, "int": 1, "<class 'float'>": 0.5, "float": 0.5, "<class 'bool'>": False, "bool": False}
    if annotation in plain:
        return [Argument(kind="constant", value=plain[annotation])]
    nothing = Argument(kind="constant", value=None)
    same = replace(main, keyword=False)
    flat = _flat(16, sizes)
    per_sample = Argument(kind="float", shape=(sizes.batch,), labels=("batch",))
    if _STATE.search(name) or _CELL.search(name):
        both = states(model, sizes)
        return _unique([*([] if _CELL.search(name) else both), *(replace(s, pair=False) for s in both), nothing, flat])
    if _LENGTHS.search(name):
        return [_lengths(main, sizes), nothing]
    if _MEMORY.search(name):
        widths = [leaf.hidden_size for leaf in leaves_of(model) if isinstance(leaf, (*RECURRENT, *CELLS))] or [16]
        other = replace(sizes, steps=_free_prime(13, {sizes.steps, sizes.batch}))
        return _unique([*(_steps_first(w, other) for w in widths), *(_steps_first(2 * w, other) for w in widths), same])
    if _TIMESTEP.search(name):
        index = replace(per_sample, kind="int", high=2)
        return [per_sample, index, replace(per_sample, shape=(sizes.batch, 1), labels=("batch", ""))]
    if _MASK.search(name):
        time = _time_of(main, sizes)
        row = Argument(kind="bool", shape=(sizes.batch, time), labels=("batch", "time"))
        return [nothing, row, replace(row, shape=(time, time), labels=("time", "time"))]
    if re.search(r"(^|_)adj|graph|laplac", name):
        return [Argument(shape=(sizes.batch, sizes.batch), labels=("batch", "batch"))]
    return _beside_unnamed(name, same, model, sizes)


def _beside_unnamed(name: str, same: Argument, model: nn.Module, sizes: Sizes) -> list[Argument]:
    embeddings = [m.num_embeddings for m in leaves_of(model) if isinstance(m, nn.Embedding)]
    high = min(embeddings, default=2)
    other = Argument(
        kind="int", shape=(sizes.batch, _free_prime(13, {sizes.steps})), labels=("batch", "time"), high=high
    )
    one = Argument(kind="int", shape=(sizes.batch,), labels=("batch",), high=high)
    entrances = [layouts(leaf, sizes)[0] for leaf in _distinct(leaves_of(model))[:4]]
    if _SINGLE.search(name) and embeddings:
        return [one, other, same]
    if _TOKENS.search(name) and (embeddings or same.kind == "int"):
        return [other, one, same]
    ints = [other, one] if embeddings else []
    return _unique([same, *ints, *entrances, _flat(16, sizes), Argument(kind="constant", value=None)])


def _distinct(leaves: Iterable[nn.Module]) -> list[nn.Module]:
    """One layer for each type and width."""
    return list({(type(leaf), width(leaf)): leaf for leaf in reversed(list(leaves))}.values())[::-1]


def _unique(arguments: list[Argument]) -> list[Argument]:
    return list({argument.key: argument for argument in reversed(arguments)}.values())[::-1]


def states(model: nn.Module, sizes: Sizes) -> list[Argument]:
    """A recurrent state for the first recurrent layer or cell; without any, guesses at a hand-made one."""
    for leaf in model.modules():
        if isinstance(leaf, RECURRENT):
            layers = leaf.num_layers * (2 if leaf.bidirectional else 1)
            shape = (layers, sizes.batch, leaf.hidden_size)
            state = Argument(kind="state", shape=shape, labels=("", "batch", ""))
            return [replace(state, pair=isinstance(leaf, nn.LSTM))]
        if isinstance(leaf, CELLS):
            state = Argument(kind="state", shape=(sizes.batch, leaf.hidden_size), labels=("batch", ""))
            return [replace(state, pair=isinstance(leaf, nn.LSTMCell))]
    hidden = getattr(model, "hidden_size", None) or getattr(model, "hidden_dim", None)
    if isinstance(hidden, int):
        return [Argument(kind="state", shape=(sizes.batch, hidden), labels=("batch", ""))]
    return [Argument(kind="state", shape=(sizes.batch, 16), labels=("batch", ""))]


def _lengths(main: Argument, sizes: Sizes) -> Argument:
    return Argument(kind="lengths", shape=(sizes.batch,), labels=("batch",), high=_time_of(main, sizes))


def _time_of(main: Argument, sizes: Sizes) -> int:
    return next((size for size, label in zip(main.shape, main.labels, strict=True) if label == "time"), sizes.steps)
