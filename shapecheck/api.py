"""The Python interface. Torch is imported inside, when a function is called."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from shapecheck.callable_names import names_callable
from shapecheck.errors import UserError
from shapecheck.keywords import checked
from shapecheck.report import CheckResult, Report
from shapecheck.rule_folders import opened
from shapecheck.rules import Loss, load_loss
from shapecheck.spec_files import class_count
from shapecheck.specs import InputRequest, Subject, TensorSpec, parse_input, parse_shape, parse_size
from shapecheck.version import __version__

if TYPE_CHECKING:
    import torch
    from torch import nn

    from shapecheck.intercept.stack import Spot
    from shapecheck.jobs import ModelCheck
    from shapecheck.own_loss.calling import OwnLoss


def check(
    model: nn.Module,
    loss: str | Callable[..., Any],
    *,
    input: Any = None,
    target: Any = None,
    output: str | None = None,
    classes: int | None = None,
    data: Any = None,
    rules: Sequence[str | os.PathLike[str]] = (),
    **loss_args: Any,
) -> Report:
    """Check a module against a loss by a dummy forward pass, or one on real data; the module is left as it was.

    `input` and `target` are tensors (of which shape and dtype count), shapes such as (5, 97), or strings such as
    "N,1,T:float32"; several inputs are a list, or a mapping by name. `output` is the path of the part that goes to
    the loss, `classes` the number of classes of the data. `data` are a DataLoader, a Dataset, a batch (input, target), or
    whatever else gives batches: one is fed to the model, and its target is measured. `loss` is a name, or a function or module of your own, which
    is run; `rules` are folders of rule files besides ours. Raises UserError for wrong arguments and ModelError where the
    model or the loss cannot be run.
    """
    from shapecheck.jobs import ModelCheck, check_model

    _require_model(model)
    ours = _loss(loss, loss_args, opened(rules))
    asked = ModelCheck(
        loss=ours.name,
        loss_args=checked(ours.rule, _plain_arguments(ours.arguments)) if ours.rule else {},
        inputs=_inputs(input),
        target=None if target is None else _target(target),
        output_path=output,
        classes=class_count(classes),
        rules=ours.rule.folders if ours.rule else (),
    )
    name = type(model).__name__
    result = check_model(model, asked, name, ours.own) if data is None else _with_data(model, asked, name, ours, data)
    return Report((replace(result, notes=(*ours.notes, *result.notes)),), __version__)


def _with_data(model: nn.Module, asked: ModelCheck, name: str, loss: _Loss, data: Any) -> CheckResult:
    from shapecheck.jobs import check_model
    from shapecheck.probe.loading.data import data_of, undisturbed

    with undisturbed(data):
        return check_model(model, replace(asked, data=data_of(data)), name, loss.own)


def check_tensors(
    output: torch.Tensor | None = None,
    target: torch.Tensor | None = None,
    loss: str | Callable[..., Any] = "cross_entropy",
    *,
    tensors: Mapping[str, torch.Tensor] | None = None,
    rules: Sequence[str | os.PathLike[str]] = (),
    **loss_args: Any,
) -> Report:
    """Check real tensors, as at a breakpoint: shapes, dtypes and what can be measured of their values.

    `output` is torch's first argument and `target` its second; other losses take `tensors` by torch's own names.
    `loss` is a name, or a function or module of your own, which is run; `rules` are folders of rule files besides ours.
    Raises UserError for tensors that are missing or none.
    """
    from shapecheck import at_hand
    from shapecheck.pipeline import check as check_subject
    from shapecheck.torch_judge import TorchJudge
    from shapecheck.written import named_in

    ours = _loss(loss, loss_args, opened(rules))
    if tensors is not None and not isinstance(tensors, Mapping):
        raise UserError(f"tensors is a {type(tensors).__name__}, not a mapping", 'write tensors={"output": output}')
    pairs = {"output": output, "target": target}
    given = {**{key: value for key, value in pairs.items() if value is not None}, **(tensors or {})}
    if ours.own is not None:
        return _check_own_tensors(ours.own, given)
    assert ours.rule is not None
    spot = _caller()
    subject = at_hand.subject(ours.rule, given, ours.arguments, location=spot.location)
    subject = replace(subject, notes=ours.notes, written=named_in(spot.expression, ours.rule))
    return Report((check_subject(subject, ours.rule, TorchJudge()),), __version__)


def _require_model(model: Any) -> None:
    from torch import nn

    if isinstance(model, type) and issubclass(model, nn.Module):
        raise UserError(f"{model.__name__} is a class, not a module", f"build it first: {model.__name__}(...)")
    if not isinstance(model, nn.Module):
        raise UserError(f"the model is a {type(model).__name__}, not a torch.nn.Module", "pass the module itself")


@dataclass(frozen=True, eq=False)
class _Loss:
    """A loss with rules, or a callable of the user's own; `arguments` are the keywords of the former."""

    name: str
    rule: Loss | None = None
    own: OwnLoss | None = None
    arguments: Mapping[str, Any] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


def _loss(loss: Any, arguments: Mapping[str, Any], folders: tuple[Path, ...]) -> _Loss:
    """By its name or itself; one of torch's that is passed as a function or module is that with rules."""
    if isinstance(loss, str) and not names_callable(loss):
        rule = load_loss(loss, folders)
        return _Loss(rule.name, rule, arguments=arguments)
    if not isinstance(loss, str) and not callable(loss):
        raise UserError(
            f"the loss is {_shown(loss)}, not a name or a function", 'pass its name, such as "cross_entropy"'
        )
    from shapecheck.own_loss.loading import TorchLoss, given_own, load_own

    found = load_own(loss, arguments) if isinstance(loss, str) else given_own(loss, arguments)
    if isinstance(found, TorchLoss):
        rule = load_loss(found.name, folders)
        return _Loss(rule.name, rule, arguments=found.arguments, notes=(found.note,) if isinstance(loss, str) else ())
    return _Loss(found.text, own=found)


def _check_own_tensors(loss: OwnLoss, given: Mapping[str, Any]) -> Report:
    """A loss without rules is asked with an output and, where there is one, a target."""
    from shapecheck import measure
    from shapecheck.at_hand import require_tensor
    from shapecheck.jobs import check_own

    for name, value in given.items():
        require_tensor(str(name), value)
    specs = {str(name): measure.spec_of(value) for name, value in given.items()}
    subject = Subject(loss.text, specs, name=loss.text, location=_caller(3).location, engine="real")
    return Report((check_own(subject, loss, given.get("output"), given.get("target")),), __version__)


def _caller(depth: int = 2) -> Spot:
    """Where `check_tensors` was called."""
    from shapecheck.intercept.stack import Spot

    frame = sys._getframe(depth)
    return Spot(frame.f_code, frame.f_lasti)


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
