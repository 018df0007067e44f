"""Numbers for the sizes of a spec: names get some, very large sizes smaller ones, and what is reported gets its own back."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from shapecheck.readings import ROLE_OF_NAME
from shapecheck.specs import Size, TensorSpec
from shapecheck.symbols import symbols_of

LARGEST = 1_000_000  # elements of the output; what is larger is tried with smaller sizes
_LARGE = 16


@dataclass(frozen=True, eq=False)
class Scale:
    """The number that stands for each size where that is another one."""

    numbers: Mapping[Size, int]

    def number(self, size: Size) -> int:
        return self.numbers.get(size, size if isinstance(size, int) else 1)

    def size(self, number: int) -> Size:
        """The way back."""
        return next((size for size, own in self.numbers.items() if own == number), number)

    def concrete(self, spec: TensorSpec) -> TensorSpec:
        """The tensor in numbers; roles are read off the usual letters where there are none."""
        return replace(spec, shape=tuple(map(self.number, spec.shape)), axes=spec.axes or _roles(spec.shape))


def scale_of(shapes: Sequence[Sequence[Size]]) -> Scale:
    """`shapes` are those of the output and, where it is known, the target."""
    sizes = [size for shape in shapes for size in shape]
    numbers: dict[Size, int] = {name: number for name, number in symbols_of(sizes).sizes.items()}  # noqa: C416
    if math.prod(numbers.get(size, size if isinstance(size, int) else 1) for size in shapes[0]) <= LARGEST:
        return Scale(numbers)
    large = [size for size in dict.fromkeys(sizes) if isinstance(size, int) and size > _LARGE]
    taken = [size for size in sizes if size not in large]
    small = symbols_of([*taken, *(f"size {size}" for size in large)]).sizes
    return Scale({**{name: n for name, n in small.items() if name in sizes}, **{s: small[f"size {s}"] for s in large}})


def _roles(shape: Sequence[Size]) -> tuple[str, ...] | None:
    roles = [ROLE_OF_NAME.get(size) if isinstance(size, str) else "unit" if size == 1 else None for size in shape]
    if "batch" not in roles:
        return None
    return tuple(role or "unknown" for role in roles)
