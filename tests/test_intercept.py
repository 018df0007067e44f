"""Loss calls are seen wherever they are made from, and the program runs as if nobody looked on."""

from __future__ import annotations

import copy
import functools
import inspect
import pickle
import sys
import threading
import traceback
import warnings
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, ClassVar

import pytest
import torch
import torch.nn.functional as F
from helpers import module_at, written
from torch import nn
from torch.nn.functional import cross_entropy as taken_early

from shapecheck.intercept.calls import Deliberate, LossCall
from shapecheck.intercept.interception import Interception
from shapecheck.intercept.telling import unseen
from shapecheck.oracle import function_of
from shapecheck.rules import all_losses, load_loss
from shapecheck.specs import WrittenCall

LOGITS, LABELS = torch.randn(4, 3), torch.tensor([0, 1, 2, 0])
ROWS, SIGNS = torch.rand(4, 3), torch.tensor([1, -1, 1, -1])
HELD = {"partial": functools.partial(F.cross_entropy, reduction="sum"), "table": {"ce": F.cross_entropy}["ce"]}


class Listener:
    """Notes what it is told."""

    def __init__(self) -> None:
        self.told: list[tuple[str, LossCall]] = []
        self.errors: list[Exception] = []
        self.results: list[Any] = []
        self.words: list[WrittenCall | None] = []

    def before(self, call: LossCall) -> None:
        self.told.append(("before", call))
        self.words.append(call.told_by(load_loss(call.loss)))

    def after(self, call: LossCall, result: Any) -> None:
        self.told.append(("after", call))
        self.results.append(result)

    def raised(self, call: LossCall, error: Exception) -> None:
        self.told.append(("raised", call))
        self.errors.append(error)

    @property
    def calls(self) -> list[LossCall]:
        return [call for event, call in self.told if event == "before"]

    @property
    def losses(self) -> list[str]:
        return [call.loss for call in self.calls]


@pytest.fixture
def listener() -> Iterator[Listener]:
    told = Listener()
    with Interception(told):
        yield told


def code_of_every_loss() -> list[Any]:
    found = [function_of(rule) for rule in all_losses()]
    return [(each.forward if isinstance(each, type) else each).__code__ for each in found]


CALLS: dict[str, tuple[Callable[[], Any], tuple[str, ...]]] = {
    "cross_entropy": (lambda: nn.CrossEntropyLoss()(LOGITS, LABELS), ("output", "target")),
    "nll_loss": (lambda: nn.NLLLoss()(LOGITS.log_softmax(1), LABELS), ("output", "target")),
    "mse_loss": (lambda: nn.MSELoss()(LOGITS, ROWS), ("output", "target")),
    "l1_loss": (lambda: nn.L1Loss()(LOGITS, ROWS), ("output", "target")),
    "smooth_l1_loss": (lambda: nn.SmoothL1Loss()(LOGITS, ROWS), ("output", "target")),
    "huber_loss": (lambda: nn.HuberLoss()(LOGITS, ROWS), ("output", "target")),
    "kl_div": (lambda: F.kl_div(LOGITS, ROWS, reduction="sum"), ("output", "target")),
    "poisson_nll_loss": (lambda: nn.PoissonNLLLoss()(LOGITS, ROWS), ("output", "target")),
    "gaussian_nll_loss": (lambda: nn.GaussianNLLLoss()(LOGITS, ROWS, ROWS), ("output", "target", "var")),
    "binary_cross_entropy": (lambda: nn.BCELoss()(ROWS, ROWS), ("output", "target")),
    "binary_cross_entropy_with_logits": (lambda: nn.BCEWithLogitsLoss()(LOGITS, ROWS), ("output", "target")),
    "soft_margin_loss": (lambda: nn.SoftMarginLoss()(LOGITS[:, 0], SIGNS), ("output", "target")),
    "hinge_embedding_loss": (lambda: nn.HingeEmbeddingLoss()(LOGITS[:, 0], SIGNS), ("output", "target")),
    "multi_margin_loss": (lambda: nn.MultiMarginLoss()(LOGITS, LABELS), ("output", "target")),
    "multilabel_margin_loss": (
        lambda: nn.MultiLabelMarginLoss()(LOGITS, torch.full((4, 3), -1)),
        ("output", "target"),
    ),
    "multilabel_soft_margin_loss": (lambda: nn.MultiLabelSoftMarginLoss()(LOGITS, ROWS), ("output", "target")),
    "cosine_embedding_loss": (
        lambda: nn.CosineEmbeddingLoss()(LOGITS, ROWS, SIGNS),
        ("input1", "input2", "target"),
    ),
    "margin_ranking_loss": (lambda: nn.MarginRankingLoss()(LABELS * 1.0, SIGNS, SIGNS), ("input1", "input2", "target")),
    "triplet_margin_loss": (lambda: nn.TripletMarginLoss()(LOGITS, ROWS, ROWS), ("anchor", "positive", "negative")),
    "triplet_margin_with_distance_loss": (
        lambda: nn.TripletMarginWithDistanceLoss()(LOGITS, ROWS, ROWS),
        ("anchor", "positive", "negative"),
    ),
    "ctc_loss": (
        lambda: nn.CTCLoss()(torch.randn(9, 2, 5).log_softmax(2), torch.ones(2, 3, dtype=torch.long), (9, 9), (3, 3)),
        ("log_probs", "targets", "input_lengths", "target_lengths"),
    ),
    "linear_cross_entropy": (
        lambda: F.linear_cross_entropy(LOGITS, torch.randn(5, 3), LABELS),
        ("output", "linear_weight", "target"),
    ),
    "adaptive_log_softmax_with_loss": (
        lambda: nn.AdaptiveLogSoftmaxWithLoss(8, 9, [4], div_value=2.0)(torch.randn(4, 8), LABELS),
        ("output", "target"),
    ),
}


@pytest.mark.parametrize("loss", [rule.name for rule in all_losses()])
def test_every_loss_is_seen(loss: str, listener: Listener) -> None:
    make, tensors = CALLS[loss]
    result = make()
    assert [event for event, _ in listener.told] == ["before", "after"]
    assert listener.losses == [loss]
    assert tuple(listener.calls[0].tensors) == tensors
    assert listener.results[0] is result


KEYWORDS: dict[str, tuple[Callable[[], Any], dict[str, Any]]] = {
    "at their defaults": (lambda: F.cross_entropy(LOGITS, LABELS, None, None, -100, None, "mean", 0.0), {}),
    "positional": (lambda: F.cross_entropy(LOGITS, LABELS, None, None, 0), {"ignore_index": 0}),
    "by name": (lambda: F.cross_entropy(target=LABELS, input=LOGITS, reduction="sum"), {"reduction": "sum"}),
    "of a module": (lambda: nn.CrossEntropyLoss(label_smoothing=0.1)(LOGITS, LABELS), {"label_smoothing": 0.1}),
    "equal in another type": (lambda: F.triplet_margin_loss(ROWS, ROWS, ROWS, margin=1, p=2.0), {}),
    "of a constructor": (
        CALLS["adaptive_log_softmax_with_loss"][0],
        {"in_features": 8, "n_classes": 9, "cutoffs": [4], "div_value": 2.0},
    ),
}


@pytest.mark.parametrize("case", KEYWORDS)
def test_keywords_that_say_something_are_told(case: str, listener: Listener) -> None:
    make, expected = KEYWORDS[case]
    make()
    assert dict(listener.calls[0].loss_args) == expected


def test_deprecated_keywords_are_told(listener: Listener) -> None:
    with pytest.warns(UserWarning, match="deprecated"):
        F.cross_entropy(LOGITS, LABELS, size_average=False)
    assert dict(listener.calls[0].loss_args) == {"size_average": False}


def test_tensors_are_told_as_they_are(listener: Listener) -> None:
    weight = torch.ones(3)
    F.cross_entropy(LOGITS, LABELS, weight)
    call = listener.calls[0]
    assert call.tensors["output"] is LOGITS
    assert call.loss_args["weight"] is weight
    with pytest.raises(TypeError):
        F.cross_entropy([LOGITS], LABELS)
    assert listener.calls[1].tensors["output"] == [LOGITS]


@pytest.mark.parametrize("call", [taken_early, *HELD.values()], ids=("imported", *HELD))
def test_who_holds_a_loss_already_is_seen(call: Callable[..., Any], listener: Listener) -> None:
    call(LOGITS, LABELS)
    assert listener.losses == ["cross_entropy"]


@pytest.mark.parametrize(
    "arguments, keywords",
    [((LOGITS,), {}), ((LOGITS, LABELS), {"redution": "sum"}), ((LOGITS, LABELS), {"input": ROWS})],
)
def test_calls_that_python_refuses_are_torchs_own(
    arguments: tuple[Any, ...], keywords: Mapping[str, Any], listener: Listener
) -> None:
    with pytest.raises(TypeError) as seen:
        F.cross_entropy(*arguments, **keywords)
    assert listener.told == []
    with unseen(), pytest.raises(TypeError) as plain:
        F.cross_entropy(*arguments, **keywords)
    assert str(seen.value) == str(plain.value)


def test_only_the_outermost_loss_counts(listener: Listener) -> None:
    F.triplet_margin_with_distance_loss(ROWS, ROWS, ROWS, distance_function=lambda a, b: F.mse_loss(a, b))
    assert listener.losses == ["triplet_margin_with_distance_loss"]


def test_unseen_calls_are_not_told(listener: Listener) -> None:
    with unseen():
        F.mse_loss(ROWS, ROWS)
    assert listener.told == []


# ------------------------------------------------------------------------------------- lines


def test_the_line_is_the_users(listener: Listener) -> None:
    def step(criterion: nn.Module) -> None:
        criterion(LOGITS, LABELS)

    step(nn.CrossEntropyLoss())
    call = listener.calls[0]
    assert Path(call.location.path).name == "test_intercept.py"
    first = inspect.getsourcelines(step)[1]
    assert [line.line for line in call.lines][:2] == [first + 1, first + 3]
    if sys.version_info >= (3, 11):
        told = listener.words[0]
        assert told is not None
        assert (told.text, dict(told.tensors)) == (
            "criterion(LOGITS, LABELS)",
            {"output": "LOGITS", "target": "LABELS"},
        )


# ------------------------------------------------------------------------------------- put back


def test_everything_is_put_back() -> None:
    codes, names = code_of_every_loss(), dict(vars(F.cross_entropy))
    told = Listener()
    interception = Interception(told)

    def failing() -> None:
        with interception, interception, Interception(Listener()):
            assert all(now is not before for now, before in zip(code_of_every_loss(), codes))
            raise KeyError

    with pytest.raises(KeyError):
        failing()
    assert all(now is before for now, before in zip(code_of_every_loss(), codes))
    assert vars(F.cross_entropy) == names
    F.cross_entropy(LOGITS, LABELS)
    assert told.told == []


def test_entered_twice_is_told_once() -> None:
    told = Listener()
    with (interception := Interception(told)), interception:
        F.mse_loss(ROWS, ROWS)
    assert told.losses == ["mse_loss"]


def test_each_interception_is_told_while_it_is_on() -> None:
    outer, inner = Listener(), Listener()
    with Interception(outer):
        with Interception(inner):
            F.mse_loss(ROWS, ROWS)
        F.l1_loss(ROWS, ROWS)
    assert (outer.losses, inner.losses) == (["mse_loss", "l1_loss"], ["mse_loss"])


def test_threads_are_seen_while_others_come_and_go(listener: Listener) -> None:
    def work() -> None:
        for _ in range(30):
            with Interception(Listener()):
                F.mse_loss(ROWS, ROWS)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert listener.losses == ["mse_loss"] * 120


# ------------------------------------------------------------------------------------- transparent


def test_the_exception_is_torchs_own(listener: Listener) -> None:
    def failing() -> None:
        F.cross_entropy(LOGITS, LABELS[:3])

    with pytest.raises(ValueError, match="batch_size") as seen:
        failing()
    assert listener.errors[0] is seen.value
    with unseen(), pytest.raises(ValueError, match="batch_size") as plain:
        failing()
    last, expected = (traceback.extract_tb(each.value.__traceback__)[-1] for each in (seen, plain))
    assert (last.filename, last.lineno) == (expected.filename, expected.lineno)


def test_a_function_is_what_it_was(listener: Listener) -> None:
    assert F.cross_entropy is taken_early
    assert pickle.loads(pickle.dumps(F.cross_entropy)) is taken_early
    assert pickle.loads(pickle.dumps(HELD["partial"])).func is taken_early
    assert copy.deepcopy(nn.CrossEntropyLoss())(LOGITS, LABELS) is not None
    assert list(inspect.signature(F.cross_entropy).parameters)[:2] == ["input", "target"]
    assert inspect.getsource(F.cross_entropy).startswith("def cross_entropy(")


def test_warnings_are_about_the_users_line(listener: Listener) -> None:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        F.mse_loss(torch.zeros(4, 1), torch.zeros(4))
    assert caught[0].filename == __file__


class Dispatching(torch.Tensor):
    """A tensor with a table of its own for functions."""

    functions: ClassVar[list[Any]] = []

    @classmethod
    def __torch_function__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        cls.functions.append(func)
        return super().__torch_function__(func, types, args, kwargs or {})


def test_subclasses_are_asked_with_the_function_itself(listener: Listener) -> None:
    Dispatching.functions.clear()
    F.cross_entropy(LOGITS.as_subclass(Dispatching), LABELS)
    assert Dispatching.functions[0] is F.cross_entropy
    assert listener.losses == ["cross_entropy"]


def two(logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    return F.cross_entropy(logits, labels) + F.mse_loss(logits, logits)


EXPECTED = two(LOGITS, LABELS)


def test_scripted_traced_and_compiled_code_runs_as_ever(listener: Listener) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch is about to give up on TorchScript
        made = [torch.jit.script(two), torch.jit.script(nn.CrossEntropyLoss()), torch.compile(two, backend="eager")]
        made += [torch.jit.trace(two, (LOGITS, LABELS)), torch.fx.symbolic_trace(two)]
    assert not any("shapecheck" in str(getattr(each, "graph", "")) for each in made)
    for each in (made[0], made[2], made[3], made[4]):
        torch.testing.assert_close(each(LOGITS, LABELS), EXPECTED)
    torch.testing.assert_close(torch.compile(two, backend="aot_eager", fullgraph=True)(LOGITS, LABELS), EXPECTED)


def test_compiled_before_and_called_within() -> None:
    compiled = torch.compile(two, backend="aot_eager", fullgraph=True)
    for _ in range(2):
        torch.testing.assert_close(compiled(LOGITS, LABELS), EXPECTED)
        with Interception(Listener()):
            torch.testing.assert_close(compiled(LOGITS, LABELS), EXPECTED)


def test_transforms_run_as_ever(listener: Listener) -> None:
    def loss(logits: torch.Tensor) -> torch.Tensor:
        return F.cross_entropy(logits, LABELS)

    gradient = torch.func.grad(loss)(LOGITS)
    assert [type(call.tensors["output"]) for call in listener.calls] == [torch.Tensor]
    torch.testing.assert_close(listener.calls[0].tensors["output"], LOGITS)
    rows = torch.vmap(F.cross_entropy)(LOGITS, LABELS)
    assert len(listener.calls) == 1, "what is mapped has no values"
    with unseen():
        torch.testing.assert_close(gradient, torch.func.grad(loss)(LOGITS))
        torch.testing.assert_close(rows, F.cross_entropy(LOGITS, LABELS, reduction="none"))


def test_autocast_decides_as_ever(listener: Listener) -> None:
    with torch.autocast("cpu", torch.bfloat16):
        half = F.cross_entropy(LOGITS.bfloat16(), LABELS)
    with unseen(), torch.autocast("cpu", torch.bfloat16):
        assert half.dtype == F.cross_entropy(LOGITS.bfloat16(), LABELS).dtype


# ------------------------------------------------------------------------------------- listeners


class Broken(Listener):
    def __init__(self, error: BaseException) -> None:
        super().__init__()
        self.error = error

    def before(self, call: LossCall) -> None:
        raise self.error

    def after(self, call: LossCall, result: Any) -> None:
        raise self.error

    def raised(self, call: LossCall, error: Exception) -> None:
        raise self.error


def test_a_broken_listener_breaks_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    with Interception(Broken(RuntimeError("mistake of ours"))):
        for _ in range(3):
            F.mse_loss(ROWS, ROWS)
        with pytest.raises(ValueError, match="batch_size"):
            F.cross_entropy(LOGITS, LABELS[:3])
    assert capsys.readouterr().err.count("mistake of ours") == 1


class Stop(BaseException):
    pass


@pytest.mark.parametrize("error", [Stop(), Deliberate()], ids=("stop", "deliberate"))
def test_what_a_listener_means_goes_through(error: BaseException, listener: Listener) -> None:
    with Interception(Broken(error)), pytest.raises(type(error)):
        F.mse_loss(ROWS, ROWS)
    assert listener.errors == []
    F.mse_loss(ROWS, ROWS)
    assert len(listener.calls) == 2


# ------------------------------------------------------------------------------------- losses of the user's own

OWN = {
    "losses.py": """
import torch
from torch import nn

def focal(output, target, gamma=2.0):
    logs = nn.functional.nll_loss(output.log_softmax(1), target, reduction="none")
    return ((1 - (-logs).exp()) ** gamma * logs).mean()

class Dice(nn.Module):
    def __init__(self, smooth=1.0):
        super().__init__()
        self.smooth = smooth

    def forward(self, output, target):
        return 1 - (2 * (output * target).sum() + self.smooth) / (output.sum() + target.sum() + self.smooth)
""",
    "rules/focal.yaml": """
loss: focal
call: ../losses.py:focal
arguments:
  gamma: {type: float, default: 2.0}
contract:
  - {output: batch class, target: batch, dtype: int64}
""",
    "rules/dice.yaml": """
loss: dice
call: ../losses.py:Dice
arguments:
  smooth: {type: float, default: 1.0}
contract:
  - {output: batch class, target: batch class, dtype: float32}
""",
}


@pytest.fixture
def own(tmp_path: Path) -> tuple[Any, Path]:
    written(tmp_path, OWN)
    return module_at(tmp_path / "losses.py", "own_losses_of_a_test"), tmp_path / "rules"


def test_losses_of_the_users_own_are_seen(own: tuple[Any, Path]) -> None:
    losses, rules = own
    told = Listener()
    with Interception(told, (rules,)):
        result = losses.focal(LOGITS, LABELS, gamma=1.0)
        losses.Dice(2.0)(ROWS, target=ROWS)
        F.mse_loss(ROWS, ROWS)
    assert sys.getprofile() is None
    assert sys.gettrace() is None
    assert told.losses == ["focal", "dice", "mse_loss"]
    assert [list(call.tensors) for call in told.calls] == [["output", "target"]] * 3
    assert [dict(call.loss_args) for call in told.calls] == [{"gamma": 1.0}, {"smooth": 2.0}, {}]
    assert told.results[0] is result
    assert {Path(call.location.path).name for call in told.calls} == {"test_intercept.py"}


def test_an_own_loss_that_raises_is_told(own: tuple[Any, Path]) -> None:
    losses, rules = own
    told = Listener()
    with Interception(told, (rules,)):
        with pytest.raises(ValueError, match="batch_size") as seen:
            losses.focal(LOGITS, LABELS[:3])
        F.mse_loss(ROWS, ROWS)
    assert told.errors == [seen.value]
    assert told.losses == ["focal", "mse_loss"]


def test_without_such_rules_nothing_is_profiled(listener: Listener) -> None:
    assert sys.getprofile() is None
