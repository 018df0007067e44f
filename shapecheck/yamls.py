"""YAML as shapecheck reads it: `safe_load` semantics, bounded, and every mapping knows its line.

An alias is allowed only where it cannot blow up: the total of nodes after expansion is limited.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import yaml

from shapecheck.errors import Location, UserError

if TYPE_CHECKING:
    from pathlib import Path

LARGEST_BYTES = 10_000_000
LARGEST_NODES = 500_000
DEEPEST = 100
MOST_SHOWN = 40
NO_ALIASES = "write it without aliases"

_SafeLoader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class Mapping(dict[str, Any]):
    """A YAML mapping that remembers the line it starts on."""

    line: int | None = None


class _OurLoader(_SafeLoader):  # type: ignore[misc]
    """The C loader where there is one, with lines kept."""


class _Loader(_OurLoader):
    """For the files of users: duplicate keys refused, and what cannot be read is named with its line."""

    def flatten_mapping(self, node: Any) -> None:
        if not hasattr(node, "flattened"):  # a merge (`<<`) may bring keys that stand here again, and that is allowed
            _check_keys(node)
            node.flattened = True
        super().flatten_mapping(node)

    def construct_object(self, node: Any, deep: bool = False) -> Any:
        try:
            return super().construct_object(node, deep)
        except (ValueError, LookupError, AttributeError, TypeError, OverflowError):
            kind = str(node.tag).rpartition(":")[2]
            raise _refused(f"{_shortened(node.value)} is no {kind} that can be read", node) from None


def _check_keys(node: Any) -> None:
    seen = set()
    for key_node, _ in node.value:
        if not isinstance(key_node, yaml.ScalarNode):
            raise _refused("a key must be a word", key_node)
        if key_node.value in seen:
            raise _refused(f"the key {key_node.value!r} stands twice", key_node)
        seen.add(key_node.value)


def _refused(problem: str, node: Any) -> Exception:
    return yaml.constructor.ConstructorError(None, None, problem, node.start_mark)


def _shortened(value: object) -> str:
    text = repr(value)
    return text if len(text) <= MOST_SHOWN else f"{text[:MOST_SHOWN]}... ({len(text)} characters)"


def _mapping(loader: Any, node: Any) -> Any:
    mapping = Mapping()
    mapping.line = node.start_mark.line + 1
    yield mapping
    mapping.update(loader.construct_mapping(node))


_OurLoader.add_constructor("tag:yaml.org,2002:map", _mapping)


def line_of(node: Any) -> int | None:
    """The 1-based line a mapping read by `load` starts on, if `node` is one."""
    return getattr(node, "line", None)


def load_file(path: Path, name: str | None = None, ours: bool = False, guide: str = "output spec") -> Any:
    """Read a YAML or JSON file. Raises UserError for what cannot be read, with the line.

    `ours` is for the rule files that ship, which need no bounds; `guide` is the heading in the README to look under.
    """
    shown = name or str(path)
    try:
        if path.stat().st_size > LARGEST_BYTES:
            raise UserError(
                f"{shown} has {path.stat().st_size:,} bytes, more than the {LARGEST_BYTES:,} that are read",
                "split it into several files",
            )
        data = path.read_bytes()
    except OSError as error:
        raise UserError(f"cannot read {shown}: {error.strerror}", "check the path and its permissions") from None
    return load(data, shown, ours, guide)


def load_value(text: str, option: str) -> Any:
    """The value of an option of the command line. Raises UserError that names the option."""
    try:
        return load(text.encode("utf-8", "surrogateescape"), option)
    except UserError as error:
        raise UserError(error.message, "write a value as YAML does: 10, 0.5, true, mean, [1, 2]") from None


def load(data: bytes, name: str, ours: bool = False, guide: str = "output spec") -> Any:
    """Read YAML text. Raises UserError with `name` and the line."""
    if len(data) > LARGEST_BYTES:
        raise UserError(
            f"{name} has more than the {LARGEST_BYTES:,} bytes that are read", "split it into several files"
        )
    try:
        text = data.removeprefix(b"\xef\xbb\xbf").decode("utf-8")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise UserError(
            f"{name} is not UTF-8: byte 0x{data[error.start]:02x} at offset {error.start}",
            "save it as UTF-8",
            location=Location(name, line),
        ) from None
    try:
        if not ours:
            _check_expansion(text, name)
        return yaml.load(text, Loader=_OurLoader if ours else _Loader)  # noqa: S506 (subclasses of the safe loader)
    except yaml.MarkedYAMLError as error:
        read = isinstance(error, (yaml.composer.ComposerError, yaml.constructor.ConstructorError))
        problem = ", ".join(part for part in (error.context, error.problem) if part)
        raise UserError(
            f"{name} {'cannot be read' if read else 'is not YAML'}: {problem}",
            f"see {guide!r} in the README for the format",
            location=Location(name, _line(error, text)),
        ) from None
    except yaml.YAMLError as error:
        raise UserError(f"{name} is not YAML: {str(error).splitlines()[0]}", location=Location(name)) from None
    except RecursionError:
        raise UserError(f"{name} is nested too deeply", location=Location(name)) from None


def _line(error: yaml.MarkedYAMLError, text: str) -> int | None:
    """Where it went wrong; what is missing at the end of a file is missing from its last line with anything on it."""
    mark = error.problem_mark or error.context_mark
    return None if mark is None else min(mark.line, text.rstrip().count("\n")) + 1


def _check_expansion(text: str, name: str) -> None:
    """Refuse a document whose aliases expand to more nodes than any spec has (a few lines can mean billions).

    And one nested too deeply: the C composer recurses without a limit and would take the process down.
    """
    sizes: dict[str, int] = {}
    stack: list[tuple[str | None, int]] = []
    total = 0
    for event in yaml.parse(text, Loader=_SafeLoader):
        mark = event.start_mark
        place = Location(name, mark.line + 1 if mark else None)
        if isinstance(event, yaml.CollectionEndEvent):
            anchor, before = stack.pop()
            if anchor is not None:
                sizes[anchor] = total - before + 1
            continue
        if isinstance(event, yaml.AliasEvent):
            if any(anchor == event.anchor for anchor, _ in stack):
                raise UserError(f"{name} has an alias {event.anchor!r} inside of itself", NO_ALIASES, location=place)
            total += sizes.get(event.anchor or "", 1)
        elif isinstance(event, (yaml.ScalarEvent, yaml.CollectionStartEvent)):
            total += 1
        if total > LARGEST_NODES:
            problem = f"{name} expands to more than {LARGEST_NODES:,} values through its aliases"
            raise UserError(problem, NO_ALIASES, location=place)
        if isinstance(event, yaml.CollectionStartEvent):
            stack.append((event.anchor, total))
            if len(stack) > DEEPEST:
                problem = f"{name} is nested more than {DEEPEST} levels deep"
                raise UserError(problem, "no spec or rule file needs that", location=place)
