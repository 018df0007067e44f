"""Finds arguments that a model nobody annotated runs on: best first, by how deep into the model a try came."""

from __future__ import annotations

import heapq
import math
import re
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace

from torch import nn

from shapecheck.errors import ModelError
from shapecheck.probe.adjusting import LARGEST_SIZE
from shapecheck.probe.candidates import Proposal, initial, ungiven
from shapecheck.probe.failure import Failure
from shapecheck.probe.feeding import Argument, Call, positions, size_at, total_bytes
from shapecheck.probe.layouts import layouts
from shapecheck.probe.leaves import LeafMismatchError
from shapecheck.probe.outputs import RETURN_HINT
from shapecheck.probe.places import defined_at
from shapecheck.probe.repairs import repairs
from shapecheck.probe.running import Runner, TensorlessOutputError, Trial, has_nan
from shapecheck.probe.shortening import shortened
from shapecheck.probe.sizing import Sizes, sizes_for

MOST_TRIES = 150
_AFTER_DOUBT = 20
_LARGEST_TRY = 128 * 2**20
_HEAD_START = 20.0
_FIRST = 4
_NO_GPU = re.compile(r"not compiled with CUDA|No CUDA GPUs|no NVIDIA driver")
_OUTDATED = re.compile(r"Legacy autograd function")
_ON_CPU = "a check runs on the CPU: make new tensors where the input is, with device=x.device instead of .cuda()"
_BORING = 0.1
_SAME_ERROR = 40


@dataclass
class Search:
    """The open proposals and what came of the tries so far."""

    runner: Runner
    sizes: Sizes
    heap: list[tuple[float, int, Proposal]] = field(default_factory=list)
    best: dict[object, float] = field(default_factory=dict)
    tried: set[object] = field(default_factory=set)
    trials: list[tuple[Trial, str]] = field(default_factory=list)
    fits: Callable[[Call], bool] = lambda call: True
    most: int = MOST_TRIES
    failures: Counter[object] = field(default_factory=Counter)
    doubtful: Trial | None = None
    hopeless: Trial | None = None
    tensorless: Trial | None = None
    entered: bool = False
    pushed: int = 0

    def push(self, proposal: Proposal, bonus: float) -> None:
        key, cost = _key(proposal.call), proposal.cost - bonus
        if key in self.tried or cost >= self.best.get(key, math.inf):
            return
        if _is_sane(proposal.call) and self.fits(proposal.call):
            self.best[key] = cost
            self.pushed += 1
            heapq.heappush(self.heap, (cost, self.pushed, proposal))

    def go(self, first: Iterable[Proposal], accept: Callable[[Trial], bool]) -> Trial | None:
        """The first try that worked and is accepted, else the first that worked at all."""
        for rank, proposal in enumerate(sorted(first, key=lambda proposal: proposal.cost)):
            self.push(proposal, _HEAD_START if rank < _FIRST else 0.0)
        patience = self.most
        while self.heap and len(self.trials) < patience and not (self.runner.expired or self._stuck() or self.hopeless):
            _, _, proposal = heapq.heappop(self.heap)
            key = _key(proposal.call)
            if key in self.tried:
                continue
            self.tried.add(key)
            trial = self.runner.run(proposal.call)
            self.trials.append((trial, proposal.why))
            if trial.worked:
                if accept(trial):
                    return trial
                self.doubtful = self.doubtful or trial
                patience = min(patience, len(self.trials) + _AFTER_DOUBT)
            elif isinstance(trial.error, TensorlessOutputError):
                self.tensorless = self.tensorless or trial
                patience = min(patience, len(self.trials) + _AFTER_DOUBT)
            elif _is_hopeless(trial, self.runner.model):
                self.hopeless = self.doubtful or trial
            else:
                self._learn(trial)
        return self.doubtful

    def _stuck(self) -> bool:
        """The same words at the same line whatever is fed: the input is not what is wrong, or not a tensor at all."""
        last = [(str(trial.error), trial.location) for trial, _ in self.trials[-_SAME_ERROR:]]
        return len(last) == _SAME_ERROR and len(set(last)) == 1

    def _learn(self, trial: Trial) -> None:
        if not self.entered and trial.arrivals and trial.call:
            self.entered = True
            for rank, layout in enumerate(layouts(trial.arrivals[0].leaf, self.sizes)):
                head = _renamed(layout, trial.call[0])
                self.push(Proposal((head, *trial.call[1:]), 0.3 * rank - 0.3, "the layer that runs first"), 0.0)
        failed = (str(trial.error), trial.location)
        self.failures[failed] += 1
        bonus = 2 * math.log1p(max(0, trial.depth - isinstance(trial.error, LeafMismatchError)))
        bonus -= _BORING * (self.failures[failed] - 1)
        for proposal in repairs(Failure(trial, self.runner.model, self.sizes)):
            self.push(proposal, bonus)


def find(runner: Runner) -> Trial:
    """A call the model runs on. Raises ModelError SC905 with what was tried and an --input line to type."""
    search = Search(runner, sizes_for(runner.model))
    trial = search.go(initial(runner.model, search.sizes), lambda trial: not has_nan(trial.output))
    if trial is None:
        raise _not_found(runner.model, search)
    failed = [other.call for other, _ in search.trials if not other.worked and other.call]
    return shortened(runner, trial, failed, search.sizes.steps)


def _key(call: Call) -> object:
    return tuple(argument.key for argument in call)


def _renamed(layout: Argument, like: Argument) -> Argument:
    dtype = layout.dtype if layout.kind == "int" else like.dtype if like.kind == "float" else layout.dtype
    return replace(layout, name=like.name, keyword=like.keyword, dtype=dtype)


def _is_sane(call: Call) -> bool:
    sizes = [size_at(call, position) for position in positions(call)]
    return all(0 < size <= LARGEST_SIZE for size in sizes) and total_bytes(call) <= _LARGEST_TRY


def _not_found(model: nn.Module, search: Search) -> ModelError:
    tried, hopeless = len(search.trials), search.hopeless
    if search.tensorless is not None:
        return ModelError(str(search.tensorless.error), RETURN_HINT, code="SC908", location=defined_at(model.forward))
    if hopeless is not None:
        words = first_line(hopeless.error, hopeless.wanted)
        hint = (
            _ON_CPU
            if _NO_GPU.search(words)
            else "other inputs would not change that; if they would, give one with --input"
        )
        return ModelError(
            f"{type(model).__name__} fails on {shown(hopeless.call)}: {words}",
            hint,
            code="SC905",
            location=hopeless.location,
        )
    if not search.trials:
        return ModelError("no dummy input was tried: the time ran out", "give one with --input N,3,64,64", code="SC905")
    deepest = sorted(search.trials, key=lambda pair: -pair[0].depth)
    trial = deepest[0][0]
    lines = "\n".join(_grouped(trial for trial, _ in deepest))
    return ModelError(
        f"no dummy input found for {type(model).__name__} in {tried} tries",
        f"tried, the furthest first:\n{lines}\ngive the shape of a real one, for instance: {suggestion(trial.call)}",
        code="SC905",
        location=trial.location,
    )


def _is_hopeless(trial: Trial, model: nn.Module) -> bool:
    """Whether the code itself is at fault, or wants another machine, whatever is fed."""
    error, text = trial.error, str(trial.error)
    if isinstance(error, (NameError, ImportError)) and not isinstance(error, UnboundLocalError):
        return True
    lacking = re.match(r"'(\w+)' object has no attribute", text) if isinstance(error, AttributeError) else None
    if lacking and lacking[1] in {type(module).__name__ for module in model.modules()}:
        return not ungiven(model, trial.call)
    lone_tensor = len(trial.call) == 1 and bool(lacking and lacking[1] == "Tensor")
    return (lone_tensor and trial.depth > 0) or bool(_NO_GPU.search(text) or _OUTDATED.search(text))


def _grouped(trials: Iterable[Trial], most: int = 4) -> list[str]:
    """One line for each different error."""
    lines: dict[str, str] = {}
    for trial in trials:
        words = first_line(trial.error, trial.wanted)
        lines.setdefault(words, f"  {shown(trial.call)}: {words}")
    return list(lines.values())[:most]


def first_line(error: Exception | None, wanted: str = "") -> str:
    """The error's first line, and what a check of the user's own asked for."""
    text = str(error).strip().splitlines() or [""]
    name = "" if isinstance(error, LeafMismatchError) else f"{type(error).__name__}: "
    line = (name + text[0])[:200].rstrip(": ")
    return f"{line} ({wanted})" if wanted else line


def shown(call: Call) -> str:
    """`x (5, 1, 97) float32, lengths (5) int64`."""
    parts = [f"{a.name} {a.shape} {dtype_name(a)}" for a in call if a.is_tensor]
    return ", ".join(parts) or "no tensors"


def dtype_name(argument: Argument) -> str:
    return str(argument.dtype).removeprefix("torch.")


def suggestion(call: Call) -> str:
    """The call as options to type."""
    several = sum(argument.is_tensor for argument in call) > 1
    options = []
    for argument in call:
        if argument.is_tensor:
            name = f"{argument.name}=" if several or argument.keyword else ""
            dtype = "" if dtype_name(argument) == "float32" else f":{dtype_name(argument)}"
            options.append(f"--input {name}{','.join(map(str, argument.shape))}{dtype}")
    return " ".join(options) or "--input N,3,64,64"
