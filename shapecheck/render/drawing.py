"""Draws the shapes of a finding so that the eye compares columns, and marks the axis that is wrong."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from shapecheck.render.layout import cells, clean, pad, paragraph
from shapecheck.render.theme import Line
from shapecheck.report import Row
from shapecheck.specs import ProbedInput, Size, TensorSpec

INDENT = 2
GAP = 3
NOTE_COLUMN = 45
LEAST_ROOM = 24


@dataclass(frozen=True)
class Columns:
    """Where things start. `note` is None where the notes have no room beside the shapes and stand below them."""

    shape: int
    note: int | None
    end: int
    label_alone: bool = False


def axes_text(axes: Iterable[tuple[str, Size]]) -> str:
    """(('batch', 5), ('', 97)) -> `(batch 5, 97)`."""
    return "(" + ", ".join(_axis(*axis) for axis in axes) + ")"


def tensor_text(tensor: TensorSpec | ProbedInput) -> str:
    """`(batch 5, class 256)`; sizes alone where the axes are not known."""
    roles = tensor.axes if tensor.axes and len(tensor.axes) == len(tensor.shape) else ("",) * len(tensor.shape)
    return axes_text(("" if role == "unknown" else role, size) for role, size in zip(roles, tensor.shape, strict=True))


def draw(rows: Sequence[Row], columns: int, style: str = "") -> Iterator[Line]:
    """The rows in aligned columns within `columns`; marks are painted in `style`."""
    rows = [replace(row, label=clean(row.label), note=clean(row.note), remark=clean(row.remark)) for row in rows]
    places = _columns(rows, columns)
    for row in rows:
        yield from _row(row, places, style)


def _axis(role: str, size: Size) -> str:
    return clean(f"{role} {size}") if role and role != size else clean(str(size))


def _columns(rows: Sequence[Row], end: int) -> Columns:
    labels = max((cells(row.label) for row in rows), default=0)
    shape = INDENT + labels + GAP
    shape_end = shape + max((cells(axes_text(row.axes)) for row in rows), default=0)
    notes = max((cells(text) for row in rows for text in (row.note, row.remark)), default=0)
    if shape_end > end and end - shape < LEAST_ROOM:
        return Columns(min(2 * INDENT, end // 4), None, end, label_alone=True)
    for column in (NOTE_COLUMN, shape_end + GAP):
        if shape_end + INDENT <= column <= end - notes:
            return Columns(shape, column, end)
    return Columns(shape, None, end)


def _row(row: Row, places: Columns, style: str) -> Iterator[Line]:
    label = pad(" " * INDENT + row.label, places.shape)
    if places.label_alone:
        yield from paragraph(" " * INDENT, row.label, places.end)
        label = " " * places.shape
    for number, (shape, underline) in enumerate(_folded(row, places.end - places.shape)):
        text = (label if not number else " " * places.shape) + shape
        note = row.note if not number and places.note is not None else ""
        yield ((pad(text, places.note or 0) if note else text, ""), (note, ""))
        if underline:
            yield _beside(" " * places.shape + underline, row.remark, places, style)
    if places.note is None:
        for below in (row.remark, row.note):
            if below:
                yield from paragraph(" " * places.shape, below, places.end)
    elif row.remark and not _marks(row):
        yield _beside("", row.remark, places, style)


def _beside(text: str, remark: str, places: Columns, style: str) -> Line:
    if places.note is None or not remark:
        return ((text, style),)
    return ((pad(text, places.note), style), (remark, ""))


def _marks(row: Row) -> bool:
    return row.mark is not None and 0 <= row.mark < len(row.axes)


def _folded(row: Row, room: int) -> list[tuple[str, str]]:
    """The shape in as many lines as it needs, never broken inside an axis, each with its underline or ''."""
    lines, underlines = ["("], [""]
    for index, axis in enumerate(row.axes):
        piece = _axis(*axis)
        ending = ")" if index == len(row.axes) - 1 else ","
        lead = " " if index else ""
        if index and cells(lines[-1] + lead + piece + ending) > room:
            lines.append("")
            underlines.append("")
            lead = " "
        lines[-1] += lead
        if index == row.mark:
            underlines[-1] = " " * cells(lines[-1]) + "^" * cells(piece)
        lines[-1] += piece + ending
    return list(zip(lines if row.axes else ["()"], underlines, strict=True))
