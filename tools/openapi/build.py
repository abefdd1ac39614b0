"""The OpenAPI 3.1 document, read from the operations' declarations and schemas; ``openapi.yaml`` is its output."""

from __future__ import annotations

import inspect
import json
from collections.abc import Iterable, Sequence
from typing import Any

from apispec import APISpec
from apispec.ext.marshmallow import MarshmallowPlugin
from marshmallow.validate import Regexp

from bridgework import __version__
from bridgework.http.contract import JSON, Media, Operation, Resource
from bridgework.http.problems.schemas import ProblemSchema
from bridgework.http.schemas.answers import Variants
from bridgework.http.schemas.fields import NO_CONTROL, Strict, Text
from tools.openapi.examples import attach_examples
from tools.openapi.links import add_links
from tools.openapi.open_pages import paths as open_paths
from tools.openapi.parameters import parameters, path_parameter, share
from tools.openapi.responses import (
    PROBLEM_CODES,
    component_name,
    known_codes,
    problem_codes,
    responses,
    shared_headers,
    shared_responses,
)
from tools.openapi.schemas import GROWING, finish

DESCRIPTION = """\
Bridgework manages Docker networks and connects containers to them. It checks what a container can reach, from
inside the container's network namespace, and explains why something is unreachable and how to fix that.

**Names and ids.** Wherever a path or a body names a network or a container, you can use its name, its full id, or a
prefix of its id that fits no other one.

**Authentication.** Send `Authorization: Bearer <token>`. Each operation says which role it needs: a `viewer` reads
and checks, an `operator` also makes changes, an `admin` may also use host mode, share the network of another
container, use `force` and prune.

**Errors.** Every failure is a problem document (RFC 9457) with a stable `code`. Decide on `code`, not on the texts.
`GET /v1/problems` lists all codes with their meaning and remedy. An unknown path is a 404 with the code
`path-unknown`; a method that a path does not have is a 405 with the code `method-not-allowed`.

**Changes.** Every operation that changes something takes `?dry_run=true`: the request is checked and answered with
the same type, but nothing is changed. A create operation takes an `Idempotency-Key`, so that you can repeat it
safely after a timeout. `If-Match` makes a change conditional on the `ETag` of an earlier answer.

**Reads.** Every `GET` under `/v1`, except streams, answers with an `ETag`; send it back in `If-None-Match` to get a
304 without a body when nothing has changed. A list has `items` and `next_cursor`; send `next_cursor` as `?cursor=`
to get the next page.

**Request bodies** are JSON in UTF-8. They can be sent with a `Content-Length` or in chunks.

**Tracing.** You can send an `X-Request-ID` of up to 128 letters, digits, `.`, `_` and `-`. The answer and the log
of the service repeat it. When the service asks other nodes on behalf of your request, it passes on this id and your
W3C `traceparent`.

**Versions.** Within `/v1` the API only grows. Answers may get new properties, and properties with `x-known-values`
may get new values, so your client must ignore properties and accept values that it does not know.
"""

SECURITY_SCHEME = "bearerToken"
"""One scheme for both kinds of token: with two that are the same on the wire, a Rust client sends the header twice.

The array of a security requirement names the role that the operation needs (OpenAPI 3.1).
"""
TOKENS = (
    "A token from the tokens file of the service (`BRIDGEWORK_TOKENS_FILE`), or, if the service is set up to accept"
    " them, a signed JWT from an OpenID Connect provider. Both are sent in the same way."
)
SERVERS = [
    {
        "url": "http://{address}",
        "description": "A service, by its address.",
        "variables": {
            "address": {
                "default": "127.0.0.1:8080",
                "description": "The host and the port of the service (`BRIDGEWORK_BIND`).",
            }
        },
    },
    {"url": "/", "description": "The service that this document was downloaded from."},
]
"""Programs that import the document take the first entry, and cannot use one without a host."""


def build(resources: Sequence[Resource]) -> dict[str, Any]:
    """The whole document."""
    plugin = MarshmallowPlugin(schema_name_resolver=component_name)
    spec = APISpec(
        title="Bridgework",
        version=__version__,
        openapi_version="3.1.0",
        plugins=[plugin],
        info={
            "summary": "Manage Docker networks, check connectivity and explain failures over HTTP.",
            "description": DESCRIPTION,
            "license": {"name": "Apache License 2.0", "identifier": "Apache-2.0"},
            "contact": {"name": "Bridgework maintainers"},
        },
        servers=SERVERS,
        tags=_tags(resources),
    )
    if plugin.converter is None:
        message = "apispec has made no converter"
        raise RuntimeError(message)
    converter: Any = plugin.converter
    converter.add_attribute_function(_exactly_typed)
    spec.components.security_scheme(SECURITY_SCHEME, {"type": "http", "scheme": "bearer", "description": TOKENS})
    for name, header in shared_headers().items():
        spec.components.header(name, header)
    spec.components.schema("Problem", schema=ProblemSchema)
    unions = _unions(resources)
    for union in unions:
        for variant in union.variants.values():
            converter.resolve_nested_schema(variant)
    for name, response in shared_responses().items():
        spec.components.response(name, response)
    _add_paths(spec, resources)
    document = spec.to_dict()
    for (schema, *_), name in converter.refs.items():
        described = document["components"]["schemas"][name]
        described["description"] = inspect.cleandoc(schema.__doc__ or "")
        if issubclass(schema, Strict):
            described |= schema.keywords
    schemas = document["components"]["schemas"]
    _merge(unions, schemas)
    schemas["Problem"]["properties"]["code"][GROWING] = known_codes(document)
    finish(document)
    add_links(document)
    share(document)
    attach_examples(document)
    # Parts that stand in several places are copied, or YAML would write anchors.
    whole: dict[str, Any] = json.loads(json.dumps(document))
    return whole


def _add_paths(spec: APISpec, resources: Sequence[Resource]) -> None:
    for path, item in open_paths().items():
        spec.path(path=path, operations=item)
    for path, operations in _by_path(resources).items():
        spec.path(
            path=path,
            parameters=[path_parameter(name) for name in operations[0].parameters],
            operations={operation.method.lower(): _operation(operation) for operation in operations},
        )


def _tags(resources: Sequence[Resource]) -> list[dict[str, str]]:
    """One for each tag; resources that share one are told of together."""
    told: dict[str, list[str]] = {}
    for resource in resources:
        told.setdefault(resource.tag, []).extend([resource.description] if resource.description else [])
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


def _merge(unions: Sequence[type[Variants]], schemas: dict[str, Any]) -> None:
    """Put one component for each union in place of those of its variants, to which nothing refers."""
    for union in unions:
        schemas[component_name(union)] = _merged(union, schemas)
    # A variant may be a line of several streams.
    for name in {component_name(variant) for union in unions for variant in union.variants.values()}:
        del schemas[name]


def _merged(union: type[Variants], schemas: dict[str, Any]) -> dict[str, Any]:
    """One object for all lines of a stream, told apart by ``type``: unions break generators in several languages.

    What only some lines have is optional.
    """
    variants = [schemas[component_name(kind)] for kind in union.variants.values()]
    properties = {name: inner for variant in variants for name, inner in variant["properties"].items()}
    common = set.intersection(*(set(variant["required"]) for variant in variants))
    described = {
        "description": "The kind of this object, which decides what other properties it has.",
        "type": "string",
        "enum": list(union.variants),
        GROWING: True,
    }
    return {
        "type": "object",
        "description": inspect.cleandoc(union.__doc__ or ""),
        "properties": {**properties, "type": described},
        "required": sorted(common),
    }


def _exactly_typed(_: Any, field: Any, **__: Any) -> dict[str, Any]:
    """What apispec cannot know: that a text holds no control characters, and conditions."""
    plain = isinstance(field, Text) and not any(isinstance(check, Regexp) for check in field.validators)
    found = {name: field.metadata[name] for name in ("if", "then") if name in field.metadata}
    return {"pattern": NO_CONTROL, **found} if plain and "pattern" not in field.metadata else found


def _by_path(resources: Iterable[Resource]) -> dict[str, list[Operation]]:
    found: dict[str, list[Operation]] = {}
    for resource in resources:
        for operation in resource.operations:
            found.setdefault(operation.path, []).append(operation)
    return found


def _operation(operation: Operation) -> dict[str, Any]:
    found: dict[str, Any] = {
        "operationId": operation.id,
        "tags": [operation.tag],
        "summary": operation.summary,
        "description": operation.description,
        "parameters": parameters(operation),
        "responses": responses(operation),
        "security": [{SECURITY_SCHEME: [operation.role.word]}] if operation.role is not None else [],
    }
    codes = problem_codes(operation)
    if codes:
        found[PROBLEM_CODES] = codes
    if operation.role is not None:
        found["description"] += f"\n\nNeeds the role `{operation.role.word}`."
    if operation.body is not None:
        found["requestBody"] = {"required": operation.requires_body, "content": {JSON: {"schema": _body(operation)}}}
    return found


def _body(operation: Operation) -> Any:
    """The body's schema, or a list of it."""
    if operation.max_items is None:
        return operation.body
    return {"type": "array", "items": type(operation.body), "minItems": 1, "maxItems": operation.max_items}
