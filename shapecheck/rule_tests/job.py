"""What the worker does with one rule of a loss: its cases, its words, its explanation. A job and its answer are plain data."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

from shapecheck import oracle
from shapecheck.errors import CheckError, Location, UserError
from shapecheck.rule_cases import Case, cases_of
from shapecheck.rule_tests.checking import Checked, checked
from shapecheck.rule_tests.explanations import OF_EXPLANATIONS
from shapecheck.rule_tests.of_cases import OF_ALL, OF_FAILING
from shapecheck.rule_tests.of_rules import OF_RULES, Ruled
from shapecheck.rules import load_file

Check = tuple[Location, str, Callable[[], Iterator[str]]]  # where it is told, of what, and the ways it is broken


def run_job(job: dict[str, Any]) -> dict[str, Any]:
    """`{"checks": how many, "failures": [[path, line, name, text], ...]}`."""
    folders = tuple(map(Path, job["folders"]))
    loss = load_file(Path(job["file"]), folders)
    rule = next((rule for rule in loss.rules if rule.code == job["code"]), None)
    if rule is None:
        raise UserError(f"the rule {job['code']} went from its file while it was tested", "test again")
    ruled = Ruled(loss, rule, [case for case in cases_of(loss) if case.code == rule.code])
    try:
        oracle.function_of(loss)
    except CheckError as error:  # the same for all rules of the loss
        return {"checks": 1, "failures": [[loss.source.path, loss.source.line, "call", _text(error)]]}
    losses = [loss, *(load_file(Path(file), folders) for file in job["own"] if file != job["file"])]
    checks = [*_of_cases(ruled), *_of_rule(ruled)]
    if job["explained"]:
        checks += [(rule.source, f"{rule.code} explain", partial(each, ruled, losses)) for each in OF_EXPLANATIONS]
    failures: dict[tuple[Any, ...], None] = {}  # one broken thing may break several checks in the same words
    for place, name, check in checks:
        failures.update(((place.path, place.line, name, text), None) for text in _broken(check))
    return {"checks": len(checks), "failures": [list(failure) for failure in failures]}


def _of_cases(ruled: Ruled) -> Iterator[Check]:
    for case in ruled.cases:
        for each in (*OF_ALL, *(OF_FAILING if case.fails else ())):
            yield case.location, f"{case.code} {case.name}", partial(_on, each, case)


def _on(invariant: Callable[[Checked], Iterator[str]], case: Case) -> Iterator[str]:
    return invariant(checked(case))


def _of_rule(ruled: Ruled) -> Iterator[Check]:
    for each in OF_RULES:
        yield ruled.rule.source, ruled.rule.code, partial(each, ruled)


def _broken(check: Callable[[], Iterator[str]]) -> list[str]:
    """The ways in which it is broken; a call that cannot be checked, or raises in the user's loss, is one."""
    try:
        return list(check())
    except CheckError as error:
        return [f"cannot be checked: {_text(error)}"]
    except Exception as error:
        return [f"raises {type(error).__name__}: {error}"]


def _text(error: CheckError) -> str:
    return error.message + (f" ({error.hint})" if error.hint else "")
