"""What the model does to its batch and its axes, told from a few more runs on the dummy input. The entry point of this package.

The model is in eval mode and guarded. A run costs as much as any other, so that each question is only asked where an earlier
answer leaves it open, and none once the time is up.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch

from shapecheck.probe.behaviour.batches import other_batches
from shapecheck.probe.behaviour.case import Case, Survey, mixed, surveyed
from shapecheck.probe.behaviour.constant import ignores_input, softmax_of_one
from shapecheck.probe.behaviour.layers import batch_read_as_time
from shapecheck.probe.behaviour.normalising import over_positions
from shapecheck.probe.behaviour.positions import positions_mixed
from shapecheck.probe.behaviour.samples import along_samples, samples_mixed
from shapecheck.probe.behaviour.taken import batch_taken
from shapecheck.probe.outputs.axes import Named
from shapecheck.probe.outputs.varying import Free
from shapecheck.probe.runs.feeding import Call, perturbed
from shapecheck.probe.runs.running import Runner
from shapecheck.specs import Observation

_SMALL = 3  # fewer samples than this cannot show who reads whom


def observe(
    runner: Runner,
    named: Named,
    path: str,
    output: torch.Tensor,
    typed: Call = (),
    watched: Sequence[Observation] = (),
    keeps: Callable[[Call], bool] = lambda call: True,
) -> tuple[Observation, ...]:
    """`output` is what `named.call` gave at `path`; `typed` is the call as the user labelled it with --input, if so.

    `watched` is what the output is known to be already: a softmax may run over the wrong axis. `keeps` says of a call whether
    its sizes are still those the user chose. Raises nothing for what the model does.
    """
    case = Case(runner, named, path, output, typed, keeps)
    group = case.batch
    survey = surveyed(case, case.call, None if group is None else perturbed(case.call, group.where, 0))
    if survey is None:
        return ()
    found = [] if group is None else _mixing(case, group, survey)
    if not runner.expired:
        found += positions_mixed(case, survey, [one.location for one in found])
        found += softmax_of_one(case, survey)
        found += ignores_input(case, survey)
    if not runner.expired:
        found += other_batches(case)
    for softmax in (one for one in watched if one.kind in ("softmax", "log_softmax")):
        found += over_positions(case, survey, softmax)
    return tuple(found)


def _mixing(case: Case, group: Free, survey: Survey) -> list[Observation]:
    """Whether samples read each other, and which line makes them."""
    if case.size(group) < _SMALL:
        return []
    if not mixed(case, group, survey.output):
        return batch_taken(case)
    return batch_read_as_time(case) or samples_mixed(case, group) or along_samples(case, group) or batch_taken(case)
