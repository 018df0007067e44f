"""What is passed in a tensor's place: tuples, mappings, objects, arrays, numbers. Pure; torch only through the judge.

Each tensor that can be had of it is judged in its place, by the checks that any tensor gets. The finding names the ways
to take one, the best first, each with all that the call then needs besides.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from shapecheck.matching import holds
from shapecheck.messages import fill
from shapecheck.report import CheckResult, Finding, Fix, Row
from shapecheck.rules import FixTemplate, Loss, Rule, holder_rules
from shapecheck.specs import Part, Subject, TensorSpec, WrittenCall
from shapecheck.written import operand

MOST_SHOWN = 3
HOWS = ("member", "tensor", "stack")
SCORES = (
    "logits",
    "out",
    "output",
    "outputs",
    "prediction",
    "predictions",
    "pred",
    "preds",
    "scores",
    "y_pred",
    "main",
)
LABELS = ("labels", "label", "target", "targets", "y", "mask", "masks", "class", "classes")

# The check of a subject, and the fix that changes nothing more: see `pipeline.py`.
Check = Callable[[Subject], CheckResult]
Plain = Callable[[Subject], Fix]


@dataclass(frozen=True, eq=False)
class Way:
    """A tensor in the place of what is none: the call with it, and what is to be said of that."""

    part: Part
    subject: Subject
    result: CheckResult

    @property
    def errors(self) -> int:
        return sum(finding.severity == "error" for finding in self.result.findings)

    @property
    def mended(self) -> bool:
        """Whether the rules know what the call needs besides."""
        fixes = [fix for finding in self.result.findings for fix in finding.fixes]
        return not self.errors or any(fix.call and fix.verified != "no" for fix in fixes)


def held(subject: Subject, loss: Loss) -> str:
    """The first of the loss's tensors that is none, or ''."""
    return next((name for name in loss.tensors if name in subject.tensors and _parts(subject, name) is not None), "")


def _parts(subject: Subject, name: str) -> tuple[Part, ...] | None:
    return subject.tensors[name].parts


def check(subject: Subject, loss: Loss, name: str, quick: Check, full: Check, plain: Plain, says: str) -> CheckResult:
    """The check of a call with something else in the place of the tensor `name`.

    `quick` judges a call by the contract alone, `full` runs its fixes, `plain` gives the call as it is as a fix, run;
    `says` is torch's own answer.
    """
    ways = ranked(subject, loss, name, quick)
    taken = [way for way in ways if not way.errors] or [way for way in ways if way.mended] or ways
    alike = _alike([way for way in ways if way.part.how == "member"]) and taken[0].part.how == "member"
    shown = [replace(way, result=full(way.subject)) for way in taken[: 1 if alike else MOST_SHOWN]]
    result = shown[0].result if shown else _empty(subject, loss)
    facts = {**_facts(subject.tensors[name], loss, name), "alike": alike}
    found = tuple(
        _finding(rule, subject, facts, shown, plain, says) for rule in holder_rules() if holds(rule.when, facts)
    )
    inner = [_renamed(finding, name, shown[0].part) for finding in result.findings] if shown else []
    return replace(
        result,
        contract="rejects",
        contract_note="",
        output_path=shown[0].part.path.removeprefix(".") if shown and name == loss.output else subject.output_path,
        accepted_targets=result.accepted_targets if shown else (),
        findings=(*found, *(replace(finding, torch_says="") for finding in inner)),
    )


def ranked(subject: Subject, loss: Loss, name: str, quick: Check) -> list[Way]:
    """Those first that the contract takes, with the fewest errors; then by the name and the order of the parts."""
    parts = _parts(subject, name) or ()
    ways = []
    for part in parts:
        tensors = {**subject.tensors, name: part.spec}
        opened = replace(subject, tensors=tensors, written=_opened(subject.written, name, part))
        ways.append(Way(part, opened, quick(opened)))
    known = SCORES if name == loss.output else LABELS

    def rank(way: Way) -> tuple[Any, ...]:
        member_of_whole = way.part.how == "member" and name != loss.output and _is_whole(ways)
        return member_of_whole, way.result.contract != "accepts", not way.mended, way.errors, _by_name(way.part, known)

    return sorted(ways, key=rank)


def _opened(call: WrittenCall | None, name: str, part: Part) -> WrittenCall | None:
    """The call in the user's words, with the part where the tensor should be."""
    if call is None or name not in call.tensors:
        return None
    return replace(call, tensors={**call.tensors, name: part.code(operand(call.tensors[name]))})


def _is_whole(ways: Sequence[Way]) -> bool:
    """Whether all of it as one tensor is what the loss takes."""
    return any(way.part.how != "member" and way.result.contract == "accepts" for way in ways)


def _by_name(part: Part, known: Sequence[str]) -> int:
    last = re.findall(r"\w+", part.path)[-1:]
    return known.index(last[0].lower()) if last and last[0].lower() in known else len(known)


def _empty(subject: Subject, loss: Loss) -> CheckResult:
    return CheckResult(
        subject.name,
        loss.name,
        subject.loss_args,
        subject.location,
        roles=(loss.output, loss.target),
        notes=subject.notes,
        engine=subject.engine,
    )


def _facts(spec: TensorSpec, loss: Loss, name: str) -> dict[str, Any]:
    parts = spec.parts or ()
    return {
        "loss": loss.name,
        "holder": name,
        "type": spec.python,
        "a": _article(spec.python),
        "of": "output" if name == loss.output else "target" if name == loss.target else "other",
        "members": sum(part.how == "member" for part in parts),
        "words": spec.values == "words",
        "path": "",
    }


def _article(word: str) -> str:
    """An ndarray is spelt out as it is read."""
    return "an" if word[:1].lower() in "aeiou" or word.startswith("nd") else "a"


def _finding(
    rule: Rule, subject: Subject, facts: Mapping[str, Any], ways: Sequence[Way], plain: Plain, says: str
) -> Finding:
    return Finding(
        rule.code,
        rule.name,
        rule.severity,
        fill(rule.message, facts),
        why=fill(rule.why, facts),
        torch_says=says,
        rows=tuple(_rows(subject, facts["holder"])),
        fixes=tuple(_fixes(rule, facts, ways, plain)),
    )


def _rows(subject: Subject, holder: str) -> Iterator[Row]:
    """Each tensor of the call; of what is none, those in it."""
    for name, spec in subject.tensors.items():
        if spec.parts is None:
            yield Row(name, _axes(spec), f"{spec.dtype}")
            continue
        for part in spec.parts[: 2 * MOST_SHOWN]:
            label = name + part.path if part.how == "member" else name
            note = f"{part.spec.dtype}" if part.how == "member" else f"{part.spec.dtype}, in a {spec.python}"
            yield Row(label, _axes(part.spec), note)


def _axes(spec: TensorSpec) -> tuple[tuple[str, Any], ...]:
    return tuple(("", size) for size in spec.shape)


def _fixes(rule: Rule, facts: Mapping[str, Any], ways: Sequence[Way], plain: Plain) -> Iterator[Fix]:
    """In the order of the rule, but for the ways to take a tensor, which stand by rank."""
    taken = False
    for template in rule.fixes:
        if template.take in HOWS and not taken:
            taken = True
            yield from _by_rank(rule, facts, ways, plain)
        elif template.take == "each" and holds(template.when, facts):
            yield _each(template, facts, ways[0], plain)
        elif not template.take and holds(template.when, facts):
            yield Fix(template.kind, fill(template.title, facts), template.applies_to, fill(template.code, facts))


def _by_rank(rule: Rule, facts: Mapping[str, Any], ways: Sequence[Way], plain: Plain) -> Iterator[Fix]:
    for way in ways:
        mended = _mended(way, plain)
        known = {**facts, "path": way.part.path, "becomes": _becomes(way, mended)}
        for template in rule.fixes:
            if template.take == way.part.how and holds(template.when, known):
                yield _taken(template, way, mended, known)


def _alike(ways: Sequence[Way]) -> bool:
    """Whether all members are scores of their own: the loss takes each of them, and they are of one shape."""
    return (
        len(ways) > 1
        and all(way.part.how == "member" and way.part.among is not None and not way.errors for way in ways)
        and len({(way.part.spec.shape, way.part.spec.dtype) for way in ways}) == 1
    )


def _mended(way: Way, plain: Plain) -> Fix:
    """The call with the part in its place, and with whatever else it needs."""
    fixes = [fix for finding in way.result.findings if finding.severity == "error" for fix in finding.fixes]
    return next((fix for fix in fixes if fix.call), fixes[0]) if fixes else plain(way.subject)


def _becomes(way: Way, mended: Fix) -> str:
    """The dtype of the tensor in the mended call: that of the part, unless it is cast."""
    kinds = {finding.fixes[0].kind for finding in way.result.findings if finding.fixes}
    if "cast-target-float" in kinds:
        return "float32"
    return "int64" if "cast-target-long" in kinds else way.part.spec.dtype or ""


def _taken(template: FixTemplate, way: Way, mended: Fix, facts: Mapping[str, Any]) -> Fix:
    name, part = facts["holder"], way.part
    own = mended.applies_to == name and mended.code and mended.call
    return replace(
        mended,
        kind=template.kind,
        title=fill(template.title, facts),
        applies_to=name,
        code=_named(mended.code, name, part) if own else part.code(name),
        call=_named(mended.call, name, part),
        setup=_named(mended.setup, name, part),
        trap="",
    )


def _each(template: FixTemplate, facts: Mapping[str, Any], way: Way, plain: Plain) -> Fix:
    """The loss of each member, added up; run for the first."""
    name, mended = facts["holder"], _mended(way, plain)
    single = re.sub(rf"(?<![.\w]){name}\b(?!=)", "each", mended.call.removeprefix("loss = "))
    code = f"sum({single} for each in {name}{way.part.among})"
    proof = f"for the first of them: {mended.proof}" if mended.proof else ""
    return replace(
        mended,
        kind=template.kind,
        title=fill(template.title, facts),
        applies_to="loss",
        code=code,
        call=f"loss = {code}",
        line="",
        proof=proof,
        trap="",
    )


def _named(code: str, name: str, part: Part) -> str:
    """Code on the part, wherever it speaks of the tensor; keywords of the loss keep their names."""
    return re.sub(rf"(?<![.\w]){name}\b(?!=)", lambda _: part.code(name), code)


def _renamed(finding: Finding, name: str, part: Part) -> Finding:
    fixes = tuple(
        replace(
            fix,
            code=_named(fix.code, name, part),
            call=_named(fix.call, name, part),
            setup=_named(fix.setup, name, part),
            trap="",
        )
        for fix in finding.fixes
    )
    return replace(finding, fixes=fixes)
