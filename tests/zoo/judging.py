"""One entry of the zoo, checked as a user would check it with no flags but --loss: is the input found, are the roles right, is it quiet."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import torch
from entries import Entry, build

from shapecheck import measure
from shapecheck.errors import CheckError
from shapecheck.jobs import ModelCheck, probed
from shapecheck.keywords import checked
from shapecheck.pipeline import check
from shapecheck.probe.probing import Probe
from shapecheck.report import CheckResult
from shapecheck.rules import Loss, load_loss
from shapecheck.specs import Subject, TensorSpec
from shapecheck.torch_judge import TorchJudge

_ROLES = {
    "N": ("batch",), "T": ("time",), "L": ("time",), "S": ("time",), "D": ("depth",), "H": ("height",), "W": ("width",),
    "1": ("unit",), "N*T": ("merged",), "M": ("merged",), "?": ("unknown",),
}  # fmt: skip
_SELECTED = frozenset({"none", "select-output"})  # what shapecheck does by itself
_OWN_LOSS = "use-own-loss"
_SETUP = ("lengths", "fix-lengths")


@dataclass(frozen=True)
class Verdict:
    """What came of one entry. `roles`, `quiet` are None where it did not get so far; `told` is what to show."""

    found: bool | None = None
    alike: bool | None = None
    roles: bool | None = None
    quiet: bool | None = None
    build_seconds: float = 0.0
    seconds: float = 0.0
    told: str = ""


def judge(entry: Entry) -> Verdict:
    """Never raises for what the model or shapecheck does: that is told."""
    began = time.perf_counter()
    torch.manual_seed(0)
    try:
        model = build(entry)
    except Exception as error:
        return Verdict(told=f"not built: {type(error).__name__}: {str(error)[:150]}")
    built = time.perf_counter()
    try:
        verdict = _judged(entry, model)
    except Exception as error:
        verdict = Verdict(found=False, told=f"internal: {type(error).__name__}: {error}")
    return replace(verdict, build_seconds=built - began, seconds=time.perf_counter() - built)


def _judged(entry: Entry, model: Any) -> Verdict:
    name = "cross_entropy" if entry.loss == "internal" else entry.loss
    loss = load_loss(name)
    asked = ModelCheck(name, checked(loss, entry.loss_arguments), output_path=entry.path if entry.choose else None)
    try:
        subject, seen = probed(model, loss, asked)
    except CheckError as error:
        told = f"{error.code} {error.message}" + (f" | {error.hint}" if error.hint else "")
        if _OWN_LOSS in entry.fixes:
            return Verdict(
                error.code == "SC908", quiet=error.code == "SC908", told="" if error.code == "SC908" else told
            )
        return Verdict(error.code == "SC908", roles=False if error.code == "SC908" else None, told=told)
    given = ", ".join(f"{one.name} {one.shape} {one.dtype}" for one in seen.inputs)
    right = len(seen.axes) == len(entry.axes) and all(
        role in _ROLES.get(axis.strip("~"), ("class",) if loss.has_classes else ("class", "feature"))
        for role, axis in zip(seen.axes, entry.axes, strict=True)
    )
    right &= not entry.path or seen.output_path == entry.path
    quiet, words = _quiet(entry, loss, subject, seen)
    told = f"in {given} -> {seen.output_path or 'output'} {tuple(seen.output.shape)} {' '.join(seen.axes)}; {words}"
    return Verdict(True, _alike(entry, seen), right, quiet, told=told)


def _alike(entry: Entry, seen: Probe) -> bool:
    """Whether what was fed has the kinds and ranks of what people feed."""
    floats = {name: dtype.startswith(("float", "complex")) for name, (_, dtype) in entry.inputs.items()}
    given = {one.name: one for one in seen.inputs}
    if len(entry.inputs) == 1:  # whatever it is called
        given |= dict.fromkeys(entry.inputs, seen.inputs[0])
    return all(
        name in given
        and len(given[name].shape) == len(dims)
        and given[name].dtype.startswith(("float", "complex")) == floats[name]
        for name, (dims, _) in entry.inputs.items()
    )


# ---------------------------------------------------------------------------- quiet


def _quiet(entry: Entry, loss: Loss, subject: Subject, seen: Probe) -> tuple[bool, str]:
    """No error and no warning, neither without a target nor with the natural one, after the fix that is known."""
    output, axes, needs = seen.output, seen.axes, [fix for fix in entry.fixes if fix not in _SELECTED]
    labels = entry.labels
    alone = check(subject, loss, TorchJudge(output, seen.without))
    words = [] if needs else _loud(alone)
    if needs:
        raw = check(_with_target(entry, loss, subject, seen, labels), loss, TorchJudge(output, seen.without))
        wanted = [fix for fix in needs if fix not in _SETUP]
        offered = {fix.kind for finding in raw.findings for fix in finding.fixes}
        words += [f"{kind} is not offered, but {sorted(offered)}" for kind in wanted if kind not in offered]
    for fix in needs:
        if fix == "unsqueeze-target" and labels is not None:
            labels = (labels[0], "1", *labels[1:])
        elif fix in _MENDED:
            output, axes = (_time_first if entry.loss == "ctc_loss" else _MENDED[fix])(output, axes)
    if entry.loss == "ctc_loss":
        output = output.log_softmax(-1)
    spec = replace(measure.spec_of(output, axes, "model"), values=None)
    mended = replace(subject, tensors={**subject.tensors, loss.output: spec}, observations=subject.observations)
    final = check(_with_target(entry, loss, mended, seen, labels), loss, TorchJudge(output, None))
    words += _loud(final)
    return not words, "; ".join(words)


def _loud(result: CheckResult) -> list[str]:
    return [f"{f.code} {f.severity}: {f.message}" for f in result.findings if f.severity != "note"]


def _with_target(entry: Entry, loss: Loss, subject: Subject, seen: Probe, labels: tuple[str, ...] | None) -> Subject:
    """The natural target, with the sizes of the output's own axes of that name."""
    if labels is None:
        return subject
    sizes = _sizes(entry, seen)
    shape = tuple(int(size) if size.isdigit() else sizes.get(size.strip("~"), 3) for size in labels)
    dtype = entry.labels_dtype or ("int64" if loss.has_classes else "float32")
    spec = TensorSpec(shape, dtype, origin="flag")
    return replace(subject, tensors={**subject.tensors, loss.target: spec})


def _sizes(entry: Entry, seen: Probe) -> Mapping[str, int]:
    return {axis.strip("~"): size for axis, size in zip(entry.axes, seen.output.shape, strict=False)}


Changed = tuple[torch.Tensor, tuple[str, ...]]


def _classes_second(output: torch.Tensor, axes: tuple[str, ...]) -> Changed:
    return output.movedim(-1, 1), (axes[0], axes[-1], *axes[1:-1])


def _time_first(output: torch.Tensor, axes: tuple[str, ...]) -> Changed:
    """(T, N, C), as ctc_loss reads it."""
    order = [axes.index(role) for role in ("time", "batch", "class")]
    return output.permute(order), tuple(axes[axis] for axis in order)


def _squeezed(output: torch.Tensor, axes: tuple[str, ...]) -> Changed:
    axis = max(axis for axis, size in enumerate(output.shape) if size == 1)
    return output.squeeze(axis), (*axes[:axis], *axes[axis + 1 :])


_MENDED: dict[str, Callable[[torch.Tensor, tuple[str, ...]], Changed]] = {
    "permute": _classes_second, "squeeze-output": _squeezed,
}  # fmt: skip
