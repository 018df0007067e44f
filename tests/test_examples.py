"""The scripts of examples/ do what they and the documentation say; shapecheck itself is not run here."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

EXAMPLES = Path(__file__).parent.parent / "examples"
PER_SAMPLE = ("WaveNetMean", "WaveNetLastStep", "WaveNetAttention")
MENDED = (*PER_SAMPLE, "WaveNetPerStep")
BATCH, TIME, CLASSES = 5, 97, 10


@pytest.fixture(autouse=True)
def examples_importable(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """As for a script in that folder; the modules are forgotten again."""
    monkeypatch.syspath_prepend(str(EXAMPLES))
    torch.set_num_threads(1)
    torch.manual_seed(0)
    yield
    for name in ("wavenet", "wavenet_mended", "train_wavenet", "losses", "segmenter", "tagger"):
        sys.modules.pop(name, None)


def network(name: str, **sizes: int) -> Any:
    module = "wavenet" if name == "WaveNet" else "wavenet_mended"
    return getattr(import_module(module), name)(**sizes).eval()


def some_codes(batch: int = BATCH, time: int = TIME, levels: int = 256) -> Tensor:
    return torch.randint(levels, (batch, time))


def labels_for(name: str) -> Tensor:
    return torch.randint(CLASSES, (BATCH,) if name in PER_SAMPLE else (BATCH, TIME))


def test_mu_law_uses_all_its_levels_and_is_finest_near_silence() -> None:
    mu_law = import_module("wavenet").mu_law
    codes = mu_law(torch.linspace(-1, 1, 100_001))
    assert codes.dtype == torch.int64
    assert codes.unique().tolist() == list(range(256))
    assert (codes.diff() >= 0).all()
    widths = codes.bincount()
    assert widths[120:136].max() < widths[16] < widths[1]


def test_wavenet_is_channels_last_and_takes_fewer_classes_than_levels() -> None:
    assert network("WaveNet")(some_codes()).shape == (BATCH, TIME, CLASSES)
    assert network("WaveNet", n_classes=3, levels=16)(some_codes(levels=16)).shape == (BATCH, TIME, 3)


@pytest.mark.parametrize("changed", [0, 40, 96])
def test_no_output_sees_a_later_sample(changed: int) -> None:
    model, codes = network("WaveNet"), some_codes()
    other = codes.clone()
    other[:, changed] = (other[:, changed] + 128) % 256
    same = (model(codes) == model(other)).all(dim=2)
    assert same[:, :changed].all()
    assert not same[:, changed].any()


@pytest.mark.parametrize(
    "sizes", [{}, {"layers": 1, "stacks": 1}, {"layers": 3, "stacks": 1}, {"layers": 2, "stacks": 3}]
)
def test_receptive_field_is_what_the_gradient_reaches(sizes: dict[str, int]) -> None:
    model = network("WaveNet", **sizes)
    seen: list[Tensor] = []
    model.embed.register_forward_hook(lambda module, inputs, embedded: seen.append(embedded))
    last = model(some_codes(batch=1))[0, -1].square().sum()
    (gradient,) = torch.autograd.grad(last, seen[0])
    reached = gradient[0].abs().sum(dim=1) > 0
    assert reached.tolist() == [False] * (TIME - model.receptive_field) + [True] * model.receptive_field


def test_default_receptive_field_is_the_documented_one() -> None:
    model = network("WaveNet")
    assert model.receptive_field == 32
    assert "32 samples" in str(type(model).__doc__)


@pytest.mark.parametrize("name", MENDED)
def test_mended_networks_have_the_shape_they_document(name: str) -> None:
    model = network(name)
    expected = (BATCH, CLASSES) if name in PER_SAMPLE else (BATCH, CLASSES, TIME)
    assert model(some_codes()).shape == expected
    assert str(type(model).__doc__).startswith("(N, C)" if name in PER_SAMPLE else "(N, C, T)")


@pytest.mark.parametrize("name", MENDED)
def test_cross_entropy_takes_the_mended_networks_and_every_layer_learns(name: str) -> None:
    model = network(name)
    loss: Any = F.cross_entropy(model(some_codes()), labels_for(name))
    loss.backward()
    weights = {key: value for key, value in model.named_parameters() if key.endswith("weight")}
    unused = f"blocks.{len(model.blocks) - 1}.residual.weight"  # as in the paper, the last block's way on leads nowhere
    assert [key for key, value in weights.items() if value.grad is None or not value.grad.any()] == [unused]


@pytest.mark.parametrize("label_shape", [(BATCH,), (BATCH, TIME)])
def test_cross_entropy_rejects_the_original_whatever_the_labels_mean(label_shape: tuple[int, ...]) -> None:
    with pytest.raises((RuntimeError, ValueError), match=r"(?i)expected"):
        F.cross_entropy(network("WaveNet")(some_codes()), torch.randint(CLASSES, label_shape))


def test_mended_networks_end_the_same_network() -> None:
    torch.manual_seed(1)
    original = network("WaveNet")
    codes = some_codes()
    logits = original(codes)
    expected = {
        "WaveNetMean": logits.mean(dim=1),
        "WaveNetLastStep": logits[:, -1],
        "WaveNetPerStep": logits.movedim(2, 1),
    }
    for name, answer in expected.items():
        model = network(name)
        model.load_state_dict(original.state_dict())
        torch.testing.assert_close(model(codes), answer)


def test_attention_is_a_weighted_mean_over_time() -> None:
    model, codes = network("WaveNetAttention"), some_codes()
    per_step = import_module("wavenet").WaveNet.forward(model, codes)
    pooled = model(codes)
    assert (pooled >= per_step.amin(dim=1)).all()
    assert (pooled <= per_step.amax(dim=1)).all()
    torch.nn.init.zeros_(model.score.weight)
    torch.testing.assert_close(model(codes), per_step.mean(dim=1))


@pytest.fixture(scope="module")
def training_output() -> str:
    command = [sys.executable, str(EXAMPLES / "train_wavenet.py")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("name", MENDED)
def test_training_lowers_every_loss(training_output: str, name: str) -> None:
    table = training_output.partition("first loss")[2]
    row = re.search(rf"^{name} +(\S+) +(\S+)$", table, re.MULTILINE)
    assert row is not None, training_output
    first, last = float(row[1]), float(row[2])
    assert last < 0.7 * first


# --------------------------------------------------------------------------------- losses with rules of their own

PIXELS = (6, 7)


@pytest.mark.parametrize("classes", [1, 4])
def test_dice_loss_is_near_0_for_the_masks_themselves_and_near_1_for_their_opposite(classes: int) -> None:
    dice_loss = import_module("losses").dice_loss
    labels = torch.randint(max(classes, 2), (BATCH, *PIXELS))
    masks = (labels[:, None] if classes == 1 else F.one_hot(labels, classes).movedim(-1, 1)).float()
    logits = (2 * masks - 1) * 50
    assert dice_loss(logits, masks) < 1e-6
    opposite = -logits if classes == 1 else logits.roll(1, dims=1)
    assert dice_loss(opposite, masks) > 0.9


@pytest.mark.parametrize("name", ["dice_loss", "focal_loss"])
def test_a_loss_without_reduction_adds_up_to_the_reduced_one(name: str) -> None:
    loss = getattr(import_module("losses"), name)
    logits = torch.randn(BATCH, 4, *PIXELS)
    labels = torch.randint(4, (BATCH, *PIXELS))
    target = F.one_hot(labels, 4).movedim(-1, 1).float() if name == "dice_loss" else labels
    single = loss(logits, target, reduction="none")
    assert single.shape == ((BATCH,) if name == "dice_loss" else (BATCH, *PIXELS))
    torch.testing.assert_close(loss(logits, target), single.mean())
    torch.testing.assert_close(loss(logits, target, reduction="sum"), single.sum())


def test_focal_loss_without_gamma_is_cross_entropy_and_with_it_less() -> None:
    focal_loss = import_module("losses").focal_loss
    logits, labels = torch.randn(BATCH, CLASSES), torch.randint(CLASSES, (BATCH,))
    torch.testing.assert_close(focal_loss(logits, labels, gamma=0.0), F.cross_entropy(logits, labels))
    assert focal_loss(logits, labels, gamma=2.0) < focal_loss(logits, labels, gamma=1.0)
    with pytest.raises(ValueError, match="gamma is -1"):
        focal_loss(logits, labels, gamma=-1)


@pytest.mark.parametrize("name, axis", [("Net", -1), ("NetChannelsFirst", 1)])
def test_the_segmenters_have_their_classes_where_they_say(name: str, axis: int) -> None:
    network = getattr(import_module("segmenter"), name)(classes=5).eval()
    shape = network(torch.randn(BATCH, 3, *PIXELS)).shape
    assert shape[axis] == 5
    assert sorted(shape) == sorted((BATCH, 5, *PIXELS))


def test_only_the_mended_tagger_learns_its_words() -> None:
    done = subprocess.run([sys.executable, EXAMPLES / "tagger.py"], capture_output=True, text=True, check=True)
    losses = dict(re.findall(r"(\w+): loss ([\d.]+)", done.stdout))
    assert float(losses["TaggerMended"]) < 0.05 < 1 < float(losses["Tagger"])
