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
from shapecheck.probe.inputs.adjusting import LARGEST_SIZE, smaller_batch
from shapecheck.probe.inputs.asking import labelled
from shapecheck.probe.inputs.candidates import Proposal, initial, ungiven
from shapecheck.probe.inputs.doubts import instead, is_doubtful, with_floats
from shapecheck.probe.inputs.failure import Failure
from shapecheck.probe.inputs.layouts import layouts
from shapecheck.probe.inputs.mentioned import is_users_own, mentioned
from shapecheck.probe.inputs.progress import Progress
from shapecheck.probe.inputs.repairs import repairs
from shapecheck.probe.inputs.shortening import shortened
from shapecheck.probe.inputs.sizing import Sizes, sizes_for
from shapecheck.probe.inputs.tries import first_line, grouped, shown, suggestion
from shapecheck.probe.outputs.outputs import RETURN_HINT
from shapecheck.probe.places import defined_at
from shapecheck.probe.runs.effort import SLOW
from shapecheck.probe.runs.feeding import Argument, Call, positions, size_at, total_bytes
from shapecheck.probe.runs.leaves import LeafMismatchError
from shapecheck.probe.runs.running import MOST_WORK, Runner, TensorlessOutputError, Trial

MOST_TRIES = 150
_AFTER_DOUBT, _AFTER_SLOW_DOUBT = 20, 5
_LARGEST_TRY = 128 * 2**20
_HEAD_START = 20.0
_FIRST = 4
_NO_GPU = re.compile(r"not compiled with CUDA|No CUDA GPUs|no NVIDIA driver")
_OUTDATED = re.compile(r"Legacy autograd function")
_ON_CPU = "a check runs on the CPU: make new tensors where the input is, with device=x.device instead of .cuda()"
_BORING = 0.1
_BEFORE_READING = 5
_SAME_ERROR = 40
_CERTAIN = 2.0


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
    later: Callable[[], Iterable[Proposal]] | None = None
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
        progress = Progress(f"looking for an input of {type(self.runner.model).__name__}")
        try:
            return self._best(accept, progress)
        finally:
            progress.end()

    def _best(self, accept: Callable[[Trial], bool], progress: Progress) -> Trial | None:
        while self._may_go_on():
            self._read_on()
            if not self.heap:
                break
            _, _, proposal = heapq.heappop(self.heap)
            key = _key(proposal.call)
            if key in self.tried:
                continue
            self.tried.add(key)
            if self._too_much(proposal.call):
                for fewer in smaller_batch(proposal.call):
                    self.push(fewer, 0.0)
                continue
            progress.show(f"{len(self.trials) + 1} tries, now {shown(proposal.call)}")
            trial = self.runner.run(proposal.call)
            self.trials.append((trial, proposal.why))
            if trial.worked and accept(trial):
                return trial
            self._take_note(trial)
        return self.doubtful

    def _may_go_on(self) -> bool:
        return len(self.trials) < self.most and not (self.runner.expired or self._stuck() or self.hopeless)

    def _read_on(self) -> None:
        """What takes a while to read, when guesses have failed; for several inputs in the user's own file, at once."""
        if self.later is None:
            return
        several = bool(self.heap) and len(self.heap[0][2].call) > 1
        patience = (0 if several else 1) if is_users_own(self.runner.model) else _BEFORE_READING
        if len(self.trials) >= patience or not self.heap:
            for proposal in self.later():
                self.push(proposal, _HEAD_START)
            self.later = None

    def _take_note(self, trial: Trial) -> None:
        tried = len(self.trials)
        if trial.worked:
            self.doubtful = self.doubtful or trial
            self.most = min(self.most, tried + (_AFTER_DOUBT if trial.work < SLOW else _AFTER_SLOW_DOUBT))
            for better in instead(trial):
                self.push(better, _HEAD_START)
        elif isinstance(trial.error, TensorlessOutputError):
            self.tensorless = self.tensorless or trial
            self.most = min(self.most, tried + _AFTER_DOUBT)
        elif _is_hopeless(trial, self.runner.model):
            self.hopeless = self.doubtful or trial
        else:
            self._learn(trial)

    def _too_much(self, call: Call) -> bool:
        """Whether a try that failed was so much work already that a larger one of its kind need not be begun."""
        rank, elements = len(call), _elements(call)
        alike = (trial for trial, _ in self.trials if len(trial.call) == rank and not trial.worked)
        per_element = max((trial.work / _elements(trial.call) for trial in alike if trial.work > SLOW), default=0.0)
        return self.runner.recorder.checking and per_element * elements > _CERTAIN * MOST_WORK

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
    model, sizes = runner.model, sizes_for(runner.model)
    search = Search(runner, sizes, later=lambda: mentioned(model, sizes))
    trial = search.go(initial(model, sizes), lambda trial: not is_doubtful(trial))
    if trial is None:
        raise _not_found(runner.model, search)
    trial = with_floats(runner, replace(trial, call=labelled(trial.call, trial.arrivals)))
    failed = [other.call for other, _ in search.trials if not other.worked and other.call]
    return shortened(runner, trial, failed, search.sizes.steps)


def _key(call: Call) -> object:
    return tuple(argument.key for argument in call)


def _elements(call: Call) -> int:
    return max((math.prod(argument.shape) for argument in call if argument.is_tensor), default=1)


def _renamed(layout: Argument, like: Argument) -> Argument:
    dtype = layout.dtype if layout.kind == "int" else like.dtype if like.kind == "float" else layout.dtype
    as_like = replace(layout, name=like.name, keyword=like.keyword, holder=like.holder, place=like.place)
    return replace(as_like, dtype=dtype)


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
    lines = "\n".join(grouped(trial for trial, _ in deepest))
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
