"""Strict schemas and field types of requests.

An integer is not ``true`` or ``"1"``, a string holds no control character, and an unknown key is a fault.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar

from marshmallow import (
    RAISE,
    Schema,
    ValidationError,
    fields,
    missing,
    post_dump,
    post_load,
    validate,
    validates_schema,
)

from bridgework.http.problems import faults

CONTROL = re.compile(r"[\x00-\x1f\x7f]")
NO_CONTROL = r"^[^\x00-\x1f\x7f]*$"
"""The pattern in the document. It has no ``\u0000``, which PCRE (and so PHP) cannot read."""
NAME = r"^[a-zA-Z0-9][a-zA-Z0-9_-]{0,62}(\.[a-zA-Z0-9_-]{0,63})*$"
"""What Docker takes as a name and DNS can carry, at most 63 characters between dots; for the document."""
NOT_AN_ID = "[0-9a-f]{12}|[0-9a-f]{64}"
"""What a name must not be, since it reads as an id."""
CIDR = {
    "description": "The subnet in CIDR notation, such as `10.77.0.0/24`.",
    "examples": ["10.77.0.0/24"],
    "format": "cidr",
    "pattern": "^[0-9A-Fa-f:.]+/[0-9]{1,3}$",
}
"""The ``metadata`` of a subnet."""
MAX_PRIORITY = 2_147_483_647
KEY = r"^[^\x00-\x1f\x7f]+$"
"""The key of a label, of a driver option or of any other map."""
NAMES_PATTERN = "x-names-pattern"
"""Holds the pattern of an object's keys until the document is made of it (``propertyNames``)."""
NO_NUL = r"^[^\x00]*$"
MAX_TEXT = 4096
MAX_FREE_TEXT = 131_072
MAX_LABELS = 256


class Strict(Schema):
    """A schema for input: unknown keys are faults.

    ``keywords`` is what JSON Schema can say of the whole object, for the document only: the schema's own check enforces
    it. Generators ignore ``if``, ``then``, ``else`` and a ``not`` of a property, so these add no type to a client; a
    ``not`` of an object does (openapi-generator 7.26). Fuzzers and validators read them.
    """

    keywords: ClassVar[Mapping[str, Any]] = {}
    error_messages = faults.OF_OBJECTS

    class Meta:
        """Refuse what is not declared."""

        unknown = RAISE

    def on_bind_field(self, field_name: str, field_obj: fields.Field[Any]) -> None:
        """Give each field the texts of ``faults``."""
        super().on_bind_field(field_name, field_obj)
        faults.reword(field_obj)

    def handle_error(self, error: ValidationError, data: Any, *, many: bool, **kwargs: Any) -> None:
        """Add a hint to each unknown field whose name is near a known one."""
        super().handle_error(error, data, many=many, **kwargs)
        messages: Any = error.messages
        if many and not isinstance(data, list):
            messages["_schema"] = [faults.NOT_A_LIST]
            return
        for of_object in messages.values() if many else [messages]:
            unknown = [name for name, texts in of_object.items() if texts == [faults.UNKNOWN]]
            for name in unknown[: faults.MAX_HINTS]:
                of_object[name] = [f"{faults.UNKNOWN} {faults.near(str(name), self.fields)}".rstrip()]


class Request(Strict):
    """A body that loads into a value of the model, and dumps that value as the shortest body with the same meaning.

    ``makes`` takes the loaded fields by their names. A remedy and a request to another node dump the value again.
    """

    makes: ClassVar[Callable[..., Any]]

    @post_load
    def _make(self, data: dict[str, Any], **_: Any) -> Any:
        return self.makes(**data)

    @post_dump
    def _leave_out_defaults(self, data: dict[str, Any], **_: Any) -> dict[str, Any]:
        return {name: value for name, value in data.items() if not _is_default(self.fields[name], value)}


def _is_default(field: fields.Field[Any], value: Any) -> bool:
    """Whether a body without ``value`` says the same. A default that is called makes an empty list or object."""
    if field.load_default is missing or callable(field.load_default):
        return not (value or field.required)
    return bool(value == field.load_default)


class ExactlyOne(Strict):
    """An input with exactly one of its properties."""

    keywords: ClassVar[Mapping[str, Any]] = {"minProperties": 1, "maxProperties": 1}

    @validates_schema
    def _require_exactly_one(self, data: dict[str, Any], **_: Any) -> None:
        if len(data) != 1:
            *others, last = self.fields
            raise ValidationError(f"Name exactly one of {', '.join(others)} and {last}.")


class Text(fields.String):
    """A string of bounded length without control characters."""

    def __init__(self, *, max_length: int = 255, min_length: int = 0, **kwargs: Any) -> None:
        checks = [validate.Length(min=min_length, max=max_length), *_listed(kwargs.pop("validate", None))]
        super().__init__(validate=checks, **kwargs)

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> Any:
        text = super()._deserialize(value, attr, data, **kwargs)
        if CONTROL.search(str(text)):
            raise ValidationError("Must not contain a control character.")
        return text


class FreeText(fields.String):
    """Text that this service does not interpret: any character but NUL, up to 128 KiB.

    A script in ``sh -c`` holds line feeds, a certificate in the environment too. NUL ends a C string, so an argument or
    a variable cannot hold one. Linux takes no argument above 128 KiB (MAX_ARG_STRLEN).
    """

    def __init__(self, **kwargs: Any) -> None:
        metadata = {"pattern": NO_NUL, **kwargs.pop("metadata", {})}
        super().__init__(validate=validate.Length(max=MAX_FREE_TEXT), metadata=metadata, **kwargs)

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> Any:
        text = super()._deserialize(value, attr, data, **kwargs)
        if "\0" in str(text):
            raise ValidationError("Must not contain the character NUL.")
        return text


ANY_IP_VERSION: Mapping[str, Any] = {"if": {"not": {"format": "ipv4"}}, "then": {"format": "ipv6"}}
"""For the document: no format of JSON Schema stands for both versions, and clients break on a union of two."""


class Whole(fields.Integer):
    """An integer within bounds. ``5.0`` is one too, as in JSON Schema; a boolean or a text is not."""

    def __init__(self, minimum: int, maximum: int, **kwargs: Any) -> None:
        super().__init__(strict=True, validate=validate.Range(minimum, maximum), **kwargs)

    def _validated(self, value: Any) -> Any:
        if isinstance(value, float) and value.is_integer():  # languages without integers write 5.0
            value = int(value)
        if isinstance(value, bool) or not isinstance(value, int):
            raise self.make_error("invalid", input=value)
        return super()._validated(value)


class Flag(fields.Boolean):
    """``true`` or ``false``; no number and no text stands for them."""

    def deserialize(self, value: Any, *args: Any, **kwargs: Any) -> Any:
        """Return the boolean. Raises ``ValidationError`` for a text or a number."""
        if isinstance(value, (str, int, float)) and not isinstance(value, bool):
            raise self.make_error("invalid", input=value)
        return super().deserialize(value, *args, **kwargs)


class Members(fields.Dict):
    """An object from names to values. The pointer of a fault names the member, without ``key`` or ``value``."""

    def __init__(self, **kwargs: Any) -> None:
        metadata = {NAMES_PATTERN: KEY, **kwargs.pop("metadata", {})}
        super().__init__(metadata=metadata, **kwargs)

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> Any:
        try:
            inherited: Any = super()._deserialize
            return inherited(value, attr, data, **kwargs)
        except ValidationError as error:
            if not isinstance(error.messages, dict):
                raise
            joined_texts = {
                name: [text for texts in of.values() for text in texts] for name, of in error.messages.items()
            }
            raise ValidationError(joined_texts, valid_data=error.valid_data) from error


class Choice(fields.String):
    """A text that is one of a few."""

    def __init__(self, choices: Sequence[str], **kwargs: Any) -> None:
        super().__init__(validate=validate.OneOf(choices), **kwargs)


class Items(fields.List[Any]):
    """A list of at most ``most`` items that loads as a tuple."""

    def __init__(self, inner: fields.Field[Any], most: int, *, least: int | None = None, **kwargs: Any) -> None:
        super().__init__(inner, validate=validate.Length(min=least, max=most), **kwargs)

    def _deserialize(self, value: Any, *args: Any, **kwargs: Any) -> Any:
        return tuple(super()._deserialize(value, *args, **kwargs))


class Address(fields.IP):
    """An IPv4 or IPv6 address that loads as text, in its shortest form."""

    def _deserialize(self, value: Any, *args: Any, **kwargs: Any) -> Any:
        return str(super()._deserialize(value, *args, **kwargs))

    def _serialize(self, value: Any, *_: Any, **__: Any) -> Any:
        return value or None


class Address4(Address, fields.IPv4):
    """An IPv4 address that loads as text."""


class Address6(Address, fields.IPv6):
    """An IPv6 address that loads as text."""


class FreeTextMap(Members):
    """An object from names to free texts."""

    def __init__(self, *, max_items: int = 256, **kwargs: Any) -> None:
        super().__init__(
            keys=Text(min_length=1, max_length=255),
            values=FreeText(),
            validate=validate.Length(max=max_items),
            **kwargs,
        )


class TextMap(Members):
    """An object from names to texts, bounded."""

    def __init__(self, *, max_items: int = 256, max_length: int = MAX_TEXT, **kwargs: Any) -> None:
        super().__init__(
            keys=Text(min_length=1, max_length=255),
            values=Text(max_length=max_length),
            validate=validate.Length(max=max_items),
            **kwargs,
        )


def described(text: str, **metadata: Any) -> dict[str, Any]:
    """Return the ``metadata`` of a field: its description, and further keywords of its schema in the document."""
    return {"description": text, **metadata}


def never(pattern: str) -> dict[str, Any]:
    """Metadata of a field for the document: a text that one of these names alone must not be."""
    return {"not": {"type": "string", "pattern": f"^({pattern})$"}}


def required(text: str, **metadata: Any) -> dict[str, Any]:
    """Return the keywords of a field that a request must have."""
    return {"required": True, "metadata": described(text, **metadata)}


def optional(text: str, default: Any = None, **metadata: Any) -> dict[str, Any]:
    """Return the keywords of a field that a request may leave out; without a default, it may also be null."""
    return {"load_default": default, "allow_none": default is None, "metadata": described(text, **metadata)}


def absent(text: str, **metadata: Any) -> dict[str, Any]:
    """Return the keywords of a parameter that is ``None`` unless it is given."""
    return {"load_default": None, "metadata": described(text, **metadata)}


def _listed(checks: Any) -> list[Any]:
    if checks is None:
        return []
    return list(checks) if isinstance(checks, list | tuple) else [checks]
