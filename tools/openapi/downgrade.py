"""The document as OpenAPI 3.0.3, for tools that read no 3.1: the same operations in the older schema language."""

from __future__ import annotations

from typing import Any

_UNKNOWN_TO_3_0 = ("propertyNames", "if", "then", "else")
_LICENCE = "https://www.apache.org/licenses/LICENSE-2.0"
_NULL_3_1 = {"type": "null"}
_NULL_3_0 = {"type": "object", "nullable": True, "enum": [None]}
"""A schema of null alone. ``nullable`` counts only beside a ``type`` (the proposal that 3.0.3 refers to), which null
passes by it; ``enum`` leaves nothing else."""


def as_3_0(document: dict[str, Any]) -> dict[str, Any]:
    """Return a 3.0.3 document of the same operations and schemas.

    3.0 has ``nullable`` for a type that may be null, one ``example`` for a schema's ``examples``, a licence by its
    address instead of its SPDX identifier, and a format for bytes. It has neither ``propertyNames`` nor ``if``, no
    summary of the whole, and no roles in the security of a bearer token.
    """
    converted: dict[str, Any] = _converted(document)
    converted["openapi"] = "3.0.3"
    converted["info"].pop("summary", None)
    converted["info"]["license"] = {"name": document["info"]["license"]["name"], "url": _LICENCE}
    for item in converted["paths"].values():
        for operation in (part for name, part in item.items() if name != "parameters"):
            operation["security"] = [{scheme: [] for scheme in one} for one in operation["security"]]
    return converted


def _converted(node: Any) -> Any:
    if isinstance(node, list):
        return [_converted(one) for one in node]
    if not isinstance(node, dict):
        return node
    if "value" in node and "summary" in node:  # an example: its value is data, not a schema
        return node
    found = {name: _converted(inner) for name, inner in node.items() if name not in _UNKNOWN_TO_3_0}
    if isinstance(found.get("type"), list):
        (found["type"],) = (one for one in found["type"] if one != "null")
        found["nullable"] = True
    for keyword in ("anyOf", "oneOf"):
        if isinstance(found.get(keyword), list):
            found[keyword] = [_NULL_3_0 if one == _NULL_3_1 else one for one in found[keyword]]
    if isinstance(found.get("$ref"), str) and len(found) > 1:
        # 3.0 ignores what stands beside a reference.
        found = {"allOf": [{"$ref": found.pop("$ref")}], **found}
    if "type" in found and isinstance(found.get("examples"), list):
        found["example"] = found.pop("examples")[0]
    schema = found.get("schema")
    if isinstance(schema, dict) and not {"type", "$ref", "anyOf", "allOf"} & schema.keys():
        found["schema"] = {"type": "string", "format": "binary", **schema}
    return found
