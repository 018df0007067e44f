"""Arguments with more or fewer axes than those that failed. Runs nothing."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from shapecheck.probe.inputs.candidates import Proposal
from shapecheck.probe.inputs.failure import Failure, put
from shapecheck.probe.inputs.layouts import generic, tensor
from shapecheck.probe.runs.feeding import Argument


def reranked(failure: Failure, change: int) -> Iterator[Proposal]:
    """What is to blame with more or fewer axes; where that is not known, any argument may be."""
    for index in failure.trial.blamed or range(len(failure.call)):
        if index == failure.main:
            yield from ranked(failure, change)
        elif failure.call[index].kind in ("float", "int", "bool"):
            yield from refitted(failure, index, len(failure.call[index].shape) + change)


def ranked(failure: Failure, change: int) -> Iterator[Proposal]:
    """The main input with more or fewer axes."""
    argument = failure.call[failure.main]
    sizes, rank = failure.sizes, len(argument.shape) + change
    head, label = argument.shape[:1], argument.labels[:1]
    options: list[tuple[tuple[int, ...], tuple[str, ...]]] = []
    if rank == 1:
        options = [(head, label)]
    elif rank == 2 and change < 0:
        options = [((*head, argument.shape[-1]), (*label, argument.label(len(argument.shape) - 1)))]
        options += [((*head, argument.shape[1]), (*label, argument.label(1)))]
    elif rank == 3 and change > 0:
        last = argument.shape[-1:]
        options = [
            ((*head, sizes.steps, *last), (*label, "time", "")),
            ((*head, *last, sizes.samples), (*label, "", "time")),
        ]
    elif rank == 3 and len(argument.shape) > 1:
        options = [((*head, argument.shape[1], sizes.samples), (*label, "", "time"))]
        options += (
            [((*head, *argument.shape[-2:]), (*label, *argument.labels[-2:]))] if len(argument.labels) > 2 else []
        )
    elif rank == 4 and len(argument.shape) > 1:
        space = (sizes.height, sizes.width)
        for channels in dict.fromkeys((argument.shape[1], 1, 3)):
            options.append(((*head, channels, *space), (*label, "", "height", "width")))
    elif rank == 5 and len(argument.shape) > 1:
        space = (sizes.height, sizes.width)
        for channels in dict.fromkeys((argument.shape[1] if len(argument.shape) == 4 else 3, 3)):
            options.append(((*head, sizes.steps, channels, *space), (*label, "time", "", "height", "width")))
            options.append(((*head, channels, sizes.depth, *space), (*label, "", "depth", "height", "width")))
    for number, (shape, labels) in enumerate(options):
        yield put(
            failure, failure.main, replace(argument, shape=shape, labels=labels), 0.2 + 0.05 * number, f"{rank} axes"
        )
    for number, layout in enumerate(generic(sizes, rank)):
        yield put(failure, failure.main, replace(layout, name=argument.name), 0.5 + 0.05 * number, f"{rank} axes")


def refitted(failure: Failure, index: int, rank: int) -> Iterator[Proposal]:
    """The argument `index`, which stands beside the main one, with so many axes."""
    argument, main, sizes = failure.call[index], failure.call[failure.main], failure.sizes
    fixed = [size for axis, size in enumerate(argument.shape) if not argument.label(axis)]
    width = fixed[-1] if fixed else 1
    options = {
        1: [tensor(sizes)],
        2: [tensor(sizes, time=sizes.steps), tensor(sizes, first=width)],
        3: [tensor(sizes, first=width, time=sizes.steps), tensor(sizes, time=sizes.steps, last=width)],
        4: [tensor(sizes, first=width, height=sizes.height, width=sizes.width)],
    }.get(rank, [])
    kind = "float" if argument.kind == "int" and rank > 3 else argument.kind
    if argument.kind == "int" and rank == 3:  # a short text for each step
        options = [replace(tensor(sizes, time=sizes.steps, last=sizes.depth), labels=("batch", "time", "time"))]
    same = [main] if len(main.shape) == rank else []
    for number, option in enumerate([*options, *same]):
        layout = replace(aligned(failure, option, index), kind=kind, high=argument.high)
        yield put(failure, index, layout, 0.05 + 0.1 * number, f"{argument.name} with {rank} axes")


def aligned(failure: Failure, layout: Argument, index: int) -> Argument:
    """A layout for the argument `index` with the main input's batch and time."""
    main, name = failure.call[failure.main], failure.call[index].name
    sizes = {main.label(axis): size for axis, size in reversed(list(enumerate(main.shape)))}
    shape = tuple(
        sizes.get(layout.label(axis), size) if layout.label(axis) else size for axis, size in enumerate(layout.shape)
    )
    return replace(layout, name=name, shape=shape)
