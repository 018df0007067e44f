"""How many bytes of parameters and buffers a model has, counted while it is built, so that a large one is never built for real.

Torch tells of every parameter and buffer as it is registered. Memory that nothing was written to costs nothing, so large random
starting values are put off to the end of the build; by then it is known whether the model is wanted at all.
"""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from torch.multiprocessing.reductions import StorageWeakRef
from torch.nn.modules import module as registration
from torch.nn.parameter import is_lazy
from torch.overrides import TorchFunctionMode

from shapecheck.probe.runs.feeding import tensors_in

LIMIT = 512 * 2**20
_PUT_OFF = 2**20
_TENSOR = torch.Tensor
_INITS = frozenset({nn.init.uniform_, nn.init.normal_, nn.init.constant_, nn.init.kaiming_uniform_})
_OVERWRITING = _INITS | {_TENSOR.uniform_, _TENSOR.normal_, _TENSOR.zero_, _TENSOR.fill_}
_FILLS = _OVERWRITING | {
    _TENSOR.exponential_, _TENSOR.bernoulli_, _TENSOR.erfinv_, _TENSOR.mul_, _TENSOR.add_,
    _TENSOR.sub_, _TENSOR.div_, _TENSOR.clamp_, _TENSOR.__imul__, _TENSOR.__iadd__, _TENSOR.__isub__, _TENSOR.__itruediv__,
}  # fmt: skip
_FACTORIES: dict[Any, Callable[[torch.Tensor], object]] = {
    torch.zeros: _TENSOR.zero_, torch.ones: lambda tensor: tensor.fill_(1),
    torch.rand: _TENSOR.uniform_, torch.randn: _TENSOR.normal_,
}  # fmt: skip
_READ_NOTHING = frozenset({
    "size", "dim", "ndimension", "numel", "nelement", "element_size", "nbytes", "itemsize", "stride", "storage_offset", "is_contiguous", "shape", "dtype",
    "device", "layout", "ndim", "requires_grad", "requires_grad_", "grad", "grad_fn", "is_leaf", "is_meta", "is_cuda", "is_cpu",
    "is_sparse", "is_quantized", "is_nested", "is_mps", "is_xpu", "is_floating_point", "is_complex", "__len__", "__hash__",
    "data", "detach", "view", "t", "T", "mT", "transpose", "permute", "narrow", "select", "unsqueeze", "squeeze", "chunk",
    "split", "unbind", "__getitem__", "untyped_storage", "data_ptr", "empty_like", "new_empty", "new_zeros", "new_ones",
    "new_tensor", "zeros_like", "ones_like", "_version", "names", "type", "get_device", "_is_view",
})  # fmt: skip
_LOOPING = "_no_grad_trunc_normal_"  # draws again until all values fit, and so reads them


class TooLargeError(BaseException):
    """Ends a build past the limit. No Exception, so that a constructor that forgives failures does not forgive this one."""

    def __init__(self) -> None:
        super().__init__("the model is too large to be built for real")


@dataclass(frozen=True)
class _Fill:
    """Values put off: how a part of some memory was to be filled. The memory itself is not kept alive."""

    memory: StorageWeakRef
    dtype: torch.dtype
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]
    write: Callable[[torch.Tensor], object]

    def run(self) -> None:
        storage = torch.UntypedStorage._new_with_weak_ptr(self.memory.cdata)
        if storage is not None:
            with torch.no_grad():
                part = torch.empty(0, dtype=self.dtype).set_(storage, self.offset, self.shape, self.strides)
                self.write(part)


class Weighing(TorchFunctionMode):
    """While entered: counts what is registered, puts large fills off, and ends the build past `limit` bytes.

    `exceeded` stays true whatever the user's code makes of the exception.
    """

    def __init__(self, limit: int) -> None:
        super().__init__()
        self.limit = limit
        self.exceeded = False
        self._counted: dict[int, tuple[StorageWeakRef, int]] = {}
        self._total = 0
        self._fills: dict[int, list[_Fill]] = {}

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        kwargs = dict(kwargs or {})
        if func is torch.empty or func in _FACTORIES:
            return self._made(func, args, kwargs)
        if func in _FILLS and self._puts_off(func, args, kwargs):
            return args[0] if args else kwargs["tensor"]
        if self._fills and _name(func) not in _READ_NOTHING:
            self._fill(_memory(tensor) for tensor in tensors_in((args, kwargs)))
        return func(*args, **kwargs)

    def count(self, tensor: torch.Tensor | None) -> None:
        """Counts memory once, whatever it is registered as."""
        if tensor is None or is_lazy(tensor) or tensor.device.type != "cpu" or tensor.layout is not torch.strided:
            return
        storage = tensor.untyped_storage()
        if storage._cdata not in self._counted:
            self._counted[storage._cdata] = (StorageWeakRef(storage), storage.nbytes())
            self._total += storage.nbytes()
            if self._total > self.limit:
                self._count_again()

    def _count_again(self) -> None:
        """What was let go of in the meantime does not count: earlier builds, layers that were replaced."""
        if self.exceeded:
            raise TooLargeError
        gc.collect()
        self._counted = {id_: held for id_, held in self._counted.items() if not held[0].expired()}
        self._total = sum(size for _, size in self._counted.values())
        if self._total > self.limit:
            self._end()

    def _end(self) -> None:
        self.exceeded = True
        raise TooLargeError

    def _made(self, func: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """A new tensor; one that is too large is refused before it is allocated, a large one is filled later."""
        if kwargs.get("device") is not None and torch.device(kwargs["device"]).type != "cpu":
            return func(*args, **kwargs)
        drawn = kwargs.get("generator") is not None or kwargs.get("out") is not None
        plain = {key: value for key, value in kwargs.items() if key not in ("generator", "out")}
        size = torch.empty(*args, **{**plain, "device": "meta", "pin_memory": False})
        if size.nbytes > self.limit:
            self._end()
        if func is torch.empty or drawn or size.nbytes < _PUT_OFF or not size.is_floating_point():
            return func(*args, **kwargs)
        made = torch.empty(*args, **plain)
        self._put_off(made, _FACTORIES[func], overwrites=True)
        return made

    def _puts_off(self, func: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> bool:
        """Whether the fill of one large tensor by numbers was noted down for later."""
        tensor = args[0] if args else kwargs.get("tensor")
        rest = (args[1:], {key: value for key, value in kwargs.items() if key != "tensor"})
        if tensor is None or type(tensor) not in (torch.Tensor, nn.Parameter) or tensor.device.type != "cpu":
            return False
        if (
            next(tensors_in(rest), None) is not None
            or kwargs.get("generator") is not None
            or kwargs.get("out") is not None
        ):
            return False
        started = _memory(tensor) in self._fills
        overwrites = func in _OVERWRITING and tensor.is_contiguous()
        if not started and not (overwrites and tensor.nbytes >= _PUT_OFF):
            return False
        if tensor.requires_grad and tensor.is_leaf and torch.is_grad_enabled() and func not in _INITS:
            return False  # torch refuses that
        self._put_off(tensor, lambda part: func(part, *rest[0], **rest[1]), overwrites)
        return True

    def _put_off(self, tensor: torch.Tensor, write: Callable[[torch.Tensor], object], overwrites: bool) -> None:
        storage = tensor.untyped_storage()
        offset, shape, strides = int(tensor.storage_offset()), tuple(tensor.shape), tensor.stride()
        fill = _Fill(StorageWeakRef(storage), tensor.dtype, offset, shape, strides, write)
        moot = overwrites and tensor.nbytes == storage.nbytes()
        self._fills[storage._cdata] = [*([] if moot else self._fills.get(storage._cdata, [])), fill]

    def _fill(self, memories: Iterable[int]) -> None:
        """In the order in which they were put off: the same random numbers every time."""
        for memory in memories:
            for fill in self._fills.pop(memory, ()):
                fill.run()

    def fill_all(self) -> None:
        """At the end of a build: now the values are wanted."""
        self._fill(list(self._fills))


@contextmanager
def weighing(limit: int = LIMIT) -> Iterator[Weighing]:
    """For the length of the block, a build ends with TooLargeError once more than `limit` bytes are registered."""
    mode = Weighing(limit)
    hooks = (
        registration.register_module_parameter_registration_hook(lambda module, name, tensor: mode.count(tensor)),
        registration.register_module_buffer_registration_hook(lambda module, name, tensor: mode.count(tensor)),
    )
    looping = getattr(nn.init, _LOOPING, None)
    try:
        if looping is not None:
            setattr(nn.init, _LOOPING, _patient(mode, looping))
        with mode:
            yield mode
        if not mode.exceeded:
            mode.fill_all()
    finally:
        if looping is not None:
            setattr(nn.init, _LOOPING, looping)
        for hook in hooks:
            hook.remove()


def _patient(mode: Weighing, draw: Callable[..., torch.Tensor]) -> Callable[..., torch.Tensor]:
    """The truncated normal distribution, put off like the others."""

    def fill(tensor: torch.Tensor, *args: Any, **kwargs: Any) -> torch.Tensor:
        large = tensor.device.type == "cpu" and tensor.is_contiguous() and tensor.nbytes >= _PUT_OFF
        if not large or kwargs.get("generator") is not None:
            return draw(tensor, *args, **kwargs)
        mode._put_off(tensor, lambda part: draw(part, *args, **kwargs), overwrites=True)
        return tensor

    return fill


def bytes_of(model: nn.Module) -> int:
    """Of parameters and buffers, each piece of memory once. On the meta device they count as if they were there."""
    tensors = [t for t in (*model.parameters(), *model.buffers()) if not is_lazy(t)]
    return sum(tensor.numel() * tensor.element_size() for tensor in {id(tensor): tensor for tensor in tensors}.values())


def _memory(tensor: torch.Tensor) -> int:
    try:
        return int(tensor.untyped_storage()._cdata)
    except Exception:  # sparse, not yet sized, of a class of the user's own
        return 0


def _name(func: Any) -> str:
    """`shape` for what reads the property of that name."""
    name = getattr(func, "__name__", "")
    return (
        str(getattr(getattr(func, "__self__", None), "__name__", name)) if name in ("__get__", "__set__") else str(name)
    )
