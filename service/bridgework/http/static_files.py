"""Files of this package that are served without a token: the console, the OpenAPI document and its reference page."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from pathlib import Path

from flask import Flask, Response, request

from bridgework.http.caching import conditional, etag_of

PACKAGE = Path(__file__).resolve().parents[1]
PUBLISHED = PACKAGE / "published"
YAML_FORM = "openapi.yaml"
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
    """Serve the document in each of its forms at ``/``, its page at ``/docs`` and the console at ``/console``.

    All files of a page are one rule of the router: compiling a rule for each took 60 % of the time in which the
    application is made.
    """
    for name in _read(PUBLISHED):
        _serve(app, PUBLISHED, name, f"/{name}", REFERENCE)
    for folder, policy in (("docs", REFERENCE), ("console", CONSOLE)):
        _serve(app, PACKAGE / folder, PAGE, f"/{folder}", policy)
        names = ",".join(f'"{name}"' for name in _read(PACKAGE / folder) if name != PAGE)
        _serve(app, PACKAGE / folder, None, f"/{folder}/<any({names}):file>", policy)


def _serve(app: Flask, folder: Path, name: str | None, rule: str, policy: str) -> None:
    """Serve one file of ``folder`` at ``rule``; without a ``name``, the one that the rule's ``file`` stands for."""

    def serve(file: str) -> Response:
        body, media_type, etag = _read(folder)[file]
        headers = {"ETag": etag, "Content-Security-Policy": policy}
        response = Response(body, content_type=media_type, headers=headers)
        return conditional(response, request.headers.get("If-None-Match"))

    app.add_url_rule(
        rule,
        endpoint=rule if name else f"/{folder.name}/{{file}}",
        view_func=serve,
        defaults={"file": name} if name else None,
        provide_automatic_options=False,
    )


@cache
def _read(folder: Path) -> Mapping[str, tuple[bytes, str, str]]:
    """Return each file's bytes, media type and ETag. They do not change while the service runs."""
    files = sorted(folder.iterdir())
    # A checkout has openapi.yaml once, at its top. A wheel and the image get their copy when they are built.
    if folder == PUBLISHED and not (PUBLISHED / YAML_FORM).exists():
        files.append(PACKAGE.parents[1] / YAML_FORM)
    read = ((file, file.read_bytes()) for file in files)
    return {file.name: (body, MEDIA_TYPES[file.suffix], etag_of(body)) for file, body in read}
