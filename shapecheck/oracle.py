"""Torch's own answer: does a loss take these tensors, forward and backward? Imports torch."""

from __future__ import annotations

import importlib
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import torch

from shapecheck.matching import Facts, judge
from shapecheck.plans import match
from shapecheck.rules import Argument, Loss
from shapecheck.samples import SEED, draw, fitting

LARGEST = 20_000_000  # elements; larger tensors are not tried

Tensors = Mapping[str, Any]


@dataclass(frozen=True)
class Answer:
    """What torch does with a call: `error` is its first line, '' where it computes a number."""

    accepts: bool
    error: str = ""
    backward_error: str = ""


def ask(loss: Loss, tensors: Mapping[str, Facts], arguments: Mapping[str, Any]) -> Answer | None:
    """Torch's own answer for tensors of these facts. None where they are too large to try."""
    if any(facts.numel > LARGEST for facts in tensors.values()):
        return None
    return ask_tensors(loss, made(loss, tensors, arguments), arguments)


def made(loss: Loss, tensors: Mapping[str, Facts], arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Tensors of these facts, with values that make sense to the loss where nothing is known of them."""
    sizes = judge(loss, tensors, arguments).env
    generator = torch.Generator().manual_seed(SEED)
    found = {
        name: fitting(facts, loss.tensors[name], name == loss.output, sizes, generator)
        for name, facts in tensors.items()
    }
    for name in tensors:
        labels = found[name]
        if loss.tensors[name].unchecked and isinstance(labels, torch.Tensor) and not labels.is_complex():
            found[name] = found[name].clamp(0, max(sizes.get("class", 1) - 1, 0))
    return found


def ask_tensors(loss: Loss, tensors: Tensors, arguments: Mapping[str, Any]) -> Answer:
    """Torch's own answer for these tensors, forward and backward."""
    output = tensors[loss.output]
    if isinstance(output, torch.Tensor) and output.is_floating_point():
        output = output.detach().requires_grad_(True)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            value = call_loss(loss, {**tensors, loss.output: output}, arguments)
        except Exception as error:  # torch raises whatever it likes; the text is what the user will see
            said = f"{type(error).__name__}: {first_line(error)}"
            forward = (
                isinstance(output, torch.Tensor)
                and output.requires_grad
                and _runs(loss, {**tensors, loss.output: output.detach()}, arguments)
            )
            return Answer(True, backward_error=said) if forward else Answer(False, said)
        if value.requires_grad:
            try:
                value.sum().backward()
            except Exception as error:
                return Answer(True, backward_error=f"{type(error).__name__}: {first_line(error)}")
    return Answer(True)


def _runs(loss: Loss, tensors: Tensors, arguments: Mapping[str, Any]) -> bool:
    """Whether torch computes the loss where no gradient is asked for."""
    try:
        call_loss(loss, tensors, arguments)
    except Exception:  # torch raises whatever it likes
        return False
    return True


def first_line(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return lines[0] if lines else ""


def call_loss(loss: Loss, tensors: Tensors, arguments: Mapping[str, Any]) -> torch.Tensor:
    """The loss itself; a keyword that is `Facts` becomes a tensor of them.

    Raises ValueError for class indices that torch would not check before it reads memory elsewhere.
    """
    for name, operand in loss.tensors.items():
        if operand.unchecked and all(isinstance(tensors[each], torch.Tensor) for each in (name, loss.output)):
            _require_classes(tensors[name], loss, tensors[loss.output])
    function, keywords = prepared(loss, arguments)
    value = function(*tensors.values(), **keywords)
    result: torch.Tensor = getattr(value, loss.returns) if loss.returns else value
    return result


def _require_classes(labels: torch.Tensor, loss: Loss, output: torch.Tensor) -> None:
    """Raises ValueError for labels that no class has: torch would read memory elsewhere."""
    patterns = [signature.patterns[loss.output] for signature in loss.signatures]
    bounds = (bound for pattern in patterns for bound in match(pattern, tuple(output.shape)))
    classes = next((bound.sizes["class"] for bound in bounds if "class" in bound.sizes), None)
    if classes is None or not labels.numel() or labels.is_complex():
        return
    if float(labels.min()) < 0 or float(labels.max()) >= classes:
        raise ValueError(f"labels beyond the {classes} classes are not tried")


def prepared(loss: Loss, arguments: Mapping[str, Any]) -> tuple[Callable[..., Any], dict[str, Any]]:
    """What is called with the tensors, and the keywords of that call.

    A module is built with them before, always with the same parameters.
    """
    keywords = {
        name: _keyword(value, loss.arguments.get(name)) for name, value in arguments.items() if value is not None
    }
    function = function_of(loss)
    if not isinstance(function, type):
        return function, keywords
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(SEED)
        return function(**keywords), {}


def _keyword(value: Any, argument: Argument | None) -> Any:
    """A keyword as torch takes it: facts become a tensor, `float16` a dtype, a mapping what its type is built with."""
    if isinstance(value, Facts):
        return weights(value)
    kind = "" if argument is None else argument.type
    if kind == "dtype" and isinstance(value, str):
        return getattr(torch, value)
    if kind.startswith("torch.") and isinstance(value, Mapping):
        return _resolved(kind, Path())(**value)
    return value


def function_of(loss: Loss) -> Callable[..., Any]:
    """The function or class that the rule file names. Raises UserError or ModelError for one of the user's."""
    return _resolved(loss.call, loss.file.parent)


@cache
def _resolved(call: str, folder: Path) -> Callable[..., Any]:
    """torch.nn.functional.mse_loss, torch.nn.AdaptiveLogSoftmaxWithLoss, or a function of the user's."""
    module, _, name = call.rpartition(".")
    if module == "torch" or module.startswith("torch."):
        function: Callable[..., Any] = getattr(importlib.import_module(module), name)
        return function
    from shapecheck.callables import load_callable  # brings the probe's importing with it

    return load_callable(call, folder)


def weights(facts: Facts) -> torch.Tensor:
    """A keyword tensor of these facts, all positive unless they say otherwise."""
    generator = torch.Generator().manual_seed(SEED + 1)
    kind = "positive" if facts.minimum is None and facts.maximum is None else ""
    tensor: torch.Tensor = draw(kind, facts, generator)
    return tensor
