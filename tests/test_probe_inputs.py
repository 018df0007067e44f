"""Inputs the user types, inputs models declare, and what is said when they do not fit."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from shapecheck.errors import ModelError, UserError
from shapecheck.probe.probing import Probe, ProbeHints, probe
from shapecheck.probe.runs import running
from shapecheck.probe.runs.effort import effort
from shapecheck.specs import parse_input


def _probed(model: nn.Module, *texts: str, loss: str = "cross_entropy") -> Probe:
    return probe(model, [parse_input(text) for text in texts], None, ProbeHints(loss=loss))


class Tagger(nn.Module):
    def __init__(self, words: int = 40) -> None:
        super().__init__()
        self.emb, self.rnn, self.fc = nn.Embedding(words, 8), nn.GRU(8, 8, batch_first=True), nn.Linear(8, 4)

    def forward(self, tokens: torch.Tensor, mask: torch.Tensor | None = None) -> torch.Tensor:
        x = self.emb(tokens)
        x = x if mask is None else x * mask.unsqueeze(-1)
        return self.fc(self.rnn(x)[0])


def test_numbers_are_used_as_given() -> None:
    seen = _probed(nn.Conv1d(1, 6, 3), "4,1,16")
    assert seen.inputs[0].shape == (4, 1, 16)
    assert seen.inputs[0].origin == "flag"
    assert seen.output.shape == (4, 6, 14)
    assert seen.axes == ("batch", "class", "time")
    assert seen.sizes == {"N": 4, "C": 6, "T": 16, "L": 16}


def test_names_are_given_sizes_that_work_and_are_bound() -> None:
    seen = _probed(nn.Sequential(nn.Conv1d(1, 4, 400), nn.ReLU(), nn.Conv1d(4, 6, 3)), "B,1,Samples")
    assert seen.sizes["B"] == seen.sizes["N"] == seen.inputs[0].shape[0]
    assert seen.sizes["Samples"] == seen.inputs[0].shape[2] >= 402
    assert seen.axes == ("batch", "class", "time")


def test_equal_names_are_equal_sizes() -> None:
    seen = _probed(Tagger(), "N,T", "mask=N,T:float32")
    assert [given.shape for given in seen.inputs] == [(seen.sizes["N"], seen.sizes["T"])] * 2
    assert seen.inputs[0].dtype == "int64"
    assert seen.axes == ("batch", "time", "class")


def test_a_given_dtype_is_kept() -> None:
    seen = _probed(nn.Linear(4, 3).double(), "N,4:float64")
    assert seen.inputs[0].dtype == "float64"
    assert seen.output.dtype == torch.float64


def test_doubles_are_found_for_a_double_model() -> None:
    assert _probed(nn.Linear(4, 3).double()).inputs[0].dtype == "float64"


def test_equal_numbers_do_not_confuse_the_axes() -> None:
    seen = _probed(nn.Conv1d(5, 5, 3, padding=1), "5,5,5")
    assert seen.axes == ("batch", "class", "time")
    assert len(seen.notes) == 3


def test_an_input_that_does_not_fit_quotes_torch_and_the_first_layer() -> None:
    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv = nn.Conv1d(1, 4, 3)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.conv(x)

    with pytest.raises(ModelError) as raised:
        _probed(Net(), "4,16,1")
    error = raised.value
    assert error.code == "SC904"
    assert "x (4, 16, 1) float32" in error.message
    assert "expected input[4, 16, 1] to have 1 channels, but got 16 channels instead" in error.message
    assert error.hint is not None
    assert "Conv1d wants (N, 1, T)" in error.hint
    assert error.location is not None
    assert error.location.path.endswith("test_probe_inputs.py")


def test_an_unknown_name_says_the_nearest() -> None:
    with pytest.raises(UserError) as raised:
        _probed(Tagger(), "token=N,T")
    assert raised.value.hint is not None
    assert "did you mean 'tokens'" in raised.value.hint


def test_too_many_inputs() -> None:
    with pytest.raises(UserError, match="forward takes 2: tokens, mask"):
        _probed(Tagger(), "N,T", "N,T", "N")


def test_a_huge_input_is_refused_before_it_is_made() -> None:
    with pytest.raises(UserError, match="GiB"):
        _probed(nn.Conv1d(1, 6, 3), "100000,1,1000000")


def test_an_example_that_the_model_carries_is_used() -> None:
    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.example_input_array = torch.zeros(2, 9, 4)
            self.weight = nn.Parameter(torch.rand(4, 6))

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            assert x.shape[-1] == 4
            return x @ self.weight

    seen = _probed(Net())
    assert seen.inputs[0].origin == "model"
    assert seen.axes == ("batch", "time", "class")


def test_dummy_inputs_come_by_name() -> None:
    class Net(Tagger):
        @property
        def dummy_inputs(self) -> dict[str, torch.Tensor]:
            return {"tokens": torch.tensor([[3, 1, 2]]), "mask": torch.ones(1, 3)}

    seen = _probed(Net())
    assert [given.name for given in seen.inputs] == ["tokens", "mask"]
    assert seen.axes == ("batch", "time", "class")


def test_a_property_that_raises_is_passed_over() -> None:
    class Net(nn.Linear):
        @property
        def example_input_array(self) -> torch.Tensor:
            raise RuntimeError("not yet")

    assert _probed(Net(4, 3)).inputs[0].shape == (5, 4)


def test_optional_inputs_that_are_needed_after_all() -> None:
    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.a, self.b = nn.Linear(4, 3), nn.Linear(6, 3)

        def forward(self, x: torch.Tensor, c: torch.Tensor | None = None) -> torch.Tensor:
            if c is None:
                raise ValueError("c is required here")
            return self.a(x) + self.b(c)

    seen = _probed(Net())
    assert [given.shape[1] for given in seen.inputs] == [4, 6]


def test_index_values_stay_in_the_range_of_one_hot() -> None:
    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.fc = nn.Linear(4, 3)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.fc(F.one_hot(x, 4).float())

    assert _probed(Net(), "N,T:int64").axes == ("batch", "time", "class")


def test_a_model_that_exits_is_an_error_not_an_exit() -> None:
    class Net(nn.Linear):
        def forward(self, input: torch.Tensor) -> torch.Tensor:
            raise SystemExit(3)

    with pytest.raises(ModelError, match="fails on") as raised:
        _probed(Net(4, 3), "5,4")
    assert "sys.exit(3)" in raised.value.message


def test_the_budget_ends_the_search() -> None:
    import time

    class Net(nn.Linear):
        def forward(self, input: torch.Tensor) -> torch.Tensor:
            time.sleep(0.05)
            raise RuntimeError("no")

    started = time.monotonic()
    with pytest.raises(ModelError):
        probe(Net(4, 3), [], None, ProbeHints(budget_seconds=0.2))
    assert time.monotonic() - started < 2


def test_what_the_model_prints_is_printed_at_most_once(capsys: pytest.CaptureFixture[str]) -> None:
    class Net(nn.Linear):
        def forward(self, input: torch.Tensor) -> torch.Tensor:
            print("hello")
            return super().forward(input)

    _probed(Net(4, 3))
    assert capsys.readouterr().out.count("hello") == 1


class Unpacking(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.emb, self.rnn, self.bands = nn.Embedding(40, 8), nn.GRU(8, 8, batch_first=True), nn.Linear(20, 8)
        self.out, self.n_mels = nn.Linear(8, 4), 20

    def forward(self, inputs):  # type: ignore[no-untyped-def]
        text, lengths, mels, max_len = inputs
        packed = nn.utils.rnn.pack_padded_sequence(
            self.emb(text), lengths.cpu(), batch_first=True, enforce_sorted=False
        )
        seen = nn.utils.rnn.pad_packed_sequence(self.rnn(packed)[0], batch_first=True, total_length=max_len)[0]
        return self.out(seen + self.bands(mels.transpose(1, 2)).mean(1, keepdim=True))


class Numbered(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conditions, self.emb, self.out = nn.Conv1d(6, 8, 1), nn.Embedding(40, 8), nn.Conv1d(8, 4, 1)

    def forward(self, forward_input):  # type: ignore[no-untyped-def]
        features = forward_input[0]
        forward_input = forward_input[1]
        x = self.emb(forward_input).transpose(1, 2)
        return self.out(x + self.conditions(features).mean(-1, keepdim=True))


def test_a_tuple_that_is_taken_apart_is_given_as_one() -> None:
    seen = _probed(Unpacking())
    assert [given.name for given in seen.inputs] == ["inputs.text", "inputs.mels", "inputs.lengths"]
    assert seen.inputs[1].shape[1] == 20
    assert seen.axes == ("batch", "time", "class")


def test_a_tuple_whose_entries_are_taken_by_number_is_given_as_one() -> None:
    seen = _probed(Numbered())
    assert [given.name for given in seen.inputs] == ["forward_input.features", "forward_input.forward_input"]
    assert seen.axes == ("batch", "class", "time")


def test_entries_of_a_tuple_can_be_typed() -> None:
    seen = _probed(Numbered(), "forward_input.forward_input=N,T:int64", "forward_input.features=N,6,23")
    assert [given.shape[1:] for given in seen.inputs if given.name.endswith("features")] == [(6, 23)]


class NextWord(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.emb, self.head = nn.Embedding(40, 8), nn.Linear(8, 40)

    def forward(self, idx: torch.Tensor, targets: torch.Tensor | None = None):  # type: ignore[no-untyped-def]
        x = self.emb(idx)
        if targets is None:
            return self.head(x[:, [-1]]), None
        logits = self.head(x)
        return logits, F.cross_entropy(logits.view(-1, 40), targets.view(-1))


class LossBeside(NextWord):
    def forward(self, idx: torch.Tensor, labels: torch.Tensor | None = None):  # type: ignore[no-untyped-def]
        logits = self.head(self.emb(idx))
        return logits if labels is None else (F.cross_entropy(logits.flatten(0, 1), labels.flatten()), logits)


def test_what_a_model_gives_in_training_is_seen_with_labels() -> None:
    seen = _probed(NextWord())
    assert seen.axes == ("batch", "time", "class")
    assert [given.name for given in seen.inputs] == ["idx", "targets"]


def test_labels_that_only_add_a_loss_are_left_out() -> None:
    assert [given.name for given in _probed(LossBeside()).inputs] == ["idx"]


class Heavy(nn.Module):
    """So many products that a batch of the usual size is not run to its end."""

    def __init__(self) -> None:
        super().__init__()
        self.convs = nn.ModuleList(nn.Conv2d(32, 32, 3, padding=1) for _ in range(3))
        self.out = nn.Conv2d(32, 2, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        for conv in self.convs:
            x = conv(x)
        return self.out(x)


def test_a_try_that_is_too_much_work_is_made_with_fewer_samples(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(running, "MOST_WORK", 8e-3)
    assert _probed(Heavy()).axes == ("batch", "class", "height", "width")


def test_work_is_counted_and_not_measured() -> None:
    x, weight = torch.zeros(2, 8), torch.zeros(4, 8)
    assert effort(F.linear, (x, weight), {}, F.linear(x, weight)) == effort(
        F.linear, (x, weight), {}, torch.zeros(2, 4)
    )
    larger = torch.zeros(20_000, 8)
    assert effort(F.linear, (larger, weight), {}, F.linear(larger, weight)) > effort(
        F.linear, (x, weight), {}, x[:, :4]
    )
