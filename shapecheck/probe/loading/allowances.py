"""What a check answers otherwise than Python would while the user's files are imported and the model is built.

Command lines are taken as empty, with every default; nothing is compiled: a check is shorter than a compiler's run.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any
from unittest.mock import patch

import torch
from torch import nn

_UNCOMPILED = ("script", "trace", "freeze", "optimize_for_inference")


@contextmanager
def lenient() -> Iterator[None]:
    """For the length of the block, in the whole process."""
    with ExitStack() as stack:
        stack.enter_context(patch.object(argparse.ArgumentParser, "parse_known_args", _with_defaults()))
        stack.enter_context(never_compiled())
        for name in _UNCOMPILED:
            stack.enter_context(patch.object(torch.jit, name, _uncompiled(getattr(torch.jit, name))))
        yield


@contextmanager
def never_compiled() -> Iterator[None]:
    """`torch.compile` gives back what it is given, for the length of the block and in the whole process."""
    with patch.object(torch, "compile", _as_it_is), patch.object(nn.Module, "compile", _nothing):
        yield


@contextmanager
def without_compiler() -> Iterator[None]:
    """What was compiled before, in the caller's own process, runs as it was written for the length of the block."""
    if "torch._dynamo" not in sys.modules:
        yield
        return
    with torch.compiler.set_stance("force_eager"):
        yield


def uncompiled(model: nn.Module) -> nn.Module:
    """The module inside what `torch.compile` or a data-parallel wrapper made of it."""
    wrappers = (nn.DataParallel, nn.parallel.DistributedDataParallel)
    inner = model.module if isinstance(model, wrappers) else getattr(model, "_orig_mod", None)
    return uncompiled(inner) if isinstance(inner, nn.Module) else model


def _uncompiled(compile_it: Callable[..., Any]) -> Callable[..., Any]:
    """Compiles for torch itself alone: a ScriptModule is one already, and so are its parts."""

    def answer(*given: Any, **options: Any) -> Any:
        by_torch = sys._getframe(1).f_globals.get("__name__", "").startswith("torch.")
        return (compile_it if by_torch else _as_it_is)(*given, **options)

    return answer


def _as_it_is(*given: Any, **options: Any) -> Any:
    """The function or module itself, or a decorator that returns it."""
    objects = [*given[:1], *(options[key] for key in ("model", "obj", "func", "mod") if key in options)]
    return objects[0] if objects and objects[0] is not None else lambda decorated: decorated


def _nothing(self: nn.Module, *args: object, **kwargs: object) -> None:
    return None


def _with_defaults() -> Callable[..., Any]:
    """`parse_known_args` to which no argument is required, where it would read the program's own command line."""
    original = argparse.ArgumentParser.parse_known_args

    def parse(
        self: argparse.ArgumentParser, args: Sequence[str] | None = None, namespace: Any = None
    ) -> tuple[Any, list[str]]:
        if args is None:
            for action in self._actions:
                action.required = False
            for group in self._mutually_exclusive_groups:
                group.required = False
        return original(self, args, namespace)

    return parse
