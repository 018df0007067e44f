"""A probe leaves no trace on the user's model, nor on random numbers."""

from __future__ import annotations

import copy
import random
import sys
from pathlib import Path
from typing import Any

import numpy
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from shapecheck.errors import ModelError
from shapecheck.probe.probing import ProbeHints, probe
from shapecheck.probe.runs.state import guarded

sys.path.insert(0, str(Path(__file__).parent / "models"))
import delicate

sys.path.pop(0)


class Restless(nn.Module):
    """Does to itself whatever it is told to in every forward pass."""

    def __init__(self, habits: frozenset[str], fails: bool) -> None:
        super().__init__()
        self.habits, self.fails = habits, fails
        self.fc = nn.Sequential(nn.Linear(6, 4), nn.BatchNorm1d(4), nn.Dropout(0.5), nn.Linear(4, 3))
        self.register_buffer("average", torch.zeros(6))
        self.count, self.items, self.names, self.cache = 0, [1], {"a": 1}, torch.ones(3)
        self.kept: Any = None

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        habits = self.habits
        if "buffer in place" in habits:
            self.average.add_(1.0)
        if "new buffer" in habits:
            self.average = self.average + 1.0
        if "plain tensor" in habits:
            self.cache.mul_(2.0)
        if "counter" in habits:
            self.count += 1
        if "containers" in habits:
            self.items.append(2)
            self.names["b"] = 2
        if "cache" in habits:
            self.kept = x
            self.made_up = x
        if "parameter" in habits:
            self.fc[0].weight.data.add_(0.1)
        if "gradient" in habits:
            self.fc[0].weight.grad = torch.ones_like(self.fc[0].weight)
        if "mode" in habits:
            self.train()
        if "random" in habits:
            x = x + torch.rand(1) + random.random() + float(numpy.random.rand())
        if self.fails:
            raise RuntimeError("as told")
        return self.fc(x)


HABITS = (
    "buffer in place",
    "new buffer",
    "plain tensor",
    "counter",
    "containers",
    "cache",
    "parameter",
    "gradient",
    "mode",
    "random",
)


def _portrait(model: Restless) -> dict[str, Any]:
    return {
        "state": {name: value.clone() for name, value in model.state_dict().items()},
        "training": [module.training for module in model.modules()],
        "gradients": [None if p.grad is None else p.grad.clone() for p in model.parameters()],
        "plain": copy.deepcopy({name: getattr(model, name) for name in ("count", "items", "names", "cache", "kept")}),
        "attributes": sorted(vars(model)),
        "hooks": [len(m._forward_hooks) + len(m._forward_pre_hooks) for m in model.modules()],
        "random": (torch.get_rng_state(), random.getstate(), numpy.random.get_state()[1].tolist()),
    }


def _same(one: Any, other: Any) -> bool:
    if isinstance(one, torch.Tensor):
        return isinstance(other, torch.Tensor) and torch.equal(one, other)
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(_same(one[key], other[key]) for key in one)
    if isinstance(one, (list, tuple)):
        return len(one) == len(other) and all(_same(a, b) for a, b in zip(one, other, strict=True))
    return bool(one == other)


@settings(max_examples=40, deadline=None)
@given(habits=st.frozensets(st.sampled_from(HABITS)), training=st.booleans(), fails=st.booleans(), graded=st.booleans())
def test_everything_is_as_it_was(habits: frozenset[str], training: bool, fails: bool, graded: bool) -> None:
    model = Restless(habits, fails)
    model.train(training)
    model.fc[2].train(not training)
    if graded:
        for parameter in model.parameters():
            parameter.grad = torch.full_like(parameter, 2.0)
    before = _portrait(model)
    if fails:
        with pytest.raises(ModelError):
            probe(model, [], None, ProbeHints(budget_seconds=0.2))
    else:
        probe(model, [], None, ProbeHints(loss="cross_entropy"))
    assert _same(before, _portrait(model))


def test_the_model_runs_in_eval_mode() -> None:
    seen = []

    class Looks(nn.Linear):
        def forward(self, input: torch.Tensor) -> torch.Tensor:
            seen.append(self.training)
            return super().forward(input)

    model = Looks(4, 3)
    probe(model, [], None, ProbeHints())
    assert seen
    assert not any(seen)
    assert model.training


def test_a_pending_backward_stays_valid() -> None:
    """Writing to a parameter, even the same values, would make autograd refuse."""
    model = nn.Linear(4, 3)
    output = (model(torch.rand(2, 4)) ** 2).sum()
    probe(model, [], None, ProbeHints())
    output.backward()
    assert model.weight.grad is not None


def test_an_error_inside_the_block_restores_too() -> None:
    model = Restless(frozenset({"counter"}), fails=False)

    def interrupted() -> None:
        with guarded(model):
            model(torch.rand(5, 6))
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert model.count == 0
    assert model.training


@pytest.mark.parametrize(
    "name",
    [
        name
        for name, value in vars(delicate).items()
        if getattr(value, "__module__", "") == "delicate" and not name.startswith("_")
    ],
)
@pytest.mark.filterwarnings("ignore::FutureWarning", "ignore::DeprecationWarning")
def test_delicate_models_run_and_stay_as_they_were(name: str) -> None:
    model = getattr(delicate, name)()
    before = {key: copy.deepcopy(value) for key, value in model.state_dict().items()}
    seen = probe(model, [], None, ProbeHints(loss="cross_entropy"))
    assert seen.axes == ("batch", "class")
    assert seen.requires_grad
    assert seen.engine == ("fake" if name == "PartlyNowhere" else "real")
    after = model.state_dict()
    assert before.keys() == after.keys()
    assert all(value.dtype == after[key].dtype for key, value in before.items() if name != "Unsized")
    dense = [key for key, value in before.items() if not (value.is_sparse or value.is_meta or name == "Unsized")]
    assert all(torch.equal(before[key], after[key]) for key in dense)
