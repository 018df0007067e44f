"""What can go wrong with a check itself. Findings about tensors are not errors and live elsewhere.

Every error says what was found, where, and what to do next; `exit_status` is the process's own.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

EXIT_CLEAN, EXIT_FINDINGS, EXIT_USAGE, EXIT_MODEL = 0, 1, 2, 3


@dataclass(frozen=True)
class Location:
    """A place in the user's own text; `line` is 1-based."""

    path: str
    line: int | None = None

    def __str__(self) -> str:
        return self.path if self.line is None else f"{self.path}:{self.line}"


class CheckError(Exception):
    """A check that could not be done. Use one of the two subclasses."""

    exit_status = EXIT_USAGE

    def __init__(
        self,
        message: str,
        hint: str | None = None,
        *,
        code: str = "SC910",
        location: Location | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.code = code
        self.location = location

    def to_dict(self) -> dict[str, Any]:
        """As plain data; `error_from` is the way back."""
        place = self.location
        return {
            "code": self.code,
            "message": self.message,
            "hint": self.hint,
            "location": None if place is None else {"path": place.path, "line": place.line},
            "exit_status": self.exit_status,
        }

    def __str__(self) -> str:
        return self.message if self.hint is None else f"{self.message}\n  help: {self.hint}"


class UserError(CheckError):
    """Wrong usage, or an unreadable spec, rule file or configuration: exit status 2."""


class ModelError(CheckError):
    """The user's model could not be loaded, built or run, or took too long: exit status 3."""

    exit_status = EXIT_MODEL


def error_from(data: Mapping[str, Any]) -> CheckError:
    """The error that `to_dict` made into plain data; `detail`, where there is any, joins the hint."""
    kind = UserError if data.get("exit_status") == EXIT_USAGE else ModelError
    place = data.get("location")
    hint = "\n".join(part for part in (data.get("hint"), data.get("detail")) if part)
    location = Location(place["path"], place.get("line")) if place else None
    return kind(data["message"], hint or None, code=data["code"], location=location)


def nearest(word: str, known: Iterable[str]) -> str | None:
    """The spelling in `known` that `word` was probably meant to be, or None."""
    import difflib  # only ever needed on the way out

    folded = {candidate.lower(): candidate for candidate in known}
    close = difflib.get_close_matches(word.lower(), folded, n=1, cutoff=0.6)
    return folded[close[0]] if close else None


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """A hint: the nearest spelling if there is one, and what is allowed."""
    known = list(known)
    guess = nearest(word, known)
    allowed = "allowed: " + ", ".join(known)
    return f"did you mean {guess!r}? {allowed}" if guess else allowed
