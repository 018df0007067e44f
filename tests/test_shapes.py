"""Shape patterns: the notation comes back as it was read, and a match is one for every name and every role."""

from __future__ import annotations

import itertools
import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shapecheck.plans import ROLES_OF, Bound, Patterns, match
from shapecheck.shapes import Pattern, Term, parse_pattern

NAMES = ("batch", "class", "where", "rows", "other", "a", "b_2")
names = st.sampled_from(NAMES)
axes = names.map(lambda name: Term("axis", name))
lists = st.builds(Term, st.sampled_from(("star", "plus")), names)
units = st.integers(0, 12).map(lambda size: Term("size", size=size))
products = st.lists(axes | lists, min_size=1, max_size=3).map(lambda parts: Term("merged", parts=tuple(parts)))


@st.composite
def patterns(draw: st.DrawFn) -> Pattern:
    """A pattern of up to five terms, with one axis list at most."""
    terms = draw(st.lists(axes | axes | units | products, max_size=4))
    if draw(st.booleans()):
        terms.insert(draw(st.integers(0, len(terms))), draw(lists))
    return Pattern(tuple(terms), any_order=draw(st.booleans()))


shapes = st.lists(st.integers(0, 6), max_size=5).map(tuple)


@settings(deadline=None, derandomize=True)
@given(patterns())
def test_a_printed_pattern_reads_back_as_itself(pattern: Pattern) -> None:
    assert parse_pattern(str(pattern)) == pattern


@settings(deadline=None, derandomize=True)
@given(patterns(), st.sampled_from(("", " ", "  ")))
def test_spaces_do_not_matter(pattern: Pattern, space: str) -> None:
    text = str(pattern)
    assert parse_pattern(space + text.replace(" ", " " + space) + space) == pattern


def _renamed(term: Term, new: dict[str, str]) -> Term:
    return Term(term.kind, new.get(term.name, ""), term.size, tuple(_renamed(part, new) for part in term.parts))


def _renamed_axis(name: str, new: dict[str, str]) -> str:
    def renamed(part: str) -> str:
        stem, dot, index = part.partition(".")
        return new.get(stem, stem) + dot + index

    return "*".join(renamed(part) for part in name.split("*"))


@settings(max_examples=300, deadline=None, derandomize=True)
@given(patterns(), shapes)
def test_a_match_does_not_depend_on_the_names(pattern: Pattern, shape: tuple[int, ...]) -> None:
    new = {name: f"x_{name}" for name in NAMES}
    renamed = Pattern(tuple(_renamed(term, new) for term in pattern.terms), pattern.any_order)
    found = [tuple(_renamed_axis(name, new) for name in bound.names) for bound in match(pattern, shape)]
    assert found == [bound.names for bound in match(renamed, shape)]


@settings(max_examples=400, deadline=None, derandomize=True)
@given(patterns(), shapes)
def test_the_sizes_of_a_match_are_those_of_the_shape(pattern: Pattern, shape: tuple[int, ...]) -> None:
    seen = set()
    for bound in match(pattern, shape):
        assert bound.names not in seen
        seen.add(bound.names)
        assert len(bound.names) == len(shape)
        for name, size in zip(bound.names, shape):
            if not name.startswith("one."):
                assert math.prod(bound.sizes[part] for part in name.split("*") if part) == size
        for name, count in bound.ranks.items():
            assert all(f"{name}.{index}" in bound.sizes for index in range(count))


@settings(max_examples=200, deadline=None, derandomize=True)
@given(patterns(), shapes)
def test_the_number_of_axes_of_a_match_is_that_of_the_terms(pattern: Pattern, shape: tuple[int, ...]) -> None:
    flexible = [term for term in pattern.terms if term.kind in ("star", "plus")]
    least = len(pattern.terms) - len(flexible) + sum(term.kind == "plus" for term in flexible)
    for bound in match(pattern, shape):
        assert len(shape) == least if not flexible else len(shape) >= least
        for term in flexible:
            assert bound.ranks[term.name] == len(shape) - (len(pattern.terms) - 1)


def _names(text: str, shape: tuple[int, ...]) -> tuple[str, ...] | None:
    bound = next(match(parse_pattern(text), shape), None)
    return bound.names if bound else None


def _together(**tensors: tuple[str, tuple[int, ...]]) -> dict[str, Bound] | None:
    """The first way to read several tensors at once."""
    patterns = Patterns({name: parse_pattern(text) for name, (text, _) in tensors.items()})
    return next(patterns.read([tensors[name][1] for name in patterns]), None)


@pytest.mark.parametrize(
    "text, shape, names",
    [
        ("", (), ()),
        ("", (1,), None),
        ("batch class", (8, 5), ("batch", "class")),
        ("batch class", (8, 5, 3), None),
        ("batch class *where", (8, 5), ("batch", "class")),
        ("batch class *where", (8, 5, 3, 4), ("batch", "class", "where.0", "where.1")),
        ("batch +where class", (8, 5), None),
        ("batch +where class", (8, 3, 5), ("batch", "where.0", "class")),
        ("batch batch", (8, 8), ("batch", "batch")),
        ("batch batch", (8, 5), None),
        ("batch 1", (8, 1), ("batch", "one.0")),
        ("batch 1", (8, 2), None),
        ("batch 3", (8, 3), ("batch", "one.0")),
        ("batch 1 1", (8, 1, 1), ("batch", "one.0", "one.1")),
        ("*where", (), ()),
    ],
)
def test_what_a_pattern_matches(text: str, shape: tuple[int, ...], names: tuple[str, ...] | None) -> None:
    assert _names(text, shape) == names


def test_equal_names_are_equal_sizes_across_tensors() -> None:
    read = _together(a=("batch class *where", (8, 5, 3)), b=("batch *where", (8, 3)))
    assert read is not None
    assert read["b"].names == ("batch", "where.0")
    assert _together(a=("batch class *where", (8, 5, 3)), b=("batch *where", (7, 3))) is None
    assert _together(a=("batch class *where", (8, 5, 3)), b=("batch *where", (8, 4))) is None
    assert _together(a=("batch class *where", (8, 5, 3)), b=("batch *where", (8,))) is None


def test_a_product_takes_its_parts_from_other_tensors() -> None:
    read = _together(a=("(batch +where)", (24,)), b=("batch +where", (8, 3)))
    assert read is not None
    assert read["a"].names == ("batch*where.0",)
    assert _together(a=("(batch +where)", (25,)), b=("batch +where", (8, 3))) is None


def test_one_unknown_part_of_a_product_takes_the_rest() -> None:
    read = _together(a=("(batch rows) class", (32, 5)), b=("batch", (8,)))
    assert read is not None
    assert read["a"].sizes["rows"] == 4
    assert _together(a=("(batch rows) class", (33, 5)), b=("batch", (8,))) is None
    assert _together(a=("(batch rows) class", (32, 5))) is None  # two unknown parts


@settings(max_examples=400, deadline=None, derandomize=True)
@given(patterns(), patterns(), shapes, shapes)
def test_several_tensors_are_read_as_the_agreeing_pairs_of_readings(
    first: Pattern, second: Pattern, shape: tuple[int, ...], other: tuple[int, ...]
) -> None:
    """Where no product is left to take apart, reading two at once is reading each, and keeping what agrees."""
    if any(term.kind == "merged" for pattern in (first, second) for term in pattern.terms):
        return
    pairs = {
        (a.names, b.names)
        for a in match(first, shape)
        for b in match(second, other)
        if all(b.sizes.get(name, size) == size for name, size in a.sizes.items())
        and all(b.ranks.get(name, count) == count for name, count in a.ranks.items())
    }
    together = Patterns({"a": first, "b": second})
    assert {(read["a"].names, read["b"].names) for read in together.read((shape, other))} == pairs


def test_any_order_finds_every_order_once() -> None:
    found = [bound.names for bound in match(parse_pattern("{batch class where}"), (8, 5, 3))]
    assert sorted(found) == sorted(itertools.permutations(("batch", "class", "where")))


@pytest.mark.parametrize("name, allowed", ROLES_OF.items())
def test_roles_must_agree_with_the_names(name: str, allowed: tuple[str, ...]) -> None:
    pattern = parse_pattern(name)
    assert all(list(match(pattern, (5,), (role,))) for role in allowed)
    assert not list(match(pattern, (5,), ("merged",)))


@pytest.mark.parametrize(
    "text, part",
    [
        ("batch (class", "never closed"),
        ("{batch class", "never closed"),
        ("batch class)", "unexpected ')'"),
        ("batch {class}", "unexpected '{'"),
        ("*a *b", "only one axis list"),
        ("*a +b", "only one axis list"),
        ("batch, class", "cannot read ', class'"),
        ("batch * class *", "cannot read"),
        ("batch -1", "cannot read '-1'"),
        ("batch ((a b) c)", "unexpected '('"),
        ("batch ()", "()"),
    ],
)
def test_a_wrong_pattern_is_refused_with_its_place(text: str, part: str) -> None:
    with pytest.raises(ValueError, match="pattern") as error:
        parse_pattern(text)
    assert part in str(error.value)
