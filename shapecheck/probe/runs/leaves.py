"""What torch's own layers want of the tensor that arrives, checked by hooks before torch itself complains.

A wrong size is thus known by layer and axis, whatever the wording of torch's message. Only layers whose `forward` is the stock
one are checked: a subclass may well be channels-first where its parent is not.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import nn

from shapecheck.probe.runs.feeding import tensors_in
from shapecheck.probe.runs.values import has_values

CONVOLUTIONS: dict[type[nn.Module], int] = {
    nn.Conv1d: 1, nn.Conv2d: 2, nn.Conv3d: 3,
    nn.ConvTranspose1d: 1, nn.ConvTranspose2d: 2, nn.ConvTranspose3d: 3,
}  # fmt: skip
BATCH_NORMS: dict[type[nn.Module], tuple[int, ...]] = {
    nn.BatchNorm1d: (2, 3), nn.BatchNorm2d: (4,), nn.BatchNorm3d: (5,),
    nn.InstanceNorm1d: (3,), nn.InstanceNorm2d: (4,), nn.InstanceNorm3d: (5,),
}  # fmt: skip
ATTENTIVE = (
    nn.MultiheadAttention, nn.TransformerEncoderLayer, nn.TransformerDecoderLayer, nn.Transformer,
)  # fmt: skip
RECURRENT = (nn.RNN, nn.LSTM, nn.GRU)
CELLS = (nn.RNNCell, nn.LSTMCell, nn.GRUCell)
INDEXED = (nn.Embedding, nn.EmbeddingBag)
STOCK = (
    *CONVOLUTIONS, *BATCH_NORMS, *ATTENTIVE, *RECURRENT, *CELLS,
    *INDEXED, nn.Linear, nn.Bilinear, nn.LayerNorm, nn.GroupNorm,
)  # fmt: skip


class LeafMismatchError(Exception):
    """A tensor that a layer cannot take, or would take for something else than it is.

    `kind` is rank, size, dtype, range (of indices) or flatten (rows cut at the wrong length).
    """

    def __init__(self, leaf: nn.Module, kind: str, shape: tuple[int, ...], axis: int, got: int, want: int) -> None:
        super().__init__(f"{describe(leaf)}, but got a tensor of shape {tuple(shape)}")
        self.leaf, self.kind, self.shape = leaf, kind, tuple(shape)
        self.axis, self.got, self.want = axis, got, want


@dataclass(frozen=True)
class Arrival:
    """One tensor that came to one layer."""

    leaf: nn.Module
    shape: tuple[int, ...]


@dataclass
class Recorder:
    """What the layers were given and gave in one run; `checking` is off where the user chose the input.

    `flattening` says that rows of a flattened tensor are still to be one for each sample when nothing else is checked.
    `batch` is the size of the batch that was fed, `latest` the tensor that came last; `channels` and number of elements are of
    the last convolution's output.
    """

    checking: bool = True
    flattening: bool = False
    batch: int = 0
    latest: torch.Tensor | None = None
    arrivals: list[Arrival] = field(default_factory=list)
    states: list[torch.Tensor] = field(default_factory=list)
    channels: tuple[int, int] | None = None

    def clear(self) -> None:
        self.arrivals, self.states, self.channels, self.latest = [], [], None, None

    def arrive(self, leaf: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        tensor = next((value for value in (*args, *kwargs.values()) if isinstance(value, torch.Tensor)), None)
        if tensor is None or tensor.is_nested:
            return
        self.latest = tensor
        self.arrivals.append(Arrival(leaf, tuple(tensor.shape)))
        if not is_stock(leaf):
            return
        if self.checking:
            check(leaf, tensor)
        if (self.checking or self.flattening) and isinstance(leaf, nn.Linear):
            self._check_flatten(leaf, tensor)

    def leave(self, leaf: nn.Module, output: Any) -> None:
        """`states` are what recurrent and attention layers return beside their main output."""
        if isinstance(output, torch.Tensor):
            if convolution_rank(leaf) and output.dim() > 1:
                self.channels = (output.shape[1], output.numel())
            elif not isinstance(leaf, tuple(BATCH_NORMS)):
                self.channels = None
        elif isinstance(output, tuple) and output and isinstance(output[0], torch.Tensor):
            self.channels = None
            self.states += list(tensors_in(output[1:]))

    def _check_flatten(self, leaf: nn.Linear, tensor: torch.Tensor) -> None:
        """`view(-1, 400)` of a convolution's output runs with a wrong number of rows where the sizes allow it."""
        if self.channels is None or tensor.dim() != 2:
            return
        channels, numel = self.channels
        rows, batch = tensor.shape[0], self.batch
        several = channels and leaf.in_features % channels == 0 and leaf.in_features > channels
        if several and rows != batch and batch > 1 and rows * leaf.in_features <= numel and numel % batch == 0:
            raise LeafMismatchError(
                leaf, "flatten", tuple(tensor.shape), 1, rows * leaf.in_features // batch, leaf.in_features
            )


@contextmanager
def watched(model: nn.Module, recorder: Recorder) -> Iterator[None]:
    """The recorder's hooks on every stock layer of the model, removed at the end."""
    handles = []
    try:
        for leaf in leaves_of(model):
            handles.append(leaf.register_forward_pre_hook(recorder.arrive, with_kwargs=True))
            handles.append(leaf.register_forward_hook(lambda leaf, _, output: recorder.leave(leaf, output)))
        yield
    finally:
        for handle in handles:
            handle.remove()


def leaves_of(model: nn.Module) -> list[nn.Module]:
    """The layers with a contract, in order of registration; those inside a scripted model take no hooks."""
    return [m for m in model.modules() if isinstance(m, STOCK) and not isinstance(m, torch.jit.ScriptModule)]


def is_stock(leaf: nn.Module) -> bool:
    return any(type(leaf).forward is getattr(base, "forward", None) for base in STOCK)


def convolution_rank(leaf: nn.Module) -> int:
    """How many spatial axes the convolution has; 0 for any other layer."""
    return next((rank for kind, rank in CONVOLUTIONS.items() if isinstance(leaf, kind)), 0)


def width(leaf: nn.Module) -> int | None:
    """The size the layer wants on its channel or feature axis."""
    for name in (
        "in_channels",
        "in_features",
        "in1_features",
        "input_size",
        "num_features",
        "num_channels",
        "embed_dim",
        "d_model",
    ):
        size = getattr(leaf, name, None)
        if isinstance(size, int):
            return size or None
    if isinstance(leaf, nn.LayerNorm):
        return int(leaf.normalized_shape[-1])
    inner = getattr(leaf, "self_attn", None)
    return inner.embed_dim if isinstance(inner, nn.MultiheadAttention) else None


def out_width(leaf: nn.Module) -> int | None:
    """The size the layer gives to its channel or feature axis."""
    for name in ("out_channels", "out_features", "hidden_size", "embedding_dim"):
        size = getattr(leaf, name, None)
        if isinstance(size, int):
            return size * 2 if name == "hidden_size" and getattr(leaf, "bidirectional", False) else size
    return None


def is_batch_first(leaf: nn.Module) -> bool:
    """Whether axis 0 is the batch for this layer. True for every layer that does not say otherwise."""
    if isinstance(leaf, (nn.TransformerEncoderLayer, nn.TransformerDecoderLayer)):
        return bool(leaf.self_attn.batch_first)
    return bool(getattr(leaf, "batch_first", True))


def describe(leaf: nn.Module) -> str:
    """`Conv1d wants (N, 1, T)`: the layer's own contract, for messages."""
    return f"{type(leaf).__name__} wants {wanted(leaf)}"


def wanted(leaf: nn.Module) -> str:
    rank = convolution_rank(leaf) or next((max(r) - 2 for k, r in BATCH_NORMS.items() if isinstance(leaf, k)), 0)
    size = width(leaf)
    if rank:
        return "(" + ", ".join(["N", str(size), *(["T"] if rank == 1 else ["D", "H", "W"][-rank:])]) + ")"
    if isinstance(leaf, INDEXED):
        return f"int64 indices below {leaf.num_embeddings}"
    if isinstance(leaf, (*RECURRENT, *ATTENTIVE)):
        return f"(N, T, {size})" if is_batch_first(leaf) else f"(T, N, {size})"
    if isinstance(leaf, nn.GroupNorm):
        return f"(N, {size}, ...)"
    return f"(N, {size})" if isinstance(leaf, CELLS) else f"(..., {size})"


def check(leaf: nn.Module, tensor: torch.Tensor) -> None:
    """Raises LeafMismatchError. Stricter than torch: an unbatched tensor is refused, since a batch is fed."""
    if isinstance(leaf, INDEXED):
        _check_indices(leaf, tensor)
        return
    shape = tuple(tensor.shape)
    if not tensor.is_floating_point() and not tensor.is_complex():
        raise LeafMismatchError(leaf, "dtype", shape, 0, 0, 0)
    ranks = _ranks(leaf)
    if ranks and len(shape) not in ranks:
        raise LeafMismatchError(leaf, "rank", shape, 0, len(shape), ranks[-1])
    for axis, want in _sizes(leaf, len(shape)):
        if not 0 <= axis < len(shape):
            raise LeafMismatchError(leaf, "rank", shape, 0, len(shape), len(shape) + 1)
        if shape[axis] != want:
            raise LeafMismatchError(leaf, "size", shape, axis, shape[axis], want)


def _check_indices(leaf: nn.Embedding | nn.EmbeddingBag, tensor: torch.Tensor) -> None:
    shape = tuple(tensor.shape)
    if tensor.dtype not in (torch.int64, torch.int32):
        raise LeafMismatchError(leaf, "dtype", shape, 0, 0, 1)
    if tensor.numel() and has_values(tensor) and int(tensor.max()) >= leaf.num_embeddings:
        raise LeafMismatchError(leaf, "range", shape, 0, int(tensor.max()) + 1, leaf.num_embeddings)


def _ranks(leaf: nn.Module) -> tuple[int, ...]:
    rank = convolution_rank(leaf)
    if rank:
        return (rank + 2,)
    if isinstance(leaf, (*RECURRENT, *ATTENTIVE)):
        return (3,)
    if isinstance(leaf, CELLS):
        return (2,)
    return next((ranks for kind, ranks in BATCH_NORMS.items() if isinstance(leaf, kind)), ())


def _sizes(leaf: nn.Module, rank: int) -> list[tuple[int, int]]:
    """(axis, size) pairs the layer insists on."""
    if isinstance(leaf, nn.LayerNorm):
        last = rank - len(leaf.normalized_shape)
        return [(last + i, int(size)) for i, size in reversed(list(enumerate(leaf.normalized_shape)))]
    size = width(leaf)
    if size is None or isinstance(leaf, nn.Transformer):
        return []
    channels_second = convolution_rank(leaf) or isinstance(leaf, (nn.GroupNorm, *BATCH_NORMS))
    if isinstance(leaf, (nn.InstanceNorm1d, nn.InstanceNorm2d, nn.InstanceNorm3d)) and not leaf.affine:
        return []
    return [(1 if channels_second else rank - 1, size)]
