"""How the shapes of several tensors are read by patterns: planned once for each tuple of ranks, then only sizes compared.

Sizes here are numbers: symbolic sizes have been replaced before (see `symbols.py`). Knows nothing of losses or files.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache

from shapecheck.shapes import Pattern, Term

# Which roles, found by probing or declared, an axis of this name may have. A name that is not listed takes any.
ROLES_OF = {
    "batch": ("batch", "unknown"),
    "class": ("class", "feature", "unit", "unknown"),
    "feature": ("feature", "class", "unit", "unknown"),
    "time": ("time", "height", "width", "unit", "unknown"),
    "where": ("time", "depth", "height", "width", "unit", "feature", "unknown"),
}
ONE = "one"

Shape = tuple[int, ...]
Roles = tuple[str, ...] | None
Place = tuple[int, int]  # which tensor, which of its axes


@dataclass(frozen=True, eq=False)
class Bound:
    """A shape read by a pattern: one name an axis (`where.0`, `where.1` for `*where`; `batch*where.0` for a product).

    `sizes` and `ranks` (the lengths of axis lists) are those of all tensors that were read together.
    """

    names: tuple[str, ...]
    sizes: Mapping[str, int]
    ranks: Mapping[str, int]

    def axis(self, name: str) -> int | None:
        """The position of the axis of that name, or None."""
        return self.names.index(name) if name in self.names else None


@dataclass
class _Plan:
    """One way to read tensors of known ranks: where each name is found, and what has to hold of the sizes."""

    names: list[list[str]] = field(default_factory=list)
    places: dict[str, Place] = field(default_factory=dict)
    equal: list[tuple[Place, Place]] = field(default_factory=list)
    fixed: list[tuple[Place, int]] = field(default_factory=list)
    products: list[tuple[Place, tuple[str, ...], str]] = field(default_factory=list)
    ranks: dict[str, int] = field(default_factory=dict)
    roles: list[tuple[Place, tuple[str, ...]]] = field(default_factory=list)

    def copy(self) -> _Plan:
        names = [list(axes) for axes in self.names]
        return _Plan(
            names, {**self.places}, [*self.equal], [*self.fixed], [*self.products], {**self.ranks}, [*self.roles]
        )

    def sizes(self, shapes: Sequence[Shape]) -> dict[str, int] | None:
        """The size of each name, or None where sizes do not fit."""
        for (tensor, axis), (other, place) in self.equal:
            if shapes[tensor][axis] != shapes[other][place]:
                return None
        for (tensor, axis), size in self.fixed:
            if shapes[tensor][axis] != size:
                return None
        sizes = {name: shapes[tensor][axis] for name, (tensor, axis) in self.places.items()}
        for (tensor, axis), parts, unknown in self.products:
            if not _bind_product(shapes[tensor][axis], parts, unknown, sizes):
                return None
        return sizes

    def allowed(self, roles: Sequence[Roles]) -> bool:
        for (tensor, axis), allowed in self.roles:
            known = roles[tensor]
            if known is not None and known[axis] not in allowed:
                return False
        return True


def _bind_product(size: int, parts: Sequence[str], unknown: str, sizes: dict[str, int]) -> bool:
    """A merged axis: its known parts must divide the size, and an unknown one takes the rest."""
    product = math.prod(sizes[name] for name in parts if name != unknown)
    if not unknown:
        return product == size
    if not product or size % product or size == product:
        return False
    sizes[unknown] = size // product
    return True


class Patterns(dict[str, Pattern]):
    """The patterns of several tensors, by the tensors' names; a product is taken apart once its parts are bound."""

    def __init__(self, patterns: Mapping[str, Pattern]) -> None:
        last = sorted(patterns.items(), key=lambda pair: any(term.kind == "merged" for term in pair[1].terms))
        super().__init__(last)
        self._plans: dict[tuple[int, ...], tuple[_Plan, ...]] = {}

    def reads_any(self, ranks: tuple[int, ...]) -> bool:
        """Whether tensors of these ranks can be read whatever their sizes."""
        return any(not (plan.equal or plan.fixed or plan.products) for plan in self._planned(ranks))

    def fit_ranks(self, ranks: tuple[int, ...]) -> bool:
        """Whether tensors of these ranks, in the order of the patterns, can be read at all."""
        return bool(self._planned(ranks))

    def _planned(self, ranks: tuple[int, ...]) -> tuple[_Plan, ...]:
        plans = self._plans.get(ranks)
        if plans is None:
            plans = self._plans[ranks] = tuple(_plans(tuple(self.values()), ranks))
        return plans

    def read(self, shapes: Sequence[Shape], roles: Sequence[Roles] | None = None) -> Iterator[dict[str, Bound]]:
        """Every way to read the shapes at once, with equal names of equal size.

        `roles`, where known, must agree with the names (`ROLES_OF`).
        """
        for plan in self._planned(tuple([len(shape) for shape in shapes])):
            sizes = plan.sizes(shapes)
            if sizes is not None and (roles is None or plan.allowed(roles)):
                yield {name: Bound(tuple(axes), sizes, plan.ranks) for name, axes in zip(self, plan.names)}


def _plans(patterns: tuple[Pattern, ...], ranks: tuple[int, ...]) -> Iterator[_Plan]:
    plans = [_Plan()]
    for tensor, (pattern, rank) in enumerate(zip(patterns, ranks)):
        plans = [more for plan in plans for more in _with_tensor(plan, tensor, pattern, rank)]
    seen = []
    for plan in plans:
        if plan.names not in seen:
            seen.append(plan.names)
            yield plan


def _with_tensor(plan: _Plan, tensor: int, pattern: Pattern, rank: int) -> Iterator[_Plan]:
    """The plan with one more tensor, in every order that its pattern allows."""
    for terms in itertools.permutations(pattern.terms) if pattern.any_order else (pattern.terms,):
        flexible = next((term for term in terms if term.kind in ("star", "plus")), None)
        spare = rank - (len(terms) - (flexible is not None))
        if (
            spare < 0
            or (flexible is None and spare)
            or (flexible is not None and flexible.kind == "plus" and not spare)
        ):
            continue
        if flexible is not None and plan.ranks.get(flexible.name, spare) != spare:
            continue
        more = plan.copy()
        if flexible is not None:
            more.ranks[flexible.name] = spare
        if _add_axes(more, tensor, _flat(terms, flexible, spare)):
            yield more


def _flat(terms: Sequence[Term], flexible: Term | None, spare: int) -> list[Term]:
    """The terms with an axis list as so many axes."""
    flat: list[Term] = []
    for term in terms:
        flat += [Term("axis", f"{term.name}.{index}") for index in range(spare)] if term is flexible else [term]
    return flat


def _add_axes(plan: _Plan, tensor: int, terms: Sequence[Term]) -> bool:
    names: list[str] = []
    ones = 0
    for axis, term in enumerate(terms):
        place = (tensor, axis)
        if term.kind == "size":
            plan.fixed.append((place, term.size))
            names.append(f"{ONE}.{ones}")
            ones += 1
        elif term.kind == "merged":
            names.append("")
        else:
            _add_name(plan, place, term.name)
            names.append(term.name)
    plan.names.append(names)
    return all(_add_product(plan, (tensor, axis), term) for axis, term in enumerate(terms) if term.kind == "merged")


def _add_name(plan: _Plan, place: Place, name: str) -> None:
    if name in plan.places:
        plan.equal.append((plan.places[name], place))
    else:
        plan.places[name] = place
    allowed = ROLES_OF.get(name.partition(".")[0])
    if allowed is not None:
        plan.roles.append((place, allowed))


def _add_product(plan: _Plan, place: Place, term: Term) -> bool:
    """A merged axis, of which one part at most may be unknown."""
    parts: list[str] = []
    for part in term.parts:
        if part.kind in ("star", "plus"):
            count = plan.ranks.get(part.name, 0)
            if part.kind == "plus" and not count:
                return False
            parts += [f"{part.name}.{index}" for index in range(count)]
        else:
            parts.append(part.name)
    known = {*plan.places, *(unknown for _, _, unknown in plan.products)}
    unknown = [name for name in parts if name not in known]
    if len(unknown) > 1:
        return False
    plan.products.append((place, tuple(parts), unknown[0] if unknown else ""))
    plan.names[place[0]][place[1]] = "*".join(parts)
    return True


@cache
def alone(pattern: Pattern) -> Patterns:
    """The patterns of one tensor, named ''."""
    return Patterns({"": pattern})


def match(pattern: Pattern, shape: Shape, roles: Roles = None) -> Iterator[Bound]:
    """Every way to read one shape by its pattern."""
    for bounds in alone(pattern).read((shape,), (roles,)):
        yield bounds[""]
