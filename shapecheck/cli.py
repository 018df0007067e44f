"""The command line: reads options, starts the worker, renders, exits. Decides nothing about losses; no torch here."""

import os
import sys
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from enum import Enum
from pathlib import Path
from typing import Annotated, Any, TextIO

import typer

from shapecheck import runs
from shapecheck.errors import EXIT_CLEAN, EXIT_FINDINGS, EXIT_USAGE, CheckError, UserError, nearest
from shapecheck.render import terminal
from shapecheck.report import CheckResult, Report
from shapecheck.version import __version__

_WITH_VALUE = ("--steps", "--select", "--ignore", "--format", "--rules", "--timeout")  # of `run`
INTERRUPTED = 130  # as shells report a Ctrl-C
COMMANDS = ("check", "explain", "rules", "run", "trace")
EXAMPLES = """
Examples:

  shapecheck model.py:WaveNet --loss cross_entropy

  shapecheck model.py:Net -l cross_entropy -t N,T --arg n_classes=10

  shapecheck spec.yaml --format json

  shapecheck run train.py --epochs 3

  shapecheck explain SC101
"""
RUN_EXAMPLES = """
Examples:

  shapecheck run train.py

  shapecheck run --steps 20 train.py --lr 0.1 data/

  shapecheck run -m package.train --config small.yaml
"""


_HELP: dict[str, Any] = {"help_option_names": ["-h", "--help"]}


def _plain_typer() -> typer.Typer:
    return typer.Typer(
        add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False, context_settings=_HELP
    )


app = _plain_typer()


class Format(str, Enum):
    """How findings are written."""

    text = "text"
    concise = "concise"
    json = "json"


Targets = Annotated[list[str], typer.Argument(metavar="TARGET...", help="model.py:Net, package.module:Net, train.ipynb:Net, model.pt2, spec.yaml, or - for a spec on standard input.", show_default=False)]  # fmt: skip
Loss = Annotated[str | None, typer.Option("--loss", "-l", metavar="NAME", help="The loss: cross_entropy, CrossEntropyLoss, F.cross_entropy, torch.nn.CrossEntropyLoss; or your own, losses.py:my_loss.", show_default=False)]  # fmt: skip
LossArgs = Annotated[list[str] | None, typer.Option("--loss-arg", "-L", metavar="NAME=VALUE", help="Keyword of the loss; weight=[10] gives a tensor's shape.", show_default=False)]  # fmt: skip
Arguments = Annotated[list[str] | None, typer.Option("--arg", "-a", metavar="NAME=VALUE", help="Constructor argument of the model, read as YAML; config.width=64 sets a field. Found by itself if left out.", show_default=False)]  # fmt: skip
Inputs = Annotated[list[str] | None, typer.Option("--input", "-i", metavar="SHAPE[:DTYPE]", help="Dummy input: N,1,T or 4,1,16000 or ids=N,T:int64; repeat for several. Found by itself if left out.", show_default=False)]  # fmt: skip
TargetShape = Annotated[str | None, typer.Option("--target", "-t", metavar="SHAPE[:DTYPE]", help="What the data set yields: N, or N,T, or N:float32.", show_default=False)]  # fmt: skip
OutputPath = Annotated[str | None, typer.Option("--output", "-o", metavar="PATH", help="The part of a structured output that goes to the loss: logits, 0, out.logits.", show_default=False)]  # fmt: skip
TracedOutput = Annotated[str | None, typer.Option("--output", metavar="PATH", help="As for check; -o is the file here.", show_default=False)]  # fmt: skip
Classes = Annotated[int | None, typer.Option("--classes", min=1, metavar="N", help="Number of classes in the data.", show_default=False)]  # fmt: skip
Data = Annotated[str | None, typer.Option("--data", metavar="FILE:NAME", help="Take one real batch from a DataLoader, a Dataset, or a function that returns one: train.py:loader.", show_default=False)]  # fmt: skip
Select = Annotated[list[str] | None, typer.Option("--select", metavar="CODES", help="Only these codes or names; SC1 means all that start so.", show_default=False)]  # fmt: skip
Ignore = Annotated[list[str] | None, typer.Option("--ignore", metavar="CODES", help="Not these codes or names.", show_default=False)]  # fmt: skip
Verify = Annotated[bool | None, typer.Option("--verify/--no-verify", help="Run suggested fixes with torch; on for models, off for specs.", show_default=False)]  # fmt: skip
Timeout = Annotated[float, typer.Option("--timeout", min=0.001, metavar="SECONDS", help="For the user's code, each target.")]  # fmt: skip
Jobs = Annotated[int, typer.Option("--jobs", "-j", min=1, metavar="N", help="Targets checked at once.")]
RuleFolders = Annotated[list[str] | None, typer.Option("--rules", metavar="DIR", help="More rule files, over the ones that ship; repeatable.", show_default=False)]  # fmt: skip
Words = Annotated[list[str] | None, typer.Argument(metavar="train.py [ARGS]...", help="The script; whatever follows it is its own.", show_default=False)]  # fmt: skip
Module = Annotated[str | None, typer.Option("-m", metavar="MODULE", help="A module instead, as for python -m; whatever follows it is its own.", show_default=False)]  # fmt: skip
Steps = Annotated[int, typer.Option("--steps", min=0, metavar="N", help="Updates of each optimiser that are made before it is stopped.")]  # fmt: skip
ScriptTimeout = Annotated[float, typer.Option("--timeout", min=0.001, metavar="SECONDS", help="For the script, once torch is imported.")]  # fmt: skip
NoColor = Annotated[bool, typer.Option("--no-color", help="Plain text; NO_COLOR does the same.")]


@app.callback(invoke_without_command=True, subcommand_metavar="TARGET... | COMMAND [ARGS]...", epilog=EXAMPLES)
def _root(
    context: typer.Context,
    version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False,
) -> None:
    """Find where a model's output does not fit its loss, and show a fix that has been run.

    `shapecheck TARGET...` is short for `shapecheck check TARGET...`; its options: `shapecheck check --help`. Exit
    status: 0 nothing found, 1 something found, 2 wrong usage or an unreadable spec, 3 the model could not be loaded or
    run.
    """
    if version:
        print(f"shapecheck {__version__}")
        raise typer.Exit
    if context.invoked_subcommand is None:
        raise UserError(
            "no target given", "write shapecheck model.py:WaveNet --loss cross_entropy; see shapecheck --help"
        )


@app.command(epilog=EXAMPLES)
def check(
    targets: Targets,
    loss: Loss = None,
    loss_arg: LossArgs = None,
    arg: Arguments = None,
    input: Inputs = None,
    target: TargetShape = None,
    output: OutputPath = None,
    classes: Classes = None,
    data: Data = None,
    select: Select = None,
    ignore: Ignore = None,
    format: Annotated[Format, typer.Option("--format", help="How findings are written.")] = Format.text,
    verify: Verify = None,
    strict: Annotated[bool, typer.Option("--strict", help="Warnings also fail.")] = False,
    rules: RuleFolders = None,
    timeout: Timeout = 60.0,
    jobs: Jobs = 1,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Headlines only.")] = False,
    verbose: Annotated[
        bool, typer.Option("--verbose", "-v", help="How each check was done, every fix in full.")
    ] = False,
    no_color: NoColor = False,
) -> None:
    """Check what models or specs give to a loss."""
    folders = _folders(rules)
    chosen, ignored = _codes("--select", select, folders), _codes("--ignore", ignore, folders)
    request = runs.Request(
        targets=tuple(targets),
        loss=loss,
        loss_args=_pairs("--loss-arg", loss_arg),
        arguments=_pairs("--arg", arg),
        inputs=tuple(input or ()),
        target=target,
        output=output,
        classes=classes,
        data=data,
        verify=verify,
        timeout=_seconds(timeout),
        jobs=jobs,
        rules=folders,
    )
    report = runs.run(request)
    report = replace(report, strict=strict)
    report = runs.selected(report, chosen, ignored)
    _write(_rendered(report, format, quiet, verbose, no_color))
    raise typer.Exit(report.exit_code)


@app.command(name="run", epilog=RUN_EXAMPLES, context_settings={**_HELP, "allow_interspersed_args": False})
def run_script(
    script: Words = None,
    module: Module = None,
    steps: Steps = 0,
    select: Select = None,
    ignore: Ignore = None,
    format: Annotated[Format, typer.Option("--format", help="How findings are written.")] = Format.text,
    verify: Annotated[bool, typer.Option("--verify/--no-verify", help="Run suggested fixes with torch.")] = True,
    strict: Annotated[bool, typer.Option("--strict", help="Warnings also fail.")] = False,
    rules: RuleFolders = None,
    timeout: ScriptTimeout = 60.0,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Headlines only.")] = False,
    verbose: Annotated[
        bool, typer.Option("--verbose", "-v", help="How each check was done, every fix in full.")
    ] = False,
    no_color: NoColor = False,
) -> None:
    """Run a training script up to its first optimiser update and check every loss call it makes.

    The script runs as `python train.py [args...]` would; nothing that it wrote before is lost, and nothing of yours is
    overwritten or removed once it is stopped. What it prints goes to standard error.
    """
    from shapecheck import script_runs

    folders = _folders(rules)
    chosen, ignored = _codes("--select", select, folders), _codes("--ignore", ignore, folders)
    name, args = _script(script or [], module)
    report = script_runs.run(
        script_runs.ScriptRequest(name, args, module is not None, steps, verify, _seconds(timeout), folders)
    )
    report = runs.selected(replace(report, strict=strict), chosen, ignored)
    shared = terminal.is_terminal(sys.stdout) and terminal.is_terminal(sys.stderr)
    start = terminal.new_line(terminal.width()) if shared else ""  # a progress bar of the script's may stand there
    _write(start + _rendered(report, format, quiet, verbose, no_color))
    raise typer.Exit(INTERRUPTED if script_runs.interrupted(report) else report.exit_code)


def _script(words: list[str], module: str | None) -> tuple[str, tuple[str, ...]]:
    """The script and what is its own."""
    if module is not None:
        return module, tuple(words)
    if not words:
        raise UserError("no script given", "write shapecheck run train.py [args...]; see shapecheck run --help")
    return words[0], tuple(words[1:])


@app.command()
def trace(
    target: Annotated[str, typer.Argument(metavar="TARGET", help="model.py:Net or package.module:Net.")],
    out: Annotated[
        str, typer.Option("-o", "--to", metavar="FILE", help="Where to write the spec; - is standard output.")
    ] = "-",
    loss: Loss = None,
    loss_arg: LossArgs = None,
    arg: Arguments = None,
    input: Inputs = None,
    target_shape: TargetShape = None,
    output: TracedOutput = None,
    classes: Classes = None,
    data: Data = None,
    rules: RuleFolders = None,
    timeout: Timeout = 60.0,
) -> None:
    """Write the output spec of a model, for checks without torch."""
    request = runs.Request(
        targets=(target,),
        loss=loss or "cross_entropy",
        loss_args=_pairs("--loss-arg", loss_arg),
        arguments=_pairs("--arg", arg),
        inputs=tuple(input or ()),
        target=target_shape,
        output=output,
        classes=classes,
        data=data,
        timeout=_seconds(timeout),
        rules=_folders(rules),
    )
    text = runs.trace(request)
    if out == "-":
        _write(text)
        return
    try:
        Path(out).write_text(text, encoding="utf-8")
    except OSError as error:
        raise UserError(f"cannot write {out}: {error.strerror}", "check the folder and its permissions") from None
    print(f"wrote {out}", file=sys.stderr)


@app.command()
def explain(
    code: Annotated[
        str,
        typer.Argument(
            metavar="CODE", help="A code such as SC101, a name such as class-axis-last, or an error text of torch."
        ),
    ],
    rules: RuleFolders = None,
    no_color: NoColor = False,
) -> None:
    """Explain a code: what it finds, why, an example, the fix."""
    from shapecheck.pages import page
    from shapecheck.render import explain as renderer

    _write(
        renderer.render(page(code, _folders(rules)), width=terminal.width(), color=not no_color and terminal.color())
    )


rules_app = _plain_typer()
app.add_typer(rules_app, name="rules")


@rules_app.callback(invoke_without_command=True)
def rules(
    context: typer.Context,
    format: Annotated[Format, typer.Option("--format", help="text or json.")] = Format.text,
    rules: RuleFolders = None,
) -> None:
    """List the rules; test rule files of your own; print their JSON Schema."""
    from shapecheck.pages import listing

    if context.invoked_subcommand is None:
        _write(listing(as_json=format is Format.json, folders=_folders(rules)))


@rules_app.command("test")
def rules_test(
    folder: Annotated[str, typer.Argument(metavar="DIR", help="A folder of rule files with their cases.")],
    timeout: Annotated[float, typer.Option("--timeout", min=0.001, metavar="SECONDS", help="For each rule.")] = 60.0,
    jobs: Annotated[int, typer.Option("--jobs", "-j", min=1, metavar="N", help="Rules tested at once.")] = 1,
    no_color: NoColor = False,
) -> None:
    """Test the rule files of a folder: what is found in their cases, every fix, every explanation.

    Exit status: 0 all hold, 1 something failed, 2 a file that cannot be read.
    """
    from shapecheck import rule_runs
    from shapecheck.render import rule_tests as renderer

    tested = rule_runs.run_folder(folder, _seconds(timeout), jobs)
    _write(renderer.render(tested, color=not no_color and terminal.color()))
    raise typer.Exit(EXIT_FINDINGS if any(loss.failures for loss in tested) else EXIT_CLEAN)


@rules_app.command("schema")
def rules_schema(
    cases: Annotated[bool, typer.Option("--cases", help="Of the files of cases, LOSS.cases.yaml.")] = False,
) -> None:
    """Print the JSON Schema of rule files, by which an editor completes and checks them."""
    from shapecheck import rule_schema

    _write(rule_schema.text(cases))


def _rendered(report: Report, format: Format, quiet: bool, verbose: bool, no_color: bool) -> str:
    if format is Format.json:
        from shapecheck.render import json as renderer

        return renderer.render(report)
    if format is Format.concise:
        from shapecheck.render import concise

        return concise.render(report)
    from shapecheck.render import text

    return text.render(
        report, width=terminal.width(), color=not no_color and terminal.color(), verbose=verbose, quiet=quiet
    )


def _pairs(option: str, values: Sequence[str] | None) -> dict[str, Any]:
    """`name=value` options, the value read as YAML. Raises UserError."""
    from shapecheck import yamls

    pairs: dict[str, Any] = {}
    for text in values or ():
        name, equals, value = text.partition("=")
        name = name.strip()
        if not equals or not name:
            raise UserError(f"{option} {text!r} is no name=value", f"write {option} {name or 'name'}=value")
        if name in pairs:
            raise UserError(f"{option} {name} is given twice", "give it once")
        pairs[name] = yamls.load_value(value, f"{option} {name}")
    return pairs


def _seconds(timeout: float) -> float:
    if timeout != timeout:  # nan is neither below nor above any limit
        raise UserError("--timeout nan is no time", "give a number of seconds")
    return timeout


def _folders(values: Sequence[str] | None) -> tuple[Path, ...]:
    """The folders of --rules, with every rule file in them read. Raises UserError."""
    if not values:
        return ()
    from shapecheck.rule_folders import opened

    return opened(values)


def _codes(option: str, values: Sequence[str] | None, folders: tuple[Path, ...] = ()) -> tuple[str, ...]:
    codes = [code.strip() for text in values or () for code in text.split(",") if code.strip()]
    if not codes:
        return ()
    from shapecheck.pages import check_codes

    return check_codes(option, codes, folders)


def _write(text: str) -> None:
    """To standard output; what its encoding cannot hold is escaped rather than fatal."""
    try:
        _print(text if text.endswith("\n") or not text else text + "\n", sys.stdout)
    except BrokenPipeError:  # the reader of a pipe has seen enough, as `head` does: the exit status still tells
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except OSError as error:
        raise UserError(f"cannot write to standard output: {error.strerror}", "check where it goes") from None


def _print(text: str, stream: TextIO | None) -> None:
    if stream is None:
        return
    if hasattr(stream, "reconfigure"):
        stream.reconfigure(errors="backslashreplace")
    stream.write(text)
    stream.flush()


def _with_command(arguments: list[str]) -> list[str]:
    """`shapecheck TARGET` is `shapecheck check TARGET`."""
    first = arguments[0] if arguments else ""
    if not arguments or first in COMMANDS or first in ("--help", "-h", "--version"):
        return arguments
    _refuse_misspelt_command(first)
    return ["check", *arguments]


def _dispatch(arguments: list[str]) -> None:
    """Run a command by itself: making the parsers of all of them would take as long as a spec check."""
    name = arguments[0] if arguments else ""
    if name not in COMMANDS:
        app(args=arguments, prog_name="shapecheck")
        return
    if name == "rules":
        rules_app(args=arguments[1:], prog_name="shapecheck rules")
        return
    alone = _plain_typer()
    alone.registered_commands = [info for info in app.registered_commands if _name(info) == name]
    rest = _own_arguments_apart(arguments[1:]) if name == "run" else arguments[1:]
    alone(args=rest, prog_name=f"shapecheck {name}")


def _name(info: typer.models.CommandInfo) -> str:
    return info.name or info.callback.__name__ if info.callback else ""


def _own_arguments_apart(arguments: list[str]) -> list[str]:
    """With `--` after `-m package.train`, as what follows is the module's own."""
    number = 0
    while number < len(arguments) and arguments[number].startswith("-") and arguments[number] != "--":
        word = arguments[number]
        number += 2 if word in ("-m", *_WITH_VALUE) else 1
        if word.startswith("-m"):
            return [*arguments[:number], "--", *arguments[number:]]
    return arguments


def _refuse_misspelt_command(word: str) -> None:
    """`explian` is no target either; a bare word that is like a command was meant as one."""
    meant = nearest(word, COMMANDS) if word.isalpha() and not os.path.exists(word + ".py") else None
    if meant:
        raise UserError(f"no command {word!r}", f"did you mean shapecheck {meant}?")


def _fail(error: CheckError, no_color: bool = False) -> int:
    """An error of the run as a whole, on standard error."""
    from shapecheck.render import text

    report = Report((CheckResult("", "", error=error),), __version__)
    with suppress(OSError):  # the exit status still tells
        _print(
            text.render(report, width=terminal.width(), color=not no_color and terminal.color(sys.stderr), quiet=True),
            sys.stderr,
        )
    return error.exit_status


def _internal(error: Exception) -> CheckError:
    """A bug of shapecheck's: never a traceback, but what a report of it needs."""
    import traceback

    frames = traceback.extract_tb(error.__traceback__)
    place = f" at {os.path.basename(frames[-1].filename)}:{frames[-1].lineno}" if frames else ""
    hint = f"please report this with the command and its files: {type(error).__name__}: {error}"
    return UserError(f"internal error{place}", hint, code="SC999")


def run(arguments: list[str]) -> int:
    """The whole command; the exit status of interface.md."""
    no_color = "--no-color" in arguments
    try:
        _dispatch(_with_command(arguments))
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else EXIT_USAGE
    except CheckError as error:
        return _fail(error, no_color)
    except KeyboardInterrupt:
        return INTERRUPTED
    except Exception as error:
        return _fail(_internal(error), no_color)
    return EXIT_CLEAN
