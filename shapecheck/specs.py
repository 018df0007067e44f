"""The frozen data that every part of shapecheck speaks: tensors, subjects, what a probe saw.

No torch and no files here. A size is an int, or a name that stands for an unknown positive size;
equal names are equal sizes.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from shapecheck.errors import Location, UserError, did_you_mean

Size = int | str

ROLES = (
    "batch", "class", "time", "depth", "height", "width", "feature", "unit", "merged", "unknown",
)  # fmt: skip
VALUES = (
    "logits", "probabilities", "log-probabilities", "unit-interval", "class-index", "one-hot",
    "multi-hot", "continuous",
)  # fmt: skip
INTENTS = ("per-sample", "per-position")
FLOATING = ("float16", "bfloat16", "float32", "float64")
INTEGRAL = ("uint8", "int8", "int16", "int32", "int64")
COMPLEX = ("complex32", "complex64", "complex128")
DTYPES = (
    *FLOATING, *INTEGRAL, "bool", "complex64", "complex128", "uint16", "uint32", "uint64",
    "complex32", "float8_e4m3fn", "float8_e5m2", "float8_e4m3fnuz", "float8_e5m2fnuz",
)  # fmt: skip
DTYPE_ALIASES = {
    "half": "float16", "float": "float32", "double": "float64", "long": "int64", "int": "int32",
    "short": "int16", "char": "int8", "byte": "uint8", "cfloat": "complex64", "cdouble": "complex128",
    "fp16": "float16", "bf16": "bfloat16", "fp32": "float32", "fp64": "float64",
}  # fmt: skip
LARGEST_SIZE = 2**31 - 1

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\Z")


@dataclass(frozen=True)
class TensorSpec:
    """One tensor as far as it is known.

    `shape` has one `Size` an axis; `axes`, where known, one role of `ROLES` an axis. `minimum`, `maximum`, `total`
    (their sum) and `elements` (all of them, of small tensors) are of its values; `classes` is how many classes the data
    has; `values` is one of `VALUES`. `origin` is one of flag, spec, model, data, inferred, assumed. `python` is int,
    float or list where a Python value stands in the tensor's place. `permuted` is whether its axes were moved without a
    copy, so that they lie in memory in another order. `distinct` is how many different values there are; `stray` the
    one label beyond the classes where all others are within; `normalised` the axis
    along which scores are probabilities (or their logarithms), where that is not the axis of the classes; `odd` the index of the first value that is no finite number. `parts` are the tensors that can be had of what is no tensor,
    such as a tuple or an array, whose type then is `python`; None for a tensor, or a value that torch takes in its place.
    """

    shape: tuple[Size, ...]
    dtype: str | None = None
    axes: tuple[str, ...] | None = None
    minimum: float | None = None
    maximum: float | None = None
    classes: int | None = None
    values: str | None = None
    origin: str = "spec"
    total: float | None = None
    elements: tuple[float, ...] | None = None
    python: str = ""
    permuted: bool = False
    distinct: int | None = None
    stray: float | None = None
    normalised: int | None = None
    odd: tuple[int, ...] | None = None
    parts: tuple[Part, ...] | None = None


@dataclass(frozen=True)
class Part:
    """A tensor that can be had of what is no tensor.

    `how`: a member at a path such as `.logits` or `[0]`, all of it as one tensor, or a stack of its tensors. `among` is what
    a loop over all members runs over, `.values()` of a mapping; None where they are not all of them tensors.
    """

    how: str
    spec: TensorSpec
    path: str = ""
    among: str | None = None

    def code(self, name: str) -> str:
        """What has to be written for it."""
        if self.how == "member":
            return f"{name}{self.path}"
        return f"torch.as_tensor({name})" if self.how == "tensor" else f"torch.stack({name})"


@dataclass(frozen=True)
class InputRequest:
    """One dummy input the user asked for with --input; `name` is None for a positional one."""

    shape: tuple[Size, ...]
    dtype: str | None = None
    name: str | None = None


@dataclass(frozen=True)
class ProbedInput:
    """One dummy input as it was fed. `axes` has one role or name an axis, for messages; '' is a fixed size."""

    name: str
    shape: tuple[int, ...]
    dtype: str
    origin: str
    axes: tuple[str, ...] = ()


@dataclass(frozen=True)
class UsedArgument:
    """One constructor argument that a model was built with; `config.hidden` is a field of an object.

    `value` is plain data, or the text of an object. `origin` is flag, call (the user's own call or argparse default, at
    `location`) or guessed.
    """

    name: str
    value: Any
    origin: str
    location: Location | None = None


@dataclass(frozen=True)
class Remedy:
    """What the user's line would be without the fault. `proof` says what the model did when it was run so.

    `verified` is executed (the model was run with the change and the fault was gone) or no.
    """

    code: str
    verified: str = "no"
    proof: str = ""


@dataclass(frozen=True)
class Observation:
    """Something the model does that a loss, or its training, may care about.

    `kind` is softmax, log_softmax, sigmoid, argmax or detach, where `axis` is the output axis it runs over; or one of those
    that `rules/model.yaml` names under `observed:`, whose messages are filled from `facts` (shapes, sizes, words). `others` are
    more remedies, in the order of the rule's other fixes.
    """

    kind: str
    location: Location | None
    axis: int | None = None
    facts: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}), hash=False)
    remedy: Remedy | None = None
    others: tuple[Remedy, ...] = ()


@dataclass(frozen=True)
class WrittenCall:
    """A loss call in the user's own words: the expression, those of its tensors by the contract's names, and its line."""

    text: str
    tensors: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}), hash=False)
    location: Location | None = None


@dataclass(frozen=True, eq=False)
class Subject:
    """All that is known of one loss call, wherever it came from."""

    loss: str
    tensors: Mapping[str, TensorSpec]
    loss_args: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))
    name: str = ""
    location: Location | None = None
    intent: str | None = None
    classes: int | None = None
    inputs: tuple[ProbedInput, ...] = ()
    output_path: str = ""
    observations: tuple[Observation, ...] = ()
    engine: str = "none"
    notes: tuple[str, ...] = ()
    arguments: tuple[UsedArgument, ...] = ()
    written: WrittenCall | None = None


def parse_dtype(text: str) -> str:
    """A torch dtype's name, `torch.` and the usual short names accepted.

    Raises UserError with the nearest spelling.
    """
    name = text.strip().removeprefix("torch.")
    name = DTYPE_ALIASES.get(name, name)
    if name not in DTYPES:
        raise UserError(f"unknown dtype {text.strip()!r}", did_you_mean(name, DTYPES[:12]))
    return name


def parse_size(value: object, where: str = "a shape") -> Size:
    """One size: a whole number from 0 up, or a name. Raises UserError."""
    if isinstance(value, str):
        value = value.strip()
        if _NAME.match(value):
            return value
        try:
            value = int(value)
        except ValueError:
            raise UserError(
                f"{value!r} is not a size in {where}",
                "a size is a whole number or a name such as N or T; sizes are separated by commas",
            ) from None
    if isinstance(value, bool) or not isinstance(value, int):
        raise UserError(f"{value!r} is not a size in {where}", "a size is a whole number or a name")
    if value < 0:
        raise UserError(f"{where} has the negative size {value}", "write a name, such as N, for a size left open")
    if value > LARGEST_SIZE:
        raise UserError(
            f"{where} has a size of {value}, more than any tensor here can hold", f"the largest is {LARGEST_SIZE}"
        )
    return value


def parse_shape(text: str, where: str = "a shape") -> tuple[tuple[Size, ...], str | None]:
    """`N,1,T:int64` -> (('N', 1, 'T'), 'int64'). Brackets are allowed; no sizes, or `()`, is a scalar.

    Raises UserError.
    """
    sizes, _, dtype = text.partition(":")
    sizes = sizes.strip()
    if sizes[:1] in "([" and sizes[-1:] in ")]":
        sizes = sizes[1:-1].strip()
    parts = [part.strip() for part in sizes.rstrip(",").split(",")] if sizes else []
    return (
        tuple(parse_size(part, where) for part in parts),
        parse_dtype(dtype) if dtype.strip() else None,
    )


def parse_option(text: str, where: str) -> tuple[tuple[Size, ...], str | None]:
    """A shape on the command line, where nothing at all is a slip of the shell rather than a scalar. Raises UserError."""
    if not text.partition(":")[0].strip():
        raise UserError(f"{where} names no size", "write sizes separated by commas, such as N,T; a scalar is ()")
    return parse_shape(text, where)


def parse_input(text: str) -> InputRequest:
    """`--input`: `SHAPE[:DTYPE]`, `name=SHAPE[:DTYPE]`, or `batch.tokens=...` for one of several in one argument. Raises UserError."""
    name, equals, rest = text.partition("=")
    if equals and not all(_NAME.match(part) for part in name.strip().split(".")):
        raise UserError(f"--input {text!r}: {name!r} is not a parameter name", "write name=N,3,64,64:float32")
    shape, dtype = parse_option(rest if equals else text, f"--input {text!r}")
    return InputRequest(shape, dtype, name.strip() if equals else None)
