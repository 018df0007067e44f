"""Tensors as they have values: out of torch.func.grad's wrapping; what has none is told apart. Imports torch."""

from __future__ import annotations

from typing import Any

import torch
from torch._C import _functorch as functorch
from torch._subclasses.fake_tensor import FakeTensor
from torch.fx import Proxy


class NoValues(Exception):
    """A stand-in for tensors: symbolic, fake, or mapped over by `torch.vmap`."""


def plain(value: Any) -> Any:
    """The value itself; of a tensor that torch.func.grad follows, the tensor inside. Raises NoValues."""
    while isinstance(value, torch.Tensor) and functorch.is_gradtrackingtensor(value):
        value = functorch.get_unwrapped(value)
    if isinstance(value, (FakeTensor, Proxy)):
        raise NoValues
    if isinstance(value, torch.Tensor) and functorch.is_functorch_wrapped_tensor(value):
        raise NoValues
    return value
