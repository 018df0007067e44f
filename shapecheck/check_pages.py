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
        "The file or module could not be found, read or imported, has no such model or data, or needs something that is not "
        "there: a package that is not installed, or a name that the file would make by training, downloading or reading data. "
        "Of a file that does such things at its top level only the definitions are run. Of what --data names no batch could be "
        "taken.",
        "Install what the message names, or write a function that builds the model from values of your own and name that. Else "
        "import it outside shapecheck, from the same folder and environment: python -c 'import model'.",
    ),
    "SC902": CheckPage(
        "constructor-arguments",
        "The model takes no constructor argument of that name, or needs some for which no value was found: neither in a call "
        "in your code nor by name, annotation and what the constructor raised. The help lists what was tried.",
        "Give them with --arg name=value (read as YAML); --arg config.width=64 sets a field of a config object. For what is "
        "no plain value, name a function that returns the model: model.py:make_net. What --data names is called without arguments.",
    ),
    "SC903": CheckPage(
        "constructor-raises",
        "Building the model raised an exception; the place is the line in your code.",
        "Give other arguments with --arg name=value, or name an instance or a function that returns the model.",
    ),
    "SC904": CheckPage(
        "forward-raises",
        "The model does not run on the input that --input describes, or on a batch of --data.",
        "Give the shape and dtype of a real batch, such as --input 4,1,16000 or --input ids=N,T:int64. Where the training loop "
        "changes a batch before the model gets it, name a function with --data that returns it changed.",
    ),
    "SC905": CheckPage(
        "input-not-found",
        "No dummy input was found that the model runs on. The help lists what was tried, the furthest first, and what stopped it; "
        "each error once, with the number of tries.",
        "Give the shape and dtype of a real batch with --input, as in the line at the end of the help; repeat it for several "
        "inputs (--input tokens=N,T:int64 --input mask=N,T:bool; --input batch.tokens=N,T for a field of an object). A line "
        "in the file that calls the model on a made-up tensor, or a docstring that names the shape, is read as a hint.",
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
    "SC911": CheckPage(
        "script-raises",
        "The script that was run ended with an exception that no loss call raised; the place is the line in your code, and "
        "its traceback is on standard error. The loss calls that it had made by then are checked all the same.",
        "Run it as python train.py with the same arguments: it raises there too. Arguments for the script stand behind its "
        "name: shapecheck run train.py --data small/.",
    ),
    "SC912": CheckPage(
        "no-loss-call",
        "The script that was run ended, or was stopped, before it called a loss that has a rule: one of torch's, as a "
        "function or a module, or one of your own with a rule file in a folder of --rules.",
        "Give the script the arguments with which it trains; allow more time with --timeout SECONDS; or check the model by "
        "itself: shapecheck model.py:Net --loss cross_entropy.",
    ),
    "SC950": CheckPage(
        "refused-by-loss",
        "The loss is a function of your own that has no rule. Run with this output and target it raised an exception, in "
        "forward or in backward. The targets that it does take with this output, found by trying, are drawn below.",
        "Give the loss one of those, or use a fix shown: each was run with your function, and what is marked executed "
        "was also found to compare every place of the output with its own place of the target and no other.",
        "exit status 1",
    ),
    "SC951": CheckPage(
        "no-target-accepted",
        "A loss of your own raised an exception with every target that was tried: one value per sample, per position, "
        "and of the output's own shape, int64 and floating.",
        "Where the function itself is at fault, the line is shown. If it takes another kind of target, name it with "
        "--target, or give the loss a rule file.",
        "exit status 1, as a warning only with --strict",
        "warning",
    ),
    "SC952": CheckPage(
        "classes-from-positions",
        "A loss of your own makes probabilities along an axis of time or space, though the output has an axis that "
        "follows no input and so holds classes or features. Adding the same number to the whole of that axis changes "
        "nothing, which is what softmax does.",
        "Permute the output before the loss, or give softmax the other dim, or ignore the code if positions are what "
        "the model chooses among.",
        "exit status 1 with --strict",
        "warning",
    ),
    "SC953": CheckPage(
        "loss-not-scalar",
        "A loss of your own returns several numbers, or no tensor at all. backward() needs a single number.",
        "Reduce it, with .mean() or as the loss means it; return the tensor and not .item().",
        "exit status 1; several numbers are a warning",
    ),
    "SC954": CheckPage(
        "unintended-pairs",
        "Inside a loss of your own something made of the output met something made of the target, of another shape, "
        "and broadcasting paired each value of one with several of the other: (N, 1) with (N) gives (N, N). Axes that "
        "the function inserts itself, with unsqueeze or None, are taken as meant.",
        "Bring both to one shape before the loss, or check the shapes in it: assert output.shape == target.shape.",
        "exit status 1",
    ),
    "SC955": CheckPage(
        "scrambled-places",
        "Targets were changed one place at a time. The gradient of the output moved at other places than those, in no "
        "regular way: a view or reshape takes axes in another order than they are stored, such as logits of the shape "
        "(N, C, T) with view(-1, C).",
        "Move the axis of the classes last before flattening: logits.movedim(1, -1).reshape(-1, C).",
        "exit status 1",
    ),
    "SC956": CheckPage(
        "gradient-missing",
        "No gradient comes back from a loss of your own to the output, whatever the target: the model would not learn.",
        "Look for argmax, round, a comparison, .item(), .detach(), numpy or a new tensor made of values on the way.",
        "exit status 1",
    ),
    "SC957": CheckPage(
        "samples-without-gradient",
        "Some places of the batch never get a gradient from a loss of your own, whatever the targets and whichever "
        "samples stand there.",
        "Look for a slice or a loop that leaves samples out, such as output[:-1].",
        "exit status 1 with --strict",
        "warning",
    ),
    "SC958": CheckPage(
        "loss-not-finite",
        "A loss of your own, or its gradient, is nan or infinite with this output: a log of values below zero, a "
        "division by zero, a root of zero.",
        "Give it what it takes (logits or probabilities), or add a small number inside the log, the root or below the "
        "line. For logits prefer functions that take them: F.binary_cross_entropy_with_logits, F.log_softmax.",
        "exit status 1",
    ),
    "SC959": CheckPage(
        "target-ignored",
        "The value and the gradient of a loss of your own are the same for different targets.",
        "Look for a target that is overwritten, compared with itself or left unused.",
        "exit status 1 with --strict",
        "warning",
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
