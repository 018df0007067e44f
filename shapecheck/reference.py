"""The loss of each element by itself, by indexing only: what a fix has to agree with. Imports torch.

A single loss takes one index along the axes that the result has, and the others (classes, features) whole. Where an element
lies in the tensors before any fix is known from `Named.origins`; what the fix did beyond moving elements (a mean, a
crop, an argmax) from `Named.done`, and is done here again by hand.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import torch

from shapecheck.calls import keywords
from shapecheck.diagnosis import State
from shapecheck.matching import Facts, Verdict, judge, result_names, result_shape
from shapecheck.measure import dtype_name
from shapecheck.operations import Named
from shapecheck.oracle import Tensors, call_loss
from shapecheck.specs import FLOATING

Place = tuple[int, ...]


def by_hand_at(
    tensors: Tensors, after: State, values: Mapping[str, Any], attention: Any, places: Sequence[Place]
) -> torch.Tensor:
    """The loss of each place by itself: one class vector, one label, no batch. Indexing only.

    A loss that does not take its tensors without a batch gets one of size one.
    """
    arguments = {k: v for k, v in keywords(after, values).items() if k not in ("size_average", "reduce")}
    if "reduction" in after.loss.arguments:
        arguments["reduction"] = "none"
    found: list[torch.Tensor] = []
    alone: bool | None = None
    for place in places:
        single = {
            name: _single(name, tensors, after, values, attention if name == after.loss.output else None, place)
            for name in after.loss.tensors
        }
        single = _as_meant(single, after)
        alone = _takes(after, single) if alone is None else alone
        if not alone:
            single = {name: _with_axes(value, _split(after, name, place)[0]) for name, value in single.items()}
        value = call_loss(after.loss, single, {**arguments, **_along(after, values, place)})
        found.append(value if alone else value.reshape(()))
    return torch.stack(found)


def _takes(after: State, single: Mapping[str, Any]) -> bool:
    """Whether the loss makes one number of these tensors; taken for something else they would give several."""
    if not all(isinstance(value, torch.Tensor) for value in single.values()):
        return True
    facts = {name: Facts(tuple(value.shape), after.tensors[name].dtype) for name, value in single.items()}
    return result_shape(judge(after.loss, facts, after.arguments)) == ()


def _with_axes(value: torch.Tensor, where: Mapping[int, int]) -> torch.Tensor:
    """An element with axes of one where it was taken out of longer ones."""
    for axis in sorted(where):
        value = value.unsqueeze(axis)
    return value


def _as_meant(single: dict[str, Any], after: State) -> dict[str, Any]:
    """Where the target alone would be read in another form: a padded row of labels keeps an axis of one in front, and
    one label for all loses its own."""
    target, form = after.loss.target, _form_of(after.verdict)
    label = single.get(target)
    if not isinstance(label, torch.Tensor) or _form(single, after) == form:
        return single
    ways = ({**single, target: label.unsqueeze(0)}, {**single, target: label.squeeze(0)})
    return next((way for way in ways if _form(way, after) == form), single)


def _form(tensors: Mapping[str, Any], after: State) -> str:
    facts = {
        name: Facts(tuple(value.shape), dtype_name(value))
        if isinstance(value, torch.Tensor)
        else Facts((len(value),) if isinstance(value, list) else (), python=type(value).__name__)
        for name, value in tensors.items()
    }
    return _form_of(judge(after.loss, facts, after.arguments))


def _form_of(verdict: Verdict) -> str:
    return verdict.signature.form if verdict.signature else ""


def _single(name: str, tensors: Tensors, after: State, values: Mapping[str, Any], attention: Any, place: Place) -> Any:
    """One tensor's part of the loss at a place of the result."""
    if not isinstance(values[name], torch.Tensor):
        value = values[name]
        return value[place[0] : place[0] + 1] if isinstance(value, list) and place else value
    where, whole = _split(after, name, place)
    element = _element(tensors[name], after.named[name], where, whole, attention, values[name].shape)
    return _part(element, name, after, values, whole, place).to(values[name].dtype)


def _part(
    element: torch.Tensor, name: str, after: State, values: Mapping[str, Any], whole: Sequence[int], place: Place
) -> torch.Tensor:
    """Of an axis that holds the parts of all samples one after the other, as their lengths say, the sample's own."""
    names = after.verdict.bounds[name].names
    for other, operand in after.loss.tensors.items():
        if operand.adds_up_to in names and place:
            lengths = [int(length) for length in torch.as_tensor(values[other]).reshape(-1)]
            dim = whole.index(names.index(operand.adds_up_to))
            element = element.narrow(dim, sum(lengths[: place[0]]), lengths[place[0]])
    return element


def _split(after: State, name: str, place: Place) -> tuple[dict[int, int], list[int]]:
    """The axes of a tensor that the result has too, with the index along each, and those that stay whole."""
    index = dict(zip(result_names(after.verdict), place))
    names = after.verdict.bounds[name].names
    where = {axis: index[axis_name] for axis, axis_name in enumerate(names) if axis_name in index}
    return where, [axis for axis in range(len(names)) if axis not in where]


def _along(after: State, values: Mapping[str, Any], place: Place) -> dict[str, torch.Tensor]:
    """Keyword tensors that go with the output element by element, at that place."""
    output = values[after.loss.output]
    where, _ = _split(after, after.loss.output, place)
    index = tuple(where.get(axis, slice(None)) for axis in range(output.dim()))
    found = {}
    for name, argument in after.loss.arguments.items():
        value = values.get(name)
        if argument.tensor and not argument.per and isinstance(value, torch.Tensor):
            found[name] = value.expand(output.shape)[index]
    return found


def _element(
    original: torch.Tensor,
    named: Named,
    where: Mapping[int, int],
    whole: Sequence[int],
    attention: Any,
    shape: Sequence[int],
) -> torch.Tensor:
    """What stands at one place of the fixed tensor, of that `shape`, looked up in the original and reduced by hand."""
    index: dict[Any, Any] = {}
    cut = {axes[0]: detail for operation, axes, detail in named.done if operation == "crop"}
    sizes = [cut[axis][1] if axis in cut else size for axis, size in enumerate(original.shape)]
    for axis, position in where.items():
        _place(named.origins[axis], position, sizes, index)
    kept = [axis for axis in whole if named.origins[axis] and isinstance(named.origins[axis][0], int)]
    origins = [origin for axis in kept for origin in named.origins[axis]]
    index.update({origin: slice(None) for origin in origins})
    index.update({axis: _later(index[axis], first, size) for axis, (first, size) in cut.items()})
    index.update({axes[0]: detail for operation, axes, detail in named.done if operation == "pick"})
    row = _row(named, index)
    chosen = index[row] if row is not None else None
    if row is not None:
        index[row] = slice(None)
    parts = {origin: index.pop(origin) for origin in [key for key in index if isinstance(key, tuple)]}
    reductions = [(operation, axes) for operation, axes, _ in named.done if operation in _FOLDS]
    if not reductions:
        value = _looked_up({**index, **_unsplit(parts)}, original, named, shape)
    else:
        operation, axes = reductions[0]
        vectors = [original[_full_index({**index, **step}, original)] for step in _steps(axes, parts, original.shape)]
        value = _FOLDS[operation](vectors, attention)
    value = _in_order(value, origins)
    if len(origins) > len(kept):  # a merged axis that is looked at whole
        value = value.reshape([math.prod(original.shape[origin] for origin in named.origins[axis]) for axis in kept])
    if named.dtype in FLOATING and not value.is_floating_point() and not value.is_complex():
        value = value.float()  # a fix that calculates with bytes casts them first
    for operation, axes, detail in named.done:
        if operation == "one_hot":
            value = _hot(value, parts, named, whole, shape)
        else:
            value = _elementwise(operation, value, detail, _dim(axes, [named.origins[axis][0] for axis in kept]))
    if chosen is not None:
        value = value[chosen]
    return _with_ones(value, named, whole)


def _later(place: Any, first: int, size: int) -> Any:
    """A place in what a crop has kept, as one in the whole; an axis that is looked at whole stays the crop."""
    return slice(first, first + size) if isinstance(place, slice) else place + first


def _row(named: Named, index: Mapping[Any, Any]) -> int | None:
    """The original axis along which a softmax needs a whole row, though the loss looks at one place of it."""
    axes = [consumed for operation, consumed, _ in named.done if operation in ("softmax", "log_softmax")]
    return next((axis[0] for axis in axes if len(axis) == 1 and isinstance(index.get(axis[0]), int)), None)


def _dim(axes: Sequence[Any], kept: Sequence[int]) -> int | None:
    """Where an original axis stands among those that were kept whole."""
    return next((place for place, origin in enumerate(kept) if origin in axes), None)


def _in_order(value: torch.Tensor, origins: list[int]) -> torch.Tensor:
    """Axes that were kept whole stand as in the original; bring them into the order after the fix."""
    if len(origins) < 2 or value.dim() != len(origins):
        return value
    place = {origin: axis for axis, origin in enumerate(sorted(origins))}
    return value.permute([place[origin] for origin in origins])


def _hot(
    value: torch.Tensor, parts: Mapping[Any, int], named: Named, whole: Sequence[int], shape: Sequence[int]
) -> torch.Tensor:
    """The one-hot row of an index, or its place in it."""
    for axis in (axis for axis, origin in enumerate(named.origins) if origin and _is_hot(origin[0])):
        if axis in whole:
            place = list(whole).index(axis)
            behind = (1,) * (value.dim() - place)
            return (torch.arange(shape[axis]).view(-1, *behind) == value.unsqueeze(place)).float()
        return (value == next(iter(parts.values()))).float()
    return value


def _is_hot(origin: Any) -> bool:
    return isinstance(origin, tuple) and origin[0] == "one-hot"


def _with_ones(value: torch.Tensor, named: Named, whole: Sequence[int]) -> torch.Tensor:
    """New axes of size one that stay whole."""
    for place, axis in enumerate(whole):
        if not named.origins[axis] and value.dim() < len(whole):
            value = value.unsqueeze(place)
    return value


def _place(origins: tuple[Any, ...], position: int, shape: Sequence[int], index: dict[Any, Any]) -> None:
    """Where in the original axes a position of a (merged) axis lies, innermost axis fastest."""
    for origin in reversed(origins):
        if not isinstance(origin, int):
            index[origins] = position
            return
        size = shape[origin] if len(origins) > 1 else position + 1
        position, index[origin] = divmod(position, size)


def _looked_up(index: Mapping[Any, Any], original: torch.Tensor, named: Named, shape: Sequence[int]) -> torch.Tensor:
    """What stands at a place; of one between the real ones, those around it as linear interpolation weighs them."""
    axes = {axis for operation, axes, _ in named.done if operation == "resize" for axis in axes}
    new = {origins[0]: size for origins, size in zip(named.origins, shape) if origins and origins[0] in axes}
    whole = next((axis for axis in new if isinstance(index[axis], slice)), None)
    if whole is not None:
        along = [_looked_up({**index, whole: place}, original, named, shape) for place in range(new[whole])]
        return torch.stack(along, sum(isinstance(index.get(axis), slice) for axis in range(whole)))
    if not new:
        return original[_full_index(index, original)]
    ends = [_around(axis, index[axis], original.shape[axis], size) for axis, size in new.items()]
    corners = [{axis: (place, share) for axis, place, share in corner} for corner in itertools.product(*ends)]
    values = [
        original[_full_index({**index, **{axis: place for axis, (place, _) in corner.items()}}, original)]
        * math.prod(share for _, share in corner.values())
        for corner in corners
    ]
    return torch.stack(values).sum(0)


def _around(axis: int, position: int, size: int, new: int) -> tuple[tuple[int, int, float], ...]:
    """The two places of an axis of that `size` between which a position of the `new` size lies, and their shares."""
    place = max((position + 0.5) * size / new - 0.5, 0.0)
    low = int(place)
    return (axis, low, 1 - (place - low)), (axis, min(low + 1, size - 1), place - low)


def _unsplit(parts: Mapping[Any, int]) -> dict[int, int]:
    """Where in the original axis the place in both halves of a split lies."""
    places = {origins[0]: position for origins, position in parts.items()}
    outers = [origin for origin in places if origin[0] == "outer" and ("inner", *origin[1:]) in places]
    return {axis: places[half, axis, rows] * rows + places["inner", axis, rows] for half, axis, rows in outers}


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


def _sum(vectors: list[torch.Tensor], attention: Any) -> torch.Tensor:
    return torch.stack(vectors).sum(0)


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
    return torch.stack(vectors).float().argmax(0)


_FOLDS: Mapping[str, Any] = {
    "mean": _mean,
    "sum": _sum,
    "last": lambda vectors, attention: vectors[-1],
    "amax": _largest,
    "attend": _attend,
    "argmax": _argmax,
}


def _elementwise(operation: str, value: torch.Tensor, detail: Any, dim: int | None) -> torch.Tensor:
    if operation == "shift":
        return torch.add(value, detail)
    if operation == "times":
        return torch.mul(value, detail)
    if operation == "quotient":
        return torch.floor_divide(value, detail)
    if operation == "clamp":
        return torch.minimum(value, torch.tensor(detail, dtype=value.dtype))
    if operation == "log":
        return value.log()
    if operation == "exp":
        return torch.pow(torch.tensor(math.e).to(value.dtype), value)
    if operation == "sigmoid":
        return (1 + (-value).exp()).reciprocal()
    if operation == "softmax":
        return value.exp() / (value.exp().sum() if dim is None else value.exp().sum(dim, keepdim=True))
    if operation == "log_softmax":
        return value - (value.exp().sum() if dim is None else value.exp().sum(dim, keepdim=True)).log()
    return value
