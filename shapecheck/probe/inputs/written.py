"""The definition of a function in the syntax tree of its file. Runs nothing."""

from __future__ import annotations

import ast
from types import CodeType
from typing import Any

from shapecheck import source


def definition(function: Any) -> ast.FunctionDef | None:
    """None for what has no Python file that can be read."""
    code = getattr(function, "__code__", None)
    if not isinstance(code, CodeType):
        return None
    tree = source.parse(code.co_filename)
    for node in ast.walk(tree) if tree else ():
        if isinstance(node, ast.FunctionDef) and node.name == code.co_name and _first_line(node) == code.co_firstlineno:
            return node
    return None


def _first_line(node: ast.FunctionDef) -> int:
    return min([node.lineno, *(decorator.lineno for decorator in node.decorator_list)])
