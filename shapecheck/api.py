"""The Python interface. Torch is imported inside, when a function is called."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from shapecheck.errors import UserError
from shapecheck.report import Report
from shapecheck.specs import InputRequest, Subject, TensorSpec, parse_input, parse_shape, parse_size
from shapecheck.version import __version__

if TYPE_CHECKING:
    import torch
    from torch import nn


def check(
    model: nn.Module,
    loss: str,
    *,
    input: Any = None,
    target: Any = None,
    output: str | None = None,
    classes: int | None = None,
    **loss_args: Any,
) -> Report:
    """Check a module against a loss by a dummy forward pass; the module is left as it was.

    `input` and `target` are tensors (of which shape and dtype count), shapes such as (5, 97), or strings such as
    "N,1,T:float32"; several inputs are a list, or a mapping by name. `output` is the path of the part that goes to
    the loss, `classes` the number of classes of the data. Raises UserError for wrong arguments and ModelError where
    the model cannot be run.
    """
    from shapecheck.jobs import ModelCheck, check_model

    asked = ModelCheck(
        loss=loss,
        loss_args=_plain_arguments(loss_args),
        inputs=_inputs(input),
        target=None if target is None else _target(target),
        output_path=output,
        classes=classes,
    )
    return Report((check_model(model, asked, type(model).__name__),), __version__)


def check_tensors(
    output: torch.Tensor | None = None,
    target: torch.Tensor | None = None,
    loss: str = "cross_entropy",
    *,
    tensors: Mapping[str, torch.Tensor] | None = None,
    **loss_args: Any,
) -> Report:
    """Check real tensors, as at a breakpoint: shapes, dtypes and what can be measured of their values.

    `output` is torch's first argument and `target` its second; other losses take `tensors` by torch's own names.
    Raises UserError for tensors that are missing or none.
    """
    from shapecheck import measure
    from shapecheck.pipeline import check as check_subject
    from shapecheck.rules import load_loss
    from shapecheck.torch_judge import TorchJudge

    rule = load_loss(loss)
    pairs = {"output": output, "target": target}
    given = {**{key: value for key, value in pairs.items() if value is not None}, **(tensors or {})}
    for name, value in given.items():
        _require_tensor(name, value)
    for name in rule.tensors:
        if name not in given:
            raise UserError(f"{rule.name} needs the tensor {name!r}", f"it takes: {', '.join(rule.tensors)}")
    scores, labels = given["output"], given["target"]
    axis = 1 if scores.dim() > 1 else 0
    output_spec = replace(measure.spec_of(scores), values=measure.output_values(scores, axis))
    specs = {"output": output_spec, "target": measure.target_facts(labels, tuple(scores.shape))}
    subject = Subject(rule.name, specs, _plain_arguments(loss_args), name=rule.name, engine="real")
    return Report((check_subject(subject, rule, TorchJudge()),), __version__)


def _require_tensor(name: str, value: Any) -> None:
    import torch

    if not isinstance(value, torch.Tensor):
        raise UserError(
            f"{name} is a {type(value).__name__}, not a tensor",
            "pass the tensor inside, such as output.logits or output[0]",
        )


def _plain_arguments(arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Tensor keywords become their shape and dtype."""
    plain = {}
    for name, value in arguments.items():
        shape = getattr(value, "shape", None)
        plain[name] = (
            value if shape is None else {"shape": list(shape), "dtype": str(value.dtype).removeprefix("torch.")}
        )
    return plain


def _inputs(value: Any) -> Sequence[InputRequest]:
    if value is None:
        return ()
    if isinstance(value, Mapping):
        return [replace(_input(item), name=str(name)) for name, item in value.items()]
    several = isinstance(value, list) or (
        isinstance(value, tuple) and not all(isinstance(s, (int, str)) for s in value)
    )
    return [_input(item) for item in value] if several else [_input(value)]


def _input(value: Any) -> InputRequest:
    if isinstance(value, str):
        return parse_input(value)
    spec = _spec(value)
    return InputRequest(spec.shape, spec.dtype)


def _target(value: Any) -> TensorSpec:
    return replace(_spec(value), origin="flag")


def _spec(value: Any) -> TensorSpec:
    """A tensor, a shape, or the notation of the command line."""
    if isinstance(value, str):
        shape, dtype = parse_shape(value)
        return TensorSpec(shape, dtype)
    if hasattr(value, "shape") and hasattr(value, "dtype"):
        return TensorSpec(tuple(value.shape), str(value.dtype).removeprefix("torch."))
    if isinstance(value, (tuple, list)):
        return TensorSpec(tuple(parse_size(size) for size in value))
    raise UserError(f"{value!r} is no tensor, shape or string", 'write (5, 97), "N,T:int64", or pass a tensor')
