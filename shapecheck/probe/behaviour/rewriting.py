"""What the user's own line becomes with a remedy: the statement where it is plain, else the expression. Runs nothing."""

from __future__ import annotations

import ast
import copy
import math
from collections.abc import Callable

from shapecheck import source
from shapecheck.errors import Location
from shapecheck.probe.behaviour.reshapes import Repair
from shapecheck.probe.behaviour.tracing import Step

_FUNCTIONS = ("torch", "F", "functional")
_LONGEST = 200


def reshaped(step: Step, repair: Repair) -> str:
    """The line with the axes moved before, or between, the reshapes: `x = x.view(n, t, c)` -> `x = x.transpose(1, 2)`."""
    written = _statement(step, lambda call: _moved(call, step, repair))
    return written or f"{_moved(None, step, repair)}  # sizes of the dummy run"


def with_dim(step: Step, dim: int) -> str:
    """The line with another `dim`; else that keyword alone."""
    return _statement(step, lambda call: _redirected(call, dim)) or f"dim={dim}"


def with_index(step: Step) -> str:
    """The line with its one whole number as index put along the next axis: `out[-1]` -> `out[:, -1]`."""
    changed = copy.deepcopy(_simple_at(step.location) or ast.Pass())
    found = [node for node in ast.walk(changed) if isinstance(node, ast.Subscript) and _is_number(node.slice)]
    if len(found) != 1:
        return "x[:, index]"
    found[0].slice = ast.Tuple([ast.Slice(), found[0].slice], ast.Load())
    return ast.unparse(changed)


def _is_number(node: ast.expr) -> bool:
    inner = node.operand if isinstance(node, ast.UnaryOp) else node
    return isinstance(inner, ast.Constant) and isinstance(inner.value, int)


def squeezed(step: Step, dims: tuple[int, ...]) -> str:
    """The line with these axes named in its `squeeze`, or without it where there are none."""
    wanted = f".squeeze({dims[0] if len(dims) == 1 else dims})" if dims else ""
    return _statement(step, lambda call: _object(call) + wanted) or f"x{wanted}"


def with_logarithm(location: Location | None) -> str | None:
    """The line with log_softmax for its one softmax; None where there is no such."""
    original = _simple_at(location)
    calls = (
        [] if original is None else [n for n in ast.walk(original) if isinstance(n, ast.Call) and _name(n) == "softmax"]
    )
    if original is None or len(calls) != 1:
        return None
    renamed = copy.deepcopy(calls[0])
    if not isinstance(renamed.func, ast.Attribute):  # the other name may not be imported
        return None
    renamed.func.attr = "log_softmax"
    line = source.with_call_replaced(original, calls[0], renamed)
    return line if len(line) <= _LONGEST else None


_LEAVING = frozenset({"item", "tolist", "numpy", "detach", "cpu"})
_RETURNING = frozenset({"tensor", "as_tensor", "from_numpy", "array", "asarray", "Tensor", "FloatTensor"})


def without_round_trip(location: Location | None) -> str | None:
    """The line without what takes a tensor out of torch, or off its graph, and back; None where there is no such.

    `out = torch.tensor(model(x).tolist())` -> `out = model(x)`.
    """
    original = _simple_at(location)
    if original is None:
        return None
    changed: ast.stmt = _RoundTrips().visit(copy.deepcopy(original))
    if ast.dump(changed) == ast.dump(original):
        return None
    if isinstance(changed, ast.Assign) and ast.unparse(changed.targets[0]) == ast.unparse(changed.value):
        return f"# delete this line: {ast.unparse(original)}"
    written = ast.unparse(changed)
    return written if len(written) <= _LONGEST else None


class _RoundTrips(ast.NodeTransformer):
    """Leaves out `.item()`, `.detach()`, `.data` and the like, and a constructor around one."""

    def visit_Call(self, node: ast.Call) -> ast.AST:
        before = ast.dump(node)
        self.generic_visit(node)
        if isinstance(node.func, ast.Attribute) and _name(node) in _LEAVING:
            return node.func.value
        wraps = node.args and _name(node) in _RETURNING and ast.dump(node) != before
        return node.args[0] if wraps else node

    def visit_Attribute(self, node: ast.Attribute) -> ast.AST:
        self.generic_visit(node)
        return node.value if node.attr == "data" and isinstance(node.ctx, ast.Load) else node


def _statement(step: Step, rewrite: Callable[[ast.Call], str | None]) -> str | None:
    """The simple statement at the step's place with its one call of that name rewritten; None where there is no such."""
    original = _simple_at(step.location)
    if original is None:
        return None
    calls = [node for node in ast.walk(original) if isinstance(node, ast.Call) and _name(node) == step.name.rstrip("_")]
    if len(calls) != 1:
        return None
    text = rewrite(calls[0])
    if text is None:
        return None
    written = source.with_call_replaced(original, calls[0], ast.parse(text, mode="eval").body)
    return written if len(written) <= _LONGEST else None


def turned_before(location: Location | None, written: str, one: int, other: int) -> str | None:
    """The line with two axes exchanged before its reshape `written`: `tags.view(-1)` -> `tags.transpose(0, 1).reshape(-1)`."""
    original = _simple_at(location)
    if original is None or not written:
        return None
    calls = [node for node in ast.walk(original) if isinstance(node, ast.Call) and _same(node, written)]
    if len(calls) != 1:
        return None
    verb = "flatten" if _name(calls[0]) == "flatten" else "reshape"
    sizes = ", ".join(ast.unparse(node) for node in _arguments(calls[0])) or ("" if verb == "flatten" else "-1")
    moved = f"{_object(calls[0])}.transpose({one}, {other}).{verb}({sizes})"
    line = source.with_call_replaced(original, calls[0], ast.parse(moved, mode="eval").body)
    return line if len(line) <= _LONGEST else None


def _same(call: ast.Call, written: str) -> bool:
    try:
        return ast.dump(call) == ast.dump(ast.parse(written.strip(), mode="eval").body)
    except SyntaxError:
        return False


def _simple_at(location: Location | None) -> ast.stmt | None:
    return source.simple_statement(location.path, location.line) if location and location.line else None


def _name(call: ast.Call) -> str:
    return ast.unparse(call.func).rpartition(".")[2].rstrip("_")


def _is_function(call: ast.Call) -> bool:
    return not isinstance(call.func, ast.Attribute) or ast.unparse(call.func.value).rpartition(".")[2] in _FUNCTIONS


def _object(call: ast.Call) -> str:
    """The tensor the call works on."""
    node = call.args[0] if _is_function(call) and call.args else getattr(call.func, "value", call)
    text = ast.unparse(node)
    return text if isinstance(node, (ast.Name, ast.Attribute, ast.Call, ast.Subscript)) else f"({text})"


def _arguments(call: ast.Call) -> list[ast.expr]:
    """What follows the tensor, a lone tuple or list opened."""
    rest = call.args[1:] if _is_function(call) else call.args
    return list(rest[0].elts) if len(rest) == 1 and isinstance(rest[0], (ast.Tuple, ast.List)) else list(rest)


# ---------------------------------------------------------------------------- reshapes


def _moved(call: ast.Call | None, step: Step, repair: Repair) -> str:
    """The expression that moves axes before it reshapes, in the user's own words where there are some."""
    tensor = _object(call) if call else "x"
    given = _sizes(call, step, repair)
    move = _move(repair.order)
    if repair.split == step.before:
        moved = tuple(repair.split[axis] for axis in repair.order)
        return tensor + move + ("" if moved == repair.after else f".reshape({', '.join(given)})")
    split = ", ".join(_split(tensor, given, repair))
    plain = all(size != 1 for size in repair.after) and len(repair.after) == len(repair.parts)
    verb = "view" if call and _name(call) == "view" else "reshape"
    return f"{tensor}.{verb}({split}){move}" + ("" if plain else f".reshape({', '.join(given)})")


def _move(order: tuple[int, ...]) -> str:
    swapped = [axis for axis, other in enumerate(order) if axis != other]
    if len(swapped) == 2:
        return f".transpose({swapped[0]}, {swapped[1]})"
    return f".permute({', '.join(map(str, order))})"


def _sizes(call: ast.Call | None, step: Step, repair: Repair) -> list[str]:
    """The new sizes as the user wrote them, else as numbers."""
    written = _arguments(call) if call else []
    plain = step.name in ("view", "reshape") and not any(isinstance(node, ast.Starred) for node in written)
    if plain and len(written) == len(repair.after):
        return [ast.unparse(node) for node in written]
    return [str(size) for size in repair.after]


def _split(tensor: str, given: list[str], repair: Repair) -> list[str]:
    """Each part of the split shape: a new size of the user's, a whole axis, a quotient, or a number."""
    return [_word(number, tensor, given, repair) for number in range(len(repair.parts))]


def _word(number: int, tensor: str, given: list[str], repair: Repair) -> str:
    old, new, size = repair.parts[number]
    column = [part for part in repair.parts if part[1] == new]
    row = [part for part in repair.parts if part[0] == old]
    if len(column) == 1:
        return given[new]
    if len(row) == 1:
        return f"{tensor}.size({old})"
    whole = len(row) == 2 and all(sum(part[1] == place for part in repair.parts) > 1 for _, place, _ in row)
    if whole:
        return str(size) if repair.parts[number] == row[-1] else f"{tensor}.size({old}) // {row[-1][2]}"
    others = math.prod(part[2] for part in column) // size
    return str(size) if given[new] == "-1" else f"{_bracketed(given[new])} // {others}"


def _bracketed(text: str) -> str:
    return text if text.isidentifier() or text.isdigit() else f"({text})"


def _redirected(call: ast.Call, dim: int) -> str | None:
    """The call with its literal `dim` replaced."""
    changed = copy.deepcopy(call)
    for keyword in changed.keywords:
        if keyword.arg in ("dim", "axis"):
            keyword.value = ast.Constant(dim)
            return ast.unparse(changed)
    if changed.args and _is_number(changed.args[-1]):
        changed.args[-1] = ast.Constant(dim)
        return ast.unparse(changed)
    return None
