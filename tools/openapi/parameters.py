"""The parameters of the document: what an operation takes in its path, its query and its headers."""

from __future__ import annotations

from typing import Any

from bridgework.http.contract import Operation
from tools.openapi.responses import streams

MAX_HEADER_BYTES = 8190
"""gunicorn's ``limit_request_field_size``."""
_TAGS = {
    "If-Match": "An ETag of the resource. If the resource has changed since, nothing is done and the answer is 412.",
    "If-None-Match": "The ETag that you have. If the resource has not changed, the answer is 304 without a body.",
}
_DRY_RUN = "Check the request and answer what would happen, but change nothing; `false` by default."
_KEY = (
    "A key of your choice that makes a retry safe. The same key with the same body answers with the resource that the"
    " first request created, and with the header `Idempotent-Replayed: true`. The same key with another body is a 422."
    " A key lives as long as the resource that it created."
)
_LAST_EVENT = "The `id` of the last event that you received. The stream continues with the event after it."


def path_parameter(name: str) -> dict[str, Any]:
    """A thing by its name or id."""
    if name == "code":
        text = "The code of a problem, such as `port-taken`."
        return {**_parameter(name, "path", text, {"type": "string", "minLength": 1, "maxLength": 64}), "required": True}
    if name == "name":
        schema = {"type": "string", "minLength": 1, "maxLength": 63, "pattern": r"^[a-zA-Z0-9][a-zA-Z0-9_.-]{0,62}$"}
        return {
            **_parameter(name, "path", "The name of the set of expectations, such as `shop`.", schema),
            "required": True,
        }
    return {
        "name": name,
        "in": "path",
        "required": True,
        "description": f"The {name}: its name, its full id, or a prefix of its id that fits no other {name}.",
        "schema": {"type": "string", "minLength": 1, "maxLength": 255},
    }


def tag_parameter(name: str) -> dict[str, Any]:
    """A header that holds ETags: as long as ``name: tags`` may be at the HTTP edge, and a 431 beyond."""
    return _parameter(name, "header", _TAGS[name], {"type": "string", "maxLength": MAX_HEADER_BYTES - len(name) - 4})


def parameters(operation: Operation) -> list[Any]:
    """Those of the query and the headers; apispec resolves the query's schema."""
    found: list[Any] = []
    if operation.query is not None:
        found.append({"in": "query", "schema": operation.query})
    if operation.supports_dry_run:
        found.append(_parameter("dry_run", "query", _DRY_RUN, {"type": "boolean", "default": False}))
    if operation.idempotent:
        schema = {"type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[!-~]([ -~]*[!-~])?$"}
        found.append(_parameter("Idempotency-Key", "header", _KEY, schema))
    if operation.conditional:
        found.append(tag_parameter("If-Match"))
    if streams(operation):
        schema = {"type": "string", "pattern": "^[0-9]{1,19}$"}
        found.append(_parameter("Last-Event-ID", "header", _LAST_EVENT, schema))
    elif operation.method == "GET" and operation.role is not None:
        found.append(tag_parameter("If-None-Match"))
    return found


def share(document: dict[str, Any]) -> None:
    """Move each parameter that stands in several places to the components, and refer to it."""
    holders = [
        part for item in document["paths"].values() for part in (item, *_operations(item)) if "parameters" in part
    ]
    uses: dict[str, list[dict[str, Any]]] = {}
    for parameter in (one for holder in holders for one in holder["parameters"]):
        uses.setdefault(parameter["name"], []).append(parameter)
    shared: dict[str, dict[str, Any]] = {}
    for name, found in uses.items():
        often = max(found, key=found.count)
        if found.count(often) > 1:
            shared[_component_key(name)] = often
    for holder in holders:
        holder["parameters"] = [_referred(one, shared) for one in holder["parameters"]]
    document["components"]["parameters"] = dict(sorted(shared.items()))


def _operations(item: dict[str, Any]) -> list[dict[str, Any]]:
    return [part for name, part in item.items() if name != "parameters"]


def _referred(parameter: dict[str, Any], shared: dict[str, dict[str, Any]]) -> dict[str, Any]:
    key = _component_key(parameter["name"])
    return {"$ref": f"#/components/parameters/{key}"} if shared.get(key) == parameter else parameter


def _component_key(name: str) -> str:
    return "".join(word[:1].upper() + word[1:] for word in name.replace("-", "_").split("_"))


def _parameter(name: str, where: str, text: str, schema: dict[str, Any]) -> dict[str, Any]:
    return {"name": name, "in": where, "required": False, "description": text, "schema": schema}
