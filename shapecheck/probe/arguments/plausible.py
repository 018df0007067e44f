"""The message for a model that nothing builds: what was tried, why it failed, and the --arg line to type. Builds nothing."""

from __future__ import annotations

import inspect
import json
from collections.abc import Iterable, Mapping, Sequence
from inspect import Parameter
from typing import TYPE_CHECKING, Any

from shapecheck.errors import Location
from shapecheck.probe import places
from shapecheck.probe.arguments.lookalikes import PARTS
from shapecheck.probe.telling import said, shown_value

if TYPE_CHECKING:
    from shapecheck.probe.arguments.building import NotBuilt, Try, Wanted
    from shapecheck.probe.arguments.values import Value

_MOST_REASONS = 4
_LONGEST_CALL = 120
_LONGEST_SIGNATURE = 400


def not_built(failure: NotBuilt, wanted: Wanted, described: str) -> tuple[str, str, Location | None]:
    """Message, hint and the user's line that raised."""
    missing = [p.name for p in _required(wanted) if p.name not in wanted.given]
    message = (
        f"{wanted.name} needs the argument{'s' if len(missing) > 1 else ''} {listed(missing)}"
        if missing
        else f"{wanted.name} cannot be built"
    )
    signature = f"its signature is {described if len(described) <= _LONGEST_SIGNATURE else described[:_LONGEST_SIGNATURE] + ' ...'}"
    if not failure.tries:
        return message, f"{_way(failure, wanted, missing)}; {signature}", None
    reasons = _reasons(failure.tries)
    tried = len(failure.tries)
    count = f"{tried} ways to build it were tried" if tried > 1 else "one way to build it was tried"
    hint = "\n".join(
        [f"{_way(failure, wanted, missing)}; {signature}", f"{count}:", *(f"- {reason}" for reason in reasons)]
    )
    error = failure.tries[0].error
    return (
        f"{message}, and none of the values that were tried will do",
        hint,
        places.raised_at(error) if error else None,
    )


def _required(wanted: Wanted) -> list[Parameter]:
    stars = (Parameter.VAR_POSITIONAL, Parameter.VAR_KEYWORD)
    return [p for p in wanted.signature.parameters.values() if p.default is Parameter.empty and p.kind not in stars]


def _way(failure: NotBuilt, wanted: Wanted, missing: Sequence[str]) -> str:
    """The line to type; an argument that no YAML value can be needs a function instead."""
    unguessable = failure.unguessable
    parameter = wanted.signature.parameters.get(unguessable or "")
    if unguessable and not failure.tries and (parameter is None or not _is_plain(parameter)):
        return (
            f"{unguessable} cannot be written as --arg: write a function that returns {wanted.name}(...) and name that"
        )
    return f"pass {' '.join(_lines(failure, missing))}, with your own values"


def _lines(failure: NotBuilt, missing: Sequence[str]) -> Iterable[str]:
    for name in missing:
        fields = [path for path in failure.trail if path == name or path.startswith(name + ".")]
        yield from (argument_line(path, failure.trail[path].value) for path in fields)
        if not fields:
            yield argument_line(name, name.upper())


def argument_line(name: str, value: Any) -> str:
    """`--arg classes=10`, quoted where a shell would read the value."""
    written = f"{name}={value if isinstance(value, str) else _yaml(value)}"
    return f"--arg '{written}'" if set(written) & set(" []{}*()<>") else f"--arg {written}"


def _yaml(value: Any) -> str:
    try:
        return json.dumps(value)
    except (TypeError, ValueError):
        return shown_value(value)


def _is_plain(parameter: Parameter) -> bool:
    text = annotation_text(parameter).lower()
    return (not text and not PARTS.match(parameter.name)) or any(
        word in text for word in ("int", "float", "bool", "str", "list", "tuple", "sequence", "any", "dict")
    )


def _reasons(tries: Sequence[Try]) -> list[str]:
    """Each exception once, with how it was called first and how many more ended so."""
    groups: dict[str, list[Try]] = {}
    for tried in tries:
        groups.setdefault(said(tried.error) if tried.error else "", []).append(tried)
    shown = [_reason(words, group) for words, group in list(groups.items())[:_MOST_REASONS]]
    more = len(groups) - _MOST_REASONS
    return [*shown, f"and {more} other exceptions"] if more > 0 else shown


def _reason(words: str, group: Sequence[Try]) -> str:
    first = group[0]
    origin = "with guessed values" if first.source == "names" else f"as in {first.source}"
    more = f" (and {len(group) - 1} more)" if len(group) > 1 else ""
    return f"{origin}{more}: {_call(first.trail)}: {words}"


def _call(trail: Mapping[str, Value]) -> str:
    text = ", ".join(f"{name}={shown_value(value.value)}" for name, value in trail.items())
    return f"({text if len(text) <= _LONGEST_CALL else text[:_LONGEST_CALL] + ' ...'})"


def listed(names: Iterable[str]) -> str:
    """`a, b and c`."""
    *first, last = names
    return f"{', '.join(first)} and {last}" if first else last


def annotation_text(parameter: Parameter) -> str:
    """The annotation about as it was written; empty where there is none."""
    annotation = parameter.annotation
    if annotation is Parameter.empty:
        return ""
    if isinstance(annotation, str):
        return annotation
    if isinstance(annotation, type) and not hasattr(annotation, "__args__"):
        return annotation.__name__
    return inspect.formatannotation(annotation).replace("typing.", "")
