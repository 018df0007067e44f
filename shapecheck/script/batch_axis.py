"""What the script does to the axis of the samples: a similarity along it, a squeeze that takes it away. Runs no module."""

from __future__ import annotations

from collections.abc import Iterator

from shapecheck.probe.behaviour.rewriting import squeezed, with_dim
from shapecheck.probe.behaviour.tracing import SQUEEZES
from shapecheck.script.following import axis_of
from shapecheck.script.sources import Shape
from shapecheck.script.ways import Way, as_traced, axes_at, before_of, dim_of, runs_over
from shapecheck.specs import Observation, Remedy

COMES = {"last": "one", "evidence": "the last batch of every epoch will hold one sample"}


def along_batch(way: Way) -> Iterator[Observation]:
    """A similarity along the batch, where what is compared lies along another axis."""
    if way.roles is None:
        return
    for step in way.trail.steps:
        if step.name != "cosine_similarity" or len(before_of(step)) != 2:
            continue
        own, dim, axes = runs_over(way, step), dim_of(step), axes_at(way, step)
        if own and dim is not None and axes and {way.roles[place] for place in own} == {"batch"} and axes[1 - dim]:
            consequence = "features are compared over samples, and not the two sides of one sample"
            facts = {
                "call": step.name,
                "verb": "runs over",
                "before": before_of(step),
                "dim": dim,
                "consequence": consequence,
            }
            other = 1 - dim
            proof = f"with it there is one similarity for each of the {before_of(step)[dim]} samples, of its own values alone"
            code = with_dim(as_traced(step), -1 if other else 0)
            yield Observation("softmax-over-samples", step.location, None, facts, Remedy(code, "executed", proof))


def squeezed_away(way: Way) -> Iterator[Observation]:
    """A squeeze that names no axis, where a batch of one sample comes."""
    for step in way.trail.steps:
        if step.name not in SQUEEZES or axis_of(step) is not None or way.roles is None:
            continue
        axes, before = axes_at(way, step) or (), before_of(step)
        batch = [place for place, own in enumerate(axes) if {way.roles[axis] for axis in own} == {"batch"}]
        if len(batch) != 1:
            continue
        ones = tuple(place - len(before) for place, size in enumerate(before) if size == 1)
        alone = tuple(size for place, size in enumerate(before) if size != 1 and place not in batch)
        wanted = tuple(1 if place in batch else size for place, size in enumerate(before) if size != 1)
        facts = {
            "call": step.name, "output_one": alone, "base_one": _of_one(way), "output_more": step.shape, "of": " of one sample",
            "before": tuple(1 if place in batch else size for place, size in enumerate(before)), "after": alone, **COMES,
        }  # fmt: skip
        proof = f"with it, a batch of one gives {wanted}"
        remedy = Remedy(squeezed(as_traced(step), ones), "executed", proof)
        yield Observation("batch-axis-lost", step.location, None, facts, remedy)


def _of_one(way: Way) -> Shape:
    """What the module gives for one sample."""
    sizes = zip(way.trail.base.shape, way.roles or (), strict=True)
    return tuple(1 if role == "batch" else size for size, role in sizes)
