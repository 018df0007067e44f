"""The report as JSON, schema 1: always valid JSON, whatever the user put into a loss argument."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any

from shapecheck.report import Report

DEEPEST = 20


def render(report: Report) -> str:
    """`report.to_dict()` as indented JSON with a newline; nan and inf become strings, as JSON has no such numbers."""
    return json.dumps(_plain(report.to_dict()), indent=2, allow_nan=False) + "\n"


def _plain(value: Any, depth: int = 0) -> Any:
    """The value in JSON's own types. YAML can refer to itself, hence the limit on depth."""
    if value is None or isinstance(value, (bool, int, str)):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else str(value)
    if depth >= DEEPEST:
        return "..."
    if isinstance(value, Mapping):
        return {str(key): _plain(item, depth + 1) for key, item in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [_plain(item, depth + 1) for item in value]
    return str(value)
