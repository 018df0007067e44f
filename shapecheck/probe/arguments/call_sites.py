"""Finds where the user's own code builds the model, nearest first: the same file, its folder, its repository.

Nothing is run: files are read and parsed, within bounds of number and size.
"""

from __future__ import annotations

import ast
import os
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from inspect import Parameter, Signature
from types import ModuleType
from typing import Any

from shapecheck import source
from shapecheck.errors import Location
from shapecheck.probe.arguments.lookup import calls_of
from shapecheck.probe.arguments.options import option_lines, options_in
from shapecheck.probe.arguments.resolving import Scope, Text, Unresolved, resolve
from shapecheck.probe.folders import up_to_repository
from shapecheck.probe.telling import shown_path

_MOST_FILES = 300
_MOST_BYTES = 4_000_000
_LARGEST_FILE = 400_000
_MOST_PARSED = 400_000  # bytes: by work, not by time, so that a busy machine finds the same
_MOST_SITES = 6
_SKIPPED = ("site-packages", "node_modules", "build", "dist", "venv", "env", "__pycache__", "docs")


@dataclass(frozen=True)
class Site:
    """One call of the model: `values` are the arguments that are known without running it, `unknown` the others."""

    location: Location
    values: Mapping[str, Any]
    unknown: tuple[str, ...] = ()


@dataclass
class Neighbourhood:
    """The user's files around those given, read once."""

    files: tuple[str, ...]
    parsed: int = 0
    texts: dict[str, Text | None] = field(default_factory=dict)
    contents: dict[str, bytes] = field(default_factory=dict)
    unread: Iterator[tuple[str, bytes]] | None = None

    def containing(self, pattern: str) -> Iterator[Text]:
        """Files with a match, nearest first."""
        wanted = re.compile(pattern.encode())
        for path, content in self._contents():
            if wanted.search(content) and (text := self.text(path)):
                yield text

    def text(self, path: str) -> Text | None:
        if path not in self.texts:
            late = self.parsed > _MOST_PARSED and path not in self.files
            tree = None if late else source.parse(path)
            self.parsed += len(self.contents.get(path, b"")) if tree else 0
            self.texts[path] = Text(path, tree, _loaded(path), self._near) if tree else None
        return self.texts[path]

    def _near(self, stem: str) -> Text | None:
        found = next((path for path, _ in self._contents() if os.path.basename(path) == stem + ".py"), None)
        return self.text(found) if found else None

    def _contents(self) -> Iterator[tuple[str, bytes]]:
        """What was read already, then the rest, as far as it is asked for."""
        if self.unread is None:
            self.unread = _read(self.files)
        yield from list(self.contents.items())
        for path, content in self.unread:
            self.contents[path] = content
            yield path, content


def _loaded(path: str) -> ModuleType | None:
    return next((m for m in list(sys.modules.values()) if getattr(m, "__file__", None) == path), None)


def _read(files: Sequence[str]) -> Iterator[tuple[str, bytes]]:
    left = _MOST_BYTES
    for number, path in enumerate(_around(files)):
        if number >= _MOST_FILES or left <= 0:
            return
        try:
            with open(path, "rb") as opened:
                content = opened.read(_LARGEST_FILE)
        except OSError:
            continue
        left -= len(content)
        yield path, content


def _around(files: Sequence[str]) -> Iterator[str]:
    """The files themselves, then their folder and what is below it, then the folders above up to the repository's."""
    seen = set(files)
    yield from files
    folders = dict.fromkeys(os.path.dirname(path) for path in files)
    for where in dict.fromkeys([*folders, *(over for folder in folders for over in up_to_repository(folder)[1:])]):
        for path in _below(where):
            if path not in seen:
                seen.add(path)
                yield path


def _below(folder: str) -> Iterator[str]:
    for where, inner, names in os.walk(folder):
        inner[:] = sorted(name for name in inner if name not in _SKIPPED and not name.startswith("."))
        yield from (os.path.join(where, name) for name in sorted(names) if name.endswith(".py"))


# ------------------------------------------------------------------------------------------- calls


def sites_of(found: Any, name: str, signature: Signature, around: Neighbourhood) -> list[Site]:
    """The calls of a class or function; those that are known whole come first."""
    own = {name, getattr(found, "__name__", name).rpartition(".")[2]}
    sites: list[Site] = []
    required = [p.name for p in signature.parameters.values() if p.default is Parameter.empty]
    for text in around.containing("|".join(rf"\b{re.escape(word)}\b" for word in sorted(own))):
        for called in sorted(_names_in(text, own, found, around.files)):
            sites += [site for site in _sites(text, called, signature) if site.values]
        if any(set(required) <= set(site.values) for site in sites):
            break
    return sorted(sites, key=lambda site: sum(each in required for each in site.unknown))[:_MOST_SITES]


def _names_in(text: Text, own: set[str], found: Any, files: Sequence[str]) -> set[str]:
    """What the file calls it: nothing in a file that has another class of that name."""
    if text.path in files:
        return own
    names: set[str] = set()
    home = _words_of(getattr(found, "__module__", "") or "") | {w for path in files for w in _words_of(path)}
    for statement in ast.walk(text.tree):
        if isinstance(statement, (ast.ClassDef, ast.FunctionDef)) and statement.name in own:
            return set()
        if isinstance(statement, ast.ImportFrom):
            meant = not statement.module or statement.module.rpartition(".")[2] in home
            names |= {a.asname or a.name for a in statement.names if meant and a.name in own}
            names |= own if meant and any(alias.name == "*" for alias in statement.names) else set()
        elif isinstance(statement, ast.Import):
            names |= own if any(alias.name.rpartition(".")[2] in home for alias in statement.names) else set()
    modules = (a for s in ast.walk(text.tree) if isinstance(s, ast.ImportFrom) for a in s.names)
    return names | (own if any(alias.name in home for alias in modules) else set())


def _words_of(path: str) -> set[str]:
    return {os.path.splitext(word)[0] for word in re.split(r"[\\/.]", path.removesuffix(".py")) if word}


def _sites(text: Text, name: str, signature: Signature) -> Iterator[Site]:
    for call, around in calls_of(text.tree, name):
        scope = Scope(text, around)
        try:
            keywords = dict(_keywords(call, scope))
            bound = signature.bind_partial(*_positional(call, scope), **keywords).arguments
        except Exception:  # noqa: S112 - a call that does not fit the signature, or a ** of what is no mapping
            continue
        values, unknown = dict[str, Any](), list[str]()
        for parameter, node in bound.items():
            try:
                values |= _valued(signature.parameters[parameter], node, scope)
            except Unresolved:
                unknown.append(parameter)
        yield Site(Location(shown_path(text.path), call.lineno), values, tuple(unknown))


@dataclass(frozen=True)
class _Known:
    """The value of an argument that stands in no expression of its own: it came out of `**config`."""

    value: Any


def _positional(call: ast.Call, scope: Scope) -> Iterator[Any]:
    for argument in call.args:
        if isinstance(argument, ast.Starred):
            yield from map(_Known, resolve(argument.value, scope))
        else:
            yield argument


def _keywords(call: ast.Call, scope: Scope) -> Iterator[tuple[str, Any]]:
    for keyword in call.keywords:
        if keyword.arg is not None:
            yield keyword.arg, keyword.value
            continue
        try:
            given = resolve(keyword.value, scope)
        except Unresolved:
            continue
        fields = getattr(given, "fields", given)
        yield from ((str(name), _Known(value)) for name, value in fields.items())


def _valued(parameter: Parameter, node: Any, scope: Scope) -> dict[str, Any]:
    if parameter.kind is Parameter.VAR_KEYWORD:
        return {name: _value(each, scope) for name, each in node.items()}
    if parameter.kind is Parameter.VAR_POSITIONAL:
        return {parameter.name: [_value(each, scope) for each in node]}
    return {parameter.name: _value(node, scope)}


def _value(node: Any, scope: Scope) -> Any:
    return node.value if isinstance(node, _Known) else resolve(node, scope)


def options_near(around: Neighbourhood, names: Sequence[str]) -> dict[str, tuple[Any, Location]]:
    """Defaults of the command line of a script nearby: of the nearest that knows most of the names."""
    best: dict[str, tuple[Any, Location]] = {}
    for text in around.containing(r"\.add_(argument|option)\("):
        lines, found = option_lines(text.tree), options_in(text.tree)
        place = shown_path(text.path)
        options = {name: (value, Location(place, lines.get(name))) for name, value in found.items()}
        if sum(name in options for name in names) > sum(name in best for name in names):
            best = options
    return best
