"""What the worker does with one target: load, build, probe, check. Imports torch, inside functions.

A job and its answer are plain data (`wire.py`).
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from shapecheck import wire
from shapecheck.errors import CheckError, UserError
from shapecheck.pipeline import check
from shapecheck.rules import Loss, load_loss
from shapecheck.specs import InputRequest, Size, Subject, TensorSpec

if TYPE_CHECKING:
    import torch
    from torch import nn

    from shapecheck.probe.probing import Probe

UNMEASURED = "values not checked: no data given"


@dataclass(frozen=True)
class ModelCheck:
    """What the user asked of one model."""

    loss: str
    loss_args: Mapping[str, Any]
    inputs: Sequence[InputRequest] = ()
    target: TensorSpec | None = None
    output_path: str | None = None
    classes: int | None = None


def run_job(job: dict[str, Any]) -> dict[str, Any]:
    """`{"result": CheckResult}` or, for a trace, `{"subject": Subject}`, packed. Raises CheckError."""
    began = time.perf_counter()
    if job["kind"] == "spec":
        from shapecheck.torch_judge import TorchJudge

        subject = wire.unpack(job["subject"])
        result = check(subject, load_loss(subject.loss), TorchJudge())
        return {"result": wire.pack(replace(result, elapsed_ms=_since(began)))}
    return _model_job(job, began)


def _model_job(job: dict[str, Any], began: float) -> dict[str, Any]:
    from shapecheck.probe.load import load_model
    from shapecheck.targets import parse_target

    asked = ModelCheck(
        loss=job["loss"],
        loss_args=wire.unpack(job["loss_args"]),
        inputs=wire.unpack(job["inputs"]),
        target=wire.unpack(job["target"]),
        output_path=job["output"],
        classes=job["classes"],
    )
    loss = load_loss(asked.loss)
    loaded = load_model(parse_target(job["text"]), wire.unpack(job["arguments"]))
    try:
        subject, probe = probed(loaded.model, loss, asked)
    except CheckError as error:
        error.location = error.location or loaded.location
        raise
    subject = replace(subject, name=job["text"], location=loaded.location)
    if job["kind"] == "trace":
        return {"subject": wire.pack(subject)}
    result = check(subject, loss, _judge(probe) if job["verify"] else None)
    return {"result": wire.pack(replace(result, elapsed_ms=_since(began)))}


def check_model(model: nn.Module, asked: ModelCheck, name: str) -> Any:
    """The check of a model that is at hand, in this process."""
    loss = load_loss(asked.loss)
    subject, probe = probed(model, loss, asked)
    return check(replace(subject, name=name), loss, _judge(probe))


def _judge(probe: Probe) -> Any:
    from shapecheck.torch_judge import TorchJudge

    return TorchJudge(probe.output, probe.without)


def probed(model: nn.Module, loss: Loss, asked: ModelCheck) -> tuple[Subject, Probe]:
    """The subject that the dummy forward pass gives."""
    from shapecheck import measure
    from shapecheck.probe.probing import ProbeHints, probe

    target_shape = asked.target.shape if asked.target else None
    hints = ProbeHints(classes=asked.classes, loss=loss.name, target=target_shape)
    seen = probe(model, asked.inputs, asked.output_path, hints)
    axes = seen.axes
    output = replace(measure.spec_of(seen.output, axes, "model"), values=_values_of(seen.output, axes, loss))
    tensors = {loss.output: output}
    notes = seen.notes
    if asked.target is not None:
        sizes, more = _sizes_for_target(asked, seen)
        if not loss.target:
            raise UserError(f"{loss.name} has no target", f"it takes: {', '.join(loss.tensors)}")
        tensors[loss.target] = _bound(asked.target, sizes)
        notes = (*notes, *more)
    subject = Subject(
        loss=loss.name,
        tensors=tensors,
        loss_args=asked.loss_args,
        classes=asked.classes,
        inputs=seen.inputs,
        output_path=seen.output_path,
        observations=seen.observations,
        engine="real",
        notes=(*notes, UNMEASURED),
    )
    return subject, seen


def _values_of(output: torch.Tensor, axes: tuple[str, ...], loss: Loss) -> str | None:
    """What the scores of a model are: along its class axis, or element by element for a loss that has none."""
    from shapecheck import measure

    if "class" in axes:
        return measure.output_values(output, axes.index("class"))
    if loss.has_classes:
        return measure.output_values(output, 1) if len(axes) > 1 and "unknown" in axes else None
    return measure.output_values(output, measure.class_axis_of(loss, tuple(output.shape)))


ROLE_OF_NAME = {
    "N": "batch",
    "B": "batch",
    "C": "class",
    "T": "time",
    "L": "time",
    "D": "depth",
    "H": "height",
    "W": "width",
}


def _sizes_for_target(asked: ModelCheck, seen: Probe) -> tuple[Mapping[str, int], tuple[str, ...]]:
    """What the names in --target stand for, and a note where that was a choice.

    A name typed in --input is the input's size. Where nobody named the input, T, H and W are the output's own: labels
    of a model with strides are mostly made for its output, and a wrong alarm would be worse than a note.
    """
    typed = {size for request in asked.inputs for size in request.shape if isinstance(size, str)}
    sizes, ours, theirs = dict(seen.sizes), {}, {}
    wanted = asked.target.shape if asked.target is not None else ()
    for name in dict.fromkeys(size for size in wanted if isinstance(size, str)):
        role = ROLE_OF_NAME.get(name)
        if name in typed or role in (None, "batch", "class") or seen.axes.count(role) != 1:
            continue
        size = seen.output.shape[seen.axes.index(role)]
        if sizes.get(name, size) != size:
            ours[name], theirs[name] = size, sizes[name]
        sizes[name] = size
    if not ours:
        return sizes, ()
    taken, not_taken = (", ".join(f"{name} {size}" for name, size in each.items()) for each in (ours, theirs))
    return sizes, (
        f"--target is read with the output's {taken}; the input has {not_taken}, name it in --input if that is meant",
    )


def _bound(target: TensorSpec, sizes: Mapping[str, int]) -> TensorSpec:
    """The target's names as sizes, and as roles where they are the usual letters. Raises UserError."""
    shape: list[Size] = []
    for size in target.shape:
        if isinstance(size, str) and size not in sizes:
            known = ", ".join(f"{name}={value}" for name, value in sizes.items())
            raise UserError(
                f"--target names the size {size!r}, which nothing binds", f"known here: {known}; or write a number"
            )
        shape.append(sizes[size] if isinstance(size, str) else size)
    named = all(isinstance(size, str) and size in ROLE_OF_NAME for size in target.shape)
    roles = tuple(ROLE_OF_NAME[str(size)] for size in target.shape) if named and target.shape else None
    return replace(target, shape=tuple(shape), axes=roles)


def _since(began: float) -> int:
    return round((time.perf_counter() - began) * 1000)
