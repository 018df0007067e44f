"""What becomes of batches of other sizes: one that loses its axis, one that fails, a batch that must be even or of one size."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch

from shapecheck.probe.behaviour.case import Case, disturbed
from shapecheck.probe.behaviour.rewriting import squeezed
from shapecheck.probe.behaviour.tracing import RESHAPES, SQUEEZES, Change, Invoked, Shape, Step, Trace, aligned, traced
from shapecheck.probe.inputs.tries import first_line
from shapecheck.probe.outputs.varying import Free, rows
from shapecheck.probe.runs.feeding import Position, main_index, positions, resize, size_at, tensors_in
from shapecheck.probe.runs.running import Trial
from shapecheck.probe.runs.state import in_training
from shapecheck.probe.runs.valueless import shapes_of
from shapecheck.specs import Observation, Remedy

_DROPS = SQUEEZES | RESHAPES | {"__getitem__", "select", "mean", "sum", "unbind"}


def other_batches(case: Case) -> list[Observation]:
    """At most one observation; nothing where the output follows no batch."""
    group = next((group for group in case.named.free if group.label == "batch"), None)
    if group is None or not group.slopes:
        return _fixed(case)
    return _even_only(case, group) or _batch_of_one(case, group)


# ---------------------------------------------------------------------------- a batch of one


def _batch_of_one(case: Case, group: Free) -> list[Observation]:
    trial = case.runner.run(resize(case.call, group.where, 1))
    if not trial.worked:
        return [Observation("batch-of-one-fails", trial.location, facts=_error(trial))]
    wanted = _expected(case, group)
    shape = shapes_of(trial.output).get(case.path)
    return [] if shape is None or _is_as_expected(case, shape, wanted, group) else _lost(case, group, shape, wanted)


def one_fails_in_training(case: Case) -> list[Observation]:
    """A batch norm has no statistics of a single sample: what several samples do in train mode, one does not."""
    group = case.batch
    if group is None or case.size(group) < 2:
        return []
    with in_training(case.runner.model):
        several, one = (case.runner.run(resize(case.call, group.where, size)) for size in (case.size(group), 1))
    if one.worked or not several.worked:
        return []
    return [Observation("batch-of-one-fails", one.location, facts=_error(one))]


def _error(trial: Trial) -> dict[str, Any]:
    words = first_line(trial.error, trial.wanted) if trial.error else ""
    return {"error": words, "line": trial.location.line if trial.location else None}


def _expected(case: Case, group: Free) -> Shape:
    """The output's shape for one sample: axes that follow the batch are as many times shorter."""
    samples = case.size(group)
    return tuple(n // samples if a in group.slopes and n % samples == 0 else n for a, n in enumerate(case.output.shape))


def _is_as_expected(case: Case, shape: Shape, wanted: Shape, group: Free) -> bool:
    """Axes that are no multiple of the batch may depend on the values, as the length of made-up speech does."""
    samples = case.size(group)
    axes = (axis for axis in group.slopes if case.output.shape[axis] % samples == 0)
    return len(shape) == len(wanted) and all(shape[axis] == wanted[axis] for axis in axes)


def _output_of_one(case: Case, group: Free, changes: Mapping[object, Change]) -> tuple[torch.Tensor | None, list[Step]]:
    trace = Trace(_DROPS, changes=changes)
    return traced(case.runner, resize(case.call, group.where, 1), case.path, trace), trace.steps


def _lost(case: Case, group: Free, shape: Shape, wanted: Shape) -> list[Observation]:
    """The first call that gives fewer axes for one sample than for several, and whose mending brings the axis back."""
    more = Trace(_DROPS)
    traced(case.runner, case.call, case.path, more)
    one = _output_of_one(case, group, {})[1]
    pairs = list(aligned(more.steps, one))
    facts: dict[str, Any] = {"output_one": shape, "output_more": tuple(case.output.shape), "of": " of one sample"}
    changes: dict[object, Change] = {}
    named: list[tuple[Step, tuple[int, ...]]] = []
    for usual, alone in pairs:
        if alone.name in SQUEEZES and usual.after is not None and len(alone.after or ()) < len(usual.after):
            dropped = tuple(axis for axis, size in enumerate(usual.before) if size == 1)
            dropped = dropped if len(usual.before) - len(usual.after) == len(dropped) else ()
            changes[alone.number] = _squeezing(dropped)
            named.append((alone, dropped))
            output, _ = _output_of_one(case, group, changes)
            if output is not None and _is_as_expected(case, tuple(output.shape), wanted, group):
                return _mended(named, facts, wanted)
    if len(shape) == len(wanted):
        return []
    dropping = (alone for usual, alone in pairs if len(alone.after or ()) < len(usual.after or ()))
    first = next(dropping, one[len(pairs)] if len(pairs) < len(one) else None)
    if first is not None:
        facts |= {"call": first.name, "before": first.before, "after": first.after}
    return [Observation("batch-axis-lost", first.location if first else None, facts=facts)]


def _squeezing(dims: tuple[int, ...]) -> Change:
    def change(_: Invoked, args: tuple[Any, ...], kwargs: dict[str, Any]) -> torch.Tensor:
        return next(tensors_in((args, kwargs))).squeeze(dims)

    return change


def _mended(named: list[tuple[Step, tuple[int, ...]]], facts: dict[str, Any], wanted: Shape) -> list[Observation]:
    """One for each line; `executed` says that they were all changed."""
    found: dict[object, Observation] = {}
    for step, dims in named:
        with_it = "with it" if len(named) == 1 else f"with all {len(named)} such lines changed"
        proof = f"{with_it}, a batch of one gives {wanted}"
        remedy = Remedy(
            squeezed(step, tuple(axis - len(step.before) if axis else 0 for axis in dims)), "executed", proof
        )
        call = {"call": step.name, "before": step.before, "after": step.after}
        found.setdefault(
            step.location, Observation("batch-axis-lost", step.location, facts=facts | call, remedy=remedy)
        )
    return list(found.values())


# ---------------------------------------------------------------------------- batches that must have some size


def _even_only(case: Case, group: Free) -> list[Observation]:
    """An even batch was found to run; odd ones do not."""
    if case.size(group) % 2:
        return []
    if not all(case.runner.run(resize(case.call, group.where, size)).worked for size in (4, 6)):
        return []
    odd = [case.runner.run(resize(case.call, group.where, size)) for size in (3, 5)]
    if any(trial.worked for trial in odd):
        return []
    return [Observation("odd-batch-fails", odd[0].location, facts=_error(odd[0]) | {"size": 3})]


def _fixed(case: Case) -> list[Observation]:
    """The batch is certainly one, samples are independent along it, and no other size of it runs."""
    where = _stuck(case)
    if not where or not _alone(case, where):
        return []
    samples = size_at(case.call, where[0])
    if samples < 2:
        return []
    mask = disturbed(case, where, {})
    independent = mask is not None and any(
        size == samples and rows(mask, axis) == [0] for axis, size in enumerate(mask.shape)
    )
    if not independent:
        return []
    trials = [case.runner.run(resize(case.call, where, size)) for size in (samples - 1, samples + 1, 2 * samples)]
    if any(trial.worked for trial in trials):
        return []
    facts = {"size": samples, "declared": _declared(case, samples)} | _error(trials[0])
    return [Observation("batch-is-fixed", trials[0].location, facts=facts)]


def _stuck(case: Case) -> tuple[Position, ...]:
    """The axes labelled batch; without such the first of the main input, if it does not vary and is no fixed size."""
    varied = {position for group in case.named.free for position in group.where}
    stuck = [position for position in positions(case.call) if position not in varied]
    where = tuple(p for p in stuck if case.call[p[0]].label(p[1]) == "batch")
    first = (main_index(case.call), 0)
    return where or ((first,) if first in stuck and case.call[first[0]].label(0) else ())


def _alone(case: Case, where: tuple[Position, ...]) -> bool:
    """Whether every input has its batch axis among these, so that all of them can be resized together."""
    having = {index for index, _ in where}
    samples = size_at(case.call, where[0])
    return all(
        argument.kind != "constant" and (index in having or samples not in argument.shape)
        for index, argument in enumerate(case.call)
    )


def _declared(case: Case, samples: int) -> str:
    """The attribute by which the model says so itself: `self.batch_size`; '' without."""
    names = (
        name
        for module in case.runner.model.modules()
        for name, value in vars(module).items()
        if value == samples
        and isinstance(value, int)
        and name in ("batch_size", "batch", "bs", "bsz", "batch_sz", "n_batch")
    )
    name = next(names, "")
    return f"self.{name}" if name else ""
