"""Cases of a rule file: calls of its loss, and what is to be found in each. Reads LOSS.cases.yaml; runs nothing.

    CODE:
      fail:                    calls with this finding, by a name that says what is special about each
        name: {output, target, ...}
      pass:                    calls beside it that must not have it
        name: {output, target, ...}
    like: {loss: mse_loss}     the calls of another loss hold for this one, as far as both have the rules

A call is written as in a spec. Every mistake is an error with `file:line`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Annotated, Any

from shapecheck import forms, spec_files, yamls
from shapecheck.errors import Location, UserError
from shapecheck.forms import Form, Is, OneOf
from shapecheck.matching import bind, facts
from shapecheck.rules import CODE, GUIDE, Code, Loss, Signature, load_loss, shown_path
from shapecheck.specs import FLOATING, INTENTS, ROLES, VALUES, Observation, Size, Subject, TensorSpec

ENDING = ".cases.yaml"

# What is known of the facts of a tensor beyond their names, which are those of a spec.
_FACTS: Mapping[str, Any] = {
    "shape": str | int | tuple[Size, ...],
    "dtype": str,
    "axes": str | tuple[Annotated[str, OneOf(ROLES)], ...],
    "min": float,
    "max": float,
    "classes": int,
    "permuted": bool,
    "total": float,
    "distinct": int,
    "stray": float,
    "normalised": int,
    "values": Annotated[str, OneOf(VALUES)],
}
TENSOR: Form = {
    "anyOf": [
        {"type": ["string", "integer"], "description": "sizes, and a dtype: 8, 20, 5 : float32"},
        {"type": "array", "items": {"type": ["integer", "string"]}},
        {
            "type": "object",
            "properties": {key: forms.form_of(_FACTS.get(key, Any)) for key in spec_files.TENSOR_KEYS},
            "required": ["shape"],
            "additionalProperties": False,
        },
    ]
}
ATensor = Annotated[Any, Is(TENSOR)]


@dataclass(frozen=True, eq=False)
class Call:
    """A call of the loss, as in a spec; `tensors` for a loss whose tensors have other names.

    `observed` is a call on the way to the output (softmax, sigmoid), as a probe of the model sees it.
    """

    output: ATensor = None
    target: ATensor = None
    tensors: Mapping[str, ATensor] | None = None
    loss_args: Mapping[str, Any] | None = None
    classes: int | None = None
    intent: Annotated[str, OneOf(INTENTS)] | None = None
    observed: str = ""


@dataclass(frozen=True, eq=False)
class Fail(Call):
    """A call with the finding; `also` lists the codes found besides, `fix` is the first fix: kind and code."""

    also: tuple[Code, ...] = ()
    fix: Mapping[str, str] | None = None


@dataclass(frozen=True, eq=False)
class Pass(Call):
    """A call without it: nothing at all is to be found, or what `gives` lists."""

    gives: tuple[Code, ...] = ()


KINDS = {"fail": Fail, "pass": Pass}


@cache
def form() -> Form:
    """What may be written in a file of cases."""
    calls = {
        kind: {"type": ["object", "null"], "additionalProperties": forms.form_of(each)} for kind, each in KINDS.items()
    }
    like = {
        "type": "object",
        "properties": {"loss": {"type": "string"}},
        "required": ["loss"],
        "additionalProperties": False,
    }
    return {
        "type": "object",
        "properties": {"like": like},
        "patternProperties": {f"^{CODE}$": {"type": "object", "properties": calls, "additionalProperties": False}},
        "additionalProperties": False,
    }


@dataclass(frozen=True, eq=False)
class Case:
    """One call of a loss, the code it stands under, and what is to be found in it."""

    loss: Loss
    code: str
    name: str
    call: Fail | Pass
    tensors: Mapping[str, TensorSpec]
    location: Location

    @property
    def codes(self) -> tuple[str, ...]:
        """The codes to be found."""
        return (self.code, *self.call.also) if isinstance(self.call, Fail) else tuple(self.call.gives)

    @property
    def fails(self) -> bool:
        """Whether the finding it stands under is to be found."""
        return self.code in self.codes

    @property
    def id(self) -> str:
        kind = "fail" if self.fails else "pass"
        return f"{self.loss.name}-{self.code}-{kind}-{re.sub(r'[^a-z0-9]+', '-', self.name.lower())}"

    @property
    def subject(self) -> Subject:
        """The call as a check takes it."""
        axis = class_axis(next(iter(self.tensors.values())))
        return Subject(
            self.loss.name,
            self.tensors,
            dict(self.call.loss_args or {}),
            name=self.name,
            location=self.location,
            intent=self.call.intent,
            classes=spec_files.class_count(self.call.classes),
            observations=(Observation(self.call.observed, None, axis),) if self.call.observed else (),
        )


def class_axis(output: TensorSpec) -> int:
    """Where the classes of an output are, or, where nobody says so, where torch looks for them."""
    return output.axes.index("class") if output.axes and "class" in output.axes else min(1, len(output.shape) - 1)


def cases_file(loss: Loss) -> Path:
    """Where the cases of a loss are: beside its rule file."""
    return loss.file.with_name(loss.file.stem + ENDING)


@cache
def cases_of(loss: Loss) -> tuple[Case, ...]:
    """The cases of a loss's own file, and those of the loss it is `like` that it does not tell anew.

    None where there is no such file. Raises UserError.
    """
    path = cases_file(loss)
    if not path.is_file():
        return ()
    document = yamls.load_file(path, shown_path(path), guide=GUIDE)
    forms.check(document, form(), shown_path(path))
    own = [case for code, kinds in document.items() if code != "like" for case in _of_rule(loss, code, kinds, path)]
    if "like" not in document:
        return tuple(own)
    told = {(case.code, case.name) for case in own}
    others = [case for case in cases_of(_model(document["like"], loss, path)) if (case.code, case.name) not in told]
    return (*own, *(replace(case, loss=loss) for case in others if _shared(case, loss)))


def _model(like: Mapping[str, Any], loss: Loss, path: Path) -> Loss:
    """The loss whose cases hold for this one too."""
    if like["loss"] in (loss.name, *loss.names):
        raise UserError("`like` names the loss itself", "write like: {loss: mse_loss}", location=_place(path, like))
    return load_loss(like["loss"], loss.folders)


def _of_rule(loss: Loss, code: str, kinds: Mapping[str, Any], path: Path) -> Iterator[Case]:
    for kind, calls in kinds.items():
        for name, call in (calls or {}).items():
            place = _place(path, call)
            yield Case(loss, code, str(name), KINDS[kind](**call), _tensors(call, place), place)


def _tensors(call: Mapping[str, Any], place: Location) -> dict[str, TensorSpec]:
    try:
        return spec_files.tensors_of(call)
    except UserError as error:
        raise UserError(error.message, error.hint, location=place) from None


def _shared(case: Case, loss: Loss) -> bool:
    """Whether a case of another loss holds for this one: both have its rules, its keywords and the form it is of."""
    codes = {rule.code for rule in loss.rules}
    forms = {signature.form for signature in loss.signatures}
    # A doubtful form is none that anyone means.
    lacking = [each for each in case.loss.signatures if each.form not in forms and not each.doubtful]
    return (
        {case.code, *case.codes} <= codes
        and set(case.call.loss_args or {}) <= {*loss.arguments, *loss.tensors}
        and set(case.tensors) <= {"output", "target", *loss.tensors}
        and not any(_meant(signature, case.tensors) for signature in lacking)
    )


def _meant(signature: Signature, tensors: Mapping[str, TensorSpec]) -> bool:
    """Whether a call would be of this form if only the sizes were right: by the number of axes and the dtype."""
    if signature.dtype and "target" in tensors:
        floating = tensors["target"].dtype in FLOATING
        if floating != (signature.dtype in FLOATING):
            return False
    ones = {name: facts(replace(spec, shape=(1,) * len(spec.shape), axes=None)) for name, spec in tensors.items()}
    return any(True for _ in bind(signature.patterns, ones, use_roles=False))


def _place(path: Path, node: Any) -> Location:
    return Location(shown_path(path), yamls.line_of(node))
