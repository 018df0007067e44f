"""What a script does to a model's output before the loss, as far as a loss cares: told from the recorded steps, run on numbers.

Of what the model does, that is left which the script does not undo. Runs no module.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch

from shapecheck.measure import class_axis_of
from shapecheck.probe.behaviour import tracing
from shapecheck.probe.behaviour.reshapes import Repair, mixing, moved, repairs
from shapecheck.probe.behaviour.rewriting import reshaped, squeezed, with_dim
from shapecheck.probe.behaviour.tracing import RESHAPES, SQUEEZES
from shapecheck.rules import Loss
from shapecheck.script.following import Trail, axis_of, carried, followed, is_layout, varying
from shapecheck.script.sources import Shape, Step
from shapecheck.specs import Observation, Remedy

NORMALISERS = frozenset({"softmax", "log_softmax", "sigmoid", "sigmoid_", "expit"})
_LOGARITHMS = frozenset({"log", "log_"})
_POSITIONS = ("time", "depth", "height", "width")
_LASTING = frozenset({"softmax", "log_softmax", "sigmoid", "softmax-over-positions"})
_OF_BATCHES = frozenset({"batch-axis-lost", "batch-of-one-fails", "odd-batch-fails", "batch-is-fixed"})
_OF_GRADIENT = frozenset({"detach", "argmax"})
_SPARED = {"severity": "note", "evidence": "no such batch is known to come"}
_COMES = {"last": "one", "evidence": "the last batch of every epoch will hold one sample"}
_MOST_REPAIRS = 12


@dataclass(frozen=True, eq=False)
class Way:
    """A trail whose base's axes have `roles`, as far as they are known, and the axis of its end that the loss reads as classes."""

    trail: Trail
    roles: tuple[str, ...] | None
    reads: int | None

    @property
    def classes(self) -> int | None:
        """The axis of the base that holds the classes."""
        return self.roles.index("class") if self.roles and "class" in self.roles else None

    @property
    def clean(self) -> bool:
        """Whether each axis of the base is run through along one axis of the end alone, and the classes where they are read."""
        return self.trail.axes is not None and self.is_clean(self.trail.axes)

    def is_clean(self, axes: Sequence[frozenset[int]]) -> bool:
        apart = sum(len(own) for own in axes) == len(frozenset().union(*axes))
        if self.reads is None or self.classes is None or self.reads >= len(axes):
            return apart
        return apart and axes[self.reads] == {self.classes}


def way_of(trail: Trail, loss: Loss, roles: tuple[str, ...] | None) -> Way:
    reads = class_axis_of(loss, trail.made.shape) if loss.has_classes and trail.made.shape else None
    return Way(trail, roles if roles and len(roles) == len(trail.base.shape) else None, reads)


# ---------------------------------------------------------------------------- what the model does


def still_seen(observations: Iterable[Observation], trail: Trail | None, comes: bool) -> Iterator[Observation]:
    """What the script leaves of it; `comes` is whether a batch of one sample is known to come.

    Whether gradient arrives, the tensors themselves have told.
    """
    steps = trail.steps if trail is not None else ()
    rest = [step for step in steps if not is_layout(step)]
    for seen in observations:
        if seen.kind in _OF_GRADIENT:
            continue
        if seen.kind in _OF_BATCHES:
            yield replace(seen, facts={**seen.facts, **(_COMES if comes else _SPARED)})
        elif seen.kind not in _LASTING or not rest:
            yield _where_it_is(seen, trail)
        elif seen.kind == "softmax" and all(step.name in _LOGARITHMS for step in rest):
            yield replace(_where_it_is(seen, trail), kind="log_softmax")


def _where_it_is(seen: Observation, trail: Trail | None) -> Observation:
    """With the axis of the loss's tensor for that of the model's output."""
    axes = trail.axes if trail is not None else None
    if seen.axis is None or axes is None:
        return seen
    places = [place for place, own in enumerate(axes) if own == {seen.axis}]
    return replace(seen, axis=places[0] if len(places) == 1 else None)


# ---------------------------------------------------------------------------- what the script does


def observed(way: Way, comes: bool, is_output: bool) -> Iterator[Observation]:
    """What happens on the way, each at its line. Only of the loss's output it matters that it is normalised."""
    if is_output:
        yield from _normalised(way)
    yield from _mixed(way)
    yield from _along_batch(way)
    if comes:
        yield from _squeezed(way)


def _normalised(way: Way) -> Iterator[Observation]:
    """The softmax, log_softmax or sigmoid that the tensor is, but for changes of layout."""
    logarithm = False
    for step in reversed(way.trail.steps):
        if step.name in NORMALISERS:
            yield from _normaliser(way, step, logarithm)
            return
        if step.name in _LOGARITHMS and not logarithm:
            logarithm = True
        elif not is_layout(step):
            return


def _normaliser(way: Way, step: Step, logarithm: bool) -> Iterator[Observation]:
    kind = "sigmoid" if step.name.startswith(("sigmoid", "expit")) else step.name
    own = _runs_over(way, step)
    if kind != "sigmoid":
        yield from _over_others(way, step, own)
    axes = way.trail.axes or ()
    places = [place for place, end in enumerate(axes) if own is not None and end == own]
    if logarithm:
        kind = {"softmax": "log_softmax"}.get(kind, "")
    if kind:
        yield Observation(kind, step.location, places[0] if len(places) == 1 else None)


def _over_others(way: Way, step: Step, own: frozenset[int] | None) -> Iterator[Observation]:
    """A softmax that runs over positions or samples, where the classes are on another axis."""
    if way.roles is None or way.classes is None or own is None or len(own) != 1:
        return
    role, dim = way.roles[next(iter(own))], dim_of(step)
    if role in _POSITIONS:
        facts: dict[str, Any] = {
            "call": step.name,
            "role": role,
            "position": "time step" if role == "time" else "position",
        }
        yield Observation("softmax-over-positions", step.location, None, facts, _over_classes(way, step))
    elif role == "batch" and dim is not None:
        consequence = "what is made of one of them depends on which others are beside it"
        facts = {
            "call": step.name,
            "verb": "runs over",
            "before": _before(step),
            "dim": dim,
            "consequence": consequence,
        }
        yield Observation("softmax-over-samples", step.location, None, facts, _over_classes(way, step))


def _over_classes(way: Way, step: Step) -> Remedy | None:
    axes = _axes_at(way, step)
    places = [place for place, own in enumerate(axes or ()) if own == {way.classes}]
    if len(places) != 1:
        return None
    dim = -1 if places[0] == len(axes or ()) - 1 else places[0]
    size = _before(step)[places[0]]
    return Remedy(
        with_dim(_as_traced(step), dim), "executed", f"with it, the {size} classes of every row add up to one"
    )


def _runs_over(way: Way, step: Step) -> frozenset[int] | None:
    """The axes of the base that a softmax runs over."""
    axes, dim = _axes_at(way, step), dim_of(step)
    return axes[dim] if axes is not None and dim is not None and dim < len(axes) else None


def _axes_at(way: Way, step: Step) -> tuple[frozenset[int], ...] | None:
    """Of the first tensor that the step takes."""
    made = next(iter(step.taken), None)
    indices = followed(made, way.trail.base) if made is not None else None
    return None if indices is None else varying(indices, way.trail.base.shape)


def dim_of(step: Step) -> int | None:
    """The axis a call runs over, counted from the left; where none is named, the one torch takes."""
    rank, axis = len(_before(step)), axis_of(step)
    if axis is None and step.name in ("softmax", "log_softmax"):
        axis = 0 if rank in (0, 1, 3) else 1
    return axis % rank if isinstance(axis, int) and not isinstance(axis, bool) and rank else None


def _before(step: Step) -> Shape:
    return step.taken[0].shape if step.taken else ()


def _as_traced(step: Step) -> tracing.Step:
    return tracing.Step(0, step.name, step.location, _before(step), step.shape)


# ---------------------------------------------------------------------------- reshapes


def _mixed(way: Way) -> Iterator[Observation]:
    """A reshape after which the classes of one place are no longer together, or that swaps axes by their sizes alone."""
    if way.trail.axes is None or way.clean:
        return
    for step in way.trail.steps:
        if step.name in RESHAPES and step.shape is not None and _is_to_blame(way, step):
            yield _of_reshape(way, step)
            return


def _is_to_blame(way: Way, step: Step) -> bool:
    """Where the classes are known, a reshape that cuts them up; else one by whose sizes axes certainly change places."""
    before, after = _before(step), step.shape or ()
    if way.classes is not None and way.reads is not None:
        return _mended(way, step) is not None
    return sorted(before) == sorted(after) and mixing(before, after) is not None and moved(before, after)


def _mended(way: Way, step: Step) -> Repair | None:
    """A way to the same shape that leaves the classes of each place together, on the axis where they are read."""
    for repair in repairs(_before(step), step.shape or ())[:_MOST_REPAIRS]:
        indices = followed(way.trail.made, way.trail.base, {step: _replacing(repair)})
        if indices is not None and way.is_clean(varying(indices, way.trail.base.shape)):
            return repair
    return None


def _replacing(repair: Repair) -> Any:
    def instead(tensor: torch.Tensor, *args: Any, **kwargs: Any) -> torch.Tensor:
        return tensor.reshape(repair.split).permute(repair.order).reshape(repair.after)

    return instead


def _of_reshape(way: Way, step: Step) -> Observation:
    traced, repair = _as_traced(step), _mended(way, step)
    remedy = Remedy(reshaped(traced, repair), "executed", _proof(way)) if repair is not None else None
    facts = {
        "call": step.name, "before": traced.before, "after": traced.after,
        "roles_before": _shown(way, step), "roles_after": (),
    }  # fmt: skip
    return Observation("positions-mixed", step.location, None, facts, remedy)


def _shown(way: Way, step: Step) -> tuple[str, ...]:
    axes = _axes_at(way, step) or ()
    named = [[way.roles[place] for place in sorted(own)] if way.roles else [] for own in axes]
    return tuple("merged" if len(roles) > 1 else next(iter(roles), "").replace("unknown", "") for roles in named)


def _proof(way: Way) -> str:
    if way.classes is None or way.reads is None:
        return "run on numbered elements: with it every axis is moved as a whole"
    size, shape = way.trail.base.shape[way.classes], way.trail.made.shape
    rows = int(torch.Size(shape).numel()) // max(shape[way.reads], 1)
    return f"run on numbered elements: with it each of the {rows} rows holds the {size} classes of one place, before it did not"


# ---------------------------------------------------------------------------- the batch


def _along_batch(way: Way) -> Iterator[Observation]:
    """A similarity along the batch, where what is compared lies along another axis."""
    if way.roles is None:
        return
    for step in way.trail.steps:
        if step.name != "cosine_similarity" or len(_before(step)) != 2:
            continue
        own, dim, axes = _runs_over(way, step), dim_of(step), _axes_at(way, step)
        if own and dim is not None and axes and {way.roles[place] for place in own} == {"batch"} and axes[1 - dim]:
            consequence = "features are compared over samples, and not the two sides of one sample"
            facts = {
                "call": step.name,
                "verb": "runs over",
                "before": _before(step),
                "dim": dim,
                "consequence": consequence,
            }
            other = 1 - dim
            proof = (
                f"with it there is one similarity for each of the {_before(step)[dim]} samples, of its own values alone"
            )
            code = with_dim(_as_traced(step), -1 if other else 0)
            yield Observation("softmax-over-samples", step.location, None, facts, Remedy(code, "executed", proof))


def _squeezed(way: Way) -> Iterator[Observation]:
    """A squeeze that names no axis, where a batch of one sample comes."""
    for step in way.trail.steps:
        if step.name not in SQUEEZES or axis_of(step) is not None or way.roles is None:
            continue
        axes, before = _axes_at(way, step) or (), _before(step)
        batch = [place for place, own in enumerate(axes) if {way.roles[axis] for axis in own} == {"batch"}]
        if len(batch) != 1:
            continue
        ones = tuple(place - len(before) for place, size in enumerate(before) if size == 1)
        alone = tuple(size for place, size in enumerate(before) if size != 1 and place not in batch)
        wanted = tuple(1 if place in batch else size for place, size in enumerate(before) if size != 1)
        facts = {
            "call": step.name, "output_one": alone, "base_one": _of_one(way), "output_more": step.shape, "of": " of one sample",
            "before": tuple(1 if place in batch else size for place, size in enumerate(before)), "after": alone, **_COMES,
        }  # fmt: skip
        proof = f"with it, a batch of one gives {wanted}"
        remedy = Remedy(squeezed(_as_traced(step), ones), "executed", proof)
        yield Observation("batch-axis-lost", step.location, None, facts, remedy)


def _of_one(way: Way) -> Shape:
    """What the module gives for one sample."""
    sizes = zip(way.trail.base.shape, way.roles or (), strict=True)
    return tuple(1 if role == "batch" else size for size, role in sizes)


# ---------------------------------------------------------------------------- roles


def roles_at_end(way: Way) -> tuple[str, ...] | None:
    """The roles of the axes of the loss's tensor."""
    return carried(way.trail, way.roles) if way.roles is not None else None


def same_reshape(one: Trail, other: Trail) -> bool:
    """Whether both were reshaped alike, so that what an element-wise loss pairs belongs together."""
    return [_sizes(step) for step in one.steps if step.name in RESHAPES] == [
        _sizes(step) for step in other.steps if step.name in RESHAPES
    ]


def _sizes(step: Step) -> tuple[Shape, Shape | None]:
    return _before(step), step.shape
