"""The dummy forward pass on networks nobody annotated: input found, output picked, axes named, observations made."""

from __future__ import annotations

import pytest
import torch
from helpers import MODELS, module_at
from torch import nn

from shapecheck.errors import ModelError
from shapecheck.probe.probing import Probe, ProbeHints, probe

torch.set_num_threads(1)


HOMES = [module_at(MODELS / f"probe_{name}.py") for name in ("audio", "sequences", "images", "others", "strangers")]


def _model(name: str) -> nn.Module:
    torch.manual_seed(0)
    home = next(module for module in HOMES if hasattr(module, name))
    model = getattr(home, name)()
    assert isinstance(model, nn.Module)
    return model


def _probed(name: str, loss: str = "cross_entropy") -> Probe:
    return probe(_model(name), [], None, ProbeHints(loss=loss))


AXES = {
    # audio
    "ValidWaveNet": "merged class",
    "ShorteningWaveNet": "batch class time",
    "VocoderWaveNet": "batch class time",
    "RawWaveNet": "batch time class",
    "ChannelsLastWaveNet": "batch time class",
    "TokenWaveNet": "batch class time",
    "OneHotWaveNet": "batch class time",
    "ConditionedWaveNet": "batch class time",
    "TCNClassifier": "batch class",
    "TCNLanguageModel": "batch time class",
    "TCNRegression": "batch unit",
    "TCNMusic": "batch time class",
    "RawAudioClassifier": "batch unit class",
    # sequences
    "TaggerBatchFirst": "batch time class",
    "TaggerTimeFirst": "time batch class",
    "TutorialTagger": "time class",
    "FeatureLSTM": "batch class",
    "TimeFirstFeatures": "time batch class",
    "CharRNN": "merged class",
    "StepRNN": "batch class",
    "LengthsClassifier": "batch class",
    "LengthsTagger": "batch time class",
    "TransformerClassifier": "batch class",
    "TransformerTutorial": "time batch class",
    "TinyGPT": "batch time class",
    "Seq2Seq": "batch time class",
    "NMT": "batch time class",
    "AttentionTagger": "batch time class",
    "MaskedAttention": "batch time class",
    "TextCNN": "batch class",
    "CTCNet": "time batch class",
    # images and the rest
    "LeNet": "batch class",
    "MnistCNN": "batch class",
    "OddCNN": "batch class",
    "ResNetLike": "batch class",
    "UNet": "batch class height width",
    "PatchViT": "batch class",
    "FixedSegmenter": "batch class height width",
    "MLP": "batch unit",
    "SqueezingMLP": "batch",
    "ImageMLP": "batch class",
    "Autoencoder": "batch unit height width",
    "Conv3dNet": "batch class depth height width",
    "Conv3dClassifier": "batch class",
    "TwoBranches": "batch class",
    "Siamese": "batch",
    "Recommender": "batch",
    "Denoiser": "batch class height width",
    "DataclassOutput": "batch class",
    "DictOutput": "batch class",
    "OneHotLinear": "batch time class",
    "LeftMatrix": "batch class time",
    "FunctionalConv": "batch class time",
    "Stateful": "batch class",
    # others
    "Generator": "batch class height width",
    "LazyNet": "batch class",
    "DiffusionUNet": "batch class height width",
    "PointNet": "batch class",
    "PointNetLast": "batch class",
    "GraphConvolution": "batch class",
    "HierarchicalTextNet": "batch class",
    "CRNN": "time batch class",
    "VideoLSTM": "batch class",
    "EEGNet": "batch class",
    "DLinear": "batch class time",
    "TasNet": "batch class time",
    "SpectrogramRecogniser": "batch time class",
    "Mixer": "batch class",
    "NeRF": "batch class",
    "BagOfWords": "batch class",
    "NeedHidden": "batch time class",
    "NeedHC": "batch time class",
    "AttentionDecoder": "batch time class",
    "HeartbeatCNN": "batch class",
    "TabularNet": "batch class",
    "AuxiliarySegmenter": "batch class height width",
    "UNet1d": "batch class time",
    "SpectrogramInside": "batch class",
    "FixedBatch": "batch class",
    "PreNormAttention": "batch time class",
    "WeightNormTCN": "batch time class",
    "TimeMajorBug": "batch class",
    "LinThenLSTM": "batch time class",
    "ConvLSTMTagger": "batch class time",
    "PixelView": "merged class",
    "LSTMRegress": "batch unit",
    "MaskedTransformer": "batch class",
    "SiameseText": "batch class",
    "StepwiseSeq2Seq": "time batch class",
    "KeywordOnly": "batch class",
    "AllOptional": "batch time class",
    "BFloatNet": "batch class",
    "GraySegmenter": "batch class height width",
    "ChannelsLastSeg": "batch height width class",
    "Forecast": "batch unknown unknown",
    "MultiHead": "batch unknown unknown",
    # strangers
    "AuxiliaryWaveNet": "batch time class",
    "UpsampledWaveNet": "batch time class",
    "JoinedWaveNet": "batch class time",
    "FramesToSamples": "batch time class",
    "MaskedStages": "unknown batch class time",
    "AssertingPose": "batch class time",
    "OwnWords": "batch class time",
    "CutToLength": "batch class time",
    "WholeFrames": "batch time class",
    "SpectrogramRows": "batch time class",
    "AttentionColumn": "batch class",
    "OneLength": "batch class time",
    "DeepValid": "batch class time",
    "FixedView": "batch class",
    "WideWaveNet": "batch class time",
    "ModulatedTCN": "batch unit time",
}


@pytest.mark.parametrize("name", AXES)
def test_axes_of_an_unannotated_network(name: str) -> None:
    seen = _probed(name)
    assert seen.axes == tuple(AXES[name].split())
    assert len(seen.axes) == seen.output.dim()
    assert all(given.origin == "inferred" for given in seen.inputs)
    assert seen.requires_grad


@pytest.mark.parametrize("name", AXES)
def test_free_sizes_differ_from_one_another_and_from_the_classes(name: str) -> None:
    seen = _probed(name)
    fixed = {"FixedSegmenter", "LeNet", "MnistCNN", "OddCNN", "PatchViT", "Mixer"}  # one square input size
    if name not in fixed:
        sizes = [seen.sizes[key] for key in ("N", "C", "T", "H", "W", "D") if key in seen.sizes]
        assert len(set(sizes)) == len(sizes), dict(seen.sizes)
        assert not seen.notes or "unknown" in seen.axes


def test_without_classes_what_follows_nothing_is_a_feature() -> None:
    assert _probed("Denoiser", "mse_loss").axes == ("batch", "feature", "height", "width")
    assert _probed("MLP", "mse_loss").axes == ("batch", "unit")


@pytest.mark.parametrize(
    ("name", "path"),
    [("CharRNN", "0"), ("StepRNN", "0"), ("TinyGPT", "0"), ("AttentionTagger", "0"), ("DataclassOutput", "logits"),
     ("DictOutput", "pred"), ("MLP", "")],
)  # fmt: skip
def test_the_part_of_the_output_that_is_plainly_the_logits(name: str, path: str) -> None:
    assert _probed(name).output_path == path


@pytest.mark.parametrize(
    ("name", "words"),
    [("VAE", "3 tensors"), ("AmbiguousOutput", "2 tensors"), ("ScalarOutput", "computes its own loss")],
)
def test_an_output_that_is_not_plain_is_asked_about(name: str, words: str) -> None:
    with pytest.raises(ModelError) as raised:
        _probed(name)
    assert raised.value.code == "SC908"
    assert words in raised.value.message


def test_a_model_that_always_fails_says_where_and_what_to_type() -> None:
    with pytest.raises(ModelError) as raised:
        _probed("Broken")
    error = raised.value
    assert error.code == "SC905"
    assert error.location is not None
    assert error.location.path.endswith("probe_images.py")
    assert error.hint is not None
    assert "no such thing as an input" in error.hint
    assert "--input" in error.hint


@pytest.mark.parametrize(
    ("name", "words", "hint"),
    [
        ("OnlyOnGpu", "CUDA", "device=x.device"),
        ("Misspelt", "no attribute 'convv'", "other inputs would not change that"),
    ],
)
def test_what_no_input_can_mend_is_said_at_once(name: str, words: str, hint: str) -> None:
    with pytest.raises(ModelError) as raised:
        _probed(name)
    error = raised.value
    assert error.code == "SC905"
    assert f"{name} fails on x" in error.message
    assert words in error.message
    assert error.hint is not None
    assert hint in error.hint
    assert error.location is not None
    assert error.location.path.endswith("probe_strangers.py")


def test_an_input_beside_the_main_one_is_laid_out_for_the_layer_it_enters() -> None:
    x, h = _probed("AuxiliaryWaveNet").inputs
    assert h.shape == (x.shape[0], 28, x.shape[1])


def test_frames_stay_few_where_they_are_stretched_to_samples() -> None:
    x, mels = _probed("FramesToSamples").inputs
    assert x.shape[1] == 30 * (mels.shape[2] - 4)
    assert mels.shape[2] < 20


def test_a_class_count_does_not_turn_up_as_another_size() -> None:
    for classes in (3, 5, 7, 11, 97):
        seen = probe(nn.Conv1d(1, classes, 3), [], None, ProbeHints(loss="cross_entropy"))
        assert seen.axes == ("batch", "class", "time")
        assert seen.sizes["C"] == classes
        assert len(set(seen.output.shape)) == 3
