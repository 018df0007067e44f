"""Notices updates that a script makes without an optimiser: `p -= lr * p.grad`, `p.data.sub_(...)`. Imports torch."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any
from weakref import ref

import torch
from torch._C._functorch import is_gradtrackingtensor

from shapecheck.errors import Location
from shapecheck.intercept.calls import LossCall
from shapecheck.script.stopping import Stopping

_MOST_REPEATS = 50  # parameters that are new tensors each time show no change
_MOST_NODES = 10_000
_MOST_LEAVES = 8
_SAMPLE = 64


class ByHand:
    """A listener to loss calls that stops the script where parameters changed and no optimiser exists.

    The calls of one step are all let through: it stops at a loss line that was passed before.
    """

    def __init__(self, stopping: Stopping) -> None:
        self._stopping = stopping
        self._repeats: Counter[Location] = Counter()
        self._before: list[tuple[ref[torch.Tensor], list[float]]] = []
        self._rounds = 0

    def before(self, call: LossCall) -> None:
        if self._stopping.reason:  # the script has swallowed the stop
            self._stopping.stop("again")

    def raised(self, call: LossCall, error: Exception) -> None: ...

    def after(self, call: LossCall, result: Any) -> None:
        if self._stopping.has_optimizers or not _is_trained_with(result):
            return
        self._repeats[call.location] += 1
        passed = self._repeats[call.location]
        if passed > 1 and self._has_changed():
            self._rounds += 1
            self._before.clear()
        if self._rounds > self._stopping.steps or passed > _MOST_REPEATS + self._stopping.steps:
            self._stopping.stop("by-hand", call.location)
        if not self._before:
            self._before = [(ref(leaf), _sampled(leaf)) for leaf in _leaves(result)]

    def _has_changed(self) -> bool:
        alive = [(leaf(), values) for leaf, values in self._before]
        return any(leaf is not None and _sampled(leaf) != values for leaf, values in alive)


def _is_trained_with(result: Any) -> bool:
    """Whether gradients of it are asked for, by backward or by torch.func.grad."""
    return isinstance(result, torch.Tensor) and (result.requires_grad or is_gradtrackingtensor(result))


def _sampled(leaf: torch.Tensor) -> list[float]:
    """A few of its values: enough to see any step of gradient descent."""
    values = leaf.detach().reshape(-1)
    stride = max(1, values.numel() // _SAMPLE)
    return [float(value) for value in values[::stride][:_SAMPLE].cpu()]


def _leaves(result: torch.Tensor) -> list[torch.Tensor]:
    """Some of the parameters that the loss depends on."""
    found = []
    for node in _nodes(result):
        leaf = getattr(node, "variable", None)
        if isinstance(leaf, torch.Tensor) and leaf.layout is torch.strided:
            found.append(leaf)
        if len(found) == _MOST_LEAVES:
            break
    return found


def _nodes(result: torch.Tensor) -> Iterator[Any]:
    """The graph behind a tensor, nearest first."""
    waiting, known = [result.grad_fn], {result.grad_fn}
    for node in waiting:
        if node is None or len(known) > _MOST_NODES:
            continue
        yield node
        for following, _ in node.next_functions:
            if following is not None and following not in known:
                known.add(following)
                waiting.append(following)
