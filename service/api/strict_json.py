"""JSON as RFC 8259 means it, and no looser: UTF-8, no duplicate keys, bounded depth, no NaN, integers of sane length.

The engine itself takes keys in any case and the last of duplicates; a body that two readers understand in two ways is
how a check is passed and then evaded. So what this module lets through has one meaning.
"""

from __future__ import annotations

import json
import re
from typing import Any

MAX_DEPTH = 32
MAX_NUMBER_DIGITS = 20
_STRING = re.compile(rb'"(?:[^"\\]|\\.)*"')


class BadJson(ValueError):
    """The body is no JSON, or a JSON that means two things; the message is a sentence."""


def parse(body: bytes) -> Any:
    """The value. Raises ``BadJson``."""
    if body.startswith((b"\xef\xbb\xbf", b"\xff\xfe", b"\xfe\xff")):
        raise BadJson("The body starts with a byte order mark; send plain UTF-8.")
    try:
        text = body.decode("utf-8")
    except UnicodeDecodeError as error:
        raise BadJson(f"The body is not UTF-8 (byte {error.start}).") from error
    _check_depth(body)
    try:
        return json.loads(
            text,
            object_pairs_hook=_object,
            parse_int=_number(int),
            parse_float=_number(float),
            parse_constant=_constant,
        )
    except json.JSONDecodeError as error:
        raise BadJson(f"The body is not JSON: {error.msg} at line {error.lineno}, column {error.colno}.") from error


def _check_depth(body: bytes) -> None:
    depth = 0
    for byte in _STRING.sub(b"", body):
        if byte in b"[{":
            depth += 1
            if depth > MAX_DEPTH:
                raise BadJson(f"The body is nested more than {MAX_DEPTH} deep.")
        elif byte in b"]}":
            depth -= 1


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in pairs:
        if key in found:
            raise BadJson(f"The key {key[:64]!r} appears twice.")
        found[key] = value
    return found


def _number(kind: type[int | float]) -> Any:
    def read(text: str) -> int | float:
        if len(text) > MAX_NUMBER_DIGITS:
            raise BadJson(f"A number has more than {MAX_NUMBER_DIGITS} digits.")
        return kind(text)

    return read


def _constant(text: str) -> Any:
    raise BadJson(f"{text} is not JSON.")
