"""A probe that starts from a real call: sizes may coincide, containers are the user's own, and nothing is left behind."""

from __future__ import annotations

import random
from collections import UserDict, namedtuple
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from shapecheck.errors import ModelError
from shapecheck.probe.inputs.real import RealCall, call_of
from shapecheck.probe.probing import Probe, ProbeHints, probe
from shapecheck.probe.runs.feeding import feed, resize, tensors_in
from shapecheck.specs import parse_input

torch.set_num_threads(1)


def ids(*shape: int, high: int = 50) -> Tensor:
    return torch.randint(1, high, shape, generator=torch.Generator().manual_seed(0))


def scores(*shape: int) -> Tensor:
    return torch.rand(shape, generator=torch.Generator().manual_seed(0))


class Tagger(nn.Module):
    """(N, T) to (N, T, C), with as many classes as steps."""

    def __init__(self, batch_first: bool = True) -> None:
        super().__init__()
        self.embed, self.head = nn.Embedding(50, 16), nn.Linear(16, 12)
        self.rnn = nn.LSTM(16, 16, batch_first=batch_first)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.head(self.rnn(self.embed(x))[0])
        return out


class Packed(Tagger):
    def forward(self, x: Tensor, lengths: Tensor) -> Tensor:  # type: ignore[override]
        packed = pack_padded_sequence(self.embed(x), lengths, batch_first=True)
        out: Tensor = self.head(pad_packed_sequence(self.rnn(packed)[0], batch_first=True)[0])
        return out


class Masked(nn.Module):
    """Steps against steps, and a batch that is as long."""

    def __init__(self) -> None:
        super().__init__()
        self.embed, self.head = nn.Embedding(50, 16), nn.Linear(16, 10)
        self.layer = nn.TransformerEncoderLayer(16, 2, batch_first=True)

    def forward(self, x: Tensor, mask: Tensor, pad: Tensor) -> Tensor:
        out: Tensor = self.head(self.layer(self.embed(x), src_mask=mask, src_key_padding_mask=pad))
        return out


class Segmenter(nn.Module):
    """As many samples and classes as rows and columns."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 12, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.conv(x)
        return out.permute(0, 2, 3, 1)


class Branches(nn.Module):
    """A list of two in training, one tensor otherwise; its own dropout stays quiet."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.head, self.drop = nn.Conv2d(3, 8, 3, padding=1), nn.Linear(8, 8), nn.Dropout(0.5)

    def forward(self, x: Tensor) -> Any:
        pooled = self.conv(x).mean((2, 3))
        out = self.head(self.drop(pooled))
        return [out, self.head(pooled)] if self.training else out


class Graph(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.head = nn.Linear(9, 4)

    def forward(self, x: Tensor, edge_index: Tensor) -> Tensor:
        return self.head(x).index_add(0, edge_index[1], self.head(x)[edge_index[0]])  # type: ignore[no-any-return]


class Dense(Graph):
    def forward(self, x: Tensor, adjacency: Tensor) -> Tensor:
        out: Tensor = adjacency @ self.head(x)
        return out


class Film(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(1, 4, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        n, t = x.shape[:2]
        return self.conv(x.flatten(0, 1)).mean((2, 3)).view(n, t, -1)  # type: ignore[no-any-return]


class Counting(Tagger):
    """All that a forward pass may leave behind."""

    def __init__(self) -> None:
        super().__init__()
        self.norm, self.calls = nn.BatchNorm1d(12), 0

    def forward(self, x: Tensor) -> Tensor:
        self.calls += 1
        random.random()
        return self.norm(super().forward(F.dropout(x.float(), 0.0).long()).transpose(1, 2))  # type: ignore[no-any-return]


Pair = namedtuple("Pair", ["tokens", "extra"])


@dataclass
class Fields:
    tokens: Tensor
    scale: float = 2.0


class Keyed:
    """As the data of a graph are: by key, and kept elsewhere."""

    def __init__(self, **values: Any) -> None:
        self._store = {"values": values}

    def keys(self) -> list[str]:
        return list(self._store["values"])

    def __getitem__(self, key: str) -> Any:
        return self._store["values"][key]

    def __setitem__(self, key: str, value: Any) -> None:
        self._store["values"][key] = value

    def __copy__(self) -> Keyed:
        return Keyed(**self._store["values"])

    def __getattr__(self, name: str) -> Any:
        if name == "_store" or name not in self._store["values"]:
            raise AttributeError(name)
        return self._store["values"][name]


class Inside(nn.Module):
    """Takes its tokens out of whatever holds them."""

    def __init__(self) -> None:
        super().__init__()
        self.tagger = Tagger()

    def forward(self, batch: Any, *, offset: int = 0) -> Mapping[str, Tensor]:
        tokens = batch["tokens"] if isinstance(batch, Mapping | UserDict) else getattr(batch, "tokens", None)
        return {"logits": self.tagger(batch[0] if tokens is None else tokens) + offset}


def probed(model: nn.Module, *args: Any, training: bool | None = True, **kwargs: Any) -> Probe:
    hints = ProbeHints(loss="cross_entropy")
    return probe(model.train(training is not False), (), None, hints, real=RealCall(args, kwargs, training))


FORWARD_MASK = torch.full((10, 10), float("-inf")).triu(1)
LENGTHS = torch.tensor([12, 11, 9, 9, 8, 7, 4, 3, 2, 1] + [1] * 22)
CALLS: Mapping[str, tuple[nn.Module, Sequence[Any], str, tuple[int, ...]]] = {
    "as many classes as steps": (Tagger(), [ids(32, 12)], "batch time class", (32, 12, 12)),
    "as many samples as steps": (Tagger(), [ids(12, 12)], "batch time class", (12, 12, 12)),
    "time first": (Tagger(False), [ids(12, 12)], "time batch class", (12, 12, 12)),
    "a batch of one": (Tagger(), [ids(1, 12)], "batch time class", (1, 12, 12)),
    "lengths": (Packed(), [ids(32, 12), LENGTHS], "batch time class", (32, 12, 12)),
    "masks": (Masked(), [ids(10, 10), FORWARD_MASK, torch.zeros(10, 10).bool()], "batch time class", (10, 10, 10)),
    "cubes": (Segmenter(), [scores(12, 3, 12, 12)], "batch height width class", (12, 12, 12, 12)),
    "many samples": (nn.Sequential(nn.Flatten(), nn.Linear(784, 10)), [scores(300, 1, 28, 28)], "batch class", (300, 10)),
    "edges": (Graph(), [scores(40, 9), ids(2, 90, high=40)], "batch class", (40, 4)),
    "adjacency": (Dense(), [scores(40, 9), scores(40, 40)], "batch class", (40, 4)),
    "film": (Film(), [scores(6, 6, 1, 8, 8)], "batch time class", (6, 6, 4)),
}  # fmt: skip


@pytest.mark.parametrize("name", CALLS)
def test_axes_are_told_by_varying_them(name: str) -> None:
    model, args, axes, shape = CALLS[name]
    seen = probed(model, *args)
    assert (" ".join(seen.axes), tuple(seen.output.shape)) == (axes, shape)
    assert [each.origin for each in seen.inputs] == ["data"] * len(args)
    assert [each.shape for each in seen.inputs] == [tuple(arg.shape) for arg in args]
    assert seen.observations == ()


@pytest.mark.parametrize(
    "batch",
    [
        {"tokens": ids(8, 12), "name": "x"},
        UserDict({"tokens": ids(8, 12)}),
        Pair(ids(8, 12), 3),
        [ids(8, 12)],
        Fields(ids(8, 12)),
        SimpleNamespace(tokens=ids(8, 12)),
        Keyed(tokens=ids(8, 12)),
    ],
    ids=lambda batch: type(batch).__name__,
)
def test_containers_are_made_again(batch: Any) -> None:
    seen = probed(Inside(), batch, offset=0)
    assert (seen.axes, seen.output_path) == (("batch", "time", "class"), "logits")
    assert seen.inputs[0].name in ("batch.tokens", "batch.0")


def test_a_keyword_may_hold_several() -> None:
    seen = probed(Inside(), batch={"tokens": ids(8, 12)})
    assert seen.axes == ("batch", "time", "class")


@pytest.mark.parametrize(("training", "path"), [(True, "0"), (False, ""), (None, "")])
def test_what_the_loss_is_fed_is_what_the_mode_gives(training: bool | None, path: str) -> None:
    hints = ProbeHints(loss="cross_entropy")
    seen = probe(Branches(), (), path, hints, real=RealCall((scores(16, 3, 8, 8),), training=training))
    assert (seen.output_path, seen.axes) == (path, ("batch", "class"))
    assert seen.observations == ()


@pytest.mark.parametrize("training", [True, False])
def test_nothing_is_left_behind(training: bool) -> None:
    model, x = Counting().train(training), ids(16, 12)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    x_before, state, plain = x.clone(), torch.get_rng_state(), random.getstate()
    seen = probed(model, x, training=training)
    assert seen.axes == ("batch", "class", "time")
    assert torch.equal(state, torch.get_rng_state())
    assert plain == random.getstate()
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert (model.calls, model.training, model.norm.training) == (0, training, training)
    assert torch.equal(x, x_before)


def test_a_call_that_cannot_be_made_again_is_searched_for() -> None:
    seen = probed(nn.Linear(3, 4), scores(5, 3).to_sparse())
    assert [each.origin for each in seen.inputs] == ["inferred"]
    assert "could not be run again on what it was called with" in seen.notes[0]


def test_a_call_that_is_needed_fails_with_its_own_words() -> None:
    real = RealCall((scores(8, 12, 12, 3),), needed=True)
    with pytest.raises(ModelError, match=r"Segmenter fails on what the data give: x \(8, 12, 12, 3\)") as caught:
        probe(Segmenter(), (), None, ProbeHints(), real=real)
    assert caught.value.code == "SC904"


def test_what_was_typed_comes_first() -> None:
    seen = probe(Tagger(), [parse_input("N,7:int64")], None, ProbeHints(), real=RealCall((ids(8, 12),)))
    assert (seen.inputs[0].origin, seen.inputs[0].shape[1]) == ("flag", 7)


@pytest.mark.parametrize(("requires", "wanted"), [(True, True), (False, False)])
def test_gradient_of_an_earlier_module_goes_through(requires: bool, wanted: bool) -> None:
    frozen = nn.Linear(6, 4).requires_grad_(False)
    x = scores(8, 6).requires_grad_(requires) * 2
    assert probed(frozen, x).requires_grad is wanted


def test_samples_that_read_each_other_are_found_at_real_sizes() -> None:
    class Mixed(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.rnn, self.head = nn.GRU(6, 8), nn.Linear(8, 4)

        def forward(self, x: Tensor) -> Tensor:
            x = x.view(x.size(1), x.size(0), -1)
            return self.head(self.rnn(x)[0][-1])  # type: ignore[no-any-return]

    assert "samples-mixed" in [one.kind for one in probed(Mixed(), scores(6, 6, 6)).observations]


# ---------------------------------------------------------------------------- values at other sizes


def made(model: nn.Module, sizes: Mapping[tuple[int, int], int], *args: Any) -> list[Tensor]:
    call = call_of(model, RealCall(args))
    for where, size in sizes.items():
        call = resize(call, [where], size)
    return list(tensors_in(feed(call)))


@pytest.mark.parametrize("size", [1, 3, 8, 13, 40])
def test_values_stay_those_of_the_sample(size: int) -> None:
    x = ids(8, 12)
    (longer,) = made(Tagger(), {(0, 0): size, (0, 1): size}, x)
    assert longer.shape == (size, size)
    assert set(longer.unique().tolist()) <= set(x.unique().tolist())


def test_padding_stays_at_the_end_and_lengths_stay_sorted() -> None:
    mask = torch.arange(12) < LENGTHS[:8, None]
    call = call_of(Masked(), RealCall((ids(8, 12), FORWARD_MASK, mask)))
    longer = list(tensors_in(feed(resize(resize(call, [(2, 1)], 17), [(2, 0)], 11))))[2].int()
    assert bool((longer.diff(dim=1) <= 0).all())
    lengths = made(Packed(), {(1, 0): 50}, ids(32, 12), LENGTHS)[1]
    assert bool((lengths.diff() <= 0).all())
    assert (int(lengths.max()), int(lengths.min())) == (12, 1)


def test_other_seeds_give_other_values_of_the_same_range() -> None:
    call = call_of(Graph(), RealCall((scores(40, 9), ids(2, 90, high=40))))
    (x, edges), (x2, edges2) = tensors_in(feed(call)), tensors_in(feed(call, 1))
    assert not torch.equal(x, x2)
    assert not torch.equal(edges, edges2)
    assert set(edges2.unique().tolist()) <= set(edges.unique().tolist())
