"""Says what was left out of the user's files, what stood in for a missing module, and when that is why a model fails."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from shapecheck.errors import Location, ModelError
from shapecheck.probe import places
from shapecheck.probe.loading.absence import NO_LONGER, absence
from shapecheck.probe.loading.executing import Outcome
from shapecheck.probe.loading.importing import Imported
from shapecheck.probe.loading.slicing import LeftOut
from shapecheck.probe.loading.stand_ins import StandInUsedError
from shapecheck.probe.telling import shown_path

_LONGEST_LINE = 50


def notes(imported: Imported) -> tuple[str, ...]:
    """One for each of the user's files that was run in part, and one for the modules with a stand-in."""
    partial = (_partial(shown_path(file), outcome.left_out) for file, outcome in imported.outcomes.items())
    supplied = (
        f"{text} is taken from {Location(shown_path(file), line)}, which did not run"
        for file, outcome in imported.outcomes.items()
        for text, line in outcome.supplied
    )
    reasons = dict.fromkeys(absence.why.values())
    return (*(note for note in partial if note), *supplied, *(_stood_in(why) for why in reasons))


def _partial(file: str, left_out: tuple[LeftOut, ...]) -> str | None:
    """Statements that only depend on another one that was left out are counted, not shown."""
    own = [each for each in left_out if each.root is None]
    if not own:
        return None
    effects = [each for each in own if not _failed(each)]
    shown = next(iter(effects or own))
    more = f", and {len(left_out) - 1} more" if len(left_out) > 1 else ""
    if not effects:
        return f"{file} was run without {_line(shown)}, which {shown.why}{more}"
    return f"only the definitions of {file} were run; its top level does more: {_line(shown)}{more}"


def _failed(each: LeftOut) -> bool:
    return each.why.startswith("raises ")


def _line(each: LeftOut) -> str:
    text = each.text if len(each.text) <= _LONGEST_LINE else each.text[: _LONGEST_LINE - 4] + " ..."
    return f"line {each.line}, {text.rstrip(':')}"


def _stood_in(why: str) -> str:
    """`wandb and apex are not installed; stand-ins took their place (train.py:3, 5)`."""
    names = [name for name in absence.at if absence.why[name] == why]
    lines = places.listed(place for place in map(absence.at.get, names) if place is not None)
    if len(names) == 1:
        told = f"{names[0]} {why}; a stand-in took its place"
    else:
        told = f"{', '.join(names[:-1])} and {names[-1]} {why.replace('is ', 'are ', 1)}; stand-ins took their place"
    return f"{told} ({lines})" if lines else told


def missing(shown: str, used: str = "") -> ModelError | None:
    """The error for a model that cannot do without a module that has a stand-in; None where there is none.

    The module is that of the name `used`, else the one that the model used, else the first that was asked for.
    """
    if not absence.at:
        return None
    used = used or next((used for used, _ in absence.used), "")
    name = next((name for name in absence.at if used == name or used.startswith(f"{name}.")), next(iter(absence.at)))
    top = name.partition(".")[0]
    place = next((place for used, place in absence.used if place is not None), absence.at[name])
    absent = absence.why[name].startswith("is not")
    hint = f"install {top} in this environment" if absent else f"see what it says: python -c 'import {top}'"
    calls = f"; {used} was used" if used.startswith(name) else ""
    if absence.why[name] == NO_LONGER:
        message, hint = f"{shown} needs {name}, which {NO_LONGER}{calls}", f"install a version of {top} that has it"
        return ModelError(message, hint, code="SC901", location=place)
    return ModelError(
        f"{shown} needs the module {name}, which {absence.why[name]}{calls}", hint, code="SC901", location=place
    )


def why_left_out(imported: Imported, name: str) -> LeftOut | None:
    """The statement that makes the name, or what it is an attribute of, if that was not run."""
    file = getattr(imported.module, "__file__", None) or ""
    outcome = imported.outcomes.get(os.path.abspath(file))
    first = name.partition(".")[0]
    return next((each for each in outcome.left_out if first in each.names), None) if outcome else None


def reason(each: LeftOut) -> str:
    """`line 12, text = open("a.txt").read(), was not run: it raises ...`, of the statement that was left out first."""
    cause = each.cause
    return f"{_line(cause)}, {cause.why}" if _failed(cause) else f"{_line(cause)}, was not run: it {cause.why}"


@contextmanager
def explaining(imported: Imported | None) -> Iterator[None]:
    """Errors of the model in the block whose cause is a missing module or a line that was not run say so."""
    if imported is None:
        yield
        return
    try:
        yield
    except StandInUsedError:
        pass
    except ModelError as error:
        absent = missing(_shown(imported)) if absence.used else None
        if absent is not None:
            raise absent from None
        why = _why_undefined(imported.outcomes, error.message)
        if why is not None:
            error.hint = why
        raise
    else:
        return
    raise missing(_shown(imported)) or ModelError("a module is missing", code="SC901")


def _shown(imported: Imported) -> str:
    file = getattr(imported.module, "__file__", None)
    return shown_path(file) if file else getattr(imported.module, "__name__", "the model")


def _why_undefined(outcomes: Mapping[str, Outcome], message: str) -> str | None:
    """For `name 'vocab_size' is not defined`: which line would have made it."""
    for file, outcome in outcomes.items():
        for each in outcome.left_out:
            undefined = next((name for name in sorted(each.names) if f"name '{name}' is not defined" in message), None)
            if undefined is not None:
                place = Location(shown_path(file), each.line)
                return f"{undefined} would be made at {place}, but {reason(each)}"
    return None
