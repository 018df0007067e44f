"""What happens to the output on its way: softmax and the like, with the user's line; and the run without it."""

from __future__ import annotations

import inspect
from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from shapecheck.probe.probing import Probe, ProbeHints, probe
from shapecheck.specs import InputRequest, Observation


class Head(nn.Module):
    """A linear layer over time, and then `end`."""

    def __init__(self, end: Callable[[torch.Tensor], torch.Tensor]) -> None:
        super().__init__()
        self.conv, self.end = nn.Conv1d(1, 4, 3), end

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.end(self.conv(x))


def _probed(end: Callable[[torch.Tensor], torch.Tensor], *requests: InputRequest) -> Probe:
    torch.manual_seed(0)
    return probe(Head(end), requests, None, ProbeHints(loss="cross_entropy"))


def _kinds(end: Callable[[torch.Tensor], torch.Tensor]) -> list[tuple[str, int | None]]:
    """What the output itself is; what else the model does to its axes is of test_behaviour.py."""
    ends = ("softmax", "log_softmax", "sigmoid", "argmax", "detach")
    return [(seen.kind, seen.axis) for seen in _probed(end).observations if seen.kind in ends]


@pytest.mark.parametrize(
    ("end", "kind", "axis"),
    [
        (lambda y: F.softmax(y, dim=1), "softmax", 1),
        (lambda y: y.softmax(1), "softmax", 1),
        (lambda y: torch.softmax(y, -1), "softmax", 2),
        (nn.Softmax(dim=1), "softmax", 1),
        (nn.LogSoftmax(dim=1), "log_softmax", 1),
        (lambda y: F.softmax(y, 1).transpose(1, 2), "softmax", 2),
        (lambda y: F.softmax(y, 1).permute(0, 2, 1).contiguous().float(), "softmax", 2),
        (lambda y: F.softmax(y.transpose(1, 2).reshape(-1, 4), -1), "softmax", 1),
        (lambda y: F.softmax(y, 1)[:, :, -1], "softmax", 1),
        (lambda y: torch.stack([F.softmax(step, 1) for step in y.unbind(2)], 2), "softmax", 1),
        (lambda y: torch.log(F.softmax(y, 1)), "log_softmax", 1),
        (lambda y: F.log_softmax(y, 1), "log_softmax", 1),
        (lambda y: F.softmax(y, 0), "softmax", 0),
        (lambda y: torch.sigmoid(y), "sigmoid", None),
        (nn.Sigmoid(), "sigmoid", None),
        (lambda y: y.sigmoid().double(), "sigmoid", None),
        (lambda y: y.argmax(1), "argmax", None),
        (lambda y: y.detach(), "detach", None),
        (lambda y: torch.tanh(y.detach()), "detach", None),
        (lambda y: y.data, "detach", None),
        (lambda y: torch.from_numpy(y.detach().numpy()), "detach", None),
        (torch.no_grad()(lambda y: y * 2), "detach", None),
    ],
)
def test_what_reaches_the_output(end: Callable[[torch.Tensor], torch.Tensor], kind: str, axis: int | None) -> None:
    assert _kinds(end) == [(kind, axis)]


@pytest.mark.parametrize(
    "end",
    [
        lambda y: y,
        lambda y: F.softmax(y, 1) * y,
        lambda y: y * torch.sigmoid(y),
        lambda y: F.softmax(y, 1) @ y.transpose(1, 2),
        lambda y: torch.cat([torch.sigmoid(y[:, :2]), y[:, 2:]], 1),
        lambda y: F.softmax(y, 1) + 1,
        lambda y: y - y.detach().mean(),
    ],
)
def test_what_does_not(end: Callable[[torch.Tensor], torch.Tensor]) -> None:
    assert _kinds(end) == []


def test_the_line_is_the_users() -> None:
    def end(y: torch.Tensor) -> torch.Tensor:
        y = y * 2
        return F.softmax(y, dim=1)

    location = _probed(end).observations[0].location
    assert location is not None
    assert location.path.endswith("test_probe_watch.py")
    assert location.line == inspect.getsourcelines(end)[1] + 2


@pytest.mark.parametrize(
    "end",
    [
        lambda y: F.softmax(y, 1),
        lambda y: torch.log(F.softmax(y, 1)),
        lambda y: torch.sigmoid(y),
        lambda y: torch.stack([F.softmax(step, 1) for step in y.unbind(2)], 2),
    ],
)
def test_the_run_without_it_gives_the_logits(end: Callable[[torch.Tensor], torch.Tensor]) -> None:
    request = InputRequest((3, 1, 17))
    plain, seen = _probed(lambda y: y, request), _probed(end, request)
    assert not torch.allclose(seen.output, plain.output)
    assert torch.allclose(seen.without(seen.observations[0]), plain.output, atol=1e-6)


def test_an_inner_softmax_stays_when_the_last_one_goes() -> None:
    seen = _probed(lambda y: F.softmax(y * F.softmax(y, 2), 1))
    plain = _probed(lambda y: y * F.softmax(y, 2))
    assert torch.allclose(seen.without(seen.observations[0]), plain.output, atol=1e-6)


def test_what_cannot_be_left_out() -> None:
    seen = _probed(lambda y: y.argmax(1))
    with pytest.raises(ValueError, match="argmax"):
        seen.without(seen.observations[0])
    with pytest.raises(ValueError, match="softmax"):
        seen.without(Observation("softmax", None, 1))


def test_frozen_parameters_are_not_a_lost_gradient() -> None:
    model = nn.Linear(4, 3).requires_grad_(False)
    seen = probe(model, [], None, ProbeHints())
    assert not seen.requires_grad
    assert not seen.observations


class Predicting(nn.Module):
    """Probabilities to the user, logits to the loss."""

    def __init__(self, end: Callable[[torch.Tensor], torch.Tensor]) -> None:
        super().__init__()
        self.norm, self.head, self.end = nn.BatchNorm1d(16), nn.Linear(16, 10), end

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        logits: torch.Tensor = self.head(self.norm(x))
        return logits if self.training else self.end(logits)


@pytest.mark.parametrize(
    "end", [nn.Softmax(dim=1), nn.Sigmoid(), lambda y: y.detach(), lambda y: F.softmax(y, 1).log()]
)
def test_what_a_model_does_in_eval_mode_alone_is_no_observation(end: Callable[[torch.Tensor], torch.Tensor]) -> None:
    model = Predicting(end)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    seen = probe(model, [], None, ProbeHints(loss="cross_entropy", has_classes=True))
    assert seen.observations == ()
    assert model.training
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
