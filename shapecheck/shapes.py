"""Shape patterns: the notation of the rule files, and how a shape is matched against one.

    batch class *where      a batch axis, a class axis, then any number of axes (`+where`: one or more)
    batch 1                 an axis of size one
    (batch *where) class    one axis that holds the product of several
    {batch class *where}    these axes in any order

Equal names are equal sizes, within a pattern and across the tensors of one call. Sizes here are numbers: symbolic
sizes have been replaced before (see `symbols.py`). Knows nothing of torch, losses or files.
"""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache

# Which roles, found by probing or declared, an axis of this name may have. A name that is not listed takes any.
ROLES_OF = {
    "batch": ("batch", "unknown"),
    "class": ("class", "feature", "unit", "unknown"),
    "feature": ("feature", "class", "unit", "unknown"),
    "time": ("time", "height", "width", "unit", "unknown"),
    "where": ("time", "depth", "height", "width", "unit", "feature", "unknown"),
}
ONE = "one"

_TOKEN = re.compile(r"\s*(?:(?P<size>\d+)|(?P<many>[*+]?)(?P<name>[A-Za-z_]\w*)|(?P<mark>[(){}]))")


@dataclass(frozen=True)
class Term:
    """One item of a pattern: `kind` is axis, star (any number), plus (one or more), size or merged."""

    kind: str
    name: str = ""
    size: int = 0
    parts: tuple[Term, ...] = ()

    def __str__(self) -> str:
        if self.kind == "size":
            return str(self.size)
        if self.kind == "merged":
            return f"({' '.join(map(str, self.parts))})"
        return {"axis": "", "star": "*", "plus": "+"}[self.kind] + self.name


@dataclass(frozen=True)
class Pattern:
    """A parsed pattern; `str()` gives the notation back."""

    terms: tuple[Term, ...]
    any_order: bool = False

    def __str__(self) -> str:
        text = " ".join(map(str, self.terms))
        return f"{{{text}}}" if self.any_order else text

    @property
    def names(self) -> frozenset[str]:
        """Every axis name in the pattern."""
        return frozenset(part.name for term in self.terms for part in (term, *term.parts) if part.name)


@dataclass(frozen=True)
class Bound:
    """A shape read by a pattern: one name an axis (`where.0`, `where.1` for `*where`; `batch*where.0` for a product)."""

    names: tuple[str, ...]
    sizes: Mapping[str, int]
    ranks: Mapping[str, int]

    def axis(self, name: str) -> int | None:
        """The position of the axis of that name, or None."""
        return self.names.index(name) if name in self.names else None


@cache
def parse_pattern(text: str) -> Pattern:
    """Read the notation. Raises ValueError naming the offending part."""
    tokens = _tokenise(text)
    any_order = tokens[:1] == ["{"]
    if any_order:
        if tokens[-1:] != ["}"]:
            raise ValueError(f"pattern {text!r}: '{{' is never closed")
        tokens = tokens[1:-1]
    terms: list[Term] = []
    while tokens:
        token = tokens.pop(0)
        if token == "(":
            if ")" not in tokens:
                raise ValueError(f"pattern {text!r}: '(' is never closed")
            inside = tokens[: tokens.index(")")]
            del tokens[: len(inside) + 1]
            if not inside:
                raise ValueError(f"pattern {text!r}: () holds no axis")
            terms.append(Term("merged", parts=tuple(_term(item, text) for item in inside)))
        else:
            terms.append(_term(token, text))
    if sum(term.kind in ("star", "plus") for term in terms) > 1:
        raise ValueError(f"pattern {text!r}: only one axis list (*name or +name) can be told apart")
    return Pattern(tuple(terms), any_order)


def _tokenise(text: str) -> list[str]:
    tokens, position, end = [], 0, len(text.rstrip())
    while position < end:
        match = _TOKEN.match(text, position)
        if match is None:
            raise ValueError(f"pattern {text!r}: cannot read {text[position:].strip()!r}")
        tokens.append(match.group().strip())
        position = match.end()
    return tokens


def _term(token: str, text: str) -> Term:
    if token in "(){}":
        raise ValueError(f"pattern {text!r}: unexpected {token!r}")
    if token.isdigit():
        return Term("size", size=int(token))
    if token[0] in "*+":
        return Term("star" if token[0] == "*" else "plus", token[1:])
    return Term("axis", token)


def match(
    pattern: Pattern,
    shape: tuple[int, ...],
    roles: tuple[str, ...] | None = None,
    sizes: Mapping[str, int] | None = None,
    ranks: Mapping[str, int] | None = None,
) -> Iterator[Bound]:
    """Every way to read `shape` by `pattern`, given what other tensors have bound already.

    `sizes` maps axis names to sizes, `ranks` the names of axis lists to their lengths. `roles`, where known, must
    agree with the names (`ROLES_OF`).
    """
    known = dict(sizes or {})
    lengths = dict(ranks or {})
    orders = itertools.permutations(pattern.terms) if pattern.any_order else (pattern.terms,)
    seen = set()
    for terms in orders:
        for bound in _match_terms(terms, shape, roles, known, lengths):
            if bound.names not in seen:
                seen.add(bound.names)
                yield bound


def _match_terms(
    terms: tuple[Term, ...],
    shape: tuple[int, ...],
    roles: tuple[str, ...] | None,
    known: dict[str, int],
    lengths: dict[str, int],
) -> Iterator[Bound]:
    flexible = next((term for term in terms if term.kind in ("star", "plus")), None)
    spare = len(shape) - (len(terms) - (flexible is not None))
    if spare < 0 or (flexible is None and spare) or (flexible and flexible.kind == "plus" and spare < 1):
        return
    if flexible is not None and lengths.get(flexible.name, spare) != spare:
        return
    flat: list[Term] = []
    for term in terms:
        if term is flexible:
            flat += [Term("axis", f"{term.name}.{index}") for index in range(spare)]
        else:
            flat.append(term)
    bound = dict(known)
    counts = dict(lengths)
    if flexible is not None:
        counts[flexible.name] = spare
    names: list[str] = []
    ones = 0
    merged: list[int] = []
    for axis, (term, size) in enumerate(zip(flat, shape)):
        if term.kind == "size":
            if size != term.size or not _role_fits(ONE if size == 1 else "", roles, axis):
                return
            names.append(f"{ONE}.{ones}")
            ones += 1
        elif term.kind == "merged":
            names.append("")
            merged.append(axis)
        else:
            if bound.setdefault(term.name, size) != size or not _role_fits(term.name, roles, axis):
                return
            names.append(term.name)
    for axis in merged:
        name = _bind_product(flat[axis], shape[axis], bound, counts)
        if name is None:
            return
        names[axis] = name
    yield Bound(tuple(names), bound, counts)


def _role_fits(name: str, roles: tuple[str, ...] | None, axis: int) -> bool:
    allowed = ROLES_OF.get(name.partition(".")[0])
    return roles is None or allowed is None or roles[axis] in allowed


def _bind_product(term: Term, size: int, bound: dict[str, int], lengths: Mapping[str, int]) -> str | None:
    """Bind a merged axis: its known parts must divide the size, and one unknown part may take the rest."""
    names: list[str] = []
    for part in term.parts:
        if part.kind in ("star", "plus"):
            count = lengths.get(part.name, 0)
            if part.kind == "plus" and not count:
                return None
            names += [f"{part.name}.{index}" for index in range(count)]
        else:
            names.append(part.name)
    unknown = [name for name in names if name not in bound]
    product = math.prod(bound[name] for name in names if name in bound)
    if len(unknown) > 1 or (not unknown and product != size):
        return None
    if unknown:
        if not product or size % product or size == product:
            return None
        bound[unknown[0]] = size // product
    return "*".join(names)
