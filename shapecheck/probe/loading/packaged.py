"""Models that were saved whole: exported programs, TorchScript archives, pickled modules. Builds none from source."""

from __future__ import annotations

import os
import sys
import zipfile
from collections.abc import Mapping
from typing import Any

import torch
from torch import nn

from shapecheck.errors import Location, ModelError
from shapecheck.probe.telling import said

_BATCH, _STEPS, _SPACE = 3, 11, 32
_BY_CLASS = "name the class that it is loaded into, such as model.py:WaveNet"


def load_saved(path: str) -> nn.Module:
    """Raises ModelError (SC901): not there, no such archive, weights alone, or classes that cannot be imported."""
    try:
        names = _contents(path)
        if names is not None and any("/code/" in name for name in names):
            return _scripted(path)
        if path.lower().endswith(".pt2"):
            return _exported(path)
        return _pickled(path)
    except ModelError:
        raise
    except BaseException as error:
        raise _failure(f"{path} cannot be loaded: {said(error)}", _BY_CLASS, path) from None


def _contents(path: str) -> list[str] | None:
    """The names in a zip archive; None for a file of another kind."""
    if not os.path.exists(path):
        raise _failure(f"no such file: {path}", None, path)
    return zipfile.ZipFile(path).namelist() if zipfile.is_zipfile(path) else None


def _scripted(path: str) -> nn.Module:
    """With an example of what its first layer takes: the layers inside say nothing of what arrives at them."""
    module: nn.Module = torch.jit.load(path, map_location="cpu")
    example = next((taken for taken in map(_taken_by, module.modules()) if taken is not None), None)
    if example is not None:
        vars(module)["example_input_array"] = example
    return module


def _taken_by(layer: nn.Module) -> torch.Tensor | None:
    """What a scripted layer of torch's own takes, by its kind and the shape of its weight."""
    kind = getattr(layer, "original_name", "")
    weight = next(iter(layer.parameters(recurse=False)), None)
    if weight is None:
        return None
    if kind == "Embedding":
        return torch.zeros(_BATCH, _STEPS, dtype=torch.int64)
    if kind == "Linear":
        return torch.zeros(_BATCH, weight.shape[-1])
    if kind in ("LSTM", "GRU", "RNN"):
        return torch.zeros(_BATCH, _STEPS, weight.shape[-1])
    if kind in ("Conv1d", "Conv2d", "Conv3d"):
        channels = weight.shape[1] * int(getattr(layer, "groups", 1))
        return torch.zeros(_BATCH, channels, *(_SPACE,) * (weight.dim() - 2))
    return None


def _exported(path: str) -> nn.Module:
    """With the inputs it was exported with as its example: most sizes of an exported program are fixed."""
    program = torch.export.load(path)
    module = program.module()
    args, kwargs = program.example_inputs or ((), {})
    if kwargs and not args:
        module.dummy_inputs = dict(kwargs)  # type: ignore[assignment]
    elif args:
        module.example_input_array = tuple(args)  # type: ignore[assignment]
    return module


def _pickled(path: str) -> nn.Module:
    """A module that was saved whole. Its classes are looked for in the current folder and the file's own."""
    for folder in (os.path.dirname(os.path.abspath(path)), os.getcwd()):
        if folder not in sys.path:
            sys.path.insert(0, folder)
    try:
        loaded = torch.load(path, map_location="cpu", weights_only=False)
    except (AttributeError, ModuleNotFoundError) as error:
        message = f"{path} holds a model whose class cannot be imported here: {said(error)}"
        raise _failure(message, _BY_CLASS, path) from None
    found = _module_in(loaded)
    if found is None:
        what = "weights alone, not the model" if _is_weights(loaded) else f"a {type(loaded).__name__}, not a model"
        raise _failure(f"{path} holds {what}", _BY_CLASS, path)
    return found


def _module_in(loaded: Any) -> nn.Module | None:
    """The module itself, or the only one in a checkpoint."""
    if isinstance(loaded, nn.Module):
        return loaded
    found = [value for value in loaded.values() if isinstance(value, nn.Module)] if isinstance(loaded, dict) else []
    return found[0] if len(found) == 1 else None


def _is_weights(loaded: Any) -> bool:
    """A state_dict, or a checkpoint with one inside."""
    if not isinstance(loaded, Mapping):
        return False
    values = list(loaded.values())
    return any(isinstance(value, torch.Tensor) for value in values) or any(map(_is_weights, values))


def _failure(message: str, hint: str | None, path: str) -> ModelError:
    return ModelError(message, hint, code="SC901", location=Location(path))
