"""One mistake that shows in several loss calls of a script is told once, with the other calls named. JSON keeps them all."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass

from shapecheck.errors import Location
from shapecheck.render.drawing import tensor_text
from shapecheck.report import CheckResult, Finding, Report

_MOST = 4


@dataclass(frozen=True)
class Repeats:
    """`others` are, by a finding's id, the further checks that it stands for; `left_out` the ids of what they say again."""

    others: Mapping[int, Sequence[CheckResult]]
    left_out: frozenset[int]

    def told(self, check: CheckResult) -> tuple[Finding, ...]:
        """The findings of a check that are not told elsewhere."""
        return tuple(finding for finding in check.findings if id(finding) not in self.left_out)

    def losses(self, check: CheckResult, finding: Finding) -> str:
        """` for the losses at train.py:19, train.py:26`: the calls, where the line to change is another one."""
        if not _is_call(check):
            return ""
        calls = dict.fromkeys(str(each.location) for each in (check, *self.others.get(id(finding), ())))
        if list(calls) == [str(finding.location or check.location)]:
            return ""
        return f" for the {'losses' if len(calls) > 1 else 'loss'} at {_listed(list(calls))}"

    def shapes(self, check: CheckResult, finding: Finding) -> str:
        """`output (batch 2, class 3), target (batch 2)`: what else came to the same call; '' where nothing did."""
        same = [each for each in self.others.get(id(finding), ()) if each.location == check.location]
        texts = dict.fromkeys(_tensors(each) for each in same)
        return _listed([text for text in texts if text != _tensors(check)], "; ")


def repeats(report: Report) -> Repeats:
    """Of a script's run; other reports are of things that have nothing to do with each other."""
    others: dict[int, list[CheckResult]] = {}
    first: dict[Hashable, int] = {}
    left_out = set()
    for check in report.checks if report.run is not None else ():
        for finding in check.findings:
            known = first.setdefault(_mistake(check, finding), id(finding))
            if known != id(finding):
                others.setdefault(known, []).append(check)
                left_out.add(id(finding))
    return Repeats(others, frozenset(left_out))


def _mistake(check: CheckResult, finding: Finding) -> Hashable:
    """What is the same in one mistake: the rule, the line to change and what to do there."""
    place: Location | None = finding.location or check.location
    advice = tuple((fix.kind, fix.applies_to) for fix in finding.fixes)
    return (finding.code, finding.severity, check.loss, place, advice)


def _is_call(check: CheckResult) -> bool:
    return check.location is not None and check.name == str(check.location)


def _tensors(check: CheckResult) -> str:
    return ", ".join(f"{name} {tensor_text(tensor)}" for name, tensor in check.tensors.items())


def _listed(texts: Sequence[str], between: str = ", ") -> str:
    more = f" and {len(texts) - _MOST} more" if len(texts) > _MOST else ""
    return between.join(texts[:_MOST]) + more
