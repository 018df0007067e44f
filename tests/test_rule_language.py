"""The tables of the rule language in the README are what the language does, and its rule file is that of examples/.

`--bless` rewrites the tables.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from shapecheck.conditions import ATTRIBUTES, compile_condition
from shapecheck.functions import FUNCTIONS
from shapecheck.matching import Facts
from shapecheck.messages import show
from shapecheck.operations import OPERATIONS, Named, code_of, parse_operations, resolve
from shapecheck.rules import HOLDS, loss_files, rules_folder
from shapecheck.samples import _KINDS
from shapecheck.shapes import parse_pattern

ROOT = Path(__file__).parents[1]
README = ROOT / "README.md"

LENGTHS = {"lengths": Facts((2,), "int64", elements=(3, 7)), "limits": Facts((2,), "int64", elements=(5, 5))}
ENVIRONMENT = {**LENGTHS, "rows": Facts((2, 4), "int64", elements=(1, 2, 3, 0, 4, 5, 6, 7)), "weight": None}
CALLS = {
    "broadcast": ("broadcast((8, 1), (8,))", "the shape side by side, aligned at the last axis"),
    "broadcasts": ("broadcasts((8, 5), (8,))", "whether the shapes fit side by side"),
    "expands": ("expands((1, 5), (8, 5))", "whether the first fits the second without making it larger"),
    "promote": ("promote(int64, float16)", "what torch makes of two dtypes"),
    "differing": ("differing((8, 20), (8, 19))", "the sizes of the first where the second has others"),
    "without": ("without((8, 5, 20), 1)", "the shape less one axis"),
    "exceeds": (
        "exceeds(lengths, limits)",
        "whether some value of the first is above the second's: here of 3, 7 and 5, 5",
    ),
    "first": ("first(weight, 1)", "the first that is known"),
    "sum": ("sum((2, 3, 4))", "of sizes or values"),
    "min": ("min((2, 3, 4))", "of sizes or values"),
    "max": ("max((2, 3, 4))", "of sizes or values"),
    "within": (
        "within(rows, lengths)",
        "the values of padded rows within their lengths: here of 1, 2, 3, 0 and 4, 5, 6, 7 within 3 and 7",
    ),
    "unalignable": (
        "unalignable(rows, limits, lengths)",
        "whether labels, one step each and one more between two equal ones, do not go into the steps: here 4 and 4 into 3 and 7",
    ),
}

SCORES = (("batch", "where.0", "class"), (8, 20, 5), "float32")
LABELS = (("batch", "where.0"), (8, 20), "int64")
ROW = (("batch",), (8,), "int64")
MASK = (("batch", "one.0", "where.0"), (8, 1, 20), "int64")
LONGER = (("batch", "class", "other.0"), (8, 5, 24), "float32")
CHAINS: dict[str, tuple[str, str, dict[str, Any]]] = {
    "order": ("order(batch, class, *where)", "output", {"output": SCORES}),
    "mean": ("mean(*where)", "output", {"output": SCORES}),
    "mean_keep": ("mean_keep(*where)", "output", {"output": SCORES}),
    "sum": ("sum(class)", "output", {"output": SCORES}),
    "sum_keep": ("sum_keep(class)", "output", {"output": SCORES}),
    "amax": ("amax(*where)", "output", {"output": SCORES}),
    "last": ("last(*where)", "output", {"output": SCORES}),
    "attend": ("attend(*where)", "output", {"output": SCORES}),
    "merge": ("merge(batch, *where)", "output", {"output": SCORES}),
    "split": ("split(batch, rows)", "output", {"output": (("batch*rows", "class"), (16, 5), "float32"), "target": ROW}),
    "squeeze": ("squeeze(one.0)", "target", {"target": MASK}),
    "unsqueeze": ("unsqueeze(1, one.0)", "target", {"target": LABELS}),
    "argmax": ("argmax(class)", "target", {"target": SCORES}),
    "long": ("long()", "target", {"target": (*LABELS[:2], "int32")}),
    "float": ("float()", "target", {"target": LABELS}),
    "pick": ("pick(channel, 0)", "target", {"target": (("batch", "channel", "where.0"), (8, 3, 20), "int64")}),
    "crop_end": ("crop_end(other.0, where.0)", "output", {"output": LONGER, "target": LABELS}),
    "crop_start": ("crop_start(other.0, where.0)", "output", {"output": LONGER, "target": LABELS}),
    "crop_centre": ("crop_centre(*other, *where)", "output", {"output": LONGER, "target": LABELS}),
    "resize": ("resize(*other, *where)", "output", {"output": LONGER, "target": LABELS}),
    "shift": ("shift(-1)", "target", {"target": LABELS}),
    "times": ("times(2)", "target", {"target": LABELS}),
    "divide": ("divide(255)", "target", {"target": (*LABELS[:2], "uint8")}),
    "quotient": ("quotient(255)", "target", {"target": LABELS}),
    "like": ("like(output)", "target", {"target": LABELS, "output": SCORES}),
    "pad_to": ("pad_to(class)", "weight", {"weight": (("all",), (4,), "float32"), "output": SCORES}),
    "align": ("align(class)", "pos_weight", {"pos_weight": (("all",), (5,), "float32"), "output": (("batch", "class", "where.0"), (8, 5, 20), "float32")}),
    "flat": ("flat()", "output", {"output": SCORES}),
    "clamp_to": ("clamp_to(time)", "input_lengths", {"input_lengths": ROW, "log_probs": (("time", "batch", "class"), (50, 8, 5), "float32")}),
    "one_hot": ("one_hot(class)", "target", {"target": LABELS, "output": SCORES}),
    "expand_like": ("expand_like(output)", "target", {"target": (("batch", "one.0"), (8, 1), "float32"), "output": (("batch", "class"), (8, 5), "float32")}),
    "contiguous": ("contiguous()", "output", {"output": SCORES}),
    "log": ("log()", "output", {"output": SCORES}),
    "exp": ("exp()", "output", {"output": SCORES}),
    "sigmoid": ("sigmoid()", "output", {"output": SCORES}),
    "softmax": ("softmax(class)", "output", {"output": SCORES}),
    "log_softmax": ("log_softmax(class)", "output", {"output": SCORES}),
}  # fmt: skip


def _functions() -> str:
    rows = [f"| `{call}` | {show(compile_condition(call)(ENVIRONMENT))} | {about} |" for call, about in CALLS.values()]
    return "| function | gives | which is |\n|---|---|---|\n" + "\n".join(rows) + "\n"


def _operations() -> str:
    rows = []
    for chain, name, given in CHAINS.values():
        tensors = {key: Named.fresh(*value) for key, value in given.items()}
        others = {key: value for key, value in tensors.items() if key != name}
        after, calls = resolve(chain, tensors[name], others)
        before = " ".join(tensors[name].names)
        rows.append(f"| `{chain}` | {before} | `{code_of(calls, name)}` | {' '.join(after.names)} |")
    return "| operation | of axes | is | gives |\n|---|---|---|---|\n" + "\n".join(rows) + "\n"


def _attributes() -> str:
    words = ", ".join(f"`{name}`" for name in ATTRIBUTES)
    return f"{words}\n"


def _holds() -> str:
    assert set(HOLDS) == set(_KINDS), "every word has values that are drawn for it"
    return ", ".join(f"`{name}`" for name in HOLDS) + "\n"


@pytest.mark.parametrize(
    "name, made",
    [("functions", _functions), ("operations", _operations), ("attributes", _attributes), ("holds", _holds)],
)
def test_a_table_of_the_readme_is_what_the_language_does(name: str, made: Any, request: pytest.FixtureRequest) -> None:
    text = README.read_text(encoding="utf-8")
    block = re.compile(rf"<!-- {name} -->\n((?:.*\n)*?)<!-- /{name} -->")
    if request.config.getoption("--bless"):
        README.write_text(block.sub(lambda _: f"<!-- {name} -->\n{made()}<!-- /{name} -->", text), encoding="utf-8")
        return
    found = block.search(text)
    assert found is not None
    assert found[1] == made()


def test_the_tables_hold_all_that_there_is() -> None:
    assert list(CALLS) == list(FUNCTIONS)
    assert list(CHAINS) == list(OPERATIONS)
    assert all(parse_operations(chain)[0][0] == name for name, (chain, _, _) in CHAINS.items())


def _section() -> str:
    text = README.read_text(encoding="utf-8")
    return text[text.index("## Writing a rule") : text.index("## How it knows")]


def test_the_rule_file_shown_is_that_of_the_examples() -> None:
    """But for the line for editors, and what is left out between two blank lines or rules."""
    shown, cases = re.findall(r"```yaml\n((?:.*\n)*?)```", _section())
    folder = ROOT / "examples" / "rules"
    whole = (folder / "dice_loss.yaml").read_text(encoding="utf-8")
    for part in shown.partition("\n")[2].split("\n\n"):
        assert part.strip("\n").removeprefix("rules:\n") in whole
    lines = (folder / "dice_loss.cases.yaml").read_text(encoding="utf-8").splitlines()
    assert [line for line in cases.splitlines() if line not in lines] == []


def test_the_patterns_shown_are_read() -> None:
    patterns = re.findall(r"^\| `([^`]+)` \| (?:a|one|these|an) ", _section(), re.MULTILINE)
    assert len(patterns) == 4
    assert [str(parse_pattern(pattern)) for pattern in patterns] == patterns


def test_codes_of_users_are_none_of_ours() -> None:
    files = [*loss_files(rules_folder()), *loss_files(rules_folder() / "families")]
    codes = {code for path in files for code in re.findall(r"code: (SC\d+)", path.read_text(encoding="utf-8"))}
    assert {code[:3] for code in codes} <= {"SC1", "SC2", "SC3", "SC4"}
