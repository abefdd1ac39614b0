"""The OpenAPI document as YAML and JSON, and the reference page made from it. Both need no token."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from flask import Flask, Response, request

from bridgework.http.caching import conditional

FILES = Path(__file__).resolve().parents[2] / "docs"
DOCUMENTS = Path(__file__).resolve().parents[2] / "published"
"""The document in each of its forms, written by ``make openapi``."""
PAGE = "index.html"
MEDIA_TYPES = {
    ".css": "text/css; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".jpg": "image/jpeg",
    ".js": "text/javascript; charset=utf-8",
    ".json": "application/json",
    ".png": "image/png",
    ".svg": "image/svg+xml",
    ".txt": "text/plain; charset=utf-8",
    ".yaml": "application/yaml",
}
POLICY = "default-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; object-src 'none'"
"""The content security policy: no inline script or style, and no other origin."""


def register(app: Flask) -> None:
    """Serve the document and its page. The files are read once, since they do not change while the service runs."""
    served = {f"/{file.name}": (file.read_bytes(), MEDIA_TYPES[file.suffix]) for file in sorted(DOCUMENTS.iterdir())}
    for file in sorted(FILES.iterdir()):
        path = "/docs" if file.name == PAGE else f"/docs/{file.name}"
        served[path] = (file.read_bytes(), MEDIA_TYPES[file.suffix])
    for path, (body, media_type) in served.items():
        app.add_url_rule(path, endpoint=path, view_func=_view(body, media_type), provide_automatic_options=False)


def _view(body: bytes, media_type: str) -> Callable[[], Response]:
    def serve() -> Response:
        response = conditional(Response(body, content_type=media_type), request.headers.get("If-None-Match"))
        response.headers["Content-Security-Policy"] = POLICY
        return response

    return serve
