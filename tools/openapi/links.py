"""Links: what can be done next with what a creation answered, by the ``id`` in its body."""

from __future__ import annotations

import re
from typing import Any


def add_links(document: dict[str, Any]) -> None:
    """Let each 201 of a POST lead to every operation on what it made."""
    paths: dict[str, Any] = document["paths"]
    for path, item in paths.items():
        created = item.get("post", {}).get("responses", {}).get("201")
        if created is not None:
            created["links"] = _links(paths, path)


def _links(paths: dict[str, Any], collection: str) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for path, item in sorted(paths.items()):
        fits = re.fullmatch(rf"{re.escape(collection)}/{{(\w+)}}(/\w+)?", path)
        if fits is None:
            continue
        for method in ("get", "put", "post", "delete"):
            if method in item:
                name = item[method]["operationId"]
                found[name] = {"operationId": name, "parameters": {fits[1]: "$response.body#/id"}}
    return found
