"""The OpenAPI 3.1 document, read from the operations' declarations and schemas; ``openapi.yaml`` is its output."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from http import HTTPStatus
from typing import Any

from apispec import APISpec
from apispec.ext.marshmallow import MarshmallowPlugin
from marshmallow import Schema

from service import __version__
from service.api.contract import JSON, AnswerShape, Media, Operation, Resource
from service.api.fields import ProblemSchema
from service.api.problems import MEDIA_TYPE

DESCRIPTION = """\
Bridgework changes Docker networks and containers' places in them, checks what can reach what from inside any container,
and explains why it cannot, with the very calls that mend it.

Every id may be given as a name, a full id, or an unambiguous id prefix. Failures are RFC 9457 problem documents whose
`code` is stable. Changes take `?dry_run=true`. Every GET under `/v1` carries an `ETag`.
"""

_EVERYWHERE: dict[int, tuple[str, ...]] = {500: ("internal-error",)}
_AUTHENTICATED: dict[int, tuple[str, ...]] = {
    401: ("token-required", "token-invalid"),
    429: ("rate-limited", "too-many-failures"),
    502: ("engine-answered-strangely", "engine-version-unsupported", "engine-disk-full"),
    503: ("engine-unreachable",),
    504: ("engine-too-slow",),
}
_HEADERS = {
    "ETag": ("The answer's entity tag.", {"type": "string"}),
    "Location": ("Where the created thing is.", {"type": "string", "format": "uri-reference"}),
    "Idempotent-Replayed": ("`true` when an earlier request with this key made it.", {"type": "string"}),
    "X-Request-ID": ("The request's id, as logged.", {"type": "string"}),
    "Retry-After": ("Seconds to wait.", {"type": "integer", "minimum": 0}),
    "WWW-Authenticate": ("How to authenticate (RFC 6750).", {"type": "string"}),
}


def build(resources: Sequence[Resource]) -> dict[str, Any]:
    """The whole document."""
    plugin = MarshmallowPlugin(schema_name_resolver=_component_name)
    spec = APISpec(
        title="Bridgework",
        version=__version__,
        openapi_version="3.1.0",
        plugins=[plugin],
        info={
            "description": DESCRIPTION,
            "license": {"name": "Apache License 2.0", "identifier": "Apache-2.0"},
            "contact": {"name": "Bridgework maintainers"},
        },
        servers=[{"url": "/", "description": "Where this document was served from."}],
        tags=[{"name": resource.tag, "description": resource.description} for resource in resources],
    )
    if plugin.converter is None:
        message = "apispec has made no converter"
        raise RuntimeError(message)
    converter: Any = plugin.converter
    converter.add_attribute_function(_exactly_typed)
    spec.components.security_scheme(
        "bearerToken", {"type": "http", "scheme": "bearer", "description": "A token of the tokens file, or a JWT."}
    )
    for name, (text, schema) in _HEADERS.items():
        spec.components.header(_header_key(name), {"description": text, "schema": schema})
    spec.components.schema("Problem", schema=ProblemSchema)
    for path, operations in _by_path(resources).items():
        spec.path(
            path=path,
            parameters=[_path_parameter(name) for name in operations[0].parameters],
            operations={operation.method.lower(): _operation(operation) for operation in operations},
        )
    return _finished(spec.to_dict())


def _component_name(schema: Any) -> str:
    kind = schema if isinstance(schema, type) else type(schema)
    return kind.__name__.removesuffix("Schema")


def _exactly_typed(_: Any, field: Any, **__: Any) -> dict[str, Any]:
    """What apispec cannot know: that an object's keys are free, or that a constant is a boolean."""
    return dict(field.metadata.get("schema", {}))


def _by_path(resources: Iterable[Resource]) -> dict[str, list[Operation]]:
    found: dict[str, list[Operation]] = {}
    for resource in resources:
        for operation in resource.operations:
            found.setdefault(operation.path, []).append(operation)
    return found


def _path_parameter(name: str) -> dict[str, Any]:
    return {
        "name": name,
        "in": "path",
        "required": True,
        "description": f"The {name}'s name, full id, or an unambiguous prefix of its id.",
        "schema": {"type": "string", "minLength": 1, "maxLength": 255},
    }


def _operation(operation: Operation) -> dict[str, Any]:
    found: dict[str, Any] = {
        "operationId": operation.id,
        "tags": [operation.tag],
        "summary": operation.summary,
        "description": operation.description,
        "parameters": _parameters(operation),
        "responses": {**_successes(operation), **_problems(operation)},
        "security": [{"bearerToken": []}] if operation.role is not None else [],
    }
    if operation.role is not None:
        found["description"] += f"\n\nNeeds the role `{operation.role.word}`."
    if operation.body is not None:
        found["requestBody"] = {"required": True, "content": {JSON: {"schema": operation.body}}}
    return found


def _parameters(operation: Operation) -> list[Any]:
    found: list[Any] = []
    if operation.query is not None:
        found.append({"in": "query", "schema": operation.query})
    if operation.rehearsable:
        found.append(_parameter("dry_run", "query", "Answer what would happen, and do nothing.", {"type": "boolean"}))
    if operation.keyed:
        text = "Makes a retry safe: the same key and body give the same thing again."
        found.append(
            _parameter("Idempotency-Key", "header", text, {"type": "string", "minLength": 1, "maxLength": 255})
        )
    if operation.conditional:
        found.append(_parameter("If-Match", "header", "Only while it still has this ETag.", {"type": "string"}))
    if operation.method == "GET" and operation.role is not None:
        found.append(_parameter("If-None-Match", "header", "304 when it still has this ETag.", {"type": "string"}))
    return found


def _parameter(name: str, where: str, text: str, schema: dict[str, Any]) -> dict[str, Any]:
    return {"name": name, "in": where, "required": False, "description": text, "schema": schema}


def _successes(operation: Operation) -> dict[str, Any]:
    found = {}
    for status, shapes in operation.answers.items():
        headers = ["X-Request-ID"]
        if operation.method == "GET" and operation.role is not None:
            headers.append("ETag")
        if status == HTTPStatus.CREATED and operation.method == "POST":
            headers += ["Location", *(["Idempotent-Replayed"] if operation.keyed else [])]
        if status == HTTPStatus.SERVICE_UNAVAILABLE:
            headers.append("Retry-After")
        found[str(status)] = _response(HTTPStatus(status).phrase + ".", headers, _content(shapes))
    if operation.method == "GET" and operation.role is not None:
        found["304"] = _response("It still has the ETag you know.", ["X-Request-ID", "ETag"], None)
    return found


def _content(shapes: Sequence[AnswerShape]) -> dict[str, Any] | None:
    content: dict[str, Any] = {}
    documents: list[type[Schema]] = []
    for shape in shapes:
        if isinstance(shape, Media):
            schema: Any = shape.item or {"type": "string", "description": shape.description}
            content[shape.media_type] = {"schema": schema}
        elif shape is not None:
            documents.append(shape)
    if documents:
        one = documents[0] if len(documents) == 1 else {"anyOf": documents}
        content = {JSON: {"schema": one}, **content}
    return content or None


def _problems(operation: Operation) -> dict[str, Any]:
    codes: dict[int, list[str]] = {}
    for table in (
        _EVERYWHERE,
        _AUTHENTICATED if operation.role is not None else {},
        _usual(operation),
        operation.problems,
    ):
        for status, names in table.items():
            codes.setdefault(status, []).extend(name for name in names if name not in codes.get(status, []))
    return {str(status): _problem(status, names) for status, names in sorted(codes.items())}


def _usual(operation: Operation) -> dict[int, tuple[str, ...]]:
    """Problems that follow from an operation's traits."""
    found: dict[int, tuple[str, ...]] = {406: ("not-acceptable",)}
    if operation.body is not None:
        found |= {
            400: ("json-invalid",),
            413: ("body-too-large",),
            415: ("media-type-unsupported",),
            422: ("input-invalid",),
        }
    else:
        found |= {422: ("input-invalid",), 400: ("body-unexpected",)}
    if operation.role is not None and operation.role > 1:
        found[403] = ("role-insufficient", "project-mismatch")
    if operation.conditional:
        found[412] = ("precondition-failed",)
    if operation.weight != "light":
        found[429] = (f"too-many-{operation.weight}",)
    return found


def _problem(status: int, codes: Sequence[str]) -> dict[str, Any]:
    headers = ["X-Request-ID"]
    if status in {HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE}:
        headers.append("Retry-After")
    if status == HTTPStatus.UNAUTHORIZED:
        headers.append("WWW-Authenticate")
    listed = ", ".join(f"`{code}`" for code in codes)
    content = {MEDIA_TYPE: {"schema": ProblemSchema}}
    return _response(f"{HTTPStatus(status).phrase}. Codes: {listed}.", headers, content)


def _response(text: str, headers: Sequence[str], content: dict[str, Any] | None) -> dict[str, Any]:
    found: dict[str, Any] = {
        "description": text,
        "headers": {name: {"$ref": f"#/components/headers/{_header_key(name)}"} for name in headers},
    }
    if content is not None:
        found["content"] = content
    return found


def _header_key(name: str) -> str:
    return name.replace("-", "")


def _finished(document: dict[str, Any]) -> dict[str, Any]:
    """Close input objects against unknown keys, and say where exactly one property is meant."""
    for name in ("CheckSource", "CheckDestination"):
        schema = document["components"]["schemas"].get(name)
        if schema is not None:
            schema["minProperties"] = schema["maxProperties"] = 1
    return document
