"""Rule files: what a loss accepts, what can be wrong with a call, and the fixes. Reads rules/*.yaml.

A rule file holds one loss; `family` names a file of rules that several losses share. Every mistake in one is an
error with `file:line`, the allowed keys and the nearest spelling. Reading one runs nothing of it. What runs later is the
function that its `call` names and, in `shapecheck rules test` alone, the code of its explanations.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache, cached_property
from pathlib import Path
from typing import Annotated, Any

from shapecheck import forms, yamls
from shapecheck.conditions import compile_condition, names_in
from shapecheck.errors import Location, UserError, did_you_mean
from shapecheck.forms import BESIDE, FILLED_IN, AllOf, Like, OneOf, OnlyKeys, Written, written
from shapecheck.messages import expressions
from shapecheck.operations import OPERATIONS, parse_operations
from shapecheck.plans import Patterns
from shapecheck.report import SEVERITIES
from shapecheck.shapes import Pattern, Term, parse_pattern
from shapecheck.specs import DTYPES, INTENTS

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
# What values make sense in a tensor; `samples.py` draws them.
HOLDS = (
    "logits", "numbers", "probabilities", "log-probabilities", "unit-interval", "class-index", "one-hot", "multi-hot",
    "class-list", "signs", "binary", "positive", "counts", "from-one", "around-zero", "continuous",
)  # fmt: skip
CODE = r"SC\d{3}"
CONTRACTS = ("rejects", "accepts", "any")
ARGUMENT_TYPES = ("bool", "int", "float", "str", "list", "dtype")
GUIDE = "Writing a rule"
ANY_LOSS = "any loss"
TAKES = ("member", "tensor", "stack", "each")
PYTHON_TYPES = ("float", "int", "list")

# How what the loader makes something of is written in a file; `forms.py` checks it, and tells editors.
Dtype = Annotated[str, OneOf(DTYPES)]
Code = Annotated[str, Like(CODE, "a code is SC and three digits")]
APattern = Annotated[Pattern, Written(str | int)]
APatternEach = Annotated[Patterns, Written(Mapping[str, str | int])]
ArgumentType = Annotated[
    str,
    Like(
        "|".join((*ARGUMENT_TYPES, r"\w+(\.\w+)+")), f"one of {', '.join(ARGUMENT_TYPES)}, or a class with its module"
    ),
]
SCALAR = Pattern(())
_NAMES = "|".join(OPERATIONS)
Chain = Annotated[
    str,
    Like(
        rf"\s*(?:{_NAMES})\([^()]*\)(?:\s*\.\s*(?:{_NAMES})\([^()]*\))*\s*",
        f"a chain of operations, such as order(batch, class, *where).float(); allowed: {', '.join(OPERATIONS)}",
    ),
]


@dataclass(frozen=True, eq=False)
class Operand:
    """A tensor of the loss; torch's own name for it is `alias` where ours is another.

    Where the user gives none it is of the shape `assume`, a pattern. `python` are the Python types torch takes in its
    place, `holds` what values make sense in it (see `samples.py`): the tensors that fixes are run on hold such. Lengths of
    what stands one after the other along an axis have that axis for `adds_up_to`. `unchecked` class indices torch takes as
    they are and reads memory elsewhere for those that no class has: it is never asked about such.
    """

    alias: str = ""
    dtype: Dtype = ""
    assume: APattern | None = None
    python: tuple[Annotated[str, OneOf(PYTHON_TYPES)], ...] = ()
    holds: str = ""
    adds_up_to: str = ""
    unchecked: bool = False
    follows: str = ""


@dataclass(frozen=True, eq=False)
class Argument:
    """A keyword of the loss: its default, or how it follows from the tensors.

    `tensor` where a tensor is due, with one value for each size of the axis it is `per`; without, it goes with the
    output element by element. A number `per` an axis is the size of that axis. `holds` as of an `Operand`.
    """

    default: Any = None
    tensor: bool = False
    type: ArgumentType = ""
    assume: str = ""
    per: str = ""
    holds: str = "positive"


@dataclass(frozen=True, eq=False)
class Signature:
    """One form of the contract: a pattern for each tensor. Torch takes the first that fits and whose `where` holds.

    `result` is the shape of the loss without reduction: a pattern, or a text of the condition language. What is
    `doubtful` torch computes, but it may be another form that is meant.
    """

    patterns: APatternEach = field(metadata=BESIDE)
    source: Location = field(metadata=FILLED_IN)
    form: str = "only"
    result: Annotated[Pattern | str, Written(str | int)] = SCALAR
    where: str = ""
    meaning: str = ""
    dtype: Dtype = ""
    doubtful: bool = False
    result_axes: dict[Any, Any] = field(default_factory=dict, metadata=FILLED_IN)  # see `matching.py`


@dataclass(frozen=True, eq=False)
class Requirement:
    """A condition that torch checks once the form is chosen, in cases where `where` holds.

    `misread` says that breaking it means the shapes were taken for another form than the one meant.
    """

    name: str
    that: str
    source: Location = field(metadata=FILLED_IN)
    where: str = ""
    misread: bool = False


@dataclass(frozen=True, eq=False)
class FixTemplate:
    """A way out, in operations on named axes.

    Without `apply`, `loss` or `loss_args` it is advice: `code` is shown and cannot be run. `run: without` re-runs the
    model with the observed call left out. `take` is for what is no tensor: the tensor to take of it (see `specs.Part`), or
    `each` of its members.
    """

    kind: Annotated[str, OneOf(FIX_KINDS)]
    title: str
    apply: Mapping[str, Chain] = field(default_factory=dict)
    code: str = ""
    loss: str = ""
    loss_args: Mapping[str, Any] | None = None
    when: str = ""
    run: Annotated[str, OneOf(("without",))] = ""
    applies_to: str = ""
    take: Annotated[str, OneOf(TAKES)] = ""


@dataclass(frozen=True, eq=False)
class Rule:
    """One way to break a contract. `found` are alternatives; the first that reads the shapes names the axes.

    Where `note_when` holds it is only a note, and `unless` says when all is well. `says` are torch's own texts, with sizes
    that are examples. A rule on the model `explains` findings on the tensors, by the beginnings of their codes,
    which are left out beside it.
    """

    code: Code
    name: str
    severity: Annotated[str, OneOf(SEVERITIES)]
    message: str
    why: str
    explain: Annotated[Mapping[str, str], AllOf(HEADINGS)]
    source: Location = field(metadata=FILLED_IN)
    file: Path = field(metadata=FILLED_IN)
    contract: Annotated[str, OneOf(CONTRACTS)] = "rejects"
    found: Annotated[tuple[Patterns, ...], Written(APatternEach | tuple[APatternEach, ...])] = ()
    when: str = ""
    note_when: str = ""
    unless: str = ""
    broken: str = ""
    mark: Mapping[str, str] | None = None
    sample: str = ""
    observed: str = ""
    explains: tuple[str, ...] = ()
    fixes: tuple[FixTemplate, ...] = ()
    traps: tuple[str, ...] = ()
    says: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class Loss:
    """A loss: how it is called, what it accepts, and the rules that explain a call it does not.

    `call` is a function of torch, a class of module (then the arguments are its constructor's), or a function of the
    user's, `losses.py:dice_loss`, in the folder of the rule file. `returns` is the attribute of what comes back that
    holds the loss. The first of the `tensors` is the model's output.
    """

    name: str
    call: str
    names: tuple[str, ...]
    tensors: Mapping[str, Operand]
    arguments: Mapping[str, Argument]
    signatures: tuple[Signature, ...]
    requires: tuple[Requirement, ...]
    readings: Mapping[str, Mapping[str, str]]
    rules: tuple[Rule, ...]
    source: Location
    file: Path
    contiguous: tuple[int, ...] = ()  # ranks of the output whose backward refuses a view
    returns: str = ""
    folders: tuple[Path, ...] = ()
    narrowed: dict[Any, Any] = field(default_factory=dict, repr=False)  # see `narrowing.py`

    @cached_property
    def output(self) -> str:
        """The tensor that the model gives."""
        return next(iter(self.tensors))

    @cached_property
    def target(self) -> str:
        """The tensor that the data set gives, or ''."""
        return next((name for name in ("target", "targets") if name in self.tensors), "")

    @cached_property
    def defaults(self) -> Mapping[str, Any]:
        """Torch's default of each keyword."""
        return {name: argument.default for name, argument in self.arguments.items()}

    @cached_property
    def assumed(self) -> tuple[str, ...]:
        """The keywords that follow from the tensors where they are not given."""
        return tuple(name for name, argument in self.arguments.items() if argument.assume)

    @cached_property
    def has_classes(self) -> bool:
        """Whether the contract has a class axis at all."""
        return any("class" in pattern.names for s in self.signatures for pattern in s.patterns.values())

    @cached_property
    def has_own_target_axes(self) -> bool:
        """Whether a form that can be meant gives the target an axis that the output has not."""
        usual = (s.patterns for s in self.signatures if self.target and not s.doubtful)
        return any(patterns[self.target].names - patterns[self.output].names for patterns in usual)

    @cached_property
    def forms(self) -> str:
        """The shapes that the contract takes, as torch's documentation writes them."""
        texts = (
            " and ".join(f"{name} {documented(pattern)}" for name, pattern in signature.patterns.items())
            for signature in reversed(self.signatures)
        )
        return "; ".join(dict.fromkeys(texts))

    @cached_property
    def written(self) -> str:
        """The call as people write it: `F.mse_loss`, `dice_loss`; a module is made before, as `criterion`."""
        module, _, name = self.call.replace(":", ".").rpartition(".")
        if module == "torch.nn.functional":
            return f"F.{name}"
        return "criterion" if name[:1].isupper() else name


_LETTERS = {"batch": "N", "class": "C", "time": "T", "feature": "D"}


def documented(pattern: Pattern) -> str:
    """`batch class *where` as torch's documentation writes it, (N, C, d1, ...)."""
    return f"({', '.join(map(_documented, pattern.terms))})"


def _documented(term: Term) -> str:
    if term.kind in ("star", "plus"):
        return "d1, ..." if term.name == "where" else "*"
    return " x ".join(map(_documented, term.parts)) or _LETTERS.get(term.name, str(term))


def rules_folder() -> Path:
    """The folder of the rule files: in the wheel beside this file, in a source tree at the top level."""
    inside = Path(__file__).parent / "rules"
    return inside if inside.is_dir() else Path(__file__).parent.parent / "rules"


def _ours(path: Path) -> bool:
    return path.is_relative_to(rules_folder())


def canonical(name: str) -> str:
    """`F.cross_entropy`, `torch.nn.CrossEntropyLoss`, ... -> the last part, for looking up."""
    return name.strip().rpartition(".")[2]


def has_file(name: str, folders: tuple[Path, ...] = ()) -> bool:
    """Whether a rule file has this name; cheap, for what may be no loss at all."""
    return any((folder / f"{name}.yaml").is_file() for folder in (*folders, rules_folder()))


@cache
def load_loss(name: str, folders: tuple[Path, ...] = ()) -> Loss:
    """The rule file of a loss by any of its names; `folders` come before the rules that ship.

    Raises UserError with the nearest name.
    """
    wanted = canonical(name)
    places = (*folders, rules_folder())
    for folder in places:
        direct = folder / f"{wanted}.yaml"
        if re.fullmatch(r"\w+", wanted) and direct.is_file():
            return _trusted(_read_loss(direct, folders))
        for path in loss_files(folder):
            top = _top(path)
            if wanted in (top.get("loss"), *top.get("names", ())):
                return _trusted(_read_loss(path, folders))
    known = [n for folder in places for path in loss_files(folder) for n in (path.stem, *_top(path).get("names", ()))]
    raise UserError(f"unknown loss {name!r}", did_you_mean(wanted, known))


def load_file(path: Path, folders: tuple[Path, ...] = ()) -> Loss:
    """The loss of one rule file, compiled. Raises UserError."""
    loss = _read_loss(path, folders)
    validate(loss)
    return loss


def _trusted(loss: Loss) -> Loss:
    """Compile what a rule file of the user's says at once; ours are compiled by the tests."""
    if not _ours(loss.file):
        validate(loss)
    return loss


def all_losses(folders: tuple[Path, ...] = ()) -> list[Loss]:
    """Every loss that has a rule file, by name; a file in `folders` stands for ours of the same loss."""
    found: dict[str, Loss] = {}
    for folder in (*folders, rules_folder()):
        for path in loss_files(folder):
            loss = _read_loss(path, folders)
            found.setdefault(loss.name, loss)
    return sorted(found.values(), key=lambda loss: loss.name)


@cache
def model_rules() -> tuple[Rule, ...]:
    """The rules on what a model does, whatever its loss."""
    return _of_any_loss("model")


@cache
def holder_rules() -> tuple[Rule, ...]:
    """The rules on what is passed in a tensor's place, whatever the loss."""
    return _of_any_loss("holders")


@cache
def number_rules() -> tuple[Rule, ...]:
    """The rules on values that are no finite numbers, whatever the loss."""
    return _of_any_loss("numbers")


def _of_any_loss(family: str) -> tuple[Rule, ...]:
    file = rules_folder() / "families" / f"{family}.yaml"
    return tuple(_rule(item, {}, file) for item in _family(file)["rules"])


def folder_of(rule: Rule, folders: tuple[Path, ...]) -> str:
    """The one of the user's folders that a rule is from, as they would type it; '' for a rule of ours."""
    return next((shown_path(folder) for folder in folders if rule.file.is_relative_to(folder)), "")


def all_rules(folders: tuple[Path, ...] = ()) -> dict[str, tuple[Rule, tuple[str, ...]]]:
    """Code -> the rule and the losses it belongs to; those on the model itself to `ANY_LOSS`."""
    found: dict[str, tuple[Rule, tuple[str, ...]]] = {}
    for loss in all_losses(folders):
        for rule in loss.rules:
            _, losses = found.get(rule.code, (rule, ()))
            found[rule.code] = (rule, losses if loss.name in losses else (*losses, loss.name))
    found |= {rule.code: (rule, (ANY_LOSS,)) for rule in (*holder_rules(), *number_rules(), *model_rules())}
    return dict(sorted(found.items()))


# What a condition may ask for besides tensors, keywords and axes.
KNOWN_NAMES = (
    "form", "forms", "loss", "reduces", "result", "observed", "classes", "positions", "count_one", "where_one", "where_role",
)  # fmt: skip


def validate(loss: Loss) -> None:
    """Compile every pattern, condition and operation of a loss. Raises UserError with the rule's place.

    Not done when a loss is loaded: it would cost each check more than the check, and the tests do it for our files.
    """
    axes = {name for signature in loss.signatures for pattern in signature.patterns.values() for name in pattern.names}
    for signature in loss.signatures:
        for text in (signature.where, signature.result if isinstance(signature.result, str) else ""):
            _condition(loss, signature.source, text, axes)
    for holds in [operand.holds for operand in loss.tensors.values()] + [a.holds for a in loss.arguments.values()]:
        if holds:
            _known(loss.source, holds, dict.fromkeys((*HOLDS, *axes)))
    for requirement in loss.requires:
        for text in (requirement.that, requirement.where):
            _condition(loss, requirement.source, text, axes)
    for rule in loss.rules:
        if rule.broken:
            _known(rule.source, rule.broken, dict.fromkeys(requirement.name for requirement in loss.requires))
        named = axes.union(*(pattern.names for way in rule.found for pattern in way.values()))
        for text in (rule.when, rule.note_when, *(fix.when for fix in rule.fixes)):
            _condition(loss, rule.source, text, named)
        for text in (
            rule.message,
            rule.why,
            rule.unless,
            *(text for fix in rule.fixes for text in (fix.title, fix.code)),
        ):
            for condition in expressions(text):
                _condition(loss, rule.source, condition, named)
        for fix in rule.fixes:
            for name, chain in fix.apply.items():
                _known(rule.source, name, (*loss.tensors, *loss.arguments))
                _compiled(rule.source, parse_operations, chain)
            if fix.loss:
                load_loss(fix.loss, loss.folders)
        for trap in rule.traps:
            _compiled(rule.source, parse_pattern, trap)


def _condition(loss: Loss, place: Location, text: str, axes: Iterable[str]) -> None:
    """A condition compiles, and asks only for what there is."""
    if not text:
        return
    _compiled(place, compile_condition, text)
    known = (*loss.tensors, *loss.arguments, *axes, *KNOWN_NAMES)
    for name in names_in(text):
        stem = name.removeprefix("count_").partition(".")[0]
        if stem not in known:
            _known(place, name, known)


def _known(place: Location, name: str, known: Iterable[str]) -> None:
    known = list(known)
    if name not in known:
        raise UserError(f"there is no {name!r} in this rule", did_you_mean(name, known), location=place)


def _compiled(place: Location, compiler: Callable[[str], object], text: str) -> None:
    try:
        compiler(text)
    except ValueError as error:
        raise UserError(str(error), "see 'Writing a rule' in the README", location=place) from None


def loss_files(folder: Path) -> list[Path]:
    """The rule files of a folder, without the cases beside them."""
    return sorted(path for path in folder.glob("*.yaml") if not path.name.endswith(".cases.yaml"))


def _top(path: Path) -> Mapping[str, Any]:
    return _document(path, LossFile)


def _document(path: Path, kind: type) -> Mapping[str, Any]:
    """The mapping of a file; that of a user is checked throughout, ours are by the tests."""
    document = yamls.load_file(path, shown_path(path), ours=_ours(path), guide=GUIDE)
    if not _ours(path):
        forms.check(document, forms.form_of(kind), shown_path(path))
    return _mapping(document, path, written(kind))


Readings = Annotated[
    Mapping[str, Mapping[str, str]],
    Written(
        Annotated[dict[str, Annotated[Mapping[str, str], AllOf(("target", "dtype", "meaning"))]], OnlyKeys(INTENTS)]
    ),
]


@dataclass(frozen=True, eq=False)
class LossFile:
    """A rule file as it is written. `family` names files of rules that it shares with other losses."""

    loss: str
    call: str
    contract: tuple[Signature, ...]
    returns: str = ""
    names: tuple[str, ...] = ()
    family: str | tuple[str, ...] = ()
    tensors: Mapping[str, Operand | None] | None = None
    arguments: Mapping[str, Argument | None] | None = None
    requires: tuple[Requirement, ...] = ()
    readings: Readings = field(default_factory=dict)
    rules: tuple[Rule, ...] = ()
    contiguous: tuple[int, ...] = ()


@dataclass(frozen=True, eq=False)
class FamilyFile:
    """A file of rules that several losses share, families/NAME.yaml."""

    family: str
    readings: Readings = field(default_factory=dict)
    requires: tuple[Requirement, ...] = ()
    rules: tuple[Rule, ...] = ()


@cache
def _read_loss(path: Path, folders: tuple[Path, ...] = ()) -> Loss:
    top = _top(path)
    families = [(file, _family(file)) for file in _family_files(top.get("family", ()), path)]
    tensors = _operands(top.get("tensors") or {"output": None, "target": None}, path)
    requires = [(item, file) for file, family in families for item in family.get("requires", ())]
    checked = [item for item, _ in requires] + list(top.get("requires", ()))
    rules = [(item, file) for file, family in families for item in family.get("rules", ()) if _concerns(item, checked)]
    readings: Mapping[str, Any] = next((family["readings"] for _, family in families if family.get("readings")), {})
    return Loss(
        name=_required(top, "loss", path),
        call=_required(top, "call", path),
        names=tuple(top.get("names", ())),
        tensors=tensors,
        arguments={
            key: Argument(**_checked(value or {}, written(Argument), path))
            for key, value in (top.get("arguments") or {}).items()
        },
        signatures=tuple(_signature(item, tensors, path) for item in _required(top, "contract", path)),
        requires=tuple(
            _requirement(item, file) for item, file in (*requires, *((item, path) for item in top.get("requires", ())))
        ),
        readings=top.get("readings", readings),  # an empty one: the target that the contract names
        # The loss's own rules come first: they know more than those of its families.
        rules=tuple(
            _rule(item, tensors, file) for item, file in (*((item, path) for item in top.get("rules", ())), *rules)
        ),
        source=_at(path, top),
        file=path,
        contiguous=tuple(top.get("contiguous", ())),
        returns=top.get("returns", ""),
        folders=folders,
    )


def _concerns(item: Any, requires: Iterable[Any]) -> bool:
    """Whether a rule of a family is of this loss: not if it explains a requirement that the loss does not have."""
    broken = item.get("broken") if isinstance(item, Mapping) else None
    return not broken or any(isinstance(each, Mapping) and each.get("name") == broken for each in requires)


def _operands(node: Any, path: Path) -> dict[str, Operand]:
    found = {}
    for name, item in node.items():
        item = dict(_checked(item or {}, written(Operand), path))
        with _CitesPlace(_at(path, node)):
            item["assume"] = None if item.get("assume") is None else parse_pattern(str(item["assume"]))
            item["python"] = tuple(item.get("python", ()))
            found[str(name)] = Operand(**item)
    return found


def _family_files(names: str | list[str], path: Path) -> Iterator[Path]:
    """The files of a loss's families: beside the loss, or those that ship."""
    for name in [names] if isinstance(names, str) else names:
        places = [folder / "families" / f"{name}.yaml" for folder in (path.parent, rules_folder())]
        file = next((place for place in places if place.is_file()), None)
        if file is None:
            raise UserError(
                f"no rule family {name!r}", f"a family is a file: {places[0]}", location=Location(shown_path(path))
            )
        yield file


@cache
def _family(file: Path) -> Mapping[str, Any]:
    return _document(file, FamilyFile)


def _signature(item: Any, tensors: Mapping[str, Operand], path: Path) -> Signature:
    keys = written(Signature)
    item = _mapping(item, path, (*tensors, *keys))
    with _CitesPlace(_at(path, item)):
        facts = {name: item[name] for name in keys if name in item and name != "result"}
        result = str(item.get("result", ""))
        return Signature(
            source=_at(path, item),
            patterns=_patterns({name: item.get(name, "") for name in tensors}),
            result=result[1:].strip() if result.startswith("=") else parse_pattern(result),
            **facts,
        )


def _patterns(texts: Mapping[str, Any]) -> Patterns:
    return Patterns({name: parse_pattern(str(text)) for name, text in texts.items()})


def _requirement(item: Any, path: Path) -> Requirement:
    item = _mapping(item, path, written(Requirement))
    with _CitesPlace(_at(path, item)):
        return Requirement(source=_at(path, item), **item)


def _rule(item: Any, tensors: Mapping[str, Operand], path: Path) -> Rule:
    place = _at(path, item)
    item = dict(_mapping(item, path, written(Rule)))
    with _CitesPlace(place):
        if not re.fullmatch(CODE, str(item.get("code", ""))):
            raise ValueError(f"a code is SC and three digits, not {item.get('code')!r}")
        if item.get("severity") not in SEVERITIES:
            raise ValueError(f"severity: {did_you_mean(str(item.get('severity')), SEVERITIES)}")
        found = item.pop("found", [])
        alternatives = found if isinstance(found, list) else [found]
        item["found"] = tuple(_patterns(_mapping(way, path, tensors)) for way in alternatives)
        item["fixes"] = tuple(_fix(fix, path) for fix in item.get("fixes", ()))
        item["traps"] = tuple(item.get("traps", ()))
        item["says"] = tuple(item.get("says", ()))
        item["explains"] = tuple(item.get("explains", ()))
        if set(_mapping(item.get("explain"), path, HEADINGS)) != set(HEADINGS):
            raise ValueError(f"explain of {item['code']} needs all of: {', '.join(HEADINGS)}")
        missing = [key for key in ("name", "message", "why", "explain") if not item.get(key)]
        if missing:
            raise ValueError(f"rule {item['code']} lacks {', '.join(missing)}")
        return Rule(source=place, file=path, **item)


def _fix(item: Any, path: Path) -> FixTemplate:
    place = _at(path, item)
    item = dict(_mapping(item, path, written(FixTemplate)))
    with _CitesPlace(place):
        if item.get("kind") not in FIX_KINDS:
            raise ValueError(
                f"unknown kind of fix {item.get('kind')!r}; {did_you_mean(str(item.get('kind')), FIX_KINDS)}"
            )
        return FixTemplate(**item)


def _at(path: Path, node: Any) -> Location:
    return Location(shown_path(path), yamls.line_of(node))


@cache
def shown_path(path: Path) -> str:
    """The path as a user in the current folder would type it."""
    try:
        return str(path.relative_to(Path.cwd()))
    except (ValueError, OSError):  # elsewhere; or there is no current folder any more
        return str(path)


class _CitesPlace:
    """Turns a ValueError of the parsers into a UserError that cites the rule file's line."""

    def __init__(self, location: Location) -> None:
        self.location = location

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: Any, error: BaseException | None, trace: Any) -> None:
        if isinstance(error, (ValueError, TypeError)):
            raise UserError(str(error), "see 'Writing a rule' in the README", location=self.location) from None


def _mapping(node: Any, path: Path, allowed: Iterable[str]) -> Mapping[str, Any]:
    if not isinstance(node, Mapping):
        raise UserError(
            "a mapping is due here", f"with some of: {', '.join(allowed)}", location=Location(shown_path(path))
        )
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
