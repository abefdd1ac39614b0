"""The OpenAPI 3.1 document, read from the operations' declarations and schemas; ``openapi.yaml`` is its output."""

from __future__ import annotations

import inspect
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from http import HTTPStatus
from typing import Any

from apispec import APISpec
from apispec.ext.marshmallow import MarshmallowPlugin
from marshmallow import Schema
from marshmallow.validate import Regexp

from service import __version__
from service.api import docs
from service.api.contract import JSON, AnswerShape, Media, Operation, Resource
from service.api.fields import NO_CONTROL, ProblemSchema, Text, Variants
from service.api.networks_schemas import RehearsalSchema
from service.api.problems import MEDIA_TYPE
from service.api.spec_examples import attach_examples
from service.api.spec_links import add_links
from service.api.spec_schemas import finish

DESCRIPTION = """\
Bridgework changes Docker networks and containers' places in them, checks what can reach what from inside any container,
and explains why it cannot, with the very calls that mend it.

Every id may be given as a name, a full id, or an unambiguous id prefix. Failures are RFC 9457 problem documents whose
`code` is stable; each operation lists the codes of each status. Changes
take `?dry_run=true`. Every GET under `/v1` carries an `ETag`, but for streams. An unknown path is a 404, a method that
a path has not a 405, both as problem documents. Bodies come with a `Content-Length`; one in chunks is a 411.

Within `/v1` the API only grows: answers may gain properties, and sets described as growing may gain values, so a client
must pass over what it does not know.
"""

_EVERYWHERE: dict[int, tuple[str, ...]] = {500: ("internal-error",)}
_AUTHENTICATED: dict[int, tuple[str, ...]] = {
    401: ("token-required", "token-invalid"),
    429: ("rate-limited", "too-many-failures"),
    502: ("engine-answered-strangely", "engine-version-unsupported", "engine-disk-full"),
    503: ("engine-unreachable", "identity-provider-unreachable"),
    504: ("engine-too-slow",),
}
_TAG_TEXT = {"type": "string"}
_HEADERS: Mapping[str, tuple[str, dict[str, Any]]] = {
    "ETag": ("The answer's entity tag, quotes included.", _TAG_TEXT),
    "Location": ("Where the created thing is.", {"type": "string", "format": "uri-reference", "maxLength": 2048}),
    "Idempotent-Replayed": ("`true` when an earlier request with this key made it.", {"type": "string"}),
    "X-Request-ID": ("The request's id, as logged.", {"type": "string", "minLength": 1, "maxLength": 128}),
    "Retry-After": (
        "Seconds to wait.", {"type": "integer", "minimum": 0, "maximum": 86_400, "format": "int32"},
    ),
    "WWW-Authenticate": ("How to authenticate (RFC 6750).", {"type": "string", "maxLength": 1024}),
}  # fmt: skip
_MEANING: Mapping[int, str] = {
    200: "Done.",
    201: "Created.",
    204: "Done; there is nothing to say.",
    304: "It still has the ETag you know.",
    400: "The request cannot be understood, or a reference fits several things.",
    401: "No valid token.",
    403: "Not allowed: by the token's role or project, or by the service's policy.",
    404: "Something named does not exist.",
    406: "`Accept` allows nothing that this can answer.",
    409: "In conflict with the state of things.",
    412: "It has changed since the `If-Match` you sent.",
    413: "The body is too large.",
    415: "The body is not JSON.",
    422: "The input is invalid; `errors` lists every fault at once.",
    429: "Too much at once.",
    500: "The service failed.",
    502: "The engine answered strangely.",
    503: "The engine, or the platform's identity provider, cannot be reached.",
    504: "The engine took too long.",
}
_SHARED: Mapping[str, tuple[int, tuple[str, ...]]] = {
    "Unauthenticated": (401, _AUTHENTICATED[401]),
    "NotAcceptable": (406, ("not-acceptable",)),
    "BodyTooLarge": (413, ("body-too-large",)),
    "MediaTypeUnsupported": (415, ("media-type-unsupported",)),
    "RateLimited": (429, _AUTHENTICATED[429]),
    "InternalError": (500, _EVERYWHERE[500]),
    "EngineAnsweredStrangely": (502, _AUTHENTICATED[502]),
    "EngineUnreachable": (503, _AUTHENTICATED[503]),
    "EngineTooSlow": (504, _AUTHENTICATED[504]),
}
"""Failures that many operations share word for word, by their components' names."""


def build(resources: Sequence[Resource]) -> dict[str, Any]:
    """The whole document."""
    plugin = MarshmallowPlugin(schema_name_resolver=_component_name)
    spec = APISpec(
        title="Bridgework",
        version=__version__,
        openapi_version="3.1.0",
        plugins=[plugin],
        info={
            "summary": "Docker networks over HTTP: changed, checked, explained.",
            "description": DESCRIPTION,
            "license": {"name": "Apache License 2.0", "identifier": "Apache-2.0"},
            "contact": {"name": "Bridgework maintainers"},
        },
        servers=[{"url": "/", "description": "Where this document was served from."}],
        tags=_tags(resources),
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
    for union in _unions(resources):
        spec.components.schema(_component_name(union), _one_of(union, converter.resolve_nested_schema))
    for name, (status, codes) in _SHARED.items():
        spec.components.response(name, _problem(status, codes))
    for path, item in docs.documented().items():
        spec.path(path=path, operations=item)
    for path, operations in _by_path(resources).items():
        spec.path(
            path=path,
            parameters=[_path_parameter(name) for name in operations[0].parameters],
            operations={operation.method.lower(): _operation(operation) for operation in operations},
        )
    document = spec.to_dict()
    for (schema, *_), name in converter.refs.items():
        document["components"]["schemas"][name]["description"] = inspect.cleandoc(schema.__doc__ or "")
    finish(document)
    add_links(document)
    attach_examples(document)
    # Parts that stand in several places are copied, or YAML would write anchors.
    whole: dict[str, Any] = json.loads(json.dumps(document))
    return whole


def _tags(resources: Sequence[Resource]) -> list[dict[str, str]]:
    """One for each tag; resources that share one are told of together."""
    told: dict[str, list[str]] = {}
    for resource in resources:
        told.setdefault(resource.tag, []).append(resource.description)
    return [{"name": name, "description": " ".join(texts)} for name, texts in told.items()]


def _unions(resources: Sequence[Resource]) -> list[type[Variants]]:
    found = [
        shape.item
        for resource in resources
        for operation in resource.operations
        for shapes in operation.answers.values()
        for shape in shapes
        if isinstance(shape, Media) and shape.item is not None and issubclass(shape.item, Variants)
    ]
    return list(dict.fromkeys(found))


def _one_of(schema: type[Variants], resolve: Callable[[Any], Any]) -> dict[str, Any]:
    """A union with a discriminator: what apispec has no notion of."""
    return {
        "description": inspect.cleandoc(schema.__doc__ or ""),
        "oneOf": [resolve(kind) for kind in schema.variants.values()],
        "discriminator": {
            "propertyName": "type",
            "mapping": {
                name: f"#/components/schemas/{_component_name(kind)}" for name, kind in schema.variants.items()
            },
        },
    }


def _component_name(schema: Any) -> str:
    kind = schema if isinstance(schema, type) else type(schema)
    return kind.__name__.removesuffix("Schema")


def _exactly_typed(_: Any, field: Any, **__: Any) -> dict[str, Any]:
    """What apispec cannot know: that a text holds no control characters."""
    plain = isinstance(field, Text) and not any(isinstance(check, Regexp) for check in field.validators)
    return {"pattern": NO_CONTROL} if plain and "pattern" not in field.metadata else {}


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
        found.append(_parameter("If-Match", "header", "Only while it still has this ETag.", _TAG_TEXT))
    if _streams(operation):
        text = "The `id` of the last event you have: goes on after it."
        found.append(_parameter("Last-Event-ID", "header", text, {"type": "string", "pattern": "^[0-9]{1,19}$"}))
    elif operation.method == "GET" and operation.role is not None:
        found.append(_parameter("If-None-Match", "header", "304 when it still has this ETag.", _TAG_TEXT))
    return found


def _parameter(name: str, where: str, text: str, schema: dict[str, Any]) -> dict[str, Any]:
    return {"name": name, "in": where, "required": False, "description": text, "schema": schema}


def _successes(operation: Operation) -> dict[str, Any]:
    found = {}
    for status, shapes in sorted(_documented(operation).items()):
        headers = ["X-Request-ID"]
        if operation.method == "GET" and operation.role is not None and not _streams(operation):
            headers.append("ETag")
        if status == HTTPStatus.CREATED and operation.method == "POST":
            headers += ["Location", *(["Idempotent-Replayed"] if operation.keyed else [])]
        if status == HTTPStatus.SERVICE_UNAVAILABLE:
            headers.append("Retry-After")
        found[str(status)] = _response(_success_text(operation, status), headers, _content(shapes))
    if operation.method == "GET" and operation.role is not None and not _streams(operation):
        found["304"] = _response(_MEANING[304], ["X-Request-ID", "ETag"], None)
    return found


def _streams(operation: Operation) -> bool:
    return operation.weight == "streams"


def _documented(operation: Operation) -> dict[int, list[AnswerShape]]:
    """The answers by status.

    Generators give a method one type for all its successes, some by the lowest status, some by the one that came. So
    every success of a creation says `NetworkOrRehearsal`, although its 201 always brings a network.
    """
    found = {status: list(shapes) for status, shapes in operation.answers.items()}
    made = found.get(HTTPStatus.CREATED)
    if made and RehearsalSchema in found.get(HTTPStatus.OK, ()):
        found[HTTPStatus.OK] = found[HTTPStatus.CREATED] = [*made, RehearsalSchema]
    return found


def _success_text(operation: Operation, status: int) -> str:
    if operation.rehearsable and status == HTTPStatus.OK:
        if RehearsalSchema in operation.answers[status]:
            only = len(operation.answers[status]) == 1
            return "Nothing was done: what `dry_run=true` found." if only else "Done; or what `dry_run=true` found."
        return "Done; or, with `dry_run=true`, what would be."
    if operation.rehearsable and status == HTTPStatus.CREATED:
        return "Created. Never a rehearsal: those are a 200."
    return _MEANING.get(status, HTTPStatus(status).phrase + ".")


def _content(shapes: Sequence[AnswerShape]) -> dict[str, Any] | None:
    content: dict[str, Any] = {}
    documents: list[type[Schema]] = []
    for shape in shapes:
        if isinstance(shape, Media):
            schema: Any = shape.item or {"type": "string", "description": shape.description}
            if isinstance(schema, type) and issubclass(schema, Variants):
                schema = _component_name(schema)
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
    shared = {known: name for name, known in _SHARED.items()}
    found: dict[str, Any] = {}
    for status, names in sorted(codes.items()):
        name = shared.get((status, tuple(names)))
        found[str(status)] = name or _problem(status, names)
    return found


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
    text = f"{_MEANING.get(status, HTTPStatus(status).phrase + '.')} Codes: {listed}."
    return {**_response(text, headers, content), "x-problem-codes": list(codes)}


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
