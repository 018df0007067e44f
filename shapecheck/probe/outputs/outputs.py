"""Which tensor of a structured output goes to the loss. Runs no model and guesses nothing it cannot justify."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch

from shapecheck.errors import ModelError, UserError, nearest
from shapecheck.probe.runs.feeding import Call, main_index
from shapecheck.probe.runs.values import has_values

_PLAIN_NAMES = (
    "logits", "logit", "prediction_logits", "pred_logits", "prediction", "predictions", "pred", "preds", "y_pred", "y_hat",
    "log_probs", "log_prob", "probs", "scores", "output", "outputs", "out", "y", "reconstruction", "recon", "recon_x", "x_recon",
    "x_hat", "sample", "forecast", "forecasts", "prediction_outputs", "image_embeds",
    "text_embeds", "last_hidden_state",
)  # fmt: skip
_STATE_NAMES = re.compile(
    r"(^|_)(h|c|hx|hidden|hiddens|state|states|cache|memory|past_key_values|attn|attention|attentions|weights|alignment|"
    r"alignments|features|feats|embedding|embeddings|loss|logvar|log_var|log_sigma|trans|transform|transforms|align|attns|alpha|alphas|"
    r"hiddens|perplexity|mems?|fmaps?|mask|masks|lengths|lens|indices|aux|auxiliary)($|_|\d)"
)
_SCORES = re.compile(r"logit|classif|cls_score")
_DEEPEST = 6


@dataclass(frozen=True)
class Piece:
    """One tensor of the output, the path that leads to it, and what it is called there or in the model's code."""

    path: str
    tensor: torch.Tensor
    name: str = ""

    def __str__(self) -> str:
        dtype = str(self.tensor.dtype).removeprefix("torch.")
        called = f"  {self.name}" if self.name and not self.path.endswith(self.name) else ""
        return f"{self.path or 'the output'}  {tuple(self.tensor.shape)} {dtype}{called}"


def pieces(output: Any) -> list[Piece]:
    """Every tensor of the output, in order, with dotted paths: '', '0', 'logits', 'out.logits'."""
    return [Piece(".".join(path), tensor) for path, tensor in _walk(output, ())]


def at(output: Any, path: str) -> torch.Tensor:
    """The tensor at a path that `pieces` gave. Raises KeyError."""
    for piece in pieces(output):
        if piece.path == path:
            return piece.tensor
    raise KeyError(path)


def pick(
    output: Any,
    requested: str | None,
    states: Iterable[torch.Tensor] = (),
    call: Call = (),
    names: Sequence[str] = (),
    fits: Callable[[tuple[int, ...]], bool] = lambda shape: True,
) -> Piece:
    """The tensor the loss is fed: the requested one, or the one that is plainly it.

    `states` are tensors that recurrent and attention layers returned beside their main output, `names` what the model's code
    calls the parts of a tuple; where these leave a choice, `fits` says of a shape whether the target goes with it. Raises
    UserError for a wrong path and ModelError SC908 where there is no tensor, no floating one to choose, or more than one choice.
    """
    found = pieces(output)
    if not found:
        raise ModelError(f"the model returned {named(output)}, which holds no tensor", RETURN_HINT, code="SC908")
    found = [replace(piece, name=_name_of(piece.path, names)) for piece in found]
    is_list = isinstance(output, list)
    piece = _requested(found, requested) if requested else _plain(found, list(states), call, is_list, fits)
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


def _name_of(path: str, names: Sequence[str]) -> str:
    """The last part that is a name; for a number, the name that the model's code has for that part."""
    first, last = path.partition(".")[0], path.rpartition(".")[2]
    if not last.isdigit():
        return last
    return names[int(first)] if first.isdigit() and int(first) < len(names) else ""


def _plain(
    found: list[Piece],
    states: list[torch.Tensor],
    call: Call,
    is_list: bool,
    fits: Callable[[tuple[int, ...]], bool],
) -> Piece | None:
    if len(found) == 1:
        return found[0]
    floating = [p for p in found if p.tensor.is_floating_point() and p.tensor.dim()]
    if len(floating) <= 1:
        return floating[0] if floating else None
    by_name = {piece.name.lower(): piece for piece in reversed(floating)}
    for name in _PLAIN_NAMES:
        if name in by_name:
            return by_name[name]
    named = [piece for name, piece in by_name.items() if _SCORES.search(name)]
    if named and len({piece.tensor.shape for piece in named}) == 1:
        return named[-1]  # the first of them: what is found of one holds for each
    rest = [piece for piece in floating if not _is_beside(piece, states, call)]
    alone = [piece for piece in rest if "." not in piece.path]
    rest = alone if len(alone) == 1 else rest  # the others are gathered in lists: memories, feature maps
    if is_list and len(rest) > 1:
        return _of_list(rest, call)
    rest = rest if len(rest) <= 1 else [piece for piece in rest if fits(tuple(piece.tensor.shape))]
    return rest[0] if len(rest) == 1 or _are_alike(rest) else None


def _are_alike(found: Sequence[Piece]) -> bool:
    """Of one shape and numbered, `validity1` and `validity2`: what is found of one holds for each."""
    names = {re.sub(r"\d+", "", piece.name) for piece in found}
    numbered = all(re.search(r"[a-z].*\d", piece.name.lower()) for piece in found)
    return numbered and len(names) == 1 and len({piece.tensor.shape for piece in found}) == 1


def _of_list(found: list[Piece], call: Call) -> Piece | None:
    """Of refinements of one shape the last; of several scales the one as large as the input."""
    if len({piece.tensor.shape for piece in found}) == 1:
        return found[-1]
    shape = call[main_index(call)].shape if call else ()
    whole = [piece for piece in found if len(shape) > 3 and tuple(piece.tensor.shape[2:]) == shape[2:]]
    return whole[0] if len(whole) == 1 else None


def _is_beside(piece: Piece, states: list[torch.Tensor], call: Call) -> bool:
    """A recurrent state, attention weights or something named like them."""
    if any(_STATE_NAMES.search(part.lower()) for part in (*piece.path.split("."), piece.name)):
        return True
    if any(piece.tensor is state or _shares(piece.tensor, state) for state in states):
        return True
    if any(a.kind == "state" and a.shape == tuple(piece.tensor.shape) for a in call):
        return True
    return _is_attention(piece.tensor)


def _shares(one: torch.Tensor, other: torch.Tensor) -> bool:
    if not (has_values(one) and has_values(other)):
        return one.shape == other.shape and one.untyped_storage()._cdata == other.untyped_storage()._cdata
    return one.numel() == other.numel() and one.data_ptr() == other.data_ptr() and one.numel() > 0


def _is_attention(tensor: torch.Tensor) -> bool:
    """Rows that add up to one, over an axis longer than one, in a tensor of at least three axes; or a column for each sample."""
    if tensor.dim() == 3 and tensor.shape[-1] == 1:
        tensor = tensor.transpose(1, 2)
    if tensor.dim() < 3 or tensor.shape[-1] < 2 or not tensor.numel() or not has_values(tensor):
        return False
    if bool((tensor < 0).any()):
        return False
    sums = tensor.sum(-1)
    return bool(torch.allclose(sums, torch.ones_like(sums), atol=1e-4))


def _choices(found: list[Piece]) -> str:
    lines = "\n".join(f"  --output {piece}" for piece in found[:12])
    more = f"\n  and {len(found) - 12} more" if len(found) > 12 else ""
    return f"choose one:\n{lines}{more}"


def named(output: Any) -> str:
    return "None" if output is None else f"a {type(output).__name__}"
