"""First guesses at the arguments of `forward`, from its signature, the model's layers and its parameters. Runs nothing.

All free sizes differ from one another and from every size in the model, so that a wrong one leads back to one input axis.
"""

from __future__ import annotations

import inspect
import itertools
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

import torch
from torch import nn

from shapecheck.probe.inputs.bundles import Entry, held
from shapecheck.probe.inputs.layouts import (
    flat,
    from_parameters,
    generic,
    image,
    layouts,
    steps_first,
    steps_last,
    tensor,
)
from shapecheck.probe.inputs.sizing import Sizes, float_dtype, free_prime
from shapecheck.probe.runs.feeding import Argument, Call
from shapecheck.probe.runs.leaves import (
    CELLS,
    RECURRENT,
    leaves_of,
    width,
)

_TOKENS = re.compile(
    r"(^|_)(ids?|idx|tokens?|src|tgt|trg|texts?|words?|captions?|categ\w*|cats?|segment|seg|tags|seq|sequences?|sentences?|"
    r"input_ids|indices|chars?|labels?|targets?|users?|items?)($|_)"
)
_SINGLE = re.compile(r"_id$|^(user|item|speaker|spk|label|y|cls|class|category|domain|style)s?(_|$)")
_LABELS = re.compile(r"(^|_)(labels?|tags|y|classes|cls|speakers?|spk|domains?|styles?)($|_)")
_EDGES = re.compile(r"(^|_)(edges?|edge_?ind(ex|ices)|edge_?list)($|_\d?)")
_ADJACENCY = re.compile(r"(^|_)adj|graph|laplac")
_OWNERS = re.compile(r"^(batch|batch_?(idx|index|ind|vec|vector)|graph_?(ids?|idx)|node2graph|segment_?ids?)$")
_MASK = re.compile(r"mask|padding")
LENGTHS = re.compile(r"(^|_)(len|lens|lengths?|seq_?lens?)($|_)|lens$|lengths?$")
_LONGEST = re.compile(r"^(max|min|total)_?(\w+_)?(len|length|steps|time)$|^num_?(frames|steps)$")
_SPECTRUM = re.compile(r"(^|_)(mels?|spec|specs|spectrograms?|melspec\w*)($|_)")
_STATE = re.compile(
    r"^(h|hx|hidden|hiddens?|state|states|h0|h_?0|hidden_state|prev_state|prev_hidden|hc|init_hidden|h_prev|hid)$"
)
_CELL = re.compile(r"^(c0|c_0|cx|cell|cell_state|c_prev)$")
_MEMORY = re.compile(r"enc(oder)?_(out|hid|state|feat)\w*|memory|context")
_TIMESTEP = re.compile(r"^(t|time|times|sigma)$|(^|_)(timesteps?|time_?steps?|step|noise_levels?)$")
INDEX_NAMES = re.compile(
    "|".join(names.pattern for names in (_TOKENS, _SINGLE, _LABELS, _EDGES, _OWNERS, _MASK, LENGTHS, _TIMESTEP))
)
_IMAGE = re.compile(r"im(g|age)|pixel|frame|photo")
_UNLIKELY = 1.0
_AUDIO = re.compile(r"wav|audio|mix|signal")


@dataclass(frozen=True)
class Proposal:
    """Arguments worth a try; the lower the cost, the sooner. `why` is for the list of what was tried."""

    call: Call
    cost: float
    why: str


def parameters_of(model: nn.Module) -> tuple[list[inspect.Parameter], list[inspect.Parameter]]:
    """Required and optional parameters of `forward`; `*args` counts as one input if there is nothing else."""
    try:
        parameters = list(inspect.signature(model.forward).parameters.values())
    except (TypeError, ValueError):
        return [inspect.Parameter("input", inspect.Parameter.POSITIONAL_ONLY)], []
    scripted = isinstance(model, torch.jit.ScriptModule)  # its methods are not bound
    parameters = [p for p in parameters if not (scripted and p.name == "self")]
    named = [p for p in parameters if p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)]
    required = [p for p in named if p.default is p.empty]
    if not named and any(p.kind is p.VAR_POSITIONAL for p in parameters):
        required = [inspect.Parameter("input", inspect.Parameter.POSITIONAL_ONLY)]
    return required, [p for p in named if p.default is not p.empty]


def ungiven(model: nn.Module, call: Call) -> list[inspect.Parameter]:
    """Optional parameters of `forward` that are None unless they are given, and are not."""
    given = {argument.name for argument in call if argument.is_tensor}
    return [p for p in parameters_of(model)[1] if p.default is None and p.name not in given]


def initial(model: nn.Module, sizes: Sizes) -> Iterator[Proposal]:
    """First guesses for all required parameters, or for the first optional one if none is required."""
    required, optional = parameters_of(model)
    wanted = required or optional[:1]
    if not wanted:
        yield Proposal((), 0.0, "no arguments")
        return
    lead = [part for parameter in wanted for part in _held(model, parameter)]
    yield from _guesses(model, lead, sizes)
    if any(part.place >= 0 for part in lead):  # what is taken apart may be a tensor all the same
        for proposal in _guesses(model, [Part(parameter) for parameter in wanted], sizes):
            yield replace(proposal, cost=proposal.cost + _UNLIKELY)


def _guesses(model: nn.Module, lead: Sequence[Part], sizes: Sizes) -> Iterator[Proposal]:
    """Combinations of guesses for these parts, of which the first is the main one."""
    dtype = float_dtype(model)
    graph = any(_EDGES.search(part.short_name) or _ADJACENCY.search(part.short_name) for part in lead[1:])
    for main, cost, why in _main_guesses(model, lead[0].short_name, sizes, graph):
        head = with_dtype(lead[0].named(main), dtype)
        choices = [part.guesses(head, model, sizes)[:5] for part in lead[1:]]
        for number, rest in enumerate(_cheapest_first(choices)):
            yield Proposal((head, *(with_dtype(a, dtype) for a in rest)), cost + 0.35 * number, why)


@dataclass(frozen=True)
class Part:
    """A parameter, or one of the tensors that a parameter holds."""

    parameter: inspect.Parameter
    entry: Entry | None = None

    @property
    def short_name(self) -> str:
        return self.entry.name if self.entry else self.parameter.name

    @property
    def place(self) -> int:
        return self.entry.place if self.entry else -1

    @property
    def name(self) -> str:
        return f"{self.parameter.name}.{self.entry.name}" if self.entry else self.parameter.name

    def named(self, argument: Argument) -> Argument:
        if self.entry:
            return replace(argument, name=self.name, holder=self.parameter.name, place=self.place)
        return replace(argument, name=self.name, keyword=self.parameter.kind is self.parameter.KEYWORD_ONLY)

    def guesses(self, main: Argument, model: nn.Module, sizes: Sizes) -> list[Argument]:
        annotation = "" if self.entry else str(self.parameter.annotation)
        alone = replace(main, holder="", place=-1)
        return [self.named(guess) for guess in _beside(self.short_name, annotation, alone, model, sizes)]


def parts_of(model: nn.Module) -> list[Part]:
    """Every parameter of `forward`, and in the place of one that holds several tensors, each of these."""
    required, optional = parameters_of(model)
    return [part for parameter in (*required, *optional) for part in _held(model, parameter)]


def _held(model: nn.Module, parameter: inspect.Parameter) -> list[Part]:
    """What the argument holds, with what is told from other entries last: edges, masks, lengths."""
    told = (_EDGES, _OWNERS, _MASK, LENGTHS, _LABELS)
    entries = held(model, parameter.name)
    if any(pattern.search(parameter.name) for pattern in (*told, _STATE, _CELL)):  # of two rows, or a pair, by nature
        entries = [entry for entry in entries if entry.place < 0]
    ordered = sorted(entries, key=lambda entry: any(pattern.search(entry.name) for pattern in told))
    return [Part(parameter, entry) for entry in ordered] or [Part(parameter)]


def _cheapest_first(choices: list[list[Argument]]) -> list[tuple[Argument, ...]]:
    """Combinations by the sum of their ranks, at most a dozen."""
    ranked = itertools.islice(itertools.product(*[list(enumerate(c)) for c in choices]), 2000)
    ordered = sorted(ranked, key=lambda combination: sum(rank for rank, _ in combination))
    return [tuple(argument for _, argument in combination) for combination in ordered[:12]]


def with_dtype(argument: Argument, dtype: torch.dtype) -> Argument:
    if argument.kind in ("float", "state"):
        return replace(argument, dtype=dtype)
    return replace(argument, dtype=torch.bool if argument.kind == "bool" else torch.int64)


def _main_guesses(model: nn.Module, name: str, sizes: Sizes, graph: bool) -> Iterator[tuple[Argument, float, str]]:
    if _SINGLE.search(name) and any(isinstance(leaf, nn.Embedding) for leaf in leaves_of(model)):
        yield Argument(kind="int", shape=(sizes.batch,), labels=("batch",), high=2), -0.6, "its name"
    if _TOKENS.search(name):
        high = next((m.num_embeddings for m in leaves_of(model) if isinstance(m, nn.Embedding)), 0)
        if high:
            yield (
                Argument(kind="int", shape=(sizes.batch, sizes.steps), labels=("batch", "time"), high=high),
                -0.5,
                "its name",
            )
    for tall, channels in _tall_filters(model):
        rows = Argument(shape=(sizes.batch, channels, tall, sizes.samples), labels=("batch", "", "", "time"))
        yield rows, -0.1, "a filter over all rows"
    if graph:
        for rank, size in enumerate(_matrix_widths(model)):
            yield flat(size, sizes), 0.1 * rank - 0.7, "features of nodes"
    if _IMAGE.search(name):
        yield image(3, sizes), 0.2, "its name"
    if _AUDIO.search(name):
        yield tensor(sizes, time=sizes.samples), 0.4, "its name"
    for number, leaf in enumerate(_entrances(leaves_of(model))):
        for rank, layout in enumerate(layouts(leaf, sizes)):
            yield layout, 0.6 * number + 0.3 * rank, f"the first {type(leaf).__name__}"
    for rank, layout in enumerate(from_parameters(model, sizes)):
        yield layout, 0.8 + 0.1 * rank, "the model's own parameters"
    for rank, layout in enumerate(generic(sizes)):
        yield layout, 1.5 + 0.2 * rank, "a common layout"


def _matrix_widths(model: nn.Module) -> list[int]:
    """Both sides of the first matrices: layers of other libraries multiply with parameters of their own."""
    matrices = [parameter.shape for parameter in model.parameters() if parameter.dim() == 2][:2]
    return list(dict.fromkeys(int(shape[side]) for shape in matrices for side in (1, 0)))[:3]


def _tall_filters(model: nn.Module) -> list[tuple[int, int]]:
    """Kernels that are one column wide and tall: filters over all electrodes of a recording."""
    convolutions = [leaf for leaf in leaves_of(model) if isinstance(leaf, nn.Conv2d)]
    tall = [leaf.kernel_size[0] for leaf in convolutions if leaf.kernel_size[0] > 7 and leaf.kernel_size[1] == 1]
    return [(int(size), convolutions[0].in_channels) for size in tall[:1]]


def _entrances(leaves: list[nn.Module]) -> list[nn.Module]:
    """The first layer, and two later ones of other types: registration order is not running order."""
    others = [leaf for leaf in leaves[1:8] if type(leaf) is not type(leaves[0])]
    return leaves[:1] + others[:2]


def beside(parameter: inspect.Parameter, main: Argument, model: nn.Module, sizes: Sizes) -> list[Argument]:
    """Guesses at an argument that stands beside the main one, from its name and annotation."""
    return Part(parameter).guesses(main, model, sizes)


def _beside(name: str, annotation: str, main: Argument, model: nn.Module, sizes: Sizes) -> list[Argument]:
    plain = {"<class 'int'>": 1, "int": 1, "<class 'float'>": 0.5, "float": 0.5, "<class 'bool'>": False, "bool": False}
    if annotation in plain:
        return [Argument(kind="constant", value=plain[annotation])]
    nothing = Argument(kind="constant", value=None)
    same = replace(main, keyword=False)
    features = flat(16, sizes)
    per_sample = Argument(kind="float", shape=(sizes.batch,), labels=("batch",))
    if _STATE.search(name) or _CELL.search(name):
        both = states(model, sizes)
        return _unique(
            [*([] if _CELL.search(name) else both), *(replace(s, pair=False) for s in both), nothing, features]
        )
    if _LONGEST.search(name):
        return [Argument(kind="constant", value=_time_of(main, sizes)), nothing, _lengths(main, sizes)]
    if LENGTHS.search(name):
        lengths = _lengths(main, sizes)
        column = replace(lengths, shape=(sizes.batch, 1), labels=("batch", ""))
        return [lengths, nothing, column, replace(lengths, kind="int", high=lengths.high + 1)]
    if _EDGES.search(name):
        return [_edges(main, sizes), nothing]
    if _MASK.search(name):
        time = _time_of(main, sizes)
        row = Argument(kind="bool", shape=(sizes.batch, time), labels=("batch", "time"))
        square = replace(row, shape=(time, time), labels=("time", "time"))
        return [nothing, row, square, replace(row, shape=(time, sizes.batch), labels=("time", "batch"))]
    if _MEMORY.search(name):
        widths = [leaf.hidden_size for leaf in leaves_of(model) if isinstance(leaf, (*RECURRENT, *CELLS))] or [16]
        other = replace(sizes, steps=free_prime(13, {sizes.steps, sizes.batch}))
        return _unique([*(steps_first(w, other) for w in widths), *(steps_first(2 * w, other) for w in widths), same])
    if _TIMESTEP.search(name):
        index = replace(per_sample, kind="int", high=2)
        either = [index, per_sample] if "step" in name else [per_sample, index]
        return [*either, replace(per_sample, shape=(sizes.batch, 1), labels=("batch", ""))]
    if _OWNERS.search(name):
        return [replace(per_sample, kind="int", high=2), nothing, same]
    if _ADJACENCY.search(name):
        return [Argument(shape=(sizes.batch, sizes.batch), labels=("batch", "batch")), same]
    return _beside_unnamed(name, same, model, sizes)


def _spectra(model: nn.Module, sizes: Sizes) -> list[Argument]:
    """Frames of as many bands as the model says; none where it does not."""
    counts = [
        value
        for module in model.modules()
        for attribute, value in vars(module).items()
        if isinstance(value, int) and value > 1 and re.search(r"mel|n_?bands|n_?freqs?$", attribute)
    ]
    return [
        layout for count in dict.fromkeys(counts) for layout in (steps_last(count, sizes), steps_first(count, sizes))
    ]


def _beside_unnamed(name: str, same: Argument, model: nn.Module, sizes: Sizes) -> list[Argument]:
    embeddings = [m.num_embeddings for m in leaves_of(model) if isinstance(m, nn.Embedding)]
    high = min(embeddings, default=2)
    other = Argument(
        kind="int", shape=(sizes.batch, free_prime(13, {sizes.steps})), labels=("batch", "time"), high=high
    )
    one = Argument(kind="int", shape=(sizes.batch,), labels=("batch",), high=high)
    entrances = [layouts(leaf, sizes)[0] for leaf in _distinct(leaves_of(model))[:4]]
    if _SINGLE.search(name) and embeddings:
        return [one, other, same]
    if _TOKENS.search(name) and (embeddings or same.kind == "int"):
        return [other, one, same]
    steps = replace(one, shape=same.shape[:2], labels=same.labels[:2])
    labels = [steps, one] if len(same.shape) == 3 else [one]
    ints = [other, one] if embeddings else labels if _LABELS.search(name) else []
    spectra = _spectra(model, sizes) if _SPECTRUM.search(name) else []
    first = ints if _LABELS.search(name) else [*spectra, same, *ints]
    return _unique([*first, same, *entrances, flat(16, sizes), Argument(kind="constant", value=None)])


def _distinct(leaves: Iterable[nn.Module]) -> list[nn.Module]:
    """One layer for each type and width."""
    return list({(type(leaf), width(leaf)): leaf for leaf in reversed(list(leaves))}.values())[::-1]


def _unique(arguments: list[Argument]) -> list[Argument]:
    return list({argument.key: argument for argument in reversed(arguments)}.values())[::-1]


def states(model: nn.Module, sizes: Sizes) -> list[Argument]:
    """A recurrent state for the first recurrent layer or cell; without any, guesses at a hand-made one."""
    for leaf in model.modules():
        if isinstance(leaf, RECURRENT):
            layers = leaf.num_layers * (2 if leaf.bidirectional else 1)
            shape = (layers, sizes.batch, leaf.hidden_size)
            state = Argument(kind="state", shape=shape, labels=("", "batch", ""))
            return [replace(state, pair=isinstance(leaf, nn.LSTM))]
        if isinstance(leaf, CELLS):
            state = Argument(kind="state", shape=(sizes.batch, leaf.hidden_size), labels=("batch", ""))
            return [replace(state, pair=isinstance(leaf, nn.LSTMCell))]
    hidden = getattr(model, "hidden_size", None) or getattr(model, "hidden_dim", None)
    if isinstance(hidden, int):
        return [Argument(kind="state", shape=(sizes.batch, hidden), labels=("batch", ""))]
    return [Argument(kind="state", shape=(sizes.batch, 16), labels=("batch", ""))]


def _edges(main: Argument, sizes: Sizes) -> Argument:
    """(2, E): from node and to node; the nodes are the rows of the main input."""
    nodes = main.shape[0] if main.shape else sizes.batch
    return Argument(kind="int", shape=(2, free_prime(13, set(main.shape))), labels=("", ""), high=nodes)


def _lengths(main: Argument, sizes: Sizes) -> Argument:
    return Argument(kind="lengths", shape=(sizes.batch,), labels=("batch",), high=_time_of(main, sizes))


def _time_of(main: Argument, sizes: Sizes) -> int:
    return next((size for axis, size in enumerate(main.shape) if main.label(axis) == "time"), sizes.steps)
