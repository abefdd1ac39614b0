"""Short ways to declare the fields of an answer: each is always there, and is null only where ``null`` says so.

The first argument is the description in the OpenAPI document; further keywords are keywords of its schema.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, ClassVar

from marshmallow import Schema, fields, validate

from bridgework.http.schemas.fields import described


def _always(text: str, *, null: bool, attribute: str | None, metadata: dict[str, Any]) -> dict[str, Any]:
    return {"required": True, "allow_none": null, "attribute": attribute, "metadata": described(text, **metadata)}


def text(words: str, *, null: bool = False, attribute: str | None = None, **metadata: Any) -> fields.String:
    """Declare a text."""
    return fields.String(**_always(words, null=null, attribute=attribute, metadata=metadata))


def word(
    words: str, *values: str, grows: bool = False, null: bool = False, attribute: str | None = None, **more: Any
) -> fields.String:
    """Declare a text that is one of ``values``; with ``grows``, a later version may answer others.

    Each of ``values`` is one word, or several with spaces between them.
    """
    metadata = {"x_known_values": True} if grows else {}
    choice = validate.OneOf([*" ".join(values).split(), *((None,) if null else ())])
    return fields.String(validate=choice, **_always(words, null=null, attribute=attribute, metadata=metadata), **more)


def number(words: str, *, null: bool = False, attribute: str | None = None, **metadata: Any) -> fields.Integer:
    """Declare a whole number."""
    return fields.Integer(**_always(words, null=null, attribute=attribute, metadata=metadata))


def decimal(words: str, *, null: bool = False, **metadata: Any) -> fields.Float:
    """Declare a number with a fraction."""
    return fields.Float(**_always(words, null=null, attribute=None, metadata=metadata))


def flag(words: str, *, null: bool = False, **metadata: Any) -> fields.Boolean:
    """Declare ``true`` or ``false``."""
    return fields.Boolean(**_always(words, null=null, attribute=None, metadata=metadata))


def texts(words: str, *, attribute: str | None = None, **metadata: Any) -> fields.List[Any]:
    """Declare a list of texts."""
    return fields.List(fields.String(), **_always(words, null=False, attribute=attribute, metadata=metadata))


def list_of(schema: type[Schema], words: str, *, null: bool = False, **more: Any) -> fields.List[Any]:
    """Declare a list of objects; ``more`` are ``attribute`` and ``data_key``."""
    return fields.List(fields.Nested(schema), required=True, allow_none=null, metadata=described(words), **more)


def part(schema: type[Schema], words: str, *, null: bool = False, attribute: str | None = None) -> fields.Nested:
    """Declare an object."""
    return fields.Nested(schema, **_always(words, null=null, attribute=attribute, metadata={}))


def text_map(words: str, *, attribute: str | None = None) -> fields.Dict:
    """Declare an object from names to texts."""
    common = _always(words, null=False, attribute=attribute, metadata={})
    return fields.Dict(keys=fields.String(), values=fields.String(), **common)


def any_values(words: str, *, null: bool = False) -> fields.Dict:
    """Declare an object from names to any values."""
    return fields.Dict(keys=fields.String(), **_always(words, null=null, attribute=None, metadata={}))


def next_page() -> fields.String:
    """Declare the cursor of the next page."""
    return text("The `cursor` that the request for the next page needs; null on the last page.", null=True)


def page_of(item: type[Schema], doc: str, words: str, **more: fields.Field[Any]) -> type[Schema]:
    """Return the schema of a page: ``items``, ``next_cursor`` and ``more``; ``doc`` describes the page itself."""
    own = {"__doc__": doc, "items": list_of(item, words), "next_cursor": next_page(), **more}
    return type(f"{item.__name__.removesuffix('Schema')}PageSchema", (Schema,), own)


class ReferenceSchema(Schema):
    """A Docker object, named by its id and its name."""

    id = fields.String(required=True, metadata=described("The full id, 64 hexadecimal digits."))
    name = fields.String(required=True, metadata=described("The name, such as `tomcat81`."))


class Variants(Schema):
    """One of several schemas, distinguished by ``type``; only for the document: each variant has its own schema."""

    variants: ClassVar[Mapping[str, type[Schema]]] = {}


class Assigned(fields.String):
    """A text that the engine assigns when it creates the thing. It is null only in the answer of a dry run."""

    def __init__(self, text: str, **metadata: Any) -> None:
        words = f"{text} Null in the answer of a dry run that creates."
        super().__init__(required=True, allow_none=True, metadata=described(words, **metadata))

    def _serialize(self, value: Any, *args: Any, **kwargs: Any) -> Any:
        return super()._serialize(value or None, *args, **kwargs)


class Plain(fields.List[Any]):
    """A list of dataclasses with the fields of their schema, which the JSON encoder writes directly (``plain``).

    An answer may hold tens of thousands of these. To dump each by its schema would take longer than everything else.
    """

    def _serialize(self, value: Any, *_: Any, **__: Any) -> Any:
        return value


def plain(thing: Any) -> dict[str, Any]:
    """Return the fields of a dataclass by their names. Raises ``TypeError`` for any other value."""
    try:
        names = thing.__dataclass_fields__
    except AttributeError:
        message = f"{type(thing).__name__} has no place in JSON"
        raise TypeError(message) from None
    return {name: getattr(thing, name) for name in names}


class Derived(fields.Nested):
    """A nested object that is dumped from ``source`` of the whole object."""

    def __init__(self, schema: type[Schema], source: Callable[[Any], Any], **kwargs: Any) -> None:
        super().__init__(schema, **kwargs)
        self._source = source

    def get_value(self, obj: Any, *_: Any, **__: Any) -> Any:
        """Return the value that the nested schema dumps."""
        return self._source(obj)
