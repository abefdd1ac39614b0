"""Compress large answers with gzip for clients that accept it (RFC 9110, section 8.4.1)."""

from __future__ import annotations

import gzip

from flask import Flask, Response, request

LEAST_BYTES = 4096
"""Smaller answers fit in two or three packets either way."""
LEVEL = 1
"""The fastest level: a list of containers repeats itself so much that the slower levels save little more."""
_TEXTS = ("application/json", "application/problem+json", "application/yaml", "text/", "image/svg+xml")


def enable(app: Flask) -> None:
    """Compress each answer that is large, not streamed, and text. Its ETag becomes weak: its bytes differ."""
    app.after_request(_compressed)


def _compressed(response: Response) -> Response:
    if response.is_streamed or not (response.mimetype or "").startswith(_TEXTS):
        return response
    response.vary.add("Accept-Encoding")
    body = response.get_data()
    accepts_gzip = request.accept_encodings.quality("gzip") > 0 and "Content-Encoding" not in response.headers
    if accepts_gzip and len(body) >= LEAST_BYTES and request.method != "HEAD":
        response.set_data(gzip.compress(body, LEVEL, mtime=0))
        response.headers["Content-Encoding"] = "gzip"
        if "ETag" in response.headers:
            response.headers["ETag"] = "W/" + response.headers["ETag"].removeprefix("W/")
    return response
