"""What `shapecheck.watch()` costs a loss call whose shapes are known: medians of differences within one run.

python tests/benchmarks/watching.py
"""

from __future__ import annotations

import io
import time
from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import nn

import shapecheck

LIMIT = 50e-6  # seconds
SPANS, CALLS = 200, 40


def seconds(call: Callable[[], object]) -> float:
    """One call, of many."""
    start = time.perf_counter()
    for _ in range(CALLS):
        call()
    return (time.perf_counter() - start) / CALLS


def overhead(call: Callable[[], object]) -> tuple[float, float]:
    """Seconds of a call without `watch()`, and how many more with it."""
    watching = shapecheck.watch(file=io.StringIO())
    with watching:
        call()
    plain, watched = [], []
    for _ in range(SPANS):
        plain.append(seconds(call))
        with watching:
            watched.append(seconds(call))
    return min(plain), min(watched) - min(plain)


def nested(depth: int, call: Callable[[], object]) -> object:
    """The call from as deep in the user's own code as training loops of frameworks are."""
    return nested(depth - 1, call) if depth else call()


def main() -> None:
    torch.set_num_threads(1)
    logits, labels = torch.randn(64, 10, requires_grad=True), torch.randint(10, (64,))
    weights, criterion = torch.rand(10), nn.CrossEntropyLoss(label_smoothing=0.1)
    anchor = torch.randn(64, 32)
    calls: dict[str, Callable[[], object]] = {
        "F.cross_entropy": lambda: F.cross_entropy(logits, labels),
        "nn.CrossEntropyLoss": lambda: criterion(logits, labels),
        "with weight": lambda: F.cross_entropy(logits, labels, weight=weights, ignore_index=0),
        "triplet_margin_loss": lambda: F.triplet_margin_loss(anchor, anchor + 1, anchor - 1),
        "30 frames deep": lambda: nested(30, lambda: F.cross_entropy(logits, labels)),
    }
    for name, call in calls.items():
        plain, more = overhead(call)
        told = "ok" if more <= LIMIT else f"more than {LIMIT * 1e6:.0f}"
        print(f"{name:20} {plain * 1e6:7.1f} us a call, watched {more * 1e6:+6.1f} us  {told}")


if __name__ == "__main__":
    main()
