"""The texts of faults that marshmallow finds. No answer holds the library's own texts.

``Strict.on_bind_field`` gives every field of a request these texts. ``tests/unit/http/test_faults.py`` walks over all
fields of all requests, so that a text of a new version of marshmallow, or of a field of a new kind, does not slip
through.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from copy import copy
from typing import Any

from marshmallow import fields, validate

UNKNOWN = "This field is unknown."
REQUIRED = "This field is required."
NOT_AN_OBJECT = "Must be an object."
NOT_A_LIST = "Must be a list of objects."
OF_OBJECTS = {"unknown": UNKNOWN, "type": NOT_AN_OBJECT}
MAX_HINTS = 20
"""How many unknown fields of an object get a hint: a body of 100,000 unknown fields must not cost seconds."""

_OURS: Mapping[str, str] = {
    "Missing data for required field.": REQUIRED,
    "Field may not be null.": "Must not be null.",
    "Invalid value.": "This value is not allowed.",
    "Not a valid string.": "Must be a string.",
    "Not a valid utf-8 string.": "Must be a string.",
    "Not a valid integer.": "Must be a whole number.",
    "Not a valid number.": "Must be a number.",
    "Number too large.": "Must be a smaller number.",
    "Not a valid boolean.": "Must be true or false.",
    "Not a valid list.": "Must be a list.",
    "Not a valid mapping type.": NOT_AN_OBJECT,
    "Invalid type.": NOT_AN_OBJECT,
    "Not a valid IP address.": "Must be an IPv4 or IPv6 address.",
    "Not a valid IPv4 address.": "Must be an IPv4 address, such as 10.77.0.9.",
    "Not a valid IPv6 address.": "Must be an IPv6 address, such as fd00:77::9.",
}
"""By the library's own text; a field that has a text of its own keeps it."""


def reword(field: fields.Field[Any]) -> None:
    """Give ``field`` and the fields within it our texts.

    Copies the validators: the copies of a field that its schemas hold share them.
    """
    field.error_messages = {key: _OURS.get(str(text), text) for key, text in field.error_messages.items()}
    field.validators = [_reworded(check, field) for check in field.validators]
    for bounds in (check for check in field.validators if isinstance(check, validate.Range)):
        field.error_messages["invalid"] = str(bounds.error).format(min=bounds.min, max=bounds.max)
    for inner in (getattr(field, name, None) for name in ("inner", "key_field", "value_field")):
        if isinstance(inner, fields.Field):
            reword(inner)


def near(name: str, known: Iterable[str]) -> str:
    """Return a hint at the name that was probably meant, or nothing."""
    found = difflib.get_close_matches(name.lower(), known, n=1)
    return f"Did you mean `{found[0]}`?" if found else ""


def _reworded(check: Any, field: fields.Field[Any]) -> Any:
    text = _text_of(check, field)
    if text is None:
        return check
    ours = copy(check)
    ours.error = text
    return ours


def _text_of(check: Any, field: fields.Field[Any]) -> str | None:
    if isinstance(check, validate.Length) and check.error is None:
        return _text_of_length(check, _unit(field))
    if isinstance(check, validate.Range) and check.error is None:
        return "Must be a whole number from {min} to {max}."
    if isinstance(check, validate.OneOf) and check.error == validate.OneOf.default_message:
        return "Must be one of these: {choices}."
    if isinstance(check, validate.Equal) and check.comparable is True:
        return "Must be true."
    return None


def _unit(field: fields.Field[Any]) -> str:
    if isinstance(field, fields.List):
        return "items"
    return "entries" if isinstance(field, fields.Mapping) else "characters"


def _text_of_length(check: validate.Length, unit: str) -> str:
    if not check.min:
        return f"Must have at most {{max}} {unit}."
    return f"Must have {{min}} to {{max}} {unit}."
