"""Every rule against its cases in rules/*.cases.yaml, and what has to hold of every rule and every fix.

A case fails in one of two ways: a finding is missing, or one is noisy. The format of the cases is explained at the
head of rules/cross_entropy.cases.yaml. No case states what holds for all: the harness checks it for each.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from types import SimpleNamespace
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torch import nn

import shapecheck
from shapecheck import calls, oracle, spec_files, yamls
from shapecheck.diagnosis import Diagnosis, Option, State, diagnose, start
from shapecheck.errors import UserError
from shapecheck.matching import Facts
from shapecheck.pipeline import check
from shapecheck.report import CheckResult, Finding, Fix
from shapecheck.rules import FIX_KINDS, HEADINGS, Loss, Rule, all_losses, all_rules, load_loss, rules_folder, validate
from shapecheck.specs import ROLES, Observation, Subject, TensorSpec
from shapecheck.torch_judge import TorchJudge
from shapecheck.verify import Proof

torch.set_num_threads(1)

LOSSES = [loss.name for loss in all_losses()]
RULES = {code: rule for code, (rule, _) in all_rules().items()}
CASE_KEYS = {"output", "target", "loss_args", "classes", "intent", "observed", "fix"}
FEWEST_CASES = 3


# ----------------------------------------------------------------------------------------------- the cases


@dataclass(frozen=True, eq=False)
class Case:
    """One call of a loss, the code it stands under, and what is to be found in it."""

    loss: str
    code: str
    name: str
    given: Mapping[str, Any]
    codes: tuple[str, ...]

    @property
    def id(self) -> str:
        kind = "fail" if self.code in self.codes else "pass"
        return f"{self.loss}-{self.code}-{kind}-{re.sub(r'[^a-z0-9]+', '-', self.name.lower())}"


def _cases(loss: str) -> list[Case]:
    """The cases of a loss's own file, and those of the loss it is `like` that it does not tell anew."""
    document = yamls.load_file(rules_folder() / f"{loss}.cases.yaml")
    found = [case for code, kinds in document.items() if code != "like" for case in _of_rule(loss, code, kinds)]
    if "like" in document:
        own = {(case.code, case.name) for case in found}
        others = [case for case in _cases(document["like"]["loss"]) if (case.code, case.name) not in own]
        found += [replace(case, loss=loss) for case in others if _shared(case, loss)]
    return found


def _of_rule(loss: str, code: str, kinds: Mapping[str, Any]) -> Iterator[Case]:
    assert set(kinds) <= {"fail", "pass"}, f"{code}: {set(kinds)}"
    for name, call in (kinds.get("fail") or {}).items():
        assert set(call) <= CASE_KEYS | {"also"}, f"{code}, {name}: {set(call)}"
        yield Case(loss, code, name, call, (code, *call.get("also", ())))
    for name, call in (kinds.get("pass") or {}).items():
        assert set(call) <= CASE_KEYS | {"gives"}, f"{code}, {name}: {set(call)}"
        yield Case(loss, code, name, call, tuple(call.get("gives", ())))


def _shared(case: Case, loss: str) -> bool:
    """Whether a case of another loss holds for this one: same rules, same keywords, no class probabilities."""
    other = load_loss(loss)
    codes = {rule.code for rule in other.rules}
    output, target = (spec_files.tensor(case.given[name], name) for name in ("output", "target"))
    soft = len(output.shape) == len(target.shape) and (target.dtype or "").startswith(("float", "bfloat"))
    return (
        {case.code, *case.codes} <= codes
        and set(case.given.get("loss_args") or {}) <= set(other.arguments)
        and not soft
    )


CASES = [case for loss in LOSSES for case in _cases(loss)]
FAILING = [case for case in CASES if case.code in case.codes]


def _ids(cases: Sequence[Case]) -> list[str]:
    return [case.id for case in cases]


# --------------------------------------------------------------------------------------------- the harness


@dataclass(frozen=True)
class Proved:
    """A fix that was put to the proof."""

    code: str
    option: Option
    state: State
    proof: Proof


@dataclass(frozen=True)
class Recording(TorchJudge):
    """A judge that remembers what it was asked to prove."""

    proved: list[Proved] = field(default_factory=list)

    def prove(self, causes: Sequence[Diagnosis], cause: Diagnosis, option: Option) -> Proof:
        proof = super().prove(causes, cause, option)
        self.proved.append(Proved(cause.rule.code, option, causes[0].before, proof))
        return proof


@dataclass(frozen=True, eq=False)
class Checked:
    """A case after its check, with what was proved of each finding's fixes."""

    result: CheckResult
    proved: Mapping[str, list[tuple[Fix, Proved]]]

    def finding(self, code: str) -> Finding:
        return next(finding for finding in self.result.findings if finding.code == code)


@cache
def checked(case: Case) -> Checked:
    """The check of a case, with torch, without a warning."""
    subject, judge = _subject(case)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        result = check(subject, load_loss(case.loss), judge)
    proved: dict[str, list[tuple[Fix, Proved]]] = {}
    for finding in result.findings:
        run = [fix for fix in finding.fixes if fix.call]
        seen = [proof for proof in judge.proved if proof.code == finding.code]
        assert len(run) == len(seen), "each fix with code for the call is put to the proof"
        proved[finding.code] = list(zip(run, seen))
    return Checked(result, proved)


def _subject(case: Case) -> tuple[Subject, Recording]:
    given = case.given
    tensors = {name: spec_files.tensor(given[name], name) for name in ("output", "target")}
    observations: tuple[Observation, ...] = ()
    judge = Recording()
    if "observed" in given:
        axis = _class_axis(tensors["output"])
        observations = (Observation(given["observed"], None, axis),)
        judge = _with_model(tensors["output"], given["observed"], axis)
    subject = Subject(
        case.loss,
        tensors,
        given.get("loss_args") or {},
        name=case.name,
        classes=given.get("classes"),
        intent=given.get("intent"),
        observations=observations,
    )
    return subject, judge


def _class_axis(output: TensorSpec) -> int:
    return output.axes.index("class") if output.axes else min(1, len(output.shape) - 1)


def _with_model(output: TensorSpec, kind: str, axis: int) -> Recording:
    """A judge with a model's output, which can be had without the observed call."""
    logits = torch.randn([int(size) for size in output.shape], generator=torch.Generator().manual_seed(0))
    seen = logits.sigmoid() if kind == "sigmoid" else getattr(logits, kind)(axis)
    return Recording(seen, lambda observation: logits)


# ------------------------------------------------------------------------------------------- what is found


@pytest.mark.parametrize("case", CASES, ids=_ids(CASES))
def test_what_is_found(case: Case) -> None:
    found = [finding.code for finding in checked(case).result.findings]
    missing = sorted(set(case.codes) - set(found))
    noisy = sorted(set(found) - set(case.codes))
    assert (missing, noisy) == ([], []), f"missing {missing}, noisy {noisy}"
    assert len(found) == len(set(found)), "one cause gives one finding"


@pytest.mark.parametrize("case", CASES, ids=_ids(CASES))
def test_rule_and_torch_agree(case: Case) -> None:
    """The judge was asked with real tensors: a disagreement would be a finding of its own."""
    assert "SC909" not in [finding.code for finding in checked(case).result.findings]


@pytest.mark.parametrize("case", FAILING, ids=_ids(FAILING))
def test_texts_are_filled_in(case: Case) -> None:
    for finding in checked(case).result.findings:
        for text in (finding.message, finding.why, *(fix.title for fix in finding.fixes)):
            assert not re.search(r"[{}]|\bNone\b", text), text


@pytest.mark.parametrize("case", [c for c in FAILING if "fix" in c.given], ids=lambda case: case.id)
def test_the_first_fix(case: Case) -> None:
    first = checked(case).finding(case.code).fixes[0]
    assert {first.kind: first.code} == case.given["fix"]


# ---------------------------------------------------------------------------------------------- every fix


@pytest.mark.parametrize("case", FAILING, ids=_ids(FAILING))
def test_a_fix_was_executed_or_there_is_only_advice(case: Case) -> None:
    seen = checked(case)
    fixes = seen.finding(case.code).fixes
    failures = [proved.proof.failure for _, proved in seen.proved[case.code]]
    runnable = any(fix.call for fix in fixes)
    assert not runnable or any(fix.verified == "executed" for fix in fixes), failures
    assert runnable or all(fix.code for fix in fixes), "advice has code to show"


NO_REFERENCE = "predictions between the real ones have no reference"


@pytest.mark.parametrize("case", FAILING, ids=_ids(FAILING))
def test_every_fix_that_can_be_run_holds(case: Case) -> None:
    """A fix that raised, or whose loss is not that of the reference, is not shown at all."""
    for pairs in checked(case).proved.values():
        for fix, proved in pairs:
            assert proved.proof.executed or proved.proof.failure == NO_REFERENCE, f"{fix.call}: {proved.proof.failure}"


@pytest.mark.parametrize("case", FAILING, ids=_ids(FAILING))
def test_nothing_is_left_after_the_first_executed_fix(case: Case) -> None:
    seen = checked(case)
    advised = {f.code for f in seen.result.findings if f.fixes and not f.fixes[0].call}  # these change the model
    for pairs in seen.proved.values():
        first = next((proved for fix, proved in pairs if fix.verified == "executed"), None)
        if first is None or first.option.after is None or first.option.after.loss is None:
            continue
        after = first.option.after
        assert after.loss is not None
        again = diagnose(start(after.loss, after.tensors, after.arguments, first.state.observed, first.state.classes))
        assert [
            cause.rule.code for cause in again if cause.rule.severity == "error" and cause.rule.code not in advised
        ] == []


@pytest.mark.parametrize("case", FAILING, ids=_ids(FAILING))
def test_the_code_shown_is_the_code_that_was_run(case: Case) -> None:
    """`setup` and `call`, pasted as they stand, give the loss of the calls that were executed."""
    for pairs in checked(case).proved.values():
        for fix, proved in pairs:
            if fix.verified == "executed" and proved.option.after is not None:
                shown, run = _shown(fix, proved), _run(proved)
                assert shown.shape == run.shape
                assert torch.allclose(shown, run), f"{fix.call} gives {shown}, the calls that were run {run}"


def _shown(fix: Fix, proved: Proved) -> torch.Tensor:
    layer = calls.attention_for(_after(proved), _tensors(proved))

    def linear(features: int, out: int) -> nn.Linear:
        """The pooling layer that was run, in place of a new one with other weights."""
        assert layer is not None
        assert (features, out) == (layer.in_features, layer.out_features)
        return layer

    modules = SimpleNamespace(Linear=linear)
    namespace: dict[str, Any] = {"torch": torch, "F": F, "nn": modules, **_tensors(proved)}
    exec(fix.setup, namespace)
    exec(fix.call, namespace)
    loss: torch.Tensor = namespace["loss"]
    return loss.detach()


def _run(proved: Proved) -> torch.Tensor:
    after, tensors = _after(proved), _tensors(proved)
    values = calls.fixed(
        {name: tensors[name] for name in proved.state.tensors}, after, proved.state, calls.attention_for(after, tensors)
    )
    loss: torch.Tensor = getattr(F, after.loss_name)(
        values["output"], values["target"], **calls.keywords(after, values)
    )
    return loss.detach()


def _after(proved: Proved) -> State:
    assert proved.option.after is not None
    return proved.option.after


def _tensors(proved: Proved) -> dict[str, torch.Tensor]:
    """The call's tensors before the fix: scores, labels that the output has classes for, weights."""
    state = proved.state
    output = oracle.make(state.tensors["output"], "output")
    if state.tensors["output"].values in ("probabilities", "unit-interval"):
        output = output.sigmoid()
    weights = {name: oracle.weights(value) for name, value in state.arguments.items() if isinstance(value, Facts)}
    return {"output": output, "target": _labels(state.tensors["target"], _classes(proved)), **weights}


def _classes(proved: Proved) -> int:
    after = _after(proved)
    bound = after.verdict.bounds.get("output") if after.loss is not None else None
    return bound.sizes["class"] if bound is not None else 2


def _labels(facts: Facts, classes: int) -> torch.Tensor:
    """Values between the facts' own, and those themselves."""
    generator = torch.Generator().manual_seed(2)
    dtype = getattr(torch, facts.dtype or "int64")
    if dtype.is_floating_point and facts.values != "class-index":
        return (torch.rand(facts.shape, generator=generator) < 0.5).to(dtype)
    low, high = int(facts.minimum or 0), int(classes - 1 if facts.maximum is None else facts.maximum)
    usual = [label for label in range(classes) if low <= label <= high]
    known = torch.tensor(sorted({*usual, low, high}))
    return known[torch.randint(len(known), facts.shape, generator=generator)].to(dtype)


@pytest.mark.parametrize("case", FAILING, ids=_ids(FAILING))
def test_traps_are_rejected(case: Case) -> None:
    """Where a fix says that a reshape also fits, the reshape's loss is another one."""
    for pairs in checked(case).proved.values():
        for fix, proved in pairs:
            if fix.trap:
                reshaped = re.search(r"output\.reshape\([\d, ]+\)", fix.trap)
                assert reshaped, fix.trap
                own, other = (float(re.search(r"loss (-?[\d.]+)", text)[1]) for text in (fix.proof, fix.trap))  # type: ignore[index]
                assert own != other
                tensors = _tensors(proved)
                wrong = eval(reshaped[0], {"output": tensors["output"]})
                right = calls.fixed(tensors, _after(proved), proved.state, None)["output"]
                assert wrong.shape == right.shape
                assert not torch.equal(wrong, right)


@pytest.mark.parametrize("code", [code for code, rule in RULES.items() if rule.traps])
def test_a_rule_with_traps_shows_one(code: str) -> None:
    cases = [case for case in FAILING if case.code == code]
    assert any(fix.trap for case in cases for fix in checked(case).finding(code).fixes)


# ----------------------------------------------------------------------------------------------- coverage


def _pairs() -> list[tuple[str, str]]:
    return [(loss.name, rule.code) for loss in all_losses() for rule in loss.rules]


@pytest.mark.parametrize("loss, code", _pairs())
def test_every_rule_has_cases(loss: str, code: str) -> None:
    cases = [case for case in CASES if (case.loss, case.code) == (loss, code)]
    assert len(cases) >= FEWEST_CASES
    assert any(case.code in case.codes for case in cases), "a call that has it"
    assert any(case.code not in case.codes for case in cases), "a call beside it that has it not"


def test_cases_are_of_rules_that_there_are() -> None:
    assert {(case.loss, case.code) for case in CASES} <= set(_pairs())
    assert len(set(_ids(CASES))) == len(CASES)


# ------------------------------------------------------------------------------------------ the rule files


@pytest.mark.parametrize("loss", LOSSES)
def test_every_pattern_condition_and_operation_compiles(loss: str) -> None:
    validate(load_loss(loss))


@pytest.mark.parametrize("loss", LOSSES)
def test_every_broken_requirement_is_one_of_the_loss(loss: str) -> None:
    family = load_loss(loss)
    known = {requirement.name for requirement in family.requires}
    assert {rule.broken for rule in family.rules if rule.broken} <= known


def test_codes_and_names_are_unique() -> None:
    for loss in all_losses():
        codes = [rule.code for rule in loss.rules]
        assert len(codes) == len(set(codes))
    everywhere = {(rule.code, rule.name, rule.source) for loss in all_losses() for rule in loss.rules}
    assert len({code for code, _, _ in everywhere}) == len(everywhere)
    assert len({name for _, name, _ in everywhere}) == len(everywhere)


@pytest.mark.parametrize("rule", RULES.values(), ids=RULES)
def test_the_words_of_a_rule(rule: Rule) -> None:
    assert re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", rule.name)
    message = rule.message.replace("{loss}", "cross_entropy")
    assert message[0].islower()
    assert not message.endswith(".")
    assert "\n" not in message
    assert set(rule.explain) == set(HEADINGS)
    for fix in rule.fixes:
        assert fix.kind in FIX_KINDS
        assert fix.title[0].islower()
        assert not fix.title.endswith(".")
        assert bool(fix.code) != bool(fix.apply or fix.loss or fix.loss_args), "either code to show or a fix to run"


@pytest.mark.parametrize(
    "rule", [rule for rule in RULES.values() if rule.contract == "accepts"], ids=lambda rule: rule.code
)
def test_a_rule_of_accepted_calls_is_no_rule_of_broken_ones(rule: Rule) -> None:
    assert not rule.broken


# -------------------------------------------------------------------------------------------- explanations

# These need more than the tensors: roles of axes, what the model does, or how many classes the data has.
NOT_IN_THE_TENSORS = {"SC304", "SC401", "SC407", "SC408"}


@dataclass
class Watching:
    """`F` as an explanation's code sees it; remembers the last loss call."""

    loss: str = ""
    arguments: tuple[Any, ...] = ()
    keywords: Mapping[str, Any] = field(default_factory=dict)

    def __getattr__(self, name: str) -> Any:
        function = getattr(F, name)
        if name not in (*LOSSES, "mse_loss", "binary_cross_entropy_with_logits"):
            return function

        def call(*arguments: Any, **keywords: Any) -> Any:
            self.loss, self.arguments, self.keywords = name, arguments, keywords
            return function(*arguments, **keywords)

        return call


def _execute(text: str) -> tuple[Watching, dict[str, Any]]:
    torch.manual_seed(0)
    watching = Watching()
    namespace: dict[str, Any] = {"torch": torch, "F": watching, "nn": nn}
    try:
        exec(text, namespace)
    except Exception as error:
        namespace["error"] = error
    return watching, namespace


@pytest.mark.parametrize("rule", RULES.values(), ids=RULES)
def test_the_example_behaves_as_it_claims(rule: Rule) -> None:
    """It raises where torch rejects, and runs where the finding is silent; SC107 runs and fails in backward."""
    _, namespace = _execute(rule.explain["example"])
    assert ("error" in namespace) == (rule.contract == "rejects" or rule.code == "SC107")
    if rule.code == "SC107":
        assert "loss" in namespace, "forward is accepted"


@pytest.mark.parametrize("rule", RULES.values(), ids=RULES)
def test_the_other_way_runs_forward_and_backward(rule: Rule) -> None:
    with torch.random.fork_rng(devices=[]):
        _, namespace = _execute(rule.explain["instead"])
    assert "error" not in namespace, namespace["error"]
    loss = namespace["loss"]
    assert loss.dim() == 0
    assert torch.isfinite(loss)
    if not loss.requires_grad:  # the example's tensors stand for a model's output
        leaf = next(namespace[name] for name in ("output", "logits") if name in namespace)
        leaf.requires_grad_(leaf.is_floating_point())
        exec(rule.explain["instead"].partition("\n")[2], {**namespace, "F": F})


@pytest.mark.parametrize("code", sorted(set(RULES) - NOT_IN_THE_TENSORS))
def test_the_example_has_the_finding_and_the_other_way_no_error(code: str) -> None:
    explain = RULES[code].explain
    example, _ = _execute(explain["example"])
    assert code in [finding.code for finding in _check(example).findings]
    instead, namespace = _execute(explain["instead"])
    assert "error" not in namespace
    if instead.loss in LOSSES:
        assert [finding.code for finding in _check(instead).findings if finding.severity == "error"] == []


def _check(call: Watching) -> shapecheck.Report:
    output, target = (argument.detach() for argument in call.arguments)
    return shapecheck.check_tensors(output, target, call.loss, **call.keywords)


# ------------------------------------------------------------------------------------- files of other people

GOOD = """
loss: {loss}
call: torch.nn.functional.mse_loss
contract: [{{output: "batch *where", target: "batch *where", result: "batch *where"}}]
rules:
  - code: {code}
    name: something
    severity: {severity}
    found: [{{output: "{pattern}", target: batch}}]
    when: "{when}"
    message: something is wrong
    why: because
    fixes: [{{kind: {kind}, title: mend it, apply: {{output: "{apply}"}}}}]
    explain: {{what: a, bad: b, example: c, instead: d, safety: e, references: f}}
"""
PARTS = {
    "loss": "mine",
    "code": "SC555",
    "severity": "error",
    "pattern": "batch 1",
    "when": "batch > 1",
    "kind": "squeeze-output",
    "apply": "squeeze(one.0)",
}


def _loaded(folder: Any, **parts: str) -> Loss:
    text = GOOD.format(**{**PARTS, **parts})
    (folder / "mine.yaml").write_text(text, encoding="utf-8")
    loss = load_loss("mine", folder)
    validate(loss)
    return loss


def test_a_rule_file_needs_no_python(tmp_path: Any) -> None:
    loss = _loaded(tmp_path)
    subject = Subject("mine", {"output": TensorSpec((8, 1), "float32"), "target": TensorSpec((8,), "float32")})
    (finding,) = check(subject, loss).findings
    assert (finding.code, finding.fixes[0].code) == ("SC555", "output.squeeze(-1)")


@pytest.mark.parametrize(
    "part, text, says",
    [
        ("code", "X1", "a code is SC and three digits"),
        ("severity", "eror", "did you mean 'error'"),
        ("pattern", "batch (class", "never closed"),
        ("when", "batch ** 2", "not part of the language"),
        ("when", "import os", "condition"),
        ("kind", "sqeeze-output", "did you mean 'squeeze-output'"),
        ("apply", "reshape(3)", "no operation 'reshape'"),
        ("apply", "__class__", "chain"),
    ],
)
def test_a_mistake_in_a_rule_file_is_named_with_its_line(part: str, text: str, says: str, tmp_path: Any) -> None:
    with pytest.raises(UserError) as error:
        _loaded(tmp_path, **{part: text})
    assert says in f"{error.value.message} {error.value.hint}"
    location = error.value.location
    assert location is not None
    assert location.path.endswith("mine.yaml")
    assert location.line is not None


# ------------------------------------------------------------------------------------------------ any call

sizes = st.integers(1, 7)
positions = st.lists(sizes, max_size=3)
PLACES = {0: (), 1: ("time",), 2: ("height", "width"), 3: ("depth", "height", "width")}


@st.composite
def right_calls(draw: st.DrawFn) -> Subject:
    """A call as the documentation wants it, whatever sizes coincide in it, with or without roles."""
    loss = draw(st.sampled_from(LOSSES))
    batch, classes, where = draw(sizes), draw(st.integers(2, 7)), tuple(draw(positions))
    roles: tuple[str, ...] | None = ("batch", "class", *PLACES[len(where)])
    roles = roles if draw(st.booleans()) else None
    dtype = draw(st.sampled_from(("float32", "float64", "float16", None)))
    values = draw(st.sampled_from((None, "logits" if loss == "cross_entropy" else "log-probabilities")))
    output = TensorSpec((batch, classes, *where), dtype, roles, values=values)
    low, high = sorted((draw(st.integers(0, classes - 1)), draw(st.integers(0, classes - 1))))
    facts = draw(st.sampled_from(({}, {"minimum": low, "maximum": high}, {"values": "class-index"})))
    target = replace(TensorSpec((batch, *where), draw(st.sampled_from(("int64", None)))), **facts)
    if target.dtype is None and target.shape == output.shape:
        target = replace(target, dtype="int64")
    arguments = draw(st.sampled_from(({}, {"weight": [classes]}, {"ignore_index": -1}, {"reduction": "none"})))
    return Subject(
        loss, {"output": output, "target": target}, arguments, classes=draw(st.sampled_from((None, classes)))
    )


@settings(max_examples=400, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
@given(right_calls())
def test_a_right_call_is_quiet(subject: Subject) -> None:
    result = check(subject, load_loss(subject.loss), TorchJudge())
    assert [finding.code for finding in result.findings] == []
    assert result.contract == "accepts"


@st.composite
def any_calls(draw: st.DrawFn) -> Subject:
    """A call with anything at all of it."""
    loss = draw(st.sampled_from(LOSSES))
    shape = tuple(draw(st.lists(sizes, max_size=5)))
    near = st.permutations(shape[:1] + shape[2:]).map(tuple) | st.just(shape)
    target_shape = draw(near | st.lists(sizes, max_size=4).map(tuple))
    roles = draw(st.none() | st.tuples(*[st.sampled_from(ROLES)] * len(shape)))
    dtype = draw(st.sampled_from(("float32", "float16", "int64", "bool")))
    of_target = draw(st.sampled_from(("int64", "int32", "float32", "bool")))
    values = draw(st.sampled_from((None, "one-hot", "multi-hot", "class-index", "continuous")))
    output = TensorSpec(shape, dtype, roles, values=draw(st.sampled_from((None, "logits", "probabilities"))))
    arguments = draw(st.sampled_from(({}, {}, {"weight": [3]}, {"reduction": "avg"}, {"ignore_index": 0})))
    target = TensorSpec(target_shape, of_target, values=values)
    if of_target == "int64":
        low, high = draw(st.sampled_from(((None, None), (0, 1), (-1, 3), (0, 255), (1, 5))))
        target = replace(target, minimum=low, maximum=high)
    return Subject(loss, {"output": output, "target": target}, arguments, classes=draw(st.sampled_from((None, 3))))


@settings(max_examples=500, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
@given(any_calls())
def test_a_call_that_torch_refuses_has_an_error_and_rule_and_torch_agree(subject: Subject) -> None:
    result = check(subject, load_loss(subject.loss), TorchJudge())
    codes = [finding.code for finding in result.findings]
    assert len(codes) == len(set(codes))
    assert "SC909" not in codes
    if result.contract == "rejects":
        assert "error" in [finding.severity for finding in result.findings]
