"""What to try on each of torch's losses: one description each, from which all calls of the contract tests are made.

A form is written as the documentation does, one shape for each tensor in torch's order: `N C A, N A` is an output
of (N, C, A) with a target of (N, A). Forms are only where to look: right ones and those that people mistake for right.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from contract_calls import Fill, Shape, Shapes

Keywords = Mapping[str, Sequence[Any]]

LEGACY: Keywords = {"size_average": (None, True, False), "reduce": (None, True, False)}
REDUCTION: Keywords = {"reduction": ("none", "mean", "sum", None, "elementwise_mean", "batchmean", "avg")}
COMMON: Keywords = {**REDUCTION, **LEGACY}

# None among the values of a keyword: it is not given.
NUMBERS: tuple[Fill, ...] = ((0,), (1,), (1, 0), (-1,), (-1, 1), (0.5,), (2,), (2, 0), (3, 0), (math.nan,), (math.inf, 0), (-0.5, 0), (1.1, 0))  # fmt: skip
LABELS: tuple[Fill, ...] = ((0,), (1, 0), (2, 0), (3, 0), (4, 0), (-1, 0), (-100, 0), (-100,), (255, 0), (-1,), (0, -1))
SAME = ("C, C", "N C, N C", "N C A, N C A", "N C A B, N C A B", "N C A B D, N C A B D", ", ")
BROADCAST = (
    *SAME, "1, ", "1, 1", "N 1, N", "N, N 1", "N C, C", "C, N C", "N C, 1 C", "N 1, N C", "N C, N 1", "N C, ", ", N C", "N 1 A, N C A",
    "N A 1, N", "N C A, N A", "N C, 1 N C", "N, M", "N C, M C",
)  # fmt: skip
EVERY = (
    "C, ", "C, 1", "C, C", "N C, N", "N C, N C", "N C A, N A", "N C A, N C A", "N C A B, N A B", "N C A B, N C A B",
    "N C A B D, N A B D", "N C A B D, N C A B D",
)  # fmt: skip
CLASSES = (*EVERY, "N C, C", "N C, N 1", "N C, ", "C, N", ", ", ", 1", "N C A, N C", "N A C, N A", "N A B C, N A B", "N C A B, N B A", "N C A B, N 1 A B")  # fmt: skip


def zeros(shapes: Shapes) -> tuple[Fill, ...]:
    """Zeros everywhere: labels that always exist, numbers that no check of values refuses."""
    return ((0,),) * len(shapes)


def nothing(*shapes: Shape) -> tuple[Shapes, ...]:
    """Two tensors are all there are."""
    return ((),)


@dataclass(frozen=True, eq=False)
class Described:
    """A loss: its forms, the dtypes that go with them, the keywords worth trying, and contents where torch reads them.

    `dtypes` are the float32/int64 combinations in which shapes are enumerated. `rest` are shapes near the contract for
    the tensors after the first two. `fills` is a content of which torch approves, `contents` others for each tensor.
    `weights` are the keywords that take tensors; `always` is given in every call that tries nothing else.
    """

    forms: tuple[str, ...]
    dtypes: tuple[tuple[str, ...], ...]
    keywords: Keywords = field(default_factory=lambda: COMMON)
    weights: tuple[str, ...] = ()
    contents: tuple[Sequence[Fill], ...] = (NUMBERS, NUMBERS)
    rest: Callable[..., tuple[Shapes, ...]] = nothing
    fills: Callable[[Shapes], tuple[Fill, ...]] = zeros
    always: Mapping[str, Any] = field(default_factory=lambda: {"reduction": "none"})
    python: Mapping[int, tuple[str, ...]] = field(default_factory=dict)


FLOATS = ("float32", "float32")
INDEX = ("float32", "int64")
THREE = ("float32", "float32", "float32")


def _same_or_short(first: Shape, second: Shape) -> tuple[Shapes, ...]:
    """The variance is of the output's shape, or lacks its last axis, or has one axis of 1."""
    return ((first,), (first[:-1],), ((*first[:-1], 1),), ((1, *first[1:]),), (second,), ((),), ((1,) * len(first),))


def _equal_rank(first: Shape, second: Shape) -> tuple[Shapes, ...]:
    return ((first,), (second,), ((1,) * len(first),), ((*first[:-1], 1),), (first[:-1],), ((),))


def _one_per_row(first: Shape, second: Shape) -> tuple[Shapes, ...]:
    return ((first[:1],), ((),), (second[:1],), ((1,),), (first,), ((2,),))


def _labels_of_products(first: Shape, second: Shape) -> tuple[Shapes, ...]:
    """The labels of input @ linear_weight.T: an index for each row and position, or probabilities."""
    rows, classes, places = first[:-1], second[:1], second[1:-1]
    return (((*rows, *places),), ((*rows, *classes, *places),), (rows,), ((),), ((2,),), ((1,),))


def _lengths(first: Shape, second: Shape) -> tuple[Shapes, ...]:
    batch = first[1] if len(first) == 3 else 1
    return (
        ((batch,), (batch,)), ((), ()), ((batch, 1), (batch,)), ((batch,), (1, batch)), ((1,), (1,)), ((batch,), ()),
        ((2,), (2,)), ((1,), (2,)),
    )  # fmt: skip


def _full_lengths(shapes: Shapes) -> tuple[Fill, ...]:
    """Every sequence runs to the end; labels in one row are all of the first sequence, in a table all of each."""
    log_probs, targets = shapes[:2]
    steps = log_probs[0] if log_probs else 0
    labels = targets[-1] if targets else 0
    return ((0,), (0,), (steps,), (labels, 0) if len(targets) == 1 else (labels,))


def _positive_variance(shapes: Shapes) -> tuple[Fill, ...]:
    return ((0,), (0,), (1,))


CHUNKED = torch.nn.LinearCrossEntropyOptions()
SMALL_STEPS = (0.5, 0.0, 1.0, 2, -0.5, math.nan)
TRIPLETS = (
    "N D, N D, N D", "D, D, D", ", , ", "N D, 1 D, N D", "N D, N 1, N D", "N D, N D, 1 1", "N A D, N A D, N A D", "N D, D, D", "N D, N D, D",
    "N A B D, N A B D, N A B D", "N 1, N D, M D", "N D, M D, N D", "N D, N D, M D", "N D, 1 D, M D", "N A B C D, N A B C D, N A B C D",
)  # fmt: skip

DESCRIBED: Mapping[str, Described] = {
    "cross_entropy": Described(
        CLASSES,
        (INDEX, FLOATS),
        {**COMMON, "ignore_index": (None, -100, -1, 0, 1, 5), "label_smoothing": (None, 0, 0.1, 1, 1.5, -0.5, math.nan)},
        ("weight",),
        (NUMBERS, LABELS),
    ),
    "nll_loss": Described(
        CLASSES, (INDEX, FLOATS), {**COMMON, "ignore_index": (None, -100, -1, 0, 1, 5)}, ("weight",), (NUMBERS, LABELS)
    ),
    "binary_cross_entropy": Described(BROADCAST, (FLOATS,), weights=("weight",)),
    "binary_cross_entropy_with_logits": Described(BROADCAST, (FLOATS,), weights=("weight", "pos_weight")),
    "mse_loss": Described(BROADCAST, (FLOATS,), weights=("weight",)),
    "l1_loss": Described(BROADCAST, (FLOATS,), weights=("weight",)),
    "smooth_l1_loss": Described(BROADCAST, (FLOATS,), {**COMMON, "beta": (None, *SMALL_STEPS)}),
    "huber_loss": Described(BROADCAST, (FLOATS,), {**REDUCTION, "delta": (None, *SMALL_STEPS)}, ("weight",)),
    "kl_div": Described(BROADCAST, (FLOATS,), {**COMMON, "log_target": (None, False, True)}),
    "poisson_nll_loss": Described(
        BROADCAST,
        (FLOATS,),
        {**COMMON, "log_input": (None, False, True), "full": (None, False, True), "eps": (None, 0.0, 1e-3, -1.0)},
    ),
    "gaussian_nll_loss": Described(
        (
            "N C, N C, N C", "N C, N C, N 1", "N C, N C, N", "N C, N C, 1 C", "N, N, N", "N, N, 1", "N, N, ", ", , ", "N 1, N, N 1", "N C, C, N C",
            "N C, N C, 1 1", "N C A, N C A, N C", "N C A, N C A, N C 1", "N C A, N C A, N 1 A", "N C A, N C A, N C A", "N C, N C, C",
            "N C A B, N C A B, N C A", "N C A B, N C A B, N C A B", "C, N C, C", "N C, , N C", ", N C, ", "N N, N N, N", "N C A B D, N C A B D, N C A B 1",
        ),
        (THREE,),
        {**REDUCTION, "full": (None, False, True), "eps": (None, 1e-3, 0.0, -1.0, 1e5)},
        contents=(NUMBERS, NUMBERS, NUMBERS),
        rest=_same_or_short,
        fills=_positive_variance,
        python={2: ("int", "float")},
    ),
    "ctc_loss": Described(
        (
            "T N C, N S, N, N", "T N C, S, N, N", "T C, S, , ", "T C, 1 S, 1, 1", "T C, S, 1, 1", "T C, S, 1 1, 1", "T N C, N S, N 1, N",
            "T N C, S S, N, N", "T N C, N S, N, 1 N", "N T C, N S, N, N", "T C, S, 1, ", "T N C, N S, T, T", "T N C, N S A, N, N", "T N C, , N, N",
        ),
        (("float32", "int64", "int64", "int64"),),
        {"reduction": REDUCTION["reduction"], "blank": (None, 0, 1, 2, 3, 5, -1), "zero_infinity": (None, False, True)},
        contents=(NUMBERS, ((0,),), ((4,), (3,), (1,), (0,), (5, 4), (-1, 4), (2,)), ((3,), (1,), (0,), (4,), (3, 0), (-1, 0), (2,), (1, 2), (2, 2, 0))),
        rest=_lengths,
        fills=_full_lengths,
        python={2: ("list",), 3: ("list",)},
    ),
    "cosine_embedding_loss": Described(
        (
            "N D, N D, N", "D, D, ", "N D, 1 D, N", "N D, N 1, N", "N D, N D, 1", "1 D, 1 D, N", "N D, N D, ", "D, D, 1", "D, D, N", "N D, N D, N 1",
            "N D, D, N", "N A D, N A D, N", "N A D, N A D, N A", ", , ", "N D, M D, N", "D, 1, ", "N D, N D, M", "N D, 1 1, M",
        ),
        (THREE, ("float32", "float32", "int64")),
        {**COMMON, "margin": (None, 0, 0.5, -2.0, 5)},
        contents=(NUMBERS, NUMBERS, NUMBERS),
        rest=_one_per_row,
    ),
    "hinge_embedding_loss": Described(BROADCAST, (FLOATS, INDEX), {**COMMON, "margin": (None, 0.0, 0.5, -2.0, 300)}),
    "margin_ranking_loss": Described(
        (
            "N, N, N", "N C, N C, N C", ", , ", "N, N, 1", "N, 1, N", "1, N, N", "N C, N C, N 1", "N C, N 1, N C", "N, N, ", "N, , N", "N C, N C, N",
            "N 1, N C, 1 C", "N, M, N", "N, N, M", "N C A, N C A, N C A", "N C A B, N C A B, 1 C A B", "N 1, N 1, N", "N C A B D, N C A B D, N C A B D",
        ),
        (THREE, ("float32", "float32", "int64")),
        {**COMMON, "margin": (None, 0, 0.5, -2.0, 5)},
        contents=(NUMBERS, NUMBERS, NUMBERS),
        rest=_equal_rank,
    ),
    "multi_margin_loss": Described(
        CLASSES,
        (INDEX,),
        {**COMMON, "p": (None, 1, 2, 3, 0, 1.0, 2.0, 1.5, True), "margin": (None, 0.0, 0.5, -2.0)},
        ("weight",),
        (NUMBERS, LABELS),
    ),
    "multilabel_margin_loss": Described((*BROADCAST, "N C, N", "C, 1", "1, C"), (INDEX,), contents=(NUMBERS, LABELS)),
    "multilabel_soft_margin_loss": Described(BROADCAST, (FLOATS, INDEX), weights=("weight",)),
    "soft_margin_loss": Described(BROADCAST, (FLOATS, INDEX)),
    "triplet_margin_loss": Described(
        TRIPLETS,
        (THREE,),
        {
            **COMMON,
            "margin": (None, 0.0, 1e-3, -1.0, 5, math.nan, math.inf),
            "p": (None, 1, 2.0, 0.0, 0.5, -1.0, math.inf),
            "eps": (None, 0.0, -1.0),
            "swap": (None, False, True),
        },
        contents=(NUMBERS, NUMBERS, NUMBERS),
        rest=_equal_rank,
    ),
    "triplet_margin_with_distance_loss": Described(
        TRIPLETS,
        (THREE,),
        {**REDUCTION, "margin": (None, 0.0, 1e-3, -1.0, 5, math.nan, math.inf), "swap": (None, False, True)},
        contents=(NUMBERS, NUMBERS, NUMBERS),
        rest=_equal_rank,
    ),
    "linear_cross_entropy": Described(
        (
            "N D, C D, N", "D, C D, ", "D, C D, 1", "N D, C D, N C", "D, C D, C", "N D, C A D, N A", "N D, C A D, N C A", "N D, C A B D, N A B",
            "N D, C A B D, N C A B", "N D, C A B E D, N A B E", "D, C A D, A", "N D, C D, M", "N D, D C, N", "N D, C D, N 1", "N D, C D, ", "N A D, C D, N A",
            "N D, C D, C", "N D, D, N", "N D, C 1 D, N 1", "N D, C 1 D, N", "N D, 1 D, N",
        ),
        (("float32", "float32", "int64"), THREE),
        {**REDUCTION, "ignore_index": (None, -100, -1, 0, 1, 5), "label_smoothing": (None, 0.0, 0, 0.1, 1, 1.5, -0.5), "options": (None, CHUNKED)},
        ("linear_bias", "weight"),
        (NUMBERS, NUMBERS, LABELS),
        rest=_labels_of_products,
    ),
    "adaptive_log_softmax_with_loss": Described(
        (
            "N D, N", "D, ", "N D, N 1", "N D, ", "D, 1", "N A D, N A", "N D, N D", "N D, M", ", ", "N 2, N", "2, ", "N 2, ", "2, 1", "N 2, N 2", "N A 2, N A",
            "N 2, 1", "1 2, ", "1 2, 1", "2, N",
        ),
        (INDEX,),
        {
            "in_features": (2, 3, 1, 0),
            "n_classes": (4, 3, 2, 6, 1),
            "cutoffs": ((2,), (1, 3), (1,), (3,), (), (2, 1), (1, 1), (0, 2), (1.5,), (4,), (5,), (1, 2), (-1,)),
            "div_value": (None, 4.0, 1, 2.0, 100.0, 0, -2.0),
            "head_bias": (None, False, True),
        },
        contents=(NUMBERS, LABELS),
        always={"in_features": 2, "n_classes": 4, "cutoffs": (2,)},
    ),
}  # fmt: skip
