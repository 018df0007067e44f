"""Networks in the manner of well-known repositories, with no hint at all: the input found, the output picked, the axes named."""

from __future__ import annotations

import os

import pytest
import torch
from helpers import MODELS, module_at
from torch import nn

from shapecheck.errors import ModelError
from shapecheck.probe.inputs import progress
from shapecheck.probe.inputs.progress import Progress
from shapecheck.probe.outputs.returned import returned_names
from shapecheck.probe.probing import Probe, ProbeHints, probe
from shapecheck.specs import parse_input

pytestmark = pytest.mark.filterwarnings("ignore:enable_nested_tensor")
torch.set_num_threads(1)


HOMES = [module_at(MODELS / f"{name}.py") for name in ("probe_known", "probe_known_more", "probe_shown")]


def _model(name: str) -> nn.Module:
    torch.manual_seed(0)
    model = getattr(next(module for module in HOMES if hasattr(module, name)), name)()
    assert isinstance(model, nn.Module)
    return model


def _probed(name: str, *inputs: str, loss: str = "cross_entropy") -> Probe:
    return probe(_model(name), [parse_input(text) for text in inputs], None, ProbeHints(loss=loss))


# path of the output, its axes, and the inputs: how many axes each has, int or float
KNOWN = {
    "YoloHead": ("", "batch unknown height width unknown", "x 4 float"),
    "MiniDETR": ("pred_logits", "batch unknown class", "inputs 4 float"),
    "TextCRNN": ("", "time batch class", "input 4 float"),
    "AttentionSeq2Seq": ("", "time batch class", "src 2 int, trg 2 int"),
    "GraphAttention": ("", "batch class", "x 2 float, adj 2 float"),
    "EdgeIndexGCN": ("", "batch class", "x 2 float, edge_index 2 int"),
    "GraphClassifier": ("", "batch class", "x 2 float, edge_index 2 int, batch 1 int"),
    "DeepFM": ("", "batch", "x 2 int"),
    "WideDeep": ("", "batch class", "x_cat 2 int, x_cont 2 float"),
    "NCF": ("", "batch", "user 1 int, item 1 int"),
    "NBeats": ("1", "batch class", "backcast 2 float"),
    "Informer": ("", "batch unknown class", "x_enc 3 float, x_mark_enc 3 float, x_dec 3 float, x_mark_dec 3 float"),
    "DQN": ("", "batch class", "x 4 float"),
    "ConditionalGenerator": ("", "batch unit unknown unknown", "noise 2 float, labels 1 int"),
    "ConditionalDiscriminator": ("", "batch unit", "img 4 float, labels 1 int"),
    "DCGANGenerator": ("", "batch class height width", "input 4 float"),
    "SRGAN": ("", "batch class height width", "x 4 float"),
    "PointNetSegmenter": ("0", "batch time class", "x 3 float"),
    "C3D": ("", "batch class", "x 5 float"),
    "AnnotatedTransformer": ("", "batch time class", "src 2 int, tgt 2 int"),
    "TutorialTransformer": ("", "time batch class", "src 2 int, trg 2 int"),
    "BiLSTMEmissions": ("", "batch time class", "words 2 int, chars 3 int, mask 2 bool"),
    "TabNetLike": ("0", "batch class", "x 2 float"),
    "MemoryNet": ("", "batch class", "story 3 int, query 2 int"),
    "ShowAttendTell": (
        "0", "batch unknown class", "images 4 float, encoded_captions 2 int, caption_lengths 2 int",
    ),
    "CaptionRNN": ("", "merged class", "features 2 float, captions 2 int, lengths 1 int"),
    "TimestepUNet": ("", "batch class height width", "x 4 float, t 1 int"),
    "SinusoidalUNet": ("", "batch unit height width", "x 4 float, time 1 float"),
    "SlowFast": ("", "batch class", "x.slow 5 float, x.fast 5 float"),
    "BatchDict": ("", "batch class", "batch.features 2 float, batch.tokens 2 int"),
    "FactoredTTS": ("", "batch merged class", "phonemes 2 int, durations 2 int, pitch 2 float, energy 2 float"),
    "FewShot": ("", "batch class", "support 4 float, support_labels 1 int, query 4 float"),
    # more of them
    "DataGCN": ("", "batch class", "data.x 2 float, data.edge_index 2 int"),
    "SpeakerTTS": ("", "batch time class", "tokens 2 int, speaker_id 1 int"),
    "VQA": ("", "batch class", "image 4 float, question 2 int"),
    "MultiTask": ("class_logits", "batch class", "x 2 float"),
    "CausalGPT": ("0", "batch time class", "idx 2 int"),
    "ReIDNet": ("0", "batch class", "x 4 float"),
    "Pix2Pix": ("", "batch unit height width", "img_A 4 float, img_B 4 float"),
    "ESRNN": ("", "batch class", "x 3 float, static 2 float"),
    "PackedLens": ("0", "batch time class", "feats 3 float, feat_lens 1 int"),
    "TransformerXLMem": ("0", "time batch class", "data 2 int"),
    "ListIn": ("", "batch class", "inputs.0 2 float, inputs.1 2 float"),
    "MultiPeriodD": ("0", "batch time", "x 3 float"),
    "Decoder4": ("", "batch time class", "tgt 2 int, memory 3 float"),
    "NodeEdge": ("", "batch class", "node_feats 2 float, edge_feats 2 float, edge_index 2 int, graph_ids 1 int"),
    "HyperCond": ("", "batch class height width", "x 4 float, c 2 float"),
    # what their own file shows
    "Critic": ("", "batch unit", "state 2 float, action 2 float"),
    "Traffic": ("", "batch class", "x 4 float, adj 2 float"),
    "Volume": ("", "batch class", "v 5 float, kernel 3 float"),
    "Summarised": ("", "batch class", "grid 4 float"),
    "Masked": ("", "batch time class", "x 3 float"),
    "Tokens": ("", "batch time class", "ids 2 int"),
}  # fmt: skip


@pytest.mark.parametrize("name", KNOWN)
def test_a_well_known_network(name: str) -> None:
    path, axes, inputs = KNOWN[name]
    seen = _probed(name)
    kinds = [f"{one.name} {len(one.shape)} {one.dtype.rstrip('0123456789')}" for one in seen.inputs]
    assert ", ".join(kinds) == inputs
    assert (seen.output_path, " ".join(seen.axes)) == (path, axes)


def test_what_the_file_itself_feeds_is_fed() -> None:
    assert [one.shape[1:] for one in _probed("Critic").inputs] == [(11,), (3,)]
    assert _probed("Volume").inputs[0].shape[1:] == (3, 4, 4, 5)
    assert _probed("Summarised").inputs[0].shape[1:] == (2, 9, 9)


def test_a_description_names_the_axes_and_their_sizes() -> None:
    history, roads = _probed("Traffic").inputs
    assert history.shape[2:] == (7, 6)
    assert history.axes[:2] == ("batch", "time")
    assert roads.shape == (7, 7)


def test_one_of_several_inputs_in_one_argument_can_be_typed() -> None:
    seen = _probed("BatchDict", "batch.tokens=N,T:int64", "batch.features=N,5")
    assert [one.name for one in seen.inputs] == ["batch.tokens", "batch.features"]
    assert seen.inputs[0].shape[0] == seen.inputs[1].shape[0] == seen.sizes["N"]


@pytest.mark.parametrize("name", ["YoloScales", "Tacotron", "ActorCritic", "MnistVAE", "TripletNet", "NextItem"])
def test_which_of_several_outputs_is_meant_is_asked_with_their_names_in_the_code(name: str) -> None:
    with pytest.raises(ModelError) as raised:
        _probed(name)
    assert raised.value.code == "SC908"
    assert "--output 0" in str(raised.value.hint)
    if name == "MnistVAE":
        assert "logvar" in str(raised.value.hint)


def test_names_of_returned_parts() -> None:
    assert returned_names(_model("MnistVAE").forward, 3) == ("fc4()", "mu", "logvar")
    assert returned_names(_model("MnistVAE").forward, 2) == ()


class _NeverRuns(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.one = nn.Linear(6, 4)

    def forward(self, first: torch.Tensor, second: torch.Tensor) -> torch.Tensor:
        self.one(first)
        raise RuntimeError(f"no such size {second.numel()}")


def test_each_error_is_told_once_with_the_line_to_type() -> None:
    with pytest.raises(ModelError) as raised:
        probe(_NeverRuns(), [], None, ProbeHints(loss="cross_entropy"))
    error, hint = raised.value, str(raised.value.hint)
    assert error.code == "SC905"
    assert "tries" in error.message
    assert hint.count("no such size") == 1
    assert "tries ended so" in hint
    assert "--input first=" in hint
    assert "--input second=" in hint


def test_progress_shows_on_a_terminal_after_a_second_and_is_cleared(monkeypatch: pytest.MonkeyPatch) -> None:
    written: list[bytes] = []
    monkeypatch.setattr(os, "isatty", lambda descriptor: True)
    monkeypatch.setattr(os, "write", lambda descriptor, text: written.append(text))
    shown = Progress("looking for an input of Net")
    shown.show("1 tries, now x (5, 3) float32")
    assert written == []
    shown.started -= 2
    shown.show("2 tries, now x (5, 3) float32")
    shown.end()
    assert b"2 tries" in written[0]
    assert written[0].endswith(b"\r")
    assert written[1] == progress._CLEAR.encode()


def test_progress_is_silent_where_nobody_watches(capfd: pytest.CaptureFixture[str]) -> None:
    shown = Progress("looking for an input of Net")
    shown.started -= 2
    shown.show("2 tries")
    shown.end()
    assert capfd.readouterr().err == ""
