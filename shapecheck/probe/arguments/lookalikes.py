"""Classes and functions for arguments that are called, or that hold a module, by what they are called. Builds nothing."""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import FunctionType
from typing import Any

import torch
from torch import nn

OBJECTS = re.compile(
    r"^(.*_)?(config|configs|cfg|conf|args|arg|opt|opts|option|options|hparams|hps|params|settings|hyperparams|hp|flags)$"
)
BLOCKS = re.compile(r"^(block|blk)(_?(cls|class|type|fn|layer))?$")
PARTS = re.compile(
    r"^(?!(d|n|dim|num|nb|train|freeze|pretrained|use|has|is|with)_)(\w+_)?(model|net|network|backbone|encoder|decoder|generator|discriminator|critic|trunk|extractor)$"
)
_SHORTEST = 4
_NORMS = {"1": nn.BatchNorm1d, "2": nn.BatchNorm2d, "3": nn.BatchNorm3d}
_LAYERS = (("conv", nn.Conv2d), ("pool", nn.AvgPool2d), ("drop", nn.Dropout))


def named_like(name: str, namespace: Mapping[str, Any]) -> Any:
    """A class or function of the module that the name asks for: `encoder` is Encoder, `block` BasicBlock; else None."""
    wanted = _folded(name).removesuffix("class").removesuffix("cls").removesuffix("fn")
    if len(wanted) < _SHORTEST or OBJECTS.match(name):
        return None
    own = {key: value for key, value in namespace.items() if isinstance(value, (type, FunctionType))}
    exact = [value for key, value in own.items() if _folded(key) == wanted]
    modules = [v for k, v in own.items() if isinstance(v, type) and issubclass(v, nn.Module) and wanted in k.lower()]
    return next(iter([*exact, *modules]), None)


def callable_for(name: str, namespace: Mapping[str, Any], wants_class: bool) -> Any:
    """A class, or a function where none is wanted; None where the name tells nothing."""
    plain = name.lower()
    named = named_like(name, namespace)
    if named is not None:
        return named
    if "act" in plain or "nonlin" in plain:
        return nn.ReLU if wants_class else torch.relu
    if "norm" in plain:
        return next((layer for digit, layer in _NORMS.items() if digit in plain), nn.BatchNorm2d)
    return next((layer for word, layer in _LAYERS if word in plain), None)


def same_name(name: str, kind: str) -> bool:
    """`text_encoder` and TextEncoder."""
    return _folded(name) == _folded(kind)


def _folded(name: str) -> str:
    return name.lower().replace("_", "")
