"""The contracts of the rule files against the real torch: what they accept, what they refuse, the shape of the result.

A disagreement is a bug of a rule file. The normal run draws a sample of each space of calls, always the same; the
whole is `pytest -m slow tests/test_contracts.py`.
"""

from __future__ import annotations

import inspect
import itertools
import random
import warnings
from collections.abc import Iterator

import contract_spaces as spaces
import pytest
import torch
import torch.nn.functional as F
from contract_calls import Call, Shape, compare, difference, made, rule_says, torch_says
from contract_losses import DESCRIBED
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shapecheck.matching import Facts, arguments_of, judge
from shapecheck.rules import all_losses, load_loss

SAMPLE = 600  # calls of a space in the normal run
WHOLE = 30_000  # and in the slow one, which takes every pair of shapes besides

every_loss = pytest.mark.parametrize("loss", DESCRIBED)


# --------------------------------------------------------------------------------- what there is to try


def test_every_loss_of_torch_has_a_rule_file() -> None:
    assert {loss.name for loss in all_losses()} == set(DESCRIBED)


@every_loss
def test_every_keyword_is_tried(loss: str) -> None:
    described, function = DESCRIBED[loss], getattr(F, loss, torch.nn.AdaptiveLogSoftmaxWithLoss)
    tensors = len(described.dtypes[0]) if hasattr(F, loss) else 0
    names = list(inspect.signature(function).parameters)[tensors:]
    assert {*described.keywords, *described.weights} == {*names} - {"distance_function", "device", "dtype"}


@every_loss
def test_torch_takes_some_calls_and_refuses_others(loss: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        refused = [isinstance(torch_says(call), Exception) for call in itertools.islice(spaces.sample(loss, 400), 400)]
    assert 40 < sum(refused) < 360


# ------------------------------------------------------------------------------------------- agreement


@every_loss
def test_rule_and_torch_agree_on_a_sample(loss: str) -> None:
    _expect_agreement(spaces.sample(loss, SAMPLE))


@pytest.mark.slow
@every_loss
def test_rule_and_torch_agree_on_the_whole(loss: str) -> None:
    _expect_agreement(itertools.chain(spaces.every_pair(loss), spaces.sample(loss, WHOLE)))


def _expect_agreement(calls: Iterator[Call]) -> None:
    count = compare(calls)
    if count.differing:
        pytest.fail(str(count), pytrace=False)


@settings(max_examples=100, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
@given(generator=st.randoms(use_true_random=False))
@every_loss
def test_rule_and_torch_agree_on_mixtures(loss: str, generator: random.Random) -> None:
    call = spaces.mixture(loss, generator)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert difference(call, rule_says(call), torch_says(call)) is None


def test_a_wrong_verdict_is_seen() -> None:
    """A rule file that refuses, accepts or returns something else than torch does not go unnoticed."""
    right, wrong, other = (
        Call("nll_loss", (made((2, 3)), made(shape, "int64")), {"reduction": "none"}) for shape in ((2,), (3,), (2, 1))
    )
    answer, refusal = torch_says(right), torch_says(wrong)
    assert difference(right, rule_says(right), answer) is None
    assert "the rule refuses (no signature), torch computes (2,)" in str(difference(right, rule_says(other), answer))
    assert "the rule accepts, torch raises ValueError" in str(difference(wrong, rule_says(right), refusal))
    assert isinstance(answer, torch.Tensor)
    assert "result is (2,), torch gives (1, 2)" in str(difference(right, rule_says(right), answer[None]))


# ---------------------------------------------------------------------------------------------- labels


@pytest.mark.parametrize("loss", ("cross_entropy", "nll_loss"))
@pytest.mark.parametrize("output, target", [((3,), ()), ((4, 3), (4,)), ((2, 3, 4), (2, 4)), ((2, 3, 2, 2), (2, 2, 2))])
def test_labels_out_of_range_break_one_requirement(loss: str, output: Shape, target: Shape) -> None:
    odd_and_ignored = itertools.product((-100, -1, 0, 1, 2, 3, 4, 255), (-100, -1, 0, 3, 255))
    for odd, ignored in odd_and_ignored:
        call = Call(loss, (made(output), made(target, "int64", (odd, 0))), {"ignore_index": ignored})
        answer = torch_says(call)
        refused = isinstance(answer, Exception)
        assert [requirement.name for requirement in rule_says(call).broken] == (["label-range"] if refused else [])
        if isinstance(answer, Exception):
            assert isinstance(answer, IndexError)
            assert f"Target {odd} is out of bounds" in str(answer)


@every_loss
def test_what_is_not_known_decides_nothing(loss: str) -> None:
    """A call that torch takes is taken without its values too."""
    rule = load_loss(loss)
    for shapes, dtypes in spaces.right_ways(loss):
        call = spaces.call(loss, shapes, dtypes, DESCRIBED[loss].fills(shapes), DESCRIBED[loss].always)
        if not isinstance(torch_says(call), Exception):
            facts = {name: Facts(shape, dtype) for name, shape, dtype in zip(rule.tensors, shapes, dtypes)}
            arguments = arguments_of(rule, call.keywords, dtypes[0], facts)
            assert judge(rule, facts, arguments).accepts, str(call)
