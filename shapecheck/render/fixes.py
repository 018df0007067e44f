"""The fixes of one finding: the first of each meaning complete with its proof, the others short."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from shapecheck.render.layout import cells, clean, code_lines, paragraph
from shapecheck.render.theme import Line
from shapecheck.report import Finding, Fix

CODE_INDENT = " " * 6
MARGIN = 2
_VERIFIED = {"executed": "executed", "contract": "contract", "no": "not run"}
_POSITIONS = {"time": "time step", "depth": "position", "height": "position", "width": "position"}


def fix_lines(finding: Finding, columns: int, *, complete: bool) -> Iterator[Line]:
    """All fixes. Where they depend on what the labels mean, each meaning heads its own.

    `complete` shows the proof of every fix, not only of the first.
    """
    for heading, fixes in _groups(finding):
        yield ()
        if heading:
            yield from paragraph("  ", heading, columns, text_style="heading")
        for index, fix in enumerate(fixes):
            yield from _full(fix, columns, "or" if index else "fix") if complete or not index else _short(fix, columns)


def tag(fix: Fix) -> str:
    """How far the fix is to be trusted: `[executed]`, `[contract]`, `[not run]`."""
    forward = fix.applies_to == "model" or (fix.kind == "change-model" and fix.applies_to != "script")
    changes = "; changes forward" if forward else ""
    return f"[{_VERIFIED.get(fix.verified, fix.verified)}{changes}]"


def _groups(finding: Finding) -> list[tuple[str, list[Fix]]]:
    """(heading, fixes) in the order in which the meanings first occur; one group without a heading if all agree."""
    if len({fix.intent for fix in finding.fixes} - {None}) < 2:
        return [("", list(finding.fixes))] if finding.fixes else []
    intents = dict.fromkeys(fix.intent for fix in finding.fixes)
    return [(_heading(intent, finding), [fix for fix in finding.fixes if fix.intent == intent]) for intent in intents]


def _heading(intent: str | None, finding: Finding) -> str:
    if intent is None:
        return "whatever the labels mean:"
    if intent != "per-position":
        return f"if there is one label {intent.replace('-', ' ')}:"
    roles = {role for row in finding.rows for role, _ in row.axes}
    places = {_POSITIONS[role] for role in roles if role in _POSITIONS}
    return f"if there is one label per {places.pop() if len(places) == 1 else 'position'}:"


def _full(fix: Fix, columns: int, label: str) -> Iterator[Line]:
    yield from _title(label, fix, columns)
    yield ()
    yield from _code(fix)
    if fix.proof or fix.trap:
        yield ()
    if fix.proof:
        yield from paragraph(CODE_INDENT, fix.proof, columns, text_style="dim")
    if fix.trap:
        yield from paragraph("  not: ", fix.trap, columns, style="trap")


def _short(fix: Fix, columns: int) -> Iterator[Line]:
    yield from _title("or", fix, columns)
    yield from _code(fix)


def _title(label: str, fix: Fix, columns: int) -> Iterator[Line]:
    """`  fix: title      [executed]`, the tag at the right edge, or after the title where there is no room."""
    lines = list(paragraph(f"  {label}: ", fix.title, columns, style="fix"))
    used, mark = sum(cells(text) for text, _ in lines[-1]), clean(tag(fix))
    gap = columns - MARGIN - used - cells(mark)
    if gap >= 1:
        yield from lines[:-1]
        yield (*lines[-1], (" " * gap, ""), (mark, "dim"))
    else:
        yield from lines
        yield from paragraph(" " * (len(label) + 4), mark, columns, text_style="dim")


def _code(fix: Fix) -> Iterator[Line]:
    """What to paste: the setup, then the user's line, the call or the bare expression. Never wrapped."""
    setup = fix.line_setup if fix.line else fix.setup
    for line in _pasteable(code_lines(setup), code_lines(fix.line or fix.call or fix.code)):
        yield ((CODE_INDENT, ""), (line, "code")) if line else ()


def _pasteable(setup: Sequence[str], call: Sequence[str]) -> list[str]:
    blank = [""] if len(setup) > 1 and call else []
    return [*setup, *blank, *call]
