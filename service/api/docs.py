"""The document itself, as YAML and JSON, and the reference page made from it; all open, and all from this package."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from flask import Flask, Response, request

from service.api.caching import conditional
from service.api.contract import json_text
from tools.openapi.parameters import tag_parameter

FILES = Path(__file__).resolve().parent.parent / "docs"
PAGE = "index.html"
MEDIA_TYPES = {
    ".css": "text/css; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".jpg": "image/jpeg",
    ".js": "text/javascript; charset=utf-8",
    ".png": "image/png",
    ".svg": "image/svg+xml",
    ".txt": "text/plain; charset=utf-8",
}
POLICY = "default-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; object-src 'none'"
"""Nothing inline, nothing from elsewhere."""


def register(app: Flask, document: dict[str, Any], text: str) -> None:
    """Serve ``document`` (in YAML: ``text``) and its page. All is read once: it does not change while we live."""
    served: dict[str, tuple[bytes, str]] = {
        "/openapi.json": (json_text(document).encode(), "application/json"),
        "/openapi.yaml": (text.encode(), "application/yaml"),
    }
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


def documented() -> dict[str, Any]:
    """The path items of what is served here."""
    return {
        "/openapi.yaml": open_item("getOpenapiYaml", "Get this document as YAML", "application/yaml"),
        "/openapi.json": open_item("getOpenapiJson", "Get this document as JSON", "application/json"),
        "/docs": open_item("getReferencePage", "Read this document in a browser", "text/html"),
    }


def open_item(name: str, summary: str, media_type: str) -> dict[str, Any]:
    """The path item of something open that never changes while we live."""
    free = {"type": "object", "additionalProperties": True, "description": "An OpenAPI 3.1 document."}
    schema = free if media_type == "application/json" else {"type": "string", "description": "As text."}
    headers = {key: {"$ref": f"#/components/headers/{key.replace('-', '')}"} for key in ("X-Request-ID", "ETag")}
    return {
        "get": {
            "operationId": name,
            "tags": ["service"],
            "summary": summary,
            "description": f"{summary}. Needs no token, and nothing from any other place.",
            "security": [],
            "parameters": [
                tag_parameter("If-None-Match", "304 when it still has this ETag."),
            ],
            "responses": {
                "200": {
                    "description": "Done.",
                    "headers": headers,
                    "content": {media_type: {"schema": schema}},
                },
                "304": {"description": "It still has the ETag you know.", "headers": headers},
            },
        }
    }
