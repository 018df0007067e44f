"""The page of `shapecheck explain CODE`: stays the Markdown it is, wrapped and coloured; code is left verbatim."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from shapecheck.render.layout import code_lines, measure, paragraph
from shapecheck.render.theme import Line, paint

_ITEM = re.compile(r"( *(?:[-*+]|\d+[.)]) +)(.*)", re.DOTALL)
_FENCES = ("```", "~~~")
_VERBATIM = ("|", "    ")


def render(page: str, *, width: int = 80, color: bool = False) -> str:
    """The Markdown `page` for a terminal of `width` columns; escape codes only if `color`."""
    return paint(_lines(page, measure(width)), color=color)


def _lines(page: str, columns: int) -> Iterator[Line]:
    gathered: list[str] = []
    for kind, line in _kinds(code_lines(page)):
        if gathered and (kind != "prose" or _ITEM.match(line)):
            yield from _filled(gathered, columns)
            gathered = []
        if kind == "prose":
            gathered.append(line)
        else:
            yield ((line, kind),)
    if gathered:
        yield from _filled(gathered, columns)


def _kinds(lines: Iterable[str]) -> Iterator[tuple[str, str]]:
    """Each line with its style, or with `prose` if it may be filled."""
    fence = ""
    for line in lines:
        mark = line.lstrip()[:3]
        if mark in _FENCES and fence in ("", mark):
            fence = "" if fence else mark
            yield "dim", line
        elif fence or line.startswith(_VERBATIM):
            yield "code", line
        elif line.startswith("#"):
            yield "heading", line
        else:
            yield ("prose" if line else ""), line


def _filled(lines: Iterable[str], columns: int) -> Iterator[Line]:
    """One paragraph, or one list item with its later lines hung."""
    text = "\n".join(lines)
    item = _ITEM.match(text)
    return paragraph(item.group(1), item.group(2), columns) if item else paragraph("", text, columns)
