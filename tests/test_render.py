"""Reports as text: golden samples, and what must hold for any report at any width."""

from __future__ import annotations

import json
import math
import re
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shapecheck.errors import CheckError, Location, ModelError, UserError
from shapecheck.render import concise, explain, text
from shapecheck.render import json as json_format
from shapecheck.render.layout import cells, clean, wrap
from shapecheck.report import AcceptedTarget, CheckResult, Finding, Fix, Report, Row
from shapecheck.specs import ProbedInput, TensorSpec

Golden = Callable[[str, str], None]
ESCAPES = re.compile(r"\x1b\[[0-9;]*m")
LABEL = re.compile(
    r"^ *(-->|\w+\[[^\]]*\]:|ok:|targets it takes:|torch says:"
    r"|(why|fix|or|not|explain|silence|help|note|torch|input|loss|engine):)? *"
)

WAVENET = ProbedInput("x", (5, 1, 97), "float32", "inferred", ("batch", "channel", "time"))
PRICES = ProbedInput("x", (31, 13), "float32", "inferred", ("batch", "feature"))

CLASS_AXIS_LAST = Finding(
    code="SC101",
    name="class-axis-last",
    severity="error",
    message="class axis is last, but cross_entropy reads classes from axis 1",
    why="cross_entropy takes axis 1 as classes, so it would treat the 97 time steps as 97 classes",
    torch_says="Expected target size [5, 256], got [5, 97]",
    rows=(
        Row("output", (("batch", 5), ("time", 97), ("class", 256)), "float32, measured", 2, "classes are here, axis 2"),
        Row("needs", (("batch", 5), ("class", 256), ("time", 97))),
        Row("target", (("batch", 5), ("time", 97)), "int64, ok"),
    ),
    fixes=(
        Fix(
            kind="permute",
            title="move the class axis to position 1",
            applies_to="output",
            code="output.movedim(-1, 1)",
            call="loss = F.cross_entropy(output.movedim(-1, 1), target)",
            verified="executed",
            proof="loss 6.0201 equals 485 single-step losses averaged by hand",
            trap="output.reshape(5, 256, 97) also fits, but mixes axes: loss 6.0510",
        ),
    ),
)

BOTH_MEANINGS = Finding(
    code="SC102",
    name="time-axis-left",
    severity="error",
    message="one label per sample, but the output has one row of classes per time step",
    why="cross_entropy takes axis 1 as classes; here that is time",
    torch_says="Expected target size [5, 256], got [5]",
    rows=(
        Row("output", (("batch", 5), ("time", 97), ("class", 256)), "float32, measured", 1, "no label goes with it"),
        Row("target", (("batch", 5),), "int64, from --target N"),
    ),
    fixes=(
        Fix(
            "mean", "average the logits over time", "output", "output.mean(1)", "per-sample",
            "loss = F.cross_entropy(output.mean(1), target)",
            verified="executed", proof="loss 5.5713 equals 5 single losses averaged by hand",
        ),
        Fix(
            "last-step", "take the last time step", "output", "output[:, -1]", "per-sample",
            "loss = F.cross_entropy(output[:, -1], target)", verified="executed",
        ),
        Fix(
            "attention", "weigh the time steps by a learned score", "output", "(weights * output).sum(1)", "per-sample",
            "weights = score(output).softmax(1)\nloss = F.cross_entropy((weights * output).sum(1), target)",
            setup="score = torch.nn.Linear(256, 1)  # in __init__", verified="executed",
        ),
        Fix(
            "permute", "yield one label per time step, and move the class axis to position 1", "output",
            "output.movedim(-1, 1)", "per-position", "loss = F.cross_entropy(output.movedim(-1, 1), target)",
            verified="contract", trap="output.reshape(5, 256, 97) also fits, but mixes axes: loss 6.0510",
        ),
    ),
)  # fmt: skip

PAIRED = Finding(
    code="SC201",
    name="pairwise-broadcast",
    severity="error",
    message="mse_loss pairs every prediction with every target",
    why="the shapes broadcast, so each prediction is pulled towards the mean target; torch only warns, and training "
    "just looks slow",
    rows=(
        Row("output", (("batch", 31), ("unit", 1)), "float32, measured"),
        Row("target", (("batch", 31),), "float32, from --target N"),
        Row("compared", (("batch", 31), ("batch", 31)), "961 pairs, 31 intended"),
    ),
    fixes=(
        Fix(
            "squeeze-output", "drop the unit axis before the loss", "output", "output.squeeze(-1)",
            call="loss = F.mse_loss(output.squeeze(-1), target)", verified="executed",
            proof="loss 2.4299 equals 31 squared errors averaged by hand; unfixed 2.3650",
        ),
        Fix(
            "squeeze-output", "drop it inside the model", "model", "return self.head(x).squeeze(-1)",
            verified="executed",
        ),
    ),
)  # fmt: skip


def wavenet(**parts: Any) -> CheckResult:
    return CheckResult(
        "model.py:WaveNet", "cross_entropy", location=Location("model.py", 12), inputs=(WAVENET,), **parts
    )


def prices(**parts: Any) -> CheckResult:
    return CheckResult("price.py:PriceNet", "mse_loss", location=Location("price.py", 8), inputs=(PRICES,), **parts)


def fitting(**parts: Any) -> CheckResult:
    output = TensorSpec((5, 256, 97), "float32", ("batch", "class", "time"), origin="model")
    return wavenet(**{"tensors": {"output": output}, "engine": "real", "elapsed_ms": 41, **parts})


def failed() -> CheckResult:
    error = ModelError(
        "WaveNet needs a value for its constructor argument 'channels'",
        "give it one:\n    shapecheck model.py:WaveNet --arg channels=16\nany small value will do",
        code="SC902",
        location=Location("model.py", 14),
    )
    return CheckResult("model.py:WaveNet", "cross_entropy", location=Location("model.py", 12), error=error)


def report(*checks: CheckResult) -> Report:
    return Report(checks, "0.1.0")


SAMPLES = {
    "class_axis_last": report(wavenet(findings=(CLASS_AXIS_LAST,))),
    "both_meanings": report(wavenet(findings=(BOTH_MEANINGS,), notes=("values not checked: no data given",))),
    "silent": report(prices(findings=(PAIRED,))),
    "ok": report(
        fitting(
            accepted_targets=(
                AcceptedTarget(("N", "T"), "int64", "one class index per time step"),
                AcceptedTarget(("N", "C", "T"), "float32", "class probabilities"),
            ),
            notes=("values not checked: no data given",),
        )
    ),
    "error": report(failed()),
    "many": report(fitting(), failed(), wavenet(findings=(CLASS_AXIS_LAST,)), prices(findings=(PAIRED,))),
}


@pytest.mark.parametrize("name", SAMPLES)
def test_sample_at_80_columns(name: str, golden: Golden) -> None:
    golden(f"render_{name}", text.render(SAMPLES[name]))


@pytest.mark.parametrize("width", [40, 200])
def test_sample_at_other_widths(width: int, golden: Golden) -> None:
    golden(f"render_both_meanings_{width}", text.render(SAMPLES["both_meanings"], width=width))


def test_verbose_and_quiet(golden: Golden) -> None:
    golden("render_verbose", text.render(report(fitting(), *SAMPLES["both_meanings"].checks), verbose=True))
    golden("render_quiet", text.render(SAMPLES["many"], quiet=True))


def test_concise(golden: Golden) -> None:
    golden("render_concise", concise.render(SAMPLES["many"]))


def test_colour() -> None:
    coloured = text.render(SAMPLES["many"], color=True)
    assert "\x1b[1;31merror[SC101]: \x1b[0m" in coloured
    assert ESCAPES.sub("", coloured) == text.render(SAMPLES["many"])


@pytest.mark.parametrize(
    ("checks", "summary"),
    [
        ((fitting(),), None),
        ((fitting(), fitting()), "nothing found in 2 checks"),
        ((failed(),), "1 check could not be done"),
        ((fitting(), failed()), "nothing found in 1 check; 1 more could not be done"),
        ((wavenet(findings=(CLASS_AXIS_LAST, PAIRED)),), "2 errors in 1 check"),
        ((), "nothing was checked"),
    ],
)
def test_summary(checks: tuple[CheckResult, ...], summary: str | None) -> None:
    last = text.render(report(*checks)).splitlines()[-1]
    assert last == summary if summary else last.startswith("ok: ")


def test_known_target_is_named_and_assumed_one_is_not() -> None:
    output = TensorSpec((5, 7), axes=("batch", "class"))
    for origin, expected in (("flag", "output (batch 5, class 7) and target (5) fit"), ("assumed", "class 7) fits")):
        check = fitting(tensors={"output": output, "target": TensorSpec((5,), origin=origin)})
        assert expected in text.render(report(check))


def test_ignored_finding_is_not_called_a_fit() -> None:
    assert "torch rejects it" in text.render(report(fitting(contract="rejects")))


def test_brackets_and_escapes_of_the_user_are_shown_not_obeyed() -> None:
    error = UserError("no key [batch] \x1b[31m\r\u202e\udc80", "see [bold]spec[/bold]\x07")
    shown = text.render(report(CheckResult("a[b]", "mse_loss", error=error)), color=False)
    assert "[batch] \\x1b[31m \\u202e\\udc80" in shown
    assert "[bold]spec[/bold]\\x07" in shown
    shown.encode("utf-8")


def test_concise_is_one_line_each_even_for_many_line_messages() -> None:
    checks = (wavenet(error=ModelError("first\nsecond")), CheckResult("wavenet", "mse_loss", findings=(PAIRED,)))
    first, second = concise.render(report(*checks)).splitlines()
    assert first == "model.py:12: SC910 error: first second"
    assert second.startswith("wavenet: SC201 error: mse_loss pairs")
    assert second.endswith("[2 fixes, first: output.squeeze(-1)]")


def test_json_is_valid_for_values_json_does_not_have() -> None:
    endless: list[Any] = []
    endless.append(endless)
    arguments = {"weight": math.nan, "margin": -math.inf, 3: (1, {2}), "endless": endless, "kind": object}
    shown = json.loads(json_format.render(report(wavenet(loss_args=arguments))), parse_constant=pytest.fail)
    assert shown["checks"][0]["loss_args"]["weight"] == "nan"
    assert shown["checks"][0]["loss_args"]["margin"] == "-inf"
    assert shown["checks"][0]["loss_args"]["3"] == [1, [2]]
    assert shown["schema"] == 1


PAGE = """# SC101 class-axis-last

## What it does
Finds an output whose class axis
comes last although the loss reads classes from axis 1, which makes it take time for classes.

- one item that is long enough to need a second line at the eighty columns of this test
- another

## Example

```python
import torch


    loss = F.cross_entropy(output, target)  # [batch] a line of code that is longer than the eighty columns of this test
```

| loss | axis |
|---|---|
"""


def test_explain_page(golden: Golden) -> None:
    plain = explain.render(PAGE)
    golden("render_explain", plain)
    coloured = explain.render(PAGE, color=True)
    assert "\x1b[1m## What it does\x1b[0m" in coloured
    assert ESCAPES.sub("", coloured) == plain
    assert explain.render(plain) == plain


def test_rendering_imports_no_rich_and_no_torch() -> None:
    code = (
        "import sys; from shapecheck.render import text, concise, explain, json; from shapecheck.report import *;"
        "text.render(Report((CheckResult('a', 'b'),), '0'));"
        "print([name for name in sys.modules if name.partition('.')[0] in ('rich', 'torch')])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


# What holds for any report.

words = st.text(st.sampled_from("ab[]:-^\x1b\n\r\t \u202e\u0301\u754c\ud800"), max_size=40)
prose = st.one_of(
    words,
    st.lists(st.sampled_from(["axis", "time", "cross_entropy", "(N,", "C)", "unbreakable" * 5]), max_size=30).map(
        " ".join
    ),
)
sizes = st.one_of(st.integers(0, 99_999), st.sampled_from(["N", "T"]))
roles = st.sampled_from(["", "batch", "class", "time", "height", "unknown", "N"])
locations = st.none() | st.builds(
    Location, st.sampled_from(["model.py", "a b.py", "\x1b.py"]), st.none() | st.integers(1, 999)
)
rows = st.builds(
    Row, st.sampled_from(["output", "compared", "", "a\nb"]), st.lists(st.tuples(roles, sizes), max_size=6).map(tuple),
    prose, st.none() | st.integers(-2, 7), prose,
)  # fmt: skip
fixes = st.builds(
    Fix, st.sampled_from(["permute", "change-model"]), prose, st.sampled_from(["output", "model"]), words,
    st.sampled_from([None, "per-sample", "per-position"]), words, words, words, words,
    st.sampled_from(["executed", "contract", "no"]),
    prose, prose,
)  # fmt: skip
findings = st.builds(
    Finding, st.just("SC101"), st.just("class-axis-last"), st.sampled_from(["error", "warning", "note"]), prose, prose,
    prose, st.lists(rows, max_size=4).map(tuple), locations, st.lists(fixes, max_size=4).map(tuple),
)  # fmt: skip
tensors = st.builds(
    TensorSpec, st.lists(sizes, max_size=4).map(tuple), st.just("float32"),
    st.none() | st.lists(roles, max_size=4).map(tuple), origin=st.sampled_from(["flag", "assumed"]),
)  # fmt: skip
inputs = st.builds(
    ProbedInput, words, st.lists(st.integers(0, 999), max_size=3).map(tuple), st.just("float32"), st.just("inferred"),
    st.lists(roles, max_size=3).map(tuple),
)  # fmt: skip
errors: st.SearchStrategy[CheckError] = st.builds(ModelError, prose, st.none() | prose, location=locations) | st.builds(
    UserError, prose, st.none() | prose
)
checks = st.builds(
    CheckResult, words, st.just("mse_loss"), st.just({"margin": 0.5}), locations,
    st.sampled_from(["accepts", "rejects", "unknown"]), prose, st.lists(inputs, max_size=3).map(tuple), words,
    st.dictionaries(st.sampled_from(["output", "target", "anchor"]), tensors),
    st.just(("output", "target")),
    st.lists(st.builds(AcceptedTarget, st.lists(sizes).map(tuple), words, prose), max_size=2).map(tuple),
    st.lists(findings, max_size=2).map(tuple), st.lists(prose, max_size=2).map(tuple), st.none() | errors,
)  # fmt: skip
reports = st.builds(Report, st.lists(checks, max_size=3).map(tuple), st.just("0.1.0"))
widths = st.integers(20, 200)


@settings(deadline=None)
@given(reports, widths, st.booleans(), st.booleans())
def test_any_report_renders_without_escapes_and_colour_only_adds_them(
    any_report: Report, width: int, verbose: bool, quiet: bool
) -> None:
    plain = text.render(any_report, width=width, verbose=verbose, quiet=quiet)
    assert all(line.isprintable() for line in plain.split("\n"))
    assert not re.search(r" +$", plain, re.MULTILINE)
    coloured = text.render(any_report, width=width, verbose=verbose, quiet=quiet, color=True)
    assert ESCAPES.sub("", coloured) == plain


@settings(deadline=None)
@given(reports)
def test_any_report_as_concise_and_json(any_report: Report) -> None:
    count = len(any_report.findings) + sum(check.error is not None for check in any_report.checks)
    assert concise.render(any_report).count("\n") == count
    assert json.loads(json_format.render(any_report), parse_constant=pytest.fail)["schema"] == 1


def without_code(any_report: Report) -> Report:
    """The same report with nothing in it that may not be wrapped."""

    def bare(finding: Finding) -> Finding:
        return replace(
            finding,
            fixes=tuple(replace(fix, code="", call="", setup="", line="", line_setup="") for fix in finding.fixes),
        )

    return replace(
        any_report,
        checks=tuple(
            replace(check, findings=tuple(map(bare, check.findings)), error=None) for check in any_report.checks
        ),
    )


@settings(deadline=None)
@given(reports.map(without_code), widths, st.booleans())
def test_prose_keeps_within_the_width_unless_a_word_does_not_fit(any_report: Report, width: int, verbose: bool) -> None:
    for line in text.render(any_report, width=width, verbose=verbose).splitlines():
        assert cells(line) <= width or " " not in LABEL.sub("", line), line


@given(st.lists(st.text("ab", min_size=1, max_size=12), min_size=1), st.integers(1, 30), st.integers(1, 30))
def test_wrapping_loses_no_word_and_fills_each_line(any_words: list[str], first: int, rest: int) -> None:
    lines = wrap(any_words, first, rest)
    assert " ".join(lines).split() == any_words
    for index, line in enumerate(lines):
        assert len(line) <= (rest if index else first) or " " not in line


@given(st.text())
def test_clean_text_is_printable_on_one_line(any_text: str) -> None:
    assert clean(any_text).isprintable()
    assert clean(clean(any_text)) == clean(any_text)


def test_a_list_in_a_hint_hangs_under_its_dash() -> None:
    hint = "tried:\n- one thing that is long enough to be broken into two lines\n- another\nthen give up"
    check = CheckResult("net.py:Net", "mse_loss", error=ModelError("nothing found", hint, code="SC905"))
    lines = text.render(Report((check,), "0.1.0"), width=50).splitlines()
    assert lines[1:7] == [
        "  --> Net", "  help: tried:", "        - one thing that is long enough to be",
        "          broken into two lines", "        - another", "        then give up",
    ]  # fmt: skip
