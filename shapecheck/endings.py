"""Errors for user code that did not come back: too slow, crashed or left. Plain data, as it crosses processes."""

from __future__ import annotations

import signal
from typing import Any

from shapecheck.errors import EXIT_MODEL

Result = dict[str, Any]


def failure(code: str, message: str, hint: str, location: Result | None = None) -> Result:
    """The result of a job that could not be done; `location` is `{"path", "line"}`."""
    error = {"code": code, "message": message, "hint": hint, "location": location, "exit_status": EXIT_MODEL}
    return {"error": error}


def timed_out(seconds: float, location: Result | None = None) -> Result:
    message = f"timed out after {seconds:g} s"
    return failure("SC906", message, "if that is how long it takes, allow more with --timeout SECONDS", location)


def died(status: int | None, location: Result | None = None, who: str = "the process of the user's code") -> Result:
    """`status` is negative for a signal, as in `subprocess`; None where it is not known."""
    if status is None:
        return failure("SC907", f"{who} was lost", "try again", location)
    if status >= 0:
        hint = "a check needs the code to come back: look for os._exit, or for a library that ends the process"
        return failure("SC907", f"{who} ended itself with exit status {status}", hint, location)
    if status == -9:
        hint = "make the model smaller with --arg, or its input with --input"
        return failure("SC907", f"{who} was killed, probably out of memory", hint, location)
    hint = "a crash below Python: see it outside shapecheck with python -X faulthandler"
    return failure("SC907", f"{who} died of {_signal_name(-status)}", hint, location)


def internal(error: BaseException) -> Result:
    """The answer where we have a bug."""
    import traceback

    kind, hint = type(error).__name__, "please report this, with the text below"
    result = failure("SC999", f"internal error: {kind}", hint)
    result["error"]["detail"] = "".join(traceback.format_exception(error))
    return result


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
