"""The defaults of a script's command line, read from its `add_argument` and `add_option` calls. Runs nothing."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from functools import lru_cache
from typing import Any

_PARSING = re.compile(
    r"^(parse_(known_)?args|parse|(get|parse|load|make|build|read)_?(args|arguments|opts?|options|config|hparams|parser))$"
)
_SWITCHES = {"store_true": False, "store_false": True, "count": 0}


def is_parsing(call: ast.Call) -> bool:
    """`parser.parse_args()` and functions named like it."""
    function = call.func
    if isinstance(function, ast.Attribute):
        return function.attr in ("parse_args", "parse_known_args")
    return isinstance(function, ast.Name) and bool(_PARSING.match(function.id))


@lru_cache(maxsize=64)
def options_in(tree: ast.Module) -> Mapping[str, Any]:
    """Destination -> default, of every option whose value is known without a command line."""
    found = (_option(node) for node in ast.walk(tree) if isinstance(node, ast.Call) and _adds_option(node))
    values = {name: value for name, value in found if name and value is not None}
    return {**values, **dict(_taken_apart(tree, values))}


def _taken_apart(tree: ast.Module, values: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """What the script makes of an option such as "3,4,5" where it says `args.sizes.split(",")`."""
    for node in ast.walk(tree):
        called = node.func if isinstance(node, ast.Call) else None
        if isinstance(node, ast.Call) and isinstance(called, ast.Attribute) and called.attr == "split":
            name = called.value.attr if isinstance(called.value, ast.Attribute) else ""
            separator = _literal(node.args[0]) if node.args else None
            if isinstance(values.get(name), str):
                parts = [part.strip() for part in values[name].split(separator) if part.strip()]
                yield name, [_plain(part) for part in parts]


def _plain(text: str) -> int | float | str:
    for kind in (int, float):
        with suppress(ValueError):
            return kind(text)
    return text


@lru_cache(maxsize=64)
def option_lines(tree: ast.Module) -> Mapping[str, int]:
    """Destination -> line."""
    return {
        _destination(node): node.lineno for node in ast.walk(tree) if isinstance(node, ast.Call) and _adds_option(node)
    }


def _adds_option(node: ast.Call) -> bool:
    return isinstance(node.func, ast.Attribute) and node.func.attr in ("add_argument", "add_option")


def _option(node: ast.Call) -> tuple[str, Any]:
    given = {keyword.arg: keyword.value for keyword in node.keywords if keyword.arg}
    action = _literal(given.get("action"))
    default = _literal(given.get("default"))
    if default is None:
        choices = _literal(given.get("choices"))
        first = choices[0] if isinstance(choices, (list, tuple)) and choices else None
        default = _SWITCHES.get(action) if isinstance(action, str) else first
    kind = given.get("type")
    if isinstance(kind, ast.Name) and kind.id in ("int", "float") and isinstance(default, (int, float, str)):
        default = _number(default, kind.id)
    return _destination(node), default


def _number(value: Any, kind: str) -> Any:
    """argparse converts defaults that are strings."""
    try:
        return (int if kind == "int" else float)(value) if isinstance(value, str) or kind == "float" else value
    except ValueError:
        return None


def _destination(node: ast.Call) -> str:
    named = next((_literal(keyword.value) for keyword in node.keywords if keyword.arg == "dest"), None)
    flags = [flag for flag in map(_literal, node.args) if isinstance(flag, str)]
    long = next((flag for flag in flags if flag.startswith("--")), flags[0] if flags else "")
    return named if isinstance(named, str) else long.lstrip("-").replace("-", "_")


def _literal(node: ast.expr | None) -> Any:
    try:
        return ast.literal_eval(node) if node is not None else None
    except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
        return None
