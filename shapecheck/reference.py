"""The loss of each element by itself, by indexing only: what a fix has to agree with. Imports torch.

Where an element lies in the tensors before any fix is known from `Named.origins`; what the fix did beyond moving
elements (a mean, a crop, an argmax) from `Named.done`, and is done here again by hand.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import torch
import torch.nn.functional as F

from shapecheck.calls import keywords
from shapecheck.diagnosis import State
from shapecheck.operations import Named
from shapecheck.oracle import Tensors


def by_hand_at(
    tensors: Tensors, after: State, values: Mapping[str, Any], attention: Any, places: Sequence[tuple[int, ...]]
) -> torch.Tensor:
    """The loss of each place by itself: one class vector, one label, no batch. Indexing only."""
    output, target = after.named["output"], after.named["target"]
    classes = [axis for axis, name in enumerate(output.names) if name == "class"] if _has_classes(after) else []
    outer = [axis for axis in range(len(output.names)) if axis not in classes]
    soft = bool(classes) and len(target.names) == len(output.names)
    arguments = {k: v for k, v in keywords(after, values).items() if k not in ("size_average", "reduce")}
    arguments["reduction"] = "none"
    single = getattr(F, after.loss_name)
    found = []
    for place in places:
        where = dict(zip(outer, place))
        vector = _element(tensors["output"], output, where, classes, attention)
        at = where if soft or not classes else dict(enumerate(place))
        label = _element(tensors["target"], target, at, classes if soft else [], None)
        found.append(single(vector.to(values["output"].dtype), label.to(values["target"].dtype), **arguments))
    return torch.stack(found)


def _has_classes(after: State) -> bool:
    return after.loss is not None and after.loss.has_classes


def _element(
    original: torch.Tensor, named: Named, where: Mapping[int, int], classes: Sequence[int], attention: Any
) -> torch.Tensor:
    """What stands at one place of the fixed tensor, looked up in the original one and reduced by hand."""
    index: dict[Any, Any] = {}
    cut = {axes[0]: detail for operation, axes, detail in named.done if operation == "crop"}
    sizes = [cut[axis][1] if axis in cut else size for axis, size in enumerate(original.shape)]
    for axis, position in where.items():
        _place(named.origins[axis], position, sizes, index)
    for axis in classes:
        index[named.origins[axis][0]] = slice(None)
    index.update({axis: index[axis] + first for axis, (first, _) in cut.items()})
    index.update({axes[0]: detail for operation, axes, detail in named.done if operation == "pick"})
    parts = {origin: index.pop(origin) for origin in [key for key in index if isinstance(key, tuple)]}
    reductions = [(operation, axes) for operation, axes, _ in named.done if operation in _FOLDS]
    if not reductions:
        value = original[_full_index(index, original)]
    else:
        operation, axes = reductions[0]
        vectors = [original[_full_index({**index, **step}, original)] for step in _steps(axes, parts, original.shape)]
        value = _FOLDS[operation](vectors, attention)
    for operation, _, detail in named.done:
        value = _elementwise(operation, value, detail)
    return value


def _place(origins: tuple[Any, ...], position: int, shape: Sequence[int], index: dict[Any, Any]) -> None:
    """Where in the original axes a position of a (merged) axis lies, innermost axis fastest."""
    for origin in reversed(origins):
        if not isinstance(origin, int):
            index[origins] = position
            return
        size = shape[origin] if len(origins) > 1 else position + 1
        position, index[origin] = divmod(position, size)


def _steps(axes: tuple[Any, ...], parts: Mapping[Any, int], shape: Sequence[int]) -> Iterator[dict[int, int]]:
    """Every index over the axes that a reduction consumed; rows of a sample that were split off come in turn."""
    if axes and not isinstance(axes[0], int):
        # The split names both sizes: (("outer", axis, rows),) and (("inner", axis, rows),).
        ((_, axis, rows),), outer = next(iter(parts.items()))
        yield from ({axis: outer * rows + inner} for inner in range(rows))
        return
    for place in itertools.product(*(range(shape[axis]) for axis in axes)):
        yield dict(zip(axes, place))


def _full_index(index: Mapping[int, Any], original: torch.Tensor) -> tuple[Any, ...]:
    return tuple(index.get(axis, 0) for axis in range(original.dim()))


def _mean(vectors: list[torch.Tensor], attention: Any) -> torch.Tensor:
    return torch.stack(vectors).sum(0) / len(vectors)


def _largest(vectors: list[torch.Tensor], attention: Any) -> torch.Tensor:
    value = vectors[0]
    for vector in vectors[1:]:
        value = torch.maximum(value, vector)
    return value


def _attend(vectors: list[torch.Tensor], attention: Any) -> torch.Tensor:
    """A convex combination: exp of each score over the sum of all."""
    with torch.no_grad():
        scores = [float((attention.weight[0] * vector).sum() + attention.bias[0]) for vector in vectors]
    top = max(scores)
    weights = [math.exp(score - top) for score in scores]
    combined: torch.Tensor = torch.stack(
        [vector * (weight / sum(weights)) for vector, weight in zip(vectors, weights)]
    ).sum(0)
    return combined


def _argmax(vectors: list[torch.Tensor], attention: Any) -> torch.Tensor:
    values = [float(vector) for vector in vectors]
    return torch.tensor(values.index(max(values)))


_FOLDS: Mapping[str, Any] = {
    "mean": _mean,
    "last": lambda vectors, attention: vectors[-1],
    "amax": _largest,
    "attend": _attend,
    "argmax": _argmax,
}


def _elementwise(operation: str, value: torch.Tensor, detail: int) -> torch.Tensor:
    if operation == "shift":
        return value + detail
    if operation == "log":
        return value.log()
    if operation == "log_softmax":
        return value - value.exp().sum().log()
    return value
