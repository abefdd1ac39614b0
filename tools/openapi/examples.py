"""Real requests and answers in the document: recorded on a real engine by ``make examples``, never made up."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

RECORDED = Path(__file__).with_name("examples.json")
MOST_ITEMS = 2
"""How many items of a list an example shows."""
_PROBLEM = ("createNetwork", "409", "application/problem+json", "the-name-is-taken")
"""The one problem that the shared response shows."""


def attach_examples(document: dict[str, Any]) -> None:
    """Put one recorded example of each request and of each form of a success into the components, and refer to it."""
    recorded = json.loads(RECORDED.read_text(encoding="utf-8"))
    shelf = _Shelf()
    for item in document["paths"].values():
        for operation in (part for name, part in item.items() if name != "parameters"):
            name = operation["operationId"]
            examples = recorded.get(name, {})
            preferred = _told_both_ways(examples)
            shelf.attach(f"{name}.request", operation.get("requestBody", {}), examples.get("request", {}), preferred)
            for status, by_media_type in examples.get("responses", {}).items():
                if status in operation["responses"]:
                    shelf.attach(f"{name}.{status}", operation["responses"][status], by_media_type, preferred)
    for item in document["paths"].values():
        for operation in (part for name, part in item.items() if name != "parameters"):
            for response in operation["responses"].values():
                shelf.share(response)
    name, status, media_type, key = _PROBLEM
    problem = recorded[name]["responses"][status][media_type]
    shelf.attach("Problem", document["components"]["responses"]["Problem"], {media_type: problem}, {key})
    document["components"]["examples"] = shelf.shown


def _told_both_ways(examples: dict[str, Any]) -> set[str]:
    """The names of examples that have a request and its answer, so that the two that are shown belong together."""
    asked = {key for by_key in examples.get("request", {}).values() for key in by_key}
    answers = [by_key for by_media in examples.get("responses", {}).values() for by_key in by_media.values()]
    return {key for by_key in answers for key in by_key if key in asked}


class _Shelf:
    """The examples of the components. Answers of one component share an example, whichever operation they are of."""

    def __init__(self) -> None:
        self.shown: dict[str, Any] = {}
        self._by_schema: dict[str, tuple[str, str]] = {}

    def attach(self, name: str, holder: dict[str, Any], by_media_type: dict[str, Any], preferred: set[str]) -> None:
        """Give each media type of ``holder`` one example."""
        for media_type, examples in by_media_type.items():
            content = holder.get("content", {}).get(media_type)
            if content is None or not examples:
                continue
            key = next((key for key in examples if key in preferred), next(iter(examples)))
            short = media_type.rpartition("/")[2].partition("+")[0]
            component = f"{name}.{short}" if len(holder["content"]) > 1 else name
            # A failure is no example of what a success looks like, though both may have the same schema (readiness).
            alike = content["schema"].get("$ref", component) if ".20" in component else component
            if alike not in self._by_schema:
                self._by_schema[alike] = key, component
                self.shown[component] = {**examples[key], "value": _shortened(examples[key]["value"])}
            key, component = self._by_schema[alike]
            content["examples"] = {key: {"$ref": f"#/components/examples/{component}"}}

    def share(self, response: dict[str, Any]) -> None:
        """Give what has no example of its own the one of its schema, where another operation has it."""
        for content in response.get("content", {}).values():
            known = self._by_schema.get(content["schema"].get("$ref", ""))
            if known is not None and "examples" not in content:
                content["examples"] = {known[0]: {"$ref": f"#/components/examples/{known[1]}"}}


def _shortened(value: Any) -> Any:
    """A list of a page shows its first items; what an answer counts stays as it was."""
    if isinstance(value, dict) and isinstance(value.get("items"), list):
        return {**value, "items": value["items"][:MOST_ITEMS]}
    return value
