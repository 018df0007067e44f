"""One run of a script: hooks in place, script run, what it did to its losses checked and sent. Decides nothing itself."""

from __future__ import annotations

import faulthandler
import logging
import os
import signal
import sys
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from types import FrameType
from typing import Any, NoReturn

from shapecheck import wire
from shapecheck.endings import internal
from shapecheck.errors import CheckError, Location, ModelError
from shapecheck.intercept.calls import LossCall
from shapecheck.intercept.interception import Interception
from shapecheck.probe import places
from shapecheck.script import ending, leaving, running
from shapecheck.script.aside import aside
from shapecheck.script.by_hand import ByHand
from shapecheck.script.processes import watch_new
from shapecheck.script.recording import Recording
from shapecheck.script.running import Script
from shapecheck.script.sending import Sender
from shapecheck.script.stopping import Stop, Stopping
from shapecheck.script.unseen import unseen

_SIGNALS = {"SIGINT": "interrupt", "SIGTERM": "terminate", "SIGXCPU": "time"}


def run(order: Mapping[str, Any], sender: Sender) -> None:
    """The order is `{"script", "args", "module", "steps", "verify", "rules", "stack"}`; `stack` is a file for last words."""
    places.home = os.getcwd()
    script = Script(order["script"], order["args"], order["module"])
    job = _Job(script, order, sender)
    job.install(order["stack"])
    with job.recording, Interception(job, job.folders):
        error = running.run(script)
    job.finish(error)


class _Job:
    """Also a listener to loss calls: what is new is told at once, so that a crash loses nothing."""

    def __init__(self, script: Script, order: Mapping[str, Any], sender: Sender) -> None:
        self.script = script
        self.folders = tuple(Path(folder) for folder in order["rules"])
        self.recording = Recording(self.folders)
        self.stopping = Stopping(order["steps"], self.hand_over, self._stopped, self.leave)
        self._by_hand = ByHand(self.stopping)
        self._sender = sender
        self._verify = order["verify"]
        self._told = 0
        self._explained: set[str] = set()  # the places of calls with findings
        self._process = os.getpid()
        self._exit: Callable[[int], NoReturn] = os._exit

    def install(self, stack: str) -> None:
        file = open(stack, "w")  # noqa: SIM115  # stays open: the fault handler writes to it
        faulthandler.enable(file, all_threads=False)
        for name, reason in _SIGNALS.items():
            if hasattr(signal, name):
                signal.signal(getattr(signal, name), self._signalled(reason))
        if hasattr(faulthandler, "register"):
            faulthandler.register(signal.SIGXCPU, file, all_threads=False, chain=True)
        self.stopping.install()
        watch_new(self._refuse)
        sys.unraisablehook = _quiet(sys.unraisablehook)
        threading.excepthook = _quiet(threading.excepthook)
        logging.getLogger("asyncio").addFilter(_is_worth_telling)
        os._exit = self._exits

    # ------------------------------------------------------------------------ while the script runs

    def before(self, call: LossCall) -> None:
        self._by_hand.before(call)

    def after(self, call: LossCall, result: Any) -> None:
        self._tell()
        self._by_hand.after(call, result)

    def raised(self, call: LossCall, error: Exception) -> None:
        self._tell()

    def _tell(self) -> None:
        seen = self.recording.seen
        for each in seen[self._told :]:
            self._sender.send(seen=wire.pack(each.subject))
        self._told = len(seen)

    def hand_over(self) -> bool:
        """Checks the loss calls that are new and sends the results; the script's state is as it was before.

        False where there was no loss call yet.
        """
        seen = self.recording.seen
        if not all(each.reported for each in seen):
            self._check()
        return bool(seen)

    def _stopped(self) -> None:
        self._sender.send(stopped=True)

    def _check(self) -> None:
        self._sender.send(checking=True)
        with self.stopping.guard.closed(), aside():
            while not all(each.reported for each in self.recording.seen):
                try:
                    self._send_results()
                except CheckError as error:
                    self._sender.send(error=error.to_dict())
                except Exception as error:  # ours: the script must not meet it
                    self._sender.error(internal(error))

    def _send_results(self) -> None:
        for result in self.recording.results(self._verify):
            self._sender.send(result=wire.pack(result))
            if result.findings or result.error is not None:
                self._explained.add(result.name)

    def _signalled(self, reason: str) -> Callable[[int, FrameType | None], None]:
        def handler(number: int, frame: FrameType | None) -> None:
            self.stopping.stop("process" if self.stopping.is_by_child else reason)

        return handler

    def _refuse(self, what: str) -> NoReturn:
        self.stopping.stop("refused", what=what)

    def _exits(self, status: int) -> NoReturn:
        """In place of os._exit, which would take along what is known."""
        if os.getpid() == self._process:
            with suppress(BaseException):
                self.hand_over()
            self._end(SystemExit(status))
        self._exit(status)

    # ------------------------------------------------------------------------ when it has ended

    def finish(self, error: BaseException | None) -> None:
        """Python then ends the process as it would have."""
        os._exit = self._exit  # type: ignore[assignment]
        if os.getpid() != self._process:  # one that the script forked
            leaving.leave_now(_status(error))
        if isinstance(error, ModelError):
            self._sender.send(error=error.to_dict())
            return
        with suppress(BaseException):
            self.hand_over()
        if self._is_own(error):
            assert error is not None
            error = error.with_traceback(running.own_part(error.__traceback__))
            sys.excepthook(type(error), error, error.__traceback__)
            self._sender.error(ending.raised(self.script, error))
        self._end(error)

    def leave(self) -> NoReturn:
        """From inside of a script that has swallowed the stop."""
        os._exit = self._exit  # type: ignore[assignment]
        if os.getpid() != self._process:
            leaving.leave_now(1)
        with suppress(BaseException):
            self.hand_over()
        self._end(None)
        leaving.leave_now()

    def _end(self, error: BaseException | None) -> None:
        of_loss = error is not None and _comes_of(error, self.recording.last_error)
        told = ending.script_run(self.script, self.stopping, error, of_loss, self._unseen())
        self._sender.send(run=wire.pack(told))
        leaving.flush_files()

    def _unseen(self) -> list[Location]:
        """Loss calls of the script, and of the file with the update, that would have come later."""
        if not self.stopping.reason:
            return []
        files = [str(getattr(sys.modules.get("__main__"), "__file__", ""))]
        if self.stopping.place is not None:
            files.append(os.path.join(places.home or "", self.stopping.place.path))
        return unseen(files, [each.location for each in self.recording.seen])

    def _is_own(self, error: BaseException | None) -> bool:
        """Whether the exception has to be shown: it is neither an end in order nor explained by a finding."""
        if error is None or self.stopping.reason or isinstance(error, (SystemExit, KeyboardInterrupt)):
            return False
        cause = self.recording.last_error
        return cause is None or not _comes_of(error, cause) or self._explained.isdisjoint(self.recording.explaining)


def _comes_of(error: BaseException, cause: BaseException | None) -> bool:
    """Whether the exception is the other, or was raised from it."""
    each: BaseException | None = error
    while each is not None:
        if each is cause:
            return True
        each = each.__cause__
    return False


def _status(error: BaseException | None) -> int:
    """As Python would end with it."""
    code = error.code if isinstance(error, SystemExit) else error
    return code if isinstance(code, int) else int(code is not None)


def _is_worth_telling(record: logging.LogRecord) -> bool:
    """An event loop logs what its tasks end with."""
    return not record.exc_info or not isinstance(record.exc_info[1], Stop)


def _quiet(hook: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """Without what threads, exit handlers and finalisers of a stopped script end with."""
    return lambda raised: None if isinstance(raised.exc_value, Stop) else hook(raised)
