"""What the user's data add to a model check: the real call, the target measured over several batches, how an epoch ends. Imports torch.

Tensors are measured and let go; nothing of the data is kept.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import nn

from shapecheck import measure
from shapecheck.at_hand import measured
from shapecheck.matching import arguments_of, facts, judge
from shapecheck.probe.inputs.splitting import Path, Split, shown, split, target_at
from shapecheck.probe.loading.data import Data
from shapecheck.probe.probing import Probe
from shapecheck.rules import Loss
from shapecheck.specs import Observation, TensorSpec

SECONDS = 1.0  # spent on batches after the first
_MOSTLY = 0.95
_OF_ONE = ("batch-axis-lost", "batch-of-one-fails")


@dataclass(frozen=True, eq=False)
class Measured:
    """The target of the first batch, what is known of it from all batches that were looked at, and what has to be said.

    `beside` are further tensors of the loss that the batch holds, such as lengths.
    """

    target: torch.Tensor | None
    spec: TensorSpec | None
    notes: tuple[str, ...] = ()
    beside: Mapping[str, TensorSpec] = field(default_factory=dict)


@dataclass
class _Labels:
    """What has been seen of labels so far: batches, elements, those that the loss ignores, batches of nothing else."""

    spec: TensorSpec
    batches: int = 1
    elements: int = 0
    ignored: int = 0
    empty: int = 0
    kinds: set[str] = field(default_factory=set)


def parts_of(data: Data, model: nn.Module) -> Split:
    """Raises ModelError SC904 where the batch does not go with what forward takes."""
    return split(data.first, model)


def target_shapes(data: Data, parts: Split) -> list[tuple[int, ...]]:
    """What may be the target, the input of an autoencoder included."""
    found = (target_at(data.first, path) for path in (*parts.targets, *parts.inputs))
    return [tuple(tensor.shape) for tensor in found if tensor is not None]


def target_of(data: Data, parts: Split, seen: Probe, loss: Loss | None, keywords: Mapping[str, Any]) -> Measured:
    """The target as the data have it; where its place is left open, the likeliest that the loss takes."""
    if loss is not None and not loss.target:
        return Measured(None, None, (*data.notes, *parts.notes))
    found = {path: tensor for path in parts.targets if (tensor := target_at(data.first, path)) is not None}
    itself = _input_as_target(data, parts, seen.output, list(found.values()), loss)
    found = itself or found
    if not found:
        return Measured(None, None, (*data.notes, *parts.notes))
    several = _in_order_of(loss, found, seen.output) if loss is not None else {}
    path = several[loss.target] if loss is not None and several else _chosen(found, seen.output, loss)
    target = found[path]
    if itself:
        notes = [f"{shown(path)}, the input, is taken as target: the output has its shape"]
    else:
        told = [note for note in parts.notes if path == parts.targets[0]] or [f"{shown(path)} is taken as target"]
        notes = told if len(parts.targets) > 1 or parts.notes else []
    if several:
        notes = [f"{name} is {shown(place)}" for name, place in several.items()]
    labels = _looked_at(data, path, _spec(target, seen.output, loss), target, seen.output, loss, keywords)
    beside = (
        {name: measure.tensor_facts(found[place], loss, name, ()) for name, place in several.items()} if loss else {}
    )
    beside.pop(loss.target if loss else "", None)
    return Measured(target, labels.spec, (*data.notes, *notes, *_said(data, labels, keywords)), beside)


def _in_order_of(loss: Loss, found: Mapping[Path, torch.Tensor], output: torch.Tensor) -> dict[str, Path]:
    """Of a loss of several tensors beside its output which part of the batch is which; empty where it would not take them."""
    names = [name for name in loss.tensors if name != loss.output]
    if len(names) < 2 or len(found) != len(names):
        return {}
    for order in itertools.permutations(sorted(found)):
        given = dict(zip(names, order, strict=True))
        specs = measured(loss, {loss.output: output, **{name: found[path] for name, path in given.items()}})
        known = {name: facts(spec) for name, spec in specs.items()}
        if judge(loss, known, arguments_of(loss, {}, measure.dtype_name(output), known)).accepts:
            return given
    return {}


def _chosen(found: Mapping[Path, torch.Tensor], output: torch.Tensor, loss: Loss | None) -> Path:
    """The first that the loss takes; the first of all where it takes none."""
    first = next(iter(found))
    if len(found) == 1:
        return first
    specs = ((path, _spec(tensor, output, loss)) for path, tensor in found.items())
    return next((path for path, spec in specs if _accepts(loss, output, spec)), first)


def _input_as_target(
    data: Data, parts: Split, output: torch.Tensor, targets: list[torch.Tensor], loss: Loss | None
) -> dict[Path, torch.Tensor]:
    """Of an autoencoder the target is the input; labels that stand beside it are no match for its output. Empty for others."""
    if loss is None or loss.has_classes or any(target.numel() == output.numel() for target in targets):
        return {}
    sources = ((path, target_at(data.first, path)) for path in parts.inputs)
    alike = [(path, value) for path, value in sources if value is not None and value.shape == output.shape]
    return dict(alike[:1])


def _spec(target: torch.Tensor, output: torch.Tensor, loss: Loss | None) -> TensorSpec:
    if loss is None:
        return measure.spec_of(target)
    return measured(loss, {loss.output: output, loss.target: target})[loss.target]


def _accepts(loss: Loss | None, output: torch.Tensor, target: TensorSpec) -> bool:
    if loss is None:
        return False
    given = {loss.output: facts(measure.spec_of(output)), loss.target: facts(target)}
    if set(given) < set(loss.tensors):
        return False
    return bool(judge(loss, given, arguments_of(loss, {}, measure.dtype_name(output), given)).accepts)


# ---------------------------------------------------------------------------- further batches


def _looked_at(
    data: Data,
    path: Path,
    spec: TensorSpec,
    first: torch.Tensor,
    output: torch.Tensor,
    loss: Loss | None,
    keywords: Mapping[str, Any],
) -> _Labels:
    labels = _Labels(spec)
    _count(labels, first, spec, loss, keywords)
    if loss is None:
        return labels
    ends = time.monotonic() + SECONDS
    for target in _targets(data, path) if data.seconds < SECONDS else ():
        spec = measure.tensor_facts(target, loss, loss.target, tuple(output.shape))
        _count(labels, target, spec, loss, keywords)
        labels.batches += 1
        if time.monotonic() > ends:
            break
    return labels


def _targets(data: Data, path: Path) -> Iterator[torch.Tensor]:
    """Of batches that can be made; one that cannot is the training's to meet."""
    batches = data.others()
    while True:
        try:
            target = target_at(next(batches), path)
        except Exception:
            return
        if target is not None and target.numel():
            yield target


def _count(
    labels: _Labels, target: torch.Tensor, spec: TensorSpec, loss: Loss | None, keywords: Mapping[str, Any]
) -> None:
    labels.spec = _together(labels.spec, spec)
    labels.elements += target.numel()
    index = _ignored_index(loss, keywords)
    if index is not None and not target.is_floating_point():
        ignored = int((target == index).sum())
        labels.ignored += ignored
        labels.empty += ignored == target.numel()


def _ignored_index(loss: Loss | None, keywords: Mapping[str, Any]) -> int | None:
    if loss is None or "ignore_index" not in loss.arguments:
        return None
    given = keywords.get("ignore_index", loss.arguments["ignore_index"].default)
    return given if isinstance(given, int) else -100


def _together(one: TensorSpec, other: TensorSpec) -> TensorSpec:
    """The spec of the first with the range of both; what was counted holds only as long as the first has all there is.

    A value that is no finite number is what there is to say of all batches.
    """
    if one is other or other.minimum is None or other.maximum is None or one.minimum is None or one.maximum is None:
        return one
    if one.odd is not None:
        return one
    if other.odd is not None:
        return replace(other, shape=one.shape, permuted=one.permuted)
    low, high = min(one.minimum, other.minimum), max(one.maximum, other.maximum)
    wider = (low, high) != (one.minimum, one.maximum)
    counted: dict[str, Any] = {"total": None, "elements": None, "distinct": None, "stray": None} if wider else {}
    return replace(one, minimum=low, maximum=high, values=_kind_of_both(one.values, other.values), **counted)


def _kind_of_both(one: str | None, other: str | None) -> str | None:
    if one == other:
        return one
    if {one, other} == {"one-hot", "multi-hot"}:
        return "multi-hot"
    return "continuous" if "continuous" in (one, other) else one


# ---------------------------------------------------------------------------- what is said


def _said(data: Data, labels: _Labels, keywords: Mapping[str, Any]) -> Iterator[str]:
    spec = labels.spec
    if spec.minimum is not None and spec.maximum is not None:
        found = f"{spec.minimum:.4g} to {spec.maximum:.4g}" if spec.odd is None else "not all of it are finite numbers"
        yield f"target measured on {_count_of(data, labels)} of {data.text}: {found}"
    index = keywords.get("ignore_index", -100)
    if labels.empty and labels.empty < labels.batches:
        yield (
            f"in {labels.empty} of these batches every label is {index}, which ignore_index leaves out: their mean is NaN"
        )
    elif labels.elements and _MOSTLY < labels.ignored / labels.elements < 1:
        share = f"{100 * labels.ignored / labels.elements:.1f} %"
        yield f"{share} of the labels are {index}, which ignore_index leaves out"


def _count_of(data: Data, labels: _Labels) -> str:
    """`12 of 157 batches`, `all 40 samples`."""
    seen = labels.batches if not data.samples else labels.batches - 1 + data.samples
    unit = "batch" if not data.samples else "sample"
    if data.batches == seen > 1:
        return f"all {seen} {_plural(unit)}"
    known = f" of {data.batches}" if data.batches and data.batches > seen else ""
    return f"{seen}{known} {unit if seen == 1 and not known else _plural(unit)}"


def _plural(unit: str) -> str:
    return "batches" if unit == "batch" else f"{unit}s"


def at_the_end(
    observations: tuple[Observation, ...], data: Data, refuses: Callable[[tuple[int, ...]], bool]
) -> tuple[tuple[Observation, ...], tuple[str, ...]]:
    """What becomes of a batch of one, now that it is known whether there will be one: certain, or no more than a note.

    `refuses` says of the shape that an output of one sample has whether the loss does not take it.
    """
    if data.ends_with_one is None:
        return observations, ()
    if data.ends_with_one:
        return tuple(_certain(one, data.told, refuses) if one.kind in _OF_ONE else one for one in observations), ()
    spared = [one for one in observations if one.kind in _OF_ONE]
    notes = [f"a batch of one would fail{_at(one)}; this loader gives none: {data.told}" for one in spared]
    return tuple(one for one in observations if one not in spared), tuple(dict.fromkeys(notes))


def _at(observation: Observation) -> str:
    return f" at {observation.location}" if observation.location else ""


def _certain(observation: Observation, told: str, refuses: Callable[[tuple[int, ...]], bool]) -> Observation:
    """An error where training stops there; a loss may well take a lone sample without its axis."""
    facts = {
        **observation.facts,
        "last": "one",
        "evidence": f"it will happen: {told} leave one for the last batch of every epoch",
    }
    stops = "output_one" not in facts or refuses(tuple(facts["output_one"]))
    return replace(observation, facts=facts | ({"severity": "error"} if stops else {}))


def refuses(loss: Loss | None, output: TensorSpec, target: TensorSpec | None, shape: tuple[int, ...]) -> bool:
    """Whether the loss refuses an output of this shape with the target of one sample."""
    if loss is None or target is None or not target.shape or not loss.target:
        return False
    one = replace(output, shape=shape, axes=None)
    given = {loss.output: facts(one), loss.target: facts(replace(target, shape=(1, *target.shape[1:]), axes=None))}
    if set(given) < set(loss.tensors):
        return False
    return not judge(loss, given, arguments_of(loss, {}, output.dtype or "float32", given)).accepts


# ---------------------------------------------------------------------------- what the user typed besides


def disagreements(typed: TensorSpec | None, classes: int | None, found: TensorSpec | None) -> Iterator[str]:
    """Where --target or --classes say otherwise than the data; what was typed wins."""
    if found is None:
        return
    if typed is not None:
        ranks = len(typed.shape) != len(found.shape)
        sizes = any(isinstance(a, int) and a != b for a, b in zip(typed.shape, found.shape, strict=False))
        if ranks or sizes or (typed.dtype is not None and typed.dtype != found.dtype):
            yield f"the target of the data is {tuple(found.shape)} {found.dtype}; --target is taken instead"
    if classes is not None and found.maximum is not None and found.values == "class-index" and found.maximum >= classes:
        yield f"the labels of the data go up to {found.maximum:g}, beyond the {classes} of --classes"
