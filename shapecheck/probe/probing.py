"""The probe: finds an input or takes a real one, runs the model on it, picks the output and names its axes.

The model is the user's: it is in eval mode for the probe, and everything about it is as before afterwards.
"""

from __future__ import annotations

import copy
import sys
import time
import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import nullcontext, suppress
from dataclasses import dataclass, field, replace
from functools import partial
from types import MappingProxyType
from typing import Any

import torch
from torch import nn
from torch.nn.parameter import UninitializedBuffer, UninitializedParameter

from shapecheck.errors import ModelError
from shapecheck.probe.behaviour.batches import one_fails_in_training
from shapecheck.probe.behaviour.case import Case
from shapecheck.probe.behaviour.observing import observe
from shapecheck.probe.behaviour.watch import REMOVABLE, Watch, Watched
from shapecheck.probe.inputs.asking import Asked, asked_for, declared, labelled, requested_proposals
from shapecheck.probe.inputs.candidates import parameters_of
from shapecheck.probe.inputs.declared import with_declared_channels
from shapecheck.probe.inputs.labels import with_labels
from shapecheck.probe.inputs.real import RealCall, as_given, call_of, fewer, labels_like, with_labels_of
from shapecheck.probe.inputs.search import Search, find
from shapecheck.probe.inputs.sizing import Sizes, sizes_for
from shapecheck.probe.inputs.tries import dtype_name, first_line, shown
from shapecheck.probe.outputs.axes import LOSSES_WITH_CLASSES, Named, evidence_of, name_axes
from shapecheck.probe.outputs.outputs import Piece, at, pick, pieces
from shapecheck.probe.outputs.returned import returned_names
from shapecheck.probe.places import defined_at
from shapecheck.probe.runs.effort import RATHER_SLOW
from shapecheck.probe.runs.engine import Engine, ValuesNeededError, engine_for
from shapecheck.probe.runs.feeding import Argument, Call, feed, main_index
from shapecheck.probe.runs.leaves import Recorder, describe, leaves_of, watched
from shapecheck.probe.runs.running import Runner, Trial, has_nan
from shapecheck.probe.runs.state import guarded, in_training, seed
from shapecheck.probe.runs.values import has_values, is_plain
from shapecheck.specs import InputRequest, Observation, ProbedInput, Size

_MIXING = (nn.modules.batchnorm._NormBase, nn.modules.dropout._DropoutNd)
_MOST_TRIES_AS_TYPED = 40
_WORTH_BUILDING = 2 * 2**30  # bytes, where shapes alone found no input: that takes seconds
_NOT_REPEATED = "the model could not be run again on what it was called with: a dummy input was found instead"
_AS_FED = "where the training loop changes a batch first, name a function that returns it changed: def data(): return x, target"
_SPACE_NAMES = {"time": ("T", "L"), "depth": ("D",), "height": ("H",), "width": ("W",)}


@dataclass(frozen=True)
class ProbeHints:
    """What is known beforehand. `targets` are the shapes that the target may have.

    `ends_with_one` says that training will meet a batch of one. `budget_seconds` bounds the search, and half of it what comes
    after; not a single run of the user's code.
    """

    classes: int | None = None
    loss: str | None = None
    has_classes: bool = False  # of the loss, where its name alone does not tell
    targets: tuple[tuple[Size, ...], ...] = ()
    ends_with_one: bool = False
    budget_seconds: float = 20.0


@dataclass(frozen=True)
class Probe:
    """What the dummy forward pass saw, or a real one: then inputs and output are those. `axes` has one of `specs.ROLES` for each axis of `output`.

    `sizes` binds N, and where they exist C (the output's class axis), T, L, D, H, W (the input's), and the names typed by the
    user. `requires_grad` is whether the output carries gradient when run with gradients on. Without values, `output` has a shape
    and a dtype alone, and nothing that takes values is known.
    """

    inputs: tuple[ProbedInput, ...]
    output: torch.Tensor
    output_path: str
    axes: tuple[str, ...]
    sizes: Mapping[str, int]
    observations: tuple[Observation, ...]
    requires_grad: bool
    notes: tuple[str, ...] = ()
    rerun: Callable[[Observation], torch.Tensor] | None = field(default=None, repr=False, compare=False)
    engine: str = "real"

    @property
    def values(self) -> torch.Tensor | None:
        """The output, if it has values."""
        return self.output if has_values(self.output) else None

    def without(self, observation: Observation) -> torch.Tensor:
        """The output of the same inputs with that softmax, log_softmax or sigmoid replaced by identity.

        Raises ValueError for an observation that is not of this probe or cannot be left out.
        """
        if self.rerun is None:
            raise ValueError("this probe cannot be run again")
        return self.rerun(observation)


@dataclass(frozen=True)
class _Found:
    """A call that runs, where it came from, what the user asked for, and whether it takes train mode to give what is trained.

    `note` is what has to be said of it, `otherwise` the run in eval mode where that gives other parts.
    """

    trial: Trial
    origin: str
    asked: Asked | None = None
    trained: bool = False
    note: str = ""
    otherwise: Trial | None = None

    @property
    def is_real(self) -> bool:
        return self.origin == "data"

    def keeps(self, call: Call) -> bool:
        return self.asked is None or self.asked.allows(call)


class _UnlikeError(Exception):
    """The shallow model gives other shapes than the whole one."""


def probe(
    model: nn.Module,
    requests: Sequence[InputRequest],
    output_path: str | None,
    hints: ProbeHints,
    engine: Engine | None = None,
    real: RealCall | None = None,
) -> Probe:
    """Runs the model on `requests`, on `real`, on what it declares, or on what a search finds; `engine` is how, if that is decided.

    Of a real call the batch is cut to a few samples, and its other sizes are varied; the output is that of the call as it was.

    Raises UserError for wrong requests, and ModelError: SC904 if the model fails on the input the user gave, SC905 if none is
    found, SC908 if the output to use is missing or not plain.
    """
    engine = engine or engine_for(model)
    try:
        try:
            return _probed(model, requests, output_path, hints, engine, real)
        except _UnlikeError:
            engine.whole()
            return _probed(model, requests, output_path, hints, engine, real)
    except ValuesNeededError as needed:
        words = f"{type(model).__name__} needs values: {first_line(needed.cause)}"
        failed = ModelError(words, "other inputs would not change that", code="SC904", location=needed.location)
        model = engine.for_real(failed, sys.maxsize)
    except ModelError as failed:
        if engine.has_values or failed.code == "SC908":
            raise
        model = engine.for_real(failed, _WORTH_BUILDING)
    return _probed(model, requests, output_path, hints, Engine(), real)


def _probed(
    model: nn.Module,
    requests: Sequence[InputRequest],
    output_path: str | None,
    hints: ProbeHints,
    engine: Engine,
    real: RealCall | None,
) -> Probe:
    model = _settled(model)
    recorder = Recorder(checking=not requests)
    with guarded(model) as guard, watched(model, recorder):
        runner = Runner(model, guard, recorder, time.monotonic() + hints.budget_seconds, engine)
        sizes = sizes_for(model)
        found = _found(runner, requests, sizes, real)
        recorder.checking, recorder.flattening = False, not requests and not found.is_real
        runner.deadline += hints.budget_seconds / 2
        runner.slow = found.trial.work > RATHER_SLOW
        found, piece = _with_piece(runner, found, output_path, hints)
        found, piece = _trained(runner, found, piece, output_path, hints)
        scores = hints.has_classes or hints.loss in LOSSES_WITH_CLASSES
        evidence = evidence_of(model, piece.tensor, found.trial.arrivals, scores, hints.classes)
        call = found.trial.call if found.is_real else labelled(found.trial.call, found.trial.arrivals)
        told = found.asked is not None and found.asked.tells_batch
        named = name_axes(
            runner, call, piece.path, piece.tensor, found.trial.arrivals, evidence, sizes, found.keeps, told
        )
        final = _final(runner, named, piece)
        seen = [watched.observation for watched in final.watched]
        if engine.has_values:
            typed = found.asked.call if found.asked else ()
            seen += observe(runner, named, piece.path, final.output, typed, seen, found.keeps)
            if hints.ends_with_one and not any(one.kind == "batch-of-one-fails" for one in seen):
                seen += one_fails_in_training(Case(runner, named, piece.path, final.output))
        shown = _as_given(runner, named, piece.path, final) if found.is_real else _Shown(named.call, final.output)
    return _probe_of(model, found, named, shown, piece, final, seen, engine)


def _found(runner: Runner, requests: Sequence[InputRequest], sizes: Sizes, real: RealCall | None) -> _Found:
    """What the user typed, the real call, what the model declares, or what a search finds, in this order."""
    if requests:
        found = _requested(runner, requests, sizes)
    elif real is None:
        found = _declared(runner) or _inferred(runner)
    else:
        repeated = _repeated(runner, real)
        if repeated.trial.worked:
            labels = labels_like(real, repeated.trial.call)
            return replace(repeated, trial=with_labels(runner, repeated.trial, labels)) if labels else repeated
        if real.needed:
            raise _fails(runner.model, repeated.trial, "what the data give: ", _AS_FED)
        found = replace(_declared(runner) or _inferred(runner), note=_NOT_REPEATED)
    return replace(found, trial=with_labels(runner, found.trial))


def _inferred(runner: Runner) -> _Found:
    return _Found(with_declared_channels(runner, find(runner)), "inferred")


def _with_piece(runner: Runner, found: _Found, output_path: str | None, hints: ProbeHints) -> tuple[_Found, Piece]:
    """Where it is not plain which of the parts that come in training goes to the loss, eval mode may give one alone."""
    try:
        return found, _picked(runner, found.trial, output_path, hints)
    except ModelError:
        if found.otherwise is None:
            raise
        with suppress(ModelError):
            piece = _picked(runner, found.otherwise, output_path, hints)
            _set_own_training(runner.model, False)
            return replace(found, trial=found.otherwise, trained=False), piece
        raise


def _picked(runner: Runner, trial: Trial, output_path: str | None, hints: ProbeHints) -> Piece:
    """What the loss is fed; of several parts the one that carries gradient, if only one does."""
    model = runner.model
    try:
        parts = len(trial.output) if isinstance(trial.output, (tuple, list)) else 0
        names = returned_names(model.forward, parts)
        piece = pick(trial.output, output_path, trial.states, trial.call, names, partial(_goes_with, hints))
        if not is_plain(piece.tensor):
            kind, hint = (
                ("nested", "return it padded: torch.nested.to_padded_tensor(output, 0.0)")
                if piece.tensor.is_nested
                else ("sparse", "return output.to_dense()")
            )
            raise ModelError(f"the output is a {kind} tensor, which no loss takes", hint, code="SC908")
        return piece
    except ModelError as error:
        learning = _learning(runner, trial)
        if len(learning) == 1:
            return Piece(learning[0], at(trial.output, learning[0]))
        error.location = error.location or defined_at(model.forward)
        raise


def _learning(runner: Runner, trial: Trial) -> list[str]:
    """The paths of the parts that carry gradient, single numbers left out; none of a lone tensor."""
    if len(pieces(trial.output)) < 2:
        return []
    try:
        output = _with_gradient(runner, trial.call)
    except Exception:  # as told later, by the run that is reported
        return []
    return [piece.path for piece in pieces(output) if piece.tensor.requires_grad and piece.tensor.dim()]


def _trained(
    runner: Runner, found: _Found, piece: Piece, output_path: str | None, hints: ProbeHints
) -> tuple[_Found, Piece]:
    """In eval mode a model may hand out predictions, whole numbers: then what it gives in train mode is looked at.

    Only the modules of the user's are in that mode; torch's own layers stay as they are, so that samples stay apart.
    """
    if found.trained or piece.tensor.is_floating_point() or piece.tensor.is_complex():
        return found, piece
    _set_own_training(runner.model, True)
    trial = runner.run(found.trial.call)
    if trial.worked:
        with suppress(ModelError):
            other = _picked(runner, trial, output_path, hints)
            if other.tensor.is_floating_point():
                return replace(found, trial=trial, trained=True), other
    _set_own_training(runner.model, False)
    return found, piece


def _set_own_training(model: nn.Module, training: bool) -> None:
    """The guard puts the flags back. A dropout or batch norm of the user's own kind is one, too."""
    for module in model.modules():
        if not type(module).__module__.startswith("torch.nn.") and not isinstance(module, _MIXING):
            module.training = training


def _goes_with(hints: ProbeHints, shape: tuple[int, ...]) -> bool:
    """Whether an output of this shape may go with the target: one axis more where the loss has classes, else the same axes."""
    scores = hints.has_classes or hints.loss in LOSSES_WITH_CLASSES
    return not hints.targets or any(_go_together(shape, target, scores) for target in hints.targets)


def _go_together(shape: tuple[int, ...], target: tuple[Size, ...], scores: bool) -> bool:
    if scores:
        return len(shape) == len(target) + 1
    return len(shape) == len(target) and all(
        size == typed for size, typed in zip(shape, target, strict=True) if isinstance(typed, int)
    )


def _settled(model: nn.Module) -> nn.Module:
    """A copy of a model with lazy layers, whose first run would settle their sizes for good."""
    unsettled = (UninitializedParameter, UninitializedBuffer)
    lazy = any(isinstance(tensor, unsettled) for tensor in (*model.parameters(), *model.buffers()))
    return copy.deepcopy(model) if lazy else model


# ---------------------------------------------------------------------------- a call that runs


def _repeated(runner: Runner, real: RealCall) -> _Found:
    """The real call with few samples, in the mode that gives the parts it gave; a failed trial if the model does not run so."""
    call = call_of(runner.model, real)
    if not any(argument.is_tensor for argument in call):
        return _Found(Trial(call, error=TypeError("it was given no plain tensor")), "data")
    runner.recorder.checking = False
    trial = _of_few(runner, call)
    if real.training:
        _set_own_training(runner.model, True)
        other = runner.run(trial.call) if trial.worked else _of_few(runner, call)
        if other.worked and (not trial.worked or _parts(other) != _parts(trial)):
            other = replace(other, call=with_labels_of(other.call, other.arrivals))
            return _Found(other, "data", trained=True, otherwise=trial if trial.worked else None)
        _set_own_training(runner.model, False)
    runner.recorder.checking = True
    return _Found(trial, "data")


def _of_few(runner: Runner, call: Call) -> Trial:
    """Cut along the axis that is the batch to the first layer, or else as it is; a failed trial if nothing runs."""
    trial = _first_that_runs(runner, fewer(call, 0))
    main = trial.call[main_index(trial.call)]
    if trial.worked and len(main.shape) > 1 and main.label(1) == "batch":
        return _first_that_runs(runner, fewer(call, 1))
    return trial


def _first_that_runs(runner: Runner, calls: Iterable[Call]) -> Trial:
    trial = Trial(())
    for call in calls:
        trial = runner.run(call)
        if trial.worked:
            return replace(trial, call=with_labels_of(trial.call, trial.arrivals))
    return trial


def _parts(trial: Trial) -> list[tuple[str, tuple[int, ...], bool]]:
    return [(piece.path, tuple(piece.tensor.shape), piece.tensor.is_floating_point()) for piece in pieces(trial.output)]


def _requested(runner: Runner, requests: Sequence[InputRequest], sizes: Sizes) -> _Found:
    """Tries the call as typed; sizes that were only named, and index ranges, are then searched for."""
    asked = asked_for(runner.model, requests, sizes)
    search = Search(runner, sizes, fits=lambda call: any(one.allows(call) for one in asked), most=_MOST_TRIES_AS_TYPED)
    trial = search.go(requested_proposals(asked), lambda trial: not has_nan(trial.output))
    if trial is None:
        raise _fails(runner.model, search.trials[0][0] if search.trials else Trial(asked[0].call))
    one = next((one for one in asked if one.allows(trial.call)), asked[0])
    return _Found(trial, "flag", one)


def _fails(model: nn.Module, trial: Trial, given: str = "", advice: str = "") -> ModelError:
    words = first_line(trial.error, trial.wanted) if trial.error else "the time ran out"
    wants = next((describe(leaf) for leaf in leaves_of(model)), None)
    takes = ", ".join(p.name for group in parameters_of(model) for p in group)
    hint = f"its first layer, {wants}; forward takes: {takes}" if wants else f"forward takes: {takes}"
    message = f"{type(model).__name__} fails on {given}{shown(trial.call)}: {words}"
    return ModelError(message, hint + (f"\n{advice}" if advice else ""), code="SC904", location=trial.location)


def _declared(runner: Runner) -> _Found | None:
    for _, call in declared(runner.model):
        trial = runner.run(call)
        if trial.worked and not has_nan(trial.output):
            return _Found(trial, "model")
    return None


# ---------------------------------------------------------------------------- the run that is reported


@dataclass(frozen=True)
class _Final:
    output: torch.Tensor
    requires_grad: bool
    watched: tuple[Watched, ...]
    note: str | None = None


def _final(runner: Runner, named: Named, piece: Piece) -> _Final:
    """Once more with gradients on, every layer run and every call of the user's code watched."""
    call, was_shallow = named.call, runner.engine.shallow
    runner.engine.whole()
    learns = any(parameter.requires_grad for parameter in runner.model.parameters())
    watch = Watch()
    try:
        output = _watched_run(runner, call, piece.path, watch)
    except Exception as error:
        words = f"the model does not run with gradients on: {first_line(error)}"
        plain = runner.tensor(call, piece.path)
        return _Final(piece.tensor if plain is None else plain, False, (), words)
    if was_shallow and tuple(output.shape) != named.shape:
        raise _UnlikeError
    found = watch.on(output, learns)
    if found and runner.engine.has_values:
        found = _also_in_training(runner, call, piece.path, found, learns)
    return _Final(output.detach(), output.requires_grad, tuple(found))


def _also_in_training(runner: Runner, call: Call, path: str, found: list[Watched], learns: bool) -> list[Watched]:
    """Without what the model does in eval mode only, to hand out predictions: the loss never sees that."""
    watch = Watch()
    try:
        with in_training(runner.model):
            kinds = {one.observation.kind for one in watch.on(_watched_run(runner, call, path, watch), learns)}
    except Exception:  # other parts, or batches too small for statistics: eval mode is all there is to go by
        return found
    finally:
        runner.guard.restore(thorough=True)  # running statistics are written without a trace
    return [one for one in found if one.observation.kind in kinds]


@dataclass(frozen=True)
class _Shown:
    """The call and the output that are reported."""

    call: Call
    output: torch.Tensor


def _as_given(runner: Runner, named: Named, path: str, final: _Final) -> _Shown:
    """The real call as it was."""
    call = as_given(named.call)
    output = runner.tensor(call, path)
    return _Shown(named.call, final.output) if output is None else _Shown(call, output)


def _watched_run(runner: Runner, call: Call, path: str, watch: Watch) -> torch.Tensor:
    return at(_with_gradient(runner, call, watch), path)


def _with_gradient(runner: Runner, call: Call, watch: Watch | None = None) -> Any:
    args, kwargs = runner.engine.fed(*feed(call))
    seed()
    try:
        with torch.enable_grad(), warnings.catch_warnings(), watch or nullcontext():
            warnings.simplefilter("ignore")
            return runner.engine.call(runner.model, args, kwargs)
    finally:
        runner.guard.restore()


def _again(
    model: nn.Module, call: Call, path: str, seen: Sequence[Watched], trained: bool
) -> Callable[[Observation], torch.Tensor]:
    def rerun(observation: Observation) -> torch.Tensor:
        calls = next((watched.calls for watched in seen if watched.observation == observation), ())
        if not calls or observation.kind not in REMOVABLE:
            raise ValueError(f"{observation.kind} cannot be left out")
        with guarded(model) as guard:
            _set_own_training(model, trained)
            runner = Runner(model, guard, Recorder(checking=False), time.monotonic())
            return _watched_run(runner, call, path, Watch(calls)).detach()

    return rerun


def _probe_of(
    model: nn.Module,
    found: _Found,
    named: Named,
    shown: _Shown,
    piece: Piece,
    final: _Final,
    seen: Sequence[Observation],
    engine: Engine,
) -> Probe:
    call, output = shown.call, shown.output
    axes = named.roles if len(named.roles) == output.dim() else ("unknown",) * output.dim()
    coinciding = _coinciding(final.output, axes) if final.output.dim() == len(axes) else []
    notes = filter(None, [found.note, *engine.notes(model), *coinciding, final.note])
    return Probe(
        inputs=tuple(_input(argument, found.origin) for argument in call if argument.is_tensor),
        output=output,
        output_path=piece.path,
        axes=axes,
        sizes=_sizes(call, found.asked.bound(call) if found.asked else {}, axes, tuple(output.shape)),
        observations=tuple(seen),
        requires_grad=final.requires_grad,
        notes=tuple(notes),
        rerun=_again(model, call, piece.path, final.watched, found.trained) if engine.has_values else None,
        engine=engine.name,
    )


def _input(argument: Argument, origin: str) -> ProbedInput:
    """An axis of fixed size shows as the channel of what the layers take, or as a feature at the end."""
    rank = len(argument.shape)
    names = [argument.label(axis) for axis in range(rank)]
    blank = [axis for axis, name in enumerate(names) if not name]
    for axis in blank if len(blank) == 1 and argument.kind == "float" else ():
        names[axis] = "feature" if axis == rank - 1 else "channel"
    return ProbedInput(argument.name, argument.shape, dtype_name(argument), origin, tuple(names))


def _sizes(call: Call, bound: Mapping[str, int], axes: Sequence[str], shape: tuple[int, ...]) -> Mapping[str, int]:
    """Names bound to sizes; what the user typed wins, and the main input comes before the others."""
    sizes = {"N": 1}
    ordered = sorted(range(len(call)), key=lambda index: index != main_index(call))
    seen: set[str] = set()
    for argument in (call[index] for index in ordered):
        for axis, size in enumerate(argument.shape):
            label = argument.label(axis)
            names = ("N",) if label == "batch" else _SPACE_NAMES.get(label, ())
            sizes |= {name: size for name in names if name not in seen}
            seen.update(names)
    if "class" in axes:
        sizes["C"] = shape[list(axes).index("class")]
    return MappingProxyType(sizes | dict(bound))


def _coinciding(output: torch.Tensor, axes: Sequence[str]) -> list[str]:
    """Axes that cannot be told apart by size, and axes that could not be named."""
    notes = []
    for axis, size in enumerate(output.shape):
        for other in range(axis):
            if output.shape[other] == size > 1:
                notes.append(
                    f"output axes {other} ({axes[other]}) and {axis} ({axes[axis]}) are both {size}, and could not be varied apart"
                )
    unknown = [str(axis) for axis, role in enumerate(axes) if role == "unknown"]
    if unknown:
        notes.append(f"what output axis {', '.join(unknown)} stands for is not known")
    return notes
