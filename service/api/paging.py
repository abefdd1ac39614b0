"""Pages of a stable order: the cursor holds the key of the last item given, so nothing is skipped or given twice."""

from __future__ import annotations

import base64
import binascii
import json
from bisect import bisect_right
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from service.core.errors import InputFault, InvalidInput

_Item = TypeVar("_Item")


def page(
    items: Sequence[_Item],
    query: dict[str, Any],
    key: Callable[[_Item], tuple[str, str]],
    described: Callable[[_Item], Any] = lambda item: item,
) -> dict[str, Any]:
    """One page of ``items`` (sorted by ``key``), only those ``described``. Raises ``InvalidInput`` on a bad cursor."""
    begin = bisect_right(items, _decoded(query["cursor"]), key=key) if query.get("cursor") else 0
    end = begin + query["limit"]
    given, more = items[begin:end], end < len(items)
    return {"items": [described(item) for item in given], "next_cursor": _encoded(key(given[-1])) if more else None}


def _encoded(key: tuple[str, str]) -> str:
    return base64.urlsafe_b64encode(json.dumps(key, ensure_ascii=False).encode()).decode().rstrip("=")


def _decoded(cursor: str) -> tuple[str, str]:
    try:
        first, second = json.loads(base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True))
        return str(first), str(second)
    except (ValueError, TypeError, binascii.Error) as error:
        fault = InputFault("?cursor", "Not a cursor of this list.")
        raise InvalidInput(
            code="input-invalid", detail=f"The query is invalid: {fault.message}", faults=[fault]
        ) from error
