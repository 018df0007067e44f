"""`shapecheck run train.py`: the script in a process of its own, its results in a report. Imports no torch.

Whatever becomes of the process, what it has told by then is in the report; of loss calls that were seen and not yet
checked the contract is checked here.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from shapecheck import wire
from shapecheck.endings import died, timed_out
from shapecheck.errors import CheckError, Location, ModelError, UserError, error_from
from shapecheck.report import CheckResult, Report, ScriptRun
from shapecheck.script_process import Ended, ScriptProcess
from shapecheck.targets import SOURCE_ENDINGS, nearest_file
from shapecheck.version import __version__

DEFAULT_TIMEOUT = 60.0
_EXAMPLE = "write shapecheck run train.py [args...], or shapecheck run -m package.train [args...]"
_SMALLER = "give the script a smaller batch or model"
_IN_ITS_PROCESS = (
    "only what runs in the script's own process, or is forked from it, is followed: let it train there (many scripts "
    "take a world size or a number of processes), or check the model by itself: shapecheck model.py:Net "
    "--loss cross_entropy"
)
_CUT_SHORT = "the process ended before the model could be probed: the tensors alone were checked"


@dataclass(frozen=True)
class ScriptRequest:
    """What the user typed: a file, or a module's name, and what belongs to the script."""

    script: str
    args: tuple[str, ...] = ()
    is_module: bool = False
    steps: int = 0
    verify: bool = True
    timeout: float = DEFAULT_TIMEOUT
    rules: tuple[Path, ...] = ()

    @property
    def shown(self) -> str:
        return f"-m {self.script}" if self.is_module else self.script


@dataclass
class _Told:
    """What the process has said so far."""

    packed: list[Any] = field(default_factory=list)
    seen: list[Any] = field(default_factory=list)
    results: list[CheckResult] = field(default_factory=list)
    errors: list[CheckError] = field(default_factory=list)
    run: ScriptRun | None = None

    def take(self, message: Mapping[str, Any]) -> None:
        if message.get("seen") is not None:
            self._see(message["seen"])
        if "result" in message:
            self._add(wire.unpack(message["result"]))
        if "error" in message:
            self.errors.append(error_from(message["error"]))
        if "run" in message:
            self.run = wire.unpack(message["run"])

    def _see(self, subject: Any) -> None:
        """Processes that the script forks make the same calls."""
        if subject not in self.packed:
            self.packed.append(subject)
            self.seen.append(wire.unpack(subject))

    def _add(self, result: CheckResult) -> None:
        same = replace(result, elapsed_ms=0)
        if all(replace(other, elapsed_ms=0) != same for other in self.results):
            self.results.append(result)


def run(request: ScriptRequest) -> Report:
    """Runs the script. Raises UserError and ModelError for a script that is not there; all else is in the report."""
    _require(request)
    told = _Told()
    with ScriptProcess(_order(request), request.timeout) as process:
        for message in process.messages():
            told.take(message)
        ended = process.ended()
    return _report(request, told, ended)


def _order(request: ScriptRequest) -> dict[str, Any]:
    return {
        "script": request.script,
        "args": list(request.args),
        "module": request.is_module,
        "steps": request.steps,
        "verify": request.verify,
        "rules": [str(folder.resolve()) for folder in request.rules],
    }


# ---------------------------------------------------------------------------- the script


def _require(request: ScriptRequest) -> None:
    path = request.script
    if not path.strip():
        raise UserError("the script's name is empty", _EXAMPLE)
    if request.is_module:
        return
    ending = os.path.splitext(path)[1].lower()
    if ending == ".ipynb":
        raise UserError(f"{path} is a notebook, not a script", f"{_script_of_notebook(path)} writes one to run")
    if ":" in os.path.basename(path) and not os.path.exists(path):
        file = path.partition(":")[0]
        raise UserError(
            f"{path} names a model, not a script", f"write shapecheck run {file}, or shapecheck check {path}"
        )
    if os.path.isdir(path):
        raise UserError(f"{path} is a folder, not a script", _folder_hint(path))
    if not os.path.exists(path):
        raise ModelError(f"no such file: {path}", nearest_file(path, SOURCE_ENDINGS[:1]), code="SC901")


def _script_of_notebook(path: str) -> str:
    return f"jupyter nbconvert --to script {path}"


def _folder_hint(folder: str) -> str:
    module = folder.strip("/\\").replace(os.sep, ".")
    if os.path.isfile(os.path.join(folder, "__main__.py")) and all(part.isidentifier() for part in module.split(".")):
        return f"did you mean -m {module}?"
    files = sorted(file for file in os.listdir(folder) if file.endswith(".py"))
    guess = next((file for file in files if "train" in file or file == "main.py"), files[0] if files else "train.py")
    return f"name a script in it, such as {os.path.join(folder, guess)}"


# ---------------------------------------------------------------------------- the report


def _report(request: ScriptRequest, told: _Told, ended: Ended) -> Report:
    cut_short = list(_unchecked(told, request))
    errors = [*told.errors, *_broken_off(told, ended, request)]
    script = None if request.is_module else Location(request.script)
    checks = [*told.results, *cut_short]
    checks += [CheckResult(request.shown, "", location=error.location or script, error=error) for error in errors]
    run = told.run or _without_words(request, ended)
    if not checks:
        error = _no_loss(request, run)
        checks = [CheckResult(request.shown, "", location=script, error=error)]
    return Report(tuple(checks), __version__, run=run)


def _unchecked(told: _Told, request: ScriptRequest) -> Iterator[CheckResult]:
    """The loss calls that the process has told of and not checked."""
    from shapecheck.pipeline import check
    from shapecheck.rules import load_loss

    checked = Counter((result.name, result.loss) for result in told.results)
    for subject in told.seen:
        if checked[subject.name, subject.loss] > 0:
            checked[subject.name, subject.loss] -= 1
            continue
        result = check(replace(subject, notes=(*subject.notes, _CUT_SHORT)), load_loss(subject.loss, request.rules))
        yield result


def _broken_off(told: _Told, ended: Ended, request: ScriptRequest) -> Iterator[CheckError]:
    """The error of a process that did not come to a proper end, or was told to stop."""
    place = _as_data(told.run.location if told.run else ended.place)
    if ended.timed_out or (told.run is not None and told.run.ended == "time"):
        yield error_from(timed_out(request.timeout, place)["error"])
    elif told.run is None and not told.errors and not ended.interrupted:
        lost = died(ended.status, place, who="the script's process")["error"]
        yield error_from({**lost, "hint": _SMALLER} if ended.status == -9 else lost)


def _as_data(place: Location | None) -> dict[str, Any] | None:
    return None if place is None else {"path": place.path, "line": place.line}


def _without_words(request: ScriptRequest, ended: Ended) -> ScriptRun | None:
    """Of a process that could say nothing any more."""
    if ended.interrupted:
        return ScriptRun(request.shown, "interrupt", f"{request.shown} was interrupted")
    word, at = ("time", "when its time was up") if ended.timed_out else ("died", "when its process ended")
    place = f" ({ended.place})" if ended.place else ""
    return ScriptRun(request.shown, word, f"{request.shown} was cut off {at}{place}", ended.place)


def _no_loss(request: ScriptRequest, run: ScriptRun | None) -> ModelError:
    if run is not None and run.ended == "refused":
        return ModelError("the script was stopped before it called a loss", _IN_ITS_PROCESS, code="SC912")
    from shapecheck.rules import all_losses

    names = ", ".join(loss.name for loss in all_losses(request.rules))
    hint = (
        f"these are seen, as functions and as modules: {names}\n"
        "- where the script takes options, give those of a training run: shapecheck run train.py --epochs 1\n"
        "- a loss written by hand needs a rule file (--rules DIR); a model is also checked by itself: "
        "shapecheck model.py:Net --loss cross_entropy"
    )
    return ModelError("the script called no loss that has a rule", hint, code="SC912")


def interrupted(report: Report) -> bool:
    """Whether the user's Ctrl-C ended the run."""
    return report.run is not None and report.run.ended == "interrupt"
