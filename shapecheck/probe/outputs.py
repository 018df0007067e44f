"""Which tensor of a structured output goes to the loss. Runs no model and guesses nothing it cannot justify."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import torch

from shapecheck.errors import ModelError, UserError, nearest
from shapecheck.probe.feeding import Call

_PLAIN_NAMES = (
    "logits", "logit", "prediction_logits", "pred_logits", "prediction", "predictions", "pred", "preds", "y_pred", "y_hat",
    "log_probs", "log_prob", "probs", "scores", "output", "outputs", "out", "y", "reconstruction", "recon", "sample",
)  # fmt: skip
_STATE_NAMES = re.compile(
    r"(^|_)(h|c|hx|hidden|hiddens|state|states|cache|memory|past_key_values|attn|attention|attentions|weights|alignment|"
    r"alignments|features|feats|embedding|embeddings|loss)($|_|\d)"
)
_DEEPEST = 6


@dataclass(frozen=True)
class Piece:
    """One tensor of the output and the path that leads to it."""

    path: str
    tensor: torch.Tensor

    def __str__(self) -> str:
        dtype = str(self.tensor.dtype).removeprefix("torch.")
        return f"{self.path or 'the output'}  {tuple(self.tensor.shape)} {dtype}"


def pieces(output: Any) -> list[Piece]:
    """Every tensor of the output, in order, with dotted paths: '', '0', 'logits', 'out.logits'."""
    return [Piece(".".join(path), tensor) for path, tensor in _walk(output, ())]


def at(output: Any, path: str) -> torch.Tensor:
    """The tensor at a path that `pieces` gave. Raises KeyError."""
    for piece in pieces(output):
        if piece.path == path:
            return piece.tensor
    raise KeyError(path)


def pick(output: Any, requested: str | None, states: Iterable[torch.Tensor] = (), call: Call = ()) -> Piece:
    """The tensor the loss is fed: the requested one, or the one that is plainly it.

    `states` are tensors that recurrent and attention layers returned beside their main output. Raises UserError for a
    wrong path and ModelError SC908 where there is no tensor, no floating one to choose, or more than one choice.
    """
    found = pieces(output)
    if not found:
        raise ModelError(f"the model returned {named(output)}, which holds no tensor", RETURN_HINT, code="SC908")
    piece = _requested(found, requested) if requested else _plain(found, list(states), call)
    if piece is None:
        raise ModelError(
            f"the model returned {len(found)} tensors, and which one goes to the loss is not plain",
            _choices(found),
            code="SC908",
        )
    if piece.tensor.dim() == 0:
        raise ModelError(
            "the model returned a single number: it computes its own loss",
            "check a module that returns its predictions" + ("; " + _choices(found) if len(found) > 1 else ""),
            code="SC908",
        )
    return piece


RETURN_HINT = "return the prediction as a tensor, or in a tuple, dict or dataclass"


def _walk(value: Any, path: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], torch.Tensor]]:
    if isinstance(value, torch.Tensor):
        yield path, value
    elif len(path) < _DEEPEST:
        for name, item in _parts(value):
            yield from _walk(item, (*path, name))


def _parts(value: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(value, Mapping):
        yield from ((str(key), item) for key, item in value.items())
    elif isinstance(value, tuple) and hasattr(value, "_fields"):
        yield from zip(value._fields, value, strict=True)
    elif isinstance(value, (tuple, list)):
        yield from ((str(index), item) for index, item in enumerate(value))
    elif dataclasses.is_dataclass(value) and not isinstance(value, type):
        yield from ((field.name, getattr(value, field.name)) for field in dataclasses.fields(value))
    elif hasattr(value, "__dict__") and not isinstance(value, (type, torch.nn.Module)):
        yield from ((name, item) for name, item in vars(value).items() if not name.startswith("_"))


def _requested(found: list[Piece], requested: str) -> Piece:
    path = re.sub(r"\[['\"]?([^\]'\"]+)['\"]?\]", r".\1", requested.strip()).strip(".")
    for piece in found:
        if piece.path == _positive(path, found):
            return piece
    inside = [piece for piece in found if piece.path.startswith(path + ".")]
    if len(inside) == 1:
        return inside[0]
    paths = [piece.path for piece in found]
    if paths == [""]:
        raise UserError(f"--output {requested}: the model returns a bare tensor", "leave --output out")
    guess = nearest(path, paths)
    meant = f"did you mean --output {guess}?\n" if guess else ""
    raise UserError(f"--output {requested}: the output has no such part", meant + _choices(inside or found))


def _positive(path: str, found: list[Piece]) -> str:
    """-1 counts from the end, as in Python."""
    if not re.fullmatch(r"-\d+", path):
        return path
    top = list(dict.fromkeys(piece.path.split(".")[0] for piece in found))
    number = int(path)
    return top[number] if -len(top) <= number else path


def _plain(found: list[Piece], states: list[torch.Tensor], call: Call) -> Piece | None:
    if len(found) == 1:
        return found[0]
    floating = [p for p in found if p.tensor.is_floating_point() and p.tensor.dim()]
    if len(floating) <= 1:
        return floating[0] if floating else None
    by_name = {piece.path.rpartition(".")[2].lower(): piece for piece in reversed(floating)}
    for name in _PLAIN_NAMES:
        if name in by_name:
            return by_name[name]
    named = [piece for name, piece in by_name.items() if "logit" in name]
    if len(named) == 1:
        return named[0]
    rest = [piece for piece in floating if not _is_beside(piece, states, call)]
    return rest[0] if len(rest) == 1 else None


def _is_beside(piece: Piece, states: list[torch.Tensor], call: Call) -> bool:
    """A recurrent state, attention weights or something named like them."""
    if any(_STATE_NAMES.search(part.lower()) for part in piece.path.split(".")):
        return True
    if any(piece.tensor is state or _shares(piece.tensor, state) for state in states):
        return True
    if any(a.kind == "state" and a.shape == tuple(piece.tensor.shape) for a in call):
        return True
    return _is_attention(piece.tensor)


def _shares(one: torch.Tensor, other: torch.Tensor) -> bool:
    return one.numel() == other.numel() and one.data_ptr() == other.data_ptr() and one.numel() > 0


def _is_attention(tensor: torch.Tensor) -> bool:
    """Rows that add up to one, over an axis longer than one, in a tensor of at least three axes; or a column for each sample."""
    if tensor.dim() == 3 and tensor.shape[-1] == 1:
        tensor = tensor.transpose(1, 2)
    if tensor.dim() < 3 or tensor.shape[-1] < 2 or not tensor.numel() or bool((tensor < 0).any()):
        return False
    sums = tensor.sum(-1)
    return bool(torch.allclose(sums, torch.ones_like(sums), atol=1e-4))


def _choices(found: list[Piece]) -> str:
    lines = "\n".join(f"  --output {piece}" for piece in found[:12])
    more = f"\n  and {len(found) - 12} more" if len(found) > 12 else ""
    return f"choose one:\n{lines}{more}"


def named(output: Any) -> str:
    return "None" if output is None else f"a {type(output).__name__}"
