"""The document as OpenAPI 3.0.3, for tools that read no 3.1: the same operations in the older schema language."""

from __future__ import annotations

from typing import Any


def as_3_0(document: dict[str, Any]) -> dict[str, Any]:
    """Return a 3.0.3 document of the same operations and schemas.

    3.0 has ``nullable`` for a type that may be null, one ``example`` for a schema's ``examples``, a licence without its
    SPDX identifier, neither ``propertyNames`` nor ``if``, no summary of the whole, and no roles in the security of a
    bearer token.
    """
    converted: dict[str, Any] = _converted(document)
    converted["openapi"] = "3.0.3"
    converted["info"].pop("summary", None)
    converted["info"]["license"] = {"name": document["info"]["license"]["name"]}
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
    found = {name: _converted(inner) for name, inner in node.items()}
    for keyword in ("propertyNames", "if", "then", "else"):
        found.pop(keyword, None)
    if isinstance(found.get("type"), list):
        types = [one for one in found["type"] if one != "null"]
        found["type"], found["nullable"] = types[0], True
    for keyword in ("anyOf", "oneOf"):
        if isinstance(found.get(keyword), list) and {"type": "null"} in found[keyword]:
            rest = [one for one in found.pop(keyword) if one != {"type": "null"}]
            # A reference may have nothing beside it in 3.0, so it stands in an allOf.
            found |= {"allOf": rest, "nullable": True} if len(rest) == 1 else {keyword: rest, "nullable": True}
    if "type" in found and isinstance(found.get("examples"), list):
        found["example"] = found.pop("examples")[0]
    return found
