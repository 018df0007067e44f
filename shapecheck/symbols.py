"""Sizes that are names: replaced by distinct primes for matching, and put back in what is reported.

A contract only asks whether sizes are equal, one or zero. So its verdict on names is found by trying every way in
which they may coincide: it holds certainly, certainly not, or only if T == C.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from shapecheck.specs import Size, TensorSpec

MOST_NAMES = 5  # more names than this are only tried as all different
_PRIMES = (5, 7, 11, 13, 17, 19, 23, 29, 31, 37, 41, 43, 47, 53, 59, 61, 67, 71, 73, 79, 83, 89, 97, 101, 103, 107, 109)


@dataclass(frozen=True, eq=False)
class Symbols:
    """The numbers that stand for names."""

    sizes: Mapping[str, int]

    def number(self, size: Size) -> int:
        return size if isinstance(size, int) else self.sizes[size]

    def concrete(self, spec: TensorSpec) -> TensorSpec:
        return replace(spec, shape=tuple(self.number(size) for size in spec.shape))

    def name(self, size: Size) -> Size:
        """The way back: a number that stands for a name, or for a product of two."""
        if isinstance(size, str):
            return size
        for name, number in self.sizes.items():
            if number == size:
                return name
        for (a, first), (b, second) in itertools.combinations_with_replacement(self.sizes.items(), 2):
            if first * second == size:
                return f"{a}*{b}"
        return size

    def names(self, shape: Sequence[Size] | None) -> tuple[Size, ...] | None:
        return None if shape is None else tuple(self.name(size) for size in shape)


def symbols_of(sizes: Sequence[Size], above: int = 0) -> Symbols:
    """Distinct primes for all names, beyond `above`, none of which is a size in play or divides one."""
    taken = {size for size in sizes if isinstance(size, int)}
    free = (prime for prime in _PRIMES if prime > above and not any(size and size % prime == 0 for size in taken))
    fallback = (number for number in itertools.count(max(10_007, above + 1)) if number not in taken)
    names = dict.fromkeys(size for size in sizes if isinstance(size, str))
    return Symbols({name: next(free, None) or next(fallback) for name in names})


def coincidences(symbols: Symbols, numbers: Sequence[int]) -> Iterator[tuple[str, Symbols]]:
    """Every way in which names may equal one another, a number in play, or one; ('T == C', symbols).

    The first one, '', is that all differ.
    """
    yield "", symbols
    names = list(symbols.sizes)
    if not names or len(names) > MOST_NAMES:
        return
    constants = sorted({1, *numbers} - {0})
    for choice in itertools.product(*[range(len(constants) + index + 1) for index in range(len(names))]):
        assigned: dict[str, int] = {}
        equalities: list[str] = []
        for index, (name, pick) in enumerate(zip(names, choice)):
            if pick < len(constants):
                assigned[name] = constants[pick]
                equalities.append(f"{name} == {constants[pick]}")
            elif pick < len(constants) + index:
                other = names[pick - len(constants)]
                assigned[name] = assigned[other]
                equalities.append(f"{other} == {name}")
            else:
                assigned[name] = symbols.sizes[name]
        if equalities:
            yield " and ".join(equalities), Symbols(assigned)


def settle(symbols: Symbols, numbers: Sequence[int], accepts: Callable[[Symbols], bool]) -> tuple[str, str]:
    """`accepts`, `rejects` or `unknown`, and for the last what it takes: 'only if T == C'."""
    verdicts: dict[str, Any] = {text: accepts(way) for text, way in coincidences(symbols, numbers)}
    if len(set(verdicts.values())) == 1:
        return ("accepts" if verdicts[""] else "rejects"), ""
    usual = verdicts[""]
    odd = [text for text, verdict in verdicts.items() if verdict != usual]
    alone = [text for text in odd if " and " not in text]
    if len(alone) > 1:
        return "unknown", f"depends on the size of {alone[0].partition(' ')[0]}"
    return "unknown", f"accepts {'unless' if usual else 'only if'} {min(odd, key=len)}"
