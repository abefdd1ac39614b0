"""Our frozen values as JSON and back, by their own annotations: what the helper container and its runner speak.

Fields at their defaults are left out. Nothing is guessed: a key that is no field, or a value that does not fit, is a
``WireError``.
"""

from __future__ import annotations

import dataclasses
import types
import typing
from collections.abc import Mapping, Sequence
from enum import Enum
from typing import Any, TypeVar, cast

_Value = TypeVar("_Value")


class WireError(ValueError):
    """The JSON does not have the shape of the value that was expected."""


def to_json(value: Any) -> Any:
    """Dictionaries, lists, strings, numbers, booleans and ``None``, ready for ``json.dumps``."""
    if dataclasses.is_dataclass(value):
        fields = ((field, getattr(value, field.name)) for field in dataclasses.fields(value))
        return {field.name: to_json(content) for field, content in fields if content != field.default}
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, (tuple, list)):
        return [to_json(item) for item in value]
    return value


def from_json(kind: type[_Value], data: Any) -> _Value:
    """The value of this dataclass. Raises ``WireError``."""
    return cast("_Value", _read(kind, data))


def _read(kind: Any, data: Any) -> Any:
    if dataclasses.is_dataclass(kind):
        return _read_dataclass(cast("type[Any]", kind), data)
    origin = typing.get_origin(kind)
    if origin in {types.UnionType, typing.Union}:
        return _read_optional(typing.get_args(kind), data)
    if origin is tuple:
        return _read_tuple(typing.get_args(kind), data)
    if origin is typing.Literal:
        return _one_of(data, typing.get_args(kind))
    if isinstance(kind, type) and issubclass(kind, Enum):
        return kind(_one_of(data, [member.value for member in kind]))
    return _read_plain(kind, data)


def _read_dataclass(kind: type[Any], data: Any) -> Any:
    hints = typing.get_type_hints(kind)
    if not isinstance(data, Mapping) or not data.keys() <= hints.keys():
        raise WireError(f"{data!r} is not a {kind.__name__}")
    try:
        return kind(**{name: _read(hints[name], content) for name, content in data.items()})
    except TypeError as error:
        raise WireError(f"a {kind.__name__} lacks a field: {error}") from error


def _read_optional(kinds: Sequence[Any], data: Any) -> Any:
    if data is None and types.NoneType in kinds:
        return None
    return _read(next(kind for kind in kinds if kind is not types.NoneType), data)


def _read_tuple(kinds: Sequence[Any], data: Any) -> tuple[Any, ...]:
    if not isinstance(data, list):
        raise WireError(f"{data!r} is not a list")
    if kinds[-1] is Ellipsis:
        return tuple(_read(kinds[0], item) for item in data)
    if len(kinds) != len(data):
        raise WireError(f"{data!r} has not {len(kinds)} items")
    return tuple(_read(kind, item) for kind, item in zip(kinds, data, strict=True))


def _one_of(data: Any, allowed: Sequence[Any]) -> Any:
    if data not in allowed:
        raise WireError(f"{data!r} is not one of {allowed}")
    return data


def _read_plain(kind: Any, data: Any) -> Any:
    if kind is float and isinstance(data, int) and not isinstance(data, bool):
        return float(data)
    if not isinstance(data, kind) or (isinstance(data, bool) and kind is not bool):
        raise WireError(f"{data!r} is not a {kind.__name__}")
    return data
