"""Which part of a structured output goes to the loss."""

from __future__ import annotations

from collections import namedtuple
from dataclasses import dataclass
from typing import Any

import pytest
import torch

from shapecheck.errors import ModelError, UserError
from shapecheck.probe.outputs.outputs import at, pick, pieces

X, Y, S = torch.rand(5, 3), torch.rand(5, 7), torch.rand(())
Pair = namedtuple("Pair", "first second")


@dataclass
class Result:
    logits: torch.Tensor
    loss: torch.Tensor | None = None


@pytest.mark.parametrize(
    ("output", "paths"),
    [
        (X, [""]),
        ((X, Y), ["0", "1"]),
        ([X, (Y, None)], ["0", "1.0"]),
        ({"out": {"logits": X}, "n": 3}, ["out.logits"]),
        (Pair(X, Y), ["first", "second"]),
        (Result(X), ["logits"]),
        (Result(X, S), ["logits", "loss"]),
        (None, []),
        ("text", []),
    ],
)
def test_paths(output: Any, paths: list[str]) -> None:
    assert [piece.path for piece in pieces(output)] == paths
    for piece in pieces(output):
        assert at(output, piece.path) is piece.tensor


@pytest.mark.parametrize(
    ("output", "path"),
    [
        ((X,), "0"),
        ((S, X), "1"),
        ((X, torch.zeros(5, dtype=torch.int64)), "0"),
        ({"features": Y, "logits": X}, "logits"),
        ({"class_logits": X, "boxes": Y}, "class_logits"),
        ({"hidden_states": Y, "something": X}, "something"),
        (Result(X, S), "logits"),
        ((X, torch.softmax(torch.rand(5, 4, 4), -1)), "0"),
    ],
)
def test_what_is_plain(output: Any, path: str) -> None:
    assert pick(output, None).path == path


def test_a_tensor_that_a_recurrent_layer_returned_is_its_state() -> None:
    assert pick((X, Y), None, states=[Y]).path == "0"


def test_a_choice_lists_what_to_type() -> None:
    with pytest.raises(ModelError) as raised:
        pick((X, Y), None)
    assert raised.value.code == "SC908"
    assert "--output 0  (5, 3) float32" in str(raised.value.hint)
    assert "--output 1  (5, 7) float32" in str(raised.value.hint)


@pytest.mark.parametrize(
    ("asked", "path"), [("1", "1"), ("-1", "1"), ("[0]", "0")],
)  # fmt: skip
def test_a_request_in_several_spellings(asked: str, path: str) -> None:
    assert pick((X, Y), asked).path == path


def test_a_request_for_a_group_of_one() -> None:
    assert pick({"out": {"logits": X}, "aux": Y}, "out").path == "out.logits"
    assert pick({"out": [X]}, "out[0]").path == "out.0"


def test_a_wrong_path_says_the_nearest() -> None:
    with pytest.raises(UserError) as raised:
        pick({"logits": X, "hidden": Y}, "logit")
    assert "did you mean --output logits?" in str(raised.value.hint)


def test_a_path_into_a_bare_tensor() -> None:
    with pytest.raises(UserError, match="bare tensor"):
        pick(X, "logits")


@pytest.mark.parametrize(("output", "words"), [(S, "computes its own loss"), (None, "None"), ("text", "a str")])
def test_nothing_to_check(output: Any, words: str) -> None:
    with pytest.raises(ModelError, match=words):
        pick(output, None)


def test_numbered_parts_of_one_shape_are_alike() -> None:
    assert pick((X, X + 1), None, names=("validity1", "validity2")).path == "0"


def test_parts_of_different_names_are_not_alike() -> None:
    with pytest.raises(ModelError):
        pick((X, X + 1), None, names=("pos", "neg"))


def test_where_names_leave_a_choice_the_target_decides() -> None:
    parts = (torch.rand(5, 4, 9), torch.rand(5, 2))
    assert pick(parts, None, fits=lambda shape: len(shape) == 3).path == "0"
    assert pick(parts, None, fits=lambda shape: len(shape) == 2).path == "1"
