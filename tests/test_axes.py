"""Which output axis is which, where sizes coincide or cannot vary, and where the batch is not where one would look."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from helpers import MODELS, module_at

from shapecheck.errors import ModelError
from shapecheck.probe.probing import Probe, ProbeHints, probe
from shapecheck.specs import InputRequest

AXES = {
    "FixedSquare": "batch time class",
    "FixedSquareTransposed": "batch class time",
    "FixedSquareLogSoftmax": "batch time class",
    "FixedMap": "batch class height width",
    "FixedMapLast": "batch height width class",
    "SeveralHeads": "batch unknown unknown",
    "TimeFirstLastStep": "batch class",
    "MixedByView": "batch class",
    "PooledOverTime": "batch class",
    "OneSequence": "time class",
    "SquaresOnly": "batch class height width",
    "FilmSegmenter": "batch class time height width",
    "Volumes": "batch class depth height width",
    "RowsOfFeatures": "batch class",
    "PredictsInEval": "batch time class",
    "BesideItsTarget": "batch class",
    "HooksItself": "batch class height width",
}


NETWORKS: Any = module_at(MODELS / "probe_axes.py")


def _probed(name: str, *requests: InputRequest) -> Probe:
    torch.manual_seed(0)
    return probe(getattr(NETWORKS, name)(), requests, None, ProbeHints(loss="cross_entropy", has_classes=True))


@pytest.mark.parametrize("name", AXES)
def test_roles(name: str) -> None:
    assert " ".join(_probed(name).axes) == AXES[name]


@pytest.mark.parametrize(("name", "sizes"), [("TimeFirstLastStep", ("T", "N")), ("PooledOverTime", ("N", "T"))])
def test_the_batch_that_the_user_names_is_the_batch(name: str, sizes: tuple[str, ...]) -> None:
    seen = _probed(name, InputRequest(sizes, "int64"))
    assert seen.axes == ("batch", "class")
    assert seen.output.shape[0] == seen.sizes["N"]


def test_channels_that_read_only_themselves_are_no_time() -> None:
    seen = probe(NETWORKS.ChannelsForecast(), [], None, ProbeHints(loss="mse_loss"))
    assert seen.axes == ("batch", "feature", "feature")


def test_sizes_at_which_rows_are_no_samples_are_not_varied_to() -> None:
    seen = _probed("RowsOfFeatures")
    assert seen.output.shape[0] == seen.sizes["N"]
    assert [one.kind for one in seen.observations] == []


@pytest.mark.parametrize("kind", ["sparse", "nested"])
@pytest.mark.filterwarnings("ignore:The PyTorch API of nested tensors")
def test_a_sparse_or_nested_output_is_refused_in_words(kind: str) -> None:
    with pytest.raises(ModelError, match=f"the output is a {kind} tensor"):
        probe(getattr(NETWORKS, f"{kind.title()}Scores")(), [], None, ProbeHints(loss="mse_loss"))


def test_channels_that_any_number_of_runs_are_as_many_as_the_model_says() -> None:
    seen = probe(NETWORKS.DeclaredChannels(), [], None, ProbeHints(loss="mse_loss"))
    assert (seen.inputs[0].shape[1:], tuple(seen.output.shape)[1:]) == ((24, 3), (12, 3))
