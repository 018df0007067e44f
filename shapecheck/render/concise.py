"""One line for each finding or error, place first: for grep and editors. Nothing else goes to standard output."""

from __future__ import annotations

from shapecheck.errors import Location
from shapecheck.render.layout import clean
from shapecheck.report import CheckResult, Finding, Fix, Report


def render(report: Report) -> str:
    """`model.py:12: SC101 error: class axis is last, ... [3 fixes, first: output.movedim(-1, 1)]` and so on."""
    return "".join(clean(line) + "\n" for check in report.checks for line in _lines(check))


def _lines(check: CheckResult) -> list[str]:
    lines = [
        f"{_place(check, finding.location)}: {finding.code} {finding.severity}: {finding.message}{_fixes(finding)}"
        for finding in check.findings
    ]
    if check.error is not None:
        lines.append(f"{_place(check, check.error.location)}: {check.error.code} error: {check.error.message}")
    return lines


def _place(check: CheckResult, location: Location | None) -> str:
    """`path:line`; where no line is known, the check's name tells it from others of the same file."""
    place = location or check.location
    if place is None:
        return check.name or "-"
    named = place.line is not None or not check.name or check.name.startswith(place.path)
    return str(place) if named else f"{place}: {check.name}"


def _fixes(finding: Finding) -> str:
    if not finding.fixes:
        return ""
    first = _short(finding.fixes[0])
    count = len(finding.fixes)
    return f" [fix: {first}]" if count == 1 else f" [{count} fixes, first: {first}]"


def _short(fix: Fix) -> str:
    return fix.code if fix.code and "\n" not in fix.code.strip() else fix.title
