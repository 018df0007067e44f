"""What a check found, as frozen data with no colour in it; `render/` turns it into text.

The JSON form (`to_dict`) is the public report of schema 1: keys are never renamed or removed.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from shapecheck.errors import EXIT_CLEAN, EXIT_FINDINGS, CheckError, Location
from shapecheck.specs import ProbedInput, Size, TensorSpec, UsedArgument

SCHEMA = 1
SEVERITIES = ("error", "warning", "note")


@dataclass(frozen=True)
class Fix:
    """One way out, with torch code that pastes.

    `code` is the expression that replaces `applies_to`; `call` is the whole loss call with this fix and whatever
    the other findings of the check need; `setup` is what has to stand before it (a module to add). `line` and `line_setup` are
    the same as the user's own line, in their names, where the call was seen as they wrote it. `verified` is
    executed (run on real tensors against a per-element reference), contract (only the rule was consulted) or no.
    """

    kind: str
    title: str
    applies_to: str
    code: str
    intent: str | None = None
    call: str = ""
    setup: str = ""
    line: str = ""
    line_setup: str = ""
    verified: str = "no"
    proof: str = ""
    trap: str = ""
    output_shape: tuple[Size, ...] | None = None
    target_shape: tuple[Size, ...] | None = None

    def to_dict(self) -> dict[str, Any]:
        return {
            "kind": self.kind,
            "title": self.title,
            "applies_to": self.applies_to,
            "intent": self.intent,
            "code": self.code,
            "call": self.call,
            "setup": self.setup,
            "line": self.line,
            "verified": self.verified,
            "proof": self.proof,
            "trap": self.trap,
            "output_shape": _list(self.output_shape),
            "target_shape": _list(self.target_shape),
        }


@dataclass(frozen=True)
class Row:
    """One line of the drawing of shapes: `output (batch 5, time 97, class 256) float32, measured`.

    `axes` are (role or '', size) pairs; `mark` is the index of the axis to underline, with `remark` behind it.
    """

    label: str
    axes: tuple[tuple[str, Size], ...]
    note: str = ""
    mark: int | None = None
    remark: str = ""


@dataclass(frozen=True)
class Finding:
    """One cause: a lower-case headline without a full stop, the shapes drawn, why, torch's words, the fixes."""

    code: str
    name: str
    severity: str
    message: str
    why: str = ""
    torch_says: str = ""
    rows: tuple[Row, ...] = ()
    location: Location | None = None
    fixes: tuple[Fix, ...] = ()
    rules: str = ""  # the folder of --rules that its page is in

    def to_dict(self) -> dict[str, Any]:
        return {
            "code": self.code,
            "name": self.name,
            "severity": self.severity,
            "message": self.message,
            "why": self.why,
            "torch_says": self.torch_says,
            "location": _place(self.location),
            "fixes": [fix.to_dict() for fix in self.fixes],
        }


@dataclass(frozen=True)
class AcceptedTarget:
    """A target that the loss takes with this output, and what it would mean."""

    shape: tuple[Size, ...]
    dtype: str
    meaning: str

    def to_dict(self) -> dict[str, Any]:
        return {"shape": list(self.shape), "dtype": self.dtype, "meaning": self.meaning}


@dataclass(frozen=True)
class CheckResult:
    """One check: ok, findings, or an error that kept it from being done."""

    name: str
    loss: str
    loss_args: Mapping[str, Any] = field(default_factory=dict)
    location: Location | None = None
    contract: str = "unknown"
    contract_note: str = ""
    inputs: tuple[ProbedInput, ...] = ()
    output_path: str = ""
    tensors: Mapping[str, TensorSpec] = field(default_factory=dict)
    roles: tuple[str, str] = ("output", "target")  # the names of the tensors that model and data set give
    accepted_targets: tuple[AcceptedTarget, ...] = ()
    findings: tuple[Finding, ...] = ()
    notes: tuple[str, ...] = ()
    error: CheckError | None = None
    engine: str = "none"
    elapsed_ms: int = 0
    arguments: tuple[UsedArgument, ...] = ()

    @property
    def status(self) -> str:
        if self.error is not None:
            return "error"
        return "findings" if any(f.severity != "note" for f in self.findings) else "ok"

    def exit_code(self, strict: bool = False) -> int:
        """0 clean, 1 something found (warnings only if `strict`), 2 or 3 as the error says."""
        if self.error is not None:
            return self.error.exit_status
        failing = ("error", "warning") if strict else ("error",)
        return EXIT_FINDINGS if any(f.severity in failing for f in self.findings) else EXIT_CLEAN

    def to_dict(self) -> dict[str, Any]:
        output, target = (self.tensors.get(name) for name in self.roles)
        others = {name: tensor for name, tensor in self.tensors.items() if name not in self.roles}
        return {
            "name": self.name,
            "loss": self.loss,
            "loss_args": {name: _plain(value) for name, value in self.loss_args.items()},
            "location": _place(self.location),
            "status": self.status,
            "arguments": [
                {"name": a.name, "value": _plain(a.value), "origin": a.origin, "location": _place(a.location)}
                for a in self.arguments
            ],
            "contract": self.contract,
            "contract_note": self.contract_note,
            "inputs": [
                {"name": i.name, "shape": list(i.shape), "dtype": i.dtype, "origin": i.origin} for i in self.inputs
            ],
            "output": None
            if output is None
            else {
                "path": self.output_path,
                "shape": list(output.shape),
                "dtype": output.dtype,
                "axes": _list(output.axes),
            },
            "target": None
            if target is None
            else {"shape": list(target.shape), "dtype": target.dtype, "origin": target.origin},
            "tensors": {
                name: {"shape": list(tensor.shape), "dtype": tensor.dtype, "origin": tensor.origin}
                for name, tensor in others.items()
            },
            "accepted_targets": [target.to_dict() for target in self.accepted_targets],
            "findings": [finding.to_dict() for finding in self.findings],
            "notes": list(self.notes),
            "error": None
            if self.error is None
            else {
                "code": self.error.code,
                "message": self.error.message,
                "hint": self.error.hint,
                "location": _place(self.error.location),
            },
            "engine": self.engine,
            "elapsed_ms": self.elapsed_ms,
        }


@dataclass(frozen=True)
class ScriptRun:
    """How far the user's script ran. `told` is a sentence; `ended` a word for programs.

    `ended` is update (before an optimiser's update, where it was stopped), by-hand (after an update without an optimiser),
    refused (where it would have touched a file after an update was skipped, or started what cannot be followed), process
    (where one that it forked was stopped), end, exit, raised, time, interrupt, terminate or died. `skipped` are the updates that were asked for and not made, `made` how many were made, `written` the
    files that the script opened for writing.
    """

    script: str
    ended: str
    told: str
    location: Location | None = None
    made: int = 0
    skipped: tuple[Location, ...] = ()
    written: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        return {
            "script": self.script,
            "ended": self.ended,
            "message": self.told,
            "location": _place(self.location),
            "updates_made": self.made,
            "updates_not_made": [_place(place) for place in self.skipped],
            "written": list(self.written),
            "notes": list(self.notes),
        }


@dataclass(frozen=True)
class Report:
    """The checks of one run, in the order they were asked for; `run` says how far a script of the user's ran."""

    checks: tuple[CheckResult, ...]
    version: str
    strict: bool = False
    run: ScriptRun | None = None

    @property
    def findings(self) -> tuple[Finding, ...]:
        return tuple(finding for check in self.checks for finding in check.findings)

    @property
    def exit_code(self) -> int:
        return max((check.exit_code(self.strict) for check in self.checks), default=EXIT_CLEAN)

    @property
    def ok(self) -> bool:
        return self.exit_code == EXIT_CLEAN

    def to_dict(self) -> dict[str, Any]:
        statuses = [check.status for check in self.checks]
        return {
            "shapecheck": self.version,
            "schema": SCHEMA,
            "checks": [check.to_dict() for check in self.checks],
            **({} if self.run is None else {"run": self.run.to_dict()}),
            "summary": {
                "checks": len(statuses),
                "ok": statuses.count("ok"),
                "findings": statuses.count("findings"),
                "errors": statuses.count("error"),
            },
        }

    def __str__(self) -> str:
        from shapecheck.render import text

        return text.render(self)

    def __repr__(self) -> str:
        from shapecheck.render import terminal, text

        return text.render(self, width=terminal.width(), color=terminal.color()).rstrip("\n")


def select(result: CheckResult, chosen: Iterable[str], ignored: Iterable[str]) -> CheckResult:
    """Only the findings that `--select` and `--ignore` leave; codes match by prefix, as in ruff, or by name."""
    chosen, ignored = tuple(chosen), tuple(ignored)

    def named(finding: Finding, codes: tuple[str, ...]) -> bool:
        return any(code == "ALL" or finding.code.startswith(code.upper()) or finding.name == code for code in codes)

    kept = [
        finding for finding in result.findings if (not chosen or named(finding, chosen)) and not named(finding, ignored)
    ]
    return replace(result, findings=tuple(kept))


def _plain(value: Any) -> Any:
    """A keyword's value as JSON has it; a function or an object by what Python calls it."""
    known = value is None or isinstance(value, (str, int, float, list, tuple, Mapping))
    return value if known else repr(value)


def _place(location: Location | None) -> dict[str, Any] | None:
    return None if location is None else {"path": location.path, "line": location.line}


def _list(items: tuple[Any, ...] | None) -> list[Any] | None:
    return None if items is None else list(items)
