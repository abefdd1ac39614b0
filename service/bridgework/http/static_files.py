"""Files of this package that are served without a token: the console, the OpenAPI document and its reference page."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from flask import Flask, Response, request

from bridgework.http.caching import conditional, etag_of

PACKAGE = Path(__file__).resolve().parents[1]
PAGE = "index.html"
MEDIA_TYPES: Mapping[str, str] = {
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
REFERENCE = "default-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; object-src 'none'"
CONSOLE = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'"
)
"""The content security policies: no inline script or style, and no other origin."""


def register(app: Flask) -> None:
    """Serve the document in each of its forms at ``/``, its page at ``/docs`` and the console at ``/console``."""
    _serve(app, PACKAGE / "published", "", REFERENCE)
    _serve(app, PACKAGE / "docs", "/docs", REFERENCE)
    _serve(app, PACKAGE / "console", "/console", CONSOLE)


def _serve(app: Flask, folder: Path, prefix: str, policy: str) -> None:
    """Serve every file of ``folder`` below ``prefix``, and its page at ``prefix`` itself.

    The files are read once, since they do not change while the service runs.
    """
    for file in sorted(folder.iterdir()):
        path = prefix if file.name == PAGE else f"{prefix}/{file.name}"
        app.add_url_rule(path, endpoint=path, view_func=_view(file, policy), provide_automatic_options=False)


def _view(file: Path, policy: str) -> Callable[[], Response]:
    body, media_type = file.read_bytes(), MEDIA_TYPES[file.suffix]
    headers = {"ETag": etag_of(body), "Content-Security-Policy": policy}

    def serve() -> Response:
        response = Response(body, content_type=media_type, headers=headers)
        return conditional(response, request.headers.get("If-None-Match"))

    return serve
