"""How many plain specs a second one process checks, and what a check costs beside a Python loop.

    python tests/benchmarks/checks.py [LOSS ...]

Every call is another one: sizes and ranges of labels are drawn anew, so nothing is remembered of a call but its kind.
The best of many short spans counts, as other work on the machine only ever makes a span longer.
"""

from __future__ import annotations

import random
import sys
import time
from collections.abc import Callable, Sequence

from shapecheck.pipeline import check
from shapecheck.rules import load_loss
from shapecheck.specs import Subject, TensorSpec

SPAN, SPANS = 250, 40
POSITIONS = ((), (), ("T",), ("H", "W"))


def class_index(loss: str, generator: random.Random) -> Subject:
    """(N, C, d1...) scores and (N, d1...) labels."""
    batch, classes, *where = _sizes(generator)
    labels = TensorSpec((batch, *where), "int64", minimum=0, maximum=classes - 1)
    return Subject(loss, {"output": TensorSpec((batch, classes, *where), "float32"), "target": labels})


def elementwise(loss: str, generator: random.Random) -> Subject:
    """Output and target of one shape."""
    shape = tuple(_sizes(generator))
    return Subject(loss, {"output": TensorSpec(shape, "float32"), "target": TensorSpec(shape, "float32")})


def class_axis_last(loss: str, generator: random.Random) -> Subject:
    """(N, T, C) scores and (N, T) labels: a finding with fixes."""
    batch, classes = generator.randint(2, 512), generator.randint(2, 300)
    steps = generator.randint(301, 400)
    scores, labels = TensorSpec((batch, steps, classes), "float32"), TensorSpec((batch, steps), "int64")
    return Subject(loss, {"output": scores, "target": labels})


def _sizes(generator: random.Random) -> list[int]:
    extra = len(generator.choice(POSITIONS))
    return [generator.randint(2, 512), generator.randint(2, 300), *(generator.randint(2, 200) for _ in range(extra))]


def rate(make: Callable[[str, random.Random], Subject], losses: Sequence[str]) -> float:
    """Checks a second over the best span."""
    generator, best = random.Random(0), float("inf")
    rules = {name: load_loss(name) for name in losses}
    for _ in range(SPANS):
        subjects = [make(generator.choice(losses), generator) for _ in range(SPAN)]
        began = time.perf_counter()
        for subject in subjects:
            check(subject, rules[subject.loss])
        best = min(best, time.perf_counter() - began)
    return SPAN / best


def loop_seconds() -> float:
    """A million additions, the best of a few times."""
    best = float("inf")
    for _ in range(9):
        began, total = time.perf_counter(), 0
        for number in range(1_000_000):
            total += number
        best = min(best, time.perf_counter() - began)
    return best


def main() -> None:
    chosen = sys.argv[1:]
    loop = loop_seconds()
    print(f"a million additions: {loop * 1000:.0f} ms")
    for title, make, losses in (
        ("clean, class indices", class_index, chosen or ["cross_entropy"]),
        ("clean, element by element", elementwise, chosen or ["mse_loss", "binary_cross_entropy_with_logits"]),
        ("with a finding and its fixes", class_axis_last, ["cross_entropy"]),
    ):
        found = rate(make, losses)
        print(f"{title:30} {found:7.0f} a second   one check = {1e6 / (found * loop):6.0f} additions")


if __name__ == "__main__":
    main()
