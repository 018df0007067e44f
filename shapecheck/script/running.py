"""Runs a script as `python train.py ...` or `python -m package.train ...` would, in this very process.

Working directory, environment and threads are left as they are. Says how the script ended; stops and checks nothing.
"""

from __future__ import annotations

import os
import runpy
import sys
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.machinery import SourceFileLoader
from importlib.util import find_spec
from types import CodeType, ModuleType, TracebackType

import shapecheck
from shapecheck.errors import ModelError, nearest

_OURS = os.path.dirname(os.path.abspath(shapecheck.__file__)) + os.sep
_LAUNCHING = ("<frozen importlib", "<frozen runpy>", runpy.__file__)


@dataclass(frozen=True)
class Script:
    """`name` is a file or, for `is_module`, what `python -m` takes; `args` are the script's own."""

    name: str
    args: Sequence[str] = ()
    is_module: bool = False

    @property
    def shown(self) -> str:
        return f"-m {self.name}" if self.is_module else self.name


def run(script: Script) -> BaseException | None:
    """What ended the script, if it did not reach its end: a SystemExit, a KeyboardInterrupt, an exception of its own.

    A ModelError of ours where there is no such module. Threads that Python would wait for are waited for.
    """
    try:
        _run_module(script) if script.is_module else _run_file(script)
        _wait_for_threads()
    except BaseException as error:
        return error
    return None


def own_part(trace: TracebackType | None) -> TracebackType | None:
    """The traceback from the script's first frame on, as Python itself would show it."""
    part = trace
    while part is not None and _is_launching(part.tb_frame.f_code.co_filename):
        part = part.tb_next
    return part


def _is_launching(filename: str) -> bool:
    return filename.startswith((_OURS, *_LAUNCHING))


class _Loader(SourceFileLoader):
    """Reads the source, and leaves no compiled file beside it, as Python does with what it is started with."""

    def get_code(self, fullname: str) -> CodeType:
        return self.source_to_code(self.get_data(self.path), self.path)


def _run_file(script: Script) -> None:
    """The module stays `__main__` until the process ends, since exit handlers, pickles and new processes look there."""
    path = os.path.abspath(script.name)
    _arguments(script.name, os.path.dirname(os.path.realpath(path)), script.args)
    main = ModuleType("__main__")
    main.__file__, main.__spec__ = path, None
    main.__loader__ = loader = _Loader("__main__", path)
    vars(main)["__builtins__"], vars(main)["__cached__"] = sys.modules["builtins"], None
    sys.modules["__main__"] = main
    loader.exec_module(main)


def _run_module(script: Script) -> None:
    _arguments(script.name, os.getcwd(), script.args)
    _require(script.name)
    runpy.run_module(script.name, run_name="__main__", alter_sys=True)


def _arguments(first: str, folder: str, args: Sequence[str]) -> None:
    sys.argv = [first, *args]
    if not getattr(sys.flags, "safe_path", False):
        sys.path.insert(0, folder)


def _require(name: str) -> None:
    """Raises ModelError, with the nearest name, where there is no such module; its packages are imported."""
    try:
        found = find_spec(name)
    except ModuleNotFoundError as error:
        if error.name is None or not f"{name}.".startswith(f"{error.name}."):
            raise  # a package that the user's own package imports
        found = None
    except ValueError:
        found = None
    if found is None:
        raise ModelError(f"no module named {name}", _module_hint(name), code="SC901")


def _module_hint(name: str) -> str:
    """What was probably meant, among the files of the folder that the name points at."""
    package, _, last = name.rpartition(".")
    folder = os.path.join(*package.split(".")) if package else "."
    try:
        files = sorted(os.listdir(folder))
    except OSError:
        return "the current folder is searched first, then installed packages; as for python -m"
    names = [file.removesuffix(".py") for file in files if file.endswith(".py") or os.path.isdir(f"{folder}/{file}")]
    guess = nearest(last.removesuffix(".py"), names)
    whole = ".".join(part for part in (package, guess or "") if part)
    return f"did you mean -m {whole}?" if guess else "the current folder is searched first, then installed packages"


def _wait_for_threads() -> None:
    for thread in threading.enumerate():
        if thread is not threading.current_thread() and not thread.daemon:
            thread.join()
