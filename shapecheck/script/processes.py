"""Processes that a script starts afresh, by `spawn` or `forkserver`: nothing of ours is in them.

Those that load data or work for a pool go on as they would. One that runs a function of the script's own may train, and
that could be neither seen nor stopped: it is refused. Forked ones take everything along.
"""

from __future__ import annotations

import functools
import multiprocessing
from collections.abc import Callable
from multiprocessing.process import BaseProcess
from typing import Any

_HELPERS = ("multiprocessing.", "torch.utils.data.", "concurrent.")


def watch_new(refuse: Callable[[str], Any]) -> None:
    """`refuse` is called, with what was about to be done, in place of starting such a process."""
    start = BaseProcess.start

    @functools.wraps(start)
    def watched(process: BaseProcess) -> None:
        if _method(process) != "fork" and not _is_helper(process):
            refuse("start a process of its own by spawn, which cannot be followed")
        start(process)

    BaseProcess.start = watched  # type: ignore[method-assign, assignment]


def _method(process: BaseProcess) -> str | None:
    method: str | None = getattr(process, "_start_method", None)
    return method or multiprocessing.get_start_method()


def _is_helper(process: BaseProcess) -> bool:
    target = getattr(process, "_target", None) or type(process).run
    return str(getattr(target, "__module__", "")).startswith(_HELPERS)
