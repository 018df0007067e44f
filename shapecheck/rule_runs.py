"""`shapecheck rules test`: every rule of a folder in the worker, what is broken in the order of the files. No torch here."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from shapecheck.errors import Location, error_from, nearest
from shapecheck.rule_cases import cases_of
from shapecheck.rule_folders import losses_in, opened
from shapecheck.rules import Loss, Rule, all_rules
from shapecheck.workers import Workers

ENTRY = "shapecheck.rule_tests.job:run_job"


@dataclass(frozen=True)
class Failure:
    """Something that does not hold: of which rule or case, and how."""

    location: Location
    name: str
    text: str


@dataclass(frozen=True)
class Tested:
    """One loss after its test: how many rules and cases it has, how many checks were made, and what does not hold."""

    loss: str
    rules: int
    cases: int
    checks: int
    failures: tuple[Failure, ...]


def run_folder(folder: str, timeout: float, concurrency: int = 1) -> list[Tested]:
    """Every loss of a folder of rule files. Raises UserError for a folder or file that cannot be read."""
    with Workers() as workers:  # it imports torch while the files are read
        folders = opened([folder])
        losses = losses_in(folders[0], folders)
        works = [(loss, rule) for loss in losses for rule in loss.rules]
        for loss in losses:
            cases_of(loss)
        jobs = list(_jobs(works, folders, losses))
        answers = dict(workers.run(jobs, timeout, concurrency, ENTRY))
    doubled = list(_doubled_codes(losses, folders[0]))
    return [_tested(loss, works, answers, doubled) for loss in losses]


def _jobs(
    works: Sequence[tuple[Loss, Rule]], folders: tuple[Path, ...], losses: Sequence[Loss]
) -> Iterator[dict[str, Any]]:
    """One for each rule of each loss; the explanation of a rule that several share is tested once."""
    own = [str(loss.file) for loss in losses if not loss.call.startswith("torch.")]
    seen = set[str]()
    for loss, rule in works:
        explained = rule.code not in seen and rule.file.is_relative_to(folders[0])
        seen.add(rule.code)
        yield {
            "folders": list(map(str, folders)),
            "file": str(loss.file),
            "code": rule.code,
            "explained": explained,
            "own": own,
        }


def _tested(
    loss: Loss,
    works: Sequence[tuple[Loss, Rule]],
    answers: Mapping[int, Mapping[str, Any]],
    doubled: Sequence[tuple[Loss, Failure]],
) -> Tested:
    failures = [failure for owner, failure in doubled if owner is loss]
    failures += _cases_without_rule(loss)
    checks = len(failures)
    for index, (owner, rule) in enumerate(works):
        if owner is loss:
            done, broken = _read(answers[index], rule)
            checks += done
            failures += broken
    once = tuple(dict.fromkeys(failures))  # a loss that cannot be loaded is told of once, not of each rule
    return Tested(loss.name, len(loss.rules), len(cases_of(loss)), checks, once)


def _read(answer: Mapping[str, Any], rule: Rule) -> tuple[int, list[Failure]]:
    """How many checks were made, and those that failed; a rule whose test did not come back is one."""
    if "error" in answer:
        error = error_from(answer["error"])
        text = error.message + (f" ({error.hint})" if error.hint else "")
        return 1, [Failure(error.location or rule.source, rule.code, text)]
    return answer["checks"], [
        Failure(Location(path, line), name, text) for path, line, name, text in answer["failures"]
    ]


def _cases_without_rule(loss: Loss) -> Iterator[Failure]:
    codes = [rule.code for rule in loss.rules]
    for case in cases_of(loss):
        for code in (case.code, *case.codes):
            if code not in codes and not code.startswith("SC9"):
                guess = nearest(code, codes)
                text = f"{loss.name} has no rule {code}" + (f", did you mean {guess}?" if guess else "")
                yield Failure(case.location, f"{case.code} {case.name}", text)
                break


def _doubled_codes(losses: Sequence[Loss], folder: Path) -> Iterator[tuple[Loss, Failure]]:
    """A code or name is one rule's only, in the folder and among ours, unless the loss stands for ours of that name."""
    replaced = {loss.name for loss in losses}
    taken: dict[str, Rule] = {}
    for rule, others in all_rules().values():
        if not rule.file.is_relative_to(folder) and not set(others) <= replaced:
            taken.setdefault(rule.code, rule)
            taken.setdefault(rule.name, rule)
    for loss in losses:
        for rule in loss.rules:
            for word in (rule.code, rule.name):
                other = taken.setdefault(word, rule)
                if (other.source, other.code) != (rule.source, rule.code):
                    text = f"{word} is taken, by {other.code} {other.name} at {other.source}"
                    yield loss, Failure(rule.source, rule.code, text)
