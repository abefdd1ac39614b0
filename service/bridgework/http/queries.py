"""The parameters of queries, and the queries that several operations take."""

from __future__ import annotations

import re
from typing import Any

from marshmallow import fields, validate

from bridgework.http.fields import MAX_LABELS, Strict, Text, described, optional


class Cursor(Text):
    """Where a page begins: the key of the item before, a name and an id, as long as others may have made the name."""

    def __init__(self) -> None:
        super().__init__(
            load_default=None,
            max_length=6000,
            metadata=described("The `next_cursor` of the page before; without a cursor you get the first page."),
        )


class QueryWhole(fields.Integer):
    """An integer in a query: ASCII digits, few of them."""

    def __init__(self, minimum: int, maximum: int, **kwargs: Any) -> None:
        super().__init__(validate=validate.Range(minimum, maximum), **kwargs)

    def _validated(self, value: Any) -> Any:
        if not re.fullmatch(r"-?[0-9]{1,18}", str(value)):
            raise self.make_error("invalid", input=value)
        return super()._validated(value)


TRUTHS = {"1": True, "true": True, "0": False, "false": False}
"""How a query says yes or no, in any case: as Docker's API reads it. Python's ``requests`` sends ``True``."""


class QueryFlag(fields.Boolean):
    """``1``, ``0``, ``true`` or ``false`` in a query, in any case."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(error_messages={"invalid": "Must be true, false, 1 or 0."}, **kwargs)

    def _deserialize(self, value: Any, *_: Any, **__: Any) -> bool:
        found = TRUTHS.get(str(value).lower())
        if found is None:
            raise self.make_error("invalid", input=value)
        return found


class Filter(fields.List[Any]):
    """A filter of a list: given several times, any of its values fits."""

    def __init__(self, inner: fields.Field[Any], text: str) -> None:
        told = described(f"{text} Repeat it to accept any of several values.")
        super().__init__(inner, load_default=list, validate=validate.Length(max=MAX_LABELS), metadata=told)


class LabelFilter(fields.List[Any]):
    """A filter by labels: given several times, every one must match."""

    def __init__(self, text: str) -> None:
        told = described(f"{text}, `key` or `key=value`. Repeat it to require several labels.")
        super().__init__(Text(), load_default=list, validate=validate.Length(max=MAX_LABELS), metadata=told)


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
