"""A call that runs slowly, made smaller: every later run gains by it."""

from __future__ import annotations

from collections.abc import Sequence

from shapecheck.probe.inputs.adjusting import resized_alike
from shapecheck.probe.inputs.sizing import next_prime
from shapecheck.probe.runs.effort import SLOW, VERY_SLOW
from shapecheck.probe.runs.feeding import SPACE, Call, Position, main_index, positions, resize, size_at
from shapecheck.probe.runs.running import Runner, Trial, has_nan

_SPARE = 100
_MOST_CUTS = 6
_SMALL_BATCH = 3
_WORTH_HALVING = 32


def shortened(runner: Runner, trial: Trial, failed: Sequence[Call], steps: int) -> Trial:
    """A slow call with a small batch and a sequence of `steps`, or else about the shortest the model takes; a very slow one with
    pictures of half the size.

    `failed` are calls that did not run.
    """
    if trial.work < SLOW or not trial.call or not runner.engine.has_values:
        return trial
    main = main_index(trial.call)
    axes = [axis for axis in range(len(trial.call[main].shape)) if trial.call[main].label(axis) == "time"]
    batch = [p for p in positions(trial.call) if trial.call[p[0]].label(p[1]) == "batch"]
    small = resize(trial.call, batch, _SMALL_BATCH)
    if len(axes) != 1:
        halved = _halved(small, main) if trial.work > VERY_SLOW else small
        return (_sound(runner, halved) if halved != small else None) or _sound(runner, small) or trial
    position = (main, axes[0])
    least, works = _too_short(failed, small, position), size_at(small, position)
    shortest = _sound(runner, resized_alike(small, position, steps)) if least < steps < works else None
    if shortest is not None:
        return shortest
    runner.quicken(trial)
    cut = _cut(runner, small, position, max(least, steps))
    return trial if cut == trial.call else _sound(runner, cut) or trial


def _halved(call: Call, main: int) -> Call:
    """Half as high and wide; primes stay primes, and powers of two such."""
    for axis in range(len(call[main].shape)):
        size = size_at(call, (main, axis))
        if call[main].label(axis) in SPACE and size >= _WORTH_HALVING:
            call = resized_alike(call, (main, axis), next_prime(size // 2) if next_prime(size) == size else size // 2)
    return call


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
