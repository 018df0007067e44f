"""From a loss call that was taken down to its check: what the tensors say, what the module that made them does, and the script.

Imports torch, and runs the user's modules again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import torch

from shapecheck.errors import CheckError, Location
from shapecheck.pipeline import check
from shapecheck.probe.probing import Probe
from shapecheck.report import CheckResult
from shapecheck.rules import Loss
from shapecheck.script.following import Trail, carried
from shapecheck.script.origins import Origin, Probes
from shapecheck.script.trails import observed, still_seen
from shapecheck.specs import Observation, Subject
from shapecheck.torch_judge import TorchJudge


@dataclass(eq=False)
class Seen:
    """One distinct loss call. `subject` is None where the call could not be measured, as `error` says.

    `trails` are by the contract's names of the tensors that came of a module or a batch.
    """

    loss: Loss
    location: Location
    subject: Subject | None = None
    error: CheckError | None = None
    trails: Mapping[str, Trail] = field(default_factory=dict)
    origin: Origin | None = None
    graded: bool = True
    raised: bool = False
    reported: bool = False


def checked(seen: Seen, probes: Probes, judge: bool) -> CheckResult:
    """The check of one call; `judge` is whether torch is asked and fixes are run."""
    if seen.subject is None:
        return CheckResult(str(seen.location), seen.loss.name, location=seen.location, error=seen.error)
    probe = probes.of(seen.origin, seen.loss) if seen.origin is not None else None
    subject = seen.subject
    if isinstance(probe, Probe):
        subject = _with_probe(subject, seen, probe)
    elif isinstance(probe, CheckError):
        subject = replace(subject, notes=(*subject.notes, f"the model was not probed: {probe.message}"))
    found = observed(seen.loss, seen.trails, _roles(seen, probe))
    subject = replace(subject, observations=(*subject.observations, *found))
    return check(subject, seen.loss, TorchJudge() if judge else None)


def _roles(seen: Seen, probe: Probe | CheckError | None) -> tuple[str, ...] | None:
    """Of the axes of what the module gave."""
    trail = seen.trails.get(seen.loss.output)
    if not isinstance(probe, Probe) or trail is None or len(probe.axes) != len(trail.base.shape):
        return None
    return probe.axes


def _with_probe(subject: Subject, seen: Seen, probe: Probe) -> Subject:
    name = seen.loss.output
    spec = subject.tensors[name]
    trail = seen.trails.get(name)
    inside = seen.origin is not None and seen.origin.number
    axes = probe.axes if inside or trail is None else carried(trail, probe.axes)
    if axes is not None and len(axes) == len(spec.shape) and spec.axes is None and set(axes) != {"unknown"}:
        spec = replace(spec, axes=axes)
    return replace(
        subject,
        tensors={**subject.tensors, name: spec},
        inputs=probe.inputs,
        output_path=probe.output_path,
        observations=tuple(still_seen(probe.observations, None if inside else trail)),
        notes=(*subject.notes, *probe.notes),
    )
