"""The zoo's entries: what a YAML file says of a model, and the model itself. Judges nothing.

The format is that of `models.yaml`; longer forms of an entry (inputs as a list of mappings, `target_like` as a mapping with
`dims`) are read as well.
"""

from __future__ import annotations

import ast
import importlib
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

_FIX_NAMES = {"select": "select-output", "squeeze": "squeeze-output", "lengths": "fix-lengths", "": "none"}
_LOSS_NAMES = {"bce_with_logits": "binary_cross_entropy_with_logits"}
_DTYPES = {"i64": "int64", "f32": "float32", "f64": "float64"}


@dataclass(frozen=True)
class Entry:
    """One model. `inputs` are name -> (dims, dtype); dims are symbols, `=X` a fixed size. `fixes` is what the usual loss needs."""

    name: str
    package: str
    target: str
    arguments: tuple[Any, ...]
    keywords: Mapping[str, Any]
    inputs: Mapping[str, tuple[tuple[str, ...], str]]
    axes: tuple[str, ...]
    loss: str
    labels: tuple[str, ...] | None
    labels_dtype: str | None
    fixes: tuple[str, ...]
    path: str | None = None
    loss_arguments: Mapping[str, Any] = field(default_factory=dict)
    choose: bool = False  # whether --output has to be given


def read(path: Path) -> list[Entry]:
    """Every entry of the file whose package is on an index; those of repositories are left out."""
    found = yaml.safe_load(path.read_text(encoding="utf-8"))
    return [_entry(one) for one in found if "package" in one.get("source", {}) or "package" in one]


def build(entry: Entry) -> Any:
    """The model. Raises whatever the package raises."""
    made = _resolved(entry.target)(*map(_value, entry.arguments), **{k: _value(v) for k, v in entry.keywords.items()})
    return made[0] if isinstance(made, tuple) else made


def without_binary_parts() -> None:
    """torchvision and torchaudio where their compiled parts do not fit this build of torch: importable all the same."""
    import torch

    for name in ("nms", "qnms"):
        with suppress(RuntimeError):  # there it is
            torch.library.define(f"torchvision::{name}", "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    found = Path.glob
    try:
        Path.glob = lambda folder, pattern: () if "_torchaudio" in pattern else found(folder, pattern)  # type: ignore[assignment, method-assign, return-value]
        with suppress(Exception):
            importlib.import_module("torchaudio")
    finally:
        Path.glob = found  # type: ignore[method-assign]


def _entry(one: Mapping[str, Any]) -> Entry:
    target = one.get("target_like")
    dims = target["dims"] if isinstance(target, Mapping) else target
    dtype = target.get("dtype") if isinstance(target, Mapping) else one.get("target_dtype")
    fix = str(one.get("fix", "none"))
    return Entry(
        name=one["id"],
        package=one["package"] if "package" in one else one["source"]["package"],
        target=one["target"],
        arguments=tuple(one.get("init_args", ())),
        keywords=one.get("init", {}),
        inputs=_inputs(one.get("input", {})),
        axes=tuple(str(axis) for axis in one.get("axes", ())),
        loss=_LOSS_NAMES.get(one["loss"], one["loss"]),
        labels=None if dims is None else tuple(str(size) for size in dims),
        labels_dtype=_DTYPES.get(str(dtype), dtype),
        fixes=tuple(_FIX_NAMES.get(part, part) for part in fix.split("+")),
        path=one.get("path", one.get("output", {}).get("path")),
        loss_arguments=one.get("loss_args", {}),
        choose=bool(one.get("choose", False)),
    )


def _inputs(given: Any) -> dict[str, tuple[tuple[str, ...], str]]:
    if isinstance(given, Mapping):
        split = {name: text.partition(":") for name, text in given.items()}
        return {
            name: (tuple(part.strip() for part in dims.split(",")), dtype or "float32")
            for name, (dims, _, dtype) in split.items()
        }
    return {one["name"]: (tuple(one["dims"]), one["dtype"]) for one in given if "dims" in one}


def _resolved(dotted: str) -> Any:
    module, _, name = dotted.partition(":")
    found = importlib.import_module(module)
    for part in name.split("."):
        found = getattr(found, part)
    return found


def _value(given: Any) -> Any:
    """`{$call: module:Name, args: [...], kw: {...}}` is a call, `{$attr: module:Name}` an object, `$tuple(1,2)` a tuple."""
    if isinstance(given, Mapping):
        if "$attr" in given:
            return _resolved(given["$attr"])
        if "$call" in given:
            keywords = {name: _value(value) for name, value in given.get("kw", {}).items()}
            return _resolved(given["$call"])(*[_value(value) for value in given.get("args", ())], **keywords)
        return {name: _value(value) for name, value in given.items()}
    if isinstance(given, str) and given.startswith("$tuple"):
        return tuple(ast.literal_eval(given[len("$tuple") :]))
    if isinstance(given, Sequence) and not isinstance(given, str):
        return [_value(value) for value in given]
    return given
