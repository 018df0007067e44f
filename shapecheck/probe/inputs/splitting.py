"""Which parts of a real batch go into the model, and which to the loss. Runs nothing.

By the names of a mapping and of forward's parameters, else by place: inputs first, the target last.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import nn

from shapecheck.errors import ModelError
from shapecheck.probe.inputs.bundles import held
from shapecheck.probe.inputs.candidates import parameters_of
from shapecheck.probe.inputs.holders import entries, entry_of, name_of, refilled
from shapecheck.probe.inputs.labels import LABELS
from shapecheck.probe.inputs.real import RealCall
from shapecheck.probe.inputs.sizing import float_dtype
from shapecheck.probe.places import defined_at

_TARGETS = (
    "labels", "label", "targets", "target", "y", "y_true", "label_ids", "target_ids", "gold", "tgt", "trg", "tags", "tag",
    "ground_truth", "gt", "masks", "mask", "segmentation", "classes", "class", "cls", "category", "score", "scores",
)  # fmt: skip
_INPUTS = (
    "x", "input", "inputs", "image", "images", "img", "pixel_values", "input_ids", "ids", "tokens", "text", "src", "audio",
    "waveform", "features", "data",
)  # fmt: skip
_WRITE = (
    "write a function that returns one batch as the training loop uses it, inputs first: def data(): return x, target"
)
Path = tuple[Any, ...]


@dataclass(frozen=True, eq=False)
class Split:
    """The call of the model, and where in any batch of this kind the target is; several where that is left open, the likeliest first.

    `inputs` is where the inputs are.
    """

    call: RealCall
    targets: tuple[Path, ...]
    inputs: tuple[Path, ...] = ()
    notes: tuple[str, ...] = ()


def split(batch: Any, model: nn.Module) -> Split:
    """Raises ModelError SC904 where the batch cannot be matched with what forward takes."""
    found = _split(batch, model)
    inputs = tuple(path for path in _paths(batch) if path not in found.targets)
    return replace(found, inputs=inputs, notes=(*found.notes, *_changed(batch, found.call)))


def _paths(batch: Any) -> list[Path]:
    if isinstance(batch, torch.Tensor):
        return [()]
    return [(entry,) for entry, value in entries(batch) if _has_tensor(value)]


def _split(batch: Any, model: nn.Module) -> Split:
    if isinstance(batch, (tuple, list)) and not hasattr(batch, "_fields"):
        return _in_a_row(batch, model) if len(batch) > 1 else _alone(batch[0], model)
    if isinstance(batch, torch.Tensor) or not list(entries(batch)):
        return _alone(batch, model)
    return _by_name(batch, model)


def target_at(batch: Any, path: Path) -> torch.Tensor | None:
    """The tensor there; arrays and numbers become one. None where there is nothing of the kind."""
    for entry in path:
        batch = entry_of(batch, entry)
    found = _tensor(batch)
    return found if isinstance(found, torch.Tensor) else None


def shown(path: Path) -> str:
    """`batch[1]`, `batch['labels']`."""
    return "batch" + "".join(f"[{entry!r}]" for entry in path)


# ---------------------------------------------------------------------------- by place


def _in_a_row(batch: Sequence[Any], model: nn.Module) -> Split:
    required, optional = _parameter_names(model)
    count = min(max(len(required), 1), len(batch) - 1)
    if len(required) == 1 and len(held(model, required[0])) == len(batch) and held(model, required[0])[0].place >= 0:
        return Split(_call((tuple(batch),), {}, model), _targets_in(batch, [len(batch) - 1]))
    args, kwargs = _spread(batch[0], required, optional)
    left = list(range(len(batch) - 1, 0, -1))
    if not args and not kwargs:
        # a decoder may be fed its own target
        args, left = tuple(batch[: max(count, len(required))]), list(range(len(batch) - 1, count - 1, -1))
    paths = _targets_in(batch, left)
    notes = () if len(batch) == 2 else (_told(paths, batch, required),)
    labels = target_at(batch, paths[0]) if paths else None
    return Split(_call(args, kwargs, model, labels), paths, notes=notes)


def _spread(first: Any, required: Sequence[str], optional: Sequence[str]) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """A mapping or tuple whose members are what forward takes one by one; nothing for any other value."""
    if isinstance(first, Mapping) and required and set(required) <= set(first):
        return (), {str(name): value for name, value in first.items() if name in (*required, *optional)}
    if isinstance(first, (tuple, list)) and len(first) == len(required) > 1:
        return tuple(first), {}
    return (), {}


def _targets_in(batch: Sequence[Any], places: Sequence[int]) -> tuple[Path, ...]:
    found: list[Path] = []
    for place in places:
        if isinstance(_tensor(batch[place]), torch.Tensor):
            found.append((place,))
        else:
            found += [(place, *path) for path in _named_targets(batch[place])]
    return tuple(found)


def _told(paths: Sequence[Path], batch: Sequence[Any], required: Sequence[str]) -> str:
    inputs = f"batch[:{len(required)}]" if len(required) > 1 else "batch[0]"
    target = shown(paths[0]) if paths else "nothing"
    return f"the batch has {len(batch)} parts: {inputs} is taken as input, {target} as target"


def _alone(value: Any, model: nn.Module) -> Split:
    return Split(_call((value,), {}, model), (), notes=("the data are taken as input alone: they hold no target",))


# ---------------------------------------------------------------------------- by name


def _by_name(batch: Any, model: nn.Module) -> Split:
    required, optional = _parameter_names(model)
    values = {name_of(batch, entry): (entry, value) for entry, value in entries(batch)}
    names = [name for name in _order(values) if not (name in required and len(required) < len(values))]
    free = [name for name in names if name not in optional] or names
    targets: tuple[Path, ...] = tuple((values[name][0],) for name in free)
    matched = {
        name: values[name][1] for name in (*required, *optional) if name in values and not LABELS.search(name)
    } | {name: values[name][1] for name in required if name in values}
    if set(required) <= set(matched) and matched:
        return Split(_call((), matched, model, _first(batch, targets)), targets)
    rest = [name for name, (_, value) in values.items() if name not in names and _has_tensor(value)]
    if len(required) == 1:
        return _of_one_parameter(batch, model, required[0], values, rest, targets)
    if len(rest) == len(required):
        told = f"{', '.join(rest)} of the batch are fed to forward in this order"
        return Split(_call(tuple(values[name][1] for name in rest), {}, model), targets, notes=(told,))
    message = f"the batch holds {', '.join(values)}, and forward takes {', '.join(required)}"
    raise ModelError(message, _WRITE, code="SC904", location=defined_at(model.forward))


def _of_one_parameter(
    batch: Any,
    model: nn.Module,
    parameter: str,
    values: Mapping[str, tuple[Any, Any]],
    rest: Sequence[str],
    targets: tuple[Path, ...],
) -> Split:
    inside = {entry.name for entry in held(model, parameter)}
    if inside & set(values):
        return Split(_call((batch,), {}, model), targets)
    usual = [name for name in _INPUTS if name in rest]
    if not rest:
        return Split(_call((batch,), {}, model), targets)
    name = (usual or list(rest))[0]
    if not targets:
        targets = tuple((values[other][0],) for other in reversed(rest) if other != name)
    told = f"batch[{name!r}] is taken as input" + (f", {shown(targets[0])} as target" if targets else "")
    return Split(_call((values[name][1],), {}, model), targets, notes=(told,))


def _named_targets(value: Any) -> list[Path]:
    values = {name_of(value, entry): (entry, inner) for entry, inner in entries(value)}
    return [(values[name][0],) for name in _order(values)]


def _order(values: Mapping[str, tuple[Any, Any]]) -> list[str]:
    """The names that may be the target's and hold a tensor, the likeliest first."""
    by_word = {name.lower(): name for name in values}
    usual = [by_word[word] for word in _TARGETS if word in by_word]
    ending = [name for name in values if re.search(r"(labels?|targets?)$", name.lower()) and name not in usual]
    return [name for name in (*usual, *ending) if isinstance(_tensor(values[name][1]), torch.Tensor)]


def _first(batch: Any, paths: Sequence[Path]) -> torch.Tensor | None:
    return target_at(batch, paths[0]) if paths else None


# ---------------------------------------------------------------------------- the call


def _parameter_names(model: nn.Module) -> tuple[list[str], list[str]]:
    required, optional = parameters_of(model)
    if not required and optional and not any(p.kind is inspect.Parameter.KEYWORD_ONLY for p in optional[:1]):
        return [], [parameter.name for parameter in optional]
    return [parameter.name for parameter in required], [parameter.name for parameter in optional]


def _call(args: tuple[Any, ...], kwargs: Mapping[str, Any], model: nn.Module, labels: Any = None) -> RealCall:
    """As the training loop feeds it: arrays as tensors, numbers in the model's own precision."""
    return RealCall(
        tuple(_fed(value, model) for value in args),
        {name: _fed(value, model) for name, value in kwargs.items()},
        training=True,
        labels=labels,
        needed=True,
    )


def _fed(value: Any, model: nn.Module) -> Any:
    value = _tensor(value)
    if isinstance(value, torch.Tensor):
        return _in_precision(value, model)
    changed = [(entry, _tensor(inner)) for entry, inner in entries(value) if _has_tensor(inner)]
    return refilled(value, [(e, _in_precision(t, model)) for e, t in changed if isinstance(t, torch.Tensor)])


def _in_precision(tensor: torch.Tensor, model: nn.Module) -> torch.Tensor:
    bytes_for = not any(isinstance(module, (nn.Embedding, nn.EmbeddingBag)) for module in model.modules())
    if tensor.is_floating_point() or (tensor.dtype is torch.uint8 and bytes_for):
        return tensor.to(float_dtype(model))
    return tensor


def _changed(batch: Any, call: RealCall) -> list[str]:
    """What the training loop has to do as well."""
    before = {str(tensor.dtype) for tensor in _tensors(batch)}
    fed = dict.fromkeys(str(tensor.dtype) for tensor in _tensors((call.args, dict(call.kwargs)), 3))
    new = [dtype.removeprefix("torch.") for dtype in fed if dtype not in before]
    arrays = not before and bool(fed)
    return (
        [f"the {'arrays' if arrays else 'numbers'} of the batch were fed as {' and '.join(new)} tensors"] if new else []
    )


def _tensors(value: Any, depth: int = 2) -> Iterator[torch.Tensor]:
    if isinstance(value, torch.Tensor):
        yield value
    elif depth:
        for _, inner in entries(value):
            yield from _tensors(inner, depth - 1)


def _has_tensor(value: Any) -> bool:
    return isinstance(_tensor(value), torch.Tensor)


def _tensor(value: Any) -> Any:
    """Arrays, numbers and rows of numbers as tensors; anything else as it is."""
    if isinstance(value, torch.Tensor):
        return value
    row = isinstance(value, (list, tuple)) and bool(value) and all(isinstance(v, (int, float)) for v in value)
    array = hasattr(value, "__array__") and getattr(value, "dtype", None) is not None
    if not (row or array or isinstance(value, (int, float))):
        return value
    try:
        return torch.as_tensor(value)
    except (TypeError, ValueError, RuntimeError):
        return value
