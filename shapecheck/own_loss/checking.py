"""A check of a loss that has no rule: subject in, result out, by running the user's function. Chooses no words."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import torch

from shapecheck.drawing import ORIGINS
from shapecheck.errors import Location
from shapecheck.measure import dtype_name
from shapecheck.own_loss import findings
from shapecheck.own_loss.asking import Asker, one_thread
from shapecheck.own_loss.calling import OwnLoss
from shapecheck.own_loss.candidates import Layout, described, layout, letters, meaning, roles_of
from shapecheck.own_loss.findings import Scene
from shapecheck.own_loss.making import output_of
from shapecheck.own_loss.measuring import Call, Measured
from shapecheck.own_loss.scaling import Scale, scale_of
from shapecheck.own_loss.trying import (
    Mended,
    Tried,
    class_axis,
    measured,
    mended,
    misplaced,
    survey,
    taken,
    try_target,
    working_values,
)
from shapecheck.report import AcceptedTarget, CheckResult, Finding
from shapecheck.specs import FLOATING, ProbedInput, TensorSpec

_OF_COUNTS = ("SC950", "SC951", "SC957")  # what an odd number of samples may be the cause of
RANGES = ("logits", "unit-interval")  # of an output whose values nobody knows


@dataclass(frozen=True, eq=False)
class Question:
    """What is known of one call: the two tensors, as facts and, where there are any, themselves."""

    loss: OwnLoss
    output: TensorSpec
    target: TensorSpec | None = None
    real_output: torch.Tensor | None = None
    real_target: torch.Tensor | None = None
    name: str = ""
    location: Location | None = None
    inputs: tuple[ProbedInput, ...] = ()
    output_path: str = ""
    classes: int | None = None
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class _Outcome:
    """What came of the tries: the call the findings are about, what goes with the output, and the findings."""

    chosen: Tried | None
    goes: Sequence[Tried]
    findings: tuple[Finding, ...]
    layout: Layout
    contract: str
    values: str = ""
    even: bool = False


def check(question: Question) -> CheckResult:
    """Everything that can be said. Raises ModelError where the loss exits or asks for a GPU."""
    began = time.perf_counter()
    shapes = [question.output.shape, *([question.target.shape] if question.target is not None else [])]
    scale = scale_of(shapes) if question.real_output is None else Scale({})
    asker = Asker(question.loss)
    with one_thread():
        outcome = _outcome(asker, question, scale)
    return CheckResult(
        name=question.name,
        loss=question.loss.text,
        loss_args=dict(question.loss.given),
        location=question.location,
        contract=outcome.contract,
        inputs=question.inputs,
        output_path=question.output_path,
        tensors=_reported(question, outcome),
        accepted_targets=tuple(_accepted(each, outcome.layout, scale) for each in outcome.goes),
        findings=outcome.findings,
        notes=(*question.notes, *_notes(asker, question, outcome, scale)),
        engine="real",
        elapsed_ms=round((time.perf_counter() - began) * 1000),
    )


def _outcome(asker: Asker, question: Question, scale: Scale) -> _Outcome:
    """Once more with a sample less where there is an odd number of them: some losses take samples by twos."""
    outcome = _of_values(asker, question, scale)
    fewer = _even(question, scale) if any(finding.code in _OF_COUNTS for finding in outcome.findings) else None
    if fewer is None:
        return outcome
    again = _of_values(asker, fewer, Scale({}))
    return outcome if again.findings else replace(again, even=True)


def _even(question: Question, scale: Scale) -> Question | None:
    """The question with an even number of samples, which no other axis has; None where the target is the user's own."""
    output = scale.concrete(question.output)
    form = layout(tuple(size for size in output.shape if isinstance(size, int)), output.axes)
    batch = form.batch
    if batch is None or question.real_target is not None or form.shape[batch] % 2 == 0:
        return None
    count = next((size for size in range(form.shape[batch] - 1, 1, -2) if size not in form.shape), None)
    if count is None:
        return None
    target = None if question.target is None else scale.concrete(question.target)
    if target is not None:
        sizes = tuple(size for size in target.shape if isinstance(size, int))
        axes = described(sizes, target.dtype or "float32", form, target.axes).axes
        target = replace(
            target, shape=tuple(count if axis == batch else n for n, axis in zip(sizes, axes, strict=True))
        )
    shape = tuple(count if axis == batch else size for axis, size in enumerate(form.shape))
    real = question.real_output
    shorter = real.narrow(batch, 0, count).clone() if real is not None else None
    return replace(question, output=replace(output, shape=shape), target=target, real_output=shorter)


def _of_values(asker: Asker, question: Question, scale: Scale) -> _Outcome:
    """Where the values of the output are not known, those of the first range with which the loss works."""
    spec = scale.concrete(question.output)
    shape = tuple(size for size in spec.shape if isinstance(size, int))
    form = layout(shape, spec.axes)
    if question.real_output is not None:
        return _tried(asker, question, scale, form, question.real_output)
    dtype, axis = spec.dtype or "float32", next(iter(form.scores), None)
    outcomes = []
    for values in (spec.values,) if spec.values else RANGES:
        outcome = _tried(asker, question, scale, form, output_of(shape, dtype, values, axis))
        outcomes.append(replace(outcome, values="" if spec.values else values))
        if not outcome.findings:
            return outcomes[-1]
    return outcomes[0]


def _tried(asker: Asker, question: Question, scale: Scale, form: Layout, output: torch.Tensor) -> _Outcome:
    everything = survey(asker, output, form, question.classes)
    goes = taken(everything)
    form = _with_classes(form, class_axis(asker, goes), question.classes)
    output_note = f"{question.output.dtype or 'float32'}, {ORIGINS[question.output.origin]}"
    known = question.output.axes is not None or question.real_output is None
    scene = Scene(question.loss, form, scale, output_note, "", known)
    if question.target is None:
        return _without_target(asker, scene, everything, goes)
    tried = _given(asker, question, scale.concrete(question.target), form, output)
    scene = replace(scene, target_note=f"{tried.call.one.dtype}, {ORIGINS[question.target.origin]}")
    if not tried.answer.accepts:
        ways = mended(asker, tried.call)
        meant = [each for each in goes if each.measured is None or misplaced(each.measured, form) is None]
        return _Outcome(tried, goes, (findings.refused(scene, tried, meant, ways),), form, "rejects")
    return _Outcome(tried, goes, _wrong(asker, scene, tried), form, "accepts")


def _without_target(asker: Asker, scene: Scene, everything: Sequence[Tried], goes: Sequence[Tried]) -> _Outcome:
    """What goes with the output, or else what is wrong with the likeliest target that the loss took at all."""
    if goes:
        common = _wrong(asker, scene, goes[0], everything)
        return _Outcome(goes[0], goes, common, scene.layout, "unknown")
    accepted = [each for each in everything if each.answer.accepts]
    if accepted:
        return _Outcome(accepted[0], (), _wrong(asker, scene, accepted[0], everything), scene.layout, "unknown")
    ways = _moved_output(asker, everything)
    return _Outcome(None, (), (findings.none_accepted(scene, everything, ways),), scene.layout, "unknown")


def _moved_output(asker: Asker, everything: Sequence[Tried]) -> list[Mended]:
    """Permutations of the output with which the loss takes one of the targets."""
    for each in everything[:4]:
        ways = [way for way in mended(asker, each.call) if way.move.applies_to == "output"]
        if ways:
            return ways
    return []


def _wrong(asker: Asker, scene: Scene, tried: Tried, everything: Sequence[Tried] = ()) -> tuple[Finding, ...]:
    """What is wrong with an accepted call; without a target at hand, the ways out are looked for with every one."""
    found = tried.measured
    if found is None:
        return ()
    finite = found.answer.finite
    values = list(working_values(asker, tried.call)) if not finite and found.answer.error is None else []
    scrambled = found.places is not None and found.places.scrambled
    astray = found.pairs is not None or scrambled or misplaced(found, scene.layout) is not None
    ways: list[Mended] = []
    if astray or found.answer.error is not None:
        ways = _moved_output(asker, everything) if everything else mended(asker, tried.call)
    return tuple(findings.found_in(scene, tried, ways, values))


# ------------------------------------------------------------------------------------------- the target at hand


def _given(asker: Asker, question: Question, spec: TensorSpec, form: Layout, output: torch.Tensor) -> Tried:
    """The target of the user's: itself where it is there, else made up; without a dtype, of that which the loss takes."""
    shape = tuple(size for size in spec.shape if isinstance(size, int))
    if question.real_target is not None:
        return _real(asker, question.real_target, spec, form, output, question.classes)
    floating = spec.dtype or (question.output.dtype if question.output.dtype in FLOATING else "float32")
    indices = [axis for axis in form.scores if axis not in described(shape, "int64", form, spec.axes).axes]
    dtypes = [spec.dtype] if spec.dtype else ["int64", floating] if indices else [floating, "int64"]
    tried = [
        try_target(
            asker, output, form, described(shape, dtype or "float32", form, spec.axes, spec.values), question.classes
        )
        for dtype in dtypes
    ]
    accepted = [each for each in tried if each.answer.accepts]
    if "class" not in form.roles:
        # Nothing is known to be counted, so numbers are likelier.
        accepted.sort(key=lambda each: not each.call.one.floating)
    return measured(asker, next(iter(accepted), tried[0]))


def _real(
    asker: Asker, target: torch.Tensor, spec: TensorSpec, form: Layout, output: torch.Tensor, classes: int | None
) -> Tried:
    dtype = dtype_name(target)
    one = described(tuple(target.shape), dtype, form, spec.axes, _real_holds(target, spec))
    call = Call(output, form, target, one, one.holds[0], classes or spec.classes)
    return measured(asker, Tried(call, asker.ask(output, target)))


def _real_holds(target: torch.Tensor, spec: TensorSpec) -> str | None:
    """What the values of a real target are; zeros and ones are labels."""
    if target.numel() and bool(((target == 0) | (target == 1)).all()) and spec.values != "one-hot":
        return "binary"
    return spec.values


def _with_classes(form: Layout, axis: int | None, classes: int | None) -> Layout:
    """The axis that labels index holds classes; so does the only one that is as long as the user says."""
    if axis is None and classes is not None and "class" not in form.roles:
        fitting = [each for each in form.scores if form.shape[each] == classes]
        axis = fitting[0] if len(fitting) == 1 else None
    if axis is None:
        return form
    return Layout(form.shape, tuple("class" if each == axis else role for each, role in enumerate(form.roles)))


# ------------------------------------------------------------------------------------------- the report


def _accepted(tried: Tried, form: Layout, scale: Scale) -> AcceptedTarget:
    one = tried.call.one
    shape = tuple(scale.size(size) if isinstance(size, int) else size for size in letters(one, form))
    return AcceptedTarget(shape, one.dtype, meaning(one, tried.call.holds, form))


def _reported(question: Question, outcome: _Outcome) -> Mapping[str, TensorSpec]:
    """The output with its roles, and the target with the dtype it was tried with."""
    known = question.output.axes is not None or question.real_output is None
    axes = outcome.layout.roles if known else None
    output = replace(question.output, dtype=question.output.dtype or "float32", axes=axes)
    if question.target is None or outcome.chosen is None:
        return {"output": output}
    one = outcome.chosen.call.one
    axes = question.target.axes or (roles_of(one, outcome.layout) if known else None)
    return {"output": output, "target": replace(question.target, dtype=one.dtype, axes=axes)}


def _notes(asker: Asker, question: Question, outcome: _Outcome, scale: Scale) -> list[str]:
    """What was understood, what was done, and what was not."""
    loss, chosen = question.loss, outcome.chosen
    found = chosen.measured if chosen is not None else None
    notes = []
    if loss.target_first:
        notes.append(f"called as {loss.written('output', 'target')}, by the names of its parameters")
    if found is not None and not outcome.findings:
        if outcome.values == "unit-interval":
            notes.append(
                f"{loss.name} was tried with an output between 0 and 1: with scores of any size it is not finite"
            )
        notes += _understood(loss, found, outcome.layout)
        done = "" if question.real_target is not None else "it was run forward and backward with made-up targets, and "
        notes.append(f"{loss.name} has no rule: {done}what its number means was not checked")
    if outcome.even:
        notes.append(f"{loss.name} takes samples by twos: it was tried with an even number of them")
    if any(isinstance(size, int) and number < size for size, number in scale.numbers.items()):
        notes.append("tried with smaller sizes than those given")
    if asker.expired:
        notes.append("the loss is slow: not every target was tried")
    return notes


def _understood(loss: OwnLoss, found: Measured, form: Layout) -> list[str]:
    notes, answer, places = [], found.answer, found.places
    if answer.part:
        notes.append(f"{loss.name} returns several values; {answer.part!r} is taken for the loss")
    for name in answer.changed:
        notes.append(f"{loss.name} writes to the {name} it is given")
    if found.stretched is not None:
        notes.append(f"the {found.stretched.which} is stretched to the shape of the other")
    if places is None or places.tried < 2:
        return notes
    if places.shift is not None:
        notes.append("targets go with the output of another place, always as far away: labels that are shifted")
    elif places.matched:
        notes.append(f"each place of the output answers to its own place of the target ({places.tried} were changed)")
    elif 2 * places.elsewhere <= places.tried:
        notes.append("the gradient of a place depends on targets of other places too, as in losses over a whole batch")
    return notes
