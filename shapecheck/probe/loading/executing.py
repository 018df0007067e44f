"""Runs a file of the user's statement by statement. Decides nothing about what it finds there.

A file whose top level trains or downloads is run in part (`slicing.py`); and where a statement fails, those go on that do
not need it, so that a script that stops half way still has its classes.
"""

from __future__ import annotations
import __future__

import ast
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from types import CodeType, ModuleType

from shapecheck.probe import places
from shapecheck.probe.loading.absence import absence
from shapecheck.probe.loading.replacing import with_stand_ins
from shapecheck.probe.loading.slicing import LeftOut, constants, left_out_of, sliced, wanted_later, worth_slicing
from shapecheck.probe.runs.weight import TooLargeError
from shapecheck.probe.telling import said


@dataclass(frozen=True)
class Outcome:
    """What became of a file: statements that did not run, and what the first that failed raised.

    `supplied` are constants of lines that did not run, as `nc = 3`, with the line.
    """

    left_out: tuple[LeftOut, ...] = ()
    failure: BaseException | None = None
    supplied: tuple[tuple[str, int], ...] = ()


def execute(module: ModuleType, tree: ast.Module, file: str, name: str | None) -> Outcome:
    """Runs what the name needs, or, without a name, all that has no effects; then the first failure is raised."""
    module.__doc__ = ast.get_docstring(tree, clean=False)
    flags = _flags(tree)
    works = worth_slicing(tree)
    if works:
        _partly_run.add(file)
    kept, left_out = _plan(tree, name, {}) if works else (tuple(enumerate(tree.body)), ())
    failed: dict[int, LeftOut] = {}
    failure: BaseException | None = None
    number = 0
    while number < len(kept):
        index, statement = kept[number]
        number += 1
        try:
            _run(statement, module, file, flags)
        except BaseException as error:
            if name is None or _is_final(error):
                raise
            failure = failure or error
            unbound = frozenset(each for each in left_out_of(statement, "").names if each not in vars(module))
            failed[index] = replace(left_out_of(statement, f"raises {said(error)}"), names=unbound)
            kept, left_out = _plan(tree, name, failed)
            number = next((at for at, (later, _) in enumerate(kept) if later > index), len(kept))
    supplied = tuple(_supplied(module, tree, name)) if name is not None else ()
    return Outcome(left_out, failure, supplied)


def _supplied(module: ModuleType, tree: ast.Module, name: str) -> Iterator[tuple[str, int]]:
    """Gives the model the constants that only branches bind which were not taken: of the data set that was not chosen."""
    open_ones = {each: node for each, node in constants(tree).items() if each not in vars(module)}
    for missing in sorted(wanted_later(tree, name) & open_ones.keys()) if open_ones else ():
        vars(module)[missing] = ast.literal_eval(open_ones[missing].value)
        yield ast.unparse(open_ones[missing]), open_ones[missing].lineno


def _plan(
    tree: ast.Module, name: str | None, failed: dict[int, LeftOut]
) -> tuple[tuple[tuple[int, ast.stmt], ...], tuple[LeftOut, ...]]:
    plan = sliced(tree, name, failed)
    return plan.kept, plan.left_out


_partly_run: set[str] = set()


def _is_final(error: BaseException) -> bool:
    """A mistake in what the user wrote, rather than what the file does; or a model to be built in another way."""
    if isinstance(error, ModuleNotFoundError):
        return bool(error.name) and not absence.allows(error.name or "")
    if isinstance(error, ImportError) and error.path and places.distance(error.path) == 0:
        return error.path not in _partly_run
    return isinstance(error, (SyntaxError, TooLargeError))


def _run(statement: ast.stmt, module: ModuleType, file: str, flags: int) -> None:
    """Once more where what was in the way could be put aside."""
    try:
        with_stand_ins(lambda: _execute([statement], module, file, flags))
    except FileNotFoundError as error:
        if not _lies_beside(error.filename, file):
            raise
        with _folder(os.path.dirname(file)):
            _execute([statement], module, file, flags)
    except ImportError as error:
        _one_by_one(statement, error, lambda one: _execute([one], module, file, flags))


def _execute(statements: list[ast.stmt], module: ModuleType, file: str, flags: int) -> None:
    code: CodeType = compile(ast.Module(statements, []), file, "exec", flags=flags, dont_inherit=True)
    exec(code, vars(module))  # noqa: S102 - a module is made by running the user's file


def _one_by_one(statement: ast.stmt, error: ImportError, run: Callable[[ast.stmt], None]) -> None:
    """An import of several names, or several in one `try`, without those that fail; raises what the first of them raised."""
    for part in _parts(statement, error):
        try:
            run(part)
        except ImportError:
            continue
    raise error


def _parts(statement: ast.stmt, error: ImportError) -> Iterator[ast.stmt]:
    if isinstance(statement, ast.ImportFrom) and not isinstance(error, ModuleNotFoundError):
        for alias in statement.names:
            yield ast.copy_location(ast.ImportFrom(statement.module, [alias], statement.level), statement)
    elif isinstance(statement, ast.Try):
        yield from (part for part in statement.body if isinstance(part, (ast.Import, ast.ImportFrom)))


def _flags(tree: ast.Module) -> int:
    """The file's `from __future__` imports, which hold for all its statements."""
    imports = [node for node in tree.body if isinstance(node, ast.ImportFrom) and node.module == "__future__"]
    names = [alias.name for node in imports for alias in node.names if alias.name in __future__.all_feature_names]
    flags = 0
    for name in names:
        flags |= getattr(__future__, name).compiler_flag
    return flags


def _lies_beside(wanted: object, file: str) -> bool:
    if not isinstance(wanted, str) or os.path.isabs(wanted):
        return False
    return os.path.exists(os.path.join(os.path.dirname(file), wanted))


@contextmanager
def _folder(folder: str) -> Iterator[None]:
    before = os.getcwd()
    os.chdir(folder)
    try:
        yield
    finally:
        os.chdir(before)
