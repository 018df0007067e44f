"""What the labels may mean where no target is known, and which targets a loss takes with an output; pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from shapecheck.matching import facts
from shapecheck.report import AcceptedTarget
from shapecheck.rules import Loss, Signature
from shapecheck.shapes import Bound, Pattern, match, parse_pattern
from shapecheck.specs import FLOATING, Size, Subject, TensorSpec
from shapecheck.symbols import Symbols

LETTERS = {"batch": "N", "class": "C", "time": "T", "depth": "D", "height": "H", "width": "W"}
_POSITIONS = ("time", "depth", "height", "width", "feature", "unknown")


@dataclass(frozen=True, eq=False)
class Reading:
    """One meaning of the labels: per-sample or per-position, and the target it would take."""

    intent: str
    meaning: str
    target: TensorSpec


def readings(loss: Loss, subject: Subject, symbols: Symbols) -> Iterator[Reading]:
    """The targets that the output's own axes allow. None where it is not known which axis is the batch."""
    output = subject.tensors["output"]
    roles = output.axes
    if roles is None or "batch" not in roles:
        return
    named = list(zip(roles, output.shape))
    batch = [(role, size) for role, size in named if role == "batch"]
    where = [(role, size) for role, size in named if role in _POSITIONS]
    if "class" not in roles and roles.count("unit") != 1:
        # Scores along time or space may be meant as classes; integers, or one number a sample, cannot be.
        if output.dtype in FLOATING and len(roles) > 1:
            return
        where = where if len(roles) > 1 else []
    for intent, reading in loss.readings.items():
        plus = any(term.kind == "plus" for term in parse_pattern(reading["target"]).terms)
        if plus and not where:
            continue
        axes = batch + where if plus else batch
        target = TensorSpec(
            shape=tuple(size for _, size in axes),
            dtype=reading["dtype"],
            axes=tuple(role for role, _ in axes),
            origin="assumed",
        )
        yield Reading(intent, reading["meaning"], target)


def accepted_targets(loss: Loss, subject: Subject, mended: bool) -> Iterator[AcceptedTarget]:
    """Targets that go with the output: as it is, or, if it has to be `mended` first, those of the readings."""
    output = subject.tensors["output"]
    if mended and output.axes is not None:
        for reading in readings(loss, subject, Symbols({})):
            yield AcceptedTarget(_letters(reading.target), reading.target.dtype or "", reading.meaning)
        return
    if any(isinstance(size, str) for size in output.shape):
        return
    seen = set()
    for signature in reversed(loss.signatures):
        target = _instance(signature, output)
        if target is not None and signature.meaning and target not in seen:
            seen.add(target)
            yield AcceptedTarget(target, signature.dtype, _meaning(signature, target))


def _instance(signature: Signature, output: TensorSpec) -> tuple[Size, ...] | None:
    """The target's shape that a signature wants with this output, in letters where roles are known."""
    bound = next(match(signature.patterns["output"], facts(output).shape), None)
    if bound is None:
        return None
    letters = dict(zip(bound.names, _letters(output)))
    names = _names(signature.patterns["target"], bound)
    return None if names is None else tuple(letters.get(name, 1) for name in names)


def _names(pattern: Pattern, bound: Bound) -> list[str] | None:
    names: list[str] = []
    for term in pattern.terms:
        if term.kind in ("star", "plus"):
            names += [f"{term.name}.{index}" for index in range(bound.ranks.get(term.name, 0))]
        elif term.kind == "axis" and term.name in bound.sizes:
            names.append(term.name)
        else:
            return None
    return names


def _letters(tensor: TensorSpec) -> tuple[Size, ...]:
    """Names for the axes whose roles are known and different, sizes for the rest."""
    if tensor.axes is None:
        return tensor.shape
    counts: Mapping[str, int] = {role: tensor.axes.count(role) for role in tensor.axes}
    return tuple(
        LETTERS[role] if role in LETTERS and counts[role] == 1 else size
        for role, size in zip(tensor.axes, tensor.shape)
    )


def _meaning(signature: Signature, target: tuple[Size, ...]) -> str:
    """`one class index per sample`, or per position where the target has any."""
    outer = len(target) - (1 if "class" in signature.patterns["target"].names else 0)
    if not outer:
        return signature.meaning
    return (
        f"{signature.meaning} {'and' if 'per' in signature.meaning else 'per'} {'sample' if outer == 1 else 'position'}"
    )
