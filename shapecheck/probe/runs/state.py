"""Keeps the user's model and random number generators as they were. Knows nothing of inputs or outputs.

Only data is put back: buffers, parameters, plain attributes. Hooks and wrapped forwards that a model installs on
itself in its first run stay, since libraries that do so rely on finding them again; so does the flag that says it was done.
"""

from __future__ import annotations

import random
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import nn

from shapecheck.probe.runs.values import has_values

LARGEST_PARAMETER_COPY = 256 * 2**20
_LONGEST_CONTAINER = 4096
_MACHINERY = frozenset(nn.Module().__dict__)
_PLAIN = (torch.Tensor, int, float, complex, str, bytes, list, dict, set, tuple, type(None))


@dataclass
class _Contents:
    """A tensor and a copy of its values; `version` tells cheaply whether it was written to."""

    tensor: torch.Tensor
    values: torch.Tensor
    version: int

    def put_back(self, thorough: bool) -> None:
        """In place, and only where something changed, so that a pending backward of the user's stays valid."""
        like = self.tensor.dtype == self.values.dtype
        if not thorough and like and _version(self.tensor) == self.version:
            return
        with torch.no_grad(), suppress(RuntimeError):
            if not like or self.tensor.shape != self.values.shape:
                self.tensor.data = self.values.clone()
            elif not torch.equal(self.tensor, self.values):
                self.tensor.copy_(self.values)
        self.version = _version(self.tensor)


@dataclass
class Guard:
    """What the model looked like before the first run."""

    model: nn.Module
    _attributes: list[tuple[nn.Module, dict[str, Any]]] = field(default_factory=list)
    _registered: list[tuple[dict[str, Any], dict[str, Any]]] = field(default_factory=list)
    _containers: list[tuple[Any, Any]] = field(default_factory=list)
    _state: list[_Contents] = field(default_factory=list)
    _parameters: list[_Contents] = field(default_factory=list)
    _gradients: list[tuple[torch.Tensor, torch.Tensor | None, torch.Tensor | None]] = field(default_factory=list)
    _hooks: frozenset[int] = frozenset()

    def __post_init__(self) -> None:
        self._hooks = frozenset(_hooks_of(self.model))
        for module in self.model.modules():
            self._remember(module)
        parameters = [p for p in self.model.parameters() if has_values(p)]
        if sum(p.numel() * p.element_size() for p in parameters) <= LARGEST_PARAMETER_COPY:
            self._parameters = [_contents(p) for p in parameters]
        self._gradients = [(p, p.grad, None if p.grad is None else p.grad.clone()) for p in parameters]

    def _remember(self, module: nn.Module) -> None:
        plain = {name: value for name, value in vars(module).items() if name not in _MACHINERY}
        self._attributes.append((module, plain))
        for mapping in (vars(module).get("_buffers"), vars(module).get("_parameters")):
            if isinstance(mapping, dict):
                self._registered.append((mapping, dict(mapping)))
        held = [*plain.values(), *_mapping(vars(module).get("_buffers")).values()]
        self._state += [_contents(tensor) for tensor in _tensors(held) if has_values(tensor)]
        for value in plain.values():
            if isinstance(value, (list, dict, set)) and len(value) <= _LONGEST_CONTAINER:
                self._containers.append((value, value.copy()))

    def restore(self, thorough: bool = False) -> None:
        """After every run; `thorough` also compares the values of tensors that look unwritten."""
        for module, plain in self._attributes:
            _restore_attributes(module, plain, self._hooked_itself)
        for mapping, saved in self._registered:
            if mapping.keys() != saved.keys() or any(mapping[name] is not saved[name] for name in saved):
                mapping.clear()
                mapping.update(saved)
        for container, contents in self._containers:
            _refill(container, contents)
        for contents in self._state:
            contents.put_back(thorough)
        for contents in self._parameters:
            contents.put_back(thorough)

    def _hooked_itself(self) -> bool:
        return not self._hooks.issuperset(_hooks_of(self.model))

    def restore_gradients(self) -> None:
        for parameter, gradient, values in self._gradients:
            parameter.grad = gradient
            if gradient is not None and values is not None and not torch.equal(gradient, values):
                gradient.copy_(values)


@contextmanager
def guarded(model: nn.Module) -> Iterator[Guard]:
    """The model in eval mode for the length of the block, and everything as it was afterwards.

    Flags are set one by one: a model's own `eval()` may do more (merge weights, print) than set them.
    """
    flags = [(module, module.training) for module in model.modules()]
    with surroundings():
        guard = Guard(model)
        try:
            for module, _ in flags:
                module.training = False
            yield guard
        finally:
            guard.restore(thorough=True)
            guard.restore_gradients()
            for module, training in flags:
                module.training = training


@contextmanager
def in_training(model: nn.Module) -> Iterator[None]:
    """The model in train mode for the length of the block; dropout and batch statistics as they then are."""
    flags = [(module, module.training) for module in model.modules()]
    try:
        for module, _ in flags:
            module.training = True
        yield
    finally:
        for module, training in flags:
            module.training = training


@contextmanager
def surroundings() -> Iterator[None]:
    """Random numbers as they were; and attention by the plain path, as in training: the fast one cuts padding off."""
    fast = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)
    numpy_random = getattr(sys.modules.get("numpy"), "random", None)
    saved = torch.get_rng_state(), random.getstate(), numpy_random.get_state() if numpy_random else None
    try:
        yield
    finally:
        torch.backends.mha.set_fastpath_enabled(fast)
        torch.set_rng_state(saved[0])
        random.setstate(saved[1])
        if numpy_random:
            numpy_random.set_state(saved[2])


def seed() -> None:
    """The same random numbers for every run, so that two runs differ only by what was fed."""
    torch.default_generator.manual_seed(0)
    random.seed(0)
    numpy_random = getattr(sys.modules.get("numpy"), "random", None)
    if numpy_random:
        numpy_random.seed(0)


def _hooks_of(model: nn.Module) -> Iterator[int]:
    """The hooks of a model but for those of a probe."""
    for module in model.modules():
        for hook in (*module._forward_hooks.values(), *module._forward_pre_hooks.values()):
            if not str(getattr(hook, "__module__", "")).startswith("shapecheck."):
                yield id(hook)


def _restore_attributes(module: nn.Module, plain: dict[str, Any], hooked_itself: Callable[[], bool]) -> None:
    current = vars(module)
    for name in [name for name in current if name not in _MACHINERY]:
        value = current[name]
        if name not in plain:
            if isinstance(value, _PLAIN) and not (value is True and hooked_itself()):
                del current[name]
        elif value is not plain[name] and isinstance(value, _PLAIN) and isinstance(plain[name], _PLAIN):
            current[name] = plain[name]
    for name in plain.keys() - current.keys():
        if isinstance(plain[name], _PLAIN):
            current[name] = plain[name]


def _refill(container: Any, contents: Any) -> None:
    if isinstance(container, list):
        if len(container) != len(contents) or any(a is not b for a, b in zip(container, contents, strict=True)):
            container[:] = contents
    elif isinstance(container, dict):
        if container.keys() != contents.keys() or any(container[key] is not contents[key] for key in contents):
            container.clear()
            container.update(contents)
    elif container != contents:
        container.clear()
        container.update(contents)


def _tensors(values: list[Any]) -> Iterator[torch.Tensor]:
    for value in values:
        if isinstance(value, torch.Tensor):
            yield value
        elif isinstance(value, (list, tuple)) and len(value) <= _LONGEST_CONTAINER:
            yield from (item for item in value if isinstance(item, torch.Tensor))
        elif isinstance(value, dict) and len(value) <= _LONGEST_CONTAINER:
            yield from (item for item in value.values() if isinstance(item, torch.Tensor))


def _contents(tensor: torch.Tensor) -> _Contents:
    return _Contents(tensor, tensor.detach().clone(), _version(tensor))


def _version(tensor: torch.Tensor) -> int:
    try:
        return tensor._version
    except RuntimeError:  # inference tensors count no versions
        return -1


def _mapping(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}
