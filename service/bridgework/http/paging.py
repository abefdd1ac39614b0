"""Pages of a sorted list: the cursor holds the key of the last item, so no item is skipped or repeated.

A cursor also holds a digest of the list's path and filters. If it is sent to another list or with other filters, the
answer is 422.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
from bisect import bisect_right
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from bridgework.http.contract import RequestContext
from bridgework.model.errors import InputFault, invalid

_Item = TypeVar("_Item")


def page(
    items: Sequence[_Item],
    context: RequestContext,
    key: Callable[[_Item], tuple[str, str]],
    described: Callable[[_Item], Any] = lambda item: item,
    wanted: Callable[[Any], bool] = lambda _: True,
    most_described: int | None = None,
) -> dict[str, Any]:
    """Return one page of ``items`` (sorted by ``key``): ``items``, as ``described``, and ``next_cursor``.

    Only the items of this page are described, and those that are not ``wanted`` then are left out. At most
    ``most_described`` are, so a page can be shorter than its limit, and still have a next one.
    Raises ``InvalidInput`` on a cursor that this list did not give for these filters.
    """
    query, of = context.query, _list_of(context)
    begin = bisect_right(items, _decoded(query["cursor"], of), key=key) if query.get("cursor") else 0
    given: list[Any] = []
    for index in range(begin, len(items)):
        if len(given) == query["limit"] or index - begin == most_described:
            return {"items": given, "next_cursor": _encoded(of, key(items[index - 1]))}
        description = described(items[index])
        given += [description] if wanted(description) else []
    return {"items": given, "next_cursor": None}


def filters(context: RequestContext) -> dict[str, Any]:
    """Return the filters of a list: its query without the parameters of paging."""
    return {name: value for name, value in context.query.items() if name not in {"cursor", "limit"}}


def _list_of(context: RequestContext) -> str:
    """Return a digest of the list's path and filters. ``limit`` may differ from page to page."""
    given = sorted((name, str(value)) for name, value in filters(context).items())
    return hashlib.blake2b(json.dumps([context.url_path, given]).encode(), digest_size=6).hexdigest()


def _encoded(of: str, key: tuple[str, str]) -> str:
    return base64.urlsafe_b64encode(json.dumps([of, *key], ensure_ascii=False).encode()).decode().rstrip("=")


def _decoded(cursor: str, of: str) -> tuple[str, str]:
    try:
        raw = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
        given, first, second = json.loads(raw)
    except (ValueError, TypeError, binascii.Error):
        given = first = second = None
    if given != of:
        message = "Not a cursor of this list with these filters. Begin again without a cursor."
        raise invalid("The query", [InputFault("?cursor", message)])
    return str(first), str(second)
