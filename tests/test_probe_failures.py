"""What is learnt from a run that failed: the arguments to blame, and what a check of the user's own wanted."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest
import torch
from torch import nn

from shapecheck.errors import ModelError
from shapecheck.probe.inputs.assertions import wanted
from shapecheck.probe.probing import ProbeHints, probe
from shapecheck.probe.runs.feeding import Argument, Call
from shapecheck.probe.runs.leaves import Recorder, watched
from shapecheck.probe.runs.running import Runner, Trial
from shapecheck.probe.runs.state import guarded
from shapecheck.probe.runs.valueless import output_shapes
from shapecheck.specs import parse_input

X = Argument("x", shape=(5, 4, 11), labels=("batch", "", "time"))
Y = Argument("y", shape=(5, 7), labels=("batch", "time"))


class Two(nn.Module):
    def __init__(self, body: Callable[[torch.Tensor, torch.Tensor], torch.Tensor]) -> None:
        super().__init__()
        self.body = body
        self.conv = nn.Conv1d(4, 3, 1)

    def forward(self, x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        return self.body(self.conv(x), y)


def _trial(model: nn.Module, call: Call) -> Trial:
    recorder = Recorder()
    with guarded(model) as guard, watched(model, recorder):
        return Runner(model, guard, recorder, time.monotonic() + 5).run(call)


@pytest.mark.parametrize(
    ("body", "blamed"),
    [
        (lambda x, y: x * y[:, 0:1, :], (1,)),
        (lambda x, y: torch.cat([x, y.unsqueeze(1)], 1), (1,)),
        (lambda x, y: x @ torch.relu(y), ()),
        (lambda x, y: sum(y.shape[9] for _ in range(2)), (1,)),
        (lambda x, y: x.view(3, 1000), ()),
    ],
)
def test_the_argument_that_the_failing_operation_took(
    body: Callable[[torch.Tensor, torch.Tensor], torch.Tensor], blamed: tuple[int, ...]
) -> None:
    trial = _trial(Two(body), (X, Y))
    assert not trial.worked
    assert trial.blamed == blamed


def test_a_layer_blames_what_arrived() -> None:
    class Net(Two):
        def forward(self, x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
            return self.conv(x) + self.conv(y.unsqueeze(0))

    assert _trial(Net(lambda x, y: x), (X, Y)).blamed == (1,)


def _check(x: torch.Tensor, frame: int = 4, sizes: tuple[int, ...] = (2, 3)) -> None:
    assert x.dim() == 2
    if len(x.shape) < 1 or x.size(-1) % frame != 0:
        raise ValueError("no")
    assert x.shape[1] > 3, "message"
    assert x.size() == (2, 4)
    assert x.shape[0] in sizes
    assert x.isfinite().all()


@pytest.mark.parametrize(
    ("shape", "words"),
    [
        ((2, 3, 4), "x.dim() == 2: expected 2 dims, but got 3 dims"),
        ((2, 6), "x.size(-1) % frame != 0: 6 is not divisible by 4"),
        ((2, 0), "x.shape[1] > 3: 0 is too small"),
        ((5, 4), "x.size() == (2, 4): Expected size 2 but got size 5"),
        ((2, 8), "x.size() == (2, 4): Expected size 4 but got size 8"),
    ],
)
def test_what_a_check_wanted(shape: tuple[int, ...], words: str) -> None:
    with pytest.raises((AssertionError, ValueError)) as raised:
        _check(torch.zeros(shape))
    assert wanted(raised.value) == words


def test_a_check_that_would_have_to_be_run_says_nothing() -> None:
    with pytest.raises(AssertionError) as raised:
        _check(torch.full((2, 4), float("nan")))
    assert wanted(raised.value) == ""


def test_what_was_wanted_is_part_of_the_message() -> None:
    class Net(nn.Linear):
        def forward(self, input: torch.Tensor) -> torch.Tensor:
            assert input.shape[1] == 4
            return super().forward(input)

    with pytest.raises(ModelError, match=r"\(input.shape\[1\] == 4: Expected size 4 but got size 9\)"):
        probe(Net(4, 3), [parse_input("5,9")], None, ProbeHints())


def test_shapes_without_values_are_those_of_a_real_run_and_leave_no_trace() -> None:
    model = nn.Sequential(
        nn.utils.parametrizations.weight_norm(nn.Conv1d(4, 8, 3)), nn.BatchNorm1d(8), nn.Flatten(0, 1)
    )
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    assert output_shapes(model, (X,)) == {"": (40, 9)}
    assert output_shapes(model, (Y,)) is None
    assert all(torch.equal(tensor, before[name]) for name, tensor in model.state_dict().items())


def test_a_model_that_needs_values_has_no_such_shapes() -> None:
    class Net(nn.Linear):
        def forward(self, input: torch.Tensor) -> torch.Tensor:
            return super().forward(input)[: int(input.sum())]

    assert output_shapes(Net(7, 3), (Y,)) is None
