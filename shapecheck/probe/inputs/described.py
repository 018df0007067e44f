"""Arguments as the text of a model describes them: `x: (B, T, C)` in a docstring or a comment of `forward`. Runs nothing."""

from __future__ import annotations

import inspect
import re
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import nn

from shapecheck.probe.inputs.candidates import beside, with_dtype
from shapecheck.probe.inputs.sizing import Sizes, float_dtype
from shapecheck.probe.runs.feeding import Argument, Call
from shapecheck.probe.runs.leaves import INDEXED, leaves_of, width

_ROLES = (
    ("batch", re.compile(r"(b|n|bs|bsz|nb|batch\w*|n_?batch|num_?(graphs|nodes)|n_?nodes)$", re.IGNORECASE)),
    ("time", re.compile(r"(t|l|s|seq\w*|time\w*|\w*len(gth)?|n_?frames|frames?|n_?steps|steps?|n?_?samples|words?)$", re.IGNORECASE)),
    ("height", re.compile(r"(h|height|img_?h|rows)$", re.IGNORECASE)),
    ("width", re.compile(r"(w|width|img_?w|cols)$", re.IGNORECASE)),
)  # fmt: skip


def described(model: nn.Module, required: Sequence[inspect.Parameter], sizes: Sizes) -> Call | None:
    """Every required argument as the text says, where it says anything of the first; guesses for the others."""
    text = _text_of(model)
    shapes = {parameter.name: _shape_in(text, parameter.name) for parameter in required} if text else {}
    if not required or "batch" not in map(_label, shapes.get(required[0].name, ())):
        return None
    call: list[Argument] = []
    for number, parameter in enumerate(required):
        words = shapes[parameter.name]
        if words:
            call.append(_from_words(model, parameter.name, words, sizes, first=number == 0))
        else:
            guesses = beside(parameter, call[0], model, sizes)
            call.append(guesses[0])
    return tuple(with_dtype(argument, float_dtype(model)) for argument in call)


def _text_of(model: nn.Module) -> str:
    try:
        return inspect.getsource(type(model).forward) + "\n" + (type(model).__doc__ or "")
    except (TypeError, OSError, AttributeError):  # a scripted class has no text and no forward
        return type(model).__doc__ or ""


def _shape_in(text: str, name: str) -> tuple[str, ...]:
    """`x: (B, T, C)`, `x (Tensor): of shape [batch, seq_len]`, `# x is (N, 3, H, W)`."""
    said = rf"(?m)^[\s#*:\-]*(?:param |:param |@param )?`?{re.escape(name)}`?\s*(?:\([^()\n]*\))?\s*(?::|=|is|has|\-|\()[^\n()\[\]]{{0,60}}"
    match = re.search(said + r"[\[(]([^\[\]()\n]+,[^\[\]()\n]*)[\])]", text)
    words = tuple(word.strip(" `'\"") for word in match[1].split(",") if word.strip()) if match else ()
    plain = all(re.fullmatch(r"\w+", word) and (word.isdigit() or word[0].isalpha()) for word in words)
    return words if plain and 1 < len(words) < 6 else ()


def _from_words(model: nn.Module, name: str, words: Sequence[str], sizes: Sizes, first: bool) -> Argument:
    labels = [_label(word) for word in words]
    chosen: Mapping[str, int] = {
        "batch": sizes.batch,
        "time": sizes.steps,
        "height": sizes.height,
        "width": sizes.width,
    }
    leaves = leaves_of(model)
    entrance = next((w for w in (width(leaf) for leaf in leaves if not isinstance(leaf, INDEXED)) if w), 16)
    shape = [
        chosen[label] if label else _fixed(model, word, entrance) for word, label in zip(words, labels, strict=True)
    ]
    tables = [leaf.num_embeddings for leaf in leaves if isinstance(leaf, INDEXED)]
    whole = bool(tables) and all(labels) and (not first or isinstance(leaves[0], INDEXED))
    kind = "int" if whole else "float"
    return Argument(name, kind, tuple(shape), tuple(labels), torch.float32, min(tables, default=2))


def _label(word: str) -> str:
    return next((role for role, pattern in _ROLES if pattern.match(word)), "")


def _fixed(model: nn.Module, word: str, otherwise: int) -> int:
    """A number, or the model's attribute of that name."""
    value: Any = int(word) if word.isdigit() else getattr(model, word, None)
    return value if isinstance(value, int) and 0 < value < 10_000 else otherwise
