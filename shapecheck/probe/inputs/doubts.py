"""Calls that run and are still not what the model is for, and better ones beside them.

A doubtful call is used where nothing better is found.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from shapecheck.probe.inputs.candidates import INDEX_NAMES, Proposal, with_dtype
from shapecheck.probe.inputs.sizing import float_dtype
from shapecheck.probe.outputs.outputs import pieces
from shapecheck.probe.runs.feeding import GROWING, SPACE, Argument, Call, Position, batch_of, main_index, resize
from shapecheck.probe.runs.leaves import INDEXED, Arrival
from shapecheck.probe.runs.running import Runner, Trial, has_nan
from shapecheck.probe.runs.values import is_plain

_USUAL_SIDES = (64, 32, 28, 128, 224, 256)


def is_doubtful(trial: Trial) -> bool:
    """Whether a call that ran gave no numbers, fits only because sizes coincide, or lost the samples."""
    return has_nan(trial.output) or _coincides(trial.call) or _loses_samples(trial)


def _coincides(call: Call) -> bool:
    """A series as long as the batch, or of one step: it may have run by broadcasting alone."""
    batch = batch_of(call)
    long = [
        size for argument in call for axis, size in enumerate(argument.shape)
        if argument.label(axis) in GROWING and argument.kind != "state"
    ]  # fmt: skip
    return len(call) > 1 and any(size in (1, batch) for size in long) and batch > 1


def _loses_samples(trial: Trial) -> bool:
    """No part has a row for each sample: pictures cut at another size, or a batch that was taken apart as a list of inputs."""
    batch = batch_of(trial.call)
    plain = [piece.tensor for piece in pieces(trial.output) if is_plain(piece.tensor)]
    sizes = {size for tensor in plain for size in tensor.shape}
    if batch < 2 or not sizes or not trial.call:
        return False
    return batch not in sizes if len(_sides(trial.call)) > 1 else all(size % batch for size in sizes)


def _sides(call: Call) -> list[Position]:
    main = main_index(call)
    return [(main, axis) for axis in range(len(call[main].shape)) if call[main].label(axis) in SPACE]


def instead(trial: Trial) -> Iterator[Proposal]:
    """For a call that lost its samples: pictures of the sizes that most are made for, or several inputs as parts of one."""
    if not _loses_samples(trial):
        return
    sides, main = _sides(trial.call), main_index(trial.call)
    for rank, size in enumerate(_USUAL_SIDES if len(sides) > 1 else ()):
        yield Proposal(resize(trial.call, sides, size), 0.1 * rank, "a usual size")
    for parts in (2, 3):
        argument = trial.call[main]
        whole = replace(
            argument, shape=(parts, *argument.shape), labels=("", *argument.labels) if argument.labels else ()
        )
        yield Proposal((*trial.call[:main], whole, *trial.call[main + 1 :]), 1.0 + 0.1 * parts, "several inputs in one")


def with_floats(runner: Runner, trial: Trial) -> Trial:
    """The same call with floats for whole numbers that the model looks nothing up with, if it runs so."""
    whole = [i for i, a in enumerate(trial.call) if a.kind == "int" and not INDEX_NAMES.search(a.name)]
    for index in whole:
        argument = trial.call[index]
        if not _looked_up(argument, trial.arrivals):
            changed = with_dtype(replace(argument, kind="float"), float_dtype(runner.model))
            other = runner.run((*trial.call[:index], changed, *trial.call[index + 1 :]))
            if other.worked and not is_doubtful(other) and other.depth >= trial.depth:
                trial = other
    return trial


def _looked_up(argument: Argument, arrivals: Sequence[Arrival]) -> bool:
    """Whether a tensor of its sizes came to a table."""
    shapes = [sorted(arrival.shape) for arrival in arrivals if isinstance(arrival.leaf, INDEXED)]
    return sorted(argument.shape) in shapes
