"""Cross-origin requests of browsers (the Fetch standard): allowed for the origins in the settings, by default none.

Cookies are never used, so credentials need no permission: a page sends its token in ``Authorization``.
"""

from __future__ import annotations

from collections.abc import Collection

from flask import Flask, Response, request

MAX_AGE_S = 600
_METHODS = "GET, HEAD, POST, PUT, DELETE"
_TAKEN = (
    "Authorization, Content-Type, Idempotency-Key, If-Match, If-None-Match, Last-Event-ID, X-Request-ID, traceparent"
)
_SHOWN = (
    "Bridgework-Dry-Run, ETag, Idempotent-Replayed, Link, Location, Retry-After, WWW-Authenticate, X-Request-ID,"
    " Deprecation, Sunset"
)


def allow(app: Flask, origins: Collection[str]) -> None:
    """Let pages of these origins read the answers. Without origins no answer changes."""
    if not origins:
        return

    @app.before_request
    def preflight() -> Response | None:
        if request.method != "OPTIONS" or "Access-Control-Request-Method" not in request.headers:
            return None
        response = Response(status=204)
        if request.headers.get("Origin") in origins:
            response.headers["Access-Control-Allow-Methods"] = _METHODS
            response.headers["Access-Control-Allow-Headers"] = _TAKEN
            response.headers["Access-Control-Max-Age"] = str(MAX_AGE_S)
        return response

    @app.after_request
    def permit(response: Response) -> Response:
        origin = request.headers.get("Origin")
        response.vary.add("Origin")
        if origin in origins:
            response.headers["Access-Control-Allow-Origin"] = origin
            response.headers["Access-Control-Expose-Headers"] = _SHOWN
        return response
