"""The operations that fixes are made of: written with axis names, resolved to torch calls with positions.

    order(batch, class, *where).float()     ->  output.movedim(-1, 1).float()

Resolving tracks the axes by name, so that the shape after a fix, its code and the calls that are run all come from
one place. Pure: `Call.run` takes the tensor and the torch module it is to use from its caller.
"""

from __future__ import annotations

import ast
import math
import operator
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

from shapecheck.conditions import from_python, to_python
from shapecheck.specs import FLOATING


@dataclass(frozen=True, eq=False)
class Named:
    """A tensor by axis names and sizes.

    `origins` says which axes of the tensor before any fix each axis holds, outermost first; `done` lists what has
    been done beyond moving elements, as (operation, original axes, detail). The reference of `verify.py` needs both.
    """

    names: tuple[str, ...]
    sizes: tuple[int, ...]
    dtype: str = ""
    origins: tuple[tuple[Any, ...], ...] = ()
    done: tuple[tuple[str, tuple[Any, ...], Any], ...] = ()
    contiguous: bool = False  # copied into the order of its axes

    @classmethod
    def fresh(cls, names: tuple[str, ...], sizes: tuple[int, ...], dtype: str) -> Named:
        return cls(names, sizes, dtype, tuple((axis,) for axis in range(len(names))))

    def position(self, name: str) -> int:
        if name not in self.names:
            raise DoesNotApply(f"no axis {name!r} in ({', '.join(self.names)})")
        return self.names.index(name)

    def expand(self, name: str) -> list[str]:
        """`*where` -> the names of its axes that are still there."""
        if name.startswith("*"):
            return [n for n in self.names if n.partition(".")[0] == name[1:] and "*" not in n]
        return [name]

    def keep(self, positions: Sequence[int]) -> Named:
        return replace(
            self,
            names=tuple(self.names[p] for p in positions),
            sizes=tuple(self.sizes[p] for p in positions),
            origins=tuple(self.origins[p] for p in positions),
        )

    def drop(self, positions: Sequence[int], operation: str = "", detail: Any = None) -> Named:
        """Without these axes; `operation` is noted in `done` with the original axes it consumed."""
        kept = self.keep([p for p in range(len(self.names)) if p not in positions])
        return kept.note(operation, positions, self, detail) if operation else kept

    def note(self, operation: str, positions: Sequence[int], before: Named, detail: Any = None) -> Named:
        consumed = tuple(origin for p in positions for origin in before.origins[p])
        return replace(self, done=(*self.done, (operation, consumed, detail)))

    def splice(self, first: int, last: int, names: tuple[str, ...], sizes: tuple[int, ...], origins: Any) -> Named:
        """Axes first..last replaced by others."""
        return replace(
            self,
            names=(*self.names[:first], *names, *self.names[last + 1 :]),
            sizes=(*self.sizes[:first], *sizes, *self.sizes[last + 1 :]),
            origins=(*self.origins[:first], *origins, *self.origins[last + 1 :]),
        )


class DoesNotApply(Exception):
    """An operation that has no meaning on these axes; the fix is not offered."""


@dataclass(frozen=True)
class SizeOf:
    """The size of an axis of a named tensor, so that pasted code holds for any size."""

    tensor: str
    axis: int

    def code(self) -> str:
        return f"{self.tensor}.shape[{self.axis}]"


@dataclass(frozen=True)
class Span:
    """A slice (Python's own cannot be hashed before 3.12); a `SizeOf` as start counts from the end."""

    start: int | SizeOf | None = None
    stop: int | SizeOf | None = None


@dataclass(frozen=True)
class DtypeOf:
    """The dtype of a named tensor."""

    tensor: str

    def code(self) -> str:
        return f"{self.tensor}.dtype"


@dataclass(frozen=True)
class Call:
    """One torch call on the value so far: a method, a function (value first), an index, an operator, a method that
    takes another of the tensors (`peer`), or `attention`."""

    kind: str
    name: str
    args: tuple[Any, ...] = ()
    kwargs: tuple[tuple[str, Any], ...] = ()

    def code(self, value: str) -> str:
        arguments = ", ".join([*map(_literal, self.args), *(f"{key}={_literal(item)}" for key, item in self.kwargs)])
        if self.kind == "method":
            return f"{value}.{self.name}({arguments})"
        if self.kind == "index":
            return f"{value}[{', '.join(map(_slice, self.args))}]"
        if self.kind == "operator":
            return f"{value} {self.name} {_literal(self.args[0])}"
        if self.kind == "peer":
            return f"{value}.{self.name}({self.args[0]})"
        if self.kind == "attention":
            return f"(weights * {value}).sum(dim={self.args[0]})"
        return f"{self.name}({value}{', ' if arguments else ''}{arguments})"

    def run(self, value: Any, tensors: Mapping[str, Any], functional: Any, attention: Any = None) -> Any:
        """Apply to a torch tensor; `functional` is torch.nn.functional, `attention` the pooling layer."""
        args = [_resolved(item, tensors) for item in self.args]
        kwargs = {key: _resolved(item, tensors) for key, item in self.kwargs}
        if self.kind == "method":
            return getattr(value, self.name)(*args, **kwargs)
        if self.kind == "index":
            return value[tuple(args)]
        if self.kind == "operator":
            return _ARITHMETIC[self.name](value, args[0])
        if self.kind == "peer":
            return getattr(value, self.name)(tensors[self.args[0]])
        if self.kind == "attention":
            return (value * attention(value).softmax(dim=args[0])).sum(dim=args[0])
        return getattr(functional, self.name.removeprefix("F."))(value, *args, **kwargs)


_ARITHMETIC: Mapping[str, Callable[[Any, Any], Any]] = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "/": operator.truediv,
    "//": operator.floordiv,
}


def _resolved(item: Any, tensors: Mapping[str, Any]) -> Any:
    if isinstance(item, SizeOf):
        return tensors[item.tensor].shape[item.axis]
    if isinstance(item, DtypeOf):
        return tensors[item.tensor].dtype
    if isinstance(item, tuple):
        return tuple(_resolved(part, tensors) for part in item)
    if isinstance(item, Span):
        start = _resolved(item.start, tensors)
        return slice(-start if isinstance(item.start, SizeOf) else start, _resolved(item.stop, tensors))
    return item


def _literal(item: Any) -> str:
    if isinstance(item, (SizeOf, DtypeOf)):
        return item.code()
    if isinstance(item, tuple):
        inside = ", ".join(map(_literal, item))
        return f"({inside},)" if len(item) == 1 else f"({inside})"
    return repr(item)


def _slice(item: Any) -> str:
    if item is Ellipsis:
        return "..."
    if isinstance(item, Span):
        start = "" if item.start is None else ("-" if isinstance(item.start, SizeOf) else "") + _literal(item.start)
        return f"{start}:{'' if item.stop is None else _literal(item.stop)}"
    return _literal(item)


Arguments = tuple[Any, ...]
Others = Mapping[str, Named]
Operation = Callable[[Named, Arguments, Others], tuple[Named, list[Call]]]


@cache
def parse_operations(text: str) -> tuple[tuple[str, Arguments], ...]:
    """`order(batch, *where).float()` -> (('order', ('batch', '*where')), ('float', ())).

    Raises ValueError for anything but a chain of known operations with names and literals.
    """
    try:
        node: ast.expr = ast.parse(f"_.{to_python(text)}", mode="eval").body
    except SyntaxError as error:
        raise ValueError(f"operations {text!r}: {error.msg}") from None
    chain: list[tuple[str, Arguments]] = []
    while isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and not node.keywords:
        if node.func.attr not in OPERATIONS:
            raise ValueError(f"operations {text!r}: no operation {node.func.attr!r}; allowed: {', '.join(OPERATIONS)}")
        chain.append((node.func.attr, tuple(_argument(argument, text) for argument in node.args)))
        node = node.func.value
    if not isinstance(node, ast.Name) or node.id != "_" or not chain:
        raise ValueError(f"operations {text!r}: write a chain of operations, such as order(batch, class).float()")
    return tuple(reversed(chain))


def _argument(node: ast.expr, text: str) -> Any:
    if isinstance(node, ast.Name):
        return from_python(node.id)
    if isinstance(node, ast.Starred) and isinstance(node.value, ast.Name):
        return f"*{from_python(node.value.id)}"
    try:
        return ast.literal_eval(node)
    except ValueError:
        raise ValueError(f"operations {text!r}: {ast.unparse(node)!r} is neither a name nor a literal") from None


def resolve(text: str, tensor: Named, others: Others) -> tuple[Named, tuple[Call, ...]]:
    """The tensor after a chain of operations, and the torch calls that do it. Raises DoesNotApply."""
    calls: list[Call] = []
    for name, arguments in parse_operations(text):
        tensor, more = OPERATIONS[name](tensor, arguments, others)
        calls += more
    return tensor, tuple(calls)


def code_of(calls: Sequence[Call], value: str) -> str:
    """The calls as torch code on `value`."""
    previous: Call | None = None
    for call in calls:
        after_operator = previous is not None and previous.kind == "operator"
        sum_of_product = (
            call.kind == "operator" and call.name in "+-" and previous is not None and previous.name in ("*", "/", "//")
        )
        value = call.code(f"({value})" if after_operator and not sum_of_product else value)
        previous = call
    return value


def size_bound(calls: Mapping[str, Sequence[Call]]) -> bool:
    """Whether code holds for the sizes at hand only, because a number in it was made from them."""
    return any(
        call.name == "F.pad" or any(isinstance(item, Span) and isinstance(item.start, int) for item in call.args)
        for chain in calls.values()
        for call in chain
    )


def _order(tensor: Named, arguments: Arguments, others: Others) -> tuple[Named, list[Call]]:
    wanted = [name for argument in arguments for name in tensor.expand(argument)]
    left = [name for name in tensor.names if name not in wanted]
    if left or len(wanted) != len(tensor.names):
        raise DoesNotApply(f"order leaves {left} out")
    permutation = [tensor.position(name) for name in wanted]
    return tensor.keep(permutation), _permutation_calls(permutation)


def _permutation_calls(permutation: list[int]) -> list[Call]:
    rank = len(permutation)
    if permutation == sorted(permutation):
        return []
    for source in range(rank - 1, -1, -1):  # one axis moved reads better than a full permutation
        rest = [axis for axis in range(rank) if axis != source]
        for destination in range(rank):
            if [*rest[:destination], source, *rest[destination:]] == permutation:
                return [Call("method", "movedim", (_from_end(source, rank), _from_end(destination, rank)))]
    return [Call("method", "permute", tuple(permutation))]


def _from_end(axis: int, rank: int) -> int:
    """-1 for the last axis, as people write it; other axes from the front."""
    return -1 if axis == rank - 1 and axis > 0 else axis


def _reduction(method: str, keep: bool = False) -> Operation:
    def reduce(tensor: Named, arguments: Arguments, others: Others) -> tuple[Named, list[Call]]:
        axes = [tensor.position(name) for argument in arguments for name in tensor.expand(argument)]
        if not axes:
            raise DoesNotApply("nothing to reduce over")
        dim = axes[0] if len(axes) == 1 else tuple(axes)
        if not keep:
            return tensor.drop(axes, method), [Call("method", method, (), (("dim", dim),))]
        kept = tensor.note(method, axes, tensor)
        for count, axis in enumerate(axes):
            kept = kept.splice(axis, axis, (f"one.{count}",), (1,), ((),))
        return kept, [Call("method", method, (), (("dim", dim), ("keepdim", True)))]

    return reduce


def _last(tensor: Named, arguments: Arguments, others: Others) -> tuple[Named, list[Call]]:
    axes = [tensor.position(name) for argument in arguments for name in tensor.expand(argument)]
    if len(axes) != 1:
        raise DoesNotApply("there is one last step only along one axis")
    return tensor.drop(axes, "last"), [_index_call(axes[0], -1, len(tensor.names))]


def _index_call(axis: int, index: Any, rank: int) -> Call:
    if axis == rank - 1 and rank > 2:
        return Call("index", "", (Ellipsis, index))
    return Call("index", "", (*[Span()] * axis, index))


def _attend(tensor: Named, arguments: Arguments, others: Others) -> tuple[Named, list[Call]]:
    axes = [tensor.position(name) for argument in arguments for name in tensor.expand(argument)]
    if len(axes) != 1 or tensor.names[-1] != "class" or axes[0] == len(tensor.names) - 1:
        raise DoesNotApply("attention pools one axis, scores from the last")
    call = Call("attention", "attention", (axes[0],), (("features", tensor.sizes[-1]),))
    return tensor.drop(axes, "attend"), [call]


def _merge(tensor: Named, arguments: Arguments, others: Others) -> tuple[Named, list[Call]]:
    axes = [tensor.position(name) for argument in arguments for name in tensor.expand(argument)]
    if len(axes) < 2 or axes != list(range(axes[0], axes[0] + len(axes))):
        raise DoesNotApply("only axes that stand side by side can be merged")
    first, last = axes[0], axes[-1]
    name = "*".join(tensor.names[first : last + 1])
    size = math.prod(tensor.sizes[first : last + 1])
    origins = tuple(origin for axis in axes for origin in tensor.origins[axis])
    merged = tensor.splice(first, last, (name,), (size,), (origins,))
    whole = len(axes) == len(tensor.names)
    return merged, [Call("method", "flatten", () if whole else (first, last))]


def _split(tensor: Named, arguments: Arguments, others: Others) -> tuple[Named, list[Call]]:
    """split(batch, rows): undo a merge of two; the first size is that of another tensor's axis of the same name."""
    axis = tensor.position("*".join(arguments))
    name, place, outer = _holder(others, arguments[0])
    sizes = (outer, tensor.sizes[axis] // outer)
    (source,) = tensor.origins[axis]
    origins = ((("outer", source, sizes[1]),), (("inner", source, sizes[1]),))
    split = tensor.splice(axis, axis, arguments, sizes, origins)
    return split, [Call("method", "unflatten", (axis, (_size_of(others, name, place), -1)))]


def _squeeze(tensor: Named, arguments: Arguments, others: Others) -> tuple[Named, list[Call]]:
    axis = tensor.position(arguments[0])
    if tensor.sizes[axis] != 1:
        raise DoesNotApply("only an axis of size one can be squeezed")
    return tensor.drop([axis]), [Call("method", "squeeze", (_from_end(axis, len(tensor.names)),))]


def _unsqueeze(tensor: Named, arguments: Arguments, others: Others) -> tuple[Named, list[Call]]:
    """unsqueeze(1, one.0): a new axis of size one; a negative place counts from behind, as in torch."""
    place, name = arguments[0], arguments[1] if len(arguments) > 1 else "one.0"
    axis = place if place >= 0 else len(tensor.names) + 1 + place
    if not 0 <= axis <= len(tensor.names):
        raise DoesNotApply(f"there are only {len(tensor.names)} axes")
    added = tensor.splice(axis, axis - 1, (name,), (1,), ((),))
    return added, [Call("method", "unsqueeze", (place,))]


def _argmax(tensor: Named, arguments: Arguments, others: Others) -> tuple[Named, list[Call]]:
    axis = tensor.position(arguments[0])
    indices = replace(tensor.drop([axis], "argmax"), dtype="int64")
    cast = [Call("method", "long")] if tensor.dtype == "bool" else []  # torch has no argmax of bool
    return indices, [*cast, Call("method", "argmax", (), (("dim", axis),))]


def _cast(method: str, dtype: str) -> Operation:
    def cast(tensor: Named, arguments: Arguments, others: Others) -> tuple[Named, list[Call]]:
        if tensor.dtype == dtype or (method == "float" and tensor.dtype in FLOATING):
            return tensor, []
        return replace(tensor, dtype=dtype), [Call("method", method)]

    return cast


def _pick(tensor: Named, arguments: Arguments, others: Others) -> tuple[Named, list[Call]]:
    """pick(channel, 0): one slice of an axis."""
    axis = tensor.position(arguments[0])
    return tensor.drop([axis], "pick", arguments[1]), [_index_call(axis, arguments[1], len(tensor.names))]


def _crop_end(tensor: Named, arguments: Arguments, others: Others) -> tuple[Named, list[Call]]:
    """crop_end(other.0, where.0): keep the last steps, as many as the other tensor has."""
    old, new = arguments
    axis = tensor.position(old)
    name, other = next(((n, o) for n, o in others.items() if new in o.names), (None, None))
    if name is None or other is None:
        raise DoesNotApply(f"no tensor has the axis {new!r}")
    size = other.sizes[other.position(new)]
    if size >= tensor.sizes[axis]:
        raise DoesNotApply("nothing to cut off")
    start = _size_of(others, name, other.position(new))
    cut = tensor.splice(axis, axis, (new,), (size,), (tensor.origins[axis],))
    cut = cut.note("crop", [axis], tensor, (tensor.sizes[axis] - size, size))
    return cut, [Call("index", "", (*[Span()] * axis, Span(start)))]


def _crop_start(tensor: Named, arguments: Arguments, others: Others) -> tuple[Named, list[Call]]:
    """crop_start(other.0, where.0): keep the first steps, as many as the other tensor has."""
    old, new = arguments
    axis = tensor.position(old)
    name, other = next(((n, o) for n, o in others.items() if new in o.names), (None, None))
    if name is None or other is None:
        raise DoesNotApply(f"no tensor has the axis {new!r}")
    size = other.sizes[other.position(new)]
    if size >= tensor.sizes[axis]:
        raise DoesNotApply("nothing to cut off")
    cut = tensor.splice(axis, axis, (new,), (size,), (tensor.origins[axis],)).note("crop", [axis], tensor, (0, size))
    return cut, [Call("index", "", (*[Span()] * axis, Span(None, _size_of(others, name, other.position(new)))))]


def _crop_centre(tensor: Named, arguments: Arguments, others: Others) -> tuple[Named, list[Call]]:
    """crop_centre(*other, *where): keep the middle of every axis, as unpadded convolutions do."""
    olds = tensor.expand(arguments[0])
    stem = arguments[1].lstrip("*")
    other = next((o for o in others.values() if f"{stem}.0" in o.names), None)
    if other is None or not olds:
        raise DoesNotApply("no axes to cut to")
    index: list[Any] = [Span()] * len(tensor.names)
    cut = tensor
    for old in olds:
        new = f"{stem}.{old.partition('.')[2]}"
        axis, size = tensor.position(old), other.sizes[other.position(new)]
        start = (tensor.sizes[axis] - size) // 2
        if start < 0:
            raise DoesNotApply("the other tensor is larger")
        index[axis] = Span(start, start + size)
        cut = cut.splice(axis, axis, (new,), (size,), (tensor.origins[axis],)).note(
            "crop", [axis], tensor, (start, size)
        )
    return cut, [Call("index", "", tuple(index))]


def _resize(tensor: Named, arguments: Arguments, others: Others) -> tuple[Named, list[Call]]:
    """resize(*where, *other): interpolate a (batch, class, ...) tensor to the other's sizes."""
    olds = tensor.expand(arguments[0])
    stem = arguments[1].lstrip("*")
    name, other = next(((n, o) for n, o in others.items() if f"{stem}.0" in o.names), (None, None))
    if (
        other is None
        or name is None
        or not 1 <= len(olds) <= 3
        or list(tensor.names[2:]) != olds
        or len(other.expand(f"*{stem}")) != len(olds)
    ):
        raise DoesNotApply("interpolate takes (batch, class, ...)")
    new = [f"{stem}.{index}" for index in range(len(olds))]
    first = other.position(new[0])
    sizes = tuple(_size_of(others, name, first + index) for index in range(len(new)))
    mode = ("linear", "bilinear", "trilinear")[len(olds) - 1]
    resized = tensor.splice(
        2, 1 + len(new), tuple(new), tuple(other.sizes[first : first + len(new)]), tensor.origins[2:]
    )
    resized = resized.note("resize", range(2, 2 + len(new)), tensor)
    return resized, [Call("function", "F.interpolate", (), (("size", sizes), ("mode", mode)))]


def _shift(tensor: Named, arguments: Arguments, others: Others) -> tuple[Named, list[Call]]:
    amount = int(arguments[0])
    call = Call("operator", "-" if amount < 0 else "+", (abs(amount),))
    return tensor.note("shift", (), tensor, amount), [call]


def _times(tensor: Named, arguments: Arguments, others: Others) -> tuple[Named, list[Call]]:
    return tensor.note("times", (), tensor, arguments[0]), [Call("operator", "*", (arguments[0],))]


def _quotient(tensor: Named, arguments: Arguments, others: Others) -> tuple[Named, list[Call]]:
    return tensor.note("quotient", (), tensor, arguments[0]), [Call("operator", "//", (arguments[0],))]


def _divide(tensor: Named, arguments: Arguments, others: Others) -> tuple[Named, list[Call]]:
    """divide(255): floating point from here on."""
    dtype = tensor.dtype if tensor.dtype in FLOATING else "float32"
    return replace(tensor.note("times", (), tensor, 1 / arguments[0]), dtype=dtype), [
        Call("operator", "/", (arguments[0],))
    ]


def _elementwise(method: str) -> Operation:
    def apply(tensor: Named, arguments: Arguments, others: Others) -> tuple[Named, list[Call]]:
        return tensor.note(method, (), tensor), [Call("method", method)]

    return apply


def _normalise(method: str) -> Operation:
    def apply(tensor: Named, arguments: Arguments, others: Others) -> tuple[Named, list[Call]]:
        axis = tensor.position(arguments[0])
        return tensor.note(method, [axis], tensor), [Call("method", method, (), (("dim", axis),))]

    return apply


def _like(tensor: Named, arguments: Arguments, others: Others) -> tuple[Named, list[Call]]:
    """like(output): the dtype of another tensor."""
    other = _other(others, arguments[0])
    if tensor.dtype == other.dtype:
        return tensor, []
    return replace(tensor, dtype=other.dtype), [Call("method", "to", (DtypeOf(arguments[0]),))]


def _other(others: Others, name: str) -> Named:
    if name not in others:
        raise DoesNotApply(f"there is no tensor {name!r}")
    return others[name]


def _holder(others: Others, axis: str) -> tuple[str, int, int]:
    """The first tensor that has an axis of that name, the axis' place and its size."""
    for name, other in others.items():
        if axis in other.names:
            return name, other.position(axis), other.sizes[other.position(axis)]
    raise DoesNotApply(f"no tensor has the axis {axis!r}")


def _size_of(others: Others, name: str, axis: int) -> SizeOf:
    """The size of an axis as code reads it off the tensor before any fix."""
    origins = others[name].origins[axis]
    if len(origins) != 1 or not isinstance(origins[0], int):
        raise DoesNotApply(f"no axis of {name} as it is has that size")
    return SizeOf(name, origins[0])


def _pad_to(tensor: Named, arguments: Arguments, others: Others) -> tuple[Named, list[Call]]:
    """pad_to(class): fill a vector up with ones to the size of another tensor's axis."""
    _, _, size = _holder(others, arguments[0])
    if len(tensor.sizes) != 1:
        raise DoesNotApply("only a vector can be filled up")
    missing = size - tensor.sizes[0]
    if missing <= 0:
        raise DoesNotApply("nothing to fill up")
    padded = replace(tensor, sizes=(tensor.sizes[0] + missing,))
    return padded, [Call("function", "F.pad", ((0, missing),), (("value", 1.0),))]


def _align(tensor: Named, arguments: Arguments, others: Others) -> tuple[Named, list[Call]]:
    """align(class): a vector gets trailing axes of one, so that it lines up with that axis of another tensor."""
    name, axis, size = _holder(others, arguments[0])
    behind = len(others[name].names) - 1 - axis
    if tensor.sizes != (size,) or not behind:
        raise DoesNotApply("only a vector of that axis can be lined up with it")
    ones = (1,) * behind
    aligned = tensor.splice(1, 0, tuple(f"one.{i}" for i in range(behind)), ones, ((),) * behind)
    return aligned, [Call("method", "view", (-1, *ones))]


def _clamp_to(tensor: Named, arguments: Arguments, others: Others) -> tuple[Named, list[Call]]:
    """clamp_to(time): no value beyond the size of that axis."""
    name, axis, size = _holder(others, arguments[0])
    return tensor.note("clamp", (), tensor, size), [
        Call("method", "clamp", (), (("max", _size_of(others, name, axis)),))
    ]


def _one_hot(tensor: Named, arguments: Arguments, others: Others) -> tuple[Named, list[Call]]:
    """one_hot(class): class indices to a new last axis of that name, floating point."""
    name, axis, size = _holder(others, arguments[0])
    rank = len(tensor.names)
    hot = tensor.splice(rank, rank - 1, (arguments[0],), (size,), ((("one-hot", size),),)).note("one_hot", (), tensor)
    calls = [Call("function", "F.one_hot", (_size_of(others, name, axis),)), Call("method", "float")]
    cast = [] if tensor.dtype == "int64" else [Call("method", "long")]
    return replace(hot, dtype="float32"), [*cast, *calls]


def _expand_like(tensor: Named, arguments: Arguments, others: Others) -> tuple[Named, list[Call]]:
    """expand_like(output): repeat along axes of one, and new axes in front, to the other's shape."""
    other = _other(others, arguments[0])
    new = len(other.sizes) - len(tensor.sizes)
    fits = new >= 0 and all(own in (1, size) for own, size in zip(tensor.sizes, other.sizes[new:]))
    if not fits or tensor.sizes == other.sizes:
        raise DoesNotApply("the other shape is no expansion of this one")
    kept = zip(tensor.sizes, other.sizes[new:], tensor.origins)
    origins = (*((),) * new, *(origin if own == size else () for own, size, origin in kept))
    grown = replace(tensor, names=other.names, sizes=other.sizes, origins=origins).note("expand", (), tensor)
    return grown, [Call("peer", "expand_as", (arguments[0],))]


def _contiguous(tensor: Named, arguments: Arguments, others: Others) -> tuple[Named, list[Call]]:
    return replace(tensor, contiguous=True), [Call("method", "contiguous")]


def _flat(tensor: Named, arguments: Arguments, others: Others) -> tuple[Named, list[Call]]:
    """All axes in one."""
    flat = Named(("all",), (math.prod(tensor.sizes),), tensor.dtype, (tuple(range(len(tensor.sizes))),), tensor.done)
    return flat, [Call("method", "flatten")]


OPERATIONS: Mapping[str, Operation] = {
    "order": _order,
    "mean": _reduction("mean"),
    "mean_keep": _reduction("mean", keep=True),
    "sum": _reduction("sum"),
    "sum_keep": _reduction("sum", keep=True),
    "amax": _reduction("amax"),
    "last": _last,
    "attend": _attend,
    "merge": _merge,
    "split": _split,
    "squeeze": _squeeze,
    "unsqueeze": _unsqueeze,
    "argmax": _argmax,
    "long": _cast("long", "int64"),
    "float": _cast("float", "float32"),
    "pick": _pick,
    "crop_end": _crop_end,
    "crop_start": _crop_start,
    "crop_centre": _crop_centre,
    "resize": _resize,
    "shift": _shift,
    "times": _times,
    "divide": _divide,
    "quotient": _quotient,
    "like": _like,
    "pad_to": _pad_to,
    "align": _align,
    "flat": _flat,
    "clamp_to": _clamp_to,
    "one_hot": _one_hot,
    "expand_like": _expand_like,
    "contiguous": _contiguous,
    "log": _elementwise("log"),
    "exp": _elementwise("exp"),
    "sigmoid": _elementwise("sigmoid"),
    "softmax": _normalise("softmax"),
    "log_softmax": _normalise("log_softmax"),
}
