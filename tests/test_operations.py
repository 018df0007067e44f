"""Operations on named axes: what `resolve` tracks is what torch does, and the code shown is the code that is run."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
import torch
import torch.nn.functional as F
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torch import nn

from shapecheck.operations import OPERATIONS, Call, DoesNotApply, Named, code_of, parse_operations, resolve

torch.set_num_threads(1)

SIZES = {"batch": 4, "class": 5, "where.0": 6, "where.1": 3, "one.0": 1, "one.1": 1, "rows": 2}
# Every operation with arguments that may or may not have a meaning on a tensor's axes.
STEPS = (
    "order(batch, class, *where)", "order(batch, *where, class)", "order(*where, batch, class)", "order(class, batch)",
    "order(where.0, class, batch)", "order(batch, class, *where, one.0)", "mean(*where)", "mean(batch)", "mean(where.0)",
    "amax(where.0)", "amax(class)", "last(*where)", "last(batch)", "last(class)", "attend(where.0)", "attend(batch)",
    "merge(batch, *where)", "merge(batch, class)", "merge(*where)", "merge(batch, class, *where)", "squeeze(one.0)",
    "squeeze(one.1)", "squeeze(class)", "unsqueeze(0, batch)", "unsqueeze(0)", "unsqueeze(1)", "argmax(class)",
    "argmax(where.0)", "long()", "float()", "pick(one.0, 0)", "pick(class, 2)", "pick(where.0, 1)",
    "crop_end(where.0, other.0)", "crop_end(other.0, where.0)", "crop_start(where.0, other.0)", "crop_start(other.0, where.0)", "crop_centre(*where, *other)", "resize(*where, *other)",
    "shift(-1)", "shift(2)", "like(output)", "pad_to(class)", "flat()", "log_softmax(class)", "log_softmax(batch)", "softmax(class)",
    "split(batch, rows)", "split(batch, rows).mean(rows)", "mean_keep(*where)", "mean_keep(batch)", "sum(where.0)",
    "sum(batch, class)", "sum_keep(class)", "times(2)", "times(2).shift(-1)", "divide(4)", "quotient(2)", "clamp_to(class)",
    "expand_like(output)", "contiguous()", "sigmoid()", "exp()", "unsqueeze(-1)", "unsqueeze(-2, batch)",
)  # fmt: skip


@st.composite
def named_tensors(draw: st.DrawFn) -> Named:
    """A tensor with some of the axes that rules know, in any order."""
    axes = draw(st.lists(st.sampled_from(tuple(SIZES)), unique=True, max_size=5))
    if "rows" in axes:  # rows only come from a merge with the batch
        axes = ["batch*rows" if axis == "rows" else axis for axis in axes if axis != "batch"]
    sizes = tuple(8 if axis == "batch*rows" else SIZES[axis] for axis in axes)
    return Named.fresh(tuple(axes), sizes, draw(st.sampled_from(("float32", "float64", "int64"))))


@st.composite
def others(draw: st.DrawFn) -> dict[str, Named]:
    """The output, and a target whose positions differ from it."""
    other = draw(st.integers(1, 9))
    target = Named.fresh(("batch", "other.0"), (4, other), "int64")
    output = Named.fresh(("batch", "class", "where.0"), (4, 9, draw(st.integers(1, 7))), "float32")
    return {"output": output, "target": target}


def _tensor(named: Named) -> torch.Tensor:
    values = torch.randn(named.sizes, generator=torch.Generator().manual_seed(0)) * 5
    return values.to(getattr(torch, named.dtype))


def _resolved(steps: list[str], named: Named, others: Mapping[str, Named]) -> tuple[Named, list[Call]]:
    """The tensor after those of the steps that have a meaning on it."""
    calls: list[Call] = []
    for step in steps:
        try:
            after, added = resolve(step, named, others)
        except DoesNotApply:
            continue
        if _has_a_kernel(step, named):
            named, calls = after, [*calls, *added]
    return named, calls


def _has_a_kernel(step: str, named: Named) -> bool:
    """Rules never apply these to whole numbers, nor attention to two dtypes."""
    names = {name for name, _ in parse_operations(step)}
    return not (
        named.dtype == "int64" and names & {"mean", "mean_keep", "attend", "resize", "log_softmax", "sigmoid", "exp"}
    )


@settings(max_examples=600, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
@given(named_tensors(), others(), st.lists(st.sampled_from(STEPS), min_size=1, max_size=4))
def test_the_shape_tracked_and_the_code_shown_are_what_torch_gives(
    named: Named, others: dict[str, Named], steps: list[str]
) -> None:
    after, calls = _resolved(steps, named, others)
    tensors = {name: _tensor(other) for name, other in others.items()}
    pooled = [dict(call.kwargs)["features"] for call in calls if call.kind == "attention"]
    if len(pooled) > 1 or (pooled and any(call.name == "to" for call in calls)):
        return  # one pooling layer a fix, of the output's own dtype
    whole = named.dtype == "int64"
    attention = nn.Linear(*pooled or [1], 1, dtype=torch.float32 if whole else getattr(torch, named.dtype))
    value = _tensor(named)
    with torch.no_grad():
        run, namespace = value, {"torch": torch, "F": F, "value": value, **tensors}
        for call in calls:
            if call.kind == "attention":  # what stands before the loss call, see `Fix.setup`
                namespace["weights"] = attention(run).softmax(dim=call.args[0])
            run = call.run(run, tensors, F, attention)
        shown = eval(code_of(calls, "value"), namespace)
    assert tuple(run.shape) == after.sizes
    assert str(run.dtype) == f"torch.{after.dtype}"
    assert torch.equal(run, shown)
    assert run.dtype == shown.dtype
    assert len(after.names) == len(after.sizes) == len(after.origins)


@settings(max_examples=300, deadline=None, derandomize=True)
@given(named_tensors(), others(), st.lists(st.sampled_from([s for s in STEPS if s.startswith("order")]), max_size=3))
def test_origins_follow_the_axes(named: Named, others: dict[str, Named], steps: list[str]) -> None:
    after, _ = _resolved(steps, named, others)
    assert sorted(after.names) == sorted(named.names)
    for name, (origin,) in zip(after.names, after.origins):
        assert named.names[origin] == name


OUTPUT = Named.fresh(("batch", "where.0", "class"), (8, 20, 5), "float32")
IMAGE = Named.fresh(("batch", "where.0", "where.1", "class"), (2, 8, 9, 5), "float32")
LABELS = Named.fresh(("batch", "other.0"), (8, 12), "int32")


@pytest.mark.parametrize(
    "chain, tensor, code, names, sizes",
    [
        ("order(batch, class, *where)", OUTPUT, "x.movedim(-1, 1)", ("batch", "class", "where.0"), (8, 5, 20)),
        (
            "order(batch, class, *where)",
            IMAGE,
            "x.movedim(-1, 1)",
            ("batch", "class", "where.0", "where.1"),
            (2, 5, 8, 9),
        ),
        ("order(where.0, class, batch)", OUTPUT, "x.movedim(0, -1)", ("where.0", "class", "batch"), (20, 5, 8)),
        ("order(class, where.0, batch)", OUTPUT, "x.permute(2, 1, 0)", ("class", "where.0", "batch"), (5, 20, 8)),
        ("order(batch, where.0, class)", OUTPUT, "x", ("batch", "where.0", "class"), (8, 20, 5)),
        ("mean(*where)", OUTPUT, "x.mean(dim=1)", ("batch", "class"), (8, 5)),
        ("mean(*where)", IMAGE, "x.mean(dim=(1, 2))", ("batch", "class"), (2, 5)),
        ("last(*where)", OUTPUT, "x[:, -1]", ("batch", "class"), (8, 5)),
        ("last(class)", OUTPUT, "x[..., -1]", ("batch", "where.0"), (8, 20)),
        ("merge(batch, *where)", OUTPUT, "x.flatten(0, 1)", ("batch*where.0", "class"), (160, 5)),
        ("merge(batch, where.0, class)", OUTPUT, "x.flatten()", ("batch*where.0*class",), (800,)),
        ("long()", LABELS, "x.long()", ("batch", "other.0"), (8, 12)),
        ("long().shift(-1)", LABELS, "x.long() - 1", ("batch", "other.0"), (8, 12)),
        ("shift(-1).long()", LABELS, "(x - 1).long()", ("batch", "other.0"), (8, 12)),
        ("shift(-1).shift(2)", LABELS, "(x - 1) + 2", ("batch", "other.0"), (8, 12)),
        ("times(2).shift(-1)", LABELS, "x * 2 - 1", ("batch", "other.0"), (8, 12)),
        ("shift(-1).times(2)", LABELS, "(x - 1) * 2", ("batch", "other.0"), (8, 12)),
        ("divide(255)", LABELS, "x / 255", ("batch", "other.0"), (8, 12)),
        ("sum_keep(where.0)", OUTPUT, "x.sum(dim=1, keepdim=True)", ("batch", "one.0", "class"), (8, 1, 5)),
        ("unsqueeze(-1, one.0)", LABELS, "x.unsqueeze(-1)", ("batch", "other.0", "one.0"), (8, 12, 1)),
        (
            "one_hot(class)",
            LABELS,
            "F.one_hot(x.long(), output.shape[2]).float()",
            ("batch", "other.0", "class"),
            (8, 12, 5),
        ),
        ("align(where.0)", Named.fresh(("axis.0",), (20,), "float32"), "x.view(-1, 1)", ("axis.0", "one.0"), (20, 1)),
        ("clamp_to(where.0)", LABELS, "x.clamp(max=output.shape[1])", ("batch", "other.0"), (8, 12)),
        (
            "expand_like(target)",
            Named.fresh(("a",), (1,), "int32"),
            "x.expand_as(target)",
            ("batch", "other.0"),
            (8, 12),
        ),
        ("float()", OUTPUT, "x", ("batch", "where.0", "class"), (8, 20, 5)),
        ("argmax(class)", OUTPUT, "x.argmax(dim=2)", ("batch", "where.0"), (8, 20)),
        ("unsqueeze(0, one.0)", LABELS, "x.unsqueeze(0)", ("one.0", "batch", "other.0"), (1, 8, 12)),
        ("crop_end(where.0, other.0)", OUTPUT, "x[:, -target.shape[1]:]", ("batch", "other.0", "class"), (8, 12, 5)),
        (
            "order(batch, *where, class).attend(*where)",
            OUTPUT,
            "(weights * x).sum(dim=1)",
            ("batch", "class"),
            (8, 5),
        ),
    ],
)
def test_chains(chain: str, tensor: Named, code: str, names: tuple[str, ...], sizes: tuple[int, ...]) -> None:
    after, calls = resolve(chain, tensor, {"output": OUTPUT, "target": LABELS})
    assert (code_of(calls, "x"), after.names, after.sizes) == (code, names, sizes)


@pytest.mark.parametrize(
    "chain",
    [
        "order(batch, class)",  # leaves an axis out
        "order(batch, batch, class)",
        "mean(height)",
        "merge(batch, class)",  # not side by side
        "merge(class)",
        "squeeze(class)",  # not of size one
        "crop_end(where.0, height.0)",
        "attend(class)",
        "pad_to(class)",
        "like(weight)",
        "clamp_to(height)",
        "align(class)",  # no vector
        "expand_like(target)",
        "resize(*where, *other)",  # interpolate wants (batch, class, ...)
        "split(batch, rows)",
    ],
)
def test_what_has_no_meaning_on_the_axes_does_not_apply(chain: str) -> None:
    with pytest.raises(DoesNotApply):
        resolve(chain, OUTPUT, {"output": OUTPUT, "target": LABELS})


@pytest.mark.parametrize(
    "text, part",
    [
        ("", "operations"),
        ("order", "chain"),
        ("reshape(3, 4)", "no operation 'reshape'"),
        ("mean(dim=1)", "chain"),
        ("order(batch).__class__()", "no operation '__class__'"),
        ("mean(batch + class)", "neither a name nor a literal"),
        ("mean(f(batch))", "neither a name nor a literal"),
        ("mean(batch", "never closed"),
        ("mean(batch); long()", "operations"),
    ],
)
def test_a_wrong_chain_is_refused(text: str, part: str) -> None:
    with pytest.raises(ValueError, match="operations") as error:
        parse_operations(text)
    assert part in str(error.value)


def test_a_chain_reads_as_it_is_written() -> None:
    assert parse_operations("order(batch, *where).pick(one.0, 0).float()") == (
        ("order", ("batch", "*where")),
        ("pick", ("one.0", 0)),
        ("float", ()),
    )


def test_every_operation_is_tested() -> None:
    tested = {name for step in STEPS for name, _ in parse_operations(step)}
    # These only take what others cannot give: probabilities, class indices, one value a class; see test_rules.py.
    assert set(OPERATIONS) - tested == {"log", "one_hot", "align"}
