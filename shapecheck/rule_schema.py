"""JSON Schema of rule files and their cases, for editors: made of the tables that the loaders themselves read."""

from __future__ import annotations

import json

from shapecheck import rule_cases
from shapecheck.forms import Form, form_of
from shapecheck.rules import FamilyFile, LossFile

DRAFT = "https://json-schema.org/draft/2020-12/schema"


def of_rules() -> Form:
    """A rule file: one loss, or, where it names a family and no loss, the rules that several share."""
    only_family = {"required": ["family"], "not": {"required": ["loss"]}}
    return {
        "$schema": DRAFT,
        "title": "shapecheck rule file",
        "if": only_family,
        "then": form_of(FamilyFile),
        "else": form_of(LossFile),
    }


def of_cases() -> Form:
    """A file of cases, LOSS.cases.yaml."""
    return {"$schema": DRAFT, "title": "shapecheck cases of a rule file", **rule_cases.form()}


def text(cases: bool = False) -> str:
    """The schema as it is printed."""
    return json.dumps(of_cases() if cases else of_rules(), indent=2) + "\n"
