"""Shape patterns: the notation of the rule files. How shapes are read by them is in `plans.py`.

    batch class *where      a batch axis, a class axis, then any number of axes (`+where`: one or more)
    batch 1                 an axis of size one
    (batch *where) class    one axis that holds the product of several
    {batch class *where}    these axes in any order

Equal names are equal sizes, within a pattern and across the tensors of one call. Knows nothing of torch, losses or files.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache

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
