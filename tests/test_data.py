"""--data and check(..., data=...): what counts as data, what is taken of a batch, what is measured, and what is said."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset, IterableDataset, Subset, TensorDataset

import shapecheck
from shapecheck import ModelError, Report, cli
from shapecheck.errors import CheckError
from shapecheck.probe.inputs.splitting import split
from shapecheck.probe.loading.data import data_of, load_data

torch.set_num_threads(1)


def numbers(*shape: int) -> Tensor:
    return torch.rand(shape, generator=torch.Generator().manual_seed(0))


def labels(*shape: int, classes: int = 5) -> Tensor:
    drawn = torch.randint(classes, shape, generator=torch.Generator().manual_seed(0))
    drawn.view(-1)[0], drawn.view(-1)[-1] = 0, classes - 1
    return drawn


class Net(nn.Module):
    """(N, 4) to (N, 5)."""

    def __init__(self, units: int = 5) -> None:
        super().__init__()
        self.head = nn.Linear(4, units)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.head(x)
        return out


class Squeezed(Net):
    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x).squeeze()


class Normed(Net):
    def __init__(self) -> None:
        super().__init__()
        self.norm = nn.BatchNorm1d(5)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.norm(super().forward(x))
        return out


class Steps(nn.Module):
    """(N, T) to (N, T, 12): classes last."""

    def __init__(self) -> None:
        super().__init__()
        self.embed, self.head = nn.Embedding(50, 8), nn.Linear(8, 12)

    def forward(self, tokens: Tensor, attention_mask: Tensor | None = None) -> Tensor:
        out: Tensor = self.head(self.embed(tokens))
        return out


class NextWord(Steps):
    def forward(self, idx: Tensor, targets: Tensor | None = None) -> Tensor:  # type: ignore[override]
        out = super().forward(idx)
        return out[:, [-1]] if targets is None else out


class Samples(Dataset[Any]):
    """In the order of their labels."""

    def __init__(self, count: int = 40, most: int = 4) -> None:
        self.count, self.most = count, most

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, index: int) -> Any:
        return numbers(4), index * (self.most + 1) // self.count


class Named(Samples):
    def __getitem__(self, index: int) -> Any:
        return {"x": numbers(4), "label": index % 5, "file": f"{index}.png"}


class Stream(IterableDataset[Any]):
    def __iter__(self) -> Iterator[Any]:
        yield from ((numbers(4), index % 5) for index in range(30))


class Ragged(Samples):
    def __getitem__(self, index: int) -> Any:
        return numbers(index + 1, 4), labels(index + 1)


class Module:
    """As a data module of Lightning's is used."""

    ready = False

    def setup(self, stage: str) -> None:
        self.ready = stage == "fit"

    def train_dataloader(self) -> DataLoader[Any]:
        assert self.ready
        return DataLoader(Samples(), batch_size=8)


class Loader:
    """One of the user's own."""

    def __iter__(self) -> Iterator[Any]:
        yield from ((numbers(8, 4), labels(8)) for _ in range(3))


def loader(x: Tensor | None = None, y: Tensor | None = None, **options: Any) -> DataLoader[Any]:
    x, y = numbers(40, 4) if x is None else x, labels(40) if y is None else y
    return DataLoader(TensorDataset(x, y), **{"batch_size": 8, **options})


def a_function() -> DataLoader[Any]:
    return loader()


PLAIN: Mapping[str, Callable[[], Any]] = {
    "loader": loader,
    "shuffled with workers": lambda: loader(shuffle=True, num_workers=2, persistent_workers=True),
    "dataset": Samples,
    "dataset of dicts": Named,
    "iterable dataset": Stream,
    "loader of an iterable dataset": lambda: DataLoader(Stream(), batch_size=4),
    "subset": lambda: Subset(Samples(), range(10)),
    "data module": Module,
    "list of batches": lambda: [(numbers(8, 4), labels(8))] * 3,
    "list of samples": lambda: [(numbers(4), 3)] * 9,
    "generator": lambda: iter(Loader()),
    "own loader": Loader,
    "one batch": lambda: (numbers(8, 4), labels(8)),
    "one batch as a list": lambda: [numbers(8, 4), labels(8)],
    "one batch as a dict": lambda: {"x": numbers(8, 4), "y": labels(8)},
    "arrays": lambda: (numbers(8, 4).numpy(), labels(8).numpy()),
    "double": lambda: (numbers(8, 4).double(), labels(8)),
    "function": lambda: a_function,
    "class": lambda: Samples,
    "two loaders": lambda: (loader(), loader(y=labels(40) + 90)),
    "loaders by name": lambda: {"val": loader(y=labels(40) + 90), "train": loader()},
}  # fmt: skip


@pytest.mark.parametrize("name", PLAIN)
def test_what_gives_batches_is_data(name: str) -> None:
    report = shapecheck.check(Net(), "cross_entropy", data=PLAIN[name]())
    (check,) = report.checks
    assert (report.ok, check.contract) == (True, "accepts"), str(report)
    assert {each.origin for each in check.inputs} == {"data"}
    assert check.tensors["target"].origin == "data"
    assert not any("not checked" in note for note in check.notes)


NOTHING: Mapping[str, tuple[Any, str]] = {
    "a number": (3, "is an int, which holds no batches"),
    "text": ("train", "is a str, which holds no batches"),
    "a model": (nn.Linear(3, 4), "is a Linear, which holds no batches"),
    "an empty list": ([], "is a list without a single batch"),
    "an empty loader": (DataLoader(Samples(0), batch_size=4), "without a single batch"),
    "an empty dataset": (Samples(0), "without a single batch"),
    "words": (["a", "b"], "what data gives first is a str, with no tensor in it"),
    "None": (lambda: None, "is None, which holds no batches"),
    "a function of arguments": (lambda folder, size: None, "data needs folder, size"),
    "one that fails": (
        lambda: Path("not-there.csv").read_text(encoding="utf-8"),
        "taking a batch of data raises FileNotFoundError",
    ),
}


@pytest.mark.parametrize("name", NOTHING)
def test_what_gives_none_is_said(name: str) -> None:
    value, words = NOTHING[name]
    with pytest.raises(ModelError) as caught:
        data_of(value)
    assert words in caught.value.message
    assert caught.value.hint
    assert caught.value.code in ("SC901", "SC902")


def test_peeking_leaves_the_loader_and_random_numbers_alone() -> None:
    generator = torch.Generator().manual_seed(7)
    ours, same = loader(shuffle=True, generator=generator, num_workers=1), torch.Generator().manual_seed(7)
    model = Net()
    torch_state, plain_state = torch.get_rng_state(), random.getstate()
    shapecheck.check(model, "cross_entropy", data=ours)
    assert torch.equal(generator.get_state(), same.get_state())
    assert torch.equal(torch.get_rng_state(), torch_state)
    assert random.getstate() == plain_state
    assert (ours.num_workers, ours.batch_size) == (1, 8)


# ---------------------------------------------------------------------------- what goes where


class Takes:
    """Models by what forward takes."""

    class One(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return x

    class Two(nn.Module):
        def forward(self, left: Tensor, right: Tensor) -> Tensor:
            return left + right

    class Optional(nn.Module):
        def forward(self, ids: Tensor, mask: Tensor | None = None) -> Tensor:
            return ids

    class Whole(nn.Module):
        def forward(self, batch: Any) -> Tensor:
            return batch["pixels"]  # type: ignore[no-any-return]


X, Y, Z = numbers(6, 4), labels(6), numbers(6, 3)
SPLITS: Mapping[str, tuple[type[nn.Module], Any, int, dict[str, int], list[Any]]] = {
    # model, batch, how many by place, by name (of 4 or 3 wide), where targets may be
    "two": (Takes.One, (X, Y), 1, {}, [(1,)]),
    "three, the last a number of its own": (Takes.One, (X, Y, Z), 1, {}, [(2,), (1,)]),
    "two inputs": (Takes.Two, (X, X, Y), 2, {}, [(2,)]),
    "a pair of inputs": (Takes.Two, ((X, X), Y), 2, {}, [(1,)]),
    "a decoder that takes its target": (Takes.Two, (X, Z), 2, {}, [(1,)]),
    "names": (Takes.Two, {"left": X, "right": Z, "y": Y}, 0, {"left": 4, "right": 3}, [("y",)]),
    "a dict of inputs and a target": (Takes.Two, ({"left": X, "right": Z}, Y), 0, {"left": 4, "right": 3}, [(1,)]),
    "targets by name": (Takes.One, (X, {"boxes": Z, "labels": Y}), 1, {}, [(1, "labels")]),
    "a mask that goes in": (Takes.Optional, {"ids": X, "mask": Z, "labels": Y}, 0, {"ids": 4, "mask": 3}, [("labels",)]),
    "a mask that is the target": (Takes.One, {"image": X, "mask": Z}, 1, {}, [("mask",)]),
    "taken apart by the model": (Takes.Whole, {"pixels": X, "label": Y}, 1, {}, [("label",)]),
    "input alone": (Takes.One, X, 1, {}, []),
    "input alone in a tuple": (Takes.One, (X,), 1, {}, []),
}  # fmt: skip


@pytest.mark.parametrize("name", SPLITS)
def test_a_batch_is_split_by_names_and_places(name: str) -> None:
    model, batch, count, named, targets = SPLITS[name]
    found = split(batch, model())
    assert len(found.call.args) == count
    assert {key: value.shape[-1] for key, value in found.call.kwargs.items()} == named
    assert list(found.targets) == targets


def test_what_does_not_go_with_forward_is_said() -> None:
    with pytest.raises(ModelError, match="the batch holds a, b, c, and forward takes left, right") as caught:
        split({"a": X, "b": X, "c": X}, Takes.Two())
    assert "def data()" in (caught.value.hint or "")


def test_of_several_targets_the_loss_decides() -> None:
    batch = (numbers(8, 4), labels(8), numbers(8, 3))
    report = shapecheck.check(Net(), "cross_entropy", data=batch)
    assert report.ok
    assert "batch[1] is taken as target" in report.checks[0].notes


class Autoencoder(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Linear(4, 4)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.body(x)
        return out


class Variational(Autoencoder):
    def forward(self, x: Tensor) -> Any:
        out = super().forward(x)
        return out, out[:, :2], out[:, 2:]


class Branches(Net):
    """Two alike in training, one otherwise."""

    def forward(self, x: Tensor) -> Any:
        out = super().forward(x)
        return (out, out * 2) if self.training else out


class Frames(nn.Module):
    """(N, 4, T) to (T, N, 11)."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv1d(4, 11, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.conv(x)
        return out.permute(2, 0, 1).log_softmax(-1)


def test_the_target_tells_the_output() -> None:
    report = shapecheck.check(Variational(), "mse_loss", data=(numbers(8, 4), labels(8)))
    assert (report.ok, report.checks[0].output_path) == (True, "0"), str(report)


def test_eval_mode_tells_what_training_leaves_open() -> None:
    assert shapecheck.check(Branches(), "cross_entropy", data=(numbers(8, 4), labels(8))).ok


WORDS, FRAMES, LETTERS = labels(4, 6, classes=10) + 1, torch.full((4,), 30), torch.full((4,), 6)


@pytest.mark.parametrize(
    "rest",
    [(WORDS, FRAMES, LETTERS), (FRAMES, WORDS, LETTERS), (WORDS,)],
    ids=["target first", "lengths first", "alone"],
)
def test_lengths_of_a_batch_are_found(rest: tuple[Tensor, ...]) -> None:
    report = shapecheck.check(Frames(), "ctc_loss", data=(numbers(4, 4, 30), *rest))
    assert report.ok, str(report)
    assert report.checks[0].tensors["targets"].shape == (4, 6)
    assert len(rest) == 1 or report.checks[0].tensors["target_lengths"].elements == (6, 6, 6, 6)


AUTOENCODED: Mapping[str, tuple[nn.Module, Any, list[str], str]] = {
    "with labels beside": (Autoencoder(), (numbers(8, 4), labels(8)), [], "batch[0], the input, is taken as target"),
    "without": (Autoencoder(), numbers(8, 4), [], "batch, the input, is taken as target"),
    "by name": (Autoencoder(), {"image": numbers(8, 4), "label": labels(8)}, [], "batch['image'], the input, is"),
    "a column fitted to a row": (Net(1), (numbers(8, 4)[:, :4], numbers(8)), ["SC410"], ""),
}


@pytest.mark.parametrize("name", AUTOENCODED)
def test_of_an_autoencoder_the_input_is_the_target(name: str) -> None:
    model, data, codes, words = AUTOENCODED[name]
    report = shapecheck.check(model, "mse_loss", data=data)
    assert loud(report) == codes, str(report)
    assert any(note.startswith(words) for note in report.checks[0].notes)


def test_labels_are_given_to_a_model_that_then_gives_more() -> None:
    report = shapecheck.check(NextWord(), "cross_entropy", data=(labels(8, 9), labels(8, 9, classes=12)))
    assert loud(report) == ["SC101"]
    assert report.checks[0].tensors["output"].shape == (8, 9, 12)


# ---------------------------------------------------------------------------- what is measured

MEASURED: Mapping[str, tuple[nn.Module, str, Any, list[str], dict[str, Any]]] = {
    # model, loss, data, codes of errors and warnings, facts of the target
    "labels from one": (Net(), "cross_entropy", loader(y=labels(40) + 1), ["SC302"], {"minimum": 1, "maximum": 5}),
    "a label beyond the head, in a later batch": (Net(), "cross_entropy", DataLoader(Samples(40, 5), batch_size=4), ["SC301"], {"maximum": 5}),
    "labels in float": (Net(), "cross_entropy", loader(y=labels(40).float()), ["SC201"], {"dtype": "float32"}),
    "one-hot": (Net(), "cross_entropy", loader(y=F.one_hot(labels(40), 5)), ["SC104"], {"values": "one-hot"}),
    "probabilities": (Net(), "cross_entropy", loader(y=numbers(40, 5).softmax(1)), [], {"values": "probabilities"}),
    "multi-hot": (Net(), "binary_cross_entropy_with_logits", loader(y=(numbers(40, 5) > 0.5).float()), [], {"maximum": 1}),
    "all ignored": (Net(), "cross_entropy", loader(y=torch.full((40,), -100)), ["SC449"], {"maximum": -100}),
    "steps as many as classes": (Steps(), "cross_entropy", (labels(8, 12, classes=50), labels(8, 12, classes=12)), ["SC401"], {"shape": (8, 12)}),
    "not a number, in a later batch": (Net(1), "mse_loss", loader(y=torch.cat([numbers(39, 1), torch.tensor([[float("nan")]])])), ["SC357"], {"shape": (8, 1)}),
    "a column of targets": (Squeezed(1), "mse_loss", loader(y=numbers(40, 1)), ["SC410"], {"shape": (8, 1)}),
    "its twin": (Net(1), "mse_loss", loader(y=numbers(40, 1)), [], {"shape": (8, 1)}),
}  # fmt: skip


def loud(report: Report) -> list[str]:
    return sorted(finding.code for finding in report.findings if finding.severity != "note")


@pytest.mark.parametrize("name", MEASURED)
def test_the_target_is_measured(name: str) -> None:
    model, loss, data, codes, facts = MEASURED[name]
    report = shapecheck.check(model, loss, data=data)
    target = report.checks[0].tensors["target"]
    assert loud(report) == codes, str(report)
    assert {fact: getattr(target, fact) for fact in facts} == facts
    assert target.origin == "data"


def test_it_is_said_how_much_was_looked_at() -> None:
    notes = shapecheck.check(Net(), "cross_entropy", data=loader()).checks[0].notes
    assert "target measured on all 5 batches of data: 0 to 4" in notes
    notes = shapecheck.check(Net(), "cross_entropy", data=Samples()).checks[0].notes
    assert "target measured on all 40 samples of data: 0 to 4" in notes


def test_batches_that_take_long_are_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shapecheck.real_data.SECONDS", 0.0)
    notes = shapecheck.check(Net(), "cross_entropy", data=loader()).checks[0].notes
    assert any(note.startswith("target measured on 1 of 5 batches of data: ") for note in notes)


@pytest.mark.parametrize(
    ("kept", "words"),
    [
        (1, "97.5 % of the labels are -100, which ignore_index leaves out"),
        (8, ""),
    ],
)
def test_how_many_labels_are_ignored(kept: int, words: str) -> None:
    y = torch.full((40,), -100)
    y[::8][: kept - kept // 8 * 3] = 2
    notes = shapecheck.check(Net(), "cross_entropy", data=loader(y=y, batch_size=40)).checks[0].notes
    assert any(words in note for note in notes) if words else not any("ignore_index" in note for note in notes)


def test_a_batch_of_ignored_labels_is_said() -> None:
    y = labels(40)
    y[8:16] = -100
    notes = shapecheck.check(Net(), "cross_entropy", data=loader(y=y)).checks[0].notes
    assert any(note.startswith("in 1 of these batches every label is -100") for note in notes)


ENDINGS: Mapping[str, tuple[nn.Module, str, dict[str, Any], list[tuple[str, str]]]] = {
    "a loss that refuses it": (Squeezed(1), "binary_cross_entropy_with_logits", {}, [("SC455", "error")]),
    "a loss that takes it": (Squeezed(1), "mse_loss", {}, [("SC455", "warning")]),
    "dropped": (Squeezed(1), "mse_loss", {"drop_last": True}, []),
    "no such batch": (Squeezed(1), "mse_loss", {"batch_size": 6}, []),
    "a norm without statistics": (Normed(), "cross_entropy", {}, [("SC456", "error")]),
    "a norm, dropped": (Normed(), "cross_entropy", {"drop_last": True}, []),
    "a norm, no such batch": (Normed(), "cross_entropy", {"batch_size": 6}, []),
    "a plain model": (Net(), "cross_entropy", {}, []),
}


@pytest.mark.parametrize("name", ENDINGS)
def test_the_last_batch_of_an_epoch(name: str) -> None:
    model, loss, options, findings = ENDINGS[name]
    y = labels(41) if loss == "cross_entropy" else (numbers(41) > 0.5).float()
    report = shapecheck.check(model, loss, data=loader(numbers(41, 4), y, **options))
    assert [(each.code, each.severity) for each in report.findings] == findings, str(report)
    if findings:
        assert "41 samples in batches of 8 leave one for the last batch" in report.findings[0].why


def test_a_batch_of_one_that_will_come_can_be_dropped() -> None:
    report = shapecheck.check(Normed(), "cross_entropy", data=loader(numbers(41, 4), labels(41)))
    assert report.findings[0].fixes[0].code == "DataLoader(..., drop_last=True)"


def test_without_a_loader_nobody_knows_the_last_batch() -> None:
    report = shapecheck.check(Squeezed(1), "mse_loss", data=(numbers(8, 4), numbers(8)))
    assert [(each.code, each.severity) for each in report.findings] == [("SC455", "warning")]


# ---------------------------------------------------------------------------- beside other options


def test_what_was_typed_wins_and_the_difference_is_said() -> None:
    report = shapecheck.check(Net(), "cross_entropy", target="N:int32", classes=3, data=loader())
    notes = report.checks[0].notes
    assert report.checks[0].tensors["target"].origin == "flag"
    assert "the target of the data is (8,) int64; --target is taken instead" in notes
    assert "the labels of the data go up to 4, beyond the 3 of --classes" in notes


def test_a_typed_input_is_fed_and_the_target_still_measured() -> None:
    (check,) = shapecheck.check(Net(), "cross_entropy", input="N,4", data=loader()).checks
    assert check.inputs[0].origin == "flag"
    assert check.tensors["target"].shape == check.tensors["output"].shape[:1]
    assert check.tensors["target"].maximum == 4


def test_a_loss_of_the_users_own_gets_the_real_target() -> None:
    def strict(output: Tensor, target: Tensor) -> Tensor:
        assert int(target.max()) == 4
        return F.cross_entropy(output, target)

    assert shapecheck.check(Net(), strict, data=loader()).ok


# ---------------------------------------------------------------------------- the command

FILE = """
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.head = nn.Linear(4, 5)
    def forward(self, x):
        return self.head(x)

loader = DataLoader(TensorDataset(torch.rand(40, 4), torch.arange(40) % 5 + 1), batch_size=8, num_workers=2)
wrong = DataLoader(TensorDataset(torch.rand(40, 7), torch.arange(40) % 5), batch_size=8)
word = "text"

def needs(folder):
    return loader

def fails():
    return open("not-there.csv")

if __name__ == "__main__":
    late = loader
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "train.py").write_text(FILE, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    return tmp_path


UNREADABLE: Mapping[str, tuple[str, str]] = {
    "no data": ("train.py:word", "train.py:word is a str, which holds no batches"),
    "arguments": ("train.py:needs", "return needs(folder=...)"),
    "raises": ("train.py:fails", "train.py:21"),
    "guarded": ("train.py:late", "it stands under if __name__"),
    "misspelt": ("train.py:loadr", "did you mean loader?"),
    "no name": ("train.py", "name one of: train.py:loader"),
    "a call": ("train.py:needs(3)", "it is called without arguments"),
    "no file": ("trian.py:loader", "did you mean train.py?"),
    "a folder": (".:loader", "write train.py:loader"),
    "empty": ("", "the data '' names no file or module"),
}


@pytest.mark.parametrize("name", UNREADABLE)
def test_what_cannot_be_read_is_said(name: str, folder: Path) -> None:
    data, words = UNREADABLE[name]
    with pytest.raises(CheckError) as caught:
        load_data(data)
    assert words in f"{caught.value.location} {caught.value.message}\n{caught.value.hint}"


COMMANDS: Mapping[str, tuple[list[str], int, str]] = {
    "found": (["train.py:loader"], 1, "labels run from 1 to 5"),
    "module": (["train:loader", "--format", "concise"], 1, "SC302"),
    "does not run": (["train.py:wrong"], 3, "Net fails on what the data give: x (8, 7) float32"),
    "no name": (["train.py"], 2, "name one of: train.py:loader"),
}


@pytest.mark.parametrize("name", COMMANDS)
def test_the_command(name: str, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data, status, words = COMMANDS[name]
    assert cli.run(["train.py:Net", "--loss", "cross_entropy", "--data", *data]) == status
    told = capsys.readouterr()
    assert words in " ".join((told.out + told.err).split())


def test_the_report_of_the_command(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    cli.run(["train.py:Net", "--loss", "cross_entropy", "--data", "train.py:loader", "--format", "json"])
    (check,) = json.loads(capsys.readouterr().out)["checks"]
    assert check["inputs"] == [{"name": "x", "shape": [8, 4], "dtype": "float32", "origin": "data"}]
    assert (check["target"]["origin"], check["target"]["shape"]) == ("data", [8])
    assert check["findings"][0]["fixes"][0]["verified"] == "executed"


def test_a_trace_writes_what_was_measured(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["trace", "train.py:Net", "--data", "train.py:loader"]) == 0
    told = capsys.readouterr().out
    assert "min: 1" in told
    assert "max: 5" in told
    assert "values: class-index" in told


def test_data_without_a_model_is_refused(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "spec.yaml").write_text('loss: cross_entropy\noutput: "N, 5"\n', encoding="utf-8")
    assert cli.run(["spec.yaml", "--data", "train.py:loader"]) == 2
    assert "--data goes with a model" in capsys.readouterr().err
