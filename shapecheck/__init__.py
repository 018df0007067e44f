"""shapecheck finds where a model's output does not fit its loss, and shows a fix it has run.

`check` takes a module, `check_tensors` real tensors at a breakpoint; both return a `Report`. Importing this package
imports no torch, and what it offers only when it is asked for: the command line would pay for it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from shapecheck.api import check, check_tensors
    from shapecheck.errors import CheckError, ModelError, UserError
    from shapecheck.report import CheckResult, Finding, Fix, Report
    from shapecheck.version import __version__

_HOMES = {
    "api": ("check", "check_tensors"),
    "errors": ("CheckError", "ModelError", "UserError"),
    "report": ("CheckResult", "Finding", "Fix", "Report"),
    "version": ("__version__",),
}

__all__ = [
    "CheckError",
    "CheckResult",
    "Finding",
    "Fix",
    "ModelError",
    "Report",
    "UserError",
    "__version__",
    "check",
    "check_tensors",
]


def __getattr__(name: str) -> Any:
    import importlib

    for home, names in _HOMES.items():
        if name in names:
            return getattr(importlib.import_module(f"shapecheck.{home}"), name)
    raise AttributeError(f"module 'shapecheck' has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__
