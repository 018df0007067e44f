"""The Python interface. Torch is imported inside, when a function is called."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from shapecheck.errors import Location, UserError, did_you_mean
from shapecheck.keywords import checked, tensor_name
from shapecheck.report import Report
from shapecheck.rules import Loss, load_loss
from shapecheck.spec_files import class_count
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

    _require_model(model)
    rule = _loss(loss)
    asked = ModelCheck(
        loss=rule.name,
        loss_args=checked(rule, _plain_arguments(loss_args)),
        inputs=_inputs(input),
        target=None if target is None else _target(target),
        output_path=output,
        classes=class_count(classes),
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
    from shapecheck.torch_judge import TorchJudge

    rule = _loss(loss)
    if tensors is not None and not isinstance(tensors, Mapping):
        raise UserError(f"tensors is a {type(tensors).__name__}, not a mapping", 'write tensors={"output": output}')
    pairs = {"output": output, "target": target}
    given = {**{key: value for key, value in pairs.items() if value is not None}, **(tensors or {})}
    given |= {name: loss_args.pop(name) for name in list(loss_args) if tensor_name(name, rule) not in (None, *given)}
    specs = _measured(rule, given)
    for name in rule.tensors:
        if name not in specs and (name == rule.target or rule.tensors[name].assume is None):
            raise UserError(f"{rule.name} needs the tensor {name!r}", f"it takes: {', '.join(rule.tensors)}")
    plain = {
        name: measure.keyword_facts(value) if hasattr(value, "dtype") else value for name, value in loss_args.items()
    }
    subject = Subject(rule.name, specs, plain, name=rule.name, location=_caller(), engine="real")
    return Report((check_subject(subject, rule, TorchJudge()),), __version__)


def _measured(rule: Loss, given: Mapping[str, Any]) -> dict[str, TensorSpec]:
    """What can be measured of each tensor, by the contract's names. Raises UserError for what is none of its tensors."""
    from shapecheck import measure

    specs: dict[str, TensorSpec] = {}
    values = {}
    for name, value in given.items():
        known = tensor_name(str(name), rule)
        if known is None:
            raise UserError(f"{rule.name} takes no tensor {name!r}", did_you_mean(str(name), rule.tensors))
        number = measure.number_facts(value)
        if number is not None and number.python in rule.tensors[known].python:
            specs[known] = number
        else:
            _require_tensor(str(name), value)
            values[known] = value
    shape = tuple(values[rule.output].shape) if rule.output in values else ()
    return specs | {name: measure.tensor_facts(value, rule, name, shape) for name, value in values.items()}


def _require_model(model: Any) -> None:
    from torch import nn

    if isinstance(model, type) and issubclass(model, nn.Module):
        raise UserError(f"{model.__name__} is a class, not a module", f"build it first: {model.__name__}(...)")
    if not isinstance(model, nn.Module):
        raise UserError(f"the model is a {type(model).__name__}, not a torch.nn.Module", "pass the module itself")


def _loss(loss: Any) -> Loss:
    if not isinstance(loss, str):
        raise UserError(f"the loss is {_shown(loss)}, not a name", 'pass its name, such as "cross_entropy"')
    return load_loss(loss)


def _caller() -> Location:
    """The line that called `check_tensors`, as the user would type the path."""
    frame = sys._getframe(2)
    path = frame.f_code.co_filename
    shown = os.path.relpath(path) if os.path.isabs(path) and path.startswith(os.getcwd() + os.sep) else path
    return Location(shown, frame.f_lineno)


def _require_tensor(name: str, value: Any) -> None:
    import torch

    if not isinstance(value, torch.Tensor):
        raise UserError(
            f"{name} is a {type(value).__name__}, not a tensor",
            "pass the tensor inside, such as output.logits or output[0]",
        )
    if value.is_meta:
        raise UserError(f"{name} is on the meta device, where it has no values", "pass a real tensor, or write a spec")
    if value.is_quantized or value.is_nested or value.layout is not torch.strided:
        raise UserError(f"{name} is not a dense tensor", f"pass {name}.to_dense(), {name}.dequantize() or a padded one")


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"a {type(value).__name__}"


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
    several = isinstance(value, (list, tuple)) and not _is_shape(value)
    return [_input(item) for item in value] if several else [_input(value)]


def _is_shape(value: list[Any] | tuple[Any, ...]) -> bool:
    """(5, 97), [5, 97] and ("N", "T"), but not ["N,1,T", "N,T:int64"], which are two inputs."""
    sizes = all(isinstance(item, (int, str)) for item in value)
    return sizes and (isinstance(value, tuple) or any(isinstance(item, int) for item in value))


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
    raise UserError(f"{_shown(value)} is no tensor, shape or string", 'write (5, 97), "N,T:int64", or pass a tensor')
