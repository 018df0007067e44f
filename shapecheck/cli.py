"""The command line: reads options, starts the worker, renders, exits. Decides nothing about losses; no torch here."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from dataclasses import replace
from enum import Enum
from pathlib import Path
from typing import Annotated, Any

import typer

from shapecheck import runs
from shapecheck.errors import EXIT_CLEAN, EXIT_USAGE, CheckError, UserError
from shapecheck.report import Report
from shapecheck.version import VERSION

INTERRUPTED = 130  # as shells report a Ctrl-C
COMMANDS = ("check", "explain", "rules", "trace")
EXAMPLES = """
Examples:

  shapecheck model.py:WaveNet --loss cross_entropy

  shapecheck model.py:Net -l cross_entropy -t N,T --arg n_classes=10

  shapecheck spec.yaml --format json

  shapecheck explain SC101
"""

app = typer.Typer(add_completion=False, rich_markup_mode=None, no_args_is_help=False, pretty_exceptions_enable=False)


class Format(str, Enum):
    """How findings are written."""

    text = "text"
    concise = "concise"
    json = "json"


Targets = Annotated[list[str], typer.Argument(metavar="TARGET...", help="model.py:Net, package.module:Net, spec.yaml, or - for a spec on standard input.", show_default=False)]  # fmt: skip
Loss = Annotated[str | None, typer.Option("--loss", "-l", metavar="NAME", help="The loss: cross_entropy, CrossEntropyLoss, F.cross_entropy, torch.nn.CrossEntropyLoss.", show_default=False)]  # fmt: skip
LossArgs = Annotated[list[str] | None, typer.Option("--loss-arg", "-L", metavar="NAME=VALUE", help="Keyword of the loss; weight=[10] gives a tensor's shape.", show_default=False)]  # fmt: skip
Arguments = Annotated[list[str] | None, typer.Option("--arg", "-a", metavar="NAME=VALUE", help="Constructor argument of the model, read as YAML.", show_default=False)]  # fmt: skip
Inputs = Annotated[list[str] | None, typer.Option("--input", "-i", metavar="SHAPE[:DTYPE]", help="Dummy input: N,1,T or 4,1,16000 or ids=N,T:int64; repeat for several. Found by itself if left out.", show_default=False)]  # fmt: skip
TargetShape = Annotated[str | None, typer.Option("--target", "-t", metavar="SHAPE[:DTYPE]", help="What the data set yields: N, or N,T, or N:float32.", show_default=False)]  # fmt: skip
OutputPath = Annotated[str | None, typer.Option("--output", "-o", metavar="PATH", help="The part of a structured output that goes to the loss: logits, 0, out.logits.", show_default=False)]  # fmt: skip
Classes = Annotated[int | None, typer.Option("--classes", min=1, metavar="N", help="Number of classes in the data.", show_default=False)]  # fmt: skip
Select = Annotated[list[str] | None, typer.Option("--select", metavar="CODES", help="Only these codes or names; SC1 means all that start so.", show_default=False)]  # fmt: skip
Ignore = Annotated[list[str] | None, typer.Option("--ignore", metavar="CODES", help="Not these codes or names.", show_default=False)]  # fmt: skip
Verify = Annotated[bool | None, typer.Option("--verify/--no-verify", help="Run suggested fixes with torch; on for models, off for specs.", show_default=False)]  # fmt: skip
Timeout = Annotated[float, typer.Option("--timeout", min=0.001, metavar="SECONDS", help="For the user's code, each target.")]  # fmt: skip
Jobs = Annotated[int, typer.Option("--jobs", "-j", min=1, metavar="N", help="Targets checked at once.")]
NoColor = Annotated[bool, typer.Option("--no-color", help="Plain text; NO_COLOR does the same.")]


@app.callback(invoke_without_command=True, epilog=EXAMPLES)
def _root(
    context: typer.Context,
    version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False,
) -> None:
    """Find where a model's output does not fit its loss, and show a fix that has been run.

    `shapecheck TARGET...` is short for `shapecheck check TARGET...`. Exit status: 0 nothing found, 1 something found,
    2 wrong usage or an unreadable spec, 3 the model could not be loaded or run.
    """
    if version:
        print(f"shapecheck {VERSION}")
        raise typer.Exit
    if context.invoked_subcommand is None:
        raise UserError("no target given", "write shapecheck model.py:WaveNet --loss cross_entropy; see shapecheck --help")


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
    select: Select = None,
    ignore: Ignore = None,
    format: Annotated[Format, typer.Option("--format", help="How findings are written.")] = Format.text,
    verify: Verify = None,
    strict: Annotated[bool, typer.Option("--strict", help="Warnings also fail.")] = False,
    timeout: Timeout = 60.0,
    jobs: Jobs = 1,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Headlines only.")] = False,
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="How each check was done, every fix in full.")] = False,
    no_color: NoColor = False,
) -> None:
    """Check what models or specs give to a loss."""
    request = runs.Request(
        targets=tuple(targets),
        loss=loss,
        loss_args=_pairs("--loss-arg", loss_arg),
        arguments=_pairs("--arg", arg),
        inputs=tuple(input or ()),
        target=target,
        output=output,
        classes=classes,
        verify=verify,
        timeout=timeout,
        jobs=jobs,
    )
    report = runs.run(request)
    report = replace(report, strict=strict)
    report = runs.selected(report, _codes("--select", select), _codes("--ignore", ignore))
    _write(_rendered(report, format, quiet, verbose, no_color))
    raise typer.Exit(report.exit_code)


@app.command()
def trace(
    target: Annotated[str, typer.Argument(metavar="TARGET", help="model.py:Net or package.module:Net.")],
    out: Annotated[str, typer.Option("-o", "--to", metavar="FILE", help="Where to write the spec; - is standard output.")] = "-",
    loss: Loss = None,
    loss_arg: LossArgs = None,
    arg: Arguments = None,
    input: Inputs = None,
    target_shape: TargetShape = None,
    output: Annotated[str | None, typer.Option("--output", metavar="PATH", help="The part of a structured output that goes to the loss.", show_default=False)] = None,  # fmt: skip
    classes: Classes = None,
    timeout: Timeout = 60.0,
) -> None:
    """Write the output spec of a model, which a later check reads without torch."""
    request = runs.Request(
        targets=(target,),
        loss=loss or "cross_entropy",
        loss_args=_pairs("--loss-arg", loss_arg),
        arguments=_pairs("--arg", arg),
        inputs=tuple(input or ()),
        target=target_shape,
        output=output,
        classes=classes,
        timeout=timeout,
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
    code: Annotated[str, typer.Argument(metavar="CODE", help="A code such as SC101, or a name such as class-axis-last.")],
    no_color: NoColor = False,
) -> None:
    """What a code means, why it matters, an example and its fix."""
    from shapecheck.pages import page
    from shapecheck.render import explain as renderer

    _write(renderer.render(page(code), width=_width(), color=_color(no_color)))


@app.command()
def rules(
    format: Annotated[Format, typer.Option("--format", help="text or json.")] = Format.text,
) -> None:
    """List every rule: code, name, severity, losses."""
    from shapecheck.pages import listing

    _write(listing(as_json=format is Format.json))


def _rendered(report: Report, format: Format, quiet: bool, verbose: bool, no_color: bool) -> str:
    if format is Format.json:
        from shapecheck.render import json as renderer

        return renderer.render(report)
    if format is Format.concise:
        from shapecheck.render import concise

        return concise.render(report)
    from shapecheck.render import text

    return text.render(report, width=_width(), color=_color(no_color), verbose=verbose, quiet=quiet)


def _pairs(option: str, values: Sequence[str] | None) -> dict[str, Any]:
    """`name=value` options, the value read as YAML. Raises UserError."""
    from shapecheck import yamls

    pairs: dict[str, Any] = {}
    for text in values or ():
        name, equals, value = text.partition("=")
        if not equals or not name.strip():
            raise UserError(f"{option} {text!r} is no name=value", f"write {option} num_classes=10")
        pairs[name.strip()] = yamls.load(value.encode("utf-8", "surrogateescape"), f"{option} {name.strip()}")
    return pairs


def _codes(option: str, values: Sequence[str] | None) -> tuple[str, ...]:
    from shapecheck.pages import check_codes

    return check_codes(option, [code.strip() for text in values or () for code in text.split(",") if code.strip()])


def _width() -> int:
    """The terminal's width; 80 where there is none."""
    import shutil

    return shutil.get_terminal_size((80, 24)).columns if sys.stdout.isatty() or "COLUMNS" in os.environ else 80


def _color(no_color: bool) -> bool:
    """Colour on a terminal, unless --no-color, NO_COLOR or TERM=dumb; FORCE_COLOR wins over the terminal."""
    if no_color or os.environ.get("NO_COLOR"):
        return False
    return bool(os.environ.get("FORCE_COLOR")) or (sys.stdout.isatty() and os.environ.get("TERM") != "dumb")


def _write(text: str) -> None:
    """To standard output; what its encoding cannot hold is escaped rather than fatal."""
    if hasattr(sys.stdout, "reconfigure"):
        sys.stdout.reconfigure(errors="backslashreplace")
    sys.stdout.write(text if text.endswith("\n") or not text else text + "\n")
    sys.stdout.flush()


def _with_command(arguments: list[str]) -> list[str]:
    """`shapecheck TARGET` is `shapecheck check TARGET`."""
    first = arguments[0] if arguments else ""
    if not arguments or first in COMMANDS or first in ("--help", "-h", "--version"):
        return ["--help" if item == "-h" else item for item in arguments[:1]] + arguments[1:]
    return ["check", *arguments]


def _fail(error: CheckError) -> int:
    """An error of the run as a whole, on standard error."""
    lines = [f"error[{error.code}]: {error.message}"]
    if error.location is not None:
        lines.append(f"  --> {error.location}")
    lines += [f"  {'help: ' if index == 0 else '      '}{line}" for index, line in enumerate((error.hint or "").splitlines())]
    from shapecheck.render.layout import clean

    print("\n".join(clean(line) for line in lines), file=sys.stderr)
    return error.exit_status


def run(arguments: list[str]) -> int:
    """The whole command; the exit status of interface.md."""
    try:
        app(args=_with_command(arguments), prog_name="shapecheck")
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else EXIT_USAGE
    except CheckError as error:
        return _fail(error)
    except BrokenPipeError:  # the reader of a pipe left, as `head` does
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return EXIT_USAGE
    except KeyboardInterrupt:
        return INTERRUPTED
    return EXIT_CLEAN
