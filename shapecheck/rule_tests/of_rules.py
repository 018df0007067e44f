"""What has to hold of every rule: its words, its cases, and torch's own texts as it quotes them.

Each function yields the ways in which it is broken, nothing where it holds.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from shapecheck import oracle
from shapecheck.diagnosis import State
from shapecheck.messages import blanked
from shapecheck.report import Finding
from shapecheck.rule_cases import Case
from shapecheck.rule_tests.checking import Checked, checked
from shapecheck.rules import HEADINGS, Loss, Rule
from shapecheck.verify import expect_advice

FEWEST_CASES = 3
# Numbers and shapes in torch's texts are those of one call: "size [5, 10]" and "size [3, 7]" are the same text.


@dataclass(frozen=True, eq=False)
class Ruled:
    """A rule of a loss, and the loss's cases that stand under its code."""

    loss: Loss
    rule: Rule
    cases: Sequence[Case]

    def failing(self) -> Iterator[Checked]:
        """Its fail cases, checked; without those in which the finding is missing."""
        for case in self.cases:
            if case.fails and checked(case).finding is not None:
                yield checked(case)


def it_has_cases(seen: Ruled) -> Iterator[str]:
    if len(seen.cases) < FEWEST_CASES:
        yield f"{len(seen.cases)} cases, at least {FEWEST_CASES} are due"
    if not any(case.fails for case in seen.cases):
        yield "no case has it: a call under `fail` is due"
    if all(case.fails for case in seen.cases):
        yield "every case has it: a call beside it, under `pass`, is due"


def the_words_of_a_rule(seen: Ruled) -> Iterator[str]:
    rule = seen.rule
    message = rule.message.replace("{loss}", seen.loss.name)
    if not re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", rule.name):
        yield f"the name {rule.name!r} is not of lower-case words and hyphens"
    if not _is_headline(message):
        yield f"the message is no lower-case line without a full stop: {message!r}"
    if set(rule.explain) != set(HEADINGS):
        yield f"explain needs all of: {', '.join(HEADINGS)}"
    for fix in rule.fixes:
        if not _is_headline(fix.title):
            yield f"the title of a fix is no lower-case line without a full stop: {fix.title!r}"
        if bool(fix.code) == bool(fix.apply or fix.loss or fix.loss_args):
            yield f"the fix {fix.title!r} needs either code to show or something to run: apply, loss or loss_args"
    if rule.contract == "accepts" and rule.broken:
        yield "a rule of calls that torch accepts cannot be one of a broken requirement"


def _is_headline(text: str) -> bool:
    return text[:1] == text[:1].lower() and not text.endswith(".") and "\n" not in text


def one_trap_is_shown(seen: Ruled) -> Iterator[str]:
    if seen.rule.traps and not any(fix.trap for each in seen.failing() for fix in _finding(each).fixes):
        yield "no case shows the trap: a reshape that fits has to give another number in one of them"


def torch_says_so(seen: Ruled) -> Iterator[str]:
    """One of the texts is that of the running torch; the others may be those of older versions.

    Where torch says nothing at all, the texts are of other losses that have the rule.
    """
    if not seen.rule.says:
        return
    answers = [answer for each in seen.failing() for answer in _answers(each)]
    if not answers and seen.rule.contract == "any":
        return  # this loss takes what others that have the rule do not
    said_so = [blanked(answer) for answer in answers]
    silent = not answers and seen.rule.contract != "rejects"
    if not silent and not any(blanked(text) in answer for text in seen.rule.says for answer in said_so):
        said = f"; it says: {answers[0]}" if answers else ""
        yield f"torch says none of the texts under `says` in any fail case{said}"


def _answers(each: Checked) -> Iterator[str]:
    """Torch's errors and warnings, forward and backward, on the call of a case."""
    pairs = each.proved.get(each.case.code, ())
    if _finding(each).torch_says:
        yield _finding(each).torch_says
    for _, proved in pairs[:1]:
        yield from _said(proved.start)


def _said(state: State) -> Iterator[str]:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        expect_advice()
        tensors = oracle.made(state.loss, state.tensors, state.arguments)
        try:
            oracle.call_loss(state.loss, tensors, state.arguments)
        except Exception as error:  # torch raises whatever it likes
            yield str(error)
    yield from (str(each.message) for each in caught)


def _finding(each: Checked) -> Finding:
    assert each.finding is not None
    return each.finding


Invariant = Callable[[Ruled], Iterator[str]]
OF_RULES: tuple[Invariant, ...] = (it_has_cases, the_words_of_a_rule, one_trap_is_shown, torch_says_so)
