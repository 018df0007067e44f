"""From positional and keyword arguments to a contract's tensors and the keywords that are not at their default. Pure."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import torch

from shapecheck.keywords import tensor_name
from shapecheck.rules import Loss


@dataclass(frozen=True, eq=False)
class Parameters:
    """A signature, read once: binding by `inspect` would take longer than the rest together."""

    order: tuple[str, ...]
    positional: tuple[str, ...]
    defaults: Mapping[str, Any]
    required: tuple[str, ...]
    known: frozenset[str]

    def bound(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> dict[str, Any] | None:
        """The arguments by name, those left out left out; None where Python would refuse the call."""
        given = dict(zip(self.positional, args))
        if len(args) > len(self.positional) or any(name in given or name not in self.known for name in kwargs):
            return None
        given.update(kwargs)
        return given if all(name in given for name in self.required) else None


def parameters_of(function: Callable[..., Any]) -> Parameters:
    """Raises ValueError where Python does not know the signature."""
    each = inspect.signature(function).parameters.values()
    plain = [item for item in each if item.kind not in (item.VAR_POSITIONAL, item.VAR_KEYWORD)]
    return Parameters(
        tuple(item.name for item in plain),
        tuple(item.name for item in plain if item.kind is not item.KEYWORD_ONLY),
        {item.name: item.default for item in plain if item.default is not item.empty},
        tuple(item.name for item in plain if item.default is item.empty),
        frozenset(item.name for item in plain if item.kind is not item.POSITIONAL_ONLY),
    )


def named_by_contract(parameters: Iterable[str], rule: Loss) -> dict[str, str]:
    """The contract's name of each parameter that is a tensor: by torch's own name, else as they stand."""
    candidates = [name for name in parameters if name not in rule.arguments]
    known = {name: found for name in candidates if (found := tensor_name(name, rule)) is not None}
    others = [name for name in rule.tensors if name not in known.values()]
    return known | dict(zip([name for name in candidates if name not in known], others))


def divided(
    given: Mapping[str, Any], names: Mapping[str, str], rule: Loss, defaults: Mapping[str, Any]
) -> tuple[dict[str, Any], dict[str, Any]]:
    """The tensors by the contract's `names`, and the keywords of the loss that say something."""
    tensors = {names[name]: value for name, value in given.items() if name in names}
    keywords = {
        name: value
        for name, value in given.items()
        if name in rule.arguments and not _is_default(value, defaults.get(name, rule.arguments[name].default))
    }
    return {name: tensors[name] for name in rule.tensors if name in tensors}, keywords


def settings(holder: Any, rule: Loss) -> dict[str, Any]:
    """What a module keeps of its constructor's arguments, as far as the rule knows them.

    torch's adaptive softmax keeps one cutoff more than it was given, the number of classes.
    """
    kept = {name: getattr(holder, name) for name in rule.arguments if hasattr(holder, name)}
    for name, argument in rule.arguments.items():
        if argument.type == "dtype":
            dtype = next((each.dtype for each in holder.parameters()), torch.float32)
            kept |= {} if dtype == torch.float32 else {name: dtype}
    if "cutoffs" in kept:
        kept["cutoffs"] = [cutoff for cutoff in kept["cutoffs"] if cutoff != kept.get("n_classes")]
    return kept


def _is_default(value: Any, default: Any) -> bool:
    """Tensors are never compared: a default is none, and comparing would wait for a device."""
    if value is default or isinstance(value, torch.Tensor):
        return value is default
    try:
        return type(value) in (bool, int, float, str) and bool(value == default)
    except Exception:  # a value of the user's whose comparison fails is no default
        return False
