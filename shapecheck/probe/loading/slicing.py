"""Which statements of a file have to run for its definitions to be there, where the whole would train or download.

Works on the syntax tree and runs nothing. What is left keeps its line numbers.
"""

from __future__ import annotations

import ast
import copy
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from shapecheck import source
from shapecheck.probe.loading.effects import Effect, Functions, effect_of, functions_of
from shapecheck.probe.loading.names import BUILTIN, DEFINITIONS, Names, dotted, names_of, root, running

_IMPORTS = (ast.Import, ast.ImportFrom)
_PLAIN_CALLS = frozenset({
    "dict", "list", "tuple", "set", "frozenset", "range", "len", "int", "float", "str", "bool", "min", "max", "sum", "sorted", "zip",
    "enumerate", "abs", "round", "namedtuple", "TypeVar", "NewType", "Path", "partial", "print", "getattr", "hasattr", "setattr",
    "torch.device", "torch.tensor", "object", "OrderedDict", "defaultdict",
})  # fmt: skip
_PLAIN_ROOTS = (
    "os.path.",
    "os.environ.",
    "logging.",
    "re.",
    "typing.",
    "collections.",
    "math.",
    "pathlib.",
    "functools.",
    "sys.",
)


@dataclass(frozen=True)
class LeftOut:
    """A statement that is not run: `text` is its first line, `why` says what it would do, or did when it was tried.

    `names` are what it would bind; `root` is the statement that was left out first, where this one only needs it.
    """

    line: int
    text: str
    why: str
    names: frozenset[str] = frozenset()
    root: LeftOut | None = None

    @property
    def cause(self) -> LeftOut:
        return self.root or self


@dataclass(frozen=True)
class Slice:
    """What is to run, each with its number in the file, and what is not; statements that nobody needs are not counted."""

    kept: tuple[tuple[int, ast.stmt], ...]
    left_out: tuple[LeftOut, ...]


def worth_slicing(tree: ast.Module) -> bool:
    """Whether the top level does more than defining things."""
    functions = functions_of(tree)
    return any(effect_of(statement, functions) for statement in _leaves(tree.body))


def sliced(tree: ast.Module, name: str | None = None, failed: Mapping[int, LeftOut] | None = None) -> Slice:
    """The statements without those that have effects, and without what depends on these.

    With a `name`, plain work that nothing it needs depends on is left out too. `failed` are statements, by their number,
    that were tried before.
    """
    lazy = any(isinstance(node, ast.ImportFrom) and node.module == "__future__" for node in tree.body)
    pruner = _Pruner(functions_of(tree))
    failed = failed or {}
    lines = [None if i in failed else pruner.pruned(statement) for i, statement in enumerate(tree.body)]
    every = {
        i: _Line(statement, names_of(statement, lazy)) for i, statement in enumerate(lines) if statement is not None
    }
    needed = _needed(every, name) if name is not None else set(every)
    left_out = [*pruner.left_out, *failed.values()]
    kept, more = _without_dependents(every, needed, left_out)
    ordered = sorted((*left_out, *more), key=lambda each: each.line)
    return Slice(tuple((i, every[i].statement) for i in sorted(kept)), tuple(ordered))


def constants(tree: ast.Module) -> Mapping[str, ast.Assign]:
    """The first assignment of a plain value to each name of the module, in whatever branch."""
    found: dict[str, ast.Assign] = {}
    for statement in source.statements(tree.body):
        if isinstance(statement, ast.Assign) and len(statement.targets) == 1 and _is_literal(statement.value):
            target = statement.targets[0]
            if isinstance(target, ast.Name):
                found.setdefault(target.id, statement)
    return found


def _is_literal(value: ast.expr) -> bool:
    try:
        ast.literal_eval(value)
    except (ValueError, TypeError):
        return False
    return True


def wanted_later(tree: ast.Module, name: str) -> frozenset[str]:
    """The names of the module that a definition reads when it is used, and those that they read in turn."""
    parts = {node.name: names_of(node) for node in tree.body if isinstance(node, DEFINITIONS)}
    reached, wanted = set[str](), {name.partition(".")[0]}
    while wanted - reached:
        new = wanted - reached
        reached |= new
        wanted |= {each for part in new if part in parts for each in parts[part].reads | parts[part].reads_later}
    return frozenset(reached)


def left_out_of(statement: ast.stmt, why: str, root: LeftOut | None = None) -> LeftOut:
    text = ast.unparse(statement).partition("\n")[0]
    return LeftOut(statement.lineno, text, why, names_of(statement).binds, root)


@dataclass(frozen=True)
class _Line:
    statement: ast.stmt
    names: Names


# ---------------------------------------------------------------------------- without effects


@dataclass
class _Pruner:
    """Cuts statements with effects out, those inside `if` and `try` one by one."""

    functions: Functions
    left_out: list[LeftOut] = field(default_factory=list)

    def pruned(self, statement: ast.stmt) -> ast.stmt | None:
        if effect_of(statement, self.functions) is None or _is_main(statement):
            return statement
        if isinstance(statement, ast.If) and effect_of(ast.Expr(statement.test), self.functions) is None:
            return self._with_blocks(statement, ("body", "orelse"))
        if isinstance(statement, ast.Try):
            pruned = self._with_blocks(statement, ("body", "orelse", "finalbody"))
            pruned.handlers = [self._handler(handler) for handler in statement.handlers]  # type: ignore[attr-defined]
            return pruned
        effect = effect_of(statement, self.functions)
        assert effect is not None
        self._leave_out(statement, effect)
        return None

    def _leave_out(self, statement: ast.stmt, effect: Effect) -> None:
        self.left_out.append(left_out_of(statement, effect.what))

    def _with_blocks(self, statement: ast.stmt, blocks: Sequence[str]) -> ast.stmt:
        changed = copy.copy(statement)
        for block in blocks:
            body: list[ast.stmt] = getattr(statement, block)
            kept = [pruned for pruned in map(self.pruned, body) if pruned is not None]
            setattr(changed, block, kept or ([ast.copy_location(ast.Pass(), body[0])] if body else []))
        return changed

    def _handler(self, handler: ast.ExceptHandler) -> ast.ExceptHandler:
        """A handler that would install or download what is missing lets the exception pass instead."""
        kept = [pruned for pruned in map(self.pruned, handler.body) if pruned is not None]
        if len(kept) == len(handler.body):
            return handler
        changed = copy.copy(handler)
        changed.body = [ast.copy_location(ast.Raise(), handler.body[0])]
        return changed


def _leaves(body: Sequence[ast.stmt]) -> Iterator[ast.stmt]:
    return (statement for statement in body if not _is_main(statement))


def _is_main(statement: ast.stmt) -> bool:
    return isinstance(statement, ast.If) and "__name__" in ast.unparse(statement.test)


# ---------------------------------------------------------------------------- what a name needs


def _needed(lines: Mapping[int, _Line], name: str) -> set[int]:
    """Imports, definitions, constants and settings; and what binds or changes a name that the wanted one needs.

    Those that need more than that are needed themselves, or cannot run.
    """
    imported = {bound for line in lines.values() if isinstance(line.statement, _IMPORTS) for bound in line.names.binds}
    kept = {i for i, line in lines.items() if _defines(line.statement, imported)}
    wanted = {name.partition(".")[0]}
    while True:
        due = {i for i, line in lines.items() if _concerns(line, wanted - imported)}
        more = set().union(*(lines[i].names.reads | lines[i].names.reads_later for i in due))
        if due <= kept and more <= wanted:
            return kept
        kept |= due
        wanted |= more


def _concerns(line: _Line, wanted: set[str]) -> bool:
    return bool((line.names.binds | line.names.changes) & wanted)


def _defines(statement: ast.stmt, imported: set[str]) -> bool:
    if isinstance(statement, (*_IMPORTS, *DEFINITIONS)) or _is_main(statement):
        return True
    if isinstance(statement, (ast.If, ast.Try)):
        return all(_defines(inner, imported) for inner in _inner(statement))
    if isinstance(statement, (ast.Assign, ast.AnnAssign, ast.AugAssign)):
        targets = statement.targets if isinstance(statement, ast.Assign) else [statement.target]
        settings = all(isinstance(t, (ast.Attribute, ast.Subscript)) and root(t) in imported for t in targets)
        return settings or statement.value is None or _is_plain(statement.value)
    if isinstance(statement, ast.Expr):
        called = statement.value.func if isinstance(statement.value, ast.Call) else None
        setting = isinstance(called, ast.Attribute) and dotted(called).partition(".")[0] in imported
        return setting or "seed" in dotted(called or statement.value).lower() or _is_plain(statement.value)
    return isinstance(statement, (ast.Pass, ast.Delete, ast.Assert))


def _inner(statement: ast.If | ast.Try) -> Iterator[ast.stmt]:
    yield from (*statement.body, *statement.orelse, *getattr(statement, "finalbody", ()))
    for handler in getattr(statement, "handlers", ()):
        yield from handler.body


def _is_plain(value: ast.expr) -> bool:
    """Literals, arithmetic and harmless calls."""
    calls = [dotted(node.func) for node in running(value) if isinstance(node, ast.Call)]
    return all(
        call in _PLAIN_CALLS or call.startswith(_PLAIN_ROOTS) or call.endswith(("is_available", "getLogger"))
        for call in calls
    )


# ---------------------------------------------------------------------------- what cannot run then


def _without_dependents(
    lines: Mapping[int, _Line], kept: set[int], left_out: Sequence[LeftOut]
) -> tuple[set[int], list[LeftOut]]:
    """Without statements that read a name which only statements bind that are not run."""
    kept, more = set(kept), list[LeftOut]()
    reasons = {name: each for each in left_out for name in each.names}
    unneeded = frozenset().union(*(lines[i].names.binds for i in lines.keys() - kept))
    while True:
        bound = frozenset().union(*(lines[i].names.binds for i in kept))
        lost = {i: _lost(lines[i], (reasons.keys() | unneeded) - bound) for i in kept}
        lost = {i: names for i, names in lost.items() if names}
        if not lost:
            return kept, more
        kept -= lost.keys()
        for i, names in lost.items():
            unneeded |= lines[i].names.binds
            cause = next((name for name in sorted(names) if name in reasons), None)
            if cause is not None:
                each = left_out_of(lines[i].statement, f"needs {cause}", reasons[cause].cause)
                more.append(each)
                reasons |= {name: each for name in each.names if name not in reasons}


def _lost(line: _Line, missing: set[str]) -> set[str]:
    if isinstance(line.statement, (*_IMPORTS, ast.Try)):
        return set()
    return set(line.names.reads & missing) - (line.names.binds - BUILTIN)
