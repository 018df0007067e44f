"""What torch's functions do with the elements of a tensor, by name: those that a script uses between a model and its loss.

Imports torch, calls nothing.
"""

from __future__ import annotations

import torch

TURNED = tuple(vars(torch._C.TensorBase)[name].__get__ for name in ("T", "mT", "H", "mH"))
LAYOUT = frozenset({
    "transpose", "transpose_", "permute", "movedim", "moveaxis", "swapaxes", "swapdims", "t", "t_", "view", "view_as", "reshape",
    "reshape_as", "flatten", "unflatten", "ravel", "squeeze", "unsqueeze", "squeeze_", "unsqueeze_", "narrow", "select",
    "index_select", "__getitem__", "gather", "take_along_dim", "masked_select", "cat", "concat", "concatenate", "stack",
    "hstack", "vstack", "chunk", "split", "tensor_split", "unbind", "expand", "expand_as", "broadcast_to", "repeat", "tile",
    "repeat_interleave", "flip", "roll", "diagonal", "pixel_shuffle", "atleast_2d",
})  # fmt: skip
CASTS = frozenset({
    "contiguous", "clone", "to", "float", "double", "half", "bfloat16", "type", "type_as", "cpu", "cuda", "detach", "detach_",
    "requires_grad_", "__get__",
})  # fmt: skip
REDUCTIONS = frozenset({
    "mean", "sum", "amax", "amin", "max", "min", "logsumexp", "norm", "prod", "std", "var", "median", "nanmean",
    "vector_norm", "cosine_similarity", "pairwise_distance",
})  # fmt: skip
PAIRS = {"cosine_similarity": (2, 1), "pairwise_distance": (0, -1)}  # place and default of the axis they run over
PRODUCTS = frozenset({
    "matmul", "__matmul__", "__rmatmul__", "mm", "bmm", "baddbmm", "addmm", "einsum", "tensordot", "linear", "bilinear", "conv1d",
    "conv2d", "conv3d", "cdist", "outer", "embedding", "dot", "mv", "multi_head_attention_forward", "scaled_dot_product_attention",
})  # fmt: skip
INDEXED = frozenset({  # what is taken is said by other tensors
    "__getitem__", "gather", "take_along_dim", "index_select", "masked_select", "repeat_interleave",
})  # fmt: skip
RESIZES = frozenset({
    "interpolate", "upsample", "avg_pool1d", "avg_pool2d", "avg_pool3d", "max_pool1d", "max_pool2d", "max_pool3d",
    "adaptive_avg_pool1d", "adaptive_avg_pool2d", "adaptive_avg_pool3d", "adaptive_max_pool1d", "adaptive_max_pool2d",
})  # fmt: skip
