"""Whether a fix is right, found out by running it. Imports torch.

A fix is `executed` when, on small real tensors with distinct sizes, forward and backward run without exception or
warning, every element of the loss equals the same loss taken by hand on one class vector and one label, gradient
reaches every sample and position that it should, and the traps (a reshape that fits) give another number.
"""

from __future__ import annotations

import itertools
import math
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from shapecheck.calls import attention_for, class_origins, elements_of, fixed, reduced, sizes_in
from shapecheck.diagnosis import Diagnosis, Option, State
from shapecheck.matching import result_names
from shapecheck.oracle import Tensors, first_line, made
from shapecheck.reference import by_hand_at
from shapecheck.samples import SEED, full_size, miniature
from shapecheck.specs import Observation

MOST_ELEMENTS = 600  # single losses computed by hand; of more, this many are drawn
TOO_MANY = "of a mean over so many nothing can be said by hand"


@dataclass(frozen=True)
class Proof:
    """Whether a fix was run and found right; `text` and `trap` are for the reader, `failure` for us."""

    executed: bool
    text: str = ""
    trap: str = ""
    failure: str = ""


def prove(causes: Sequence[Diagnosis], cause: Diagnosis, option: Option, output: torch.Tensor | None) -> Proof:
    """Run a fix on a small copy of the call, and on the call's own sizes for the figures shown.

    `causes` are all of the call: the first reads its axes before any fix. `output` is the model's own, where there is
    a model.
    """
    after, start, naming = option.after, causes[0].before, causes[0].bounds
    assert after is not None
    sample = cause.rule.sample or next((other.rule.sample for other in causes if other.rule.sample), "")
    try:
        small = miniature(start, naming, after, sample)
        if small is not None:
            proof = _check(small, start, after, cause, distinct=True)
            if not proof.executed:
                return proof
        own = full_size(start, naming, after, sample)
        if own is not None:
            if output is not None and output.shape == own[start.loss.output].shape:
                own[start.loss.output] = output
            large = _check(own, start, after, cause, distinct=False)
            return proof if small is not None and large.failure == TOO_MANY else large
        return proof if small is not None else Proof(False, failure="the tensors are too large to try")
    except Exception as error:  # a fix that raises is not shown as run; the report says so
        return Proof(False, failure=f"{type(error).__name__}: {first_line(error)}")


def prove_without(
    output: torch.Tensor, logits: torch.Tensor, observation: Observation, start: State, option: Option
) -> Proof:
    """The fix "drop the softmax": `logits` is what the model gave without it. Shows what it costs at best."""
    after, kind, axis = option.after, observation.kind, observation.axis
    assert after is not None
    if kind == "softmax" and axis is None:
        return Proof(False, failure="it is not known which axis it runs over")
    again = logits.softmax(axis) if kind == "softmax" and axis is not None else logits.sigmoid()
    if not torch.allclose(again, output, atol=1e-5):
        return Proof(False, failure=f"the output is not the {kind} of what is left without it")
    others = made(start.loss, start.tensors, start.arguments)
    value = _value(logits, others, after, start)
    text = f"run without it: loss {value:.4f}"
    if kind != "softmax" or not start.loss.has_classes:
        return Proof(True, text)
    best = _value(_certain(output, axis), others, after, start)
    return Proof(True, f"{text}; with it even a perfect output costs {best:.4f}")


def _certain(output: torch.Tensor, axis: int | None) -> torch.Tensor:
    """All probability on the class that `made` takes as label, 0."""
    certain = torch.zeros_like(output)
    certain.select(1 if axis is None else axis, 0).fill_(1.0)
    return certain


def _value(output: torch.Tensor, others: Tensors, after: State, start: State) -> float:
    leaf = output.detach().clone().requires_grad_(True)
    loss = reduced(after, fixed({**others, start.loss.output: leaf}, after, start, None))
    loss.backward()
    return float(loss.detach())


def _check(tensors: Tensors, start: State, after: State, cause: Diagnosis, distinct: bool) -> Proof:
    """Forward, backward, element by element, gradient, traps; with sizes that are `distinct` a trap must show."""
    name = start.loss.output
    attention = attention_for(after, tensors)
    leaf = tensors[name].detach().clone()
    if leaf.is_floating_point():
        leaf.requires_grad_(True)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        expect_advice()
        values = fixed({**tensors, name: leaf}, after, start, attention)
        loss = reduced(after, values)
        if loss.requires_grad:
            loss.backward()
    if not bool(torch.isfinite(loss.detach()).all()):
        return Proof(False, failure=f"the loss is {float(loss.detach())}")
    elements = elements_of(after, values)
    shape = _result_sizes(after, values) if elements is None else elements.shape
    places = _places(shape)
    with warnings.catch_warnings():
        expect_advice()
        by_hand = by_hand_at({**tensors, name: leaf.detach()}, after, values, attention, places).detach()
    if elements is None and math.prod(shape) > len(places):
        return Proof(False, failure=TOO_MANY)
    wanted = by_hand if elements is not None else by_hand.mean()[None]  # a loss without reduction is a mean
    found = _found(elements, loss, places).to(by_hand.dtype)
    rtol, atol = (1e-4, 1e-5) if by_hand.dtype in (torch.float32, torch.float64) else (2e-2, 2e-2)
    if not torch.allclose(wanted, found, rtol=rtol, atol=atol):
        return Proof(False, failure="the loss differs from the single losses computed by hand")
    text = _proof_text(after, loss, by_hand, math.prod(shape))
    if leaf.requires_grad and not _gradient_reaches(leaf, after, values, by_hand):
        return Proof(False, failure="no gradient reaches part of the output")
    trap = _trap(cause, tensors, after, start, loss)
    if trap is None and distinct:
        return Proof(False, failure="a reshape that mixes axes gives the same number")
    return Proof(True, text + _unfixed(tensors, start, loss), trap or "")


def _result_sizes(after: State, values: Mapping[str, Any]) -> tuple[int, ...]:
    sizes = sizes_in(after, values)
    return tuple(sizes[name] for name in result_names(after.verdict))


def _found(elements: torch.Tensor | None, loss: torch.Tensor, places: Sequence[tuple[int, ...]]) -> torch.Tensor:
    return loss.detach()[None] if elements is None else torch.stack([elements[place] for place in places])


def expect_advice() -> None:
    """Torch's advice that goes with a right call too."""
    warnings.filterwarnings("ignore", message="reduction: 'mean' divides the total loss by both")
    warnings.filterwarnings("ignore", message="size_average and reduce args will be deprecated")
    # A module built for a small copy of the call may have a layer without units that it has not at full size.
    warnings.filterwarnings("ignore", message="Initializing zero-element tensors is a no-op")


def _unfixed(tensors: Tensors, start: State, loss: torch.Tensor) -> str:
    """What torch computes without the fix, where a silent broadcast lets it."""
    signature = start.verdict.signature
    if signature is None or not signature.doubtful:
        return ""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            value = float(reduced(start, fixed(tensors, start, start, None)).detach())
        except RuntimeError:
            return ""
    fixed_value = float(loss.detach())
    if math.isclose(value, fixed_value, rel_tol=1e-6):
        return ""  # the same number, said aloud
    return f"; unfixed {value:.{_digits(value, fixed_value)}f}"


def _places(shape: Sequence[int]) -> list[tuple[int, ...]]:
    """Every index of the loss, or a fixed draw of them."""
    total = math.prod(shape)
    if total <= MOST_ELEMENTS:
        return list(itertools.product(*map(range, shape)))
    generator = torch.Generator().manual_seed(SEED)
    drawn = torch.randperm(total, generator=generator)[:MOST_ELEMENTS]
    return [tuple(int(axis[i]) for axis in torch.unravel_index(drawn, tuple(shape))) for i in range(MOST_ELEMENTS)]


def _proof_text(after: State, loss: torch.Tensor, by_hand: torch.Tensor, total: int) -> str:
    target = after.named.get(after.loss.target)
    names = target.names if target is not None else ()
    stepwise = after.loss.readings and any(name.startswith("where") or "*where" in name for name in names)
    kind = "single-step loss" if stepwise else "single loss"
    kind += "" if total == 1 else "es"
    value = float(loss.detach())
    if total > len(by_hand):
        return f"loss {value:.4f}; {len(by_hand)} of {total} {kind}, drawn at random, equal theirs by hand"
    if after.arguments.get("reduction", "mean") == "mean" and math.isclose(
        value, float(by_hand.mean()), rel_tol=1e-3, abs_tol=1e-5
    ):
        return f"loss {value:.4f} equals {total} {kind} averaged by hand"
    return f"loss {value:.4f}; each of {total} {kind} equals its own by hand"


def _gradient_reaches(leaf: torch.Tensor, after: State, values: Mapping[str, Any], by_hand: torch.Tensor) -> bool:
    """Every sample gets gradient; every position too, unless the fix looks at some of them only."""
    if leaf.grad is None:
        return False
    named = after.named[after.loss.output]
    partial = {"last", "amax", "crop", "resize", "clamp"} & {operation for operation, _, _ in named.done}
    index = after.arguments.get("ignore_index")
    ignored = index is not None and after.loss.target and bool((values[after.loss.target] == index).any())
    # A loss with a margin is flat where the margin is kept: such a place has neither loss nor gradient.
    flat = bool((by_hand == 0).any())
    batch = next(
        (origins[0] for name, origins in zip(named.names, named.origins) if name.startswith("batch") and origins), None
    )
    if ignored or flat or not leaf.grad.numel():
        return bool(leaf.grad.abs().sum() > 0) or flat
    if partial:
        return (
            batch is None
            or not isinstance(batch, int)
            or bool((leaf.grad.movedim(batch, 0).flatten(1).abs().amax(1) > 0).all())
        )
    classes = class_origins(after)
    reached = leaf.grad.abs().amax(dim=classes) if classes else leaf.grad.abs()
    return bool((reached > 0).all())


def _trap(cause: Diagnosis, tensors: Tensors, after: State, start: State, loss: torch.Tensor) -> str | None:
    """The sentence about a reshape that fits and is wrong; '' where there is none; None if it cannot be told apart."""
    name = start.loss.output
    named = after.named[name]
    if not cause.rule.traps or named.done or any(len(origins) != 1 for origins in named.origins):
        return ""
    shape = tuple(tensors[name].shape[origins[0]] for origins in named.origins)
    moved = [origins[0] for origins, size in zip(named.origins, shape) if size != 1]
    if moved == sorted(moved) or not after.calls.get(name):  # axes of one apart, nothing changes places
        return ""
    values = fixed(tensors, after, start, None)
    wrong = reduced(after, {**values, name: tensors[name].reshape(shape)})
    if math.isclose(float(wrong), float(loss.detach()), rel_tol=1e-6):
        return None
    return mixes_axes(name, shape, float(wrong), _digits(float(wrong), float(loss.detach())))


def mixes_axes(name: str, shape: Sequence[int], wrong: float, digits: int = 4) -> str:
    """The sentence about a reshape that fits and gives another number."""
    return f"{name}.reshape({', '.join(map(str, shape))}) also fits, but mixes axes: loss {wrong:.{digits}f}"


def _digits(one: float, other: float) -> int:
    """Decimals at which two numbers differ to the eye, from four up."""
    return next((digits for digits in range(4, 9) if f"{one:.{digits}f}" != f"{other:.{digits}f}"), 9)
