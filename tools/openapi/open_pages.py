"""What is served without a token beside the operations: the document in its forms, the reference page, the console."""

from __future__ import annotations

from typing import Any

from tools.openapi.parameters import tag_parameter
from tools.openapi.responses import failures, success

_PAGES = (
    (
        "/openapi.json",
        "getOpenapiJson",
        "Get this document as JSON",
        "application/json",
        "The answer is this OpenAPI 3.1 document. `/openapi.yaml` is the same document as YAML.",
    ),
    (
        "/openapi-3.0.json",
        "getOpenapi30Json",
        "Get this document as OpenAPI 3",
        "application/json",
        "The answer is this document in the older version OpenAPI 3.0.3, for tools that cannot read 3.1.",
    ),
    (
        "/docs",
        "getReferencePage",
        "Read this document in a browser",
        "text/html",
        "The answer is a reference page for people, made from this document.",
    ),
    (
        "/console",
        "getConsole",
        "Open the console in a browser",
        "text/html",
        "The answer is a page that shows networks, containers and their connections, and follows changes.",
    ),
)
_TEXT = {"type": "string", "description": "The content of the file as text."}
_DOCUMENT = {"type": "object", "additionalProperties": True, "description": "An OpenAPI document as a JSON object."}


def paths() -> dict[str, Any]:
    """The path items of the open pages.

    ``/openapi.yaml`` is not among them: openapi-python-client cannot read ``application/yaml`` and warns of it.
    """
    return {path: _item(*rest) for path, *rest in _PAGES}


def _item(name: str, summary: str, media_type: str, text: str) -> dict[str, Any]:
    schema = _DOCUMENT if media_type == "application/json" else _TEXT
    return {
        "get": {
            "operationId": name,
            "tags": ["service"],
            "summary": summary,
            "description": f"{text} No token is needed, and nothing is loaded from another host.",
            "security": [],
            "parameters": [tag_parameter("If-None-Match")],
            "responses": {
                "200": success(
                    "The request succeeded; the body is the file.",
                    ["X-Request-ID", "ETag"],
                    {media_type: {"schema": schema}},
                ),
                "304": {"$ref": "#/components/responses/NotModified"},
                **failures(),
            },
        }
    }
