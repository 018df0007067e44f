"""What the labels may mean where no target is known, and which targets a loss takes with an output; pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

from shapecheck.errors import UserError
from shapecheck.matching import expanded, facts
from shapecheck.plans import ROLES_OF, Bound, alone, match
from shapecheck.report import AcceptedTarget
from shapecheck.rules import Loss, Signature
from shapecheck.shapes import Pattern, parse_pattern
from shapecheck.specs import FLOATING, Size, Subject, TensorSpec
from shapecheck.symbols import Symbols, symbols_of

LETTERS = {"batch": "N", "class": "C", "time": "T", "depth": "D", "height": "H", "width": "W"}
ROLE_OF_NAME = {**{letter: role for role, letter in LETTERS.items()}, "B": "batch", "L": "time"}
_POSITIONS = ("time", "depth", "height", "width", "feature", "unknown")


@dataclass(frozen=True, eq=False)
class Reading:
    """One meaning of the labels: per-sample or per-position, and the target it would take."""

    intent: str
    meaning: str
    target: TensorSpec


def readings(loss: Loss, subject: Subject, symbols: Symbols) -> Iterator[Reading]:
    """The targets that the output's own axes allow.

    For a loss whose labels can mean several things, none where it is not known which axis is the batch.
    """
    if loss.readings:
        yield from _by_meaning(loss, subject.tensors[loss.output])
    elif loss.target:
        yield from _by_contract(loss, subject, symbols)


def _by_meaning(loss: Loss, output: TensorSpec) -> Iterator[Reading]:
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


def _by_contract(loss: Loss, subject: Subject, symbols: Symbols) -> Iterator[Reading]:
    """The one target that the contract wants with this output."""
    names = _known_sizes(loss, subject, symbols)
    for signature in loss.signatures:
        pattern = loss.tensors[loss.target].assume or signature.patterns[loss.target]
        if not signature.doubtful and _reads(signature, loss, subject, symbols) is not None:
            dtype = signature.dtype or loss.tensors[loss.target].dtype
            yield Reading("", signature.meaning, _assumed(pattern, names, dtype, symbols))
            return
    first = loss.signatures[0]  # which no target makes fit
    pattern = loss.tensors[loss.target].assume or first.patterns[loss.target]
    dtype = first.dtype or loss.tensors[loss.target].dtype
    yield Reading("", first.meaning, _assumed(pattern, names, dtype, symbols))


def complete(loss: Loss, subject: Subject, symbols: Symbols) -> Subject:
    """The subject with the tensors that nobody gave, of the shape the contract assumes for them; never the target.

    Raises UserError for a tensor that has to be given.
    """
    missing = [name for name in loss.tensors if name not in subject.tensors and name != loss.target]
    if not missing:
        return subject
    if loss.output in missing or any(loss.tensors[name].assume is None for name in missing):
        name = next(name for name in missing if name == loss.output or loss.tensors[name].assume is None)
        raise UserError(f"{loss.name} needs the tensor {name!r}", f"it takes: {', '.join(loss.tensors)}")
    names, lacking = _known_sizes(loss, subject, symbols), _lacking(loss, subject, symbols)
    tensors = dict(subject.tensors)
    for name in missing:
        pattern = loss.tensors[name].assume
        assert pattern is not None
        pattern = replace(pattern, terms=tuple([term for term in pattern.terms if term.name not in lacking]))
        tensors[name] = _assumed(pattern, names, loss.tensors[name].dtype, symbols)
    return replace(subject, tensors={name: tensors[name] for name in loss.tensors if name in tensors})


def _reads(signature: Signature, loss: Loss, subject: Subject, symbols: Symbols) -> Bound | None:
    output = symbols.concrete(subject.tensors[loss.output])
    return next(match(signature.patterns[loss.output], facts(output).shape), None)


def _lacking(loss: Loss, subject: Subject, symbols: Symbols) -> frozenset[str]:
    """The axes that an output may have, but not this one: the batch of a single sample."""
    plain = [signature for signature in loss.signatures if not signature.doubtful]
    reading = next((s.patterns[loss.output] for s in plain if _reads(s, loss, subject, symbols)), None)
    names = [signature.patterns[loss.output].names for signature in plain]
    return frozenset() if reading is None else frozenset().union(*names) - reading.names


def _known_sizes(loss: Loss, subject: Subject, symbols: Symbols) -> dict[str, int]:
    """Axis name -> size, by the output's roles, and else by how the contract reads it; `*where` by its length."""
    sizes: dict[str, int] = {}
    for signature in loss.signatures:
        bound = _reads(signature, loss, subject, symbols)
        if bound is not None:
            sizes = {**bound.sizes, **{f"*{name}": count for name, count in bound.ranks.items()}}
            break
    output = subject.tensors[loss.output]
    if not sizes:  # no form fits: the axes of the first, from the last one on
        terms = loss.signatures[0].patterns[loss.output].terms
        behind = zip(reversed(terms), reversed(output.shape))
        sizes = {term.name: symbols.number(size) for term, size in behind if term.kind == "axis"}
    for role, size in zip(output.axes or (), output.shape):
        if role in ROLES_OF and (output.axes or ()).count(role) == 1:
            sizes[role] = symbols.number(size)
    positions = [size for role, size in zip(output.axes or (), output.shape) if role in _POSITIONS]
    if len(positions) == sizes.get("*where") and "class" in (output.axes or ()):
        sizes |= {f"where.{place}": symbols.number(size) for place, size in enumerate(positions)}
    return sizes


_FRESH = (5, 7, 11, 13)


def _assumed(pattern: Pattern, sizes: Mapping[str, int], dtype: str, symbols: Symbols) -> TensorSpec:
    """A tensor of the pattern; a name that nothing binds gets a size of its own."""
    ranks = {name[1:]: count for name, count in sizes.items() if name.startswith("*")}
    fresh = (size for size in _FRESH if size not in sizes.values())
    names = list(expanded(pattern, ranks))
    shape = tuple(name if isinstance(name, int) else sizes[name] if name in sizes else next(fresh) for name in names)
    return TensorSpec(symbols.names(shape) or (), dtype or None, origin="assumed")


def accepted_targets(loss: Loss, subject: Subject, mended: bool) -> Iterator[AcceptedTarget]:
    """Targets that go with the output: as it is, or, if it has to be `mended` first, those of the readings."""
    if not loss.target or loss.output not in subject.tensors:
        return
    output = subject.tensors[loss.output]
    if mended and output.axes is not None:
        symbols = symbols_of([size for tensor in subject.tensors.values() for size in tensor.shape])
        for reading in readings(loss, subject, symbols):
            yield AcceptedTarget(_letters(reading.target), reading.target.dtype or "", reading.meaning)
        return
    if str in map(type, output.shape):
        return
    letters = (*_letters(output), 1)
    seen = set()
    for form in _forms(loss, len(output.shape)):
        if form.reads(output.shape):
            target = tuple([letters[axis] for axis in form.axes])
            if target not in seen:
                seen.add(target)
                yield AcceptedTarget(target, form.dtype, form.meaning)


@dataclass(frozen=True, eq=False)
class _Form:
    """A target that goes with outputs of one rank: which axis of the output each of its axes is, -1 for a size of one."""

    pattern: Pattern | None  # None where it reads any sizes
    axes: tuple[int, ...]
    dtype: str
    meaning: str

    def reads(self, shape: tuple[Size, ...]) -> bool:
        sizes: tuple[Any, ...] = shape
        return self.pattern is None or next(match(self.pattern, sizes), None) is not None


@cache
def _forms(loss: Loss, rank: int) -> tuple[_Form, ...]:
    """The forms that say what they mean, the more particular ones first."""
    return tuple(form for signature in reversed(loss.signatures) for form in _form(loss, signature, rank))


def _form(loss: Loss, signature: Signature, rank: int) -> Iterator[_Form]:
    pattern = signature.patterns[loss.output]
    # Sizes that are all one are read by any pattern of that rank but one with another size in it.
    bound = next(match(pattern, (1,) * rank), None)
    names = _names(signature.patterns[loss.target], bound) if bound is not None and signature.meaning else None
    if bound is not None and names is not None:
        axes = tuple(bound.names.index(name) if name in bound.names else -1 for name in names)
        dtype = signature.dtype or loss.tensors[loss.target].dtype
        any_size = alone(pattern).reads_any((rank,))
        yield _Form(None if any_size else pattern, axes, dtype, _meaning(signature, loss, len(names)))


def _names(pattern: Pattern, bound: Bound) -> list[str] | None:
    """The names of the target's axes, where the output has them all."""
    if any(term.kind not in ("star", "plus", "axis") for term in pattern.terms):
        return None
    names = [name for name in expanded(pattern, bound.ranks) if isinstance(name, str)]
    return names if all(name in bound.sizes for name in names) else None


def _letters(tensor: TensorSpec) -> tuple[Size, ...]:
    """Names for the axes whose roles are known and different, sizes for the rest."""
    if tensor.axes is None:
        return tensor.shape
    counts: Mapping[str, int] = {role: tensor.axes.count(role) for role in tensor.axes}
    return tuple(
        LETTERS[role] if role in LETTERS and counts[role] == 1 else size
        for role, size in zip(tensor.axes, tensor.shape)
    )


def _meaning(signature: Signature, loss: Loss, rank: int) -> str:
    """With `{position}` filled in: `one class index per sample`, or per position where the target has any."""
    outer = rank - ("class" in signature.patterns[loss.target].names)
    return signature.meaning.replace("{position}", "sample" if outer == 1 else "position")
