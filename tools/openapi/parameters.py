"""The parameters of the document: what an operation takes in its path, its query and its headers."""

from __future__ import annotations

from typing import Any

from service.api.contract import Operation
from tools.openapi.responses import streams

MAX_HEADER_BYTES = 8190
"""gunicorn's ``limit_request_field_size``."""


def path_parameter(name: str) -> dict[str, Any]:
    """A thing by its name or id."""
    return {
        "name": name,
        "in": "path",
        "required": True,
        "description": f"The {name}'s name, full id, or an unambiguous prefix of its id.",
        "schema": {"type": "string", "minLength": 1, "maxLength": 255},
    }


def tag_parameter(name: str, text: str) -> dict[str, Any]:
    """A header that holds ETags: as long as ``name: tags`` may be at the HTTP edge, and a 431 beyond."""
    schema = {"type": "string", "maxLength": MAX_HEADER_BYTES - len(f"{name}: \r\n")}
    return {"name": name, "in": "header", "required": False, "description": text, "schema": schema}


def parameters(operation: Operation) -> list[Any]:
    """Those of the query and the headers; apispec resolves the query's schema."""
    found: list[Any] = []
    if operation.query is not None:
        found.append({"in": "query", "schema": operation.query})
    if operation.rehearsable:
        found.append(
            _parameter(
                "dry_run",
                "query",
                "Answer what would happen, as far as can be seen, and do nothing.",
                {"type": "boolean"},
            )
        )
    if operation.keyed:
        text = "Makes a retry safe: the same key and body give the same thing again."
        found.append(
            _parameter("Idempotency-Key", "header", text, {"type": "string", "minLength": 1, "maxLength": 255})
        )
    if operation.conditional:
        found.append(tag_parameter("If-Match", "Only while it still has this ETag."))
    if streams(operation):
        text = "The `id` of the last event you have: goes on after it."
        found.append(_parameter("Last-Event-ID", "header", text, {"type": "string", "pattern": "^[0-9]{1,19}$"}))
    elif operation.method == "GET" and operation.role is not None:
        found.append(tag_parameter("If-None-Match", "304 when it still has this ETag."))
    return found


def _parameter(name: str, where: str, text: str, schema: dict[str, Any]) -> dict[str, Any]:
    return {"name": name, "in": where, "required": False, "description": text, "schema": schema}
