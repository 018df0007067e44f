"""An optional parameter of `forward` that takes labels: what the model returns in training may be more than without them.

A language model that is asked for the next word alone gives all positions when it is given targets. Only models of the user's
own are looked at: in packages, labels add a loss and change nothing else.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import replace

import torch
from torch import nn

from shapecheck.probe.inputs.candidates import ungiven
from shapecheck.probe.inputs.written import definition
from shapecheck.probe.outputs.outputs import pieces
from shapecheck.probe.places import distance
from shapecheck.probe.runs.feeding import Argument, Call, main_index
from shapecheck.probe.runs.running import Runner, Trial

LABELS = re.compile(r"^(targets?|labels?|y|tgts?|trgs?|gold|golds|y_true|tgt_ids|label_ids|target_ids)$")


def with_labels(runner: Runner, trial: Trial, like: Argument | None = None) -> Trial:
    """The same call with labels, if the model runs on them and then gives more of the same output; else the trial itself.

    They are made up, or like real ones.
    """
    for call in _calls(runner.model, trial, like):
        other = runner.run(call)
        if other.worked and _gives_more(other, trial):
            return other
    return trial


def _calls(model: nn.Module, trial: Trial, like: Argument | None) -> Iterator[Call]:
    for parameter in ungiven(model, trial.call):
        if trial.call and LABELS.search(parameter.name) and _decides(model, parameter.name):
            yield (*trial.call, replace(like or _like_main(trial), name=parameter.name, keyword=True))


def _like_main(trial: Trial) -> Argument:
    """One label for each position of the main input, or for each sample where that is no row of indices."""
    main = trial.call[main_index(trial.call)]
    classes = min((piece.tensor.shape[-1] for piece in pieces(trial.output) if piece.tensor.dim()), default=2)
    if main.kind == "int":
        return replace(main, high=min(main.high, max(classes, 2)))
    return Argument(kind="int", shape=main.shape[:1], labels=("batch",), dtype=torch.int64, high=2)


def _decides(model: nn.Module, name: str) -> bool:
    """Whether `forward` stands in a file of the user's and asks whether it was given that argument."""
    forward = getattr(type(model), "forward", None)
    code = getattr(forward, "__code__", None)
    node = definition(forward) if code and distance(code.co_filename) == 0 else None
    tests = [inner.test for inner in ast.walk(node) if isinstance(inner, (ast.If, ast.IfExp))] if node else []
    return any(isinstance(n, ast.Name) and n.id == name for test in tests for n in ast.walk(test))


def _gives_more(one: Trial, other: Trial) -> bool:
    """Whether a part of one output is a part of the other, longer on some axes."""
    shapes = [tuple(piece.tensor.shape) for piece in pieces(one.output)]
    before = [tuple(piece.tensor.shape) for piece in pieces(other.output)]
    return any(_is_longer(shape, old) for shape in shapes for old in before)


def _is_longer(shape: tuple[int, ...], old: tuple[int, ...]) -> bool:
    return len(shape) == len(old) > 1 and shape != old and all(new >= n for new, n in zip(shape, old, strict=True))
