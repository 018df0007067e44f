"""A loss call in the user's own words, and with a fix in it: `criterion(scores.movedim(-1, 1), tags)`. Reads code, runs none."""

from __future__ import annotations

import ast
import copy
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import TypeGuard

from shapecheck import source
from shapecheck.errors import Location
from shapecheck.keywords import tensor_name
from shapecheck.rules import Loss
from shapecheck.specs import WrittenCall

_LONGEST = 110  # characters of a statement; of a longer one only the call is shown
_NAME = re.compile(r"(?<![\w.'\"])[A-Za-z_]\w*\b(?!\s*=[^=])")  # neither an attribute nor a keyword of a call
_PLAIN = (ast.Name, ast.Attribute, ast.Subscript, ast.Call)


def written(text: str, rule: Loss, location: Location | None = None) -> WrittenCall | None:
    """The call of that text, standing at that line: which of its arguments are which of the rule's tensors.

    None where it is no call, or does not name them one by one.
    """
    call = _expression(text)
    if not isinstance(call, ast.Call) or any(isinstance(each, ast.Starred) for each in call.args):
        return None
    given = dict(_tensors(call, rule))
    if not {rule.output, rule.target} - {""} <= set(given):
        return None
    return WrittenCall(ast.unparse(call), {name: ast.unparse(node) for name, node in given.items()}, location)


def named_in(text: str, rule: Loss) -> WrittenCall | None:
    """The user's names of the tensors in a call that is no loss call itself, such as `check_tensors(logits, labels)`."""
    call = written(text, rule)
    return None if call is None else WrittenCall("", call.tensors)


def is_plain(expression: str) -> bool:
    """Whether it may stand twice in one line: a name, or an attribute or item of one."""
    node = _expression(expression)
    while isinstance(node, (ast.Attribute, ast.Subscript)):
        node = node.value
    return isinstance(node, ast.Name)


def repeats(call: WrittenCall, codes: Sequence[str]) -> bool:
    """Whether code in the contract's names says a tensor more than once that is more than a name where the user calls it."""
    said = Counter(node.id for code in codes for node in ast.walk(ast.parse(code)) if isinstance(node, ast.Name))
    return any(said[name] > 1 and not is_plain(text) for name, text in call.tensors.items())


def named(call: WrittenCall, code: str) -> str:
    """Code in the contract's names with those of the user, and with functions as their file can call them."""
    functional = source.functional_name(call.location.path) if call.location else "F"

    def renamed(match: re.Match[str]) -> str:
        name = match[0]
        return operand(call.tensors[name]) if name in call.tensors else functional if name == "F" else name

    return _NAME.sub(renamed, code)


def operand(expression: str) -> str:
    """The expression as methods are called on it: with brackets where they are needed."""
    return expression if isinstance(_expression(expression), _PLAIN) else f"({expression})"


def mended(call: WrittenCall, rule: Loss, changed: Mapping[str, str], keywords: Mapping[str, str]) -> str:
    """The user's statement with these tensors (by the rule's names) and keywords changed; '' where that cannot be written.

    What `call` has for a tensor is put in its place too, where that is something else than what was written.
    """
    node = _expression(call.text)
    if not isinstance(node, ast.Call):
        return ""
    if keywords and source.called_name(node) != rule.name:
        return ""  # those of a module are given where it is built
    changed_call = copy.deepcopy(node)
    for name, tensor in dict(_tensors(changed_call, rule)).items():
        text = changed.get(name, call.tensors[name])
        replacement = _expression(text)
        if replacement is not None and ast.unparse(tensor) != text:
            _replace(changed_call, tensor, replacement)
    kept = [each for each in changed_call.keywords if each.arg not in keywords]
    new = [ast.keyword(name, value) for name, text in keywords.items() if (value := _expression(text)) is not None]
    changed_call.keywords = [*kept, *new]
    return stated(call, ast.unparse(changed_call))


def stated(call: WrittenCall, expression: str) -> str:
    """The statement in which the call stands, with the expression in its place; `loss = ...` where that is not known."""
    place = call.location
    original = source.simple_statement(place.path, place.line) if place and place.line else None
    calls = [node for node in ast.walk(original) if _same(node, call.text)] if original is not None else []
    new = _expression(expression)
    if original is None or new is None or len(calls) != 1:
        return f"loss = {expression}"
    text = source.with_call_replaced(original, calls[0], new)
    return text if len(text) <= _LONGEST else expression


def _tensors(call: ast.Call, rule: Loss) -> Iterator[tuple[str, ast.expr]]:
    """The arguments of a call that are tensors of the contract; a keyword that it does not know is the first one left."""
    by_name = {keyword.arg: keyword.value for keyword in call.keywords if keyword.arg not in (None, *rule.arguments)}
    given = dict(zip(rule.tensors, call.args))
    given |= {known: value for name, value in by_name.items() if (known := tensor_name(str(name), rule)) is not None}
    left = [name for name in rule.tensors if name not in given]
    others = [value for value in by_name.values() if value not in given.values()]
    given |= dict(zip(left, others))
    yield from ((name, node) for name, node in given.items() if not isinstance(node, ast.Constant))


def _replace(call: ast.Call, old: ast.expr, new: ast.expr) -> None:
    call.args = [new if each is old else each for each in call.args]
    for keyword in call.keywords:
        keyword.value = new if keyword.value is old else keyword.value


def _same(node: ast.AST, text: str) -> TypeGuard[ast.Call]:
    return isinstance(node, ast.Call) and ast.unparse(node) == text


def _expression(text: str) -> ast.expr | None:
    try:
        return ast.parse(text.strip(), mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None
