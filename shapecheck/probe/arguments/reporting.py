"""Keeps a check honest about arguments that nobody gave: they are part of its result, and no class count is made of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from shapecheck.errors import CheckError
from shapecheck.probe.arguments.plausible import argument_line
from shapecheck.specs import Subject, TensorSpec, UsedArgument

_NEVER_CLASSES = ("layers", "heads")  # that the output is as wide as they are many is chance


def class_count(classes: int | None, target: TensorSpec | None, has_classes: bool, weight: object) -> int | None:
    """How many numbers a head has to give for a position, as far as the command line tells: `has_classes` is of the loss.

    One label a sample of a loss without classes is one number; a target of scores has its own; a weight has one a class.
    """
    if classes is not None or target is None:
        return classes or (
            len(weight) if has_classes and isinstance(weight, (list, tuple)) and len(weight) > 1 else None
        )
    sizes = target.shape
    if has_classes:
        scores = len(sizes) > 1 and (target.dtype or "").startswith("float")
        return sizes[1] if scores and isinstance(sizes[1], int) else class_count(None, None, True, weight)
    if len(sizes) < 2:
        return 1
    return sizes[-1] if len(sizes) == 2 and isinstance(sizes[-1], int) else None


def with_arguments(subject: Subject, arguments: Sequence[UsedArgument]) -> Subject:
    """The subject with what its model was built with; a width of the head that was guessed is compared with no class count."""
    subject = replace(subject, arguments=tuple(arguments))
    width = next(filter(None, map(_classes, subject.tensors.values())), None)
    guessed = [each.name for each in arguments if each.origin == "guessed" and width in list(_numbers(each.value))]
    if width is None or not guessed or width == subject.classes:
        return subject
    from shapecheck.probe.arguments.naming import role_of  # its patterns take milliseconds to compile

    roles = {name: role_of(name.rpartition(".")[2]) for name in guessed}
    heads = [name for name in guessed if roles[name] in ("classes", "actions")]
    heads = heads or [name for name in guessed if roles[name] not in _NEVER_CLASSES]
    if not heads:
        return subject
    return replace(subject, classes=None, notes=(*subject.notes, _note(width, heads)))


def _note(width: int, names: Sequence[str]) -> str:
    lines = " or ".join(argument_line(name, "N") for name in names[-2:])
    return f"the {width} classes of the output are a guess: give the number of yours with {lines}"


def _classes(tensor: TensorSpec) -> int | None:
    """The size of the class axis."""
    if not tensor.axes or "class" not in tensor.axes:
        return None
    size = tensor.shape[tensor.axes.index("class")]
    return size if isinstance(size, int) else None


def _numbers(value: object) -> Iterator[int]:
    if type(value) is int:
        yield value
    elif isinstance(value, (list, tuple)):
        for item in value:
            yield from _numbers(item)


def explain(error: CheckError, arguments: Sequence[UsedArgument]) -> None:
    """A model that does not run may have been built with the wrong values: the hint of the error says which were found."""
    found = [each for each in arguments if each.origin != "flag"]
    if not found:
        return
    told = ", ".join(f"{each.name}={each.value!r} {_origin(each)}" for each in found)
    words = f"it was built with {told}; give your own with --arg"
    error.hint = f"{error.hint}\n{words}" if error.hint else words


def _origin(argument: UsedArgument) -> str:
    return f"from {argument.location}" if argument.location else argument.origin
