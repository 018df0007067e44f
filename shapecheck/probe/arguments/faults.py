"""Exceptions of a constructor that no other argument would prevent: a name that is not there, a download. Builds nothing."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from inspect import Parameter, Signature
from types import ModuleType
from typing import Any

_NETWORK = ("URLError", "ConnectionError", "gaierror", "LocalEntryNotFoundError", "OfflineModeIsEnabled")
_WEIGHTS = re.compile(r"pretrain|^weights?$|^load_weights$|download")


def is_of_code(error: BaseException, values: Mapping[str, Any]) -> bool:
    """Whether the code itself is at fault, or what is installed; `values` are the arguments by their dotted names."""
    if isinstance(error, (NameError, ImportError)):
        return not isinstance(error, UnboundLocalError)
    if isinstance(error, AttributeError):
        of_module = isinstance(getattr(error, "obj", None), ModuleType)
        asked = any(error.name == value for value in values.values() if isinstance(value, str))
        return "no setter" in str(error) or "can't set attribute" in str(error) or (of_module and not asked)
    return is_download(error)


def is_download(error: BaseException | None) -> bool:
    """Whether the network was asked in vain, on whatever way the exception came."""
    while error is not None:
        kinds = (kind.__name__ for kind in type(error).__mro__)
        if any(kind in _NETWORK for kind in kinds) or "couldn't connect to" in str(error).lower():
            return True
        error = error.__cause__ or error.__context__
    return False


def is_empty(default: Any) -> bool:
    """A default that only says of which kind the value is: `options={}`."""
    return isinstance(default, Mapping) and not default


def without_weights(signature: Signature, values: Mapping[str, Any]) -> dict[str, Any]:
    """Arguments that ask for trained weights, as they are where none are asked for: a check needs shapes alone."""
    return dict(_untrained(signature, values))


def _untrained(signature: Signature, values: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    for parameter in signature.parameters.values():
        value = values.get(parameter.name, parameter.default)
        if _WEIGHTS.search(parameter.name) and value is not Parameter.empty and value not in (None, False):
            yield parameter.name, False if value is True else None
