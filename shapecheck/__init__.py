"""shapecheck finds where a model's output does not fit its loss, and shows a fix it has run.

`check` takes a module, `check_tensors` real tensors at a breakpoint; both return a `Report`. Importing this package
imports no torch.
"""

from __future__ import annotations

from shapecheck.api import check, check_tensors
from shapecheck.errors import CheckError, ModelError, UserError
from shapecheck.report import CheckResult, Finding, Fix, Report
from shapecheck.version import __version__

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
