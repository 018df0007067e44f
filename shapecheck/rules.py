"""Rule files: what a loss accepts, what can be wrong with a call, and the fixes. Reads rules/*.yaml.

A rule file holds one loss; `family` names a file of rules that several losses share. Every mistake in one is an
error with `file:line`, the allowed keys and the nearest spelling. Nothing in a rule file can run code.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, fields
from functools import cache
from pathlib import Path
from typing import Any

from shapecheck import yamls
from shapecheck.conditions import compile_condition
from shapecheck.errors import Location, UserError, did_you_mean
from shapecheck.operations import parse_operations
from shapecheck.report import SEVERITIES
from shapecheck.shapes import Pattern, parse_pattern

FIX_KINDS = (
    "permute", "transpose-target", "mean", "last-step", "attention", "max-pool", "flatten", "squeeze-target",
    "unsqueeze-target", "squeeze-output", "unsqueeze-output", "argmax-target", "one-hot-target", "cast-target-long",
    "cast-target-float", "add-batch-dim", "select-output", "drop-softmax", "apply-log-softmax", "fix-num-classes",
    "ignore-index", "slice-output", "shift-labels", "change-loss", "align-batch", "resize-output", "resize-target",
    "fix-lengths", "permute-not-view", "change-model", "remap-target", "slice-target", "reduce-target", "fix-weight",
    "drop-sigmoid", "apply-sigmoid", "fix-dim", "cast-output-float",
)  # fmt: skip
HEADINGS = {
    "what": "What it does",
    "bad": "Why is this bad",
    "example": "Example",
    "instead": "Use instead",
    "safety": "Fix safety",
    "references": "References",
}
CODE = re.compile(r"SC\d{3}\Z")


@dataclass(frozen=True, eq=False)
class Argument:
    """A keyword of the loss: its default; `tensor` is true where a tensor is due."""

    default: Any = None
    tensor: bool = False
    type: str = ""


@dataclass(frozen=True, eq=False)
class Signature:
    """One form of the contract: a pattern for each tensor. Torch takes the first whose shapes fit."""

    form: str
    patterns: Mapping[str, Pattern]
    result: Pattern
    meaning: str = ""
    dtype: str = ""


@dataclass(frozen=True, eq=False)
class Requirement:
    """A condition that torch checks once the form is chosen, in cases where `where` holds.

    `misread` says that breaking it means the shapes were taken for another form than the one meant.
    """

    name: str
    that: str
    where: str = ""
    misread: bool = False


@dataclass(frozen=True, eq=False)
class FixTemplate:
    """A way out, in operations on named axes.

    Without `apply`, `loss` or `loss_args` it is advice: `code` is shown and cannot be run. `run: without` re-runs the
    model with the observed call left out.
    """

    kind: str
    title: str
    apply: Mapping[str, str]
    code: str = ""
    loss: str = ""
    loss_args: Mapping[str, Any] | None = None
    when: str = ""
    run: str = ""
    applies_to: str = ""


@dataclass(frozen=True, eq=False)
class Rule:
    """One way to break a contract. `found` are alternatives; the first that reads the shapes names the axes."""

    code: str
    name: str
    severity: str
    message: str
    why: str
    explain: Mapping[str, str]
    source: Location
    contract: str = "rejects"
    found: tuple[Mapping[str, Pattern], ...] = ()
    when: str = ""
    broken: str = ""
    mark: Mapping[str, str] | None = None
    sample: str = ""
    observed: str = ""
    fixes: tuple[FixTemplate, ...] = ()
    traps: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class Loss:
    """A loss: how it is called, what it accepts, and the rules that explain a call it does not."""

    name: str
    call: str
    names: tuple[str, ...]
    tensors: tuple[str, ...]
    arguments: Mapping[str, Argument]
    signatures: tuple[Signature, ...]
    requires: tuple[Requirement, ...]
    readings: Mapping[str, Mapping[str, str]]
    rules: tuple[Rule, ...]
    source: Location
    contiguous: tuple[int, ...] = ()  # ranks of the output whose backward refuses a view

    @property
    def has_classes(self) -> bool:
        """Whether the contract has a class axis at all."""
        return any("class" in pattern.names for s in self.signatures for pattern in s.patterns.values())


def rules_folder() -> Path:
    """The folder of the rule files: in the wheel beside this file, in a source tree at the top level."""
    inside = Path(__file__).parent / "rules"
    return inside if inside.is_dir() else Path(__file__).parent.parent / "rules"


def _ours(path: Path) -> bool:
    return path.is_relative_to(rules_folder())


def canonical(name: str) -> str:
    """`F.cross_entropy`, `torch.nn.CrossEntropyLoss`, ... -> the last part, for looking up."""
    return name.strip().rpartition(".")[2]


@cache
def load_loss(name: str, folder: Path | None = None) -> Loss:
    """The rule file of a loss by any of its names. Raises UserError with the nearest name."""
    folder = folder or rules_folder()
    wanted = canonical(name)
    direct = folder / f"{wanted}.yaml"
    if re.fullmatch(r"\w+", wanted) and direct.is_file():
        return _trusted(_read_loss(direct))
    for path in _loss_files(folder):
        top = _mapping(yamls.load_file(path, ours=_ours(path)), path, LOSS_KEYS)
        if wanted in (top.get("loss"), *top.get("names", ())):
            return _trusted(_read_loss(path))
    known = [n for path in _loss_files(folder) for n in (path.stem, *_names_of(path))]
    raise UserError(f"unknown loss {name!r}", did_you_mean(wanted, known))


def _trusted(loss: Loss) -> Loss:
    """Compile what a rule file of the user's says at once; ours are compiled by the tests."""
    if not _ours(Path(loss.source.path)):
        validate(loss)
    return loss


def all_losses(folder: Path | None = None) -> list[Loss]:
    """Every loss that has a rule file, by name."""
    return [_read_loss(path) for path in _loss_files(folder or rules_folder())]


def all_rules(folder: Path | None = None) -> dict[str, tuple[Rule, tuple[str, ...]]]:
    """Code -> the rule and the losses it belongs to."""
    found: dict[str, tuple[Rule, tuple[str, ...]]] = {}
    for loss in all_losses(folder):
        for rule in loss.rules:
            _, losses = found.get(rule.code, (rule, ()))
            found[rule.code] = (rule, losses if loss.name in losses else (*losses, loss.name))
    return dict(sorted(found.items()))


def validate(loss: Loss) -> None:
    """Compile every pattern, condition and operation of a loss. Raises UserError with the rule's place.

    Not done when a loss is loaded: it would cost each check more than the check, and the tests do it for our files.
    """
    conditions = [text for requirement in loss.requires for text in (requirement.that, requirement.where)]
    for requirement in conditions:
        _compiled(loss.source, compile_condition, requirement)
    for rule in loss.rules:
        for text in (rule.when, *(fix.when for fix in rule.fixes)):
            _compiled(rule.source, compile_condition, text)
        for chain in (chain for fix in rule.fixes for chain in fix.apply.values()):
            _compiled(rule.source, parse_operations, chain)
        for trap in rule.traps:
            _compiled(rule.source, parse_pattern, trap)


def _compiled(place: Location, compiler: Callable[[str], object], text: str) -> None:
    try:
        compiler(text or "True")
    except ValueError as error:
        raise UserError(str(error), "see the rule language in the README", location=place) from None


def _loss_files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.glob("*.yaml") if not path.name.endswith(".cases.yaml"))


def _names_of(path: Path) -> list[str]:
    return list(_mapping(yamls.load_file(path, ours=_ours(path)), path, LOSS_KEYS).get("names", ()))


LOSS_KEYS = (
    "loss", "call", "names", "family", "tensors", "arguments", "contract", "requires", "readings", "rules",
    "contiguous",
)  # fmt: skip
FAMILY_KEYS = ("family", "readings", "requires", "rules")


@cache
def _read_loss(path: Path) -> Loss:
    top = _mapping(yamls.load_file(path, ours=_ours(path)), path, LOSS_KEYS)
    family = _read_family(path, top["family"]) if "family" in top else {}
    tensors = tuple(top.get("tensors", ("output", "target")))
    return Loss(
        name=_required(top, "loss", path),
        call=_required(top, "call", path),
        names=tuple(top.get("names", ())),
        tensors=tensors,
        arguments={
            key: Argument(**_checked(value or {}, _names(Argument), path))
            for key, value in (top.get("arguments") or {}).items()
        },
        signatures=tuple(_signature(item, tensors, path) for item in _required(top, "contract", path)),
        requires=tuple(_requirement(item, path) for item in (*family.get("requires", ()), *top.get("requires", ()))),
        readings=top.get("readings") or family.get("readings") or {},
        rules=tuple(_rule(item, tensors, where) for item, where in _rule_items(top, family, path)),
        source=_at(path, top),
        contiguous=tuple(top.get("contiguous", ())),
    )


def _rule_items(top: Mapping[str, Any], family: Mapping[str, Any], path: Path) -> Iterator[tuple[Any, Path]]:
    """The loss's own rules come first: they know more than the family's."""
    for item in top.get("rules", ()):
        yield item, path
    for item in family.get("rules", ()):
        yield item, path.parent / "families" / f"{top['family']}.yaml"


@cache
def _read_family(path: Path, name: str) -> Mapping[str, Any]:
    file = path.parent / "families" / f"{name}.yaml"
    if not file.is_file():
        raise UserError(f"no rule family {name!r}", f"a family is a file: {file}", location=Location(str(path)))
    return _mapping(yamls.load_file(file, ours=_ours(file)), file, FAMILY_KEYS)


def _signature(item: Any, tensors: tuple[str, ...], path: Path) -> Signature:
    item = _mapping(item, path, (*tensors, "form", "result", "meaning", "dtype"))
    with _CitesPlace(_at(path, item)):
        return Signature(
            form=item.get("form", "only"),
            patterns={name: parse_pattern(str(item.get(name, ""))) for name in tensors},
            result=parse_pattern(str(item.get("result", ""))),
            meaning=item.get("meaning", ""),
            dtype=item.get("dtype", ""),
        )


def _requirement(item: Any, path: Path) -> Requirement:
    item = _mapping(item, path, _names(Requirement))
    with _CitesPlace(_at(path, item)):
        return Requirement(**item)


def _rule(item: Any, tensors: tuple[str, ...], path: Path) -> Rule:
    place = _at(path, item)
    item = dict(_mapping(item, path, [n for n in _names(Rule) if n != "source"]))
    with _CitesPlace(place):
        if not CODE.match(item.get("code", "")):
            raise ValueError(f"a code is SC and three digits, not {item.get('code')!r}")
        if item.get("severity") not in SEVERITIES:
            raise ValueError(f"severity: {did_you_mean(str(item.get('severity')), SEVERITIES)}")
        found = item.pop("found", [])
        alternatives = found if isinstance(found, list) else [found]
        item["found"] = tuple(
            {name: parse_pattern(str(text)) for name, text in _mapping(way, path, tensors).items()}
            for way in alternatives
        )
        item["fixes"] = tuple(_fix(fix, path) for fix in item.get("fixes", ()))
        item["traps"] = tuple(item.get("traps", ()))
        if set(_mapping(item.get("explain"), path, HEADINGS)) != set(HEADINGS):
            raise ValueError(f"explain of {item['code']} needs all of: {', '.join(HEADINGS)}")
        missing = [key for key in ("name", "message", "why", "explain") if not item.get(key)]
        if missing:
            raise ValueError(f"rule {item['code']} lacks {', '.join(missing)}")
        return Rule(source=place, **item)


def _fix(item: Any, path: Path) -> FixTemplate:
    place = _at(path, item)
    item = dict(_mapping(item, path, _names(FixTemplate)))
    with _CitesPlace(place):
        if item.get("kind") not in FIX_KINDS:
            raise ValueError(
                f"unknown kind of fix {item.get('kind')!r}; {did_you_mean(str(item.get('kind')), FIX_KINDS)}"
            )
        item["apply"] = item.get("apply") or {}
        return FixTemplate(**item)


def _names(kind: type) -> list[str]:
    return [field.name for field in fields(kind)]


def _at(path: Path, node: Any) -> Location:
    return Location(str(path), yamls.line_of(node))


class _CitesPlace:
    """Turns a ValueError of the parsers into a UserError that cites the rule file's line."""

    def __init__(self, location: Location) -> None:
        self.location = location

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: Any, error: BaseException | None, trace: Any) -> None:
        if isinstance(error, (ValueError, TypeError)):
            raise UserError(str(error), "see the rule language in the README", location=self.location) from None


def _mapping(node: Any, path: Path, allowed: Iterable[str]) -> Mapping[str, Any]:
    if not isinstance(node, Mapping):
        raise UserError("a mapping is due here", f"with some of: {', '.join(allowed)}", location=Location(str(path)))
    return _checked(node, allowed, path)


def _checked(node: Mapping[str, Any], allowed: Iterable[str], path: Path) -> Mapping[str, Any]:
    allowed = list(allowed)
    for key in node:
        if key not in allowed:
            raise UserError(f"unknown key {key!r}", did_you_mean(str(key), allowed), location=_at(path, node))
    return node


def _required(node: Mapping[str, Any], key: str, path: Path) -> Any:
    if key not in node:
        raise UserError(f"the key {key!r} is missing", location=_at(path, node))
    return node[key]
