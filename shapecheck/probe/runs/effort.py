"""How much work a run was, in seconds of a nominal machine, counted and not measured: the same on any machine, busy or not.

Whatever decides which sizes a model is shown with goes by this, so that the same model gives the same report.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import torch

SLOW, RATHER_SLOW, VERY_SLOW = 0.04, 0.1, 0.8
_CALL, _ELEMENT, _PRODUCT = 20e-6, 5e-10, 4e-11
_ATTENTION = frozenset({"scaled_dot_product_attention", "multi_head_attention_forward"})
_MATRICES = frozenset({"linear", "matmul", "__matmul__", "__rmatmul__", "bmm", "mm", "einsum", "addmm", "baddbmm"})
_READING = frozenset({"__get__", "__set__", "size", "dim"})
_RECURRENT = frozenset({"lstm", "gru", "rnn_tanh", "rnn_relu"})


def effort(func: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any], result: Any) -> float:
    """The work of one call of torch's: a share for the call itself, for each element it made and for each product it summed."""
    try:
        name = getattr(func, "__name__", "")
        if name in _READING:
            return 0.0
        return _CALL + _ELEMENT * _elements(result) + _PRODUCT * _products(name, args, kwargs, result)
    except Exception:  # whatever a tensor of another kind does when it is asked for its size
        return _CALL


def _elements(result: Any) -> int:
    if isinstance(result, torch.Tensor):
        return result.numel()
    return sum(part.numel() for part in result if isinstance(part, torch.Tensor)) if isinstance(result, tuple) else 0


def _products(name: str, args: tuple[Any, ...], kwargs: Mapping[str, Any], result: Any) -> float:
    if name.startswith("conv"):
        weight = args[1] if len(args) > 1 else kwargs["weight"]
        made = args[0].numel() if "transpose" in name else _elements(result)
        return float(made * weight.numel() / weight.shape[0])
    if name in _MATRICES:
        parts = [tensor.numel() for tensor in _flat(args) if tensor.dim() > 1][:2]
        return math.sqrt(math.prod(parts) * _elements(result))
    if name in _ATTENTION:
        return float(2 * args[0].numel() * args[1].shape[-2])
    if name in _RECURRENT:
        weights = sum(tensor.numel() for tensor in _flat(args[2:]))
        return float(args[0].numel() / args[0].shape[-1] * weights)
    return 0.0


def _flat(values: Any) -> list[torch.Tensor]:
    if isinstance(values, torch.Tensor):
        return [values]
    return [tensor for value in values for tensor in _flat(value)] if isinstance(values, (tuple, list)) else []
