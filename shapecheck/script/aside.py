"""Runs what is ours in the middle of a script, which finds everything as it was and hears nothing. Imports torch."""

from __future__ import annotations

import random
import sys
import threading
import warnings
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, redirect_stderr, redirect_stdout
from typing import Any, cast

import torch


@contextmanager
def aside() -> Iterator[None]:
    """Gradients on, autocast off; random numbers of torch, Python and numpy go on as if nothing had been drawn.

    What the user's model prints and warns of when it is probed is not shown: it would come at every try.
    """
    with ExitStack() as stack:
        for context in (_drawn(), _silence(), torch.inference_mode(False), torch.enable_grad()):
            stack.enter_context(context)
        for device in ("cpu", "cuda") if torch.cuda.is_available() else ("cpu",):
            stack.enter_context(torch.autocast(device, enabled=False))
        yield


@contextmanager
def _drawn() -> Iterator[None]:
    numpy = sys.modules.get("numpy.random")
    drawn, of_numpy = random.getstate(), numpy.get_state() if numpy else None
    devices = list(range(torch.cuda.device_count())) if torch.cuda.is_initialized() else []
    with torch.random.fork_rng(devices=devices):
        try:
            yield
        finally:
            random.setstate(drawn)
            if numpy is not None:
                numpy.set_state(of_numpy)


@contextmanager
def _silence() -> Iterator[None]:
    with warnings.catch_warnings(), redirect_stdout(_mute(sys.stdout)), redirect_stderr(_mute(sys.stderr)):
        warnings.simplefilter("ignore")
        yield


class _Mute:
    """A stream in whose place this thread writes nothing; the script's other threads go on writing."""

    def __init__(self, stream: Any) -> None:
        self._stream, self._thread = stream, threading.get_ident()

    def write(self, text: str) -> int:
        return len(text) if threading.get_ident() == self._thread else int(self._stream.write(text))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


def _mute(stream: Any) -> Any:
    return stream if stream is None else cast(Any, _Mute(stream))
