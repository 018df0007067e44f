"""One distinct loss call of a running script, as it was taken down. Holds no tensors. Imports torch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from shapecheck.errors import CheckError, Location
from shapecheck.rules import Loss
from shapecheck.script.following import Trail
from shapecheck.script.origins import Origin
from shapecheck.specs import Observation, Subject


@dataclass(eq=False)
class Seen:
    """One distinct loss call. `subject` is None where the call could not be measured, as `error` says.

    `trails` are by the contract's names of the tensors that came of a module or a batch. `cut` is where the way to the
    parameters ends, if a backward has found none, or what torch refuses to give a gradient.
    """

    loss: Loss
    location: Location
    subject: Subject | None = None
    error: CheckError | None = None
    trails: Mapping[str, Trail] = field(default_factory=dict)
    origin: Origin | None = None
    graded: bool = True
    cut: Observation | None = None
    raised: bool = False
    reported: bool = False
