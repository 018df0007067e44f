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
from dataclasses import dataclass, fields, replace
from functools import cache
from pathlib import Path
from typing import Any

from shapecheck import spec_files, yamls
from shapecheck.errors import Location, UserError, did_you_mean
from shapecheck.matching import bind, facts
from shapecheck.rules import Loss, Signature, load_loss, shown_path
from shapecheck.specs import FLOATING, Observation, Subject, TensorSpec

ENDING = ".cases.yaml"


@dataclass(frozen=True, eq=False)
class Call:
    """A call of the loss, as in a spec; `tensors` for a loss whose tensors have other names.

    `observed` is a call on the way to the output (softmax, sigmoid), as a probe of the model sees it.
    """

    output: Any = None
    target: Any = None
    tensors: Mapping[str, Any] | None = None
    loss_args: Mapping[str, Any] | None = None
    classes: int | None = None
    intent: str | None = None
    observed: str = ""


@dataclass(frozen=True, eq=False)
class Fail(Call):
    """A call with the finding; `also` lists the codes found besides, `fix` is the first fix: kind and code."""

    also: tuple[str, ...] = ()
    fix: Mapping[str, str] | None = None


@dataclass(frozen=True, eq=False)
class Pass(Call):
    """A call without it: nothing at all is to be found, or what `gives` lists."""

    gives: tuple[str, ...] = ()


KINDS = {"fail": Fail, "pass": Pass}


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
    document = _mapping(yamls.load_file(path, shown_path(path)), path, None, "the cases of a loss")
    own = [
        case for code, kinds in document.items() if code != "like" for case in _of_rule(loss, str(code), kinds, path)
    ]
    if "like" not in document:
        return tuple(own)
    told = {(case.code, case.name) for case in own}
    others = [case for case in cases_of(_model(document, loss, path)) if (case.code, case.name) not in told]
    return (*own, *(replace(case, loss=loss) for case in others if _shared(case, loss)))


def _model(document: Mapping[str, Any], loss: Loss, path: Path) -> Loss:
    """The loss whose cases hold for this one too."""
    like = _mapping(document["like"], path, document, "`like`")
    if list(like) != ["loss"] or like["loss"] in (loss.name, *loss.names):
        raise UserError("`like` names no other loss", "write like: {loss: mse_loss}", location=_place(path, like))
    return load_loss(str(like["loss"]), loss.folders)


def _of_rule(loss: Loss, code: str, kinds: Any, path: Path) -> Iterator[Case]:
    kinds = _mapping(kinds, path, None, code)
    _known(kinds, KINDS, path, code)
    for kind, calls in kinds.items():
        for name, call in _mapping(calls or {}, path, kinds, f"`{kind}` of {code}").items():
            where = f"{code} {name!r}"
            call = _mapping(call, path, calls, where)
            _known(call, [field.name for field in fields(KINDS[kind])], path, where)
            place = _place(path, call)
            yield Case(loss, code, str(name), _call(KINDS[kind], call, place), _tensors(call, place), place)


def _call(kind: type[Fail] | type[Pass], call: Mapping[str, Any], place: Location) -> Fail | Pass:
    for key, type_, due in (("also", list, "a list of codes"), ("gives", list, "a list of codes"), ("fix", dict, "kind: code"), ("loss_args", dict, "a mapping")):  # fmt: skip
        if call.get(key) is not None and not isinstance(call[key], type_):
            raise UserError(f"`{key}` is {call[key]!r}, not {due}", location=place)
    return kind(**call)


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


def _mapping(node: Any, path: Path, parent: Any, what: str) -> Mapping[str, Any]:
    if not isinstance(node, Mapping):
        raise UserError(f"{what}: a mapping is due here", location=_place(path, parent))
    return node


def _known(node: Mapping[str, Any], allowed: Any, path: Path, where: str) -> None:
    for key in node:
        if key not in allowed:
            hint = did_you_mean(str(key), allowed)
            raise UserError(f"unknown key {key!r} in {where}", hint, location=_place(path, node))


def _place(path: Path, node: Any) -> Location:
    return Location(shown_path(path), yamls.line_of(node))
