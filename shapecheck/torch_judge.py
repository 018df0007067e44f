"""The judge that asks torch; see `verify.py` for what "executed" means. Imports torch."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from shapecheck import oracle, verify
from shapecheck.diagnosis import Diagnosis, Option, State
from shapecheck.matching import Facts
from shapecheck.oracle import Answer
from shapecheck.rules import Loss
from shapecheck.specs import Observation
from shapecheck.verify import Proof


@dataclass(frozen=True)
class TorchJudge:
    """`output` is the model's own, where there is one; `without` runs it again with an observed call left out."""

    output: torch.Tensor | None = None
    without: Callable[[Observation], torch.Tensor] | None = None

    def ask(self, loss: Loss, tensors: Mapping[str, Facts], arguments: Mapping[str, Any]) -> Answer | None:
        """Torch's own answer; None where the tensors are too large to try."""
        return oracle.ask(loss, tensors, arguments)

    def prove(self, causes: Sequence[Diagnosis], cause: Diagnosis, option: Option) -> Proof:
        """Run a fix."""
        return verify.prove(causes, cause, option, self.output)

    def prove_without(self, observation: Observation, option: Option, state: State) -> Proof:
        """Run the model without a softmax or sigmoid."""
        if self.output is None or self.without is None:
            return Proof(False, failure="there is no model to run")
        return verify.prove_without(self.output, self.without(observation), observation, state, option)
