"""Which output axes follow which input axes, found by running at other sizes. Gives no roles; axes.py does.

A size change that leaves the output alone proves nothing (strides, pooling), so larger ones follow until one shows or is
large enough to be conclusive. Of a slow model every run counts: smaller sizes come first, and what cannot help is not run.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from fractions import Fraction

import torch

from shapecheck.probe.inputs.sizing import Sizes, next_prime
from shapecheck.probe.runs.feeding import Call, Position, perturbed, positions, resize, size_at
from shapecheck.probe.runs.leaves import Arrival, width
from shapecheck.probe.runs.running import Runner
from shapecheck.probe.runs.values import is_plain

_LONG = 1000
_CONCLUSIVE = 1.5
_PATIENCE = 6


@dataclass(frozen=True)
class Free:
    """Input axes that vary together, and how far each output axis moves for one step of theirs."""

    where: tuple[Position, ...]
    label: str
    slopes: Mapping[int, Fraction]


@dataclass(frozen=True)
class Rows:
    """The one output axis that has a row for each of so many samples, as measured on the batch.

    At sizes that a `view(-1, features)` was not written for, rows are cut out of samples: the model is not one for such sizes.
    """

    samples: int = 0
    axis: int = -1

    @classmethod
    def of(cls, samples: int, shape: tuple[int, ...], slopes: Mapping[int, Fraction]) -> Rows:
        axes = [axis for axis, slope in slopes.items() if slope == 1 and shape[axis] == samples]
        return cls(samples, axes[0]) if len(axes) == 1 else cls()

    def stand(self, output: tuple[int, ...]) -> bool:
        """Whether an output of this shape, for the same samples, still has a row for each."""
        return self.axis < 0 or output[self.axis] == self.samples or self.samples in output


def vary_all(runner: Runner, call: Call, path: str, shape: tuple[int, ...], entered: Arrival | None) -> list[Free]:
    """Every input axis that the model runs with at another size, alone or together with equal ones."""
    found: list[Free] = []
    stuck: list[Position] = []
    batch = tuple(p for p in positions(call) if _label(call, p) == "batch")
    whole = entered is not None and any(argument.shape == entered.shape for argument in call)
    pinned = width(entered.leaf) if entered is not None and whole else None
    rows = Rows()
    for where in [batch, *((p,) for p in positions(call) if p not in batch)]:
        if not where or runner.expired:
            continue
        label = _label(call, where[0])
        if not label and size_at(call, where[0]) == pinned:
            continue
        slopes = _vary(runner, call, path, shape, where, rows, thorough=bool(label))
        if slopes is None:
            stuck.append(where[0])
        else:
            found.append(Free(where, label, slopes))
        if where == batch:
            rows = Rows.of(size_at(call, batch[0]), shape, slopes or {})
    return found + list(_together(runner, call, path, shape, [p for p in stuck if p not in batch], rows))


def _together(
    runner: Runner, call: Call, path: str, shape: tuple[int, ...], stuck: list[Position], rows: Rows
) -> Iterator[Free]:
    """Axes of one size that only move together: height and width of squares, two inputs of one length."""
    by_size: dict[int, list[Position]] = {}
    for position in stuck:
        by_size.setdefault(size_at(call, position), []).append(position)
    for where in by_size.values():
        counted = any(a.kind == "lengths" and a.high == size_at(call, where[0]) for a in call)
        if (len(where) > 1 or counted) and not runner.expired:
            slopes = _vary(runner, call, path, shape, tuple(where), rows, thorough=True)
            if slopes is not None:
                yield Free(tuple(where), _label(call, where[0]), slopes)


def _vary(
    runner: Runner,
    call: Call,
    path: str,
    shape: tuple[int, ...],
    where: tuple[Position, ...],
    rows: Rows,
    thorough: bool,
) -> dict[int, Fraction] | None:
    """Slopes by output axis, empty where none moves; None if the model runs with no other size that leaves `rows` alone."""
    size = size_at(call, where[0])
    ran, failures = False, 0
    for other in _other_sizes(call, size, runner.slow):
        output = (runner.shapes(resize(call, where, other)) or {}).get(path)
        if output is None or len(output) != len(shape) or not rows.stand(output):
            failures += 1
            if failures >= (_PATIENCE if thorough and not ran else 2):
                break
            continue
        ran = True
        moved = {a: Fraction(output[a] - n, other - size) for a, n in enumerate(shape) if output[a] != n}
        if moved or other >= _CONCLUSIVE * size or _CONCLUSIVE * other <= size:
            return moved
    return {} if ran else None


def _other_sizes(call: Call, size: int, slow: bool) -> Iterator[int]:
    """Sizes to try, short of those already in play."""
    taken = {size_at(call, position) for position in positions(call)}
    far = (int(_CONCLUSIVE * size) + 1,) if size >= _LONG else (2 * size, 3 * size)
    if slow:
        smaller = (size // 2, size - 1) if size > 3 else ()
        ordered = (*smaller[:1], size + 1, *smaller[1:], *far, size - 1, size + 16, size + 32)
    else:
        ordered = (size + 1, *far, size - 1, size // 2, size + 16, size + 32)
    for other in dict.fromkeys(ordered):
        if other > 0 and other not in taken:
            yield other


def touched_rows(
    runner: Runner, call: Call, path: str, base: torch.Tensor, where: tuple[Position, ...], axis: int
) -> list[int] | None:
    """The rows of output axis `axis` that change when index 0 of these input axes does; None if the run fails, or without values."""
    if not runner.engine.has_values:
        return None
    other = runner.tensor(call, path, perturbed(call, where, 0))
    changed = None if other is None else difference(base, other)
    return None if changed is None else rows(changed, axis)


def difference(one: torch.Tensor, other: torch.Tensor) -> torch.Tensor | None:
    """True where two tensors of one shape differ by more than rounding; None for different shapes, and for sparse ones."""
    if not (is_plain(one) and is_plain(other)) or one.shape != other.shape:
        return None
    if one.is_complex():
        return (torch.view_as_real(one) != torch.view_as_real(other)).any(-1)
    if not one.is_floating_point():
        return one != other
    distance = (one.double() - other.double()).abs().nan_to_num(0.0)
    scale = float(one.double().abs().nan_to_num(0.0).max()) if one.numel() else 0.0
    return distance > 1e-6 * max(scale, 1e-6)


def rows(mask: torch.Tensor, axis: int) -> list[int]:
    """The indices along an axis at which anything is true."""
    return along(mask, axis).nonzero().flatten().tolist()


def along(mask: torch.Tensor, axis: int) -> torch.Tensor:
    """For each index along an axis whether anything is true there."""
    return mask.movedim(axis, 0).reshape(mask.shape[axis], -1).any(1)


# ---------------------------------------------------------------------------- sizes that differ


def spread(
    runner: Runner,
    call: Call,
    path: str,
    shape: tuple[int, ...],
    free: list[Free],
    sizes: Sizes,
    keeps: Callable[[Call], bool],
) -> tuple[Call, tuple[int, ...]]:
    """The same call with free sizes changed until no two axes look alike, where the model and `keeps` allow it."""
    best, best_shape, best_score = call, shape, coincidences(call, shape, free)
    for group in sorted(free, key=lambda group: group.label == "batch"):
        if not best_score or runner.expired:
            break
        for size in _replacements(best, group, sizes, runner.slow):
            changed = resize(best, group.where, size)
            if _foreseen(best, best_shape, group, changed, free) >= best_score:
                continue
            output = (runner.shapes(changed) or {}).get(path) if keeps(changed) else None
            if output is None or len(output) != len(shape) or not all(output):
                continue
            score = coincidences(changed, output, free)
            if score < best_score:
                best, best_shape, best_score = changed, output, score
            if not score:
                break
    return best, best_shape


def _foreseen(call: Call, shape: tuple[int, ...], group: Free, changed: Call, free: list[Free]) -> int:
    """The coincidences of the changed call, if the output goes on as it did; 0 where it is no straight line."""
    if any(sum(axis in each.slopes for each in free) > 1 for axis in group.slopes):
        return 0
    step = size_at(changed, group.where[0]) - size_at(call, group.where[0])
    output = tuple(n + round(group.slopes[axis] * step) if axis in group.slopes else n for axis, n in enumerate(shape))
    return coincidences(changed, output, free)


def coincidences(call: Call, shape: tuple[int, ...], free: list[Free]) -> int:
    """How many pairs of axes have equal sizes without following the same input axis; ones do not count."""
    inputs = [(size_at(call, group.where[0]), {number}) for number, group in enumerate(free)]
    loose = set(positions(call)) - {p for group in free for p in group.where}
    inputs += [(size, set()) for size in {size_at(call, position) for position in loose}]
    outputs = [(n, {k for k, group in enumerate(free) if a in group.slopes}) for a, n in enumerate(shape)]
    score = sum(1 for size, follows in inputs if follows and free[min(follows)].label == "batch" and size < 3)
    for i, (size, follows) in enumerate(outputs):
        score += bool(follows) and size == 1
        score += len(follows) > 1 and any(size == other for other, _ in inputs)
        score += sum(2 for other, others in outputs[:i] if other == size > 1 and (not follows or follows != others))
        score += sum(1 for other, others in inputs if other == size > 1 and others and not follows & others)
    for i, (size, follows) in enumerate(inputs):
        score += sum(1 for other, others in inputs[:i] if other == size > 1 and _shows(free, follows | others))
    return score


def _shows(free: list[Free], groups: set[int]) -> bool:
    """Whether the output follows any of these; sizes that do not reach it may well be equal."""
    return any(free[group].slopes for group in groups)


def _replacements(call: Call, group: Free, sizes: Sizes, slow: bool) -> list[int]:
    """A batch is small; everything else moves to the next primes, or to multiples where a net halves and doubles."""
    size = size_at(call, group.where[0])
    if group.label == "batch":
        return [n for n in ((3, sizes.batch, 7, 13) if slow else (sizes.batch, 3, 7, 13)) if n != size]
    prime = next_prime(size + 1)
    if size >= _LONG:
        return [prime, next_prime(size + 100)]
    return [next_prime(size + 30) if size > 50 else prime, next_prime(prime + 3), 2 * size, size + 32, 3 * size]


def _label(call: Call, position: Position) -> str:
    return call[position[0]].label(position[1])


def relabelled(call: Call, labels: Mapping[Position, str]) -> Call:
    """The call with other labels on some axes."""
    changed = list(call)
    for (index, axis), label in labels.items():
        argument = changed[index]
        padded = tuple(argument.label(a) for a in range(len(argument.shape)))
        changed[index] = replace(argument, labels=(*padded[:axis], label, *padded[axis + 1 :]))
    return tuple(changed)
