"""What the worker does with one target: load, build, probe, check. Imports torch, inside functions.

A job and its answer are plain data (`wire.py`).
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from shapecheck import keywords, wire
from shapecheck.errors import CheckError, UserError
from shapecheck.model_rules import with_findings
from shapecheck.pipeline import check
from shapecheck.readings import ROLE_OF_NAME
from shapecheck.rules import Loss, load_loss
from shapecheck.specs import InputRequest, Size, Subject, TensorSpec

if TYPE_CHECKING:
    import torch
    from torch import nn

    from shapecheck.own_loss.calling import OwnLoss
    from shapecheck.own_loss.loading import TorchLoss
    from shapecheck.probe.inputs.splitting import Split
    from shapecheck.probe.loading.data import Data
    from shapecheck.probe.loading.devices import Moves
    from shapecheck.probe.probing import Probe
    from shapecheck.probe.runs.engine import Engine
    from shapecheck.report import CheckResult

UNMEASURED = "values not checked: no data given"
UNMEASURED_TARGET = "values of the target not checked"


@dataclass(frozen=True)
class ModelCheck:
    """What the user asked of one model; `data` are real batches that are at hand."""

    loss: str
    loss_args: Mapping[str, Any]
    inputs: Sequence[InputRequest] = ()
    target: TensorSpec | None = None
    output_path: str | None = None
    classes: int | None = None
    rules: tuple[Path, ...] = ()
    data: Data | None = None


@dataclass(frozen=True, eq=False)
class Probed:
    """The subject that a forward pass gives, the probe that made it, and the real target, where there are data."""

    subject: Subject
    probe: Probe
    target: torch.Tensor | None = None


def prepare(jobs: Sequence[Mapping[str, Any]]) -> None:
    """Imports what the jobs need and reads the rules of their losses, for all of them at once. Raises CheckError."""
    from shapecheck import torch_judge  # noqa: F401

    if any(job["kind"] != "spec" for job in jobs):
        from shapecheck.probe import probing  # noqa: F401
        from shapecheck.probe.arguments import reporting  # noqa: F401
        from shapecheck.probe.loading import allowances, devices, load, remarks  # noqa: F401
        from shapecheck.probe.runs import building  # noqa: F401
    if any(job.get("data") for job in jobs):
        from shapecheck import real_data  # noqa: F401
    for job in jobs:
        if not job.get("own"):
            load_loss(job["loss"] if "loss" in job else wire.unpack(job["subject"]).loss, _rules(job))


def run_job(job: dict[str, Any]) -> dict[str, Any]:
    """`{"result": CheckResult}` or, for a trace, `{"subject": Subject}`, packed. Raises CheckError."""
    began = time.perf_counter()
    if job.get("own"):
        return _own_job(job, began)
    if job["kind"] == "spec":
        from shapecheck.torch_judge import TorchJudge

        subject = wire.unpack(job["subject"])
        result = check(subject, load_loss(subject.loss, _rules(job)), TorchJudge())
        return {"result": wire.pack(replace(result, elapsed_ms=_since(began)))}
    return _model_job(job, began)


def _model_job(job: dict[str, Any], began: float) -> dict[str, Any]:
    from shapecheck.probe.loading.devices import cpu_for_absent, moving_tensors

    asked = _asked(job)
    loss = load_loss(asked.loss, asked.rules)
    with cpu_for_absent() as moves:
        found = _probed_job(job, loss, asked, moves)
        if job["kind"] == "trace":
            return {"subject": wire.pack(found.subject)}
        with moving_tensors():
            result = check(found.subject, loss, _judge(found.probe) if job["verify"] else None)
    return {"result": wire.pack(replace(result, elapsed_ms=_since(began)))}


def _asked(job: dict[str, Any]) -> ModelCheck:
    return ModelCheck(
        loss=job["loss"],
        loss_args=wire.unpack(job["loss_args"]),
        inputs=wire.unpack(job["inputs"]),
        target=wire.unpack(job["target"]),
        output_path=job["output"],
        classes=job["classes"],
        rules=_rules(job),
    )


def _rules(job: Mapping[str, Any]) -> tuple[Path, ...]:
    """The folders of --rules."""
    return tuple(Path(folder) for folder in job.get("rules", ()))


def _probed_job(job: dict[str, Any], loss: Loss | None, asked: ModelCheck, moves: Moves) -> Probed:
    """The model of a job, built and probed; absent devices are moved already."""
    from shapecheck.probe.arguments.reporting import class_count, explain, with_arguments
    from shapecheck.probe.loading.devices import moving_tensors
    from shapecheck.probe.loading.load import load_model
    from shapecheck.probe.loading.remarks import explaining
    from shapecheck.probe.runs.building import built
    from shapecheck.targets import parse_target

    target, arguments = parse_target(job["text"]), wire.unpack(job["arguments"])
    has_classes = loss is None or loss.has_classes
    classes = class_count(asked.classes, asked.target, has_classes, asked.loss_args.get("weight"))
    asked = replace(asked, data=_data(job))
    loaded, engine = built(lambda: load_model(target, arguments, classes))
    try:
        with explaining(loaded.imported), moving_tensors():
            found = probed(loaded.model, loss, asked, engine)
    except CheckError as error:
        error.location = error.location or loaded.location
        explain(error, loaded.arguments)
        raise
    notes = (*loaded.notes, *filter(None, [moves.note()]), *found.subject.notes)
    subject = replace(found.subject, name=job["text"], location=loaded.location, notes=notes)
    return replace(found, subject=with_arguments(subject, loaded.arguments))


def _data(job: Mapping[str, Any]) -> Data | None:
    """What --data names."""
    if not job.get("data"):
        return None
    from shapecheck.probe.loading.data import load_data

    return load_data(job["data"])


def _own_job(job: dict[str, Any], began: float) -> dict[str, Any]:
    """A loss of the user's, which is asked itself; or one of torch's under a name of theirs, which has rules."""
    from shapecheck.own_loss.loading import TorchLoss, load_own
    from shapecheck.probe.loading.devices import cpu_for_absent

    with cpu_for_absent() as moves:
        loss = load_own(job["loss"], wire.unpack(job["loss_args"]))
        if isinstance(loss, TorchLoss):
            answer = run_job(_renamed(job, loss))
            if "result" not in answer:
                return answer
            result = wire.unpack(answer["result"])
            return {"result": wire.pack(replace(result, notes=(loss.note, *result.notes)))}
        if job["kind"] == "spec":
            result = _asked_on_cpu(wire.unpack(job["subject"]), loss, None, None, moves)
        else:
            found = _probed_job(job, None, _asked(job), moves)
            if job["kind"] == "trace":
                return {"subject": wire.pack(found.subject)}
            result = _asked_on_cpu(found.subject, loss, found.probe.values, found.target, moves)
    return {"result": wire.pack(replace(result, elapsed_ms=_since(began)))}


def _asked_on_cpu(
    subject: Subject, loss: OwnLoss, output: torch.Tensor | None, target: torch.Tensor | None, moves: Moves
) -> CheckResult:
    """The check of a loss that may ask for a device that is absent, with one note of the lines that did."""
    from shapecheck.probe.loading.devices import moving_tensors

    of_model = moves.note()
    with moving_tensors():
        result = check_own(subject, loss, output, target)
    others = (note for note in result.notes if note != of_model)
    return replace(result, notes=(*filter(None, [moves.note()]), *others))


def _renamed(job: dict[str, Any], loss: TorchLoss) -> dict[str, Any]:
    """The job with the loss that has rules."""
    rule = load_loss(loss.name, _rules(job))
    arguments = keywords.checked(rule, loss.arguments)
    renamed = {**job, "own": False, "loss": rule.name, "loss_args": wire.pack(arguments)}
    if job["kind"] == "spec":
        subject = replace(wire.unpack(job["subject"]), loss=rule.name, loss_args=arguments)
        renamed["subject"] = wire.pack(subject)
    return renamed


def check_own(
    subject: Subject, loss: OwnLoss, output: torch.Tensor | None = None, target: torch.Tensor | None = None
) -> CheckResult:
    """The check of a loss without rules; `output` and `target` are the tensors themselves, where there are any.

    Raises UserError for a subject with other tensors than an output and a target.
    """
    from shapecheck.own_loss.checking import Question, check

    for name in subject.tensors:
        if name not in ("output", "target"):
            raise UserError(f"{loss.name} is asked with an output and a target, not {name!r}", "name the two so")
    if "output" not in subject.tensors:
        raise UserError("the check has no output", 'write output: "N, C : float32"')
    question = Question(
        loss,
        subject.tensors["output"],
        subject.tensors.get("target"),
        output,
        target,
        name=subject.name,
        location=subject.location,
        inputs=subject.inputs,
        output_path=subject.output_path,
        classes=subject.classes,
        notes=subject.notes,
    )
    return with_findings(replace(check(question), arguments=subject.arguments), subject.observations)


def check_model(model: nn.Module, asked: ModelCheck, name: str, own: OwnLoss | None = None) -> CheckResult:
    """The check of a model that is at hand, in this process; `own` is the loss where it has no rules."""
    from shapecheck.probe.loading.allowances import uncompiled, without_compiler
    from shapecheck.probe.loading.devices import cpu_for_absent, moving_tensors

    loss = load_loss(asked.loss, asked.rules) if own is None else None
    with cpu_for_absent() as moves, moving_tensors(), without_compiler():
        inner = uncompiled(model)
        name = name if inner is model else type(inner).__name__
        found = probed(inner, loss, asked)
        subject = replace(found.subject, name=name, notes=(*filter(None, [moves.note()]), *found.subject.notes))
        if own is not None:
            return check_own(subject, own, found.probe.values, found.target)
        assert loss is not None
        return check(subject, loss, _judge(found.probe))


def _judge(probe: Probe) -> Any:
    from shapecheck.torch_judge import TorchJudge

    return TorchJudge(probe.values, probe.without if probe.rerun else None)


def probed(model: nn.Module, loss: Loss | None, asked: ModelCheck, engine: Engine | None = None) -> Probed:
    """The subject that the forward pass gives, a dummy one or that of real data; `loss` is None for one without rules."""
    from shapecheck import measure
    from shapecheck.probe.probing import ProbeHints, probe

    parts = _parts(model, asked)
    hints = ProbeHints(
        asked.classes,
        loss.name if loss else None,
        has_classes=loss is not None and loss.has_classes,
        targets=(asked.target.shape,) if asked.target else _target_shapes(asked, parts),
        ends_with_one=asked.data is not None and bool(asked.data.ends_with_one),
    )
    seen = probe(model, asked.inputs, asked.output_path, hints, engine, parts.call if parts else None)
    axes = seen.axes
    values = _values_told(seen) if seen.values is None else _values_measured(seen, loss) if loss else None
    output = replace(measure.spec_of(seen.output, axes, "model"), values=values)
    subject = Subject(
        loss=loss.name if loss else asked.loss,
        tensors={loss.output if loss else "output": output},
        loss_args=asked.loss_args,
        classes=asked.classes,
        inputs=seen.inputs,
        output_path=seen.output_path,
        observations=seen.observations,
        engine=seen.engine,
        notes=seen.notes,
    )
    if asked.target is not None:
        subject = _with_target(subject, asked.target, asked, seen, loss)
    if parts is None or asked.data is None:
        return Probed(replace(subject, notes=(*subject.notes, UNMEASURED)), seen)
    return _with_data(subject, seen, parts, asked, loss)


def _with_target(subject: Subject, target: TensorSpec, asked: ModelCheck, seen: Probe, loss: Loss | None) -> Subject:
    """The subject with the target that was typed. Raises UserError for a loss without any."""
    sizes, notes = _sizes_for_target(asked, seen)
    if loss and not loss.target:
        raise UserError(f"{loss.name} has no target", f"it takes: {', '.join(loss.tensors)}")
    tensors = {**subject.tensors, loss.target if loss else "target": _bound(target, sizes, loss)}
    return replace(subject, tensors=tensors, notes=(*subject.notes, *notes))


def _parts(model: nn.Module, asked: ModelCheck) -> Split | None:
    """What of a batch goes where, if there are data. Raises ModelError where they do not go with what forward takes."""
    if asked.data is None:
        return None
    from shapecheck.real_data import parts_of

    return parts_of(asked.data, model)


def _target_shapes(asked: ModelCheck, parts: Split | None) -> tuple[tuple[Size, ...], ...]:
    """The shapes that the data's target may have, of any number of samples."""
    if asked.data is None or parts is None:
        return ()
    from shapecheck.real_data import target_shapes

    return tuple(("N", *shape[1:]) for shape in target_shapes(asked.data, parts) if shape)


def _with_data(subject: Subject, seen: Probe, parts: Split, asked: ModelCheck, loss: Loss | None) -> Probed:
    """The subject with the target that the data have, unless one was typed, and with what they say besides."""
    from shapecheck import real_data

    assert asked.data is not None
    found = real_data.target_of(asked.data, parts, seen, loss, asked.loss_args)
    name = loss.target if loss else "target"
    spec, target = found.spec, found.target
    output = subject.tensors[loss.output if loss else "output"]
    refuses = partial(real_data.refuses, loss, output, spec)
    observations, ending = real_data.at_the_end(subject.observations, asked.data, refuses)
    if spec is not None and name not in subject.tensors:
        if asked.inputs:  # the output has the sizes that were typed, and as many samples
            spec, target = replace(spec, shape=(seen.sizes["N"], *spec.shape[1:]) if spec.shape else ()), None
        beside = {} if asked.inputs else found.beside
        subject = replace(subject, tensors={**subject.tensors, name: spec, **beside})
    notes = (
        *found.notes,
        *real_data.disagreements(asked.target, asked.classes, spec),
        *ending,
        *([] if spec is not None and spec.minimum is not None and asked.target is None else [UNMEASURED_TARGET]),
    )
    subject = replace(subject, observations=observations, notes=(*subject.notes, *notes))
    return Probed(subject, seen, target if asked.target is None else None)


_VALUES = {"softmax": "probabilities", "log_softmax": "log-probabilities", "sigmoid": "unit-interval"}


def _values_told(seen: Probe) -> str | None:
    """What the scores of an output without values must be, by the call that they come of."""
    for observation in seen.observations:
        over_classes = "class" not in seen.axes or observation.axis in (None, seen.axes.index("class"))
        if observation.kind in _VALUES and over_classes:
            return _VALUES[observation.kind]
    return None


def _values_measured(seen: Probe, loss: Loss) -> str | None:
    """What the scores of a model are: along its class axis, or element by element for a loss that has none.

    Of a softmax over another axis than the classes, that is the finding, and not what its values are instead.
    """
    from shapecheck import measure

    output, axes = seen.output, seen.axes
    if "class" in axes:
        axis = axes.index("class")
        elsewhere = any(one.kind in ("softmax", "log_softmax") and one.axis != axis for one in seen.observations)
        return None if elsewhere else measure.output_values(output, axis)
    if loss.has_classes:
        return measure.output_values(output, 1) if len(axes) > 1 and "unknown" in axes else None
    return measure.output_values(output, measure.class_axis_of(loss, tuple(output.shape)))


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


_OWN_SIZES = (3, 4, 6, 8)  # below those of a dummy input, as labels are fewer than the steps they stand for


def _bound(target: TensorSpec, sizes: Mapping[str, int], loss: Loss | None) -> TensorSpec:
    """The target's names as sizes, and as roles where they are the usual letters.

    A name that nothing binds is a size of the target's own, where the loss has such: the length of a transcript. Raises
    UserError for any other.
    """
    shape: list[Size] = []
    own = iter(size for size in _OWN_SIZES if size not in sizes.values())
    free = loss is not None and loss.has_own_target_axes
    sizes = dict(sizes)
    for size in target.shape:
        if isinstance(size, str) and size not in sizes and free:
            sizes[size] = next(own, 3)
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
