"""Puts what the user's code raised, or holds, into one line of a message. Raises nothing, whatever the object does."""

from __future__ import annotations

import os
import reprlib

_LONGEST = 300

_short = reprlib.Repr()
_short.maxstring = _short.maxother = 60


def said(error: BaseException | str) -> str:
    """`ValueError: text`, or the text alone; one line of printable characters."""
    if isinstance(error, str):
        return _line(error)
    kind = type(error).__name__
    try:
        text = str(error)
    except BaseException:
        return kind
    return _line(f"{kind}: {text}" if text.strip() else kind)


def shown_value(value: object) -> str:
    """The value's `repr`, cut short."""
    try:
        return _line(_short.repr(value))
    except BaseException:
        return f"<{type(value).__name__}>"


def shown_path(path: str) -> str:
    """Relative where it is in the current folder."""
    try:
        inside = os.path.relpath(path)
    except (OSError, ValueError):
        return path
    return path if inside.startswith(os.pardir) else inside


def _line(text: str) -> str:
    text = " ".join(text.split())
    text = "".join(letter if letter.isprintable() else repr(letter)[1:-1] for letter in text)
    return text if len(text) <= _LONGEST else text[: _LONGEST - 4] + " ..."
