"""The whole zoo, where its packages are installed: `pytest -m slow tests/zoo`."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_most_public_models_are_understood_without_a_hint() -> None:
    for package in ("transformers", "timm", "vit_pytorch", "monai"):
        pytest.importorskip(package)
    sys.path.insert(0, str(HERE))
    try:
        import run
    finally:
        sys.path.remove(str(HERE))
    verdicts = [one for one in run.measured(run.read(HERE / "models.yaml")) if one.found is not None]
    named = [one for one in verdicts if one.roles is not None]
    right = [one for one in verdicts if one.quiet is not None]
    assert sum(one.found is True for one in verdicts) >= 0.95 * len(verdicts)
    assert sum(one.roles is True for one in named) >= 0.95 * len(named)
    assert sum(one.quiet is True for one in right) >= 0.95 * len(right)
