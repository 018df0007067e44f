"""What the user names on the command line, well and badly spelt."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from shapecheck.errors import ModelError, UserError
from shapecheck.targets import Target, parse_target

MODEL = """
import torch.nn as nn
from lightning import LightningModule
class Config: ...
class Base(nn.Module): ...
class WaveNet(Base): ...
class Trainer(LightningModule): ...
def make(): ...
"""


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "model.py").write_text(MODEL)
    (tmp_path / "broken.py").write_text("def (")
    (tmp_path / "makers.py").write_text("def make(): ...\ndef _hidden(): ...\n")
    (tmp_path / "spec.yaml").write_text("loss: mse_loss")
    (tmp_path / "weights.pt").write_bytes(b"\x80")
    (tmp_path / "notes.ipynb").write_text(json.dumps({"cells": [{"cell_type": "code", "source": MODEL}]}))
    (tmp_path / "nets").mkdir()
    (tmp_path / "nets" / "__init__.py").write_text(MODEL)
    (tmp_path / "plain").mkdir()
    (tmp_path / "plain" / "net.py").write_text(MODEL)
    return tmp_path


@pytest.mark.parametrize(
    ("text", "target"),
    [
        ("model.py:WaveNet", ("file", "model.py", None, "WaveNet")),
        ("./model.py:WaveNet", ("file", "./model.py", None, "WaveNet")),
        ("model.py::WaveNet", ("file", "model.py", None, "WaveNet")),
        ("model.py:Outer.Inner", ("file", "model.py", None, "Outer.Inner")),
        ("package.module:Name", ("module", None, "package.module", "Name")),
        ("model:WaveNet", ("module", None, "model", "WaveNet")),
        ("nets/:WaveNet", ("file", "nets/__init__.py", None, "WaveNet")),
        ("weights.pt", ("file", "weights.pt", None, None)),
        ("weights.pt:", ("file", "weights.pt", None, None)),
        ("notes.ipynb:Net", ("file", "notes.ipynb", None, "Net")),
        ("spec.yaml", ("spec", "spec.yaml", None, None)),
        ("-", ("spec", "-", None, None)),
    ],
)
def test_forms(text: str, target: tuple[object, ...]) -> None:
    assert parse_target(text) == Target(text, *target)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("text", "message", "hint"),
    [
        ("", "the target is empty", "write model.py:WaveNet"),
        ("model.py", "named without a model", "model.py:Base, model.py:WaveNet, model.py:Trainer"),
        ("model.py:", "named without a model", "model.py:WaveNet"),
        ("makers.py", "named without a model", "makers.py:make"),
        ("broken.py", "named without a model", "broken.py:WaveNet"),
        ("model", "'model' is not a target", "model:WaveNet"),
        ("WaveNet", "'WaveNet' is not a target", "write model.py:WaveNet"),
        (":WaveNet", "names no file", "write model.py:WaveNet"),
        ("plain", "plain is a folder", "plain/net.py:Base"),
        ("plain/:WaveNet", "plain/ is a folder", "plain/net.py:Base"),
        ("model.py:WaveNet()", "is not a name", "write model.py:WaveNet; constructor arguments"),
        ("model.py:12", "is not a name", "model.py:WaveNet"),
        ("model.py:Wave Net", "is not a name", "model.py:WaveNet"),
        ("plain/net:WaveNet", "neither a Python file nor a module", "did you mean plain/net.py:WaveNet?"),
        ("spec.yml", "no such file: spec.yml", "did you mean spec.yaml?"),
        ("weights.pt:Net", "weights.pt is one saved model, without names in it", "write weights.pt"),
        ("net.onnx", "not a Python source file", "name the file of the class"),
        ("last.ckpt:Net", "not a Python source file", "name the file of the class"),
        ("notes.ipynb", "named without a model", "notes.ipynb:WaveNet"),
        ("\x00", "is not a target", None),
    ],
)
def test_malformed(text: str, message: str, hint: str | None) -> None:
    with pytest.raises(UserError) as caught:
        parse_target(text)
    assert message in caught.value.message
    assert (hint or "") in (caught.value.hint or "")
    assert caught.value.exit_status == 2


def test_drive_letters() -> None:
    for text in (r"C:\work\model.py:WaveNet", r"C:\work\model.py"):
        with pytest.raises(ModelError, match=r"no such file: C:\\work\\model\.py"):
            parse_target(text)


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("modle.py", "did you mean model.py?"),
        ("modle.py:WaveNet", "did you mean model.py?"),
        ("plain/nett.py:WaveNet", "did you mean plain/net.py?"),
        ("zzzzz.py:WaveNet", "files of that kind there: broken.py"),
        ("weihgts.pt", "did you mean weights.pt?"),
        ("weights.pt2", "did you mean weights.pt?"),
        ("note.ipynb:Net", "did you mean notes.ipynb?"),
        ("nowhere/model.py:WaveNet", "there is no folder nowhere here"),
    ],
)
def test_missing_files(text: str, hint: str) -> None:
    with pytest.raises(ModelError) as caught:
        parse_target(text)
    assert caught.value.message == f"no such file: {text.partition(':')[0]}"
    assert hint in (caught.value.hint or "")
    assert (caught.value.code, caught.value.exit_status) == ("SC901", 3)
