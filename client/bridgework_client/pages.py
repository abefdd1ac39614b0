"""Lists that the service sends in pages."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Generic, TypeVar

from bridgework_client.transport import Request, Transport

Item = TypeVar("Item")
Page = TypeVar("Page")


class Pages(Generic[Item, Page]):
    """Iterate over the items of all pages; ``pages()`` gives the page documents, which may have more properties.

    A page is requested when the iteration arrives there. A new iteration begins with the first page again.
    """

    def __init__(self, transport: Transport, request: Request) -> None:
        self._transport = transport
        self._request = request

    def pages(self) -> Iterator[Page]:
        """Request one page after another."""
        cursor: str | None = None
        while True:
            page: Any = self._transport.document(self._request.with_query(cursor=cursor))
            yield page
            cursor = page["next_cursor"]
            if cursor is None:
                return

    def __iter__(self) -> Iterator[Item]:
        for page in self.pages():
            yield from page["items"]  # type: ignore[index]  # every page has items
