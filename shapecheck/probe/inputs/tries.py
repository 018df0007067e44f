"""What a search tried, in words: calls as the user would type them, and the errors, each once. Runs nothing."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from shapecheck.probe.runs.feeding import Argument, Call
from shapecheck.probe.runs.leaves import LeafMismatchError
from shapecheck.probe.runs.running import Trial

_MOST_ERRORS = 4
_LONGEST = 200


def grouped(trials: Iterable[Trial]) -> list[str]:
    """One line for each different error, the furthest try with it, and how many came to it; sizes make no difference."""
    groups: dict[object, list[Trial]] = {}
    for trial in trials:
        groups.setdefault((type(trial.error), trial.location, _without_sizes(str(trial.error))), []).append(trial)
    lines = [_line(group) for group in groups.values()]
    rest = len(lines) - _MOST_ERRORS
    return [*lines[:_MOST_ERRORS], *([f"- and {rest} other error{'s' if rest > 1 else ''}"] if rest > 0 else [])]


def _line(group: Sequence[Trial]) -> str:
    times = f" ({len(group)} tries ended so)" if len(group) > 1 else ""
    return f"- {shown(group[0].call)}: {first_line(group[0].error, group[0].wanted)}{times}"


def _without_sizes(text: str) -> str:
    return re.sub(r"\d+(, \d+)*", "#", text)


def first_line(error: Exception | None, wanted: str = "") -> str:
    """The error's first line, and what a check of the user's own asked for."""
    text = str(error).strip().splitlines() or [""]
    name = "" if isinstance(error, LeafMismatchError) else f"{type(error).__name__}: "
    line = (name + text[0])[:_LONGEST].rstrip(": ")
    return f"{line} ({wanted})" if wanted else line


def shown(call: Call) -> str:
    """`x (5, 1, 97) float32, lengths (5) int64`."""
    parts = [f"{a.name} {a.shape} {dtype_name(a)}" for a in call if a.is_tensor]
    return ", ".join(parts) or "no tensors"


def dtype_name(argument: Argument) -> str:
    return str(argument.dtype).removeprefix("torch.")


def suggestion(call: Call) -> str:
    """The call as options to type."""
    several = sum(argument.is_tensor for argument in call) > 1
    options = []
    for argument in call:
        if argument.is_tensor:
            name = f"{argument.name}=" if several or argument.keyword else ""
            dtype = "" if dtype_name(argument) == "float32" else f":{dtype_name(argument)}"
            options.append(f"--input {name}{','.join(map(str, argument.shape))}{dtype}")
    return " ".join(options) or "--input N,3,64,64"
