"""ETags, and answers that are kept with their snapshot.

An ETag is a digest of the answer's bytes, so all workers agree on it, also after a restart. A kept answer is used only
for the snapshot object that it was made from. Each request proves that its snapshot is fresh.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from http import HTTPStatus

from flask import Response

from bridgework.model.snapshot import Snapshot

MAX_KEPT = 256


def etag_of(body: bytes) -> str:
    """Return a strong entity tag (RFC 9110, section 8.8.3) with its quotes."""
    return f'"{hashlib.blake2b(body, digest_size=12).hexdigest()}"'


def matches(header: str, etag: str) -> bool:
    """Whether an ``If-None-Match`` or ``If-Match`` header names this tag, or anything (``*``)."""
    return names_any(header) or etag in _tags(header)


def names_any(header: str) -> bool:
    """Whether the header is ``*``, which every tag matches."""
    return "*" in _tags(header)


def _tags(header: str) -> list[str]:
    return [tag.strip().removeprefix("W/") for tag in header.split(",")]


def conditional(response: Response, if_none_match: str | None) -> Response:
    """Return the response with its ETag, or a 304 without a body if the client has this version."""
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
    """Bodies and ETags by request. They belong to one snapshot, and are dropped with it."""

    def __init__(self) -> None:
        # One attribute: a thread that reads it gets a snapshot and the answers written from that snapshot, whatever
        # other threads replace meanwhile. With two attributes, a thread could keep its answer under a newer snapshot.
        self._kept: tuple[Snapshot | None, dict[str, tuple[bytes, str, str]]] = (None, {})

    def answer(self, snapshot: Snapshot, key: str, make: Callable[[], Response]) -> Response:
        """Return the kept answer for ``key``, or ``make`` one and keep it if it is a success."""
        of, kept = self._kept
        if of is not snapshot:
            kept = {}
            self._kept = (snapshot, kept)
        kept_answer = kept.get(key)
        if kept_answer is not None:
            body, etag, media_type = kept_answer
            return Response(body, headers=(("Content-Type", media_type), ("ETag", etag)))
        response = make()
        if response.status_code == HTTPStatus.OK and len(kept) < MAX_KEPT:
            body = response.get_data()
            response.headers["ETag"] = etag_of(body)
            kept[key] = (body, response.headers["ETag"], response.content_type or "")
        return response
