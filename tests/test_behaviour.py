"""What a model does to its batch and its axes: found in models that are wrong, on the right line; not a word on right ones.

In `models/behaviour_*.py` a comment `# <- kind` marks every line that an observation has to name, `# input` and `# loss` what to
type. A class without a mark is right.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable
from functools import cache
from types import ModuleType
from typing import Any

import pytest
import torch
from helpers import MODELS, module_at
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from shapecheck.probe.behaviour.reshapes import groups, mixing, repairs, suspicious
from shapecheck.probe.probing import ProbeHints, probe
from shapecheck.specs import Observation, parse_input

torch.set_num_threads(1)
AT_THE_END = ("softmax", "log_softmax", "sigmoid", "argmax", "detach")


WRONG = [module_at(MODELS / f"behaviour_{name}.py") for name in ("mixing", "batches", "constant")]
RIGHT = module_at(MODELS / "behaviour_right.py")


def _classes(*modules: ModuleType) -> list[type[nn.Module]]:
    return [
        value
        for module in modules
        for value in vars(module).values()
        if inspect.isclass(value) and issubclass(value, nn.Module) and value.__module__ == module.__name__
    ]


@cache
def _seen(kind: type[nn.Module]) -> list[Observation]:
    """What is observed but for the calls at the end, which have tests of their own."""
    source = inspect.getsource(kind)
    inputs = [parse_input(text) for text in re.findall(r"# input (\S+)", source)]
    loss = re.findall(r"# loss (\S+)", source) or ["cross_entropy"]
    torch.manual_seed(0)
    seen = probe(kind(), inputs, None, ProbeHints(loss=loss[0], has_classes=loss == ["cross_entropy"]))
    return [one for one in seen.observations if one.kind not in AT_THE_END]


def _marked(kind: type[nn.Module]) -> set[tuple[int, str]]:
    lines, first = inspect.getsourcelines(kind)
    return {(first + n, mark) for n, line in enumerate(lines) for mark in re.findall(r"# <- ([\w-]+)", line)}


@pytest.mark.parametrize("kind", _classes(*WRONG), ids=lambda kind: kind.__name__)
def test_what_is_wrong_is_found_on_its_line(kind: type[nn.Module]) -> None:
    seen = _seen(kind)
    assert {(one.location.line, one.kind) for one in seen if one.location} == _marked(kind)
    assert all(one.remedy is None or one.remedy.verified == "executed" for one in seen)


@pytest.mark.parametrize("kind", _classes(RIGHT), ids=lambda kind: kind.__name__)
def test_what_is_right_is_left_alone(kind: type[nn.Module]) -> None:
    assert _seen(kind) == []


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("HiddenOfBothDirections", "return self.head(hidden.transpose(0, 1).reshape(tokens.size(0), -1))"),
        ("HiddenOfOneLstm", "hidden = hidden.transpose(0, 1).reshape(x.shape[0], 16)"),
        ("TimeFirstByReshape", "x = self.body(x.transpose(0, 1))"),
        ("CropsAveraged", "return scores.view(n, crops, -1).transpose(0, 1).mean(0)"),
        ("ConvThenGru", "x = x.transpose(1, 2)"),
        ("RowsForLinear", "y = self.head(x.transpose(1, 2).reshape(-1, c))"),
        ("TokensToMap", "return self.head(x.view(n, h, w, c).permute(0, 3, 1, 2))"),
        (
            "PatchesByView",
            "x = image.view(n, image.size(1), image.size(2) // 6, 6, image.size(3) // 6, 6).permute(0, 2, 4, 1, 3, 5)"
            ".reshape(n, h // p * (w // p), c * p * p)",
        ),
        (
            "WindowsPutBack",
            "x = x.reshape(n, h // 4, w // 4, x.size(1) // 4, 4, c).transpose(2, 3).reshape(n, h, w, c)",
        ),
        ("RecurrentLast", "batch_first=True"),
        ("AttentionOverSamples", "weights = F.softmax(scores, dim=-1)"),
        ("Signatures", "return 5 * F.cosine_similarity(self.embed(one), self.embed(other), dim=-1)"),
        ("SqueezedPool", "x = self.pool(F.relu(self.conv(image))).squeeze((-2, -1))"),
        ("SqueezedState", "return self.head(out[:, -1])"),
        ("WeightsOfOne", "weights = F.softmax(self.score(x), dim=1)"),
    ],
)
def test_the_line_is_rewritten(name: str, code: str) -> None:
    kind = next(kind for kind in _classes(*WRONG) if kind.__name__ == name)
    remedies = [one.remedy for one in _seen(kind)]
    assert [remedy and remedy.code for remedy in remedies] == [code]


def test_the_facts_of_each_kind() -> None:
    facts: dict[str, set[str]] = {}
    for kind in _classes(*WRONG):
        for one in _seen(kind):
            facts.setdefault(one.kind, set(one.facts)).intersection_update(one.facts)
    assert facts == {
        "samples-mixed": {"call", "before", "after", "roles_before", "roles_after", "touched"},
        "positions-mixed": {"call", "before", "after", "roles_before", "roles_after"},
        "batch-read-as-time": {"layer", "attribute"},
        "softmax-over-samples": {"call", "verb", "before", "dim", "consequence"},
        "softmax-of-one": {"call", "shape", "dim", "constant"},
        "batch-axis-lost": {"call", "before", "after", "output_one", "output_more", "of"},
        "batch-of-one-fails": {"error", "line"},
        "odd-batch-fails": {"error", "line", "size"},
        "batch-is-fixed": {"error", "line", "size", "declared"},
        "output-ignores-input": set(),
    }


# ---------------------------------------------------------------------------- reshapes, from sizes alone


@pytest.mark.parametrize(
    ("before", "after", "mixes"),
    [
        ((11, 5, 32), (5, 11, 32), True),
        ((5, 7, 11), (5, 11, 7), True),
        ((5, 7, 11), (55, 7), True),
        ((5, 36, 16), (5, 16, 6, 6), True),
        ((5, 64, 16), (5, 16, 8, 8), True),
        ((5, 3, 16, 16), (5, 16, 48), True),
        ((30, 16, 7), (5, 8, 12, 7), True),
        ((2, 5, 32), (5, 64), True),
        ((5, 256, 6, 6), (5, 1152, 8), True),
        ((5, 1, 7, 11), (5, 11, 1, 7), True),
        ((11, 5, 16), (11, 10, 8), False),  # heads
        ((5, 12, 7), (5, 6, 14), False),  # frames stacked
        ((5, 6, 14), (5, 12, 7), False),  # and unstacked
        ((5, 8, 4), (5, 4, 8), False),  # either of the two
        ((5, 20, 3, 7), (5, 420), False),
        ((5, 420), (5, 20, 3, 7), False),
        ((5, 7, 11), (5, 7, 1, 11), False),
        ((5, 0, 4), (5, 4, 0), False),
        ((), (1,), False),
    ],
)
def test_axes_mixed_by_a_reshape(before: tuple[int, ...], after: tuple[int, ...], mixes: bool) -> None:
    assert (mixing(before, after) is not None) == mixes
    assert not mixes or suspicious(before, after)


SHAPES = st.lists(st.sampled_from((1, 2, 3, 4, 5, 6, 7)), min_size=1, max_size=4).map(tuple)


@given(SHAPES, st.randoms())
def test_a_repair_is_a_permutation_that_fits(sizes: tuple[int, ...], random: Any) -> None:
    after = tuple(random.sample(sizes, len(sizes)))
    tensor = torch.arange(torch.Size(sizes).numel()).reshape(sizes)
    for repair in repairs(sizes, after)[:3]:
        split = tensor.reshape(repair.split)
        moved = split.permute(repair.order)
        assert tuple(moved.reshape(repair.after).shape) == after
        assert mixing(sizes, repair.split) is None
        assert mixing(tuple(moved.shape), after) is None


@given(SHAPES)
def test_splits_and_merges_never_mix(sizes: tuple[int, ...]) -> None:
    merged = torch.Size(sizes).numel()
    assert mixing(sizes, (merged,)) is None
    assert mixing((merged,), sizes) is None
    assert mixing(sizes, sizes) is None
    assert all(len(group.before) == len(group.after) == 1 for group in groups(sizes, sizes))


# ---------------------------------------------------------------------------- gradients


class Ended(nn.Module):
    """A linear layer, and then `end`."""

    def __init__(self, end: Callable[[torch.Tensor], torch.Tensor]) -> None:
        super().__init__()
        self.fc, self.end = nn.Linear(13, 4), end

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.end(self.fc(x))


@pytest.mark.parametrize(
    "end",
    [
        lambda y: y.detach(),
        lambda y: torch.tensor(y.tolist()),
        lambda y: torch.tensor([[value.item() for value in row] for row in y]),
        lambda y: torch.nn.functional.one_hot(y.argmax(1), 4).float(),
        lambda y: (y > 0).float(),
        lambda y: torch.from_numpy(y.detach().numpy()),
        torch.no_grad()(lambda y: y * 2),
        torch.inference_mode()(lambda y: y.clone() * 2),
    ],
)
def test_where_the_gradient_ends(end: Callable[[torch.Tensor], torch.Tensor]) -> None:
    seen = probe(Ended(end), [], None, ProbeHints(loss="mse_loss"))
    lost = [one for one in seen.observations if one.kind == "detach"]
    assert [one.location and one.location.path for one in lost] == ["tests/test_behaviour.py"]
    assert not seen.requires_grad


@pytest.mark.parametrize(
    "end",
    [
        lambda y: y + (y.round() - y).detach(),
        lambda y: y * (y > 0),
        lambda y: y - y.mean().item(),
        lambda y: y.gather(1, y.argsort(1)),
    ],
)
def test_gradients_that_go_on(end: Callable[[torch.Tensor], torch.Tensor]) -> None:
    seen = probe(Ended(end), [], None, ProbeHints(loss="mse_loss"))
    assert seen.requires_grad
    assert [one.kind for one in seen.observations] == []
