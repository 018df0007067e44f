"""One loss call of a running program, checked with its own tensors; the program is left as it was."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar

import torch

from shapecheck import at_hand, pipeline
from shapecheck.errors import UserError
from shapecheck.intercept.calls import LossCall
from shapecheck.intercept.telling import unseen
from shapecheck.pages import check_codes
from shapecheck.report import CheckResult, select
from shapecheck.rule_folders import opened
from shapecheck.rules import Loss, load_loss
from shapecheck.specs import WrittenCall
from shapecheck.torch_judge import TorchJudge

T = TypeVar("T")
Codes = str | Sequence[str]


@dataclass(frozen=True)
class Asked:
    """With which rules, and which of their findings count."""

    folders: tuple[Path, ...] = ()
    select: tuple[str, ...] = ()
    ignore: tuple[str, ...] = ()

    @classmethod
    def of(cls, rules: Sequence[str], selected: Codes, ignored: Codes) -> Asked:
        """Raises UserError for a folder without rules and for codes that no rule has."""
        folders = opened([rules] if isinstance(rules, str) else rules)
        chosen, left_out = _listed(selected), _listed(ignored)
        return cls(folders, check_codes("select", chosen, folders), check_codes("ignore", left_out, folders))

    def result(self, call: LossCall) -> CheckResult | None:
        """None where the tensors cannot be measured."""
        try:
            rule = load_loss(call.loss, self.folders)
            told = call.told_by(rule)
            found = _undisturbed(lambda: self._checked(call, rule, told))
        except UserError:
            return None
        return select(found, self.select, self.ignore)

    def _checked(self, call: LossCall, rule: Loss, told: WrittenCall | None) -> CheckResult:
        subject = at_hand.subject(rule, call.tensors, call.loss_args, location=call.location)
        return pipeline.check(replace(subject, written=told), rule, TorchJudge())


def _listed(codes: Codes) -> tuple[str, ...]:
    return tuple(codes.split(",")) if isinstance(codes, str) else tuple(codes)


def _undisturbed(function: Callable[[], T]) -> T:
    """Run in a thread of its own, where no autocast, no_grad, default device, mode or transform of the program's is on."""
    found: list[T] = []
    failed: list[BaseException] = []

    def run() -> None:
        with unseen():
            try:
                found.append(function())
            except BaseException as error:
                failed.append(error)

    if torch.cuda.is_initialized():
        torch.cuda.current_stream().synchronize()  # another thread has another stream
    thread = threading.Thread(target=run, name="shapecheck", daemon=True)
    thread.start()
    thread.join()
    if failed:
        raise failed[0]
    return found[0]
