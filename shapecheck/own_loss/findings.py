"""The words for what was found of a loss without rules: one finding for one cause. Runs nothing."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

import torch

from shapecheck.own_loss.asking import Answer
from shapecheck.own_loss.calling import OwnLoss
from shapecheck.own_loss.candidates import Candidate, Layout, roles_of
from shapecheck.own_loss.measuring import Call, Measured, Places, place_text
from shapecheck.own_loss.scaling import Scale
from shapecheck.own_loss.trying import Mended, Tried, misplaced, proved
from shapecheck.report import Finding, Fix, Row
from shapecheck.specs import Size

_LOOK_FOR = "look for argmax, round, a comparison, .item(), .detach() or numpy between the output and the value"
_LOOK_FOR_NONE = "look for a log, a root, a division or a mean over nothing"
_MOST_ROWS = 4


@dataclass(frozen=True, eq=False)
class Scene:
    """What every finding of a check draws: the loss, the two tensors as they are shown, and how sizes are written.

    `known` is whether the roles of the axes are, rather than taken to be what is usual.
    """

    loss: OwnLoss
    layout: Layout
    scale: Scale
    output_note: str
    target_note: str
    known: bool = True

    def axes(self, shape: Iterable[int], roles: Iterable[str]) -> tuple[tuple[str, Size], ...]:
        shown = [role if self.known and role != "unknown" else "" for role in roles]
        return tuple((role, self.scale.size(size)) for size, role in zip(shape, shown, strict=True))

    def rows(self, one: Candidate | None) -> tuple[Row, ...]:
        """Output and target."""
        output = Row("output", self.axes(self.layout.shape, self.layout.roles), self.output_note)
        return (
            (output,) if one is None else (output, self.row("target", one, self.target_note or f"{one.dtype}, assumed"))
        )

    def row(self, label: str, one: Candidate, note: str) -> Row:
        return Row(label, self.axes(one.shape, roles_of(one, self.layout)), note)


def refused(scene: Scene, tried: Tried, others: Sequence[Tried], ways: Sequence[Mended]) -> Finding:
    """The loss raised on the target that the user gave."""
    answer, name = tried.answer, scene.loss.name
    kind = type(answer.error).__name__
    accepts = tuple(
        scene.row("or" if index else "accepts", one, note) for index, (one, note) in enumerate(_shapes(others))
    )
    why = f"{name} does take the targets drawn last" if accepts else f"{name} takes none of the others that were tried"
    return Finding(
        "SC950", "refused-by-loss", "error", f"{name} raises {kind} with this output and target",
        why=_with_words(answer, why), torch_says=_torch_words(answer), rows=(*scene.rows(tried.call.one), *accepts),
        location=answer.location or scene.loss.location, fixes=_fixes(scene, ways),
    )  # fmt: skip


def _shapes(tried: Sequence[Tried]) -> list[tuple[Candidate, str]]:
    """One of each shape, with the dtypes that were taken."""
    dtypes: dict[tuple[int, ...], list[Candidate]] = {}
    for each in tried:
        dtypes.setdefault(each.call.one.shape, []).append(each.call.one)
    return [
        (ones[0], f"{' or '.join(one.dtype for one in ones)}, tried") for ones in list(dtypes.values())[:_MOST_ROWS]
    ]


def none_accepted(scene: Scene, tried: Sequence[Tried], ways: Sequence[Mended]) -> Finding:
    """The loss raised on every target that was tried."""
    name, answer = scene.loss.name, _commonest(tried)
    slip = all(each.answer.slip for each in tried)
    kind = type(answer.error).__name__
    message = f"{name} raises {kind} whatever the target" if slip else f"{name} takes no target with this output"
    why = f"{len(tried)} targets were tried: per sample and per position, int64 and floating, with and without scores"
    if slip:
        why = "the mistake is in the function itself"
    elif not ways:
        why += "; give --target if the data set yields another"
    return Finding(
        "SC951", "no-target-accepted", "error" if slip or ways else "warning", message,
        why=_with_words(answer, why), torch_says=_torch_words(answer), rows=scene.rows(None),
        location=answer.location or scene.loss.location, fixes=_fixes(scene, ways),
    )  # fmt: skip


def found_in(
    scene: Scene, tried: Tried, ways: Sequence[Mended], values: Sequence[tuple[str, str, Call]]
) -> Iterator[Finding]:
    """What is wrong with a call that the loss accepts, the cause of the others first."""
    measured, name = tried.measured, scene.loss.name
    if measured is None:
        return
    answer, rows = measured.answer, scene.rows(tried.call.one)
    if answer.stage == "backward":
        yield _backward(scene, answer, rows, ways)
        return
    if measured.pairs is not None:
        yield _pairs(scene, tried, measured, ways)
        return
    if answer.returned:
        yield _plain(scene, "SC953", "loss-not-scalar", "error", f"{name} returns {answer.returned}, not a tensor", rows,
                     "backward() needs a tensor: is a return missing, or is .item() called on it?")  # fmt: skip
        return
    if not answer.finite:
        yield _not_finite(scene, tried, values)
        return
    if answer.gradient is None or measured.dead:
        yield _no_gradient(scene, answer, rows)
        return
    if measured.places is not None and measured.places.scrambled:
        yield _scrambled(scene, measured.places, rows, ways)
    elif (axis := misplaced(measured, scene.layout)) is not None:
        yield _misread(scene, axis, rows, ways)
    elif measured.ignored:
        yield _plain(scene, "SC959", "target-ignored", "warning", f"{name} does not depend on the target", rows,
                     "with other targets of the same kind its value and its gradient are the same")  # fmt: skip
    elif measured.untouched:
        yield _untouched(scene, measured.untouched, tried.call, rows)
    if answer.value is not None and answer.value.numel() != 1:
        yield _not_scalar(scene, answer, rows)


def _backward(scene: Scene, answer: Answer, rows: tuple[Row, ...], ways: Sequence[Mended]) -> Finding:
    return Finding(
        "SC950", "refused-by-loss", "error", f"{scene.loss.name} computes a number, but its backward raises",
        why=_with_words(answer, "training would stop at loss.backward()"), torch_says=_torch_words(answer),
        rows=rows, location=answer.location or scene.loss.location, fixes=_fixes(scene, ways),
    )  # fmt: skip


def _plain(scene: Scene, code: str, name: str, severity: str, message: str, rows: tuple[Row, ...], why: str) -> Finding:
    return Finding(code, name, severity, message, why=why, rows=rows, location=scene.loss.location)


def _pairs(scene: Scene, tried: Tried, measured: Measured, ways: Sequence[Mended]) -> Finding:
    meeting = measured.pairs
    assert meeting is not None
    pairs, meant = math.prod(meeting.result), max(math.prod(meeting.output), math.prod(meeting.target))
    axes = tuple(("", scene.scale.size(size)) for size in meeting.result)
    compared = Row("compared", axes, f"{pairs} pairs, {meant} intended")
    shapes = f"{_shape(scene, meeting.output)} of the output and {_shape(scene, meeting.target)} of the target"
    return Finding(
        "SC954", "unintended-pairs", "error", f"{scene.loss.name} pairs every prediction with every target",
        why=f"{shapes} broadcast to {_shape(scene, meeting.result)}; training just looks slow",
        rows=(*scene.rows(tried.call.one), compared), location=meeting.location or scene.loss.location,
        fixes=_fixes(scene, ways),
    )  # fmt: skip


def _scrambled(scene: Scene, places: Places, rows: tuple[Row, ...], ways: Sequence[Mended]) -> Finding:
    assert places.example is not None
    here, there = (place_text(places, scene.layout, place) for place in places.example)
    return Finding(
        "SC955", "scrambled-places", "error", f"{scene.loss.name} compares the output with targets of other places",
        why=f"changing the target at {here} moves the gradient of the output at {there}; so at {places.elsewhere} of "
        f"{places.tried} places: a view or reshape in the loss takes axes in another order than they are stored",
        rows=rows, location=scene.loss.location, fixes=_fixes(scene, ways) or _inside(scene),
    )  # fmt: skip


def _inside(scene: Scene) -> tuple[Fix, ...]:
    """What to write in the loss; its own names are not known, so it is shown and not run."""
    axis, rank = next(iter(scene.layout.scores), None), len(scene.layout.shape)
    if axis is None or axis == rank - 1:
        return ()
    code = f"output.movedim({axis}, -1).reshape(-1, {scene.scale.size(scene.layout.shape[axis])})"
    title = f"in {scene.loss.name}, move the axis of the scores last before flattening"
    return (Fix("permute-not-view", title, "loss", code, call=code),)


def _misread(scene: Scene, axis: int, rows: tuple[Row, ...], ways: Sequence[Mended]) -> Finding:
    role, size = scene.layout.roles[axis], scene.scale.size(scene.layout.shape[axis])
    scores = scene.layout.scores[0]
    first = replace(rows[0], mark=axis, remark=f"read as classes, axis {axis}")
    return Finding(
        "SC952", "classes-from-positions", "warning", f"{scene.loss.name} makes probabilities along the {role} axis",
        why=f"its softmax runs over the {size} of axis {axis}, which follows the model's input, and not over the "
        f"{scene.scale.size(scene.layout.shape[scores])} of axis {scores}, which does not",
        rows=(first, *rows[1:]) if scene.target_note else (first,), location=scene.loss.location, fixes=_fixes(scene, ways),
    )  # fmt: skip


def _no_gradient(scene: Scene, answer: Answer, rows: tuple[Row, ...]) -> Finding:
    if not answer.carries:
        why = f"its value carries no gradient: {_LOOK_FOR}"
    elif answer.gradient is None:
        why = f"its value does not depend on the output by anything that can be differentiated: {_LOOK_FOR}"
    else:
        why = "the gradient of the output is 0 for every target and order of the samples that was tried"
    message = f"no gradient comes back from {scene.loss.name}"
    return _plain(scene, "SC956", "gradient-missing", "error", message, rows, f"{why}; the model would never learn")


def _untouched(scene: Scene, untouched: Sequence[int], call: Call, rows: tuple[Row, ...]) -> Finding:
    batch = call.layout.batch
    count = call.layout.shape[batch] if batch is not None else len(untouched)
    which = ", ".join(map(str, untouched))
    message = f"{scene.loss.name} gives no gradient to {len(untouched)} of {count} samples"
    why = f"place {which} of the batch got none, whatever the targets and whichever sample stood there"
    return _plain(scene, "SC957", "samples-without-gradient", "warning", message, rows, why)


def _not_finite(scene: Scene, tried: Tried, values: Sequence[tuple[str, str, Call]]) -> Finding:
    answer, name = tried.answer, scene.loss.name
    odd = [] if answer.value is None else [each for each in answer.value.flatten().tolist() if not _is_finite(each)]
    what = f"{name} is {odd[0]} with this output" if odd else f"the gradient of {name} is not finite"
    why = f"the output {_range(tried.call.output)}"
    why += "; the loss takes values of another range" if values else f": {_LOOK_FOR_NONE}"
    fixes = tuple(
        Fix(kind, _VALUES[kind], "output", code, call=_call(scene, code, "target"), verified="contract",
            proof="run forward and backward: value and gradient are finite")
        for kind, code, _ in values
    )  # fmt: skip
    return Finding(
        "SC958", "loss-not-finite", "error", what, why=why, rows=scene.rows(tried.call.one),
        location=scene.loss.location, fixes=fixes,
    )  # fmt: skip


def _is_finite(number: complex) -> bool:
    return math.isfinite(number.real) and math.isfinite(number.imag)


def _range(output: torch.Tensor) -> str:
    if not output.numel() or output.is_complex():
        return "is empty" if not output.numel() else "is complex"
    wide = output.detach().double()
    return f"goes from {float(wide.min()):.2f} to {float(wide.max()):.2f}"


_VALUES = {
    "apply-log-softmax": "give log-probabilities, if the loss takes those",
    "apply-sigmoid": "give probabilities, if each score stands for itself",
}


def _not_scalar(scene: Scene, answer: Answer, rows: tuple[Row, ...]) -> Finding:
    assert answer.value is not None
    name, shape = scene.loss.name, tuple(answer.value.shape)
    call = f"loss = {scene.loss.written('output', 'target')}.mean()"
    proof = f"run forward and backward: loss {float(answer.value.double().mean()):.4f}"
    fix = Fix("change-loss", "reduce it to one number", "loss", call, call=call, verified="contract", proof=proof)
    return Finding(
        "SC953", "loss-not-scalar", "warning", f"{name} returns {answer.value.numel()} numbers, not one",
        why=f"its value has the shape {_shape(scene, shape)}, and backward() needs a single number",
        rows=rows, location=scene.loss.location, fixes=(fix,),
    )  # fmt: skip


# ------------------------------------------------------------------------------------------- parts


def _fixes(scene: Scene, ways: Sequence[Mended]) -> tuple[Fix, ...]:
    return tuple(_fix(scene, each) for each in ways)


def _fix(scene: Scene, each: Mended) -> Fix:
    move, answer = each.move, each.measured.answer
    return Fix(
        move.kind,
        move.title,
        move.applies_to,
        move.code,
        call=_call(scene, *move.expressions),
        verified="executed" if proved(each) else "contract",
        proof=_proof(each.measured, float(answer.value) if answer.value is not None else math.nan),
        trap=each.trap,
        output_shape=tuple(map(scene.scale.size, move.call.output.shape)),
        target_shape=tuple(map(scene.scale.size, move.call.target.shape)),
    )


def _proof(measured: Measured, value: float) -> str:
    text, places = f"loss {value:.4f}, run forward and backward", measured.places
    if places is None or not places.tried:
        return text
    if places.matched:
        return f"{text}; each of {places.tried} places of the target moves the gradient there and nowhere else"
    return f"{text}; each of {places.tried} places of the target moves the gradient there most"


def _call(scene: Scene, output: str, target: str) -> str:
    return f"loss = {scene.loss.written(output, target)}"


def _with_words(answer: Answer, why: str) -> str:
    """The user's own words come first; torch's have a line of their own."""
    return f"{answer.words}; {why}" if answer.own else why


def _torch_words(answer: Answer) -> str:
    return "" if answer.own else answer.words


def _commonest(tried: Sequence[Tried]) -> Answer:
    """The answer that was given most often, sizes aside, to the likelier dtype of each shape; of these the first."""
    first = {each.call.one.shape: each for each in reversed(tried)}
    words = [re.sub(r"\d+", "0", each.answer.words) for each in reversed(first.values())]
    return list(reversed(first.values()))[max(range(len(words)), key=lambda index: words.count(words[index]))].answer


def _shape(scene: Scene, shape: Iterable[int]) -> str:
    return "(" + ", ".join(str(scene.scale.size(size)) for size in shape) + ")"
