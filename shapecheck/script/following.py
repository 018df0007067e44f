"""Which part of a module's output each element of a loss's tensor is: what the script did in between, done to indices.

Layout operations are run on a tensor that numbers the elements of the output; what works element by element leaves a number
where it is, a reduction keeps the first of those it takes together. What mixes elements otherwise cannot be followed.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch

from shapecheck.script.functions import CASTS, LAYOUT, PAIRS, PRODUCTS, REDUCTIONS, RESIZES, TURNED
from shapecheck.script.sources import Batch, Given, Made, ModuleCall, Other, Shape, Step, found

MOST = 2**25  # elements; larger outputs are not followed
_LINES = 2**16  # elements of the lines along an axis that are looked at
Instead = Mapping[Step, Callable[..., Any]]


@dataclass(frozen=True, eq=False)
class Trail:
    """A tensor of a loss and what it came of: `made` is the tensor, `base` the part of a module's output, of a batch, or other data.

    `steps` lead from the base to the tensor, in this order; `axes` are for each axis of the tensor the axes of the base that are
    run through along it, None where that cannot be said.
    """

    made: Made
    base: Made
    steps: tuple[Step, ...]
    axes: tuple[frozenset[int], ...] | None


def trail_of(made: Made | None) -> Trail | None:
    """None for what nothing is known of."""
    trail = path_of(made)
    if trail is None or not trail.steps:
        return trail
    numbers = followed(trail.made, trail.base)
    return replace(trail, axes=None if numbers is None else varying(numbers, trail.base.shape))


def path_of(made: Made | None) -> Trail | None:
    """The trail without its axes, as long as there is any step."""
    base, steps = _back(made) if made is not None else (None, ())
    if made is None or base is None:
        return None
    own = tuple(frozenset({axis}) for axis in range(len(base.shape)))
    return Trail(made, base, steps, None if steps else own)


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
    """0 for what leads to a module, gradient first; 2 for what only leads to a batch, 3 to other data."""
    while isinstance(made.source, Step):
        made = min(made.source.taken, key=lambda each: (not each.graded, isinstance(each.source, (Batch, Given))))
    if isinstance(made.source, ModuleCall):
        return int(not made.graded)
    return 2 if isinstance(made.source, Batch) else 3


# ---------------------------------------------------------------------------- indices


def followed(made: Made, base: Made, instead: Instead | None = None) -> torch.Tensor | None:
    """The numbers of the base's elements where they are in the tensor, with some steps replaced."""
    if math.prod(base.shape) > MOST or not math.prod(base.shape):
        return None
    numbers = torch.arange(math.prod(base.shape), dtype=torch.int32).reshape(base.shape)
    return _done_again(_Numbering(numbers, base, instead or {}), made)


def repeated(made: Made, base: Made, values: torch.Tensor, instead: Instead | None = None) -> torch.Tensor | None:
    """The tensor as the steps make it of these values of the base, some steps replaced; None if they cannot be taken again.

    The values may be of another shape, as those of fewer samples.
    """
    return _done_again(_Repeating(values, base, instead or {}), made)


def _done_again(way: _Numbering, made: Made) -> torch.Tensor | None:
    try:
        return way.of(made)
    except Exception:  # a step that does not run on numbers, or on tensors that are gone, cannot be followed
        return None


class _CannotFollow(Exception):
    pass


class _Numbering:
    """Every module or batch that is of the base's shape is numbered like it: two calls of one module are read alike."""

    def __init__(self, start: torch.Tensor, base: Made, instead: Instead) -> None:
        self._start, self._base, self._instead = start, base, instead
        self._known: dict[Made, torch.Tensor] = {}
        self._rooted: dict[Made, bool] = {}

    def of(self, made: Made) -> torch.Tensor:
        if made not in self._known:
            self._known[made] = self._made_of(made)
        return self._known[made]

    def _made_of(self, made: Made) -> torch.Tensor:
        if not isinstance(made.source, Step):
            if not self._is_rooted(made):
                raise _CannotFollow
            return self._start
        given = self._done(made.source)
        tensors = list(found(torch.Tensor, given))
        numbered: torch.Tensor = tensors[int(made.path)] if len(tensors) > 1 else tensors[0]
        return numbered

    def _is_rooted(self, made: Made) -> bool:
        """Whether it comes, among others, of what is numbered."""
        if made not in self._rooted:
            source = made.source
            if isinstance(source, Step):
                self._rooted[made] = any(self._is_rooted(each) for each in source.taken)
            else:
                self._rooted[made] = type(source) is type(self._base.source) and made.shape == self._base.shape
        return self._rooted[made]

    def _done(self, step: Step) -> Any:
        if step.name in LAYOUT or step.function in TURNED:
            return self._again(step)
        if step.name == "__setitem__":
            return self._put(step)
        if step.name in PRODUCTS:
            raise _CannotFollow
        rooted = [made for made in step.taken if self._is_rooted(made)]
        taken = [self.of(made) for made in rooted if made.shape == rooted[0].shape]
        if step.name in REDUCTIONS:
            return _reduced(taken[0], step)
        return _resized(taken[0], step) if step.name in RESIZES else _kept(taken, step)

    def _again(self, step: Step) -> Any:
        """The step as it was; indices and masks are what they were."""
        function = self._instead.get(step, step.function)
        return function(*self._filled(step.args), **self._filled(dict(step.kwargs)))

    def _put(self, step: Step) -> torch.Tensor:
        """A part of a tensor replaced; what was there before is numbered where it came of the base as well."""
        whole, place, value = step.args
        rooted = isinstance(whole, Made) and self._is_rooted(whole)
        filled = self.of(whole).clone() if rooted else torch.zeros(whole.shape, dtype=self._start.dtype)
        filled[self._plain(place)] = self._filled(value)
        return filled

    def _filled(self, value: Any) -> Any:
        return _replaced(value, self.of)

    def _plain(self, value: Any) -> Any:
        return _replaced(value, _there)


def _replaced(value: Any, of: Callable[[Made], torch.Tensor]) -> Any:
    """The arguments of a step with tensors in their places."""
    if isinstance(value, Made):
        return of(value)
    if isinstance(value, Other):
        return _there(value)
    if isinstance(value, torch.Tensor):
        return value.detach().cpu()
    if isinstance(value, tuple):
        return tuple(_replaced(item, of) for item in value)
    if isinstance(value, list):
        return [_replaced(item, of) for item in value]
    if isinstance(value, dict):
        return {name: _replaced(item, of) for name, item in value.items()}
    return value


def _there(value: Made | Other) -> torch.Tensor:
    """The tensor itself, if there still is one."""
    tensor = value.tensor()
    if tensor is None:
        raise _CannotFollow
    return tensor.detach().cpu()


class _Repeating(_Numbering):
    """Every step is taken as it was."""

    def _done(self, step: Step) -> Any:
        return self._put(step) if step.name == "__setitem__" else self._again(step)


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
    place, default = PAIRS.get(step.name, (1, None))
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


def _resized(indices: torch.Tensor, step: Step) -> torch.Tensor:
    """Pooled or interpolated: at each place a number from there, samples and channels apart."""
    if (
        step.shape is None
        or len(step.shape) != indices.dim()
        or tuple(indices.shape[:-3]) != step.shape[: indices.dim() - 3]
    ):
        raise _CannotFollow
    for axis, (old, new) in enumerate(zip(indices.shape, step.shape, strict=True)):
        if old != new:
            indices = indices.index_select(axis, torch.arange(new) * old // new)
    return indices


def as_it_is(tensor: torch.Tensor, *args: Any, **kwargs: Any) -> torch.Tensor:
    """In a step's place: nothing is done."""
    return tensor


def is_layout(step: Step) -> bool:
    """Whether the step leaves every value as it is, wherever it puts it."""
    return step.name in LAYOUT | CASTS or step.function in TURNED


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
    elif not isinstance(made.source, Given):
        for each in made.source.taken:
            yield from batches(each)
