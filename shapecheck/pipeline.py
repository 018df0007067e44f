"""One check from a subject to a result, the same for every source. Imports torch only through the judge it is given.

subject -> numbers for names -> verdict -> causes -> fixes -> proofs -> result
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from shapecheck import drawing, holders, keywords, number_rules
from shapecheck.diagnosis import Diagnosis, Option, State, diagnose, start
from shapecheck.errors import Location
from shapecheck.matching import Facts, arguments_of, facts, holds, judge
from shapecheck.messages import fill
from shapecheck.model_rules import ordered, with_findings
from shapecheck.readings import accepted_targets, complete, readings
from shapecheck.report import CheckResult, Finding, Fix
from shapecheck.rules import FixTemplate, Loss, folder_of, holder_rules
from shapecheck.spec_files import unmeasured
from shapecheck.specs import Size, Subject, TensorSpec
from shapecheck.suggestions import Case, Judge, named, observed, suggest
from shapecheck.symbols import NUMBERS, Symbols, settle, symbols_of

DISAGREEMENT = "SC909"


def check(subject: Subject, loss: Loss, verifier: Judge | None = None) -> CheckResult:
    """Everything that can be said of one loss call.

    `verifier` asks torch and runs the fixes; without it fixes are checked against the contract only. Raises UserError
    for a tensor that is missing, and for tensors and keywords that the loss does not have.
    """
    began = time.perf_counter()
    subject = keywords.named(subject, loss)
    name = holders.held(subject, loss)
    result = _with_tensor(subject, loss, verifier, name) if name else _check(subject, loss, verifier)
    return replace(result, elapsed_ms=round((time.perf_counter() - began) * 1000))


def _with_tensor(subject: Subject, loss: Loss, verifier: Judge | None, name: str) -> CheckResult:
    """The check of a call with something else in a tensor's place."""
    spec = subject.tensors[name]
    state = _state(
        replace(subject, tensors={key: replace(each, parts=None) for key, each in subject.tensors.items()}),
        loss,
        NUMBERS,
    )
    answer = (
        verifier.ask(loss, {**state.tensors, name: Facts((), python=spec.python)}, state.arguments)
        if verifier
        else None
    )
    return holders.check(
        subject, loss, name,
        quick=lambda opened: check(opened, loss),
        full=lambda opened: check(opened, loss, verifier),
        plain=lambda opened: _as_it_is(opened, loss, verifier),
        says=answer.error if answer else "",
    )  # fmt: skip


def _as_it_is(subject: Subject, loss: Loss, verifier: Judge | None) -> Fix:
    """The call itself as a fix, run where there is a verifier."""
    state = _state(subject, loss, NUMBERS)
    template = FixTemplate("change-loss", "as it is")
    case, option = Case(subject, loss, NUMBERS, state), Option(template, state, state)
    cause = Diagnosis(holder_rules()[0], state.verdict.bounds, state.verdict.env, (option,), state)
    return next(iter(suggest(case, [cause], cause, verifier)))


def _check(subject: Subject, loss: Loss, verifier: Judge | None) -> CheckResult:
    symbols = _symbols(subject, loss)
    subject = complete(loss, subject, symbols)
    kindest = _kindest(subject, loss, symbols) if symbols.sizes else symbols
    case: Case | None
    if not loss.target or loss.target in subject.tensors:
        case = Case(subject, loss, symbols=kindest, state=_state(subject, loss, kindest))
        findings = _findings(case, diagnose(case.state), verifier)
        contract, note, doubts = _contract(case, verifier)
        findings = (*number_rules.findings(subject, loss), *findings, *doubts)
    else:
        judged = [(case, diagnose(case.state)) for case in _assumed_cases(subject, loss, kindest)]
        case, findings = _judged_alone(judged, verifier)
        contract, note = "unknown", ""
    result = CheckResult(
        name=subject.name,
        loss=loss.name,
        loss_args=subject.loss_args,
        location=subject.location,
        arguments=subject.arguments,
        contract=contract,
        contract_note=note,
        inputs=subject.inputs,
        output_path=subject.output_path,
        tensors=_reported(subject, case),
        roles=(loss.output, loss.target),
        accepted_targets=tuple(accepted_targets(loss, subject, bool(findings))),
        findings=ordered(findings),
        notes=_notes(subject, loss),
        engine=subject.engine,
    )
    return with_findings(result, subject.observations)


def _notes(subject: Subject, loss: Loss) -> tuple[str, ...]:
    """What the reader should know besides; of a spec, whether it says anything of the labels' values."""
    if subject.engine != "none" or not loss.target:
        return subject.notes
    note = unmeasured(subject.tensors.get(loss.target))
    return (*subject.notes, note) if note else subject.notes


def _symbols(subject: Subject, loss: Loss) -> Symbols:
    """Numbers for the names among the sizes of tensors and keywords, larger than any label."""
    if not subject.loss_args and not any(str in map(type, tensor.shape) for tensor in subject.tensors.values()):
        return NUMBERS
    sizes: list[Size] = []
    largest = subject.classes or 0
    for tensor in subject.tensors.values():
        sizes += tensor.shape
        if tensor.maximum is not None and math.isfinite(tensor.maximum):
            largest = max(largest, int(tensor.maximum))
    return symbols_of([*sizes, *_in_keywords(subject, loss)], above=largest)


def _in_keywords(subject: Subject, loss: Loss) -> list[Size]:
    """The sizes of tensor keywords, which may be names too."""
    given = [value for name, value in subject.loss_args.items() if loss.arguments[name].tensor]
    return [size for value in given for size in _sizes_of(value)]


def _assumed_cases(subject: Subject, loss: Loss, symbols: Symbols) -> Iterator[Case]:
    """Where no target is known, one call for each thing the labels may mean."""
    for reading in readings(loss, subject, symbols):
        assumed = replace(subject, tensors={**subject.tensors, loss.target: reading.target})
        yield Case(subject, loss, symbols, _state(assumed, loss, symbols), reading)


def _kindest(subject: Subject, loss: Loss, symbols: Symbols) -> Symbols:
    """A name may well be as large as a weight says: of the ways to read it so, the one with the fewest causes."""
    if loss.target and loss.target not in subject.tensors:
        return symbols
    sizes = {size for size in _in_keywords(subject, loss) if isinstance(size, int)}
    ways = [symbols, *(Symbols({**symbols.sizes, name: size}) for name in symbols.sizes for size in sorted(sizes))]
    return min(ways, key=lambda way: len(diagnose(_state(subject, loss, way)))) if len(ways) > 1 else symbols


def _state(subject: Subject, loss: Loss, symbols: Symbols) -> State:
    given = {name: facts(symbols.concrete(subject.tensors[name])) for name in loss.tensors}
    dtype = given[loss.output].dtype or loss.tensors[loss.output].dtype or "float32"
    keywords = {
        name: _concrete(value, symbols) if loss.arguments[name].tensor else value
        for name, value in subject.loss_args.items()
    }
    tensors = dict(given)
    for name, tensor in given.items():
        if tensor.dtype is None and name != loss.target:
            tensors[name] = replace(tensor, dtype=loss.tensors[name].dtype or dtype)
    arguments = arguments_of(loss, keywords, dtype, tensors)
    if loss.target and given[loss.target].dtype is None:
        signature = judge(loss, tensors, arguments).signature
        likely = (signature.dtype if signature else "") or loss.tensors[loss.target].dtype or _usual_dtype(loss)
        tensors[loss.target] = replace(given[loss.target], dtype=likely)
    observed = tuple([observation.kind for observation in subject.observations]) if subject.observations else ()
    # A class axis that is only a name may well have as many classes as the data.
    named = bool(symbols.sizes) and any(isinstance(size, str) for size in subject.tensors[loss.output].shape)
    classes = None if named else subject.classes or (tensors[loss.target].classes if loss.target else None)
    return start(loss, tensors, arguments, observed, classes)


def _usual_dtype(loss: Loss) -> str:
    """What the labels are mostly: class indices where a form takes such."""
    known = [signature.dtype for signature in loss.signatures if signature.dtype]
    return "int64" if "int64" in known or not known else known[0]


def _sizes_of(value: Any) -> Sequence[Size]:
    """The sizes of a tensor keyword, which may be names too."""
    shape = value.get("shape", ()) if isinstance(value, Mapping) else value
    return [size for size in shape if isinstance(size, (int, str))] if isinstance(shape, (list, tuple)) else []


def _concrete(value: Any, symbols: Symbols) -> Any:
    sizes = [symbols.number(size) for size in _sizes_of(value)]
    if not sizes:
        return value
    return {**value, "shape": sizes} if isinstance(value, Mapping) else sizes


def _reported(subject: Subject, case: Case | None) -> Mapping[str, TensorSpec]:
    """The tensors as the report shows them: dtypes filled in, and the assumed target where there was none."""
    if case is None:
        return subject.tensors
    tensors = dict(subject.tensors)
    if case.reading is not None:
        tensors[case.loss.target] = case.reading.target
    for name, tensor in tensors.items():
        if tensor.dtype is None:
            tensors[name] = replace(tensor, dtype=case.state.tensors[name].dtype)
    return tensors


# ------------------------------------------------------------------------------------------- verdicts


def _contract(case: Case, verifier: Judge | None) -> tuple[str, str, tuple[Finding, ...]]:
    """What torch does with the tensors; where torch was asked and says otherwise than the rule, a finding."""
    state = case.state
    if case.symbols.sizes:
        # A contract is about every number a name may stand for, not only those that are kindest to the call.
        symbols = _symbols(case.subject, case.loss)
        numbers, products = _numbers(case.subject, case.loss), _counts_elements(case.subject, case.loss)
        verdict, note = settle(symbols, numbers, lambda way: _accepts(case, way), products)
        return verdict, note, ()
    accepts = state.verdict.accepts
    answer = verifier.ask(state.loss, state.tensors, state.arguments) if verifier else None
    if answer is None or answer.accepts == accepts:
        return ("accepts" if accepts else "rejects"), "", ()
    says = answer.error or "it computes a number"
    doubt = Finding(
        DISAGREEMENT,
        "rule-disagrees",
        "warning",
        f"the rule of {state.loss.name} says that torch {'accepts' if accepts else 'rejects'} this, but it does not",
        why="torch is right and the rule is wrong; please report this call",
        torch_says=says,
        rows=drawing.tensor_rows(case.subject, state),
    )
    return ("accepts" if answer.accepts else "rejects"), "", (doubt,)


def _numbers(subject: Subject, loss: Loss) -> list[int]:
    """The sizes that a name may coincide with in a way that matters: those of tensors and keywords, whole numbers among
    the keywords, the class counts that the labels need."""
    tensors = [size for tensor in subject.tensors.values() for size in tensor.shape]
    whole = [value for value in subject.loss_args.values() if type(value) is int]
    known = [t.maximum for t in subject.tensors.values() if t.maximum is not None and math.isfinite(t.maximum)]
    labels = [int(maximum) + step for maximum in known for step in (0, 1)]
    sizes = (*tensors, *_in_keywords(subject, loss), *whole, *labels)
    return [size for size in sizes if isinstance(size, int) and size > 0]


def _counts_elements(subject: Subject, loss: Loss) -> bool:
    """Whether a name stands in a tensor of several axes beside output and target: those may count by their elements."""
    beside = [spec.shape for name, spec in subject.tensors.items() if name not in (loss.output, loss.target)]
    shapes = [*beside, *(_sizes_of(value) for value in subject.loss_args.values())]
    return any(len(shape) > 1 and any(isinstance(size, str) for size in shape) for shape in shapes)


def _accepts(case: Case, way: Symbols) -> bool:
    return _state(case.subject, case.loss, way).verdict.accepts


def _judged_alone(
    judged: Sequence[tuple[Case, list[Diagnosis]]], verifier: Judge | None
) -> tuple[Case | None, tuple[Finding, ...]]:
    """Without a target, only an output that is wrong whatever the labels mean is a finding.

    The causes of all readings become one finding each, with the fixes of every reading.
    """
    clean = any(case.state.verdict.accepts and not causes for case, causes in judged)
    judged = [(case, causes) for case, causes in judged if causes]  # a refusal without a rule for it explains nothing
    if clean or not judged:
        return None, ()
    all_shaped = all(any(cause.rule.found for cause in causes) for _, causes in judged)
    chosen = judged if all_shaped else [(c, causes) for c, causes in judged if not any(x.rule.found for x in causes)]
    merged: dict[str, Finding] = {}
    shape_code = ""
    for case, causes in reversed(chosen):  # per position first: there the axes themselves are at fault
        for finding, cause in zip(_findings(case, causes, verifier), causes, strict=True):
            key = finding.code
            if cause.rule.found:
                shape_code = shape_code or key
                key = shape_code
            merged[key] = _joined(merged[key], finding) if key in merged else finding
    return chosen[0][0], tuple(merged.values())


def _joined(first: Finding, second: Finding) -> Finding:
    fixes = [*first.fixes, *(fix for fix in second.fixes if fix.call not in {f.call for f in first.fixes})]
    rows = tuple(row for row in first.rows if row.label not in ("target", "targets"))
    return replace(first, fixes=tuple(fixes), rows=rows, torch_says="")


# ------------------------------------------------------------------------------------------- findings


def _findings(case: Case, causes: list[Diagnosis], verifier: Judge | None) -> tuple[Finding, ...]:
    if not causes:
        return _unexplained(case, verifier)
    says = _torch_says(case, verifier)
    found = []
    for cause in causes:
        fixes = tuple(suggest(case, causes, cause, verifier))
        rejects = not cause.before.verdict.accepts
        found.append(_finding(case, cause, fixes, says if rejects or "backward" in says else ""))
        says = ""
    return tuple(found)


def _torch_says(case: Case, verifier: Judge | None) -> str:
    answer = verifier.ask(case.state.loss, case.state.tensors, case.state.arguments) if verifier else None
    if answer is None:
        return ""
    return answer.error or (f"in backward: {answer.backward_error}" if answer.backward_error else "")


def _finding(case: Case, cause: Diagnosis, fixes: tuple[Fix, ...], says: str) -> Finding:
    rule = cause.rule
    env = {name: named(case.symbols, value) for name, value in cause.env.items()}
    likely = bool(rule.note_when) and holds(rule.note_when, cause.env)
    return Finding(
        rule.code,
        rule.name,
        "note" if likely else rule.severity,
        fill(rule.message, env),
        why=fill(rule.why, env) + (f"; {fill(rule.unless, env)}" if likely and rule.unless else ""),
        torch_says=says,
        rows=drawing.rows(case.subject, case.symbols, cause, fixes),
        location=_observed_at(case.subject, rule.observed),
        fixes=fixes,
        rules=folder_of(rule, case.loss.folders),
    )


def _observed_at(subject: Subject, kind: str) -> Location | None:
    seen = observed(subject, kind)
    return seen.location if seen else None


def _unexplained(case: Case, verifier: Judge | None) -> tuple[Finding, ...]:
    """The contract refuses the call and no rule says why: shapes, needs and torch's words are still worth showing."""
    verdict = case.state.verdict
    if verdict.accepts:
        return ()
    broken = ", ".join(requirement.that for requirement in verdict.broken)
    return (
        Finding(
            "SC100",
            "contract-broken",
            "error",
            f"{case.loss.name} does not take these tensors",
            why=f"it requires {broken}" if broken else f"it takes {case.loss.forms}",
            torch_says=_torch_says(case, verifier),
            rows=drawing.tensor_rows(case.subject, case.state, case.symbols),
        ),
    )
