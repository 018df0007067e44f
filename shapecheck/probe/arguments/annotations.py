"""Signatures and annotations of the user's constructors, as far as they tell what an argument takes. Builds nothing."""

from __future__ import annotations

import collections.abc
import inspect
import re
import types
import typing
from collections.abc import Callable
from contextlib import suppress
from inspect import Parameter, Signature
from typing import Any

NAMED = (Parameter.POSITIONAL_OR_KEYWORD, Parameter.KEYWORD_ONLY, Parameter.POSITIONAL_ONLY)


def signature_of(found: Callable[..., Any]) -> Signature:
    """With annotations that are written as strings read, where that works. Raises ValueError."""
    with suppress(Exception):
        return inspect.signature(found, eval_str=True)
    try:
        return inspect.signature(found)
    except Exception as error:
        raise ValueError(str(error)) from None


def field_names(kind: type) -> set[str]:
    stored = set(vars(kind)) | {name for base in kind.__mro__ for name in getattr(base, "__annotations__", {})}
    try:
        return stored | set(inspect.signature(kind).parameters)
    except Exception:
        return stored


def kind_of(annotation: Any) -> Any:
    """The annotation without Optional and Annotated, of several kinds the first; None where there is none."""
    if annotation is Parameter.empty or annotation is Any or isinstance(annotation, str):
        return _spelled(annotation) if isinstance(annotation, str) else None
    origin = typing.get_origin(annotation)
    if origin is typing.Annotated:
        return kind_of(typing.get_args(annotation)[0])
    if origin in (typing.Union, types.UnionType):
        return next((kind_of(part) for part in typing.get_args(annotation) if part is not type(None)), None)
    return annotation


def _spelled(text: str) -> Any:
    """The plain type in an annotation that could not be read."""
    plain = {"int": int, "float": float, "bool": bool, "str": str, "list": list, "tuple": tuple, "dict": dict}
    word = re.sub(r"^(typing\.)?Optional\[", "", text).split("[")[0].split("|")[0].strip(" ]").lower()
    return {**plain, "sequence": list, "iterable": list}.get(word)


def origin_of(kind: Any) -> Any:
    return typing.get_origin(kind) or kind


def is_sequence(kind: Any) -> bool:
    origin = origin_of(kind)
    return origin in (list, tuple, set, collections.abc.Sequence, collections.abc.Iterable, collections.abc.Collection)


def is_callable(kind: Any) -> bool:
    return origin_of(kind) in (collections.abc.Callable, type, Callable) or (kind is typing.Type)  # noqa: UP006


def element_of(kind: Any) -> Any:
    if not is_sequence(kind):
        return kind
    parts = [part for part in typing.get_args(kind) if part is not Ellipsis]
    return kind_of(parts[0]) if parts and not isinstance(parts[0], typing.TypeVar) else None


def length_of(kind: Any) -> int:
    parts = typing.get_args(kind) if origin_of(kind) is tuple else ()
    return len(parts) if parts and Ellipsis not in parts else 0
