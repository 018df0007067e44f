"""What is known of modules that are missing while the user's files are imported. Finds and replaces none."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from types import FrameType

from shapecheck.errors import Location

NOT_INSTALLED = "is not installed"
NO_LONGER = "is not in the package that is installed"
_NEVER = ("torch", "shapecheck")


@dataclass
class Absence:
    """Why modules are missing: by top-level name, the line that imports it, and what is wrong with it."""

    at: dict[str, Location | None] = field(default_factory=dict)
    why: dict[str, str] = field(default_factory=dict)
    used: list[tuple[str, Location | None]] = field(default_factory=list)
    importing: bool = False
    is_own: Callable[[str], bool] = field(default=lambda name: False)

    def allows(self, name: str) -> bool:
        top = name.partition(".")[0]
        return top not in _NEVER and top not in sys.stdlib_module_names and not self.is_own(top)


absence = Absence()


def is_importing() -> bool:
    """Also while a module is imported that a function of the user's asks for."""
    frame: FrameType | None = None if absence.importing else sys._getframe(1)
    while frame is not None:
        if frame.f_code.co_name == "exec_module" and frame.f_code.co_filename.startswith("<frozen importlib"):
            return True
        frame = frame.f_back
    return absence.importing
