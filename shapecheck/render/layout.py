"""Words into lines: cleaning, measuring, wrapping. Knows nothing of reports.

Whatever comes from the user's program (names, messages of exceptions) is cleaned before it is measured, so that no
escape sequence, carriage return or direction mark of theirs reaches the terminal.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from shapecheck.render.theme import Line

WIDEST = 100
NARROW_HANG = 4


def measure(width: int) -> int:
    """Columns that prose may fill; longer lines than `WIDEST` are hard to read on any terminal."""
    return max(1, min(width, WIDEST))


def visible(text: str) -> str:
    """The text with everything a terminal would obey, or not show, written as an escape: ESC as `\\x1b`."""
    if text.isprintable():
        return text
    return "".join(
        character if character.isprintable() else character.encode("unicode_escape").decode("ascii")
        for character in text
    )


def clean(text: str) -> str:
    """One line of prose: any run of white space is one space, the rest `visible`."""
    return visible(" ".join(text.split()))


def code_lines(text: str) -> list[str]:
    """Code as it is, in lines without outer blank lines; tabs become spaces, so that the columns hold."""
    rows = text.replace("\r\n", "\n").strip("\n").split("\n")
    return [visible(row.expandtabs(4).rstrip()) for row in rows] if text.strip() else []


def cells(text: str) -> int:
    """Terminal columns the text takes."""
    if text.isascii():
        return len(text)
    from rich.cells import cell_len

    return cell_len(text)


def pad(text: str, column: int) -> str:
    return text + " " * (column - cells(text))


def wrap(words: Sequence[str], first: int, rest: int) -> list[str]:
    """Fill lines greedily: `first` columns on the first one, `rest` on the others. A longer word stands alone."""
    lines, line, room = list[str](), "", first
    for word in words:
        joined = f"{line} {word}" if line else word
        fits_lower = not line and not lines and room < cells(word) <= rest
        if fits_lower or (line and cells(joined) > room):
            lines.append(line)
            line, room = word, rest
        else:
            line = joined
    return [*lines, line]


def paragraph(label: str, text: str, columns: int, *, style: str = "", text_style: str = "") -> Iterator[Line]:
    """`label text`, wrapped, with the text's later lines hung under its first one.

    `label` carries its own indentation and trailing space, and is painted in `style`.
    """
    hang = cells(label) if cells(label) <= columns // 3 else min(NARROW_HANG, columns // 3)
    first, *others = wrap(clean(text).split(" "), columns - cells(label), columns - hang)
    yield ((label if first else label.rstrip(), style), (first, text_style))
    for line in others:
        yield ((" " * hang, ""), (line, text_style))


def lines_of(label: str, text: str, columns: int, *, style: str = "") -> Iterator[Line]:
    """Like `paragraph`, for text whose own line breaks matter; an indented line is code and is left alone, `- ` is a list."""
    hang = " " * min(cells(label), columns // 3)
    for number, line in enumerate(text.replace("\r\n", "\n").strip("\n").split("\n")):
        if number and not line.strip():
            yield ()
        elif number and line[0] in " \t":
            yield ((hang, ""), (visible(line.expandtabs(4).rstrip()), "code"))
        elif number and line.startswith("- "):
            yield from paragraph(f"{hang}- ", line[2:], columns)
        else:
            yield from paragraph(hang if number else label, line, columns, style="" if number else style)
