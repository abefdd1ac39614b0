"""ETags, and answers kept with the snapshot they came from.

An ETag is a digest of the answer's bytes, so it agrees across workers and restarts. A kept answer is used only while
the snapshot in hand is the very object it was written from; the snapshot itself is proven fresh on every request.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from http import HTTPStatus

from flask import Response

from bridgework.model.snapshot import Snapshot

MAX_KEPT = 256


def etag_of(body: bytes) -> str:
    """A strong entity tag (RFC 9110, 8.8.3), quotes included."""
    return f'"{hashlib.blake2b(body, digest_size=12).hexdigest()}"'


def matches(header: str, etag: str) -> bool:
    """Whether an ``If-None-Match`` or ``If-Match`` header names this tag, or anything (``*``)."""
    tags = [tag.strip().removeprefix("W/") for tag in header.split(",")]
    return "*" in tags or etag in tags


def conditional(response: Response, if_none_match: str | None) -> Response:
    """The response with its ETag, or 304 without a body when the client has it already."""
    headers = response.headers
    etag = headers.get("ETag")
    if etag is None:
        etag = headers["ETag"] = etag_of(response.get_data())
    headers["Cache-Control"] = "private, no-cache"
    if if_none_match is not None and matches(if_none_match, etag):
        response.response = []
        response.status_code = 304
        headers.remove("Content-Type")
        headers.remove("Content-Length")
    return response


class KeptAnswers:
    """Bodies and ETags by request, for one snapshot at a time."""

    def __init__(self) -> None:
        # One attribute: a thread that reads it gets a snapshot and the answers written from that snapshot, whatever
        # other threads replace meanwhile. With two attributes, a thread could keep its answer under a newer snapshot.
        self._kept: tuple[Snapshot | None, dict[str, tuple[bytes, str, str]]] = (None, {})

    def answer(self, snapshot: Snapshot, key: str, make: Callable[[], Response]) -> Response:
        """The kept answer for ``key``, or a new one, kept when it is a success."""
        of, kept = self._kept
        if of is not snapshot:
            kept = {}
            self._kept = (snapshot, kept)
        found = kept.get(key)
        if found is not None:
            body, etag, media_type = found
            return Response(body, headers=(("Content-Type", media_type), ("ETag", etag)))
        response = make()
        if response.status_code == HTTPStatus.OK and len(kept) < MAX_KEPT:
            body = response.get_data()
            response.headers["ETag"] = etag_of(body)
            kept[key] = (body, response.headers["ETag"], response.content_type or "")
        return response
