"""What has to hold of an explanation: its example behaves as the rule claims, and the other way is right.

The code is run, with the loss call watched. Each function yields the ways in which it is broken.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import torch
import torch.nn.functional as F
from torch import nn

from shapecheck import measure, oracle
from shapecheck.at_hand import measured
from shapecheck.errors import UserError
from shapecheck.keywords import tensor_name
from shapecheck.pipeline import check
from shapecheck.rule_cases import Case
from shapecheck.rule_tests.of_rules import Ruled
from shapecheck.rules import Loss, has_file, load_loss
from shapecheck.samples import SEED
from shapecheck.specs import Subject
from shapecheck.torch_judge import TorchJudge


@dataclass
class Watching:
    """The last loss call of a piece of code. With `grad`, a loss is called so that it has a gradient."""

    folders: tuple[Any, ...] = ()
    grad: bool = False
    loss: Loss | None = None
    given: Mapping[str, Any] = field(default_factory=dict)

    def saw(self, loss: Loss, arguments: Sequence[Any], keywords: Mapping[str, Any]) -> list[Any]:
        """Notes the call. Returns its positional arguments as they are to be passed on."""
        passed = list(arguments)
        if self.grad and passed and isinstance(passed[0], torch.Tensor) and passed[0].is_floating_point():
            passed[0] = passed[0] if passed[0].requires_grad else passed[0].detach().requires_grad_(True)
        names = (*loss.tensors, *loss.arguments)
        self.loss, self.given = loss, {**dict(zip(names, passed)), **keywords}
        return passed

    def function(self, loss: Loss, function: Callable[..., Any]) -> Callable[..., Any]:
        """The loss itself, watched."""

        def call(*arguments: Any, **keywords: Any) -> Any:
            return function(*self.saw(loss, arguments, keywords), **keywords)

        return call

    def module(self, loss: Loss, kind: Callable[..., Any]) -> Callable[..., Any]:
        """A class of losses, its instances watched; what they were built with are the loss's keywords."""

        def build(*arguments: Any, **keywords: Any) -> Any:
            built = {**dict(zip(loss.arguments, arguments)), **keywords}
            self.loss, self.given = loss, built  # what the constructor refuses is never called
            made = kind(*arguments, **keywords)
            made.register_forward_pre_hook(lambda module, inputs: tuple(self.saw(loss, inputs, built)))
            return made

        return build


class _Watched:
    """`F` or `nn` as an explanation's code sees it."""

    def __init__(self, module: Any, watching: Watching) -> None:
        self._module, self._watching = module, watching

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._module, name)
        loss = _loss_of(name, self._watching.folders)
        if loss is None:
            return found
        return (self._watching.module if isinstance(found, type) else self._watching.function)(loss, found)


def _loss_of(name: str, folders: tuple[Any, ...]) -> Loss | None:
    """The loss that torch has under this name, if it has rules."""
    if not has_file(name, folders) and not name.endswith("Loss"):
        return None
    try:
        return load_loss(name, folders)
    except UserError:
        return None


@dataclass(frozen=True, eq=False)
class Ran:
    """A piece of code after its run: the loss call in it, its names, what it raised."""

    watching: Watching
    names: Mapping[str, Any]
    error: Exception | None = None


def ran(text: str, losses: Sequence[Loss], grad: bool = False) -> Ran:
    """Run the code of an explanation, with `torch`, `nn`, `F` and the losses' own functions at hand."""
    watching = Watching(losses[0].folders if losses else (), grad)
    names: dict[str, Any] = {"torch": torch, "F": _Watched(F, watching), "nn": _Watched(nn, watching)}
    for loss in losses:
        name = loss.call.replace(":", ".").rpartition(".")[2]
        if f"{name}(" in text and not loss.call.startswith("torch."):
            function = oracle.function_of(loss)
            watch = watching.module if isinstance(function, type) else watching.function
            names[name] = watch(loss, function)
    with torch.random.fork_rng(devices=[]), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch warns of some of what the rules find
        torch.manual_seed(SEED)
        try:
            exec(text, names)  # noqa: S102 (the code of a page is there to be run)
        except Exception as error:
            return Ran(watching, names, error)
    return Ran(watching, names)


def the_example_behaves_as_it_claims(seen: Ruled, losses: Sequence[Loss]) -> Iterator[str]:
    """It raises where torch rejects, and runs where the finding is silent; one with backward() shows that to fail."""
    text, done = seen.rule.explain["example"], ran(seen.rule.explain["example"], losses)
    raises = seen.rule.contract == "rejects" or "backward()" in text
    if raises and done.error is None:
        yield "the example runs, but the rule is of calls that torch rejects (contract: accepts or any, if it does not)"
    if not raises and done.error is not None:
        yield f"the example raises {type(done.error).__name__}: {done.error}"
    if seen.rule.contract != "rejects" and done.error is not None and "loss" not in done.names:
        yield "the example raises before there is a loss, but the rule is of calls that torch accepts"


def the_other_way_runs_forward_and_backward(seen: Ruled, losses: Sequence[Loss]) -> Iterator[str]:
    done = ran(seen.rule.explain["instead"], losses, grad=True)
    loss = done.names.get("loss")
    if done.error is not None:
        yield f"the other way raises {type(done.error).__name__}: {done.error}"
        return
    if not isinstance(loss, torch.Tensor) or loss.dim() or not bool(torch.isfinite(loss.detach())):
        yield f"the other way gives {loss}, no finite number called loss"
        return
    if loss.requires_grad and loss.grad_fn is not None:
        try:
            loss.backward()
        except RuntimeError as error:
            if "backward through the graph a second time" not in str(error):
                yield f"the other way fails in backward: {error}"


def the_example_has_the_finding(seen: Ruled, losses: Sequence[Loss]) -> Iterator[str]:
    """As it stands or, for a rule about more than tensors, with what a fail case knows: roles, classes, a softmax."""
    watching = ran(seen.rule.explain["example"], losses).watching
    if watching.loss is None:
        yield "the example calls no loss that has rules"
        return
    cases = [case for case in seen.cases if case.fails]
    called = {tensor_name(name, watching.loss) for name in watching.given}
    if watching.loss.output in called or not cases:
        subject = _subject(watching.loss, watching.given)
    else:  # the constructor raised: the tensors of a case do as well
        subject = replace(cases[0].subject, loss_args=watching.given)
    found = _codes(watching.loss, subject)
    informed = (_with_facts_of(case, subject) for case in cases)
    if seen.rule.code not in found and not any(seen.rule.code in _codes(watching.loss, each) for each in informed):
        yield f"the example has the findings {', '.join(found) or 'none'}, not this one"


def the_other_way_has_no_error(seen: Ruled, losses: Sequence[Loss]) -> Iterator[str]:
    watching = ran(seen.rule.explain["instead"], losses).watching
    if watching.loss is not None:
        errors = _codes(watching.loss, _subject(watching.loss, watching.given), "error")
        if errors:
            yield f"the other way has the error {', '.join(errors)}"


def _subject(loss: Loss, given: Mapping[str, Any]) -> Subject:
    """The call of an explanation as a check of real tensors sees it."""
    tensors: dict[str, Any] = {}
    keywords: dict[str, Any] = {}
    for name, value in given.items():
        kind = tensors if name not in loss.arguments and tensor_name(name, loss) is not None else keywords
        kind[name] = value.detach() if isinstance(value, torch.Tensor) else value
    return Subject(loss.name, measured(loss, tensors), measure.facts_of_keywords(keywords), engine="real")


def _with_facts_of(case: Case, subject: Subject) -> Subject:
    """The call with what a case knows beyond the tensors, where their ranks agree."""
    tensors = {}
    for name, spec in subject.tensors.items():
        known = case.tensors.get(name)
        same = known is not None and len(known.shape) == len(spec.shape)
        tensors[name] = replace(spec, axes=known.axes, origin="spec") if same and known is not None else spec
    about = case.subject
    return replace(subject, tensors=tensors, classes=about.classes, observations=about.observations)


def _codes(loss: Loss, subject: Subject, severity: str = "") -> list[str]:
    findings = check(subject, loss, TorchJudge()).findings
    return [finding.code for finding in findings if severity in ("", finding.severity)]


Invariant = Callable[[Ruled, Sequence[Loss]], Iterator[str]]
OF_EXPLANATIONS: tuple[Invariant, ...] = (
    the_example_behaves_as_it_claims,
    the_other_way_runs_forward_and_backward,
    the_example_has_the_finding,
    the_other_way_has_no_error,
)
