"""A run of the command line: targets to checks, models in the worker, specs here, results in the order asked for."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from shapecheck import spec_files, wire
from shapecheck.callable_names import names_callable, parse_callable, parse_data
from shapecheck.errors import CheckError, Location, UserError, error_from
from shapecheck.report import CheckResult, Report, select
from shapecheck.specs import Subject, TensorSpec, parse_input, parse_option
from shapecheck.targets import SOURCE_ENDINGS, SPEC_ENDINGS, Target, parse_target
from shapecheck.version import __version__

if TYPE_CHECKING:
    from shapecheck.rules import Loss
    from shapecheck.workers import Workers

DEFAULT_TIMEOUT = 60.0


@dataclass(frozen=True, eq=False)
class Request:
    """What the user typed, still as text where names have to be bound later."""

    targets: tuple[str, ...]
    loss: str | None = None
    loss_args: Mapping[str, Any] = field(default_factory=dict)
    arguments: Mapping[str, Any] = field(default_factory=dict)
    inputs: tuple[str, ...] = ()
    target: str | None = None
    output: str | None = None
    classes: int | None = None
    verify: bool | None = None
    timeout: float = DEFAULT_TIMEOUT
    jobs: int = 1
    rules: tuple[Path, ...] = ()
    data: str | None = None


@dataclass(frozen=True, eq=False)
class Work:
    """One check to do: a job for the worker, or a result that is there already."""

    name: str
    loss: str
    job: Mapping[str, Any] | None = None
    result: CheckResult | None = None


def run(request: Request) -> Report:
    """Check every target. Raises UserError for wrong usage; what goes wrong with one target is its own result."""
    targets = [_parsed(text) for text in request.targets]
    models = any(isinstance(target, Target) and target.kind != "spec" for target in targets)
    own = request.loss is not None and names_callable(request.loss)
    if request.data is not None:
        _require_data(request.data, models)
    with _workers() if models or own or request.verify else _LateWorkers() as workers:
        # The worker imports torch while the rules are read here.
        works = [work for target, text in zip(targets, request.targets) for work in _works(target, text, request)]
        jobs = [work.job for work in works if work.job is not None]
        answers = dict(workers.run(jobs, request.timeout, request.jobs)) if jobs else {}
    results, index = [], 0
    for work in works:
        if work.result is not None:
            results.append(work.result)
            continue
        results.append(_result(work, answers[index]))
        index += 1
    return Report(tuple(results), __version__)


def _workers() -> Workers:
    from shapecheck.workers import Workers  # a check of specs does without subprocess and all it imports

    return Workers()


class _LateWorkers:
    """Where nothing needs torch, unless a spec names a loss of the user's."""

    def __enter__(self) -> _LateWorkers:
        return self

    def __exit__(self, *ended: object) -> None:
        return None

    def run(self, jobs: Sequence[Mapping[str, Any]], timeout: float, concurrency: int) -> Iterator[tuple[int, Any]]:
        with _workers() as workers:
            yield from workers.run(jobs, timeout, concurrency)


def _require_data(data: str, models: bool) -> None:
    """Raises UserError for data that are not there, or that nothing is checked with."""
    parse_data(data)
    if not models:
        raise UserError("--data goes with a model", "write shapecheck model.py:Net --loss NAME --data train.py:loader")


def _parsed(text: str) -> Target | CheckError:
    try:
        return parse_target(text)
    except CheckError as error:
        if isinstance(error, UserError) and not text.lower().endswith(SPEC_ENDINGS):
            raise
        return error  # a missing file is that target's failure, not the run's


def _works(target: Target | CheckError, text: str, request: Request) -> list[Work]:
    if isinstance(target, CheckError):
        return [_undone(text, request, target)]
    if target.kind == "spec":
        return _spec_works(target, request)
    from shapecheck.rules import load_loss

    if request.loss is None:
        raise UserError("no loss given", f"add --loss, such as: shapecheck {text} --loss cross_entropy")
    if names_callable(request.loss):
        parse_callable(request.loss)
        return [Work(text, request.loss, job=_model_job(text, None, request))]
    loss = load_loss(request.loss, request.rules)
    return [Work(text, loss.name, job=_model_job(text, loss, request))]


def _undone(text: str, request: Request, error: CheckError) -> Work:
    loss = request.loss or ""
    return Work(text, loss, result=CheckResult(text, loss, location=error.location or _file_of(text), error=error))


def _file_of(text: str) -> Location | None:
    """`model.py` of `model.py:Net`: all that is known of a model that could not be loaded."""
    path, colon, _ = text.rpartition(":")
    return Location(path.rstrip(":")) if colon and path.endswith(SOURCE_ENDINGS) else None


def _model_job(text: str, loss: Loss | None, request: Request, kind: str = "model") -> dict[str, Any]:
    """`loss` is None for one of the user's, which only the worker may load."""
    from shapecheck.keywords import checked

    return {
        "kind": kind,
        "text": text,
        "own": loss is None,
        "loss": loss.name if loss is not None else request.loss,
        "loss_args": wire.pack(checked(loss, request.loss_args) if loss is not None else dict(request.loss_args)),
        "arguments": wire.pack(dict(request.arguments)),
        "inputs": wire.pack(tuple(parse_input(item) for item in request.inputs)),
        "target": wire.pack(_target(request)),
        "output": request.output,
        "classes": request.classes,
        "verify": request.verify is not False,
        "rules": _folders(request),
        "data": request.data,
    }


def _folders(request: Request) -> list[str]:
    """The folders of --rules, as a job carries them."""
    return [str(folder) for folder in request.rules]


def _target(request: Request) -> TensorSpec | None:
    if request.target is None:
        return None
    shape, dtype = parse_option(request.target, f"--target {request.target!r}")
    return TensorSpec(shape, dtype, origin="flag")


def _spec_works(target: Target, request: Request) -> list[Work]:
    try:
        entries = spec_files.read(target.path or "-", request.loss, request.loss_args)
    except UserError as error:
        return [_undone(target.text, request, error)]
    flag = _target(request)
    return [_spec_work(spec_files.with_target(entry, flag), request) for entry in entries]


def _spec_work(entry: spec_files.Entry, request: Request) -> Work:
    from shapecheck.pipeline import check
    from shapecheck.rules import load_loss

    if entry.subject is None:
        return Work(entry.name, "", result=CheckResult(entry.name, "", location=entry.location, error=entry.error))
    subject = replace(entry.subject, classes=entry.subject.classes or request.classes)
    try:
        if names_callable(subject.loss):
            parse_callable(subject.loss)
            facts = {"loss": subject.loss, "loss_args": wire.pack(dict(subject.loss_args))}
            job = {"kind": "spec", "own": True, **facts, "subject": wire.pack(subject), "rules": _folders(request)}
            return Work(entry.name, subject.loss, job=job)
        loss = load_loss(subject.loss, request.rules)
        if request.verify:
            job = {"kind": "spec", "subject": wire.pack(subject), "rules": _folders(request)}
            return Work(entry.name, loss.name, job=job)
        return Work(entry.name, loss.name, result=check(subject, loss))
    except UserError as error:
        place = error.location or entry.location
        failed = UserError(error.message, error.hint, code=error.code, location=place)
        return Work(
            entry.name, subject.loss, result=CheckResult(entry.name, subject.loss, location=place, error=failed)
        )


def check_entry(entry: spec_files.Entry, request: Request) -> CheckResult:
    """One check of a spec file by itself."""
    work = _spec_work(entry, request)
    if work.result is not None:
        return work.result
    with _workers() as workers:
        answers = dict(workers.run([work.job or {}], request.timeout, 1))
    return _result(work, answers[0])


def _result(work: Work, answer: Mapping[str, Any]) -> CheckResult:
    if "error" in answer:
        error = error_from(answer["error"])
        return CheckResult(work.name, work.loss, location=error.location or _file_of(work.name), error=error)
    result: CheckResult = wire.unpack(answer["result"])
    return result


def trace(request: Request) -> str:
    """The output spec of one model as YAML. Raises CheckError."""
    from shapecheck.rules import load_loss

    (text,) = request.targets
    target = parse_target(text)
    if target.kind == "spec":
        raise UserError(f"{text} is a spec already", "trace takes model.py:Net")
    if request.data is not None:
        parse_data(request.data)
    name = request.loss or "cross_entropy"
    loss = None if names_callable(name) else load_loss(name, request.rules)
    with _workers() as workers:
        ((_, answer),) = workers.run([_model_job(text, loss, request, "trace")], request.timeout)
    if "error" in answer:
        raise error_from(answer["error"])
    subject: Subject = wire.unpack(answer["subject"])
    return spec_files.write(subject)


def selected(report: Report, chosen: Sequence[str], ignored: Sequence[str]) -> Report:
    """Only the findings that --select and --ignore leave."""
    return replace(report, checks=tuple(select(result, chosen, ignored) for result in report.checks))
