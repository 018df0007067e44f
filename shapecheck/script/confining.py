"""On Linux: this thread, and what it starts from now on, can no longer open files for writing. What is open stays so.

A second net below the audit hook, which hears nothing of what libraries written in C or Rust do (safetensors, HDF5).
Landlock, the kernel's own; where it is missing nothing happens. There is no way back.
"""

from __future__ import annotations

import ctypes
import os
import struct
import sys
from collections.abc import Iterable
from contextlib import suppress

_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446  # the same on every architecture
_ASK_VERSION, _PATH_BENEATH, _NO_NEW_PRIVILEGES = 1, 1, 38
_WRITE_FILE, _MAKE_FILE, _TRUNCATE = 1 << 1, 1 << 8, 1 << 14
_TRUNCATES_SINCE = 3  # the version of Landlock


def confine(allowed: Iterable[str]) -> bool:
    """Whether it was done; below `allowed` files may still be written."""
    if sys.platform != "linux":
        return False
    with suppress(OSError, AttributeError):
        return _confined(ctypes.CDLL(None, use_errno=True), allowed)
    return False


def _confined(libc: ctypes.CDLL, allowed: Iterable[str]) -> bool:
    version = _call(libc, _CREATE_RULESET, None, 0, _ASK_VERSION)
    if version < 1:
        return False
    handled = _WRITE_FILE | _MAKE_FILE | (_TRUNCATE if version >= _TRUNCATES_SINCE else 0)
    rules = _call(libc, _CREATE_RULESET, struct.pack("=Q", handled), 8, 0)
    if rules < 0:
        return False
    try:
        for path in allowed:
            _allow(libc, rules, path, handled)
        privileges = libc.prctl(_NO_NEW_PRIVILEGES, 1, 0, 0, 0)
        return bool(privileges == 0 and _call(libc, _RESTRICT_SELF, rules, 0) == 0)
    finally:
        os.close(rules)


def _call(libc: ctypes.CDLL, *words: int | bytes | None) -> int:
    """The kernel takes whole registers, of which an int of C fills half."""
    libc.syscall.restype = ctypes.c_long
    return int(libc.syscall(*[ctypes.c_long(word) if isinstance(word, int) else word for word in words]))


def _allow(libc: ctypes.CDLL, rules: int, path: str, handled: int) -> None:
    with suppress(OSError):
        opened = os.open(path, os.O_PATH | os.O_CLOEXEC)
        try:
            rights = handled if os.path.isdir(path) else handled & ~_MAKE_FILE
            _call(libc, _ADD_RULE, rules, _PATH_BENEATH, struct.pack("=Qi", rights, opened), 0)
        finally:
            os.close(opened)
