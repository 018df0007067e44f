"""The explanation pages of the codes that no rule file has: checks that could not be done, and calls no rule explains."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class CheckPage:
    """`what` says when the code appears, `instead` what to do about it; `fails` is what it makes of the exit status."""

    name: str
    what: str
    instead: str
    fails: str = "exit status 3"
    severity: str = "error"


PAGES: Mapping[str, CheckPage] = {
    "SC100": CheckPage(
        "contract-broken",
        "The loss refuses these tensors, and no rule knows a cause or a fix.",
        "Compare the shapes drawn with what the loss needs; torch's own words, where shown, name the first mismatch.",
        "exit status 1",
    ),
    "SC901": CheckPage(
        "not-loadable",
        "The file or module could not be found, read or imported, or has no such model.",
        "Import it outside shapecheck, from the same folder and environment: python -c 'import model'. What should only "
        'run as a script belongs under if __name__ == "__main__":',
    ),
    "SC902": CheckPage(
        "constructor-arguments",
        "The model needs constructor arguments that are not known, or takes none of that name.",
        "Give them with --arg name=value (read as YAML), or name a function that returns the model: model.py:make_net.",
    ),
    "SC903": CheckPage(
        "constructor-raises",
        "Building the model raised an exception; the place is the line in your code.",
        "Give other arguments with --arg name=value, or name an instance or a function that returns the model.",
    ),
    "SC904": CheckPage(
        "forward-raises",
        "The model does not run on the input that --input describes.",
        "Give the shape and dtype of a real batch, such as --input 4,1,16000 or --input ids=N,T:int64.",
    ),
    "SC905": CheckPage(
        "input-not-found",
        "No dummy input was found that the model runs on. The furthest try and what stopped it are shown.",
        "Give the shape and dtype of a real batch with --input; repeat it for several inputs.",
    ),
    "SC906": CheckPage(
        "timed-out",
        "Your code took longer than --timeout allows; the place is the line it was in.",
        "Allow more with --timeout SECONDS, or make the model smaller with --arg.",
    ),
    "SC907": CheckPage(
        "process-ended",
        "Your code ended its process: sys.exit, os._exit, a crash below Python, or too little memory.",
        "Look for the call named in the message; a crash shows itself with python -X faulthandler.",
    ),
    "SC908": CheckPage(
        "no-usable-output",
        "The model ran, but what it returned holds no tensor for the loss, or several that could be it.",
        "Name the part that goes to the loss: --output logits, --output 0, --output out.logits.",
    ),
    "SC909": CheckPage(
        "rule-disagrees",
        "Torch was asked and answered otherwise than the rule of the loss. Torch is right.",
        "Please report the call with your torch version; until then --ignore SC909 silences it.",
        "exit status 1 with --strict",
        "warning",
    ),
    "SC910": CheckPage(
        "wrong-usage",
        "An option, a spec, a rule file or the configuration cannot be read or contradicts itself.",
        "The message names the place and the nearest spelling; see shapecheck check --help.",
        "exit status 2",
    ),
    "SC999": CheckPage(
        "internal-error",
        "A bug of shapecheck's own.",
        "Please report it with the command, the files it read and the text of the message.",
        "exit status 2 or 3",
    ),
}


def markdown(code: str) -> str:
    """The page as `shapecheck explain` prints it."""
    page = PAGES[code]
    return (
        f"# {code} {page.name} ({page.severity})\n\nBelongs to: the check itself; {page.fails}.\n\n"
        f"## What it does\n\n{page.what}\n\n## What to do\n\n{page.instead}\n"
    )


def code_of(word: str) -> str | None:
    """The code that `word` is, or names, if any."""
    if word.upper() in PAGES:
        return word.upper()
    return next((code for code, page in PAGES.items() if page.name == word.lower()), None)
