"""The problems people post, from tensors alone: the contract's verdict, a finding, the fix that helped first.

The problems are in posted.yaml, whose head says how they are written. The measure is over all of them, as which fix is the
likelier one is a judgement: of the first suggestions nearly all have to be of a kind that helped.
"""

from __future__ import annotations

import warnings
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
import torch.nn.functional as F
import yaml
from torch import Tensor

import shapecheck
from shapecheck.report import CheckResult
from shapecheck.rules import FIX_KINDS

torch.set_num_threads(1)

Post = Mapping[str, Any]
POSTS: list[Post] = yaml.safe_load((Path(__file__).parent / "posted.yaml").read_text(encoding="utf-8"))
WRONG = [post for post in POSTS if not post.get("benign")]
SHOWN = [post for post in WRONG if not post.get("blind")]
RIGHT = [post for post in POSTS if post.get("benign")]
FIRST, AMONG_THREE = 0.95, 0.99  # shares of the wrong ones


# ---------------------------------------------------------------------------------------------------- tensors


def _scores(spec: Post) -> Tensor:
    shape, kind, dim = spec["shape"], spec.get("values", "logits"), spec.get("dim", 1)
    made: dict[str, Callable[[], Tensor]] = {
        "logits": lambda: torch.randn(shape) * 2,
        "probs": lambda: torch.randn(shape).softmax(dim),
        "log-probs": lambda: torch.randn(shape).log_softmax(dim),
        "sigmoid": lambda: torch.randn(shape).sigmoid(),
        "unit": lambda: torch.rand(shape),
        "positive": lambda: torch.rand(shape) + 0.5,
        "zeros": lambda: torch.zeros(shape),
        "int": lambda: torch.randint(0, 5, shape),
    }
    return _touched(made[kind](), spec, "int64" if kind == "int" else "float32")


def _labels(spec: Post) -> Tensor:
    shape, dim = spec["shape"], spec.get("dim", 1)
    whole = not getattr(torch, spec.get("dtype", "int64")).is_floating_point
    low, high = spec.get("low", 0), spec.get("high", 1)
    made: dict[str, Callable[[], Tensor]] = {
        "index": lambda: _with_ends(torch.randint(low, high + 1, shape), low, high),
        "one-hot": lambda: torch.zeros(shape).scatter_(dim, torch.rand(shape).argmax(dim, keepdim=True), 1.0),
        "multi-hot": lambda: torch.zeros(shape).scatter_(dim, torch.rand(shape).topk(2, dim).indices, 1.0),
        "probs": lambda: torch.randn(shape).softmax(dim),
        "log-probs": lambda: torch.randn(shape).log_softmax(dim),
        "binary": lambda: _with_ends(torch.randint(0, 2, shape), 0, 1),
        "signs": lambda: _with_ends(torch.randint(0, 2, shape) * 2 - 1, -1, 1),
        "unit": lambda: torch.rand(shape),
        "positive": lambda: torch.rand(shape) * 3 + 0.5,
        "continuous": lambda: torch.randn(shape) if "high" not in spec else torch.rand(shape) * (high - low) + low,
    }
    if "data" in spec:
        return torch.tensor(spec["data"]).to(getattr(torch, spec.get("dtype", "int64")))
    if "data-of" in spec:
        choice = torch.tensor(spec["data-of"])
        return _touched(choice[torch.arange(torch.Size(shape).numel()) % len(choice)].reshape(shape), spec, "int64")
    return _touched(made[spec.get("kind") or ("index" if whole else "continuous")](), spec, "int64")


def _with_ends(values: Tensor, low: int, high: int) -> Tensor:
    """Every range is used from end to end, as in a data set."""
    if values.numel() > 1:
        values.view(-1)[0], values.view(-1)[-1] = high, low
    return values


def _touched(values: Tensor, spec: Post, dtype: str) -> Tensor:
    values = values.to(getattr(torch, spec.get("dtype", dtype)))
    if "pad" in spec:
        values[..., values.shape[-1] // 2 :] = spec["pad"]
    if "first" in spec:
        values.view(-1)[0] = float(spec["first"])
    return values


def _held(tensor: Tensor, inside: str) -> Any:
    """The tensor as models and data sets hand it over."""
    other: dict[str, Callable[[], Any]] = {
        "": lambda: tensor,
        "object": lambda: SimpleNamespace(loss=torch.tensor(0.7), logits=tensor, hidden=torch.randn(8, 4, 6, 2)),
        "dict": lambda: {"out": tensor, "aux": tensor + 0.1},
        "tuple": lambda: (tensor, tensor + 0.1),
        "list": lambda: [tensor, tensor + 0.1, tensor + 0.2],
        "state": lambda: (tensor, torch.randn(1, 8, 3), torch.randn(1, 8, 3)),
        "numbers": lambda: tuple(tensor.tolist()),
        "tensors": lambda: list(tensor),
        "numpy": lambda: tensor.numpy(),
    }
    return other[inside]()


@dataclass(frozen=True, eq=False)
class Built:
    """The tensors of a post, in torch's order, and the keywords."""

    tensors: Mapping[str, Any]
    arguments: Mapping[str, Any]


@cache
def _built(name: str) -> Built:
    post = next(post for post in POSTS if post["id"] == name)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(zlib.crc32(name.encode()))
        specs = post.get("tensors") or {"output": post["output"], "target": post["target"]}
        tensors = {key: _tensor(key, spec) for key, spec in specs.items()}
        return Built(tensors, {key: _argument(value) for key, value in post.get("args", {}).items()})


def _tensor(name: str, spec: Any) -> Any:
    if isinstance(spec, list):
        return spec
    made = _labels(spec) if name in ("target", "targets") else _scores(spec)
    return _held(made, spec.get("inside", ""))


def _argument(value: Any) -> Any:
    if isinstance(value, dict):
        return torch.rand(value["shape"], dtype=getattr(torch, value.get("dtype", "float32"))) + 0.5
    return value


@cache
def _checked(name: str) -> CheckResult:
    built, loss = _built(name), next(post for post in POSTS if post["id"] == name)["loss"]
    return shapecheck.check_tensors(tensors=built.tensors, loss=loss, **built.arguments).checks[0]


# --------------------------------------------------------------------------------------------------- measures


def _kinds(post: Post) -> list[str]:
    hint = post.get("hint", False)
    serious = [finding for finding in _checked(post["id"]).findings if hint or finding.severity != "note"]
    return [fix.kind for finding in serious for fix in finding.fixes]


def _torch_takes(name: str, loss: str) -> tuple[bool, bool]:
    """Whether torch computes the loss, and whether its gradient."""
    built = _built(name)
    given = [
        value.detach().requires_grad_(True)
        if place == 0 and isinstance(value, Tensor) and value.is_floating_point()
        else value
        for place, value in enumerate(built.tensors.values())
    ]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            value = getattr(F, loss)(*given, **built.arguments)
        except Exception:
            return False, False
        try:
            value.sum().backward()
        except Exception:
            return True, False
    return True, True


@pytest.mark.parametrize("post", POSTS, ids=lambda post: post["id"])
def test_the_verdict_is_that_of_torch(post: Post) -> None:
    result = _checked(post["id"])
    forward, backward = _torch_takes(post["id"], post["loss"])
    assert result.contract == ("accepts" if forward else "rejects")
    assert not any(finding.code in ("SC909", "SC100") for finding in result.findings)
    if not backward:
        assert result.findings


@pytest.mark.parametrize("post", SHOWN, ids=lambda post: post["id"])
def test_a_wrong_call_has_a_finding_with_a_fix(post: Post) -> None:
    assert set(post["fix"]) <= set(FIX_KINDS)
    assert _kinds(post)


@pytest.mark.parametrize("post", RIGHT, ids=lambda post: post["id"])
def test_a_right_call_is_quiet(post: Post) -> None:
    assert [finding.code for finding in _checked(post["id"]).findings if finding.severity != "note"] == []


def test_what_helped_comes_first() -> None:
    first = [post["id"] for post in SHOWN if _kinds(post)[:1] and _kinds(post)[0] not in post["fix"]]
    third = [post["id"] for post in SHOWN if not set(_kinds(post)[:3]) & set(post["fix"])]
    assert len(SHOWN) - len(first) >= FIRST * len(SHOWN), first
    assert len(SHOWN) - len(third) >= AMONG_THREE * len(SHOWN), third


def test_the_code_of_a_fix_has_been_run() -> None:
    """Where the first fix is an expression."""
    unrun = []
    for post in SHOWN:
        fixes = [fix for finding in _checked(post["id"]).findings for fix in finding.fixes if fix.call][:1]
        unrun += [post["id"] for fix in fixes if fix.verified != "executed"]
    assert unrun == []
