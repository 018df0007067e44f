"""Where the tensors of a running program come from, and which axes are which behind what it did to them."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset

from shapecheck.script.following import carried, trail_of
from shapecheck.script.sources import Batch, ModuleCall, Step
from shapecheck.script.tape import Tape

ROLES = ("batch", "class", "height", "width")

WAYS: dict[str, tuple[Callable[[Tensor], Tensor], tuple[str, ...] | None]] = {
    "as it is": (lambda x: x, ROLES),
    "divided": (lambda x: x / 2.0 + 1, ROLES),
    "permuted": (lambda x: x.permute(0, 2, 3, 1), ("batch", "height", "width", "class")),
    "by functions": (lambda x: torch.movedim(x, 1, -1).transpose(1, 2), ("batch", "width", "height", "class")),
    "flattened": (lambda x: x.flatten(2), ("batch", "class", "merged")),
    "rows": (lambda x: x.permute(0, 2, 3, 1).reshape(-1, 6), ("merged", "class")),
    "rows that mix": (lambda x: x.view(-1, 6), ("unknown", "unknown")),
    "averaged": (lambda x: x.mean((2, 3)), ("batch", "class")),
    "kept": (lambda x: x.mean(3, keepdim=True), ("batch", "class", "height", "unit")),
    "largest": (lambda x: x.max(1)[0], ("batch", "height", "width")),
    "one row": (lambda x: x[:, :, 2], ("batch", "class", "width")),
    "cut": (lambda x: x[..., 1:-1].contiguous(), ROLES),
    "put together": (lambda x: torch.stack([x[:, :, i] for i in range(9)], 1), ("batch", "height", "class", "width")),
    "in place": (lambda x: x.clone().unsqueeze_(1).squeeze_(1), ROLES),
    "normalised": (lambda x: nn.Softmax(dim=1)(x), ROLES),
    "cut in two": (lambda x: x.chunk(2, 1)[1], ROLES),
    "multiplied": (lambda x: x.flatten(1) @ x.flatten(1).T, None),
    "by an index": (lambda x: x[torch.arange(4), :, 1, 2], ("batch", "class")),
}


@pytest.mark.parametrize("way", WAYS)
def test_axes_are_followed_through_what_a_script_does(way: str) -> None:
    change, roles = WAYS[way]
    layer = nn.Conv2d(3, 6, 3, padding=1)
    with Tape() as tape:
        result = change(layer(torch.randn(4, 3, 9, 13)))
        trail = trail_of(tape.made(result))
    assert trail is not None
    assert carried(trail, ROLES) == roles


def test_results_are_those_without_a_tape() -> None:
    torch.manual_seed(0)
    model, data = nn.Sequential(nn.Linear(4, 5), nn.ReLU(), nn.Linear(5, 3)), torch.randn(7, 4)
    wanted = F.cross_entropy(model(data), torch.arange(7) % 3)
    with Tape(), torch.autocast("cpu", enabled=False):
        found = F.cross_entropy(model(data), torch.arange(7) % 3)
    found.backward()
    assert torch.equal(wanted, found)


def test_all_is_as_before_afterwards() -> None:
    before = nn.Module.__call__, DataLoader.__iter__, torch.compile
    with Tape():
        assert torch.compile(len) is len
    assert before == (nn.Module.__call__, DataLoader.__iter__, torch.compile)


def test_a_model_that_raises_is_running_no_more() -> None:
    class Fails(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer = nn.Linear(2, 2)

        def forward(self, x: Tensor) -> Tensor:
            raise ValueError(str(self.layer(x).shape))

    with Tape() as tape:
        with pytest.raises(ValueError):
            Fails()(torch.randn(3, 2))
        assert tape.running == ()


def test_nothing_lives_longer() -> None:
    layer = nn.Linear(3, 2)
    with Tape() as tape:
        output = layer(torch.randn(4, 3)).view(-1)
        gone = weakref.ref(output)
        del output
        gc.collect()
        assert gone() is None
        assert not len(tape._made)


def test_a_state_carried_along_does_not_pile_up() -> None:
    cell, state = nn.GRUCell(3, 2), torch.zeros(4, 2)
    with Tape() as tape:
        for _ in range(300):
            state = cell(torch.randn(4, 3), state).detach()
        made, length = tape.made(state), 0
        while made is not None:
            made, length = next(iter(getattr(made.source, "taken", ())), None), length + 1
    assert length < 100


def test_batches_are_known_and_a_criterion_is_a_part_of_the_script() -> None:
    class Criterion(nn.Module):
        def forward(self, scores: Tensor, labels: Tensor) -> Tensor:
            self.scores = scores.log_softmax(1)
            return F.nll_loss(self.scores, labels)

    criterion, layer = Criterion(), nn.Linear(3, 2)
    with Tape() as tape:
        for data, labels in DataLoader(TensorDataset(torch.randn(4, 3), torch.tensor([0, 1, 1, 0])), batch_size=2):
            criterion(layer(data.float()), labels)
        made, given = tape.made(criterion.scores), tape.made(labels)
    assert made is not None
    assert given is not None
    assert isinstance(given.source, Batch)
    assert isinstance(made.source, Step)
    assert made.source.name == "log_softmax"
    call = made.source.taken[0].source
    assert isinstance(call, ModuleCall)
    assert call.module is layer
    assert call.real is not None
    assert call.real.args[0].shape == (2, 3)


def test_a_paused_tape_sees_nothing() -> None:
    layer = nn.Linear(3, 2)
    with Tape() as tape, tape.paused():
        assert tape.made(layer(torch.randn(4, 3))) is None
