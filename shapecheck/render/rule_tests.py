"""What came of testing rule files, as text: a line for each loss, and one for each thing that does not hold."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from shapecheck.render.layout import clean
from shapecheck.render.theme import Line, paint
from shapecheck.rule_runs import Tested


def render(losses: Sequence[Tested], *, color: bool = False) -> str:
    """`dice_loss: 4 rules, 19 cases, 132 checks, all hold`; failures as `file:line: CODE case: what is wrong`."""
    return paint(_lines(losses), color=color)


def _lines(losses: Sequence[Tested]) -> Iterator[Line]:
    for loss in losses:
        counts = f"{_plural(loss.rules, 'rule')}, {_plural(loss.cases, 'case')}, {_plural(loss.checks, 'check')}"
        verdict, style = ("all hold", "ok") if not loss.failures else (f"{len(loss.failures)} failed", "error")
        yield (f"{clean(loss.loss)}: {counts}, ", ""), (verdict, style)
        for failure in loss.failures:
            yield (
                (f"  {clean(str(failure.location))}: ", "dim"),
                (f"{clean(failure.name)}: ", "heading"),
                (
                    clean(failure.text),
                    "",
                ),
            )


def _plural(count: int, noun: str) -> str:
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"
