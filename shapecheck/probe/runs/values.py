"""Whether a tensor has values at all, and plain ones: those of torch's meta device and fake ones have shapes alone. Imports neither."""

from __future__ import annotations

import sys

import torch
from torch.nn.parameter import is_lazy


def has_values(tensor: torch.Tensor) -> bool:
    """False on the meta device, for fake tensors and for parameters that are not yet sized."""
    return not (tensor.is_meta or is_lazy(tensor) or is_fake(tensor))


def is_fake(tensor: torch.Tensor) -> bool:
    """Without importing what fake tensors are made of: where that is not loaded, there are none."""
    module = sys.modules.get("torch._subclasses.fake_tensor")
    return module is not None and isinstance(tensor, module.FakeTensor)


def is_plain(tensor: torch.Tensor) -> bool:
    """Whether its elements stand at places that can be compared one by one: it is neither sparse nor nested."""
    return tensor.layout is torch.strided and not tensor.is_nested
