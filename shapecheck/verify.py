"""Asks torch: does a loss take these tensors, and is a fix right?

A fix is `executed` when, on small real tensors with distinct sizes, forward and backward run without exception or
warning, every element of the loss equals the same loss taken by hand on one class vector and one label, gradient
reaches every sample and position that it should, and the traps (a reshape that fits) give another number.
"""

from __future__ import annotations

import itertools
import math
import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F

from shapecheck.diagnosis import Diagnosis, Option, State
from shapecheck.matching import Facts
from shapecheck.operations import Call, Named, Span
from shapecheck.shapes import Bound

LARGEST_ORACLE = 20_000_000  # elements; beyond that torch is asked with smaller sizes
LARGEST_PROOF = 2_000_000
MOST_ELEMENTS = 600  # single losses computed by hand; of more, this many are drawn
SEED = 0

Tensors = Mapping[str, torch.Tensor]


@dataclass(frozen=True)
class Answer:
    """What torch does with a call: `error` is its first line, '' where it computes a number."""

    accepts: bool
    error: str = ""
    backward_error: str = ""


@dataclass(frozen=True)
class Proof:
    """Whether a fix was run and found right; `text` and `trap` are for the reader, `failure` for us."""

    executed: bool
    text: str = ""
    trap: str = ""
    failure: str = ""


def ask(loss: str, tensors: Mapping[str, Facts], arguments: Mapping[str, Any]) -> Answer | None:
    """Torch's own answer for tensors of these facts. None where they are too large to try."""
    if any(t.numel > LARGEST_ORACLE for t in tensors.values()):
        return None
    made = {name: make(facts, name) for name, facts in tensors.items()}
    return ask_tensors(loss, made, arguments)


def ask_tensors(loss: str, tensors: Tensors, arguments: Mapping[str, Any]) -> Answer:
    """Torch's own answer for these tensors, forward and backward."""
    output = tensors["output"]
    if output.is_floating_point():
        output = output.detach().requires_grad_(True)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            value = _call(loss, {**tensors, "output": output}, arguments)
        except Exception as error:  # torch raises whatever it likes; the text is what the user will see
            return Answer(False, f"{type(error).__name__}: {_first_line(error)}")
        if value.requires_grad:
            try:
                value.sum().backward()  # type: ignore[no-untyped-call]
            except Exception as error:
                return Answer(True, backward_error=f"{type(error).__name__}: {_first_line(error)}")
    return Answer(True)


def _first_line(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return lines[0] if lines else ""


def make(facts: Facts, name: str = "target") -> torch.Tensor:
    """A tensor of these facts: scores for an output, else values from minimum to maximum."""
    dtype = getattr(torch, facts.dtype or ("float32" if name == "output" else "int64"))
    if name == "output" and dtype.is_floating_point:
        generator = torch.Generator().manual_seed(SEED)
        return torch.randn(facts.shape, generator=generator).to(dtype)
    low = facts.minimum or 0
    tensor = torch.full(facts.shape, low).to(dtype)
    if facts.maximum is not None and tensor.numel():
        tensor.view(-1)[-1] = facts.maximum
    return tensor


def _call(loss: str, tensors: Tensors, arguments: Mapping[str, Any]) -> torch.Tensor:
    values = {name: value for name, value in arguments.items() if value is not None}
    keywords = {name: _weights(value) if isinstance(value, Facts) else value for name, value in values.items()}
    return getattr(F, loss)(*tensors.values(), **keywords)  # type: ignore[no-any-return]


def _weights(facts: Facts) -> torch.Tensor:
    generator = torch.Generator().manual_seed(SEED + 1)
    return (torch.rand(facts.shape, generator=generator) + 0.5).to(getattr(torch, facts.dtype or "float32"))


def prove(
    cause: Diagnosis, option: Option, naming: Mapping[str, Bound], start: State, output: torch.Tensor | None
) -> Proof:
    """Run a fix on a small copy of the call, and on the call's own sizes for the figures shown.

    `naming` reads the axes of the call before any fix (`start`); `output` is the model's own, where there is a model.
    """
    after = option.after
    assert after is not None
    if any(operation == "resize" for operation, _, _ in after.named["output"].done):
        return Proof(False, failure="predictions between the real ones have no reference")
    try:
        small = _miniature(start, naming, after, cause.rule.sample)
        if small is not None:
            proof = _check(small, start, after, cause)
            if not proof.executed:
                return proof
        own = _full_size(start, naming, cause.rule.sample)
        if own is not None:
            if output is not None and output.shape == own["output"].shape:
                own["output"] = output
            return _check(own, start, after, cause)
        return proof if small is not None else Proof(False, failure="the tensors are too large to try")
    except Exception as error:  # a fix that raises is not shown as run; the report says so
        return Proof(False, failure=f"{type(error).__name__}: {_first_line(error)}")


def prove_without(output: torch.Tensor, logits: torch.Tensor, axis: int, kind: str, start: State, option: Option) -> Proof:
    """The fix "drop the softmax": the model was run again without it; shapes (N, C, ...) for both tensors."""
    after = option.after
    assert after is not None
    again = logits.softmax(axis) if kind == "softmax" else logits.sigmoid()
    if not torch.allclose(again, output, atol=1e-5):
        return Proof(False, failure=f"the output is not the {kind} of what is left without it")
    target = make(start.tensors["target"]) if "target" in start.tensors else None
    assert target is not None
    before, fixed = (_value(t, target, after, start) for t in (output, logits))
    return Proof(True, f"run without it: loss {fixed:.4f}, with it {before:.4f}; the output was its {kind}")


def _value(output: torch.Tensor, target: torch.Tensor, after: State, start: State) -> float:
    leaf = output.detach().clone().requires_grad_(True)
    fixed = _fixed({"output": leaf, "target": target}, after, start, None)
    loss = _reduced(after, fixed)
    loss.backward()  # type: ignore[no-untyped-call]
    return float(loss.detach())


# ------------------------------------------------------------------------------------------------ tensors


def _miniature(start: State, naming: Mapping[str, Bound], after: State, sample: str) -> dict[str, torch.Tensor] | None:
    """Tensors of the same structure with small distinct sizes; None where the fix holds for one size only."""
    if _size_bound(after):
        return None
    names = [part for bound in naming.values() for name in bound.names for part in name.split("*")]
    sizes = _small_sizes(names, naming)
    shapes = {
        name: tuple(
            start.tensors[name].shape[axis] if axis_name.startswith("one.") else math.prod(sizes[p] for p in axis_name.split("*"))
            for axis, axis_name in enumerate(bound.names)
        )
        for name, bound in naming.items()
    }
    return _sample(start, shapes, sizes.get("class"), sample, naming)


def _size_bound(after: State) -> bool:
    """Whether the fix, or its reference, holds for these sizes only (it cuts, splits or fills up)."""
    calls = [call for chain in after.calls.values() for call in chain]
    return (
        any(call.name == "F.pad" or any(isinstance(item, Span) and isinstance(item.start, int) for item in call.args) for call in calls)
        or any(operation == "crop" for named in after.named.values() for operation, _, _ in named.done)
        or any(not isinstance(part, int) for named in after.named.values() for origins in named.origins for part in origins)
        or any(not isinstance(part, int) for named in after.named.values() for _, axes, _ in named.done for part in axes)
    )


def _small_sizes(names: Sequence[str], naming: Mapping[str, Bound]) -> dict[str, int]:
    """batch 3, class 7, positions 5, 4, 6, ...; a tensor that is longer than the other stays longer."""
    sizes: dict[str, int] = {}
    spare = iter((5, 4, 6, 8, 9, 10))
    actual = {name: size for bound in naming.values() for name, size in bound.sizes.items()}
    for name in names:
        if name in sizes or name.startswith("one."):
            continue
        stem, dot, index = name.partition(".")
        where = sizes.get(f"where.{index}") if stem == "other" and dot else None
        if where is not None:
            sizes[name] = where + 1 if actual[name] > actual[f"where.{index}"] else where - 1
        else:
            sizes[name] = {"batch": 3, "rows": 2}.get(name) or (min(7, max(actual.get("class", 7), 1)) if name == "class" else next(spare))
    return sizes


def _full_size(start: State, naming: Mapping[str, Bound], sample: str) -> dict[str, torch.Tensor] | None:
    """The call's own sizes, unless they are too large to try."""
    output = start.tensors["output"]
    bound = naming.get("output")
    classes = bound.sizes.get("class") if bound else None
    if output.numel > LARGEST_PROOF:
        return None
    return _sample(start, {name: t.shape for name, t in start.tensors.items()}, classes, sample, naming)


def _sample(
    start: State, shapes: Mapping[str, tuple[int, ...]], classes: int | None, sample: str, naming: Mapping[str, Bound]
) -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(SEED)
    facts = start.tensors["output"]
    output = torch.randn(shapes["output"], generator=generator)
    axis = naming["output"].axis("class")
    if sample == "probabilities" and axis is not None:
        output = output.log_softmax(axis) if facts.values == "log-probabilities" else output.softmax(axis)
    elif sample == "unit-interval":
        output = output.sigmoid()
    if facts.dtype:
        dtype = getattr(torch, facts.dtype)
        output = output.to(dtype) if dtype.is_floating_point else (output * 3).round().to(dtype)
    return {"output": output, "target": _sample_target(start, shapes["target"], classes, sample, naming, generator)}


def _sample_target(
    start: State,
    shape: tuple[int, ...],
    classes: int | None,
    sample: str,
    naming: Mapping[str, Bound],
    generator: torch.Generator,
) -> torch.Tensor:
    facts = start.tensors["target"]
    dtype = getattr(torch, facts.dtype or "int64")
    axis = naming["target"].axis("class")
    count = classes or 2
    if sample == "continuous":
        return torch.randn(shape, generator=generator).to(dtype)
    if sample == "binary":
        return torch.randint(0, 2, shape, generator=generator).to(dtype)
    if axis is not None and (sample == "one-hot" or not dtype.is_floating_point):
        index = torch.randint(0, shape[axis], [s for a, s in enumerate(shape) if a != axis], generator=generator)
        return torch.zeros(shape).scatter_(axis, index.unsqueeze(axis), 1.0).to(dtype)
    if axis is not None:
        return torch.randn(shape, generator=generator).softmax(axis).to(dtype)
    if sample == "from-one":
        return torch.randint(1, count + 1, shape, generator=generator).to(dtype)
    labels = torch.randint(0, 2 if dtype == torch.bool else max(count, 1), shape, generator=generator)
    if sample == "padded" and labels.numel() > 1:
        odd = facts.minimum if (facts.minimum or 0) < 0 else facts.maximum
        labels.view(-1)[0] = int(odd or 0)
    return labels.to(dtype)


# ------------------------------------------------------------------------------------------------ the check


def _check(tensors: Tensors, start: State, after: State, cause: Diagnosis) -> Proof:
    """Forward, backward, element by element, gradient, traps."""
    torch.manual_seed(SEED)
    attention = _attention(after, tensors)
    leaf = tensors["output"].detach().clone()
    if leaf.is_floating_point():
        leaf.requires_grad_(True)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        fixed = _fixed({**tensors, "output": leaf}, after, start, attention)
        loss = _reduced(after, fixed)
        if loss.requires_grad:
            loss.backward()  # type: ignore[no-untyped-call]
    if not bool(torch.isfinite(loss.detach()).all()):
        return Proof(False, failure=f"the loss is {float(loss.detach())}")
    elements = _elements(after, fixed)
    places = _places(elements.shape)
    by_hand = _by_hand({**tensors, "output": leaf.detach()}, after, fixed, attention, places)
    found = torch.stack([elements[place] for place in places]).to(by_hand.dtype)
    if not torch.allclose(by_hand, found, rtol=1e-4, atol=1e-5):
        return Proof(False, failure="the loss differs from the single losses computed by hand")
    text = _proof_text(after, loss, by_hand, elements.numel())
    if leaf.requires_grad and not _gradient_reaches(leaf, after):
        return Proof(False, failure="no gradient reaches part of the output")
    trap = _trap(cause, tensors, after, start, loss)
    if trap is None:
        return Proof(False, failure="a reshape that mixes axes gives the same number")
    return Proof(True, text, trap)


def _attention(after: State, tensors: Tensors) -> torch.nn.Linear | None:
    if not any(call.kind == "attention" for call in after.calls.get("output", ())):
        return None
    axis = next(a for a, origins in enumerate(after.named["output"].origins) if after.named["output"].names[a] == "class")
    features = tensors["output"].shape[after.named["output"].origins[axis][0]]
    return torch.nn.Linear(features, 1, dtype=tensors["output"].dtype)


def _fixed(tensors: Tensors, after: State, start: State, attention: Any) -> dict[str, Any]:
    """The tensors and tensor keywords after the fix's calls."""
    values: dict[str, Any] = dict(tensors)
    values.update({name: _weights_for(value, tensors, start) for name, value in start.arguments.items() if isinstance(value, Facts)})
    originals = dict(values)
    for name, calls in after.calls.items():
        for call in calls:
            values[name] = call.run(values[name], {**originals, **({"output": values["output"]} if name != "output" else {})}, F, attention)
    return values


def _weights_for(facts: Facts, tensors: Tensors, start: State) -> torch.Tensor:
    """Class weights; on a copy with fewer classes, as many as it has."""
    size = start.tensors["output"].shape
    own = tuple(tensors["output"].shape)
    shape = tuple(own[size.index(s)] if own != size and s in size else s for s in facts.shape)
    return _weights(Facts(shape, facts.dtype))


def _arguments(after: State, values: Mapping[str, Any]) -> dict[str, Any]:
    return {
        name: values.get(name) if isinstance(value, Facts) else value
        for name, value in after.arguments.items()
        if value is not None
    }


def _reduced(after: State, values: Mapping[str, Any]) -> torch.Tensor:
    arguments = _arguments(after, values)
    if arguments.get("reduction") == "none":
        arguments["reduction"] = "sum"
    return getattr(F, after.loss_name)(values["output"], values["target"], **arguments)  # type: ignore[no-any-return]


def _elements(after: State, values: Mapping[str, Any]) -> torch.Tensor:
    arguments = {k: v for k, v in _arguments(after, values).items() if k not in ("size_average", "reduce")}
    with torch.no_grad():
        return getattr(F, after.loss_name)(values["output"], values["target"], **{**arguments, "reduction": "none"})  # type: ignore[no-any-return]


def _places(shape: Sequence[int]) -> list[tuple[int, ...]]:
    """Every index of the loss, or a fixed draw of them."""
    total = math.prod(shape)
    if total <= MOST_ELEMENTS:
        return list(itertools.product(*map(range, shape)))
    generator = torch.Generator().manual_seed(SEED)
    drawn = torch.randperm(total, generator=generator)[:MOST_ELEMENTS]
    return [tuple(int(axis[i]) for axis in torch.unravel_index(drawn, tuple(shape))) for i in range(MOST_ELEMENTS)]


def _proof_text(after: State, loss: torch.Tensor, by_hand: torch.Tensor, total: int) -> str:
    names = after.named["target"].names
    stepwise = any(name.startswith("where") or "*where" in name for name in names)
    kind = "single-step losses" if stepwise else "single losses"
    value = float(loss.detach())
    if total > len(by_hand):
        return f"loss {value:.4f}; {len(by_hand)} of {total} {kind}, drawn at random, equal theirs by hand"
    if after.arguments.get("reduction", "mean") == "mean" and math.isclose(value, float(by_hand.mean()), rel_tol=1e-3, abs_tol=1e-5):
        return f"loss {value:.4f} equals {total} {kind} averaged by hand"
    return f"loss {value:.4f}; each of {total} {kind} equals its own by hand"


# ---------------------------------------------------------------------------------------- the reference


def _by_hand(
    tensors: Tensors, after: State, values: Mapping[str, Any], attention: Any, places: Sequence[tuple[int, ...]]
) -> torch.Tensor:
    """The loss of each place by itself: one class vector, one label, no batch. Indexing only."""
    output, target = after.named["output"], after.named["target"]
    classes = [axis for axis, name in enumerate(output.names) if name == "class"] if _has_classes(after) else []
    outer = [axis for axis in range(len(output.names)) if axis not in classes]
    soft = bool(classes) and len(target.names) == len(output.names)
    arguments = {k: v for k, v in _arguments(after, values).items() if k not in ("size_average", "reduce")}
    arguments["reduction"] = "none"
    single = getattr(F, after.loss_name)
    found = []
    for place in places:
        where = dict(zip(outer, place))
        vector = _element(tensors["output"], output, where, classes, attention)
        at = where if soft or not classes else dict(enumerate(place))
        label = _element(tensors["target"], target, at, classes if soft else [], None)
        found.append(single(vector, label.to(values["target"].dtype), **arguments))
    return torch.stack(found)


def _has_classes(after: State) -> bool:
    return after.loss is not None and after.loss.has_classes


def _element(
    original: torch.Tensor, named: Named, where: Mapping[int, int], classes: Sequence[int], attention: Any
) -> torch.Tensor:
    """What stands at one place of the fixed tensor, looked up in the original one and reduced by hand."""
    index: dict[int, Any] = {}
    for axis, position in where.items():
        _place(named.origins[axis], position, original.shape, index)
    for axis in classes:
        index[named.origins[axis][0]] = slice(None)
    for operation, axes, detail in named.done:
        if operation == "crop":
            index[axes[0]] += detail
        elif operation == "pick":
            index[axes[0]] = detail
    parts = {origin: index.pop(origin) for origin in [key for key in index if isinstance(key, tuple)]}
    reductions = [(operation, axes) for operation, axes, _ in named.done if operation in _FOLDS]
    if not reductions:
        value = original[_full_index(index, original)]
    else:
        operation, axes = reductions[0]
        vectors = [original[_full_index({**index, **step}, original)] for step in _steps(axes, parts, original.shape)]
        value = _FOLDS[operation](vectors, attention)
    for operation, _, detail in named.done:
        value = _elementwise(operation, value, detail)
    return value


def _place(origins: tuple[Any, ...], position: int, shape: Sequence[int], index: dict[Any, Any]) -> None:
    """Where in the original axes a position of a (merged) axis lies, innermost axis fastest."""
    for origin in reversed(origins):
        if not isinstance(origin, int):
            index[origins] = position
            return
        size = shape[origin] if len(origins) > 1 else position + 1
        position, index[origin] = divmod(position, size)


def _steps(axes: tuple[Any, ...], parts: Mapping[Any, int], shape: Sequence[int]) -> Iterator[dict[int, int]]:
    """Every index over the axes that a reduction consumed; rows of a sample that were split off come in turn."""
    if axes and not isinstance(axes[0], int):
        # The split names both sizes: (("outer", axis, rows),) and (("inner", axis, rows),).
        ((_, axis, rows),), outer = next(iter(parts.items()))
        yield from ({axis: outer * rows + inner} for inner in range(rows))
        return
    for place in itertools.product(*(range(shape[axis]) for axis in axes)):
        yield dict(zip(axes, place))


def _full_index(index: Mapping[int, Any], original: torch.Tensor) -> tuple[Any, ...]:
    return tuple(index.get(axis, 0) for axis in range(original.dim()))


def _mean(vectors: list[torch.Tensor], attention: Any) -> torch.Tensor:
    return sum(vectors[1:], vectors[0]) / len(vectors)


def _largest(vectors: list[torch.Tensor], attention: Any) -> torch.Tensor:
    value = vectors[0]
    for vector in vectors[1:]:
        value = torch.maximum(value, vector)
    return value


def _attend(vectors: list[torch.Tensor], attention: Any) -> torch.Tensor:
    """A convex combination: exp of each score over the sum of all."""
    with torch.no_grad():
        scores = [float((attention.weight[0] * vector).sum() + attention.bias[0]) for vector in vectors]
    top = max(scores)
    weights = [math.exp(score - top) for score in scores]
    total = sum(weights)
    return sum((vector * (weight / total) for vector, weight in zip(vectors, weights)), torch.zeros_like(vectors[0]))


def _argmax(vectors: list[torch.Tensor], attention: Any) -> torch.Tensor:
    values = [float(vector) for vector in vectors]
    return torch.tensor(values.index(max(values)))


_FOLDS: Mapping[str, Any] = {
    "mean": _mean,
    "last": lambda vectors, attention: vectors[-1],
    "amax": _largest,
    "attend": _attend,
    "argmax": _argmax,
}


def _elementwise(operation: str, value: torch.Tensor, detail: Any) -> torch.Tensor:
    if operation == "shift":
        return value + detail
    if operation == "log":
        return value.log()
    if operation == "log_softmax":
        return value - value.exp().sum().log()
    return value


def _gradient_reaches(leaf: torch.Tensor, after: State) -> bool:
    """Every sample gets gradient; every position too, unless the fix looks at some of them only."""
    if leaf.grad is None:
        return False
    named = after.named["output"]
    partial = {"last", "amax", "crop", "resize"} & {operation for operation, _, _ in named.done}
    ignored = "ignore_index" in after.new_arguments
    batch = next((origins[0] for name, origins in zip(named.names, named.origins) if name.startswith("batch") and origins), None)
    if ignored or not leaf.grad.numel():
        return bool(leaf.grad.abs().sum() > 0)
    classes = [origins[0] for name, origins in zip(named.names, named.origins) if name == "class" and origins]
    if partial:
        return batch is None or not isinstance(batch, int) or bool((leaf.grad.movedim(batch, 0).flatten(1).abs().amax(1) > 0).all())
    reached = leaf.grad.abs().amax(dim=classes[0]) if classes and isinstance(classes[0], int) else leaf.grad.abs()
    return bool((reached > 0).all())


def _trap(cause: Diagnosis, tensors: Tensors, after: State, start: State, loss: torch.Tensor) -> str | None:
    """The sentence about a reshape that fits and is wrong; '' where there is none; None if it cannot be told apart."""
    named = after.named["output"]
    if not cause.rule.traps or named.done or any(len(origins) != 1 for origins in named.origins):
        return ""
    shape = tuple(tensors["output"].shape[origins[0]] for origins in named.origins)
    if shape == tuple(tensors["output"].shape) or not after.calls.get("output"):
        return ""
    values = _fixed(tensors, after, start, None)
    wrong = _reduced(after, {**values, "output": tensors["output"].reshape(shape)})
    if math.isclose(float(wrong), float(loss.detach()), rel_tol=1e-6):
        return None
    sizes = ", ".join(map(str, shape))
    return f"output.reshape({sizes}) also fits, but mixes axes: loss {float(wrong):.4f}"
