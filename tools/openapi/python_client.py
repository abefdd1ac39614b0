"""Write the typed part of ``bridgework_client`` from the OpenAPI document: its documents and its operations.

The Python client that the package ships is thin: an answer is the JSON document as a ``TypedDict``, and an operation is
a method that fills in a path, a query and a body. What needs thought (retries, pages, streams) is written by hand in
``transport.py`` and ``client.py``.
"""

from __future__ import annotations

import re
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from typing import Any

JSON, NDJSON, EVENTS = "application/json", "application/x-ndjson", "text/event-stream"
HEAD = '''"""{title}

This file is made from the OpenAPI document by ``make openapi``.
"""

from __future__ import annotations

'''
NO_METHOD = {"getReferencePage", "getConsole", "followEvents"}
"""Pages for a browser, and the stream that ``client.py`` reads itself, because it resumes after a lost connection."""
REPEATED = {"startContainer", "stopContainer"}
"""Changes by POST without an idempotency key that may be sent again: the second one changes nothing."""
ONCE = {"planChanges"}
"""Operations that can also change something, which a second request would change again."""
_WORDS = {
    "integer": "int", "number": "float", "string": "str", "boolean": "bool", "null": "None", "object": "dict[str, Any]",
}  # fmt: skip
_WIDTH = 120


def written(document: dict[str, Any]) -> dict[str, str]:
    """Return the text of each module of ``bridgework_client`` that is made from the document."""
    return {"documents.py": _formatted(documents(document)), "operations.py": _formatted(operations(document))}


def _formatted(text: str) -> str:
    command = [sys.executable, "-m", "ruff", "format", "--quiet", "--line-length", str(_WIDTH), "-"]
    return subprocess.run(command, input=text, text=True, capture_output=True, check=True).stdout


def _snake(name: str) -> str:
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).replace("-", "_").lower()


def _quoted(text: str, indent: int) -> str:
    """Write a docstring that fits the line."""
    margin = " " * indent
    words = " ".join(text.replace("\\", "\\\\").replace('"""', "'''").split())
    lines = textwrap.wrap(words, _WIDTH - indent - 6, break_long_words=False, break_on_hyphens=False)
    if len(lines) == 1:
        return f'{margin}"""{lines[0]}"""\n'
    return f'{margin}"""' + f"\n{margin}".join(lines) + f'\n{margin}"""\n'


def annotation(schema: dict[str, Any]) -> str:
    """Write the type of a value as Python names it."""
    if "$ref" in schema:
        return str(schema["$ref"]).rpartition("/")[2]
    for key in ("anyOf", "oneOf", "allOf"):
        if key in schema:
            return " | ".join(annotation(each) for each in schema[key])
    if "enum" in schema:
        return f"Literal[{', '.join(map(repr, schema['enum']))}]"
    kinds = schema.get("type", "object")
    return " | ".join(_plain(kind, schema) for kind in ([kinds] if isinstance(kinds, str) else kinds))


def _plain(kind: str, schema: dict[str, Any]) -> str:
    if kind == "array":
        return f"list[{annotation(schema.get('items', {}))}]"
    if kind == "object" and isinstance(schema.get("additionalProperties"), dict):
        return f"dict[str, {annotation(schema['additionalProperties'])}]"
    return _WORDS[kind]


def documents(document: dict[str, Any]) -> str:
    """Write ``documents.py``: the objects of requests and answers, by the names of the OpenAPI document."""
    schemas = document["components"]["schemas"]
    parts = [HEAD.format(title="The objects of requests and answers, as typed dictionaries."),
             "from typing import Any, Literal, NotRequired, TypedDict\n\n"]  # fmt: skip
    objects = {name: schema for name, schema in schemas.items() if "properties" in schema}
    for name, schema in sorted(schemas.items()):
        if name not in objects:
            parts.append(f"{name} = {annotation(schema)}\n")
    for name, schema in sorted(objects.items()):
        parts.append(_functional(name, schema) if "in" in schema["properties"] else _class(name, schema))
    return "".join(parts)


def _field(name: str, schema: dict[str, Any], owner: dict[str, Any]) -> str:
    text = annotation(schema)
    return text if name in owner.get("required", ()) else f"NotRequired[{text}]"


def _class(name: str, schema: dict[str, Any]) -> str:
    parts = [f"\n\nclass {name}(TypedDict):\n", _quoted(schema.get("description", f"{name}."), 4), "\n"]
    for key, value in schema["properties"].items():
        parts.append(f"    {key}: {_field(key, value, schema)}\n")
        if "description" in value:
            parts.append(_quoted(value["description"], 4))
    return "".join(parts)


def _functional(name: str, schema: dict[str, Any]) -> str:
    """Write an object that has a property with the name of a Python keyword."""
    fields = "".join(f"{key!r}: {_field(key, value, schema)!r}," for key, value in schema["properties"].items())
    return f"\n\n{name} = TypedDict({name!r}, {{{fields}}})\n{_quoted(schema.get('description', f'{name}.'), 0)}"


def operations(document: dict[str, Any]) -> str:
    """Write ``operations.py``: a method for each operation, by its ``operationId`` in Python's spelling."""
    methods = "".join(
        text
        for path, item in document["paths"].items()
        for verb, operation in item.items()
        if verb in {"get", "post", "put", "delete"} and operation["operationId"] not in NO_METHOD
        for text in _Method(document, path, verb, item, operation).written()
    )
    named = sorted({name for name in re.findall(r"\w+", methods) if name in document["components"]["schemas"]})
    return (
        HEAD.format(title="A method for each operation of the API.")
        + "from collections.abc import Iterator, Sequence\nfrom typing import TYPE_CHECKING, Any, Literal\n\n"
        + "from bridgework_client.pages import Pages\n"
        + "from bridgework_client.transport import Request, Transport, new_key\n\n"
        + f"if TYPE_CHECKING:\n    from bridgework_client.documents import ({', '.join(named)})\n\n\n"
        + "class Operations:\n"
        + '    """The operations of the API, without the conveniences of ``Client``."""\n\n'
        + "    transport: Transport\n"
        + methods
    )


def _is_text(media_type: str) -> bool:
    return media_type.startswith("text/") or media_type.endswith(("xml", "json"))


class _Method:
    def __init__(
        self, document: dict[str, Any], path: str, verb: str, item: dict[str, Any], operation: dict[str, Any]
    ) -> None:
        self.document, self.path, self.verb, self.operation = document, path, verb.upper(), operation
        given = [*item.get("parameters", []), *operation.get("parameters", [])]
        resolved = [self._resolve(one) for one in given]
        self.parameters = [one for one in resolved if one["name"] not in {"cursor", "If-None-Match"}]
        self.name = _snake(operation["operationId"])

    def _resolve(self, value: dict[str, Any]) -> dict[str, Any]:
        while "$ref" in value:
            found: Any = self.document
            for step in value["$ref"].removeprefix("#/").split("/"):
                found = found[step]
            value = found
        return value

    def _contents(self) -> dict[str, dict[str, Any]]:
        return {
            media: content["schema"]
            for status, answer in self.operation["responses"].items()
            if status.startswith("2")
            for media, content in self._resolve(answer).get("content", {}).items()
        }

    def written(self) -> Iterator[str]:
        contents = self._contents()
        if JSON in contents:
            page = self._resolve(contents[JSON]).get("properties", {})
            if "next_cursor" in page and any(one["name"] == "limit" for one in self.parameters):
                item, whole = annotation(page["items"]["items"]), annotation(contents[JSON])
                yield self._method(self.name, f"Pages[{item}, {whole}]", "return Pages(self.transport, {request})")
            else:
                yield self._method(self.name, annotation(contents[JSON]), "return self.transport.document({request})")
        elif not contents:
            yield self._method(self.name, "None", "self.transport.document({request})")
        if NDJSON in contents:
            line = annotation(contents[NDJSON])
            yield self._method(
                f"{self.name}_lines", f"Iterator[{line}]", "return self.transport.lines({request})",
                accept=repr(NDJSON), note="Each line is yielded as it arrives.",
            )  # fmt: skip
        others = [media for media in contents if media not in {JSON, NDJSON}]
        if others and JSON in contents:
            texts = [media for media in others if _is_text(media)]
            if texts:
                yield self._method(
                    f"{self.name}_as", "str", "return self.transport.text({request})",
                    accept="media_type", media_types=texts, note="The answer is the text of this media type.",
                )  # fmt: skip
            if files := [media for media in others if media not in texts]:
                yield self._method(
                    f"{self.name}_file", "bytes", "return self.transport.content({request})",
                    accept="media_type", media_types=files, note="The answer is a file of this media type.",
                )  # fmt: skip
        elif others:
            yield self._method(self.name, "str", "return self.transport.text({request})", accept=repr(others[0]))

    def _signature(self, media_types: list[str]) -> list[str]:
        where = {kind: [one for one in self.parameters if one["in"] == kind] for kind in ("path", "query", "header")}
        names = re.findall(r"\{(\w+)\}", self.path)
        arguments = ["self", *(f"{name}: str" for name in names)]
        if media_types:
            arguments.append(f"media_type: Literal[{', '.join(map(repr, media_types))}]")
        optional = []
        if "requestBody" in self.operation:
            body = annotation(self._body())
            if self.operation["requestBody"].get("required"):
                arguments.append(f"body: {body}")
            else:
                arguments.append(f"body: {body} | None = None")
        for one in where["query"]:
            kind = annotation(one["schema"]).replace("list[", "Sequence[", 1)
            required = one.get("required")
            optional.append(f"{one['name']}: {kind}" if required else f"{one['name']}: {kind} | None = None")
        optional += [f"{_snake(one['name'])}: str | None = None" for one in where["header"]]
        optional.sort(key=lambda text: " = " in text)
        return [*arguments, *(["*", *optional] if optional else [])]

    def _body(self) -> dict[str, Any]:
        contents: dict[str, Any] = self.operation["requestBody"]["content"]
        schema: dict[str, Any] = contents[JSON]["schema"]
        return schema

    def _method(
        self, name: str, answer: str, statement: str, accept: str = "", media_types: Any = (), note: str = ""
    ) -> str:
        arguments = self._signature(list(media_types))
        place, names = f'"{self.path}"', re.findall(r"\{(\w+)\}", self.path)
        if names:
            template = re.sub(r"\{\w+\}", "{}", self.path)
            place = f'self.transport.path("{template}", {", ".join(names)})'
        query = ", ".join(f'"{one["name"]}": {one["name"]}' for one in self.parameters if one["in"] == "query")
        headers = ", ".join(
            f'"{one["name"]}": {_snake(one["name"])}'
            for one in self.parameters
            if one["in"] == "header" and one["name"] != "Idempotency-Key"
        )
        keyed = any(one["name"] == "Idempotency-Key" for one in self.parameters)
        fields = [f'"{self.verb}"', place]
        if query:
            fields.append(f"query={{{query}}}")
        if "requestBody" in self.operation:
            fields.append("body=body")
        if headers:
            fields.append(f"headers={{{headers}}}")
        if accept:
            fields.append(f"accept={accept}")
        if keyed:
            fields.append("idempotency_key=idempotency_key or new_key()")
        if not self._repeatable(keyed=keyed):
            fields.append("repeatable=False")
        if expected := self._expected():
            fields.append(f"expected=({', '.join(map(str, expected))},)")
        request = f"Request({', '.join(fields)})"
        summary = self.operation["summary"].rstrip(".")
        text = f"{summary}." + (f" {note}" if note else "")
        needs = re.search(r"Needs the role `\w+`\.", self.operation.get("description", ""))
        doc = f'        """{text}' + (f"\n\n        {needs.group()}\n        " if needs else "") + '"""\n'
        head = f"\n    def {name}({', '.join(arguments)}) -> {answer}:\n"
        return f"{head}{doc}        {statement.format(request=request)}\n"

    def _expected(self) -> list[int]:
        """Return the statuses of failures whose answer is a document of the operation and no problem document."""
        answers = {status: self._resolve(answer) for status, answer in self.operation["responses"].items()}
        return [int(status) for status, one in answers.items() if status[0] in "45" and JSON in one.get("content", {})]

    def _repeatable(self, *, keyed: bool) -> bool:
        """Whether the client may send the request again after it got no answer: it only reads, or it is idempotent."""
        reads = "Needs the role `viewer`" in self.operation.get("description", "")
        repeated = keyed or reads or self.operation["operationId"] in REPEATED
        return self.verb != "POST" or (repeated and self.operation["operationId"] not in ONCE)
