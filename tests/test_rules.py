"""Every rule against its cases in rules/*.cases.yaml, and what has to hold of every rule, case and fix.

What is checked stands in shapecheck/rule_tests, for `shapecheck rules test` runs it on anyone's files: here each case is
a test of its own. The format of the cases is explained at the head of shapecheck/rule_cases.py.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shapecheck.errors import UserError
from shapecheck.pipeline import check
from shapecheck.rule_cases import Case, cases_of
from shapecheck.rule_tests.checking import checked
from shapecheck.rule_tests.explanations import OF_EXPLANATIONS
from shapecheck.rule_tests.of_cases import OF_ALL, OF_FAILING
from shapecheck.rule_tests.of_rules import OF_RULES, Ruled
from shapecheck.rules import Loss, load_loss, loss_files, rules_folder, validate
from shapecheck.specs import ROLES, Subject, TensorSpec
from shapecheck.torch_judge import TorchJudge

torch.set_num_threads(1)

FILES = [path.stem for path in loss_files(rules_folder())]


def _readable() -> list[tuple[Loss, tuple[Case, ...]]]:
    """The losses whose files can be read; that all can be is a test of its own."""
    found = []
    for name in FILES:
        try:
            found.append((load_loss(name), cases_of(load_loss(name))))
        except UserError:
            continue
    return found


READABLE = _readable()
CASES = [case for _, cases in READABLE for case in cases]
RULED = [
    Ruled(loss, rule, [case for case in cases if case.code == rule.code])
    for loss, cases in READABLE
    for rule in loss.rules
]
FIRST = list({ruled.rule.code: ruled for ruled in reversed(RULED)}.values())[::-1]  # each rule once


def _broken(invariants: Sequence[Any], *subjects: Any) -> list[str]:
    """What does not hold, each with the name of the invariant; all of a case in one test, as its check is done once."""
    return [f"{invariant.__name__}: {problem}" for invariant in invariants for problem in invariant(*subjects)]


# ----------------------------------------------------------------------------------------------- the cases


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_a_case(case: Case) -> None:
    assert _broken((*OF_ALL, *(OF_FAILING if case.fails else ())), checked(case)) == [], case.location


@pytest.mark.parametrize("ruled", RULED, ids=lambda ruled: f"{ruled.loss.name}-{ruled.rule.code}")
def test_a_rule(ruled: Ruled) -> None:
    assert _broken(OF_RULES, ruled) == [], ruled.rule.source


@pytest.mark.parametrize("ruled", FIRST, ids=lambda ruled: ruled.rule.code)
def test_an_explanation(ruled: Ruled) -> None:
    assert _broken(OF_EXPLANATIONS, ruled, [loss for loss, _ in READABLE]) == [], ruled.rule.source


def test_cases_are_of_rules_that_there_are() -> None:
    assert {(case.loss.name, case.code) for case in CASES} <= {(ruled.loss.name, ruled.rule.code) for ruled in RULED}
    ids = [case.id for case in CASES]
    assert sorted(ids) == sorted(set(ids))


# ------------------------------------------------------------------------------------------ the rule files


@pytest.mark.parametrize("name", FILES)
def test_the_files_of_a_loss_can_be_read(name: str) -> None:
    loss = load_loss(name)
    validate(loss)
    assert loss.name == name
    assert cases_of(loss)


def test_codes_and_names_are_unique() -> None:
    for loss, _ in READABLE:
        codes = [rule.code for rule in loss.rules]
        assert len(codes) == len(set(codes))
    everywhere = {(ruled.rule.code, ruled.rule.name, ruled.rule.source) for ruled in RULED}
    assert len({code for code, _, _ in everywhere}) == len(everywhere)
    assert len({name for _, name, _ in everywhere}) == len(everywhere)


# ------------------------------------------------------------------------------------- files of other people

GOOD = """
loss: {loss}
call: torch.nn.functional.mse_loss
contract: [{{output: "batch *where", target: "batch *where", result: "batch *where"}}]
rules:
  - code: {code}
    name: something
    severity: {severity}
    found: [{{output: "{pattern}", target: batch}}]
    when: "{when}"
    message: something is wrong
    why: because
    fixes: [{{kind: {kind}, title: mend it, apply: {{output: "{apply}"}}}}]
    explain: {{what: a, bad: b, example: c, instead: d, safety: e, references: f}}
"""
PARTS = {
    "loss": "mine",
    "code": "SC555",
    "severity": "error",
    "pattern": "batch 1",
    "when": "batch > 1",
    "kind": "squeeze-output",
    "apply": "squeeze(one.0)",
}


def _loaded(folder: Any, **parts: str) -> Loss:
    text = GOOD.format(**{**PARTS, **parts})
    (folder / "mine.yaml").write_text(text, encoding="utf-8")
    loss = load_loss("mine", (folder,))
    validate(loss)
    return loss


def test_a_rule_file_needs_no_python(tmp_path: Any) -> None:
    loss = _loaded(tmp_path)
    subject = Subject("mine", {"output": TensorSpec((8, 1), "float32"), "target": TensorSpec((8,), "float32")})
    (finding,) = check(subject, loss).findings
    assert (finding.code, finding.fixes[0].code) == ("SC555", "output.squeeze(-1)")


@pytest.mark.parametrize(
    "part, text, says",
    [
        ("code", "X1", "a code is SC and three digits"),
        ("severity", "eror", "did you mean 'error'"),
        ("pattern", "batch (class", "never closed"),
        ("when", "batch ** 2", "not part of the language"),
        ("when", "import os", "condition"),
        ("kind", "sqeeze-output", "did you mean 'squeeze-output'"),
        ("apply", "reshape(3)", "a chain of operations, such as"),
        ("apply", "__class__", "chain"),
    ],
)
def test_a_mistake_in_a_rule_file_is_named_with_its_line(part: str, text: str, says: str, tmp_path: Any) -> None:
    with pytest.raises(UserError) as error:
        _loaded(tmp_path, **{part: text})
    assert says in f"{error.value.message} {error.value.hint}"
    location = error.value.location
    assert location is not None
    assert location.path.endswith("mine.yaml")
    assert location.line is not None


# ------------------------------------------------------------------------------------------------ any call

CLASS_INDEX = ("cross_entropy", "nll_loss")
sizes = st.integers(1, 7)
positions = st.lists(sizes, max_size=3)
PLACES = {0: (), 1: ("time",), 2: ("height", "width"), 3: ("depth", "height", "width")}


@st.composite
def right_calls(draw: st.DrawFn) -> Subject:
    """A call as the documentation wants it, whatever sizes coincide in it, with or without roles."""
    loss = draw(st.sampled_from(CLASS_INDEX))
    batch, classes, where = draw(sizes), draw(st.integers(2, 7)), tuple(draw(positions))
    roles: tuple[str, ...] | None = ("batch", "class", *PLACES[len(where)])
    roles = roles if draw(st.booleans()) else None
    dtype = draw(st.sampled_from(("float32", "float64", "float16", None)))
    values = draw(st.sampled_from((None, "logits" if loss == "cross_entropy" else "log-probabilities")))
    output = TensorSpec((batch, classes, *where), dtype, roles, values=values)
    low, high = sorted((draw(st.integers(0, classes - 1)), draw(st.integers(0, classes - 1))))
    facts = draw(st.sampled_from(({}, {"minimum": low, "maximum": high}, {"values": "class-index"})))
    target = replace(TensorSpec((batch, *where), draw(st.sampled_from(("int64", None)))), **facts)
    if target.dtype is None and target.shape == output.shape:
        target = replace(target, dtype="int64")
    arguments = draw(st.sampled_from(({}, {"weight": [classes]}, {"ignore_index": -1}, {"reduction": "none"})))
    return Subject(
        loss, {"output": output, "target": target}, arguments, classes=draw(st.sampled_from((None, classes)))
    )


@settings(max_examples=400, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
@given(right_calls())
def test_a_right_call_is_quiet(subject: Subject) -> None:
    result = check(subject, load_loss(subject.loss), TorchJudge())
    assert [finding.code for finding in result.findings] == []
    assert result.contract == "accepts"


@st.composite
def any_calls(draw: st.DrawFn) -> Subject:
    """A call with anything at all of it."""
    loss = draw(st.sampled_from(CLASS_INDEX))
    shape = tuple(draw(st.lists(sizes, max_size=5)))
    near = st.permutations(shape[:1] + shape[2:]).map(tuple) | st.just(shape)
    target_shape = draw(near | st.lists(sizes, max_size=4).map(tuple))
    roles = draw(st.none() | st.tuples(*[st.sampled_from(ROLES)] * len(shape)))
    dtype = draw(st.sampled_from(("float32", "float16", "int64", "bool")))
    of_target = draw(st.sampled_from(("int64", "int32", "float32", "bool")))
    values = draw(st.sampled_from((None, "one-hot", "multi-hot", "class-index", "continuous")))
    output = TensorSpec(shape, dtype, roles, values=draw(st.sampled_from((None, "logits", "probabilities"))))
    arguments = draw(st.sampled_from(({}, {}, {"weight": [3]}, {"reduction": "avg"}, {"ignore_index": 0})))
    target = TensorSpec(target_shape, of_target, values=values)
    if of_target == "int64":
        low, high = draw(st.sampled_from(((None, None), (0, 1), (-1, 3), (0, 255), (1, 5))))
        target = replace(target, minimum=low, maximum=high)
    return Subject(loss, {"output": output, "target": target}, arguments, classes=draw(st.sampled_from((None, 3))))


@settings(max_examples=500, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
@given(any_calls())
def test_a_call_that_torch_refuses_has_an_error_and_rule_and_torch_agree(subject: Subject) -> None:
    result = check(subject, load_loss(subject.loss), TorchJudge())
    codes = [finding.code for finding in result.findings]
    assert len(codes) == len(set(codes))
    assert "SC909" not in codes
    if result.contract == "rejects":
        assert "error" in [finding.severity for finding in result.findings]
