"""The drawn shapes of a finding: what is there, what is needed, and the axis to look at. Data only, see `render/`."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from shapecheck.matching import result_shape
from shapecheck.report import Fix, Row
from shapecheck.specs import Size, Subject, TensorSpec
from shapecheck.symbols import Symbols

if TYPE_CHECKING:
    from shapecheck.diagnosis import Diagnosis, State
    from shapecheck.plans import Bound

ORIGINS = {
    "flag": "from --target",
    "spec": "declared",
    "model": "measured",
    "data": "from the data",
    "inferred": "measured",
    "assumed": "assumed",
}
_LONGEST_NAME = 24
_NAMES = {"one": "unit", "where": "position", "other": "position", "axis": ""}


def rows(subject: Subject, symbols: Symbols, cause: Diagnosis, fixes: Sequence[Fix]) -> tuple[Row, ...]:
    """Output, target, and what the first fix makes of them."""
    found: list[Row] = []
    after = cause.options[0].after if cause.options else None
    for name, facts in cause.before.tensors.items():
        axes = _axes(subject.tensors.get(name), facts.shape, facts.axes, cause.bounds.get(name), symbols)
        mark, remark = _mark(cause, name)
        found.append(Row(name, axes, _note(subject, name, facts.dtype), mark, remark))
        if after is not None and after.calls.get(name, ()) != cause.before.calls.get(name, ()):
            named, changed = after.named[name], after.tensors[name]
            bound = after.verdict.bounds.get(name)
            read = bound.names if bound else named.names
            names = tuple(own if _label(own) else of_rule for own, of_rule in zip(read, named.names, strict=True))
            needs = _axes(None, changed.shape, changed.axes, None, symbols, names)
            note = changed.dtype if changed.dtype != facts.dtype else ""
            found.append(Row("needs", needs, note or ""))
    return (*found, *_compared(subject, cause, after, symbols))


def _compared(subject: Subject, cause: Diagnosis, after: State | None, symbols: Symbols) -> Iterator[Row]:
    """What a silent broadcast makes of the tensors: the pairs that are compared, and how many were meant."""
    verdict = cause.before.verdict
    shape = result_shape(verdict)
    if shape is None or verdict.signature is None or not verdict.signature.doubtful or cause.rule.contract == "rejects":
        return
    if any(facts.rank > len(shape) for facts in cause.before.tensors.values()):
        return  # vectors are compared, not elements
    labels = [""] * len(shape)
    for name, facts in cause.before.tensors.items():
        axes = _axes(subject.tensors.get(name), facts.shape, facts.axes, cause.bounds.get(name), symbols)
        for axis, (label, size) in zip(range(len(shape) - len(axes), len(shape)), axes, strict=True):
            own = axis >= 0 and symbols.name(shape[axis]) == size
            if own and (not labels[axis] or labels[axis] == "unit"):
                labels[axis] = label
    pairs = math.prod(shape)
    meant = math.prod(result_shape(after.verdict) or shape) if after is not None else pairs
    note = f"{pairs} pairs" + (f", {meant} intended" if meant != pairs else "")
    names = tuple((label, symbols.name(size)) for label, size in zip(labels, shape))
    yield Row("compared", names, "" if symbols.sizes else note)


def tensor_rows(subject: Subject, state: State, symbols: Symbols | None = None) -> tuple[Row, ...]:
    """The tensors as they are."""
    symbols = symbols or Symbols({})
    return tuple(
        Row(name, _axes(subject.tensors.get(name), t.shape, t.axes, None, symbols), _note(subject, name, t.dtype))
        for name, t in state.tensors.items()
    )


def _axes(
    tensor: TensorSpec | None,
    shape: tuple[int, ...],
    roles: tuple[str, ...] | None,
    bound: Bound | None,
    symbols: Symbols,
    names: tuple[str, ...] = (),
) -> tuple[tuple[str, Size], ...]:
    """(role, size) of each axis: the role that was found, else what the rule takes it for."""
    names = bound.names if bound else names
    roles = roles or (tensor.axes if tensor is not None else None)
    found: list[tuple[str, Size]] = []
    for axis, size in enumerate(shape):
        role = roles[axis] if roles and axis < len(roles) else "unknown"
        name = names[axis] if axis < len(names) else ""
        label = role if role != "unknown" else _label(name)
        found.append((label, symbols.name(size)))
    return tuple(found)


def _label(name: str) -> str:
    if "*" in name:
        return " x ".join(_label(part) for part in name.split("*"))
    stem = name.partition(".")[0]
    return _NAMES.get(stem, "" if "." in name else stem)  # axis lists of other names say nothing to a reader


def _note(subject: Subject, name: str, dtype: str | None) -> str:
    """The dtype, and what the tensor is called where the user calls the loss, or else where it is from."""
    tensor = subject.tensors.get(name)
    origin = ORIGINS[tensor.origin] if tensor is not None else "assumed"
    called = subject.written.tensors.get(name, "") if subject.written is not None else ""
    return f"{dtype}, {called if called and len(called) <= _LONGEST_NAME else origin}"


def _mark(cause: Diagnosis, tensor: str) -> tuple[int | None, str]:
    name = (cause.rule.mark or {}).get(tensor)
    bound = cause.bounds.get(tensor)
    if name is None or bound is None:
        return None, ""
    axis = next(
        (a for a, n in enumerate(bound.names) if n == name or n.partition(".")[0] == name.partition(".")[0]), None
    )
    if axis is None:
        return None, ""
    return axis, f"classes are here, axis {axis}" if name == "class" else f"axis {axis}"
