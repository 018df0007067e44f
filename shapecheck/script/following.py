"""Which part of a module's output each element of a loss's tensor is: what the script did in between, done to indices.

Layout operations are run on a tensor that numbers the elements of the output; what works element by element leaves a number
where it is, a reduction keeps the first of those it takes together. What mixes elements otherwise cannot be followed.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from shapecheck.script.tape import Batch, Made, Other, Shape, Step, found

MOST = 2**25  # elements; larger outputs are not followed
_LINES = 2**16  # elements of the lines along an axis that are looked at
_TURNED = tuple(vars(torch._C.TensorBase)[name].__get__ for name in ("T", "mT", "H", "mH"))
_LAYOUT = frozenset({
    "transpose", "transpose_", "permute", "movedim", "moveaxis", "swapaxes", "swapdims", "t", "t_", "view", "view_as", "reshape",
    "reshape_as", "flatten", "unflatten", "ravel", "squeeze", "unsqueeze", "squeeze_", "unsqueeze_", "narrow", "select",
    "index_select", "__getitem__", "gather", "take_along_dim", "masked_select", "cat", "concat", "concatenate", "stack",
    "hstack", "vstack", "chunk", "split", "tensor_split", "unbind", "expand", "expand_as", "broadcast_to", "repeat", "tile",
    "repeat_interleave", "flip", "roll", "diagonal", "pixel_shuffle", "atleast_2d",
})  # fmt: skip
_CASTS = frozenset({
    "contiguous", "clone", "to", "float", "double", "half", "bfloat16", "type", "type_as", "cpu", "cuda", "detach", "detach_",
    "requires_grad_", "__get__",
})  # fmt: skip
_REDUCTIONS = frozenset({
    "mean", "sum", "amax", "amin", "max", "min", "logsumexp", "norm", "prod", "std", "var", "median", "nanmean",
    "vector_norm", "cosine_similarity", "pairwise_distance",
})  # fmt: skip
_PAIRS = {"cosine_similarity": (2, 1), "pairwise_distance": (0, -1)}  # place and default of the axis they run over
_PRODUCTS = frozenset({
    "matmul", "__matmul__", "__rmatmul__", "mm", "bmm", "baddbmm", "addmm", "einsum", "tensordot", "linear", "bilinear", "conv1d",
    "conv2d", "conv3d", "cdist", "outer", "embedding", "dot", "mv", "multi_head_attention_forward", "scaled_dot_product_attention",
})  # fmt: skip

Instead = Mapping[Step, Callable[..., Any]]


@dataclass(frozen=True, eq=False)
class Trail:
    """A tensor of a loss and what it came of: `made` is the tensor, `base` the part of a module's output, or of a batch.

    `steps` lead from the base to the tensor, in this order; `axes` are for each axis of the tensor the axes of the base that are
    run through along it, None where that cannot be said.
    """

    made: Made
    base: Made
    steps: tuple[Step, ...]
    axes: tuple[frozenset[int], ...] | None


def trail_of(made: Made | None) -> Trail | None:
    """None for what came of no module and no batch."""
    base, steps = _back(made) if made is not None else (None, ())
    if made is None or base is None:
        return None
    if not steps:
        return Trail(made, base, steps, tuple(frozenset({axis}) for axis in range(len(base.shape))))
    numbers = followed(made, base)
    return Trail(made, base, steps, None if numbers is None else varying(numbers, base.shape))


def _back(made: Made) -> tuple[Made | None, tuple[Step, ...]]:
    """The nearest module or batch; of several tensors that a step took, what a module gave comes first."""
    steps: list[Step] = []
    while isinstance(made.source, Step):
        steps.append(made.source)
        taken = made.source.taken
        ends = [(_rank(each), number) for number, each in enumerate(taken)]
        if not ends:
            return None, ()
        made = taken[min(ends)[1]]
    return made, tuple(reversed(steps))


def _rank(made: Made) -> int:
    """0 for what leads to a module, gradient first; 2 for what only leads to a batch."""
    while isinstance(made.source, Step):
        made = min(made.source.taken, key=lambda each: (not each.graded, isinstance(each.source, Batch)))
    return 2 if isinstance(made.source, Batch) else int(not made.graded)


# ---------------------------------------------------------------------------- indices


def followed(made: Made, base: Made, instead: Instead | None = None) -> torch.Tensor | None:
    """The numbers of the base's elements where they are in the tensor, with some steps replaced."""
    if math.prod(base.shape) > MOST or not math.prod(base.shape):
        return None
    numbers = torch.arange(math.prod(base.shape), dtype=torch.int32).reshape(base.shape)
    return _done_again(_Numbering(numbers, instead or {}), made)


def repeated(made: Made, values: torch.Tensor, instead: Instead | None = None) -> torch.Tensor | None:
    """The tensor as the steps make it of these values of the base, some steps replaced; None if they cannot be taken again."""
    return _done_again(_Repeating(values, instead or {}), made)


def _done_again(way: _Numbering, made: Made) -> torch.Tensor | None:
    try:
        return way.of(made)
    except Exception:  # a step that does not run on numbers, or on tensors that are gone, cannot be followed
        return None


class _CannotFollow(Exception):
    pass


class _Numbering:
    """Every module or batch that is of the base's shape is numbered like it: two calls of one module are read alike."""

    def __init__(self, start: torch.Tensor, instead: Instead) -> None:
        self._start, self._instead = start, instead
        self._known: dict[Made, torch.Tensor] = {}

    def of(self, made: Made) -> torch.Tensor:
        if made not in self._known:
            self._known[made] = self._made_of(made)
        return self._known[made]

    def _made_of(self, made: Made) -> torch.Tensor:
        if not isinstance(made.source, Step):
            if made.shape != tuple(self._start.shape):
                raise _CannotFollow
            return self._start
        given = self._done(made.source)
        tensors = list(found(torch.Tensor, given))
        numbered: torch.Tensor = tensors[int(made.path)] if len(tensors) > 1 else tensors[0]
        return numbered

    def _done(self, step: Step) -> Any:
        function = self._instead.get(step, step.function)
        if step.name in _LAYOUT or step.function in _TURNED:
            return function(*self._filled(step.args), **self._filled(dict(step.kwargs)))
        if step.name in _PRODUCTS:
            raise _CannotFollow
        taken = [self.of(made) for made in step.taken if made.shape == step.taken[0].shape or len(step.taken) == 1]
        if step.name in _REDUCTIONS:
            return _reduced(taken[0], step)
        return _kept(taken, step)

    def _filled(self, value: Any) -> Any:
        if isinstance(value, Made):
            return self.of(value)
        if isinstance(value, Other):
            tensor = value.tensor()
            if tensor is None:
                raise _CannotFollow
            return tensor.detach().cpu()
        if isinstance(value, tuple):
            return tuple(self._filled(item) for item in value)
        if isinstance(value, list):
            return [self._filled(item) for item in value]
        if isinstance(value, dict):
            return {name: self._filled(item) for name, item in value.items()}
        return value


class _Repeating(_Numbering):
    """Every step is taken as it was."""

    def _done(self, step: Step) -> Any:
        function = self._instead.get(step, step.function)
        return function(*self._filled(step.args), **self._filled(dict(step.kwargs)))


def _kept(taken: Sequence[torch.Tensor], step: Step) -> torch.Tensor:
    """Element by element; what is broadcast is repeated."""
    for indices in taken:
        if step.shape is not None and tuple(indices.shape) == step.shape:
            return indices
    if step.shape is None or not taken:
        raise _CannotFollow
    return taken[0].expand(step.shape)


def axis_of(step: Step) -> Any:
    """The `dim` of a call, as given or by torch's default."""
    place, default = _PAIRS.get(step.name, (1, None))
    for name in ("dim", "axis"):
        if name in step.kwargs:
            return step.kwargs[name]
    return step.args[place] if place and len(step.args) > place else default


def _reduced(indices: torch.Tensor, step: Step) -> torch.Tensor:
    axis = axis_of(step)
    axes = (axis,) if isinstance(axis, int) else tuple(axis or ())
    if not axes or any(not isinstance(each, int) or isinstance(each, bool) for each in axes):
        raise _CannotFollow
    kept = indices.amin(axes)
    return kept if step.shape is None or tuple(kept.shape) == step.shape else kept.reshape(step.shape)


def as_it_is(tensor: torch.Tensor, *args: Any, **kwargs: Any) -> torch.Tensor:
    """In a step's place: nothing is done."""
    return tensor


def is_layout(step: Step) -> bool:
    """Whether the step leaves every value as it is, wherever it puts it."""
    return step.name in _LAYOUT | _CASTS or step.function in _TURNED


# ---------------------------------------------------------------------------- which axes those are


def varying(indices: torch.Tensor, shape: Shape) -> tuple[frozenset[int], ...]:
    """For each axis the axes of `shape`, whose elements are numbered, that are run through along it."""
    return tuple(_along(indices, axis, shape) for axis in range(indices.dim()))


def _along(indices: torch.Tensor, axis: int, shape: Shape) -> frozenset[int]:
    lines = indices.movedim(axis, -1)
    if not lines.numel():
        return frozenset()
    lines = lines[_some(tuple(lines.shape[:-1]), max(_LINES // lines.shape[-1], 2))].long()
    moving = []
    for place, size in enumerate(shape):
        coordinates = lines // math.prod(shape[place + 1 :]) % size
        if bool((coordinates != coordinates[..., :1]).any()):
            moving.append(place)
    return frozenset(moving)


def _some(shape: Shape, most: int) -> tuple[torch.Tensor, ...]:
    """Indices of all places, or of a fixed draw of them."""
    total = math.prod(shape)
    generator = torch.Generator().manual_seed(0)
    places = torch.arange(total) if total <= most else torch.randint(total, (most,), generator=generator)
    return tuple(torch.unravel_index(places, shape)) if shape else ()


def carried(trail: Trail, roles: Sequence[str]) -> tuple[str, ...] | None:
    """The roles of the tensor's axes, from those of the base's axes; None if it cannot be followed."""
    axes = trail.axes
    if axes is None or len(roles) != len(trail.base.shape):
        return None
    return tuple(_role(axis, axes, trail.made.shape, roles) for axis in range(len(axes)))


def _role(axis: int, axes: Sequence[frozenset[int]], shape: Sequence[int], roles: Sequence[str]) -> str:
    """An axis that shares what it runs through with another one is a part of it, or mixes it with others."""
    own = axes[axis]
    if not own:
        return "unit" if shape[axis] == 1 else "unknown"
    if any(own & other for place, other in enumerate(axes) if place != axis):
        return "unknown"
    named = {roles[place] for place in own}
    return named.pop() if len(own) == 1 else "merged"


def batches(made: Made) -> Iterator[Batch]:
    """The batches that a tensor came of, whatever was done in between."""
    if isinstance(made.source, Batch):
        yield made.source
    else:
        for each in made.source.taken:
            yield from batches(each)
