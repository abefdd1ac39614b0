"""What every request has: an id, the trace context, security headers in its answer, and one log line."""

from __future__ import annotations

import re
import time
import uuid

import structlog
from flask import Flask, Response, g, request

from bridgework.telemetry import trace_context

_REQUEST_ID = re.compile(r"[A-Za-z0-9._\-]{1,128}")
# Headers of every answer that does not set them itself.
_DEFAULT_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Cache-Control": "no-store",
}

log = structlog.get_logger()


def prepare(app: Flask) -> None:
    """Add request ids, security headers and one log line for each request."""

    @app.before_request
    def begin() -> None:
        headers = request.headers
        given = headers.get("X-Request-ID")
        g.request_id = given if given and _REQUEST_ID.fullmatch(given) else uuid.uuid4().hex
        g.began = time.perf_counter()
        structlog.contextvars.clear_contextvars()
        structlog.contextvars.bind_contextvars(request_id=g.request_id)
        parent = headers.get("traceparent")
        trace_context.begin(g.request_id, parent, headers.get("tracestate") if parent else None)
        if parent:
            structlog.contextvars.bind_contextvars(traceparent=parent[:64])

    @app.after_request
    def end(response: Response) -> Response:
        given = {name for name, _ in response.headers}
        response.headers.extend((name, value) for name, value in _DEFAULT_HEADERS.items() if name not in given)
        response.headers.add("X-Request-ID", g.get("request_id", ""))
        log.info(
            "request",
            method=request.method,
            path=request.path,
            status=response.status_code,
            code=g.get("problem_code"),
            caller=g.get("caller"),
            duration_ms=round((time.perf_counter() - g.get("began", time.perf_counter())) * 1000, 2),
        )
        return response
