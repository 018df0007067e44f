"""From what the user names or passes as a loss to what can be asked: their own callable, or one of torch's after all."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import torch

from shapecheck import callables, measure
from shapecheck.own_loss.calling import OwnLoss, own_loss
from shapecheck.probe.loading.allowances import lenient
from shapecheck.probe.loading.devices import moving_tensors
from shapecheck.probe.places import defined_at
from shapecheck.probe.telling import shown_value


@dataclass(frozen=True, eq=False)
class TorchLoss:
    """A loss of torch's under a name of the user's, such as `criterion = nn.CrossEntropyLoss(ignore_index=0)`."""

    name: str
    arguments: Mapping[str, Any]
    note: str


def load_own(text: str, arguments: Mapping[str, Any]) -> OwnLoss | TorchLoss:
    """What `losses.py:dice_loss` names, with the keywords of --loss-arg; its file is read as that of a model is.

    Raises UserError where there is no such file, and ModelError: SC901 (not loadable, not callable), SC902 (wrong
    arguments), SC903 (the constructor raised).
    """
    with lenient(), moving_tensors(always=True):
        return _resolved(callables.load(text), text, arguments)


def given_own(loss: Callable[..., Any], arguments: Mapping[str, Any]) -> OwnLoss | TorchLoss:
    """The same for a callable that is at hand."""
    name = getattr(loss, "__qualname__", None) or type(loss).__name__
    definition = loss if hasattr(loss, "__code__") else getattr(type(loss), "forward", None)
    loaded = callables.Loaded(loss, name, defined_at(definition))
    return _resolved(loaded, name, arguments)


def _resolved(loaded: callables.Loaded, text: str, arguments: Mapping[str, Any]) -> OwnLoss | TorchLoss:
    known = callables.torch_loss(loaded.found)
    if known is not None:
        name, settings = known
        return TorchLoss(name, measure.facts_of_keywords({**settings, **arguments}), _note(text, name, settings))
    found, keywords = callables.built(loaded, arguments)
    return replace(own_loss(found, text, loaded.name, loaded.location, keywords), given=dict(arguments))


def _note(text: str, name: str, settings: Mapping[str, Any]) -> str:
    shown = ", ".join(
        f"{key}={'...' if isinstance(value, torch.Tensor) else shown_value(value)}" for key, value in settings.items()
    )
    return f"{text} is torch's {name}" + (f"({shown})" if shown else "")
