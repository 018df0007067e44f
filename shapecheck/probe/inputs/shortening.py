"""A call that runs slowly, made smaller: every later run gains by it."""

from __future__ import annotations

from collections.abc import Sequence

from shapecheck.probe.inputs.adjusting import resized_alike
from shapecheck.probe.inputs.sizing import next_prime
from shapecheck.probe.runs.feeding import Call, Position, main_index, positions, resize, size_at
from shapecheck.probe.runs.running import SLOW, Runner, Trial, has_nan

_SPARE = 100
_MOST_CUTS = 6
_SMALL_BATCH = 3


def shortened(runner: Runner, trial: Trial, failed: Sequence[Call], steps: int) -> Trial:
    """A slow call with a small batch and a sequence of `steps`, or else about the shortest the model takes.

    `failed` are calls that did not run.
    """
    if trial.seconds < SLOW or not trial.call or not runner.engine.has_values:
        return trial
    main = main_index(trial.call)
    axes = [axis for axis in range(len(trial.call[main].shape)) if trial.call[main].label(axis) == "time"]
    batch = [p for p in positions(trial.call) if trial.call[p[0]].label(p[1]) == "batch"]
    small = resize(trial.call, batch, _SMALL_BATCH)
    if len(axes) != 1:
        return _sound(runner, small) or trial
    position = (main, axes[0])
    least, works = _too_short(failed, small, position), size_at(small, position)
    shortest = _sound(runner, resized_alike(small, position, steps)) if least < steps < works else None
    if shortest is not None:
        return shortest
    runner.quicken(trial)
    cut = _cut(runner, small, position, max(least, steps))
    return trial if cut == trial.call else _sound(runner, cut) or trial


def _sound(runner: Runner, call: Call) -> Trial | None:
    trial = runner.run(call)
    return trial if trial.worked and not has_nan(trial.output) else None


def _too_short(failed: Sequence[Call], call: Call, position: Position) -> int:
    """The longest size below the one that works that failed, or one."""
    rank = len(call[position[0]].shape)
    sizes = [size_at(c, position) for c in failed if len(c) > position[0] and len(c[position[0]].shape) == rank]
    return max((size for size in sizes if size < size_at(call, position)), default=1)


def _cut(runner: Runner, call: Call, position: Position, fails: int) -> Call:
    """The call with one axis, and those that must be as long, halved as often as it still runs."""
    works = size_at(call, position)
    for _ in range(_MOST_CUTS):
        middle = next_prime((fails + works) // 2)
        if works - fails < max(_SPARE, works // 20) or middle >= works:
            break
        shorter = resized_alike(call, position, middle)
        if runner.shapes(shorter):
            call, works = shorter, middle
        else:
            fails = middle
    return call
