"""Other values for guessed arguments, from what the constructor raised. Builds nothing.

Only what was guessed is ever changed, and first what stands on the line that raised.
"""

from __future__ import annotations

import linecache
import re
from collections.abc import Iterator, Mapping, Sequence
from inspect import Parameter, Signature
from types import FrameType, ModuleType
from typing import Any

from torch import nn

from shapecheck import source
from shapecheck.errors import nearest
from shapecheck.probe import places
from shapecheck.probe.arguments.faults import is_download, is_empty, is_of_code, without_weights
from shapecheck.probe.arguments.naming import role_of, several
from shapecheck.probe.arguments.usage import NOTHING, Usage, usages
from shapecheck.probe.arguments.values import Record, Value

Change = Mapping[str, Any]
ASK: Any = object()  # for the value of an argument that was not among the guessed ones: it is still to be guessed

_SIZES = {
    "heads": (1, 2, 8, 3),
    "image": (32, 224, 128, 256),
    "length": (256, 1024, 64, 16),
    "points": (1024, 4096),
    "patch": (4, 16, 2),
}
_KINDS = ("int", "float", "str", "list", "tuple", "bool", "NoneType", "type")
_NUMBERS = (1, 2, 4, 8, 32, 128, 3, 256)
_ITERABLE = r"not iterable|not subscriptable|has no len\(\)|must be an iterable|cannot unpack non-iterable|sequence|expected .*(list|tuple)"
_INDIVISIBLE = (
    r"divisi|multiple|divide|remainder|even|odd|power of|must be|should be|has to be|expected|equal|same|match|invalid"
)
_TOO_SMALL = (
    r"negative dimension|too small|kernel size can't|non-positive|non-zero|greater than|larger|zero elements|empty"
)


def changes(
    error: BaseException, trail: Mapping[str, Value], known: Mapping[str, Usage], signature: Signature
) -> Iterator[Change]:
    """Dotted names with values to try next, most likely first."""
    if is_of_code(error, {path: value.value for path, value in trail.items()}):
        if is_download(error):
            yield without_weights(signature, {path: value.value for path, value in trail.items()})
        return
    lines = _frames(error)
    blamed = _blamed(lines, str(error), trail)
    yield from _left_open(error, lines, trail, signature)
    yield from _missing_fields(error, lines, (*signature.parameters, *trail))
    names = _missing_names(error)
    if names and any(p.kind is Parameter.VAR_KEYWORD for p in signature.parameters.values()):
        yield dict.fromkeys(names, ASK)
    yield from _words(error, lines, blamed, trail, known)
    text = f"{type(error).__name__}: {error}"
    for path in sorted(blamed, key=lambda each: not _is_named_kind(trail[each].value, text)):
        yield from ({path: value} for value in _others(path, trail[path].value, error, text))


def _frames(error: BaseException) -> list[tuple[str, FrameType]]:
    """Each line that the exception passed through with its frame, innermost first."""
    found = []
    trace = error.__traceback__
    while trace is not None:
        code = trace.tb_frame.f_code
        found.append((linecache.getline(code.co_filename, trace.tb_lineno), trace.tb_frame))
        trace = trace.tb_next
    return found[::-1]


def _blamed(lines: Sequence[tuple[str, FrameType]], message: str, trail: Mapping[str, Value]) -> list[str]:
    """Guessed names in the order in which they stand in the message and on the lines; the others are not blamed."""
    guessed = [path for path, value in trail.items() if value.origin == "guessed"]
    places = [message, *(line for line, _ in lines)]

    def rank(path: str) -> int:
        word = re.compile(rf"\b{re.escape(path.rpartition('.')[2])}\b")
        return next((index for index, text in enumerate(places) if word.search(text)), len(places))

    return sorted(guessed, key=rank)


def _is_named_kind(value: Any, text: str) -> bool:
    """A list where `'list' and 'int'` or `but got list` is the trouble."""
    kind = type(value).__name__
    return isinstance(value, (list, tuple)) and bool(re.search(rf"'{kind}'|got {kind}", text))


def _stands_in(name: str, lines: Sequence[tuple[str, FrameType]]) -> bool:
    return any(re.search(rf"\b{name}\b", line) for line, _ in lines)


def _left_open(
    error: BaseException, lines: Sequence[tuple[str, FrameType]], trail: Mapping[str, Value], signature: Signature
) -> Iterator[Change]:
    """Arguments whose default is None, of the model or of a part of it, where the message or the line that raised names them."""
    text = f"{error} {lines[0][0] if lines else ''}"
    left = [p.name for p in signature.parameters.values() if p.default is None and p.name not in trail]
    named = [name for name in left if re.search(rf"\b{name}\b", text)]
    if len(named) > 1 and not re.search(r"\bor\b", str(error)):
        yield dict.fromkeys(named, ASK)
    yield from ({name: ASK} for name in named)
    yield from (
        {p.name: Record({})} for p in signature.parameters.values() if is_empty(p.default) and _stands_in(p.name, lines)
    )
    held = lines[0][1].f_locals if lines else {}
    inner = [name for name, value in held.items() if value is None and re.search(rf"\b{name}\b", str(error))]
    prefixes = dict.fromkeys(path.rpartition(".")[0] for path in trail if "." in path)
    yield from ({f"{prefix}.{name}": ASK} for prefix in prefixes for name in inner if f"{prefix}.{name}" not in trail)


def _missing_names(error: BaseException) -> list[str]:
    """What a base class or a part asks for behind `**kwargs`, and the key that was looked up there."""
    missing = re.search(r"missing \d+ required (?:positional|keyword-only) arguments?: (.+)", str(error))
    names = re.findall(r"'(\w+)'", missing.group(1)) if missing else []
    if isinstance(error, KeyError) and error.args and isinstance(error.args[0], str):
        names.append(error.args[0])
    return names


def _missing_fields(
    error: BaseException, lines: Sequence[tuple[str, FrameType]], paths: Sequence[str]
) -> Iterator[Change]:
    """The same of an object of options that a line takes apart: `Encoder(**config.encoder)`."""
    objects = dict.fromkeys(path.rpartition(".")[0] or path for path in paths)
    apart = {name for line, _ in lines for name in re.findall(r"\*\*[\w.]*?(\w+)\b(?!\.)", line)}
    names = _missing_names(error)
    taken_apart = (path for path in objects if names and path.rpartition(".")[2] in apart)
    yield from ({f"{path}.{name}": ASK for name in names} for path in taken_apart)


def _words(
    error: BaseException,
    lines: Sequence[tuple[str, FrameType]],
    blamed: Sequence[str],
    trail: Mapping[str, Value],
    known: Mapping[str, Usage],
) -> Iterator[Change]:
    """Strings that the code knows, for strings that it does not: keys of a table, attributes of a module, quoted words."""
    if isinstance(error, AttributeError) and isinstance(getattr(error, "obj", None), (ModuleType, type)):
        meant = nearest(str(error.name), dir(error.obj))
        yield from ({path: meant} for path in blamed if meant and trail[path].value == error.name)
    if isinstance(error, KeyError):
        keys = _keys(lines)
        hit = [path for path in blamed if error.args and trail[path].value == error.args[0]]
        yield from ({path: key} for path in (hit or blamed[:2]) for key in keys[:4] if _alike(key, trail[path].value))
    yield from _compared_words(lines, blamed, trail)
    for path in blamed:
        if isinstance(trail[path].value, str):
            known_words = [
                *known.get(path.rpartition(".")[2], NOTHING).compared,
                *re.findall(r"['\"`]([\w.-]+)['\"`]", str(error)),
            ]
            yield from ({path: word} for word in known_words if word != trail[path].value)


def _compared_words(
    lines: Sequence[tuple[str, FrameType]], blamed: Sequence[str], trail: Mapping[str, Value]
) -> Iterator[Change]:
    """`if init == "xavier"` of the function that raised, for the argument that arrived there as `init`."""
    frame = next((frame for _, frame in lines if places.distance(frame.f_code.co_filename) == 0), None)
    tree = source.parse(frame.f_code.co_filename) if frame else None
    function = source.function_at(tree, frame.f_lineno) if frame and tree else None
    if frame is None or function is None:
        return
    for name, usage in usages([function]).items():
        same = [path for path in blamed if name in frame.f_locals and trail[path].value is frame.f_locals[name]]
        called = [path for path in same if path.rpartition(".")[2] == name] or same
        yield from ({path: word} for path in called for word in usage.compared)


def _alike(key: Any, value: Any) -> bool:
    return type(key) is type(value) or (isinstance(key, str) and isinstance(value, int))


def _keys(lines: Sequence[tuple[str, FrameType]]) -> list[Any]:
    """The keys of the tables that stand on the line that raised."""
    if not lines:
        return []
    line, frame = lines[0]
    for word in re.findall(r"[A-Za-z_]\w*", line):
        held = frame.f_locals.get(word, frame.f_globals.get(word, getattr(frame.f_locals.get("self"), word, None)))
        if isinstance(held, Mapping) and held:
            return list(held)
    return []


def _others(path: str, value: Any, error: BaseException, text: str) -> Iterator[Any]:
    """Other values of one argument, by the kind of exception."""
    name, kind = path.rpartition(".")[2], re.search(r"'(\w+)' object", text)
    if kind is not None and kind.group(1) in _KINDS and kind.group(1) != type(value).__name__:
        return
    if kind is not None and "has no attribute" in text:
        yield Record({})
    if kind is not None and "not callable" in text:
        yield from (nn.ReLU, nn.BatchNorm2d)
    if re.search(_ITERABLE, text) and not isinstance(value, (list, tuple)):
        yield from (several(name, value, length) for length in (0, 4))
    if isinstance(value, list):
        if "tuple" in text:
            yield tuple(value)
        yield from _lists(value, error)
    elif type(value) is int:
        yield from _integers(name, value, error, text)
    elif type(value) is float and isinstance(error, TypeError):
        yield 2


def _lists(value: list[Any], error: BaseException) -> Iterator[Any]:
    if isinstance(error, TypeError):
        yield value[0]
        yield [value, value]
    for length in (4, 3, 1, 5):
        if length != len(value):
            yield [*value, *([value[-1]] * length)][:length]


def _integers(name: str, value: int, error: BaseException, text: str) -> Iterator[Any]:
    if re.search(_TOO_SMALL, text, re.IGNORECASE) and role_of(name) in _SIZES:
        yield from (size for size in _SIZES[role_of(name)] if size > value)
    if isinstance(error, AssertionError) or re.search(_INDIVISIBLE, text, re.IGNORECASE):
        least = 2 if role_of(name) == "classes" else 1  # the loss of a single class is always 0
        yield from (n for n in (*_SIZES.get(role_of(name), ()), *_NUMBERS) if n != value and n >= least)
    if isinstance(error, TypeError) and re.search(r"\b(str|string)\b|endswith|startswith|join", text):
        yield "relu"
    if isinstance(error, TypeError):
        yield from (0.5, [value, value])
