"""The report people read: each finding with its shapes drawn, its reason and fixes to paste. Decides nothing."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from shapecheck.errors import CheckError, Location
from shapecheck.render.arguments import built_text
from shapecheck.render.drawing import draw, tensor_text
from shapecheck.render.fixes import fix_lines
from shapecheck.render.layout import clean, lines_of, measure, paragraph
from shapecheck.render.repeats import Repeats, repeats
from shapecheck.render.theme import Line, paint
from shapecheck.report import SEVERITIES, AcceptedTarget, CheckResult, Finding, Report, ScriptRun

_SYMBOL = re.compile(r".*:([A-Za-z_][\w.]*)\Z", re.DOTALL)
_MOST_FILES = 6
_UNKNOWN_ORIGINS = ("assumed", "inferred")


def render(report: Report, *, width: int = 80, color: bool = False, verbose: bool = False, quiet: bool = False) -> str:
    """The whole report as text, ready to print; escape codes only if `color`.

    `quiet` leaves headlines, places and errors; `verbose` adds how each check was done and every fix in full.
    """
    columns = measure(width)
    once = repeats(report)
    blocks = [block for check in report.checks for block in _blocks(check, once, columns, verbose, quiet)]
    if report.run is not None and not quiet:
        blocks.append(list(_run(report.run, columns, verbose)))
    if not quiet and (summary := _summary(report, once)):
        blocks.append(list(paragraph("", summary, columns, text_style="heading")))
    return paint(_joined(blocks, spaced=not quiet), color=color)


def _blocks(check: CheckResult, once: Repeats, columns: int, verbose: bool, quiet: bool) -> Iterator[list[Line]]:
    """One block of lines for each finding, the error, or the ok line of a check; its notes end the last one."""
    findings = once.told(check)
    if quiet:
        yield from (list(_headline(check, finding, once, columns)) for finding in findings)
        if check.error is not None:
            yield list(_error(check, check.error, columns))
        return
    blocks = [list(_finding(check, finding, once, columns, verbose)) for finding in findings]
    if check.error is not None:
        blocks.append(list(_error(check, check.error, columns)))
    if check.status == "ok":
        blocks.append(list(_ok(check, columns)))
    if not blocks:  # others have said it
        return
    blocks[-1].extend(_remarks(check, columns))
    if verbose:
        blocks[-1].extend(_circumstances(check, columns))
    yield from blocks


def _joined(blocks: Sequence[list[Line]], *, spaced: bool) -> Iterator[Line]:
    """Blocks with a blank line between them, except between two of a single line; the summary, last, stands apart."""
    for index, block in enumerate(blocks):
        previous = blocks[index - 1] if index else block
        last = index == len(blocks) - 1
        if index and spaced and (len(block) > 1 or len(previous) > 1 or last):
            yield ()
        yield from block


def _finding(check: CheckResult, finding: Finding, once: Repeats, columns: int, verbose: bool) -> Iterator[Line]:
    style = finding.severity
    yield from _headline(check, finding, once, columns)
    if finding is check.findings[0]:
        yield from _built(check, columns)
    if finding.rows:
        yield ()
        yield from draw(finding.rows, columns, style)
    if shapes := once.shapes(check, finding):
        yield from paragraph("  also: ", shapes, columns)
    if finding.why or finding.torch_says:
        yield ()
    if finding.why:
        yield from paragraph("  why: ", finding.why, columns, style="heading")
    if finding.torch_says:
        yield from paragraph("  torch says: ", finding.torch_says, columns, style="heading")
    yield from fix_lines(finding, columns, complete=verbose)
    yield ()
    page = f"{finding.code} --rules {finding.rules}" if finding.rules else finding.code
    yield from paragraph("  explain: ", f"shapecheck explain {page}", columns, style="dim")
    yield from paragraph("  silence: ", f"--ignore {finding.code}", columns, style="dim")


def _headline(check: CheckResult, finding: Finding, once: Repeats, columns: int) -> Iterator[Line]:
    label = clean(f"{finding.severity}[{finding.code}]:") + " "
    yield from paragraph(label, finding.message, columns, style=finding.severity, text_style="heading")
    yield from _place(check, finding.location, columns, once.losses(check, finding), probed=True)


def _error(check: CheckResult, error: CheckError, columns: int) -> Iterator[Line]:
    label = clean(f"error[{error.code}]:") + " "
    yield from paragraph(label, error.message, columns, style="error", text_style="heading")
    yield from _place(check, error.location, columns, probed=False)
    if error.hint:
        yield from lines_of("  help: ", error.hint, columns, style="fix")


def _place(
    check: CheckResult, location: Location | None, columns: int, losses: str = "", *, probed: bool
) -> Iterator[Line]:
    """`  --> model.py:12 WaveNet, probed with input (batch 5, channel 1, time 97)`."""
    place, subject = location or check.location, subject_name(check)
    elsewhere = "in " if subject and check.location not in (None, place) else ""
    text = " ".join(part for part in (str(place or ""), elsewhere + subject) if part) + losses
    if probed and check.inputs:
        text += f", probed with {_inputs_text(check)}"
    if text:
        yield from paragraph("  --> ", text.removeprefix(", "), columns, style="dim")


def subject_name(check: CheckResult) -> str:
    """`WaveNet` of `model.py:WaveNet`; nothing where the name is only the place again."""
    if check.location is not None and check.name.partition("#")[0] in (str(check.location), check.location.path):
        return ""
    symbol = _SYMBOL.match(check.name)
    return symbol.group(1) if symbol else check.name


def _inputs_text(check: CheckResult) -> str:
    if len(check.inputs) == 1:
        return f"input {tensor_text(check.inputs[0])}"
    return ", ".join(f"{each.name} {tensor_text(each)}" for each in check.inputs)


def _ok(check: CheckResult, columns: int) -> Iterator[Line]:
    yield from paragraph("ok: ", _understood(check), columns, style="ok")
    yield from _built(check, columns)
    if _target_known(check):
        return
    for index, target in enumerate(check.accepted_targets):
        yield from paragraph("  targets it takes: " if not index else " " * 20, _target_text(target), columns)


def _understood(check: CheckResult) -> str:
    """`WaveNet output (batch 5, class 256, time 97) fits cross_entropy`."""
    tensors = {name: tensor_text(tensor) for name, tensor in check.tensors.items()}
    output, target = check.roles
    if check.output_path and output in tensors:
        tensors[output] = f"{check.output_path!r} {tensors[output]}"
    if target in tensors and not _target_known(check):
        del tensors[target]
    named = [f"{name} {shape}" for name, shape in tensors.items()]
    several = ", ".join(named[:-1]) + " and " + named[-1] if len(named) > 1 else "".join(named)
    call = check.name if check.name == str(check.location) else ""  # one of many of a script
    subject = " ".join(part for part in (call, subject_name(check), several) if part) or "nothing"
    if check.contract == "rejects":
        return f"{subject}: no finding is selected, but torch rejects it for {check.loss}"
    return f"{subject} {'fit' if len(named) > 1 else 'fits'} {check.loss}"


def _target_known(check: CheckResult) -> bool:
    target = check.tensors.get(check.roles[1])
    return target is not None and target.origin not in _UNKNOWN_ORIGINS


def _target_text(target: AcceptedTarget) -> str:
    meaning = f", {target.meaning}" if target.meaning else ""
    return f"({', '.join(map(str, target.shape))}) {target.dtype}{meaning}"


def _run(run: ScriptRun, columns: int, verbose: bool) -> Iterator[Line]:
    """How far the user's script ran, and what it left behind."""
    yield from paragraph("run: ", run.told, columns, style="note")
    if run.written:
        shown = run.written if verbose else run.written[:_MOST_FILES]
        more = f" and {len(run.written) - len(shown)} more" if len(shown) < len(run.written) else ""
        yield from paragraph("  written by the script: ", ", ".join(shown) + more, columns, style="note")
    for note in run.notes:
        yield from paragraph("  note: ", note, columns, style="note")


def _built(check: CheckResult, columns: int) -> Iterator[Line]:
    """`  built: Net(classes=10, hidden=64); classes from train.py:31, hidden guessed`: what the user did not type."""
    if any(argument.origin != "flag" for argument in check.arguments):
        text = built_text(subject_name(check), check.arguments)
        yield from paragraph("  built: ", text, columns, style="note")


def _remarks(check: CheckResult, columns: int) -> Iterator[Line]:
    for note in check.notes:
        yield from paragraph("  note: ", note, columns, style="note")
    if check.contract_note:
        yield from paragraph("  torch: ", check.contract_note, columns, style="note")


def _circumstances(check: CheckResult, columns: int) -> Iterator[Line]:
    for each in check.inputs:
        text = f"{each.name} {tensor_text(each)} {each.dtype}, {each.origin}"
        yield from paragraph("  input: ", text, columns, style="dim")
    arguments = "".join(f", {name}={value!r}" for name, value in check.loss_args.items())
    yield from paragraph("  loss: ", check.loss + arguments, columns, style="dim")
    yield from paragraph("  engine: ", f"{check.engine}, {check.elapsed_ms} ms", columns, style="dim")


def _summary(report: Report, once: Repeats) -> str:
    """`1 error, 1 warning in 2 checks; 1 more could not be done`; '' for a single clean check."""
    severities = [finding.severity for check in report.checks for finding in once.told(check)]
    counts = [_plural(severities.count(name), name) for name in SEVERITIES if name in severities]
    undone = sum(check.error is not None for check in report.checks)
    done = len(report.checks) - undone
    if not report.checks:
        return "nothing was checked"
    if not done and not counts:
        return f"{_plural(undone, 'check')} could not be done"
    if len(report.checks) == 1 and not counts:
        return ""
    more = f"; {undone} more could not be done" if undone else ""
    return f"{', '.join(counts) or 'nothing found'} in {_plural(done, 'check')}{more}"


def _plural(count: int, noun: str) -> str:
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"
