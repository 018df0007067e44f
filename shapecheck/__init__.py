"""shapecheck finds where a model's output does not fit its loss, and shows a fix it has run.

`check` takes a module, `check_tensors` real tensors at a breakpoint; both return a `Report`. `watch` checks the loss calls
of a block while it runs, `install` explains every loss of the process that raises. Importing this package imports no
torch, and what it offers only when it is asked for: the command line would pay for it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from shapecheck.api import check, check_tensors
    from shapecheck.errors import CheckError, ModelError, UserError
    from shapecheck.live.hooks import install, uninstall
    from shapecheck.live.watching import FindingsError, watch
    from shapecheck.report import CheckResult, Finding, Fix, Report
    from shapecheck.version import __version__

_HOMES = {
    "api": ("check", "check_tensors"),
    "errors": ("CheckError", "ModelError", "UserError"),
    "live.hooks": ("install", "uninstall"),
    "live.watching": ("FindingsError", "watch"),
    "report": ("CheckResult", "Finding", "Fix", "Report"),
    "version": ("__version__",),
}

__all__ = [
    "CheckError",
    "CheckResult",
    "Finding",
    "FindingsError",
    "Fix",
    "ModelError",
    "Report",
    "UserError",
    "__version__",
    "check",
    "check_tensors",
    "install",
    "uninstall",
    "watch",
]


def __getattr__(name: str) -> Any:
    import importlib

    for home, names in _HOMES.items():
        if name in names:
            return getattr(importlib.import_module(f"shapecheck.{home}"), name)
    raise AttributeError(f"module 'shapecheck' has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__


def load_ipython_extension(shell: Any) -> None:
    """`%load_ext shapecheck`."""
    __getattr__("install")()


def unload_ipython_extension(shell: Any) -> None:
    """`%unload_ext shapecheck`."""
    __getattr__("uninstall")()
