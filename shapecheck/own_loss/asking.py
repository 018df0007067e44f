"""One call of the user's loss, forward and backward: what it gave, or what it raised and where. Judges nothing.

The loss never sees the tensors it is given but copies, and a module of the user's is as before after every call.
"""

from __future__ import annotations

import ast
import io
import re
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext, redirect_stdout
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import Any

import torch

from shapecheck import source
from shapecheck.errors import Location, ModelError
from shapecheck.own_loss.calling import OwnLoss
from shapecheck.own_loss.watching import Meeting, Watch
from shapecheck.probe import places
from shapecheck.probe.outputs.outputs import Piece, named, pieces
from shapecheck.probe.runs.state import Guard, seed, surroundings
from shapecheck.probe.telling import said, shown_value

_NO_GPU = re.compile(r"not compiled with CUDA|No CUDA GPUs|no NVIDIA driver")
_SLIPS = (NameError, ImportError, SyntaxError, NotImplementedError)
SECONDS = 10.0  # for all tries of one check together


@dataclass(frozen=True, eq=False)
class Answer:
    """What came of one call.

    `returned` is '' for a tensor, else what came in its place: `a float`. `part` is the path of the tensor that was taken from
    a tuple or dict. `gradient` is that of the output, None where none came back. `error` is what was raised in
    `stage`, forward or backward; `own` says that a raise or assert of the user's own spoke. `changed` names the tensors
    that the loss wrote to.
    """

    value: torch.Tensor | None = None
    gradient: torch.Tensor | None = None
    carries: bool = False
    returned: str = ""
    part: str = ""
    error: Exception | None = None
    stage: str = ""
    words: str = ""
    own: bool = False
    location: Location | None = None
    changed: tuple[str, ...] = ()
    meetings: tuple[Meeting, ...] = ()
    normalises: bool = False

    @property
    def accepts(self) -> bool:
        """It computed something, whatever that is."""
        return self.stage != "forward"

    @property
    def finite(self) -> bool:
        parts = [part for part in (self.value, self.gradient) if part is not None]
        wide = (part.to(torch.complex128 if part.is_complex() else torch.float64) for part in parts)
        return all(bool(torch.isfinite(part).all()) for part in wide)

    @property
    def slip(self) -> bool:
        """A mistake in the function itself, which no target can mend."""
        return isinstance(self.error, _SLIPS)


@contextmanager
def one_thread() -> Iterator[None]:
    """Calls as small as these take longer on several threads."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


@dataclass
class Asker:
    """Calls the loss; the first call may print, the others are quiet. Raises ModelError where it exits or needs a GPU."""

    loss: OwnLoss
    calls: int = 0
    started: float = field(default_factory=time.monotonic)
    _guard: Guard | None = None

    def __post_init__(self) -> None:
        module = self.loss.module
        self._guard = Guard(module) if module is not None else None

    @property
    def expired(self) -> bool:
        return time.monotonic() - self.started > SECONDS

    def ask(self, output: torch.Tensor, target: torch.Tensor, watch: bool = False) -> Answer:
        """Forward and backward on copies of these tensors, always with the same random numbers."""
        leaf, given = output.detach().clone(), target.detach().clone()
        if leaf.is_floating_point() or leaf.is_complex():
            leaf.requires_grad_(True)
        passed = leaf.clone()  # as in training no leaf: it may be written to
        watcher = Watch(passed, given) if watch else None
        seed()
        with self._quiet(), torch.enable_grad():
            answer = self._forward(passed, given, leaf, watcher)
        changed = [
            name for name, now, was in (("output", passed, output), ("target", given, target)) if _differ(now, was)
        ]
        if watcher is not None:
            answer = replace(answer, meetings=tuple(watcher.meetings), normalises=watcher.normalises)
        return replace(answer, changed=tuple(changed))

    def _forward(self, passed: torch.Tensor, given: torch.Tensor, leaf: torch.Tensor, watcher: Watch | None) -> Answer:
        positional, keywords = self.loss.arguments(passed, given)
        try:
            with watcher or nullcontext():
                returned = self.loss.found(*positional, **keywords)
        except Exception as error:
            return self._raised(error, "forward")
        except SystemExit as stopped:
            message = f"{self.loss.name} calls sys.exit({shown_value(stopped.code)})"
            hint = "a loss returns its value; raise an exception to refuse a tensor"
            raise ModelError(message, hint, code="SC907", location=places.raised_at(stopped)) from None
        piece = _tensor_in(returned)
        if piece is None:
            return Answer(returned=named(returned))
        answer = Answer(piece.tensor.detach().clone(), carries=piece.tensor.requires_grad, part=piece.path)
        return self._backward(piece.tensor, leaf, answer) if piece.tensor.requires_grad else answer

    def _backward(self, value: torch.Tensor, leaf: torch.Tensor, answer: Answer) -> Answer:
        if not leaf.requires_grad:
            return answer
        try:
            total = value.sum() if value.dim() else value
            gradients: tuple[torch.Tensor | None, ...] = torch.autograd.grad(total, [leaf], allow_unused=True)
        except Exception as error:
            failed = self._raised(error, "backward")
            return replace(failed, value=answer.value, carries=True, part=answer.part)
        return replace(answer, gradient=None if gradients[0] is None else gradients[0].detach())

    def _raised(self, error: Exception, stage: str) -> Answer:
        place = places.raised_at(error)
        if _NO_GPU.search(str(error)):
            hint = "a check runs on the CPU: make new tensors where the output is, with device=output.device"
            raise ModelError(f"{self.loss.name} asks for a GPU", hint, code="SC907", location=place) from None
        check = _own_check(error)
        text = said(error)
        if check and not str(error).strip():
            text = f"{type(error).__name__} from `{check}`"
        return Answer(error=error.with_traceback(None), stage=stage, words=text, own=bool(check), location=place)

    @contextmanager
    def _quiet(self) -> Iterator[None]:
        """State put back, warnings unheard, and prints shown once."""
        self.calls += 1
        with surroundings(), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                with nullcontext() if self.calls == 1 else redirect_stdout(io.StringIO()):
                    yield
            finally:
                if self._guard is not None:
                    self._guard.restore()


def _tensor_in(returned: Any) -> Piece | None:
    """The tensor itself, or the number in what was returned that is plainly the loss."""
    found = pieces(returned)
    if len(found) < 2:
        return found[0] if found else None
    numbers = [piece for piece in found if piece.tensor.numel() == 1] or found
    called = [piece for piece in numbers if piece.path.rpartition(".")[2] in ("loss", "total", "total_loss")]
    return (called or [piece for piece in numbers if piece.tensor.requires_grad] or numbers)[0]


def _differ(now: torch.Tensor, was: torch.Tensor) -> bool:
    """Bit by bit: some dtypes can be compared in no other way, and nan is no change."""
    if now.shape != was.shape or now.dtype != was.dtype:
        return True
    ours, theirs = (tensor.detach().contiguous().view(-1).view(torch.uint8) for tensor in (now, was))
    return not torch.equal(ours, theirs)


def _own_check(error: Exception) -> str:
    """The assert or raise of the user's that spoke, as code; '' where it was torch or Python."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    if trace is None or places.distance(trace.tb_frame.f_code.co_filename):
        return ""
    return _check_at(trace.tb_frame.f_code.co_filename, trace.tb_lineno)


@lru_cache(maxsize=256)
def _check_at(path: str, line: int) -> str:
    tree = source.parse(path)
    for node in ast.walk(tree) if tree else ():
        if isinstance(node, (ast.Assert, ast.Raise)) and node.lineno <= line <= (node.end_lineno or node.lineno):
            return ast.unparse(node)
    return ""
