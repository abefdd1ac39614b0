"""The console: one page and its files. It needs no token, since the page itself asks for one.

Its content security policy allows only its own files and this service: no inline script or style, no other origin.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from flask import Flask, Response, abort, request

from bridgework.http.caching import conditional, etag_of

FOLDER = Path(__file__).parents[2] / "console"
PAGE = "index.html"
FILES = (
    "api.js", "asking.js", "base.css", "check.js", "cytoscape.LICENSE.txt", "cytoscape.min.js", "diagnostics.js",
    "dom.js", "elements.js", "ends.js", "explore.js", "findings.js", "heatmap.js", "icon.svg", "inside.js",
    "layout.js", "live.js", "main.js", "matrix.js", "model.js", "outcome.js", "parts.css", "picture.js", "role.js",
    "stage.js", "status.js", "swarm.js", "tabs.js", "theme.js", "tip.js",
)  # fmt: skip
TYPES: Mapping[str, str] = {
    ".css": "text/css; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
    ".txt": "text/plain; charset=utf-8",
}
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'"
)


def register(app: Flask) -> None:
    """Serve the page at ``/console`` and its files below; they are read once and never change while it runs."""
    answers = {name: _answer(FOLDER / name) for name in (PAGE, *FILES)}

    def page() -> Response:
        return _conditional(answers[PAGE])

    def file(name: str) -> Response:
        if name not in FILES:
            abort(404)
        return _conditional(answers[name])

    app.add_url_rule("/console", endpoint="console", view_func=page, provide_automatic_options=False)
    app.add_url_rule("/console/<name>", endpoint="console-file", view_func=file, provide_automatic_options=False)


def _answer(path: Path) -> Callable[[], Response]:
    body = path.read_bytes()
    headers = {"ETag": etag_of(body), "Content-Security-Policy": POLICY}

    def make() -> Response:
        return Response(body, content_type=TYPES[path.suffix], headers=headers)

    return make


def _conditional(make: Callable[[], Response]) -> Response:
    return conditional(make(), request.headers.get("If-None-Match"))
