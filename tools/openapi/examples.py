"""Real requests and answers in the document: recorded on a real engine by ``scripts/examples``, never made up."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

RECORDED = Path(__file__).with_name("examples.json")


def attach_examples(document: dict[str, Any]) -> None:
    """Put each recorded example beside the schema it is an example of; what no longer exists is passed over."""
    recorded = json.loads(RECORDED.read_text(encoding="utf-8")) if RECORDED.exists() else {}
    for item in document["paths"].values():
        for operation in (part for name, part in item.items() if name != "parameters"):
            examples = recorded.get(operation["operationId"], {})
            _attach(operation.get("requestBody", {}), examples.get("request", {}))
            for status, by_media_type in examples.get("responses", {}).items():
                _attach(_found(document, operation["responses"].get(status, {})), by_media_type)


def _found(document: dict[str, Any], response: dict[str, Any]) -> dict[str, Any]:
    """The response, or the shared one that it refers to."""
    name = response.get("$ref", "").rsplit("/", 1)[-1]
    found: dict[str, Any] = document["components"]["responses"].get(name, response)
    return found


def _attach(holder: dict[str, Any], by_media_type: dict[str, Any]) -> None:
    for media_type, examples in by_media_type.items():
        content = holder.get("content", {}).get(media_type)
        if content is not None:
            content.setdefault("examples", {}).update(examples)
