"""Samples that read each other: a reshape, a softmax or a layer that takes the batch for something else.

All of it is measured. Sample 0 is disturbed, and the first call is looked for that got it in one place and gave it to others.
Without a replacement that ends the mixing nothing is said, but for a reshape along an axis that certainly is the batch.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch

from shapecheck.probe.behaviour.case import Case, disturbed, kept
from shapecheck.probe.behaviour.naming import shapes_around
from shapecheck.probe.behaviour.reshapes import Repair, repairs
from shapecheck.probe.behaviour.rewriting import reshaped, with_dim
from shapecheck.probe.behaviour.tracing import RESHAPES, Change, Invoked, Step, Trace, traced
from shapecheck.probe.outputs.varying import Free, difference, rows
from shapecheck.probe.runs.feeding import perturbed, tensors_in
from shapecheck.specs import Observation, Remedy

DIMENSION = {
    "softmax": 1, "log_softmax": 1, "softmin": 1, "normalize": 2, "cumsum": 1, "cumprod": 1, "cosine_similarity": 2,
    "norm": 2,
}  # fmt: skip
_MOST_BYTES = 256 * 2**20
_MOST_CULPRITS = 3


@dataclass(frozen=True)
class Seen:
    """One call of the disturbed run: what of its first tensor and of its result had changed."""

    step: Step
    taken: torch.Tensor
    given: torch.Tensor | None
    apart: bool  # whether every tensor it took kept sample 0 in one place
    dim: int | None  # what it was told to run over

    def mixes(self, samples: int) -> bool:
        return self.apart and kept(self.given, samples) is False


def followed(case: Case, group: Free, changes: Mapping[object, Change]) -> list[Seen]:
    """The reshapes and calls along an axis, in order, as far as they changed with index 0 of the group."""
    names = frozenset({*RESHAPES, *DIMENSION})
    held: list[tuple[Step, list[torch.Tensor], Any]] = []
    total = 0

    def hold(step: Step, args: tuple[Any, ...], kwargs: dict[str, Any], result: Any) -> None:
        nonlocal total
        taken = [tensor.detach().clone() for tensor in tensors_in((args, kwargs))]
        given = result.detach().clone() if isinstance(result, torch.Tensor) else None
        total += sum(t.numel() * t.element_size() for t in taken)
        held.append((step, taken, given) if total < _MOST_BYTES else (step, [], None))

    found: list[Seen] = []
    samples = case.size(group)

    def compare(step: Step, args: tuple[Any, ...], kwargs: dict[str, Any], result: Any) -> None:
        if step.number > len(held) or held[step.number - 1][0].name != step.name:
            return
        _, before, after = held[step.number - 1]
        masks = [difference(a, b) for a, b in zip(before, tensors_in((args, kwargs)), strict=False)]
        states = [kept(mask, samples) for mask in masks]
        first = next((mask for mask in masks if mask is not None), None)
        if first is not None and any(states) and isinstance(result, torch.Tensor) and after is not None:
            found.append(Seen(step, first, difference(after, result), False not in states, _dim(step, args, kwargs)))

    base = traced(case.runner, case.call, case.path, Trace(names, hold, changes))
    if base is not None:
        traced(case.runner, case.call, case.path, Trace(names, compare, changes), perturbed(case.call, group.where, 0))
    return found


def _dim(step: Step, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> int | None:
    place = DIMENSION.get(step.name)
    if place is None:
        return None
    given = kwargs.get("dim", args[place] if len(args) > place else None)
    implied = 1 if step.name in ("normalize", "cosine_similarity") or len(step.before) not in (0, 1, 3) else 0
    return given if isinstance(given, int) else implied


# ---------------------------------------------------------------------------- reshapes


def samples_mixed(case: Case, group: Free) -> list[Observation]:
    """A reshape after which one sample's values stand in the rows of others, and each further one behind it."""
    samples, changes, culprits = case.size(group), dict[object, Change](), list[tuple[Step, Repair]]()
    while len(culprits) < _MOST_CULPRITS and not case.runner.expired:
        seen = next(
            (s for s in followed(case, group, changes) if s.step.name in RESHAPES and s.mixes(samples)),
            None,
        )
        if seen is None:
            break
        repair = next((r for r in repairs(seen.step.before, seen.step.after or ()) if _apart(r, seen, samples)), None)
        if repair is None:
            break
        culprits.append((seen.step, repair))
        changes[seen.step.key] = replaced(repair)
        mask = disturbed(case, group.where, changes)
        if mask is not None and mask.shape == case.output.shape and kept(mask, samples, own=True):
            touched = _touched(case, group, mask, samples)
            return [_mixed(case, step, repair, touched, len(culprits)) for step, repair in culprits]
    return []


def replaced(repair: Repair) -> Change:
    """The reshape done by splitting, moving and merging axes."""

    def change(_: Invoked, args: tuple[Any, ...], kwargs: dict[str, Any]) -> torch.Tensor:
        tensor = next(tensors_in((args, kwargs)))
        return tensor.reshape(repair.split).permute(repair.order).reshape(repair.after)

    return change


def _apart(repair: Repair, seen: Seen, samples: int) -> bool:
    mask = seen.taken.reshape(repair.split).permute(repair.order).reshape(repair.after)
    return bool(kept(mask, samples))


def _touched(case: Case, group: Free, mended: torch.Tensor, samples: int) -> int | None:
    """How many rows of the output as it is change with sample 0, counted along the axis that is the batch once mended."""
    mask = disturbed(case, group.where, {})
    axes = [axis for axis, size in enumerate(mended.shape) if size == samples and len(rows(mended, axis)) == 1]
    return len(rows(mask, axes[0])) if axes and mask is not None else None


def _mixed(case: Case, step: Step, repair: Repair, touched: int | None, lines: int) -> Observation:
    group = case.batch
    samples = case.size(group) if group else 0
    before = "" if touched is None else f" (before: {touched} of {samples} rows)"
    with_it = "with it" if lines == 1 else f"with all {lines} such lines changed"
    proof = f"{with_it}, disturbing sample 0 changes row 0 of the output and nothing else{before}"
    facts = {"call": step.name, "touched": (touched or samples) - 1, **shapes_around(case, case.call, step)}
    remedy = Remedy(reshaped(step, repair), "executed", proof)
    return Observation("samples-mixed", step.location, facts=facts, remedy=remedy)


# ---------------------------------------------------------------------------- calls along the batch axis


def along_samples(case: Case, group: Free) -> list[Observation]:
    """A softmax, a similarity and the like that runs over the batch, where another axis keeps the samples apart."""
    samples = case.size(group)
    for seen in followed(case, group, {}):
        step = seen.step
        if step.name in DIMENSION and seen.mixes(samples):
            for dim in (d for d in (len(step.before) - 1, *range(1, len(step.before) - 1)) if step.before[d] > 1):
                mask = disturbed(case, group.where, {step.key: along(DIMENSION[step.name], dim)})
                if mask is not None and kept(mask, samples, own=True) and samples in mask.shape:
                    return [_over_samples(seen, dim, samples)]
    return []


def along(place: int, dim: int) -> Change:
    """The same call over another axis; `place` is where `dim` stands among its arguments."""

    def change(func: Invoked, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        named = {key: value for key, value in kwargs.items() if key not in ("dim", "axis")}
        if len(args) > place:
            return func(*args[:place], dim, *args[place + 1 :], **named)
        return func(*args, **named, dim=dim)

    return change


def _over_samples(seen: Seen, dim: int, samples: int) -> Observation:
    step = seen.step
    proof = f"with it, disturbing sample 0 changes row 0 of the output and nothing else, of {samples} rows"
    consequence = "what comes out for one of them depends on which others are beside it"
    facts = {"call": step.name, "verb": "runs over", "before": step.before, "dim": seen.dim, "consequence": consequence}
    code = with_dim(step, -1 if dim == len(step.before) - 1 else dim)
    return Observation("softmax-over-samples", step.location, facts=facts, remedy=Remedy(code, "executed", proof))
