"""Says how a script ended, in a sentence that tells what has run and what has not. Pure, but for the current folder."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence

from shapecheck.endings import Result, failure
from shapecheck.errors import Location
from shapecheck.probe.places import listed, raised_at, shown
from shapecheck.probe.telling import said, shown_value
from shapecheck.report import ScriptRun
from shapecheck.script.running import Script
from shapecheck.script.stopping import Stopping


def script_run(
    script: Script,
    stopping: Stopping,
    error: BaseException | None = None,
    of_loss: bool = False,
    unseen: Sequence[Location] = (),
) -> ScriptRun:
    """`error` is what ended the script, if anything did; `of_loss` where a loss call has raised it.

    At `unseen` stand loss calls that have not come by then.
    """
    ended, told, place = _stopped(script, stopping) if stopping.reason else _ended(script, error, of_loss)
    return ScriptRun(
        script=script.shown,
        ended=ended,
        told=told,
        location=place,
        made=stopping.made,
        skipped=tuple(stopping.skipped),
        written=tuple(_written(stopping)),
        notes=(*_notes(stopping, error), *_later(stopping, unseen)),
    )


def raised(script: Script, error: BaseException) -> Result:
    """The check error for an exception of the script's own."""
    hint = f"see its traceback above; the script does the same outside of shapecheck: {_command(script)}"
    return failure("SC911", f"the script raised {said(error)}", hint, _as_data(_place(error)))


def _stopped(script: Script, stopping: Stopping) -> tuple[str, str, Location | None]:
    name, place = script.shown, stopping.place
    at = f" ({place})" if place else ""
    if stopping.reason == "update":
        told = f"{name} {_up_to_update(stopping)}; nothing after it ran"
    elif stopping.reason == "by-hand":
        told = f"{name} updates its parameters without an optimiser, was let do so and then stopped{at}"
    elif stopping.reason == "refused":
        after = ", after an update was skipped" if stopping.skipped else ""
        told = f"{name} was stopped where it would {stopping.what}{at}{after}; nothing after it ran"
    else:
        told = f"{name} was {_BY_SIGNAL[stopping.reason]}{at}; nothing after it ran"
    return stopping.reason, told, place


_BY_SIGNAL = {
    "time": "stopped when its time was up",
    "interrupt": "interrupted",
    "terminate": "told to end by a signal",
    "process": "stopped when a process that it started asked for an optimiser update",
}


def _ended(script: Script, error: BaseException | None, of_loss: bool) -> tuple[str, str, Location | None]:
    name = script.shown
    if error is None:
        return "end", f"{name} ran to its end", None
    place = _place(error)
    at = f" at {place}" if place else ""
    if isinstance(error, SystemExit):
        return "exit", f"{name} ended itself with sys.exit({shown_value(error.code)}){at}", place
    if isinstance(error, KeyboardInterrupt):
        return "interrupt", f"{name} was interrupted{at}", place
    what = f"ended with the {type(error).__name__} of its loss call" if of_loss else f"raised {type(error).__name__}"
    return "raised", f"{name} {what}{at}; nothing after it ran", place


def _place(error: BaseException) -> Location | None:
    if isinstance(error, SyntaxError) and error.filename and error.lineno:
        return Location(shown(error.filename), error.lineno)
    return raised_at(error)


def _up_to_update(stopping: Stopping) -> str:
    """`ran up to its first optimiser update (train.py:43), which was not made`."""
    several = len(set(stopping.skipped)) > 1
    update = "optimiser updates" if several else "optimiser update"
    which = f"its first {update}" if not stopping.made else f"the {update} after the first {stopping.made}"
    return f"ran up to {which} ({listed(stopping.skipped)}), which {'were' if several else 'was'} not made"


def _written(stopping: Stopping) -> list[str]:
    """Files that are still there, as the user would type them."""
    there = [path for path in stopping.guard.written if os.path.isfile(path)]
    return [shown(path) for path in there]


def _notes(stopping: Stopping, error: BaseException | None) -> list[str]:
    notes = []
    if len(set(stopping.skipped)) > 1:
        notes.append(f"what ran after {stopping.skipped[0]} ran with parameters that had not been updated")
    if stopping.guard.has_started_python:
        notes.append("it started other Python programs; what they did was neither seen nor stopped")
    if stopping.refused:
        first, more = stopping.refused[0], len(stopping.refused) - 1
        notes.append(f"when it was stopped it would {first}{f' and {more} more' if more else ''}; that was refused")
    if stopping.reason and error is not None and not isinstance(error, SystemExit):
        notes.append(f"while it was stopped it raised {said(error)}")
    return notes


def _later(stopping: Stopping, unseen: Sequence[Location]) -> Iterator[str]:
    if unseen:
        more = "; --steps N goes on" if stopping.reason in ("update", "by-hand") else ""
        yield f"no loss call was seen at {listed(unseen)} up to there{more}"


def _command(script: Script) -> str:
    return " ".join(["python", script.shown, *script.args])


def _as_data(place: Location | None) -> Result | None:
    return None if place is None else {"path": place.path, "line": place.line}
