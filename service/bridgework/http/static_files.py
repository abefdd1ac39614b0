"""Files of this package that are served without a token: the console, the OpenAPI document and its reference page."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
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

    All files are one rule of the router: compiling one of each took 60 % of the time in which the application is made.
    """
    files = _read(folder)

    def serve(file: str = PAGE) -> Response:
        body, media_type, etag = files[file]
        headers = {"ETag": etag, "Content-Security-Policy": policy}
        response = Response(body, content_type=media_type, headers=headers)
        return conditional(response, request.headers.get("If-None-Match"))

    names = ",".join(f'"{name}"' for name in files if name != PAGE)
    rules = {f"{prefix}/{{file}}": f"{prefix}/<any({names}):file>"}
    if PAGE in files:
        rules[prefix] = prefix
    for endpoint, rule in rules.items():
        app.add_url_rule(rule, endpoint=endpoint, view_func=serve, provide_automatic_options=False)


@cache
def _read(folder: Path) -> Mapping[str, tuple[bytes, str, str]]:
    """Return each file's bytes, media type and ETag. They do not change while the service runs."""
    read = ((file, file.read_bytes()) for file in sorted(folder.iterdir()))
    return {file.name: (body, MEDIA_TYPES[file.suffix], etag_of(body)) for file, body in read}
