"""Recurrent and attention layers with batch_first=False that are given the batch first, and so read it as time.

A model that runs time first is right with such a layer. So it takes more than mixing: the user named the batch with --input, or
the output has a row for each step of what would be time and none for what would be the batch; and batch_first=True ends it.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn

from shapecheck.errors import Location
from shapecheck.probe.behaviour.case import Case, kept
from shapecheck.probe.behaviour.tracing import Shape
from shapecheck.probe.outputs.varying import Free, difference, rows
from shapecheck.probe.places import calling_line
from shapecheck.probe.runs.feeding import feed, main_index, perturbed
from shapecheck.probe.runs.running import Fed
from shapecheck.specs import Observation, Remedy


def batch_read_as_time(case: Case) -> list[Observation]:
    layers = [module for module in case.runner.model.modules() if getattr(module, "batch_first", None) is False]
    group = _surely_batch(case) if layers else None
    if group is None:
        return []
    with _arrivals(layers) as arrived:
        before = _disturbed(case, group, ())
    samples = case.size(group)
    least = (
        1 if _typed(case) else 2
    )  # sequences of one step are one sequence of samples, unless the user says otherwise
    fed = [
        layer for layer, (shape, _) in arrived.items() if len(shape) == 3 and shape[0] == samples and shape[1] >= least
    ]
    if not fed or kept(before, samples, own=True) is not False:
        return []
    after = _disturbed(case, group, layers)
    if after is None or before is None or after.shape != case.output.shape or not kept(after, samples, own=True):
        return []
    axis = next((axis for axis, size in enumerate(after.shape) if size == samples and rows(after, axis) == [0]), None)
    return [] if axis is None else [_observed(case, fed[0], arrived[fed[0]][1], len(rows(before, axis)), samples)]


def _surely_batch(case: Case) -> Free | None:
    """The group of the main input's first axis, if that is the batch by the user's word or by what the output follows.

    Rows for that axis and for no other of the input, although others could be longer, or are those of an image.
    """
    main, leading = main_index(case.call), case.leading
    if leading is None or not leading.slopes or any(index == main and axis for index, axis in leading.where):
        return None
    if _typed(case):
        return leading if _typed(case) == "batch" else None
    others = [group for group in case.named.free if group.where[0][0] == main and group is not leading]
    enough = bool(others) or len(case.call[main].shape) > 3
    return leading if enough and not any(group.slopes for group in others) else None


def _typed(case: Case) -> str:
    """What the user called the first axis of the main input; '' without a name."""
    main = main_index(case.call)
    return case.typed[main].label(0) if main < len(case.typed) else ""


@contextmanager
def _arrivals(layers: list[nn.Module]) -> Iterator[dict[nn.Module, tuple[Shape, Location | None]]]:
    """What came to each of the layers first, and from which line."""
    found: dict[nn.Module, tuple[Shape, Location | None]] = {}

    def note(layer: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        tensor = next((value for value in (*args, *kwargs.values()) if isinstance(value, torch.Tensor)), None)
        if tensor is not None and layer not in found:
            found[layer] = (tuple(tensor.shape), calling_line())

    handles = [layer.register_forward_pre_hook(note, with_kwargs=True) for layer in layers]
    try:
        yield found
    finally:
        for handle in handles:
            handle.remove()


def _disturbed(case: Case, group: Free, layers: list[nn.Module] | tuple[()]) -> torch.Tensor | None:
    """What changes with sample 0 when these layers take the batch first. The guard sets them back after each run."""

    def fed(disturb: bool) -> Fed:
        for layer in layers:
            vars(layer)["batch_first"] = True
        return perturbed(case.call, group.where, 0)() if disturb else feed(case.call)

    one = case.runner.tensor(case.call, case.path, lambda: fed(False))
    other = case.runner.tensor(case.call, case.path, lambda: fed(True))
    return None if one is None or other is None else difference(one, other)


def _observed(case: Case, layer: nn.Module, location: Location | None, touched: int, samples: int) -> Observation:
    owner, attribute = _named(case.runner.model, layer)
    proof = f"with it, disturbing sample 0 changes row 0 of the output and nothing else (before: {touched} of {samples} rows)"
    facts = {"layer": type(owner).__name__, "attribute": attribute}
    return Observation(
        "batch-read-as-time", location, facts=facts, remedy=Remedy("batch_first=True", "executed", proof)
    )


def _named(model: nn.Module, layer: nn.Module) -> tuple[nn.Module, str]:
    """The outermost layer of torch's that holds it, and how its owner calls that: `self.rnn`."""
    path = next((name for name, module in model.named_modules() if module is layer), "")
    parts = path.split(".") if path else []
    for end in range(1, len(parts) + 1):
        module = model.get_submodule(".".join(parts[:end]))
        if type(module).__module__.startswith("torch.nn.modules") and not isinstance(
            module, nn.Sequential | nn.ModuleList
        ):
            name = parts[end - 1]
            return module, f"self.{name}" if not name.isdigit() else f"self.{parts[end - 2]}[{name}]"
    return layer, f"self.{path}" if path else "self"
