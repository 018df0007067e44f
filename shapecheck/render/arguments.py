"""What a model was built with, in words: the call, and where each value comes from."""

from __future__ import annotations

from collections.abc import Sequence

from shapecheck.specs import UsedArgument

_LONGEST_VALUE = 60


def built_text(name: str, arguments: Sequence[UsedArgument]) -> str:
    """`Net(classes=10, hidden=64); classes from train.py:31, hidden guessed: give your own with --arg`."""
    call = f"{name}({', '.join(f'{each.name}={_shown(each.value)}' for each in arguments)})"
    groups: dict[str, list[str]] = {}
    for each in arguments:
        groups.setdefault(_source(each), []).append(each.name)
    told = ", ".join(f"{_names(names, len(groups))} {source}" for source, names in groups.items())
    hint = ": give your own with --arg" if any(each.origin == "guessed" for each in arguments) else ""
    return f"{call}; {told}{hint}"


def _source(argument: UsedArgument) -> str:
    if argument.origin == "call":
        return f"from {argument.location}" if argument.location else "from a call"
    return "from --arg" if argument.origin == "flag" else "guessed"


def _names(names: Sequence[str], groups: int) -> str:
    """One group is everything there is."""
    if groups == 1 and len(names) > 1:
        return "all"
    return f"{', '.join(names[:-1])} and {names[-1]}" if len(names) > 1 else names[0]


def _shown(value: object) -> str:
    text = value if isinstance(value, str) and value.endswith((")", ">")) else repr(value)
    return text if len(text) <= _LONGEST_VALUE else text[: _LONGEST_VALUE - 4] + " ..."
