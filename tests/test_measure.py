"""Facts of real tensors: what is told of values, of every dtype and layout, and that large tensors cost little."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from torch import Tensor

from shapecheck import measure
from shapecheck.rules import load_loss
from shapecheck.specs import TensorSpec

torch.set_num_threads(1)

G = torch.Generator().manual_seed(5)
LOGITS = torch.randn(64, 10, generator=G)
FLOATS = (torch.float16, torch.bfloat16, torch.float32, torch.float64)


def _output(scores: Tensor, loss: str = "cross_entropy") -> TensorSpec:
    return measure.tensor_facts(scores, load_loss(loss), "output", ())


def _target(labels: Tensor, shape: tuple[int, ...] = (64, 10), loss: str = "cross_entropy") -> TensorSpec:
    return measure.tensor_facts(labels, load_loss(loss), "target", shape)


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize(
    ("scores", "values"),
    [
        (LOGITS, "logits"),
        (LOGITS.softmax(1), "probabilities"),
        (LOGITS.log_softmax(1), "log-probabilities"),
        (LOGITS.sigmoid(), "unit-interval"),
        (LOGITS.softmax(0), "unit-interval"),
        (LOGITS.abs(), "logits"),
    ],
)
def test_what_scores_are(scores: Tensor, values: str, dtype: torch.dtype) -> None:
    wide = torch.randn(10, 128, generator=G).to(dtype).t()[::2].copy_(scores.to(dtype))  # every layout is read alike
    for given in (scores.to(dtype), wide, scores.to(dtype).requires_grad_(True)):
        assert _output(given).values == values


@pytest.mark.parametrize(
    ("labels", "values"),
    [
        (torch.arange(64) % 10, "class-index"),
        (torch.eye(10)[torch.arange(64) % 10], "one-hot"),
        (torch.eye(10)[torch.arange(64) % 10] + torch.eye(10)[(torch.arange(64) + 1) % 10], "multi-hot"),
        (LOGITS.softmax(1), "probabilities"),
        (LOGITS.log_softmax(1), "log-probabilities"),
        (LOGITS, "continuous"),
        (torch.arange(64.0) % 10, "class-index"),
        (torch.arange(64) % 2 == 0, "class-index"),
    ],
)
def test_what_labels_are(labels: Tensor, values: str) -> None:
    assert _target(labels).values == values


def test_different_labels_are_counted_where_some_have_no_class() -> None:
    assert _target(torch.tensor([0, 192] * 32)).distinct == 2
    assert _target(torch.arange(64) % 10).distinct is None


@pytest.mark.parametrize(
    "labels, stray",
    [
        (torch.tensor([0, 3, 250] * 32), 250),
        (torch.tensor([-7, 0, 3] * 32), -7),
        (torch.tensor([0, 3, 250, 251] * 32), None),
        (torch.tensor([0, 3, 9] * 32), None),
    ],
)
def test_the_only_label_beyond_the_classes_is_known(labels: Tensor, stray: float | None) -> None:
    assert _target(labels).stray == stray


@pytest.mark.parametrize(
    "labels, values",
    [
        ([[0.0, 3.0, -1.0, -1.0]], "class-index"),
        ([[0.5, 3.0, -1.0, -1.0]], "continuous"),
        ([[0.0, 1.0, 1.0, 0.0]], "multi-hot"),
    ],
)
def test_lists_of_labels_are_known_as_floats_too(labels: list[list[float]], values: str) -> None:
    assert _target(torch.tensor(labels), (1, 4), "multilabel_margin_loss").values == values


@pytest.mark.parametrize("scores", [LOGITS.softmax(0), LOGITS.log_softmax(0)])
def test_a_softmax_over_the_batch_is_seen(scores: Tensor) -> None:
    assert _output(scores).normalised == 0
    assert _output(LOGITS).normalised is None


@pytest.mark.parametrize(
    "dtype", [torch.uint8, torch.int8, torch.int16, torch.int32, torch.int64, torch.bool, torch.uint16, *FLOATS]
)
def test_the_range_of_any_dtype(dtype: torch.dtype) -> None:
    spec = _target((torch.arange(64) % 2).to(dtype), loss="mse_loss")
    assert (spec.minimum, spec.maximum) == (0, 1)


@pytest.mark.parametrize("odd", [math.nan, math.inf, -math.inf])
def test_the_first_value_that_is_no_finite_number(odd: float) -> None:
    scores = LOGITS.clone()
    scores[3, 7] = scores[5, 1] = odd
    assert _output(scores).odd == (3, 7)
    assert _output(LOGITS).odd is None


@pytest.mark.parametrize("loss", ["cross_entropy", "mse_loss", "binary_cross_entropy_with_logits"])
def test_of_large_scores_a_part_is_looked_at_and_nothing_is_copied(loss: str, monkeypatch: Any) -> None:
    scores = torch.zeros(1).expand(64, 21, 512, 512)  # of more elements than could be copied
    seen = []
    monkeypatch.setattr(measure, "_range", lambda values: seen.append(values) or (0.0, 0.0))
    measure.tensor_facts(scores, load_loss(loss), "output", ())
    (part,) = seen
    assert part.numel() <= measure.MOST_SCORES
    assert part.data_ptr() == scores.data_ptr()


def test_only_what_a_rule_asks_for_is_measured() -> None:
    labels = torch.arange(64) % 10
    assert measure.tensor_facts(labels, load_loss("cross_entropy"), "target", (64, 10)).elements is None
    assert measure.tensor_facts(labels, load_loss("ctc_loss"), "target_lengths", ()).elements is not None
