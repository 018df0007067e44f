"""Keeps the user's files as they are once a script is stopped. Decides what is refused, not when.

An audit hook hears of every file that is opened for writing, removed, renamed or made, of every program that is started
and of every connection. What is open already can be written, flushed and closed; temporary folders of this very process
can be cleaned up. Before the stop the hook only remembers what the script wrote.
"""

from __future__ import annotations

import functools
import os
import stat
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

import torch

import shapecheck
from shapecheck.probe.places import distance, shown
from shapecheck.script.confining import confine

_WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
_OURS = os.path.dirname(os.path.abspath(shapecheck.__file__)) + os.sep
_DEVICES = ("/dev/", "/proc/")
_PROGRAMS = ("subprocess.Popen", "os.system", "os.posix_spawn", "os.spawn", "os.startfile")
_HERE = ("localhost", "127.0.0.1", "::1", "")

Refusal = Callable[[str], BaseException]


class Guard:
    """`written` are the files the script wrote to before it was stopped, each with whether it was there before.

    `has_started_python` is whether it has started Python anew, in which nothing is seen or stopped. `refusal` makes what is raised in the user's code, from a few words of what it wanted to do.
    """

    def __init__(self, refusal: Refusal) -> None:
        self.written: dict[str, bool] = {}
        self.has_started_python = False
        self._temporary: set[str] = set()
        self._new: set[str] = set()
        self._refusal = refusal
        self._strict_in: int | None = None  # the process: children that load data go on as they would
        self._is_over = False  # also in what is forked from then on
        self._process = os.getpid()
        self._ours_in: int | None = None  # the thread

    def install(self) -> None:
        """For the rest of the process's life: audit hooks cannot be taken away."""
        sys.addaudithook(self._hear)
        for owner, name in ((torch, "save"), (torch.serialization, "save"), (torch.jit, "save")):
            setattr(owner, name, self._guarded(getattr(owner, name)))

    def close(self, for_good: bool = False) -> None:
        """From now on nothing is touched any more; `for_good`, not by libraries either that Python hears nothing of."""
        self._strict_in = os.getpid()
        if for_good:
            self._is_over = True
            confine((*_DEVICES, *self._temporary))

    @contextmanager
    def closed(self) -> Iterator[None]:
        """Nothing is touched by this thread in the block, which is our own code that may run the user's."""
        before, self._ours_in = self._ours_in, threading.get_ident()
        try:
            yield
        finally:
            self._ours_in = before

    def _hear(self, event: str, args: tuple[Any, ...]) -> None:
        meant = _MEANT.get(event)
        if meant is not None:
            for path, what in meant(*args):
                self._asked(path, what, removes=event in ("os.remove", "os.rmdir"))
        elif event == "os.exec" and os.getpid() == self._process:
            raise self._refusal(f"give its place to {_program(args)}")  # nobody could follow it there
        elif event in _PROGRAMS:
            self._refuse(f"start {_program(args)}")
            if _program(args).startswith("python"):
                self.has_started_python = True
        elif event == "socket.connect" and _is_outside(args[1]):
            self._refuse(f"connect to {args[1][0]}")
        elif event in ("tempfile.mkdtemp", "tempfile.mkstemp"):
            self._made_temporary(_whole(args[0]))

    def _asked(self, path: str, what: str, removes: bool = False) -> None:
        """The script is about to change what is at `path`."""
        if self._is_harmless(path) or (removes and path in self._new):
            return
        self._refuse(f"{what} {shown(path)}")
        if os.getpid() == self._process and not removes:
            there = os.path.lexists(path)
            self.written.setdefault(path, there)
            if not there:
                self._new.add(path)

    def _made_temporary(self, path: str) -> None:
        """After the stop a file that is to take another's place is often made beside it under such a name."""
        if not self._is_strict() or path.startswith(tempfile.gettempdir() + os.sep):
            self._temporary.add(path)

    def _is_strict(self) -> bool:
        return self._is_over or self._strict_in == os.getpid()

    def _is_harmless(self, path: str) -> bool:
        """Devices, Python's own cache, and what this process made in the temporary folder."""
        if path.startswith(_DEVICES) or "__pycache__" in path or path == os.devnull:
            return True
        if path in self._temporary or any(path.startswith(made + os.sep) for made in self._temporary):
            return True
        try:
            mode = os.stat(path).st_mode
        except OSError:
            return False
        return not (stat.S_ISREG(mode) or stat.S_ISDIR(mode))

    def _refuse(self, what: str) -> None:
        if self._ours_in == threading.get_ident():
            if not _is_ours(sys._getframe(1)):
                raise PermissionError(f"refused while shapecheck runs the model: it would {what}")
        elif self._is_strict():
            raise self._refusal(what)

    def _guarded(self, save: Callable[..., Any]) -> Callable[..., Any]:
        """Torch writes files below Python, where no hook hears of it."""

        @functools.wraps(save)
        def guarded(obj: Any, f: Any, *args: Any, **kwargs: Any) -> Any:
            if isinstance(f, (str, os.PathLike)):
                self._asked(_whole(f), "write")
            return save(obj, f, *args, **kwargs)

        return guarded


Changes = Iterator[tuple[str, str]]


def _opened(path: Any, mode: str | None, flags: int) -> Changes:
    writes = bool(set(mode) & set("wax+")) if isinstance(mode, str) else bool(flags & _WRITES)
    if writes and isinstance(path, (str, bytes, os.PathLike)):
        yield _whole(path), "write"


def _removed(path: Any, folder: int = -1) -> Changes:
    if os.path.lexists(whole := _whole(path, folder)):
        yield whole, "remove"


def _renamed(source: Any, target: Any, source_folder: int = -1, target_folder: int = -1) -> Changes:
    yield _whole(source, source_folder), "rename"
    yield _whole(target, target_folder), "write"


def _linked(source: Any, target: Any, *folders: int) -> Changes:
    yield _whole(target, folders[-1] if folders else -1), "write"


def _made(path: Any, mode: int = 0, folder: int = -1) -> Changes:
    if not os.path.lexists(whole := _whole(path, folder)):
        yield whole, "make"


def _changed(path: Any, *rest: Any) -> Changes:
    if not isinstance(path, int):
        yield _whole(path), "change"


def _connected(database: Any) -> Changes:
    text = os.fsdecode(database) if isinstance(database, (str, bytes, os.PathLike)) else ""
    if text and ":memory:" not in text:
        yield _whole(text.removeprefix("file:").partition("?")[0]), "write"


_MEANT: dict[str, Callable[..., Changes]] = {
    "open": _opened,
    "os.remove": _removed,
    "os.rmdir": _removed,
    "os.rename": _renamed,
    "os.link": _linked,
    "os.symlink": _linked,
    "os.mkdir": _made,
    "os.truncate": _changed,
    "os.chmod": _changed,
    "os.chown": _changed,
    "os.utime": _changed,
    "sqlite3.connect": _connected,
}


def _whole(path: Any, folder: int = -1) -> str:
    """The absolute path; `folder` is the open folder that it is relative to, where it is not the current one."""
    text = os.fsdecode(path)
    if folder >= 0 and not os.path.isabs(text):
        text = os.path.join(_of_descriptor(folder), text)
    return os.path.normpath(os.path.abspath(text))


def _of_descriptor(folder: int) -> str:
    try:
        return os.readlink(f"/proc/self/fd/{folder}")
    except OSError:
        pass
    try:
        import fcntl

        return os.fsdecode(fcntl.fcntl(folder, fcntl.F_GETPATH, bytes(1024)).rstrip(b"\0"))  # type: ignore[attr-defined]
    except (ImportError, AttributeError, OSError):
        return ""


def _is_ours(frame: FrameType | None) -> bool:
    """Whether something is done for our own code, rather than for the user's that it runs."""
    while frame is not None:
        filename = frame.f_code.co_filename
        if filename.startswith(_OURS) and filename != __file__:
            return True
        if distance(filename) == 0:
            return False
        frame = frame.f_back
    return False


def _program(args: tuple[Any, ...]) -> str:
    given = args[0] if args else None
    if given is None and len(args) > 1 and args[1]:
        given = args[1][0] if isinstance(args[1], (list, tuple)) else args[1]
    text = os.fsdecode(given) if isinstance(given, (str, bytes, os.PathLike)) else "a program"
    return os.path.basename(text.split()[0]) if text.strip() else "a program"


def _is_outside(address: Any) -> bool:
    """Whether another machine is meant."""
    return isinstance(address, tuple) and bool(address) and str(address[0]) not in _HERE
