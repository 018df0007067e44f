"""How a loss of the user's is called: which of its parameters takes the output, which the target. Runs nothing."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from inspect import Parameter
from typing import Any

import torch
from torch import nn

from shapecheck.callables import signature_of
from shapecheck.errors import Location, ModelError
from shapecheck.probe.arguments.construct import describe
from shapecheck.probe.telling import shown_value

_OUTPUT_WORDS = frozenset({
    "output", "outputs", "out", "pred", "preds", "prediction", "predictions", "predicted", "logit", "logits", "input", "inputs",
    "score", "scores", "x", "yhat", "hat", "prob", "probs", "recon", "reconstruction", "estimate", "est", "embedding",
    "embeddings", "features", "hypothesis", "generated",
})  # fmt: skip
_TARGET_WORDS = frozenset({
    "target", "targets", "label", "labels", "true", "truth", "gt", "gts", "y", "tgt", "trg", "actual", "reference", "ref",
    "expected", "gold", "annotation", "annotations",
})  # fmt: skip
_POSITIONAL = (Parameter.POSITIONAL_ONLY, Parameter.POSITIONAL_OR_KEYWORD)


@dataclass(frozen=True, eq=False)
class OwnLoss:
    """A callable of the user's, ready to be called with an output and a target.

    `text` is how the user named it, `name` the function or class. `places` says where output and target go: a
    position or a keyword. `keywords` are passed as they are; `given` is all that the user gave, the constructor's too.
    """

    found: Callable[..., Any]
    text: str
    name: str
    location: Location | None
    keywords: Mapping[str, Any]
    places: tuple[int | str, int | str] = (0, 1)
    given: Mapping[str, Any] = field(default_factory=dict)

    @property
    def target_first(self) -> bool:
        return self.places == (1, 0)

    @property
    def module(self) -> nn.Module | None:
        """The module that is called, whose state a run may change."""
        bound = getattr(self.found, "__self__", self.found)
        return bound if isinstance(bound, nn.Module) else None

    def arguments(self, output: Any, target: Any) -> tuple[list[Any], dict[str, Any]]:
        """The positional and the keyword arguments of a call."""
        placed = dict(zip(self.places, (output, target), strict=True))
        positional = [value for place, value in sorted((p, v) for p, v in placed.items() if isinstance(p, int))]
        named = {place: value for place, value in placed.items() if isinstance(place, str)}
        return positional, {**named, **self.keywords}

    def written(self, output: str, target: str) -> str:
        """The call as people write it: `dice_loss(output, target, smooth=1.0)`, `criterion(output, target)`."""
        positional, named = _texts(self.places, output, target)
        for name, value in self.keywords.items():
            named[name] = "..." if isinstance(value, torch.Tensor) else shown_value(value)
        called = "criterion" if self.module is not None else self.name.rpartition(".")[2]
        return f"{called}({', '.join([*positional, *(f'{name}={text}' for name, text in named.items())])})"


def _texts(places: Sequence[int | str], output: str, target: str) -> tuple[list[str], dict[str, str]]:
    pairs = list(zip(places, (output, target), strict=True))
    positional = [text for _, text in sorted((place, text) for place, text in pairs if isinstance(place, int))]
    return positional, {place: text for place, text in pairs if isinstance(place, str)}


def own_loss(
    found: Callable[..., Any], text: str, name: str, location: Location | None, keywords: Mapping[str, Any]
) -> OwnLoss:
    """Reads the signature. Raises ModelError (SC902) where an output and a target are not what it takes."""
    signature = signature_of(found)
    places = _places(signature, name, location, keywords) if signature is not None else (0, 1)
    return OwnLoss(found, text, name, location, keywords, places)


def _places(
    signature: inspect.Signature, name: str, location: Location | None, keywords: Mapping[str, Any]
) -> tuple[int | str, int | str]:
    parameters = [each for key, each in signature.parameters.items() if key not in keywords]
    variable = any(each.kind is Parameter.VAR_POSITIONAL for each in parameters)
    plain = [each for each in parameters if each.kind in _POSITIONAL]
    named = [each for each in parameters if each.kind is Parameter.KEYWORD_ONLY]
    required = [each for each in (*plain, *named) if each.default is Parameter.empty]
    if required and required[0].name == "self":
        hint = "write a function of output and target that calls it, and name that"
        raise ModelError(f"{name} is a method, which needs its object", hint, code="SC902", location=location)
    chosen = _two(required, [*plain, *named])
    if len(required) > 2:
        more = [each.name for each in required if each not in chosen]
        listed = ", ".join(each.name for each in required)
        message = f"{name} needs {len(required)} arguments: {listed}"
        way = " ".join(f"--loss-arg {each}=..." for each in more)
        hint = f"a check passes output and target: give the others with {way}, or name a function of two tensors"
        raise ModelError(message, hint, code="SC902", location=location)
    if len(chosen) < 2:
        if variable:
            return 0, 1
        hint = f"a loss is called with output and target; its signature is {describe(name, signature)}"
        message = f"{name} takes {'no argument' if not chosen else f'only {chosen[0].name}'}"
        raise ModelError(message, hint, code="SC902", location=location)
    first, second = (_place(each, signature, keywords) for each in chosen)
    if _kind(chosen[0].name) == "target" and _kind(chosen[1].name) == "output":
        return second, first
    return first, second


def _two(required: Sequence[Parameter], every: Sequence[Parameter]) -> list[Parameter]:
    """The two parameters for output and target: those that are required, then one that is named so, then in order."""
    optional = [each for each in every if each not in required]
    if len(required) < 2:
        optional.sort(key=lambda each: _kind(each.name) != "target")
    elif len(required) > 2:
        likely = [each for each in required if _kind(each.name)]
        return likely[:2] if len(likely) >= 2 else list(required[:2])
    return [*required, *optional][:2]


def _place(parameter: Parameter, signature: inspect.Signature, keywords: Mapping[str, Any]) -> int | str:
    """By position, unless one that stands before it is given as a keyword or is left at its default."""
    positional = [key for key, each in signature.parameters.items() if each.kind in _POSITIONAL]
    index = positional.index(parameter.name) if parameter.name in positional else 2
    taken = any(key in keywords for key in positional[:index])
    if parameter.kind is Parameter.POSITIONAL_ONLY or (index < 2 and not taken):
        return index
    return parameter.name


def _kind(name: str) -> str:
    """`output`, `target`, or '' where the name of a parameter says neither."""
    words = [word for word in re.split(r"[_\d]+", name.lower()) if word]
    if any(word in _OUTPUT_WORDS for word in words):
        return "output"
    return "target" if any(word in _TARGET_WORDS for word in words) else ""
