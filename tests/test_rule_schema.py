"""The JSON Schema of rule files: what the loader takes is valid under it, and what it refuses is not."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from typer.testing import CliRunner

from shapecheck import forms, keywords, rule_cases, rule_schema, rules, samples, spec_files, yamls
from shapecheck.cli import app
from shapecheck.errors import UserError
from shapecheck.rules import rules_folder

EXAMPLES = Path(__file__).parents[1] / "examples" / "rules"
FILES = [path for folder in (rules_folder(), EXAMPLES) for path in sorted(folder.rglob("*.yaml"))]
RULES = jsonschema.Draft202012Validator(rule_schema.of_rules())
CASES = jsonschema.Draft202012Validator(rule_schema.of_cases())


def _plain(node: Any) -> Any:
    """Without the lines that our mappings remember."""
    if isinstance(node, Mapping):
        return {str(key): _plain(value) for key, value in node.items()}
    return [_plain(item) for item in node] if isinstance(node, list) else node


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.relative_to(path.parents[1]).as_posix())
def test_every_file_of_ours_is_valid(path: Path) -> None:
    validator = CASES if path.name.endswith(rule_cases.ENDING) else RULES
    document = yamls.load_file(path)
    assert [error.message for error in validator.iter_errors(_plain(document))] == []
    if validator is CASES:
        forms.check(document, rule_cases.form(), str(path))
    else:
        forms.check(document, forms.form_of(rules.LossFile if "loss" in document else rules.FamilyFile), str(path))


def test_the_schemas_are_such_themselves() -> None:
    jsonschema.Draft202012Validator.check_schema(rule_schema.of_rules())
    jsonschema.Draft202012Validator.check_schema(rule_schema.of_cases())


@pytest.mark.parametrize("options, schema", [([], rule_schema.of_rules()), (["--cases"], rule_schema.of_cases())])
def test_the_command_prints_it(options: list[str], schema: forms.Form) -> None:
    done = CliRunner().invoke(app, ["rules", "schema", *options])
    assert (done.exit_code, json.loads(done.stdout)) == (0, schema)


# ------------------------------------------------------------------------------------------------ its keys


@pytest.mark.parametrize(
    "kind", [rules.LossFile, rules.FamilyFile, rules.Operand, rules.Argument, rules.Signature, rules.Requirement,
             rules.Rule, rules.FixTemplate, rule_cases.Fail, rule_cases.Pass], ids=lambda kind: kind.__name__
)  # fmt: skip
def test_it_has_the_keys_that_the_loader_takes_and_no_other(kind: type) -> None:
    form = forms.form_of(kind)
    assert list(form["properties"]) == forms.written(kind)
    beside = kind is rules.Signature  # a tensor of the loss may have any name
    assert (form["additionalProperties"] is False) != beside


def test_a_key_that_is_added_is_in_it(monkeypatch: pytest.MonkeyPatch) -> None:
    assert "severity" in forms.form_of(rules.Rule)["properties"]
    assert forms.form_of(rules.Rule)["properties"]["explain"]["required"] == list(rules.HEADINGS)
    assert forms.form_of(rules.FixTemplate)["properties"]["kind"]["enum"] == list(rules.FIX_KINDS)
    assert list(rule_cases.TENSOR["anyOf"][-1]["properties"]) == list(spec_files.TENSOR_KEYS)


def test_words_that_two_tables_share() -> None:
    assert set(keywords._TYPES) <= set(rules.ARGUMENT_TYPES)
    assert set(rule_cases.KINDS) == {"fail", "pass"}
    assert samples._KINDS


# ---------------------------------------------------------------------------------------------- mistakes

GOOD = """
loss: mine
call: torch.nn.functional.mse_loss
tensors: {output: {alias: input}, target: }
arguments: {reduction: {type: str, default: mean}}
contract: [{form: equal, output: batch *where, target: batch *where, result: batch *where, dtype: float32}]
requires: [{name: floats, that: output.dtype in floating}]
rules:
  - code: SC601
    name: something
    severity: error
    found: [{output: batch 1, target: batch}]
    message: something is wrong
    why: because
    fixes: [{kind: squeeze-output, title: mend it, apply: {output: squeeze(one.0)}}]
    explain: {what: a, bad: b, example: c, instead: d, safety: e, references: f}
"""
MISTAKES = {
    "an unknown key": ("name: something", "nmae: something", 9),
    "a missing key": ("    severity: error\n", "", 9),
    "a key at the top": ("requires:", "require:", 2),
    "no call": ("call: torch.nn.functional.mse_loss\n", "", 2),
    "a code of two digits": ("SC601", "SC60", 9),
    "an unknown severity": ("severity: error", "severity: eror", 9),
    "an unknown kind": ("kind: squeeze-output", "kind: sqeeze-output", 15),
    "a fix without a title": (", title: mend it", "", 15),
    "an unknown operation": ("squeeze(one.0)", "reshape(3)", 15),
    "no chain of operations": ("squeeze(one.0)", "squeeze", 15),
    "a heading too few": (", references: f", "", 16),
    "a heading too many": ("references: f", "references: f, more: g", 16),
    "a list where a text is due": ("why: because", "why: [because]", 9),
    "a text where a list is due": ("requires: [{name: floats, that: output.dtype in floating}]", "requires: floats", 2),
    "a number where a text is due": ("message: something is wrong", "message: 5", 9),
    "a yes where a text is due": ("title: mend it", "title: yes", 15),
    "a key of a tensor": ("alias: input", "alais: input", 4),
    "a key of an argument": ("type: str", "typ: str", 5),
    "a type of an argument": ("type: str", "type: string", 5),
    "a key of a requirement": ("that:", "taht:", 7),
    "a dtype": ("dtype: float32", "dtype: float31", 6),
    "a contract": ("    why: because", "    why: because\n    contract: refuses", 9),
}


def test_the_file_without_a_mistake_is_valid(tmp_path: Path) -> None:
    assert list(RULES.iter_errors(_plain(yamls.load(GOOD.encode(), "mine.yaml")))) == []
    (tmp_path / "mine.yaml").write_text(GOOD, encoding="utf-8")
    assert rules.load_loss("mine", (tmp_path,)).rules[0].code == "SC601"


@pytest.mark.parametrize("old, new, line", MISTAKES.values(), ids=MISTAKES)
def test_a_mistake_is_invalid_and_told_with_its_line(old: str, new: str, line: int, tmp_path: Path) -> None:
    text = GOOD.replace(old, new, 1)
    assert text != GOOD
    assert not RULES.is_valid(_plain(yamls.load(text.encode(), "mine.yaml")))
    path = tmp_path / "mine.yaml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(UserError) as error:
        rules.load_loss("mine", (tmp_path,))
    place = error.value.location
    assert place is not None
    assert replace(place, path="") == replace(place, path="", line=line)
    assert place.path.endswith("mine.yaml")


CASE_MISTAKES = {
    "no code": "SC6: {fail: {a: {output: '8, 5', target: '8'}}}",
    "neither fail nor pass": "SC601: {fails: {a: {output: '8, 5', target: '8'}}}",
    "an unknown key": "SC601: {fail: {a: {outptu: '8, 5', target: '8'}}}",
    "an unknown fact": "SC601: {fail: {a: {output: {shape: '8, 5', axis: batch}, target: '8'}}}",
    "gives under fail": "SC601: {fail: {a: {output: '8, 5', target: '8', gives: [SC602]}}}",
    "a fix under pass": "SC601: {pass: {a: {output: '8, 5', target: '8', fix: {mean: output.mean()}}}}",
    "a list of calls": "SC601: {pass: [{output: '8, 5', target: '8'}]}",
    "also is a word": "SC601: {fail: {a: {output: '8, 5', target: '8', also: SC602}}}",
    "like without a loss": "like: {los: mse_loss}",
}


@pytest.mark.parametrize("text", CASE_MISTAKES.values(), ids=CASE_MISTAKES)
def test_a_mistake_in_a_case_is_invalid_and_told(text: str, tmp_path: Path) -> None:
    assert not CASES.is_valid(_plain(yamls.load(text.encode(), "mine.cases.yaml")))
    (tmp_path / "mine.yaml").write_text(GOOD, encoding="utf-8")
    (tmp_path / "mine.cases.yaml").write_text(text, encoding="utf-8")
    with pytest.raises(UserError) as error:
        rule_cases.cases_of(rules.load_loss("mine", (tmp_path,)))
    assert str(error.value.location).endswith("mine.cases.yaml:1")
