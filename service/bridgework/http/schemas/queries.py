"""The parameters of queries, and the queries that several operations take."""

from __future__ import annotations

import re
from typing import Any

from marshmallow import fields, validate

from bridgework.http.schemas.fields import MAX_LABELS, Strict, Text, described, optional


class Cursor(Text):
    """Where a page begins. A cursor is long: it holds the name of an item, which another client may have made long."""

    def __init__(self) -> None:
        super().__init__(
            load_default=None,
            max_length=6000,
            metadata=described("The `next_cursor` of the page before; without a cursor you get the first page."),
        )


class QueryWhole(fields.Integer):
    """An integer in a query: at most 18 ASCII digits."""

    def __init__(self, minimum: int, maximum: int, **kwargs: Any) -> None:
        super().__init__(validate=validate.Range(minimum, maximum), **kwargs)

    def _validated(self, value: Any) -> Any:
        if not re.fullmatch(r"-?[0-9]{1,18}", str(value)):
            raise self.make_error("invalid", input=value)
        return super()._validated(value)


TRUTHS = {"1": True, "true": True, "0": False, "false": False}
"""The booleans of a query, in upper or lower case as in Docker's API: Python's ``requests`` sends ``True``."""


class QueryFlag(fields.Boolean):
    """``1``, ``0``, ``true`` or ``false`` in a query, in upper or lower case."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(error_messages={"invalid": "Must be true, false, 1 or 0."}, **kwargs)

    def _deserialize(self, value: Any, *_: Any, **__: Any) -> bool:
        truth = TRUTHS.get(str(value).lower())
        if truth is None:
            raise self.make_error("invalid", input=value)
        return truth


class Filter(fields.List[Any]):
    """A filter of a list. If it is repeated, an item must match one of its values."""

    def __init__(self, inner: fields.Field[Any], text: str) -> None:
        metadata = described(f"{text} Repeat it to accept any of several values.")
        super().__init__(inner, load_default=list, validate=validate.Length(max=MAX_LABELS), metadata=metadata)


class LabelFilter(fields.List[Any]):
    """A filter by labels. If it is repeated, an item must have every one of them."""

    def __init__(self, text: str) -> None:
        metadata = described(f"{text}, `key` or `key=value`. Repeat it to require several labels.")
        super().__init__(Text(), load_default=list, validate=validate.Length(max=MAX_LABELS), metadata=metadata)


class PageQuery(Strict):
    """Paging."""

    limit = QueryWhole(1, 1000, **optional("The largest number of items on the page.", 100))
    cursor = Cursor()


class ForceQuery(Strict):
    """Whether to override."""

    force = QueryFlag(
        **optional(
            "Make the change even if the resource is in use, as the operation says. `true` needs the role `admin`.",
            False,
        )
    )
