"""A strict JSON reader (RFC 8259): UTF-8, no duplicate keys, at most 32 levels, no NaN, numbers of at most 20 digits.

The engine accepts keys in any case, and of duplicate keys it takes the last. A body that two readers understand
differently can pass a check in one of them and have its effect in the other. A body that this module accepts has one
meaning.
"""

from __future__ import annotations

import json
import math
import re
from typing import Any

MAX_DEPTH = 32
MAX_NUMBER_DIGITS = 20
_TOKENS = re.compile(rb'"(?:[^"\\]|\\.)*+"?|[\[\]{}]', re.DOTALL)
"""Brackets, and whole strings, so that a bracket in a string does not count. Possessive: the time is linear."""


class BadJson(ValueError):
    """The body is not JSON, or JSON with two meanings; the message is a sentence."""


def parse(body: bytes) -> Any:
    """Return the value. Raises ``BadJson``."""
    if body.startswith((b"\xef\xbb\xbf", b"\xff\xfe", b"\xfe\xff")):
        raise BadJson("The body starts with a byte order mark; send plain UTF-8.")
    try:
        text = body.decode("utf-8")
    except UnicodeDecodeError as error:
        raise BadJson(f"The body is not UTF-8 (byte {error.start}).") from error
    _check_depth(body)
    try:
        value = json.loads(
            text, object_pairs_hook=_object, parse_int=_integer, parse_float=_real, parse_constant=_constant
        )
    except json.JSONDecodeError as error:
        raise BadJson(f"The body is not JSON: {error.msg} at line {error.lineno}, column {error.colno}.") from error
    if b"\\u" in body:
        _check_characters(value)
    return value


def _check_depth(body: bytes) -> None:
    depth = 0
    for token in _TOKENS.finditer(body):
        opening = token.group()
        if opening in {b"[", b"{"}:
            depth += 1
            if depth > MAX_DEPTH:
                raise BadJson(f"The body is nested more than {MAX_DEPTH} deep.")
        elif opening in {b"]", b"}"}:
            depth -= 1


def _check_characters(value: Any) -> None:
    r"""Refuse half of a surrogate pair (``"\ud800"``): it is valid JSON, but no UTF-8 text can hold it."""
    try:
        json.dumps(value, ensure_ascii=False).encode()
    except UnicodeEncodeError as error:
        raise BadJson("A text holds half of a surrogate pair.") from error


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        keys = [key for key, _ in pairs]
        twice = next(key for key in keys if keys.count(key) > 1)
        raise BadJson(f"The key {json.dumps(twice[:64])} appears twice.")
    return members


def _integer(text: str) -> int:
    _check_digits(text)
    return int(text)


def _real(text: str) -> float:
    _check_digits(text)
    value = float(text)
    if not math.isfinite(value):
        raise BadJson("A number is too large.")
    return value


def _check_digits(text: str) -> None:
    if len(text) > MAX_NUMBER_DIGITS:
        raise BadJson(f"A number has more than {MAX_NUMBER_DIGITS} digits.")


def _constant(text: str) -> Any:
    raise BadJson(f"{text} is not JSON.")
