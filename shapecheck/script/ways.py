"""A tensor of a loss, and what is known of the axes of the module's output that it came of. Runs no module."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from shapecheck.measure import class_axis_of
from shapecheck.probe.behaviour import tracing
from shapecheck.rules import Loss
from shapecheck.script.following import Trail, axis_of, followed, varying
from shapecheck.script.sources import Shape, Step


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


def axes_at(way: Way, step: Step) -> tuple[frozenset[int], ...] | None:
    """Of the first tensor that the step takes."""
    made = next(iter(step.taken), None)
    indices = followed(made, way.trail.base) if made is not None else None
    return None if indices is None else varying(indices, way.trail.base.shape)


def dim_of(step: Step) -> int | None:
    """The axis a call runs over, counted from the left; where none is named, the one torch takes."""
    rank, axis = len(before_of(step)), axis_of(step)
    if axis is None and step.name in ("softmax", "log_softmax"):
        axis = 0 if rank in (0, 1, 3) else 1
    return axis % rank if isinstance(axis, int) and not isinstance(axis, bool) and rank else None


def before_of(step: Step) -> Shape:
    return step.taken[0].shape if step.taken else ()


def as_traced(step: Step) -> tracing.Step:
    return tracing.Step(0, step.name, step.location, before_of(step), step.shape)


def runs_over(way: Way, step: Step) -> frozenset[int] | None:
    """The axes of the base that a softmax runs over."""
    axes, dim = axes_at(way, step), dim_of(step)
    return axes[dim] if axes is not None and dim is not None and dim < len(axes) else None
