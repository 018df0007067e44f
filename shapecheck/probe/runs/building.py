"""Builds the user's model for real, or without values where its parameters are too many. Runs no model."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import TYPE_CHECKING

from shapecheck.errors import CheckError, ModelError
from shapecheck.probe.runs.engine import Engine, ShapesEngine, engine_for
from shapecheck.probe.runs.weight import TooLargeError, bytes_of, weighing

if TYPE_CHECKING:
    from torch import nn

    from shapecheck.probe.loading.load import Loaded

_UNKNOWN_MEMORY = 4 * 2**30
_SHARE = 0.5  # of the free memory: a run takes some as well
_SMALLER = "a model with fewer layers has the same shapes: --arg num_layers=2, or a function that builds it so"


def built(load: Callable[[], Loaded]) -> tuple[Loaded, Engine]:
    """What `load` gives, and how to run it. `load` may be called again, in a mode in which tensors take no memory.

    Raises whatever it raises.
    """
    loaded = _within(load)
    if loaded is not None:
        return loaded, engine_for(loaded.model)
    from shapecheck.probe.runs.fake import ShapesMode

    mode = ShapesMode()
    try:
        with mode:
            loaded = load()
    except ModelError as failed:
        loaded = _for_real(load, failed, _free())
        return loaded, Engine()
    mode.read = 0
    size = bytes_of(loaded.model)

    def real(failed: ModelError, worth: int) -> nn.Module:
        return _for_real(load, failed, min(worth, _free()), size).model

    return loaded, ShapesEngine(mode=mode, real=real)


def _within(load: Callable[[], Loaded], limit: int | None = None) -> Loaded | None:
    """None where the model is too large."""
    with weighing(limit) if limit is not None else weighing() as scale:
        try:
            loaded = load()
        except TooLargeError:
            return None
        except CheckError as error:  # the user's code, or ours around it, may have caught the other
            if scale.exceeded or "allocate memory" in error.message:
                return None
            raise
    return None if scale.exceeded else loaded


def _for_real(load: Callable[[], Loaded], failed: ModelError, allowed: int, size: int | None = None) -> Loaded:
    """The model with values after all, if `allowed` bytes are enough. Raises `failed` with what can be done instead."""
    loaded = None if size is not None and size > allowed else _within(load, allowed)
    if loaded is not None:
        return loaded
    large = f"{size / 2**30:.1f} GiB of parameters" if size is not None else "its parameters"
    failed.message = (
        failed.message.rstrip(".") + f"; it was run on shapes alone, since {large} are too many to build it for a check"
    )
    failed.hint = f"{failed.hint}\n{_SMALLER}" if failed.hint else _SMALLER
    raise failed


def _free() -> int:
    """Bytes of memory that a model may take here."""
    return int(_free_memory() * _SHARE)


def _free_memory() -> int:
    """In bytes, as far as the system tells."""
    try:
        with open("/proc/meminfo", encoding="ascii") as file:
            lines = dict(line.split(":", 1) for line in file)
        return int(lines["MemAvailable"].split()[0]) * 1024
    except (OSError, ValueError, KeyError):
        pass
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2
    except (AttributeError, ValueError, OSError):
        return _UNKNOWN_MEMORY
