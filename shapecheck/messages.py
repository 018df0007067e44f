"""Texts of rule files with their `{...}` filled in. What stands in braces is a condition-language expression."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from shapecheck.conditions import compile_condition

_EXAMPLE = re.compile(r"\[[-\d, ]*\]|\([-\d, ]*\)|-?\d+(?:\.\d+)?(?:e-?\d+)?")
_BRACES = re.compile(r"\{([^{}]+)\}")


def fill(text: str, env: Mapping[str, Any]) -> str:
    """`labels run up to {target.maximum}` -> `labels run up to 9`; what is not known becomes `?`."""
    return _BRACES.sub(lambda match: show(compile_condition(match.group(1))(env)), text)


def expressions(text: str) -> list[str]:
    """What stands in braces in a text."""
    return _BRACES.findall(text)


def expression(text: str, env: Mapping[str, Any]) -> Any:
    """The value of a text that is one `{...}`, else the text as a Python literal or a string."""
    match = _BRACES.fullmatch(text)
    if match is None:
        return compile_condition(text)(env)
    value = compile_condition(match.group(1))(env)
    return int(value) if isinstance(value, float) and value.is_integer() else value


def show(value: Any) -> str:
    """A value as people write it: whole numbers without `.0`, others with five digits, shapes with commas."""
    if value is None:
        return "?"
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    if isinstance(value, float):
        return f"{value:.5g}"
    if isinstance(value, tuple):
        return f"({', '.join(map(show, value))})"
    return str(value)


def blanked(text: str) -> str:
    """An error text of torch without what differs from call to call: numbers, shapes, and where its lines break."""
    return _EXAMPLE.sub("#", " ".join(text.split()))
