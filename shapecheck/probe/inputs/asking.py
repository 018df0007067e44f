"""Arguments from what the user typed with --input, and from the inputs a model declares for itself. Runs nothing."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import nn

from shapecheck.errors import UserError, did_you_mean
from shapecheck.probe.inputs.candidates import Proposal, beside, parameters_of, parts_of, with_dtype
from shapecheck.probe.inputs.sizing import Sizes, float_dtype
from shapecheck.probe.runs.feeding import Argument, Call, total_bytes
from shapecheck.probe.runs.leaves import (
    ATTENTIVE,
    RECURRENT,
    Arrival,
    convolution_rank,
    is_batch_first,
    leaves_of,
    width,
)
from shapecheck.specs import InputRequest, Size

LARGEST_INPUT = 2 * 2**30
_ROLES = {
    "N": "batch", "B": "batch", "BATCH": "batch", "T": "time", "L": "time", "S": "time", "TIME": "time", "SEQ": "time",
    "H": "height", "HEIGHT": "height", "W": "width", "WIDTH": "width", "D": "depth", "DEPTH": "depth",
}  # fmt: skip


@dataclass(frozen=True)
class Asked:
    """A call as the user asked for it; `names` are the typed sizes of each argument, in the order of the call.

    `guessed` are the names of those whose dtype was not typed.
    """

    call: Call
    names: tuple[tuple[Size, ...], ...]
    guessed: frozenset[str] = frozenset()

    def allows(self, call: Call) -> bool:
        """Whether a call keeps every size and dtype that was typed, and gives equal names equal sizes."""
        if len(call) < len(self.call):
            return False
        bound: dict[str, int] = {}
        for argument, like, sizes in zip(call, self.call, self.names, strict=False):
            if not sizes and not like.shape:
                continue
            if argument.dtype != like.dtype and like.name not in self.guessed:
                return False
            if len(argument.shape) != len(like.shape):
                return False
            for size, typed in zip(argument.shape, sizes, strict=False):
                if size != (typed if isinstance(typed, int) else bound.setdefault(typed, size)):
                    return False
        return True

    @property
    def tells_batch(self) -> bool:
        """Whether a typed name says which axis is the batch."""
        typed = (size for sizes in self.names for size in sizes)
        return any(isinstance(size, str) and _ROLES.get(size.upper()) == "batch" for size in typed)

    def bound(self, call: Call) -> dict[str, int]:
        pairs = (
            (t, n) for a, typed in zip(call, self.names, strict=False) for t, n in zip(typed, a.shape, strict=False)
        )
        return {typed: size for typed, size in pairs if isinstance(typed, str)}


def asked_for(model: nn.Module, requests: Sequence[InputRequest], sizes: Sizes) -> list[Asked]:
    """The call typed by the user, once for each guess at the required arguments that were not typed.

    Raises UserError for unknown names, too many inputs and inputs of more than 2 GiB.
    """
    required, optional = parameters_of(model)
    by_name = _placed(requests, [p.name for p in (*required, *optional)])
    holders = {name: name.partition(".")[0] for name in by_name if "." in name}
    chosen = _chosen_sizes(model, requests, sizes)
    parts = {part.name: part for part in parts_of(model)}
    given = {name: _argument(model, name, request, chosen) for name, request in by_name.items()}
    for name, holder in holders.items():
        given[name] = replace(given[name], holder=holder, place=parts[name].place if name in parts else -1)
    if total_bytes(given.values()) > LARGEST_INPUT:
        size = total_bytes(given.values()) / 2**30
        raise UserError(
            f"the dummy input would take {size:,.1f} GiB",
            "use smaller sizes, or names for those that do not matter: --input N,3,H,W",
        )
    first = next(iter(given.values()))
    calls: list[Call] = [()]
    for parameter in required:
        if parameter.name in given:
            calls = [(*call, given[parameter.name]) for call in calls]
        elif parameter.name in holders.values():
            held = [argument for argument in given.values() if argument.holder == parameter.name]
            typed_names = {argument.name for argument in held}
            rest = [
                part.guesses(first, model, sizes)[0] for part in parts.values()
                if part.place >= 0 and part.parameter.name == parameter.name and part.name not in typed_names
            ]  # fmt: skip
            calls = [(*call, *held, *rest) for call in calls]
        else:
            guesses = [with_dtype(a, float_dtype(model)) for a in beside(parameter, first, model, sizes)[:3]]
            calls = [(*call, guess) for call in calls for guess in guesses][:12]
    names = {p.name for p in required}
    extra = tuple(replace(a, keyword=True) for name, a in given.items() if name not in names and a.holder not in names)
    typed = {name: request.shape for name, request in by_name.items()}
    guessed = frozenset(name for name, request in by_name.items() if request.dtype is None)
    return [Asked((*call, *extra), tuple(typed.get(a.name, ()) for a in (*call, *extra)), guessed) for call in calls]


def _placed(requests: Sequence[InputRequest], parameters: list[str]) -> dict[str, InputRequest]:
    """Requests by parameter name: named ones first, the others in order of what is left."""
    named = {request.name: request for request in requests if request.name is not None}
    for name in named:
        if name.partition(".")[0] not in parameters:
            raise UserError(f"forward has no parameter {name!r}", did_you_mean(name, parameters))
    left = [name for name in parameters if name not in named and not any(n.startswith(f"{name}.") for n in named)]
    unnamed = [request for request in requests if request.name is None]
    if len(unnamed) > len(left):
        takes = ", ".join(parameters) or "nothing"
        raise UserError(
            f"{len(requests)} inputs were given, but forward takes {len(parameters)}: {takes}", "leave out an --input"
        )
    return dict(zip(left, unnamed, strict=False)) | named


def _chosen_sizes(model: nn.Module, requests: Sequence[InputRequest], sizes: Sizes) -> dict[str, int]:
    """A size for every name typed, different from every number typed."""
    typed = {size for request in requests for size in request.shape if isinstance(size, int)}
    leaves = leaves_of(model)
    time = sizes.samples if leaves and convolution_rank(leaves[0]) == 1 else sizes.steps
    wanted = {"batch": sizes.batch, "time": time, "height": sizes.height, "width": sizes.width, "depth": sizes.depth}
    spare = [41, 43, 47, 59, 61, 67, 71, 73, 79, 83, 89]
    chosen: dict[str, int] = {}
    for name in dict.fromkeys(size for request in requests for size in request.shape if isinstance(size, str)):
        size = wanted.pop(_ROLES.get(name.upper(), ""), None)
        free = [n for n in ((size,) if size else ()) + tuple(spare) if n not in typed and n not in chosen.values()]
        chosen[name] = free[0] if free else spare[0]
    return chosen


def _argument(model: nn.Module, name: str, request: InputRequest, chosen: Mapping[str, int]) -> Argument:
    shape = tuple(size if isinstance(size, int) else chosen[size] for size in request.shape)
    labels = tuple(_ROLES.get(size.upper(), "") if isinstance(size, str) else "" for size in request.shape)
    embeddings = [leaf.num_embeddings for leaf in leaves_of(model) if isinstance(leaf, (nn.Embedding, nn.EmbeddingBag))]
    dtype = getattr(torch, request.dtype) if request.dtype else _entering_dtype(model, name)
    kind = "bool" if dtype is torch.bool else "float" if dtype.is_floating_point or dtype.is_complex else "int"
    return Argument(name, kind, shape, labels, dtype, high=min(embeddings, default=256 if kind == "int" else 2))


def _entering_dtype(model: nn.Module, name: str) -> torch.dtype:
    """The dtype of the layer the input probably enters; a wrong guess is repaired by the first run."""
    leaves = leaves_of(model)
    if leaves and isinstance(leaves[0], (nn.Embedding, nn.EmbeddingBag)):
        return torch.int64
    return float_dtype(model)


def requested_proposals(asked: Sequence[Asked]) -> Iterator[Proposal]:
    for rank, one in enumerate(asked):
        yield Proposal(one.call, 0.2 * rank, "as typed")


# ---------------------------------------------------------------------------- what the model declares


def declared(model: nn.Module) -> Iterator[tuple[str, Call]]:
    """Calls from the attributes by which models announce an example of their input."""
    names = [p.name for group in parameters_of(model) for p in group]
    example = _attribute(model, "example_input_array")
    if example is not None:
        yield "example_input_array", _from_example(example, names)
    dummies = _attribute(model, "dummy_inputs")
    main = _attribute(model, "main_input_name")
    if isinstance(dummies, Mapping) and dummies and (main is None or main in dummies):
        yield "dummy_inputs", _from_example(dummies, names)
    for attribute in ("pretrained_cfg", "default_cfg"):
        configuration = _attribute(model, attribute)
        size = _shape(configuration.get("input_size") if isinstance(configuration, Mapping) else None)
        if size:
            yield attribute, _from_shape(model, (2, *size), names)
    shape = _shape(_attribute(model, "input_shape"))
    if shape:
        whole, rest = _from_shape(model, (2, *shape), names), _from_shape(model, (2, *shape[1:]), names)
        for call in (rest, whole) if shape[0] == 1 else (whole, rest):  # a leading one is mostly the batch itself
            yield "input_shape", call


def _attribute(model: nn.Module, name: str) -> Any:
    """A property of the user's may raise anything."""
    try:
        return getattr(model, name, None)
    except Exception:
        return None


def _shape(value: object) -> tuple[int, ...]:
    """A shape, or () for anything else."""
    sizes = tuple(value) if isinstance(value, (tuple, list)) else ()
    return sizes if len(sizes) < 6 and all(isinstance(n, int) and n > 0 for n in sizes) else ()


def _from_shape(model: nn.Module, shape: tuple[int, ...], names: list[str]) -> Call:
    return (Argument(names[0] if names else "input", shape=shape, dtype=float_dtype(model)),)


def _from_example(example: Any, names: list[str]) -> Call:
    if isinstance(example, Mapping):
        return tuple(replace(_like(value), name=str(name), keyword=True) for name, value in example.items())
    values = example if isinstance(example, tuple) else (example,)
    padded = [*names, *(f"input{number}" for number in range(len(names), len(values)))]
    return tuple(replace(_like(value), name=name) for name, value in zip(padded, values, strict=False))


def _like(value: Any) -> Argument:
    if not isinstance(value, torch.Tensor):
        return Argument(kind="constant", value=value)
    shape, dtype = tuple(value.shape), value.dtype
    if dtype is torch.bool:
        return Argument(kind="bool", shape=shape, dtype=dtype)
    if dtype.is_floating_point or dtype.is_complex:
        return Argument(shape=shape, dtype=dtype)
    return Argument(kind="int", shape=shape, dtype=dtype, high=int(value.max()) + 1 if value.numel() else 2)


# ---------------------------------------------------------------------------- what the axes are probably meant to be


def labelled(call: Call, arrivals: Sequence[Arrival]) -> Call:
    """Labels for axes nobody labelled, from the layer the input enters and by the usual order of axes."""
    first = arrivals[0] if arrivals else None
    return tuple(_labelled(argument, first) if argument.is_tensor else argument for argument in call)


def _labelled(argument: Argument, first: Arrival | None) -> Argument:
    if any(argument.labels) and "batch" in argument.labels:
        return argument
    usual = dict(enumerate(_usual_labels(argument, first)))
    named = [argument.label(axis) or usual.get(axis, "") for axis in range(len(argument.shape))]
    once = [name if argument.label(axis) or name not in argument.labels else "" for axis, name in enumerate(named)]
    return replace(argument, labels=tuple(once))


def _usual_labels(argument: Argument, first: Arrival | None) -> tuple[str, ...]:
    shape = argument.shape
    if not shape:
        return ()
    if argument.kind == "int":
        return ("batch", *("time",) * (len(shape) - 1))
    leaf = first.leaf if first else None
    if (
        first is not None
        and isinstance(leaf, (*RECURRENT, *ATTENTIVE))
        and first.shape == shape
        and not is_batch_first(leaf)
    ):
        return ("time", "batch", "")[: len(shape)]
    rank = convolution_rank(leaf) if leaf is not None else 0
    space: tuple[str, ...] = ("time",) if rank == 1 else ("depth", "height", "width")[-rank:] if rank else ()
    if first is not None and space and len(shape) > rank:
        return _by_arrival(shape, first.shape[-rank:], space)
    pinned = width(leaf) if leaf is not None else None
    if len(shape) == 2:
        return ("batch", "" if pinned == shape[1] or leaf is None else "time")
    if len(shape) == 3:
        return ("batch", "", "time") if pinned == shape[1] != shape[2] else ("batch", "time", "")
    names = ("height", "width") if len(shape) == 4 else ("depth", "height", "width")
    return (
        ("batch", *names, "") if len(shape) > 1 and shape[-1] <= 4 < shape[1] else ("batch", "", *names)[: len(shape)]
    )


def _by_arrival(shape: tuple[int, ...], arrived: tuple[int, ...], space: tuple[str, ...]) -> tuple[str, ...]:
    """The last axes that arrive at a convolution are space; they are found again by size, from the back."""
    labels = ["batch", *("",) * (len(shape) - 1)]
    end = len(shape)
    for size, name in zip(reversed(arrived), reversed(space), strict=False):
        axis = next((axis for axis in range(end - 1, 0, -1) if shape[axis] == size), None)
        if axis is None:
            break
        labels[axis], end = name, axis
    return tuple(labels)
