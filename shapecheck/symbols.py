"""Sizes that are names: replaced by distinct primes for matching, and put back in what is reported.

A contract only asks whether sizes are equal, one or zero. So its verdict on names is found by trying every way in
which they may coincide: it holds certainly, certainly not, or only if T == C.
"""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from shapecheck.specs import Size, TensorSpec

MOST_WAYS = 5040  # in which names may coincide; of more, one and two at a time are tried
_PRIMES = (5, 7, 11, 13, 17, 19, 23, 29, 31, 37, 41, 43, 47, 53, 59, 61, 67, 71, 73, 79, 83, 89, 97, 101, 103, 107, 109)


@dataclass(frozen=True, eq=False)
class Symbols:
    """The numbers that stand for names."""

    sizes: Mapping[str, int]

    def number(self, size: Size) -> int:
        return size if isinstance(size, int) else self.sizes[size]

    def concrete(self, spec: TensorSpec) -> TensorSpec:
        if not self.sizes:
            return spec
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


NUMBERS = Symbols({})  # where no size is a name


def symbols_of(sizes: Sequence[Size], above: int = 0) -> Symbols:
    """Distinct primes for all names, beyond `above`, none of which is a size in play or divides one."""
    names = dict.fromkeys([size for size in sizes if isinstance(size, str)])
    if not names:
        return NUMBERS
    taken = {size for size in sizes if isinstance(size, int)}
    free = (prime for prime in _PRIMES if prime > above and not any(size and size % prime == 0 for size in taken))
    fallback = (number for number in itertools.count(max(10_007, above + 1)) if number not in taken)
    return Symbols({name: next(free, None) or next(fallback) for name in names})


def coincidences(symbols: Symbols, numbers: Sequence[int], products: bool = False) -> Iterator[tuple[str, Symbols]]:
    """Ways in which names may equal one another, a number in play, or one; ('T == C', symbols).

    The first one, '', is that all differ. Of many names, all that `is_complete` allows; then up to two at a time.
    With `products` a name may be as large as two other sizes together.
    """
    yield "", symbols
    names = list(symbols.sizes)
    constants = sorted({1, *numbers} - {0})
    most = len(names) if is_complete(symbols, numbers) else 2
    for choice in itertools.product(*[range(-1, len(constants) + index) for index in range(len(names))]):
        if 0 < len(names) - choice.count(-1) <= most:
            yield _assigned(symbols, constants, choice)
    if products:
        for name in names:
            others = [
                *(other for other in symbols.sizes.items() if other[0] != name),
                *((str(n), n) for n in constants),
            ]
            for (a, first), (b, second) in itertools.combinations_with_replacement(others, 2):
                yield f"{name} == {a}*{b}", Symbols({**symbols.sizes, name: first * second})


def is_complete(symbols: Symbols, numbers: Sequence[int]) -> bool:
    """Whether every way in which the names may coincide can be tried."""
    constants = len({1, *numbers} - {0})
    return math.prod(constants + index + 1 for index in range(len(symbols.sizes))) <= MOST_WAYS


def _assigned(symbols: Symbols, constants: Sequence[int], choice: Sequence[int]) -> tuple[str, Symbols]:
    """Each name is itself (-1), a constant, or one of the names before it."""
    names = list(symbols.sizes)
    assigned: dict[str, int] = {}
    equalities: list[str] = []
    for name, pick in zip(names, choice):
        if pick < 0:
            assigned[name] = symbols.sizes[name]
        elif pick < len(constants):
            assigned[name] = constants[pick]
            equalities.append(f"{name} == {constants[pick]}")
        else:
            other = names[pick - len(constants)]
            assigned[name] = assigned[other]
            equalities.append(f"{other} == {name}")
    return " and ".join(equalities), Symbols(assigned)


def settle(
    symbols: Symbols, numbers: Sequence[int], accepts: Callable[[Symbols], bool], products: bool = False
) -> tuple[str, str]:
    """`accepts`, `rejects` or `unknown`, and for the last what it takes: 'accepts only if T == C'."""
    ways = [(text, way, accepts(way)) for text, way in coincidences(symbols, numbers, products)]
    usual = ways[0][2]
    odd = {text: way for text, way, verdict in ways if verdict != usual}
    complete = is_complete(symbols, numbers)
    if not odd:
        if complete:
            return ("accepts" if usual else "rejects"), ""
        return "unknown", f"{'accepts' if usual else 'rejects'} where all sizes differ"
    condition = min(odd, key=len)
    if complete and all(_holds(condition, way) for way in odd.values()):
        return "unknown", f"accepts {'unless' if usual else 'only if'} {condition}"
    return "unknown", f"depends on the {_sizes_in(condition)}"


def _holds(condition: str, way: Symbols) -> bool:
    """Whether 'T == C and N == 8' is so."""
    sides = [equality.split(" == ") for equality in condition.split(" and ")]
    return all(_number(left, way) == _number(right, way) for left, right in sides)


def _number(side: str, way: Symbols) -> int:
    """`8`, `C` or `A*B`."""
    return math.prod(int(size) if size.isdigit() else way.sizes[size] for size in side.split("*"))


def _sizes_in(condition: str) -> str:
    """'T == C and N == 8' -> 'sizes of T, C and N'."""
    words = re.split(r" and | == |\*", condition)
    names = list(dict.fromkeys(word for word in words if not word.isdigit()))
    return f"size of {names[0]}" if len(names) == 1 else f"sizes of {', '.join(names[:-1])} and {names[-1]}"
