"""Fixes as they are shown: code that pastes, what it makes of the shapes, and whether torch was asked.

Torch is reached through the judge only.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Protocol

from shapecheck import written
from shapecheck.diagnosis import Diagnosis, Option, State
from shapecheck.matching import Facts
from shapecheck.messages import fill
from shapecheck.operations import code_of, size_bound
from shapecheck.readings import Reading
from shapecheck.report import Fix
from shapecheck.rules import FixTemplate, Loss
from shapecheck.specs import INTENTS, Observation, Size, Subject
from shapecheck.symbols import Symbols

if TYPE_CHECKING:
    from shapecheck.oracle import Answer
    from shapecheck.verify import Proof

PER_SAMPLE, PER_POSITION = INTENTS


class Judge(Protocol):
    """Torch, where it is loaded: see `verify.py`."""

    def ask(self, loss: Loss, tensors: Mapping[str, Facts], arguments: Mapping[str, Any]) -> Answer | None: ...

    def prove(self, causes: Sequence[Diagnosis], cause: Diagnosis, option: Option) -> Proof: ...

    def prove_without(self, observation: Observation, option: Option, state: State) -> Proof: ...


@dataclass(frozen=True, eq=False)
class Case:
    """A subject with one reading of its target: numbers only, keywords complete."""

    subject: Subject
    loss: Loss
    symbols: Symbols
    state: State
    reading: Reading | None = None


def suggest(case: Case, causes: Sequence[Diagnosis], cause: Diagnosis, verifier: Judge | None) -> Iterator[Fix]:
    """The fixes of a cause in order of preference, each run where there is a verifier."""
    for option in cause.options:
        if case.symbols.sizes and option.after is not None and size_bound(option.after.calls):
            continue  # a number in its code would stand for a size that is not known
        fix = _fix(case, cause, option)
        if option.step is not None and verifier is not None:
            proof = verifier.prove(causes, cause, option)
            grade = "executed" if proof.executed else _unrun(option)
            fix = replace(fix, verified=grade, proof=proof.text, trap=_with_their_name(case, proof.trap))
        elif option.template.run and verifier is not None:
            fix = _run_without(case, cause, option, fix, verifier)
        elif option.step is not None:
            fix = replace(fix, verified=_unrun(option))
        yield fix


def _with_their_name(case: Case, trap: str) -> str:
    """The sentence about `output.reshape(...)`, the output called what the user calls it."""
    call, output = case.subject.written, case.loss.output
    known = call is not None and output in call.tensors and trap.startswith(f"{output}.")
    return written.operand(call.tensors[output]) + trap.removeprefix(output) if call and known else trap


def _unrun(option: Option) -> str:
    """The grade of a fix that was not run: whether the rule takes what it leads to, other causes included."""
    after = option.after
    takes = after is not None and after.verdict.accepts
    return "contract" if takes else "no"


def _run_without(case: Case, cause: Diagnosis, option: Option, fix: Fix, verifier: Judge) -> Fix:
    seen = observed(case.subject, cause.rule.observed)
    if seen is None:
        return fix
    if seen.location is not None and seen.location.line is not None:
        from shapecheck import source  # reads syntax trees, which only a softmax found needs

        line = source.without_call(seen.location.path, seen.location.line, seen.kind)
        fix = replace(fix, code=line) if line else fix
    proof = verifier.prove_without(seen, option, case.state)
    return replace(fix, verified="executed", proof=proof.text) if proof.executed else fix


def _fix(case: Case, cause: Diagnosis, option: Option) -> Fix:
    template, after = option.template, option.after
    assert after is not None
    env = {name: named(case.symbols, value) for name, value in cause.env.items()}
    changed = [name for name in (*case.loss.tensors, *after.calls) if after.calls.get(name)]
    changed = list(dict.fromkeys(changed))
    own = [name for name in template.apply if after.calls.get(name)] or changed
    return Fix(
        kind=template.kind,
        title=fill(template.title, env),
        applies_to=template.applies_to or (", ".join(own) if template.apply and own else "loss"),
        code=fill(template.code, env) if template.code else _code(template, own, after),
        intent=_intent(case, after),
        call="" if template.code else _call(case, after),
        setup=_setup(after, case.symbols, case.loss.output),
        **_in_their_words(case, after, template),
        output_shape=_shape(case, after, case.loss.output),
        target_shape=_shape(case, after, case.loss.target),
    )


def _shape(case: Case, after: State, name: str) -> tuple[Size, ...] | None:
    return case.symbols.names(after.tensors[name].shape) if name in after.tensors else None


def _code(template: FixTemplate, changed: list[str], after: State) -> str:
    """What replaces `applies_to`: the expression, the keyword, or the loss."""
    if template.apply and changed:
        return ", ".join(code_of(after.calls[name], name) for name in changed)
    if template.loss_args:
        return ", ".join(f"{name}={value!r}" for name, value in after.new_arguments.items())
    return after.loss.written


def _call(case: Case, after: State) -> str:
    """The whole loss call as it pastes."""
    return f"loss = {_expression(case, after)}"


def _expression(case: Case, after: State, tensors: Mapping[str, str] = MappingProxyType({})) -> str:
    """The loss call with all its arguments; `tensors` are those that are called otherwise than in the contract."""
    loss = after.loss
    values = [tensors.get(name) or _argument(after, name) for name in loss.tensors]
    given = {**case.subject.loss_args, **after.new_arguments}
    keywords = [f"{name}={_argument(after, name)}" for name in given if name in after.arguments]
    returned = f".{loss.returns}" if loss.returns else ""
    arguments = values if loss.written == "criterion" else [*values, *keywords]
    return f"{loss.written}({', '.join(arguments)}){returned}"


def _in_their_words(case: Case, after: State, template: FixTemplate) -> dict[str, str]:
    """The fix in the user's own line, with the names that the tensors have there, where the call was seen as they wrote it."""
    call = case.subject.written
    if call is None or template.code:
        return {}
    code = {name: code_of(calls, name) for name, calls in after.calls.items() if calls}
    setup = _setup(after, case.symbols, case.loss.output)
    if not set(code) <= set(call.tensors) or written.repeats(call, [*code.values(), setup]):
        return {}  # what is changed is not on the line, or what is called there once would be called again
    keywords = {name: _argument(after, name) for name in after.new_arguments}
    changed = {name: written.named(call, text) for name, text in code.items()}
    line = written.mended(call, case.loss, changed, keywords) if after.loss is case.loss else ""
    line = line or written.stated(call, written.named(call, _expression(case, after)))
    return {"line": line, "line_setup": written.named(call, setup)}


def _argument(after: State, name: str) -> str:
    """A tensor after its fixes, or the value of a keyword."""
    facts = after.tensors.get(name) or after.arguments.get(name)
    if isinstance(facts, Facts):
        return code_of(after.calls.get(name, ()), name)
    return _value(name, facts, after.loss.arguments[name].type)


def _value(name: str, value: Any, kind: str) -> str:
    """A keyword's value as people write it; an object that the user made goes by the keyword's own name."""
    if kind == "dtype" and value is not None:
        return f"torch.{value}"
    if kind.startswith("torch.") and value is not None:
        given = value.items() if isinstance(value, Mapping) else None
        return name if given is None else f"{kind}({', '.join(f'{key}={item!r}' for key, item in given)})"
    return repr(value)


def _setup(after: State, symbols: Symbols, output: str) -> str:
    """What has to stand before the loss call: the pooling layer and the weights it gives to what is called `output`."""
    calls = after.calls.get(after.loss.output, ())
    place = next((index for index, call in enumerate(calls) if call.kind == "attention"), None)
    if place is None:
        return ""
    features = symbols.name(dict(calls[place].kwargs)["features"])
    scored = code_of(calls[:place], output)
    return (
        f"attention = nn.Linear({features}, 1)  # a part of the model, trained with it\n"
        f"weights = attention({scored}).softmax(dim={calls[place].args[0]})"
    )


def _intent(case: Case, after: State) -> str | None:
    """Which reading of the labels a fix serves, where the output has positions at all."""
    loss = case.loss
    if not loss.target:
        return None
    output = case.state.tensors[loss.output]
    bound = case.state.verdict.bounds.get(loss.output)
    if output.rank < 3 and not (bound and any(name.startswith("where") for name in bound.names)):
        return None
    target = after.named[loss.target]
    positions = [name for name in target.names if name.startswith(("where", "other")) or "*where" in name]
    names = after.verdict.bounds[loss.target].names if after.verdict.bounds else target.names
    if positions or any(name.startswith("where") for name in names):
        return PER_POSITION
    return PER_SAMPLE


def named(symbols: Symbols, value: Any) -> Any:
    """A number that stands for a name as that name."""
    if isinstance(value, int) and not isinstance(value, bool) and symbols.sizes:
        return symbols.name(value)
    return value


def observed(subject: Subject, kind: str) -> Observation | None:
    """The observation of that kind, if the model does such a thing."""
    return next((observation for observation in subject.observations if kind and observation.kind == kind), None)
