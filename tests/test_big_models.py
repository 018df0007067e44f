"""Models too large to be built for real: built and run on shapes alone, and said so; small ones are not touched by that."""

from __future__ import annotations

import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from shapecheck.errors import ModelError
from shapecheck.jobs import ModelCheck, check_model
from shapecheck.probe.loading.load import load_model
from shapecheck.probe.probing import Probe, ProbeHints, probe
from shapecheck.probe.runs.building import built
from shapecheck.probe.runs.depth import cut, cuts_of
from shapecheck.probe.runs.engine import Engine, ShapesEngine, engine_for
from shapecheck.probe.runs.weight import TooLargeError, bytes_of, weighing
from shapecheck.report import CheckResult
from shapecheck.specs import InputRequest
from shapecheck.targets import parse_target

torch.set_num_threads(1)
FILE = Path(__file__).parent / "models" / "big_models.py"
MIB = 2**20


@cache
def _built(name: str, file: Path = FILE, **arguments: Any) -> tuple[nn.Module, Engine]:
    loaded, engine = built(lambda: load_model(parse_target(f"{file}:{name}"), arguments))
    return loaded.model, engine


def _probed(name: str, *requests: InputRequest, **arguments: Any) -> Probe:
    model, engine = _built(name, **arguments)
    return probe(model, requests, None, ProbeHints(loss="cross_entropy"), engine)


@pytest.mark.parametrize(
    ("name", "axes", "shape"),
    [
        ("Decoder", "batch time class", (5, 11, 32000)),
        ("ByNumber", "batch class time", (5, 32000, 11)),
        ("Halving", "batch time class", (5, 3, 7)),
        ("Routed", "batch class", (5, 11)),
        ("Oblivious", "batch class", (3, 5)),
        ("OneLayer", "batch class", (5, 50_000)),
        ("nowhere", "batch time class", (5, 11, 32000)),
    ],
)
def test_without_values(name: str, axes: str, shape: tuple[int, ...]) -> None:
    seen = _probed(name)
    assert seen.engine == "fake"
    assert (" ".join(seen.axes), tuple(seen.output.shape)) == (axes, shape)
    assert seen.values is None
    assert seen.requires_grad
    assert "shapes were computed without values" in seen.notes[0]
    assert "index ranges not checked: run on shapes alone" in seen.notes


def test_parameters_are_counted_in_the_notes() -> None:
    assert _probed("Decoder").notes[0] == "6.7 billion parameters: shapes were computed without values"


def test_numbers_that_were_made_up_are_said() -> None:
    """Decoder draws its first weights by looking at them: that is no run."""
    words = "values that the model reads off its tensors were made up"
    assert words in _probed("Routed").notes
    assert words not in _probed("Decoder").notes


def test_a_small_one_of_the_same_kind_is_run_for_real() -> None:
    seen = _probed("SmallDecoder")
    assert seen.engine == "real"
    assert seen.values is not None
    assert seen.notes == ()


def test_a_typed_input() -> None:
    assert tuple(_probed("Decoder", InputRequest(("N", 7), "int64")).output.shape)[1:] == (7, 32000)
    with pytest.raises(
        ModelError, match=r"Decoder fails on .* run on shapes alone, since 25.0 GiB of parameters"
    ) as caught:
        _probed("Decoder", InputRequest(("N", 7), "float32"))
    assert caught.value.code == "SC904"


def test_numpy_inside_forward_needs_values() -> None:
    """Where the memory is there the model is built after all; 150 GiB are not."""
    seen = _probed("ByNumpy", width=12_000)
    assert (seen.engine, seen.axes) == ("real", ("batch", "class"))
    with pytest.raises(ModelError, match=r"ByNumpy needs values.*since 149.0 GiB") as caught:
        _probed("ByNumpy", width=200_000)
    assert caught.value.location is not None
    assert caught.value.location.line == 101
    assert "--arg num_layers=2" in str(caught.value.hint)


def test_a_model_at_the_top_level_of_a_file(tmp_path: Path) -> None:
    file = tmp_path / "ready.py"
    file.write_text("from torch import nn\n\nmodel = nn.Sequential(nn.Linear(20, 30000), nn.Linear(30000, 30000))\n")
    model, engine = _built("model", file)
    assert engine.name == "fake"
    assert probe(model, [], None, ProbeHints(loss="cross_entropy"), engine).axes[0] == "batch"


def test_a_constructor_of_old_that_takes_memory_at_once() -> None:
    assert _built("OneLayer", old=True)[1].name == "fake"


def test_what_a_module_that_is_there_weighs_decides() -> None:
    class Heavy(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.head = nn.Linear(8, 4)
            self.register_buffer("table", torch.empty(200 * MIB))

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.head(x)

    model = Heavy()
    assert isinstance(engine_for(model), ShapesEngine)
    assert type(engine_for(nn.Linear(8, 4))) is Engine
    seen = probe(model, [], None, ProbeHints(loss="cross_entropy"))
    assert (seen.engine, seen.axes) == ("fake", ("batch", "class"))


# ---------------------------------------------------------------------------- the whole check


def _checked(name: str, loss: str = "cross_entropy") -> CheckResult:
    model, engine = _built(name)
    assert engine.name == "fake" or name.startswith("Small")
    return check_model(model, ModelCheck(loss, {}), name)


def test_softmax_is_found_by_its_call() -> None:
    found = _checked("Routed")
    assert [finding.code for finding in found.findings] == ["SC402"]
    assert found.engine == "fake"
    dropped = next(fix for fix in found.findings[0].fixes if fix.kind == "drop-softmax")
    assert dropped.verified == "no"


def test_class_axis_last_is_found_and_its_fixes_are_run() -> None:
    found = _checked("Decoder")
    assert [finding.code for finding in found.findings] == ["SC101"]
    assert found.findings[0].fixes[0].verified == "executed"


def test_nothing_is_wrong_with_the_class_axis_second() -> None:
    assert _checked("ByNumber").findings == ()


def test_memory_stays_that_of_the_imports() -> None:
    """25 GiB of parameters; torch and its fake tensors alone take about 300 MiB. A child starts as large as its parent counts."""
    check = [sys.executable, "-m", "shapecheck", f"{FILE}:Decoder", "-l", "mse_loss"]
    code = (
        f"import resource, subprocess; print(subprocess.call({check}, stdout=subprocess.DEVNULL), "
        "resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss // 1024)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    status, mebibytes = map(int, done.stdout.split())
    assert status == 0
    assert mebibytes < 450


# ---------------------------------------------------------------------------- counting


class Filled(nn.Module):
    """Large tensors filled in many ways, one after the other."""

    def __init__(self) -> None:
        super().__init__()
        self.embed = nn.Embedding(2000, 300, padding_idx=3)
        self.scaled = nn.Parameter(torch.randn(1000, 600) * 5)
        self.zeros, self.ones = nn.Parameter(torch.zeros(600, 600)), nn.Parameter(torch.ones(600, 600))
        self.normal, self.uniform = nn.Linear(700, 700), nn.Linear(700, 700)
        self.normal.weight.data.normal_(2.0, 0.5)
        with torch.no_grad():
            self.uniform.weight.uniform_(-1, 1).mul_(2).add_(1)
            self.zeros[5:7].fill_(4)
        self.cut = nn.Parameter(torch.empty(600, 600))
        nn.init.trunc_normal_(self.cut, std=3.0, a=-1.0, b=1.0)
        self.copied = nn.Parameter(self.normal.weight.detach().clone())
        self.rand = nn.Parameter(torch.rand(600, 600, dtype=torch.float64))
        self.size = float(self.ones.detach().sum())


def test_values_put_off_are_there_in_the_end() -> None:
    with weighing() as scale:
        model = Filled()
    assert not scale.exceeded
    assert model.embed.weight[3].abs().max() == 0
    assert 0.95 < model.embed.weight[4:].std() < 1.05
    assert 4.9 < model.scaled.std() < 5.1
    assert model.zeros[5:7].eq(4).all()
    assert model.zeros.sum() == 4 * 2 * 600
    assert model.ones.eq(1).all()
    assert model.size == 360_000
    assert abs(model.normal.weight.mean() - 2) < 0.01
    assert 0.49 < model.normal.weight.std() < 0.51
    assert _range(model.uniform.weight) == pytest.approx((-1, 3), abs=0.1)
    assert _range(model.cut) == pytest.approx((-1, 1), abs=0.1)
    assert model.cut.abs().max() <= 1
    assert torch.equal(model.copied, model.normal.weight)
    assert _range(model.rand) == pytest.approx((0, 1), abs=0.1)


def _range(tensor: torch.Tensor) -> tuple[float, float]:
    return float(tensor.detach().min()), float(tensor.detach().max())


def test_the_same_seed_gives_the_same_values() -> None:
    def made() -> Filled:
        torch.manual_seed(0)
        with weighing():
            return Filled()

    one, other = made(), made()
    assert all(torch.equal(a, b) for a, b in zip(one.parameters(), other.parameters(), strict=True))


def test_torch_still_refuses_to_write_to_what_is_learned() -> None:
    with weighing(), pytest.raises(RuntimeError, match="leaf Variable"):
        nn.Linear(700, 700).weight.fill_(1)


def test_the_limit() -> None:
    with weighing(10 * MIB) as scale, pytest.raises(TooLargeError):
        nn.Sequential(*[nn.Linear(1000, 1000) for _ in range(3)])
    assert scale.exceeded
    with weighing(10 * MIB), pytest.raises(TooLargeError):
        nn.Linear(2000, 2000)


def test_builds_that_came_to_nothing_do_not_count() -> None:
    with weighing(10 * MIB) as scale:
        for _ in range(20):
            nn.Linear(1000, 1000)
    assert not scale.exceeded


def test_one_piece_of_memory_counts_once() -> None:
    with weighing(10 * MIB) as scale:
        one = nn.Linear(1000, 1000)
        tied = nn.ModuleList([nn.Linear(10, 10) for _ in range(8)])
        for layer in tied:
            layer.weight = one.weight
    assert not scale.exceeded
    assert bytes_of(nn.ModuleList([one, tied])) < 5 * MIB


def test_a_function_that_was_patched_is_put_back() -> None:
    before = nn.init._no_grad_trunc_normal_
    with pytest.raises(KeyError), weighing():
        raise KeyError
    assert nn.init._no_grad_trunc_normal_ is before


# ---------------------------------------------------------------------------- depth


def test_layers_alike_are_cut_and_put_back() -> None:
    convolutions = nn.Sequential(*[nn.Conv1d(8, 8, 3, dilation=2**power) for power in range(6)])
    model = nn.ModuleDict({
        "deep": nn.ModuleList([nn.Linear(4, 4) for _ in range(9)]),
        "mixed": nn.Sequential(nn.Linear(4, 8), *[nn.Linear(8, 8) for _ in range(5)], nn.Linear(8, 4)),
        "dilated": convolutions,
        "short": nn.Sequential(nn.Linear(4, 4), nn.Linear(4, 4), nn.Linear(4, 4)),
    })  # fmt: skip
    names = [name for name, _ in model.named_modules()]
    with cut(cuts_of(model)):
        assert {name: len(model[name]) for name in model} == {"deep": 2, "mixed": 4, "dilated": 6, "short": 3}
        assert model["mixed"](torch.rand(1, 4)).shape == (1, 4)
    assert [name for name, _ in model.named_modules()] == names
