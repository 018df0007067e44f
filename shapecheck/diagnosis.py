"""From tensors that a loss does not take, or takes wrongly, to causes and ways out; pure.

One cause gives one diagnosis. A call with two causes is found by repair: the first fix of the first cause is applied
to shapes and dtypes, and what is left is looked at again. So every fix shown is complete, with what the other
causes need.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

from shapecheck.matching import Facts, Verdict, bind, environment, holds, judge, result_shape
from shapecheck.messages import expression
from shapecheck.operations import Call, DoesNotApply, DtypeOf, Named, resolve
from shapecheck.plans import Bound
from shapecheck.rules import FixTemplate, Loss, Rule, load_loss
from shapecheck.specs import ROLES

MOST_CAUSES = 4


@dataclass(frozen=True, eq=False)
class State:
    """A call on the way to being right: the facts as they are now, and the torch calls that led here."""

    loss: Loss
    tensors: Mapping[str, Facts]
    arguments: Mapping[str, Any]
    moved: Mapping[str, Named] | None = None
    observed: tuple[str, ...] = ()
    classes: int | None = None
    calls: Mapping[str, tuple[Call, ...]] = field(default_factory=dict)
    new_arguments: Mapping[str, Any] = field(default_factory=dict)
    applied: tuple[str, ...] = ()
    advised: bool = False

    @cached_property
    def verdict(self) -> Verdict:
        """What the contract says of the call as it is now."""
        return judge(self.loss, self.tensors, self.arguments, self.observed, self.classes)

    @cached_property
    def named(self) -> Mapping[str, Named]:
        """The axes of each tensor: as the fixes so far have left them, else nameless."""
        return self.moved or {
            name: Named.fresh(tuple(f"axis.{i}" for i in range(t.rank)), t.shape, t.dtype or "")
            for name, t in self.tensors.items()
        }

    @property
    def shapes_taken(self) -> bool:
        """Whether torch takes the shapes, and for the form that is meant as far as the dtypes tell."""
        verdict = self.verdict
        if verdict.signature is None or not verdict.broken:
            return verdict.signature is not None
        return not any(requirement.misread for requirement in verdict.broken)

    @property
    def shapes_fit(self) -> bool:
        """Whether the shapes are taken in a form that can be meant, as a silent broadcast cannot."""
        signature = self.verdict.signature
        return self.shapes_taken and signature is not None and not signature.doubtful


@dataclass(frozen=True, eq=False)
class Option:
    """One fix of a cause; `after` is the call once it and the fixes of all other causes are applied."""

    template: FixTemplate
    step: State | None
    after: State | None


@dataclass(frozen=True, eq=False)
class Diagnosis:
    """A rule that explains the call, how it reads the axes, and what can be done."""

    rule: Rule
    bounds: Mapping[str, Bound]
    env: Mapping[str, Any]
    options: tuple[Option, ...]
    before: State


def start(
    loss: Loss,
    tensors: Mapping[str, Facts],
    arguments: Mapping[str, Any],
    observed: tuple[str, ...] = (),
    classes: int | None = None,
) -> State:
    """The call as it is; `arguments` are complete (see `matching.arguments_of`)."""
    return State(loss, tensors, arguments, None, observed, classes)


def diagnose(state: State) -> list[Diagnosis]:
    """Every cause, in the order in which they have to be mended."""
    causes: list[Diagnosis] = []
    current = state
    while len(causes) < MOST_CAUSES:
        cause = _next_cause(current)
        if cause is None:
            break
        causes.append(cause)
        current = _mended(current, cause)
    return [replace(cause, options=tuple(_completed(cause))) for cause in causes]


def _mended(state: State, cause: Diagnosis) -> State:
    """The state after the first fix. Advice that nobody can apply here counts as followed."""
    step = cause.options[0].step if cause.options else None
    return step or _passed(state, cause.rule)


def _passed(state: State, rule: Rule) -> State:
    """Advice on shapes that torch refuses settles the shapes, whatever they will be."""
    settled = bool(rule.found) and not state.shapes_taken
    return replace(state, applied=(*state.applied, rule.code), advised=state.advised or settled)


def _completed(cause: Diagnosis) -> Iterator[Option]:
    seen = set()
    for option in cause.options:
        if option.step is None:
            yield replace(option, after=_complete(_passed(cause.before, cause.rule)))
            continue
        after = _laid_out(_complete(option.step))
        key = (
            option.template.kind,
            tuple(sorted((name, calls) for name, calls in after.calls.items() if calls)),
            after.loss.name,
            tuple((name, str(value)) for name, value in after.new_arguments.items()),
        )
        if key not in seen:
            seen.add(key)
            yield replace(option, after=after)


def _complete(state: State) -> State:
    """The state after the first fix of every cause that is left."""
    for _ in range(MOST_CAUSES):
        cause = _next_cause(state)
        if cause is None:
            break
        state = _mended(state, cause)
    return state


def _laid_out(state: State) -> State:
    """With the output contiguous where torch's backward wants it so and a fix has made it a view."""
    output = state.loss.output
    calls = state.calls.get(output, ())
    moved = any(call.name in ("movedim", "permute") for call in calls)
    if state.tensors[output].rank not in state.loss.contiguous or not moved:
        return state
    return replace(state, calls={**state.calls, output: (*calls, Call("method", "contiguous"))})


def _next_cause(state: State) -> Diagnosis | None:
    cause = _shape_cause(state) or _fact_cause(state)
    if cause is None:
        return None
    return replace(
        cause, options=tuple(option for option in cause.options if option.step is None or _reaches(option.step))
    )


def _shape_cause(state: State) -> Diagnosis | None:
    """The first rule whose patterns read the shapes and whose fix leads to shapes that fit.

    Readings that the labels contradict (a label beyond the class axis) come last.
    """
    others = ("rejects", "accepts") if state.advised else ("rejects",) if state.shapes_taken else ("accepts",)
    advice: Diagnosis | None = None
    contradicted: Diagnosis | None = None
    for rule, early in state.verdict.possible.shape_rules:
        if rule.contract in others or rule.code in state.applied:
            continue
        if early and not holds(rule.when, state.verdict.env):
            continue
        for cause in _readings(rule, state):
            steps = [option.step for option in cause.options if option.step and _reaches(option.step)]
            if state.calls and not any(_lossless(state, step) for step in steps):
                continue
            if not steps:
                advice = advice or cause
            elif _contradicted(state, cause.bounds):
                contradicted = contradicted or cause
            else:
                return cause
    return contradicted or advice


def _readings(rule: Rule, state: State) -> Iterator[Diagnosis]:
    verdict = state.verdict
    for patterns in rule.found:
        for bounds in bind(patterns, state.tensors, use_roles=True):
            if rule.contract == "accepts" and _same_names(bounds, verdict.bounds):
                continue  # torch reads the axes just so
            env = _environment(state, bounds, verdict)
            if holds(rule.when, env):
                yield Diagnosis(rule, bounds, env, tuple(_options(rule, state, bounds, env)), state)
                break


def _same_names(bounds: Mapping[str, Bound], others: Mapping[str, Bound]) -> bool:
    return len(bounds) == len(others) and all(bound.names == others[name].names for name, bound in bounds.items())


def _contradicted(state: State, bounds: Mapping[str, Bound]) -> bool:
    loss = state.loss
    output, target = bounds.get(loss.output), state.tensors.get(loss.target)
    if output is None or target is None or "class" not in output.sizes:
        return False
    if loss.target not in bounds or "class" in bounds[loss.target].names:
        return False
    size = output.sizes["class"]
    return (state.classes is not None and size != state.classes) or (
        target.maximum is not None and size <= target.maximum
    )


def _reaches(state: State, depth: int = 2) -> bool:
    """Whether the shapes fit now, or after another cause or two are mended.

    A second cause is assumed only if mending it loses nothing; else any shapes could be explained.
    """
    if state.shapes_fit:
        return True
    if not depth:
        return False
    for rule, _ in state.verdict.possible.shape_rules:
        if rule.code not in state.applied and rule.contract != "accepts":
            for cause in _readings(rule, state):
                steps = [option.step for option in cause.options if option.step and _lossless(state, option.step)]
                if any(_reaches(step, depth - 1) for step in steps):
                    return True
    return False


def _lossless(before: State, after: State) -> bool:
    return all(_lost(after.named[name]) == _lost(before.named[name]) for name in before.named)


def _lost(named: Named) -> int:
    """How many operations may have lost something; the index can be read off a one-hot row."""
    return sum(operation != "one_hot" for operation, _, _ in named.done)


def _fact_cause(state: State) -> Diagnosis | None:
    """The first rule on dtypes, keywords and values that holds for the shapes as they are now."""
    verdict = state.verdict
    possible = verdict.possible.fact_rules if verdict.broken or not verdict.signature else verdict.possible.free_rules
    for rule, holds_of in possible:
        if holds_of(verdict.env) is True and rule.code not in state.applied and _due(rule, verdict):
            env = _environment(state, verdict.bounds, verdict)
            return Diagnosis(rule, verdict.bounds, env, tuple(_options(rule, state, verdict.bounds, env)), state)
    return None


def _due(rule: Rule, verdict: Verdict) -> bool:
    """Whether a rule without shapes is about calls on which the contract says this."""
    if rule.broken:
        return any(requirement.name == rule.broken for requirement in verdict.broken)
    return rule.contract == "any" or (rule.contract == "accepts" and verdict.accepts)


def _environment(state: State, bounds: Mapping[str, Bound], verdict: Verdict) -> dict[str, Any]:
    kept = {name: verdict.env[name] for name in ("form", "loss", "reduces", "observed", "classes")}
    env = environment(
        state.tensors, state.arguments, bounds, {**kept, "result": result_shape(verdict), "forms": state.loss.forms}
    )
    output = bounds.get(state.loss.output)
    if output is not None:
        where = [axis for axis, name in enumerate(output.names) if name.startswith("where")]
        facts = state.tensors[state.loss.output]
        env["positions"] = math.prod(facts.shape[axis] for axis in where)
        env["count_one"] = sum(name.startswith("one.") for name in output.names)
        env["where_one"] = _position(facts.axes, where)
        env["where_role"] = f"{env['where_one']}s"
    return env


def _position(roles: tuple[str, ...] | None, where: list[int]) -> str:
    """What one position is called: a time step, a pixel, or just that."""
    known = {roles[axis] for axis in where} if roles else set()
    if known == {"time"}:
        return "time step"
    return "pixel" if known in ({"height", "width"}, {"height"}, {"width"}) else "position"


def _options(rule: Rule, state: State, bounds: Mapping[str, Bound], env: Mapping[str, Any]) -> Iterator[Option]:
    for template in rule.fixes:
        if not holds(template.when, env):
            continue
        if template.apply or template.loss or template.loss_args:
            step = _apply(template, rule, state, bounds, env)
            if step is not None:
                yield Option(template, step, None)
        else:
            yield Option(template, None, None)


def _apply(
    template: FixTemplate, rule: Rule, state: State, bounds: Mapping[str, Bound], env: Mapping[str, Any]
) -> State | None:
    """The state after a fix, or None where it has no meaning or changes nothing."""
    leaders = _followed(template, state)
    read = {**bounds, **{name: bounds[leader] for name, leader in leaders.items() if leader in bounds}}
    named = {
        name: replace(tensor, names=read[name].names) if name in read else tensor
        for name, tensor in state.named.items()
    }
    calls = dict(state.calls)
    tensors = dict(state.tensors)
    arguments = dict(state.arguments)
    after = dict(named)
    chains = {**template.apply, **{name: template.apply[leader] for name, leader in leaders.items()}}
    for name, chain in chains.items():
        before = named.get(name) or _named_argument(arguments.get(name))
        if before is None or (name in tensors and tensors[name].python):
            return None
        try:
            after[name], added = resolve(chain, before, named)
        except DoesNotApply:
            return None
        calls[name] = (*calls.get(name, ()), *(_spelt_out(call, calls, named) for call in added))
        if name in tensors:
            tensors[name] = _facts_after(state, name, before, after[name])
        else:
            arguments[name] = replace(arguments[name], shape=after[name].sizes, dtype=after[name].dtype)
    new_arguments = {key: expression(text, env) for key, text in (template.loss_args or {}).items()}
    loss, arguments = _switch(template.loss, state, {**arguments, **new_arguments})
    if tuple(loss.tensors) != tuple(state.loss.tensors):
        return None  # a loss of other tensors takes more than another name
    if calls == state.calls and not new_arguments and not template.loss:
        return None
    return replace(
        state,
        loss=loss,
        tensors=tensors,
        arguments=arguments,
        moved={name: after[name] for name in state.named},
        calls=calls,
        new_arguments={**state.new_arguments, **new_arguments},
        applied=(*state.applied, rule.code),
    )


_CASTS = {"float16": "half", "bfloat16": "bfloat16", "float32": "float", "float64": "double", "int64": "long"}


def _spelt_out(call: Call, calls: Mapping[str, tuple[Call, ...]], named: Mapping[str, Named]) -> Call:
    """`.float()` for `.to(output.dtype)` where another fix casts the output: the code speaks of tensors as they were."""
    of = next((item.tensor for item in call.args if isinstance(item, DtypeOf)), "")
    cast = any(earlier.name in _CASTS.values() for earlier in calls.get(of, ()))
    return Call("method", _CASTS[named[of].dtype]) if cast and named[of].dtype in _CASTS else call


def _followed(template: FixTemplate, state: State) -> dict[str, str]:
    """The tensors that a fix changes along with the one it names: they follow it, and are of its shape."""
    return {
        name: operand.follows
        for name, operand in state.loss.tensors.items()
        if operand.follows in template.apply
        and name not in template.apply
        and not state.tensors[name].python
        and state.tensors[name].shape == state.tensors[operand.follows].shape
    }


def _named_argument(value: Any) -> Named | None:
    if not isinstance(value, Facts):
        return None
    return Named.fresh(tuple(f"axis.{i}" for i in range(value.rank)), value.shape, value.dtype or "")


def _switch(name: str, state: State, arguments: dict[str, Any]) -> tuple[Loss, dict[str, Any]]:
    """The rules of another loss, with the keywords that it also has; a tensor only if it is `per` the same axis."""
    if not name:
        return state.loss, arguments
    loss = load_loss(name, state.loss.folders)
    kept = {key: value for key, value in arguments.items() if key in loss.arguments and _carries(key, state.loss, loss)}
    return loss, {**{key: argument.default for key, argument in loss.arguments.items()}, **kept}


def _carries(keyword: str, old: Loss, new: Loss) -> bool:
    before, after = old.arguments.get(keyword), new.arguments[keyword]
    return before is None or not (before.tensor or after.tensor) or (before.per == after.per and bool(after.per))


def _facts_after(state: State, name: str, before: Named, after: Named) -> Facts:
    facts = state.tensors[name]
    done = [operation for operation, _, _ in after.done[len(before.done) :]]
    roles = _roles_after(facts.axes, before, after)
    minimum, maximum, values = facts.minimum, facts.maximum, facts.values
    for operation, _, detail in after.done[len(before.done) :]:
        minimum, maximum = _range_after(operation, detail, minimum, maximum)
        values = _VALUES_AFTER.get(operation, values)
    if facts.normalised is not None and _class_origin(after) == before.origins[facts.normalised]:
        values = "log-probabilities" if facts.maximum is not None and facts.maximum <= 0 else "probabilities"
    same = not done and after.sizes == before.sizes
    return replace(
        facts,
        total=facts.total if same else None,
        elements=facts.elements if same else None,
        distinct=facts.distinct if same else None,
        stray=facts.stray if same else None,
        normalised=None,
        shape=after.sizes,
        dtype=after.dtype or None,
        axes=roles,
        minimum=minimum,
        maximum=maximum,
        values=values,
        permuted=facts.permuted and not after.contiguous,
    )


def _class_origin(named: Named) -> tuple[Any, ...]:
    """Which axis the classes were before, where the fix has told which axis they are."""
    return named.origins[named.names.index("class")] if "class" in named.names else ()


_VALUES_AFTER = {
    "argmax": "class-index",
    "log": "log-probabilities",
    "softmax": "probabilities",
    "log_softmax": "log-probabilities",
    "exp": "probabilities",
    "sigmoid": "unit-interval",
    "one_hot": "one-hot",
}
_ON_NUMBERS: Mapping[str, Callable[[float, float], float]] = {
    "shift": operator.add,
    "times": operator.mul,
    "quotient": operator.floordiv,
    "clamp": min,
}
_MONOTONIC = {"last", "amax", "crop", "pick", "expand", "mean"}


def _range_after(
    operation: str, detail: Any, minimum: float | None, maximum: float | None
) -> tuple[float | None, float | None]:
    """What is known of the smallest and the largest value after an operation."""
    act = _ON_NUMBERS.get(operation)
    if act is not None and detail is not None:
        return (None if minimum is None else act(minimum, detail)), (None if maximum is None else act(maximum, detail))
    if operation in ("sigmoid", "one_hot", "exp"):
        return (0.0, 1.0) if operation != "exp" else (None, None)
    return (minimum, maximum) if operation in _MONOTONIC else (None, None)


def _roles_after(roles: tuple[str, ...] | None, before: Named, after: Named) -> tuple[str, ...] | None:
    """Each axis keeps its role; merged ones are `merged`, new ones `unit`, split ones what they are called."""
    if roles is None:
        return None
    role_of = dict(zip(before.origins, roles))
    new = (_new_role(name, origin) for name, origin in zip(after.names, after.origins))
    return tuple(role_of.get(origin, role) for origin, role in zip(after.origins, new))


def _new_role(name: str, origin: tuple[Any, ...]) -> str:
    if not origin:
        return "unit"
    return "merged" if len(origin) > 1 or isinstance(origin[0], int) or name not in ROLES else name
