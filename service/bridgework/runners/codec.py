"""Dataclasses as JSON and back, by their annotations: what a helper container and its runner exchange.

Fields with their default values are left out. ``from_json`` guesses nothing: a key that is no field, or a value that
does not fit its annotation, is a ``CodecError``.
"""

from __future__ import annotations

import dataclasses
import types
import typing
from collections.abc import Mapping
from enum import Enum
from typing import Any, TypeVar, cast

_Value = TypeVar("_Value")


class CodecError(ValueError):
    """The JSON does not have the shape of the expected value."""


def to_json(value: Any) -> Any:
    """Return dictionaries, lists, strings, numbers, booleans and ``None``, ready for ``json.dumps``."""
    if dataclasses.is_dataclass(value):
        fields = ((field, getattr(value, field.name)) for field in dataclasses.fields(value))
        return {field.name: to_json(content) for field, content in fields if content != field.default}
    if isinstance(value, Enum):
        return value.value
    return [to_json(item) for item in value] if isinstance(value, (tuple, list)) else value


def from_json(kind: type[_Value], data: Any) -> _Value:
    """Return the value of this dataclass. Raises ``CodecError``."""
    return cast("_Value", _read(kind, data))


def _read(kind: Any, data: Any) -> Any:
    origin, parameters = typing.get_origin(kind), typing.get_args(kind)
    if origin in {types.UnionType, typing.Union}:
        optional, *_ = (parameter for parameter in parameters if parameter is not types.NoneType)
        return None if data is None else _read(optional, data)
    if dataclasses.is_dataclass(kind):
        return _read_dataclass(cast("type[Any]", kind), data)
    if origin is tuple:
        _require(isinstance(data, list), kind, data)
        items = parameters[:1] * len(data) if parameters[-1] is Ellipsis else parameters
        _require(len(items) == len(data), kind, data)
        return tuple(_read(item, content) for item, content in zip(items, data, strict=True))
    if origin is typing.Literal:
        _require(data in parameters, kind, data)
        return data
    if issubclass(kind, Enum):
        _require(data in [member.value for member in kind], kind, data)
        return kind(data)
    # In Python a boolean is an integer, in JSON it is not. JSON has one kind of number: 1 is a float too.
    number = isinstance(data, int) and not isinstance(data, bool)
    _require(number if kind is int else isinstance(data, kind) or (kind is float and number), kind, data)
    return kind(data)


def _read_dataclass(kind: type[Any], data: Any) -> Any:
    hints = typing.get_type_hints(kind)
    _require(isinstance(data, Mapping) and data.keys() <= hints.keys(), kind, data)
    try:
        return kind(**{name: _read(hints[name], content) for name, content in data.items()})
    except TypeError as error:
        raise CodecError(f"a {kind.__name__} lacks a field: {error}") from error


def _require(fits: bool, kind: Any, data: Any) -> None:
    if not fits:
        raise CodecError(f"{data!r} is not {kind}")
