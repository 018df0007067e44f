"""Calls that the model's own file shows or describes, which are worth more than guesses. Runs nothing of it."""

from __future__ import annotations

import inspect
from collections.abc import Iterator

from torch import nn

from shapecheck import source
from shapecheck.probe.inputs.candidates import Proposal, parameters_of, with_dtype
from shapecheck.probe.inputs.described import described
from shapecheck.probe.inputs.shown_calls import shown_calls
from shapecheck.probe.inputs.sizing import Sizes, float_dtype
from shapecheck.probe.places import distance
from shapecheck.probe.runs.feeding import Call

_AS_CALLED, _AS_DESCRIBED = -2.0, -0.8


def is_users_own(model: nn.Module) -> bool:
    """Whether the model's class stands in a file of the user's rather than of a package."""
    file = _file_of(model)
    return file is not None and distance(file) == 0


def mentioned(model: nn.Module, sizes: Sizes) -> Iterator[Proposal]:
    """Calls of the model, then descriptions of its arguments; none where the file cannot be read."""
    file = _file_of(model)
    tree = source.parse(file) if file else None
    if tree is None:
        return
    required, optional = parameters_of(model)
    names = [parameter.name for parameter in (*required, *optional)]
    for number, call in enumerate(shown_calls(tree, type(model).__name__, names, len(required))):
        for rank, option in enumerate(_in_batches(call, sizes)):
            dtype = float_dtype(model)
            typed = tuple(with_dtype(argument, dtype) for argument in option)
            yield Proposal(typed, _AS_CALLED + 0.2 * number + 0.1 * rank, "as its own file calls it")
    text = described(model, required, sizes)
    if text:
        yield Proposal(text, _AS_DESCRIBED, "as its own text describes it")


def _file_of(model: nn.Module) -> str | None:
    try:
        return inspect.getsourcefile(type(model))
    except (TypeError, OSError):
        return None


def _in_batches(call: Call, sizes: Sizes) -> list[Call]:
    """With a batch of several samples where one was fed, then as it stands."""
    first = call[0].shape[0] if call[0].shape else 0
    if first != 1:
        return [call]
    wider = tuple(a.resized(0, sizes.batch) if a.shape[:1] == (1,) and a.is_tensor else a for a in call)
    return [wider, call]
