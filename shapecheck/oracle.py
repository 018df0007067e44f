"""Torch's own answer: does a loss take these tensors, forward and backward? Imports torch."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F

from shapecheck.matching import Facts

LARGEST = 20_000_000  # elements; larger tensors are not tried
SEED = 0

Tensors = Mapping[str, torch.Tensor]


@dataclass(frozen=True)
class Answer:
    """What torch does with a call: `error` is its first line, '' where it computes a number."""

    accepts: bool
    error: str = ""
    backward_error: str = ""


def ask(loss: str, tensors: Mapping[str, Facts], arguments: Mapping[str, Any]) -> Answer | None:
    """Torch's own answer for tensors of these facts. None where they are too large to try."""
    if any(t.numel > LARGEST for t in tensors.values()):
        return None
    made = {name: make(facts, name) for name, facts in tensors.items()}
    return ask_tensors(loss, made, arguments)


def ask_tensors(loss: str, tensors: Tensors, arguments: Mapping[str, Any]) -> Answer:
    """Torch's own answer for these tensors, forward and backward."""
    output = tensors["output"]
    if output.is_floating_point():
        output = output.detach().requires_grad_(True)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            value = call_loss(loss, {**tensors, "output": output}, arguments)
        except Exception as error:  # torch raises whatever it likes; the text is what the user will see
            return Answer(False, f"{type(error).__name__}: {first_line(error)}")
        if value.requires_grad:
            try:
                value.sum().backward()
            except Exception as error:
                return Answer(True, backward_error=f"{type(error).__name__}: {first_line(error)}")
    return Answer(True)


def first_line(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return lines[0] if lines else ""


def make(facts: Facts, name: str = "target") -> torch.Tensor:
    """A tensor of these facts: scores for an output, else values from minimum to maximum."""
    dtype = getattr(torch, facts.dtype or ("float32" if name == "output" else "int64"))
    if name == "output" and dtype.is_floating_point:
        generator = torch.Generator().manual_seed(SEED)
        return torch.randn(facts.shape, generator=generator).to(dtype)
    low = facts.minimum or 0
    tensor = torch.full(facts.shape, low).to(dtype)
    if facts.maximum is not None and tensor.numel():
        tensor.view(-1)[-1] = facts.maximum
    return tensor


def call_loss(loss: str, tensors: Tensors, arguments: Mapping[str, Any]) -> torch.Tensor:
    values = {name: value for name, value in arguments.items() if value is not None}
    keywords = {name: weights(value) if isinstance(value, Facts) else value for name, value in values.items()}
    value: torch.Tensor = getattr(F, loss)(*tensors.values(), **keywords)
    return value


def weights(facts: Facts) -> torch.Tensor:
    """Class weights of these facts, all positive."""
    generator = torch.Generator().manual_seed(SEED + 1)
    dtype = getattr(torch, facts.dtype or "float32")
    drawn = torch.rand(facts.shape, generator=generator) + 0.5
    return drawn.to(dtype) if dtype.is_floating_point else (drawn * 4).to(dtype)
