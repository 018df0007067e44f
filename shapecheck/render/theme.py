"""The styles of the terminal output, and the one place where a style becomes an escape code.

Text is data here, never rich markup: `[batch]` stays `[batch]`.
"""

from __future__ import annotations

from collections.abc import Iterable

Span = tuple[str, str]
"""A piece of text and the name of its style; '' is the terminal's own."""
Line = tuple[Span, ...]

STYLES = {
    "error": "bold red",
    "warning": "bold yellow",
    "note": "cyan",
    "ok": "bold green",
    "fix": "green",
    "trap": "red",
    "heading": "bold",
    "code": "bold",
    "dim": "dim",
}


def paint(lines: Iterable[Line], *, color: bool) -> str:
    """The lines as one string, each ended by a newline; escape codes only if `color`."""
    style = _coloured if color else _plain
    return "".join("".join(style(text, name) for text, name in line) + "\n" for line in lines)


def _plain(text: str, name: str) -> str:
    return text


def _coloured(text: str, name: str) -> str:
    # Imported here, and without rich.console: plain output, which CI logs read, should not wait 30 ms for it.
    from rich.color import ColorSystem
    from rich.style import Style

    if name not in STYLES or not text:
        return text
    return Style.parse(STYLES[name]).render(text, color_system=ColorSystem.STANDARD)
