"""The responses of the document: an operation's successes, and one problem response for all that can go wrong."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any

from marshmallow import Schema

from bridgework.http.contract import JSON, Media, Operation, ResultShape
from bridgework.http.problems.documents import MEDIA_TYPE
from bridgework.http.schemas.answers import Variants

PROBLEM_CODES = "x-problem-codes"
"""The extension of an operation that lists, by status, the codes of its problems beside those of every operation."""

ITEM_SCHEMA = "x-item-schema"
"""The extension of a stream that refers to the schema of one of its events."""
_EVENT_STREAM = "text/event-stream"
_EVERYWHERE: Mapping[int, tuple[str, ...]] = {
    400: ("bad-request",),
    408: ("request-timed-out",),
    411: ("length-required",),
    413: ("body-too-large",),
    414: ("uri-too-long",),
    417: ("expectation-unknown",),
    431: ("headers-too-large",),
    500: ("internal-error",),
}
"""What any request can be answered, most of it before an operation is reached (``bridgework.server.refusals``)."""
_AUTHENTICATED: Mapping[int, tuple[str, ...]] = {
    401: ("token-required", "token-invalid"),
    429: ("rate-limited", "too-many-failures"),
    501: ("engine-lacks-function",),
    502: ("engine-answered-strangely", "engine-version-unsupported", "engine-disk-full"),
    503: ("engine-unreachable", "identity-provider-unreachable"),
    504: ("engine-too-slow", "time-limit-reached"),
}
_UNKNOWN: Mapping[int, tuple[str, ...]] = {404: ("path-unknown",), 405: ("method-not-allowed",)}
"""What is no operation at all."""
_HEADERS: Mapping[str, tuple[str, dict[str, Any]]] = {
    "ETag": (
        "The version of this answer, with quotes. Send it back in `If-None-Match` or `If-Match`.",
        {"type": "string", "pattern": '^(W/)?"[!#-~]+"$', "maxLength": 128},
    ),
    "Bridgework-Dry-Run": (
        "`true` when the request had `dry_run=true` and nothing was changed; otherwise absent.",
        {"type": "string", "enum": ["true"]},
    ),
    "Location": ("The path of the resource that was created.", {"type": "string", "format": "uri-reference"}),
    "Idempotent-Replayed": (
        "`true` when an earlier request with the same `Idempotency-Key` created the resource; otherwise absent.",
        {"type": "string", "enum": ["true"]},
    ),
    "X-Request-ID": (
        "The id of this request in the log of the service: the id that you sent, or a new one.",
        {"type": "string", "minLength": 1, "maxLength": 128},
    ),
    "Retry-After": (
        "How many seconds to wait before you send the request again, with status 429 and 503.",
        {"type": "integer", "minimum": 0, "maximum": 86_400, "format": "int32"},
    ),
    "WWW-Authenticate": ("How to authenticate (RFC 6750), with status 401.", {"type": "string"}),
    "Accept": ("The media type that a body must have, with status 415.", {"type": "string"}),
    "Allow": ("The methods that this path takes, with status 405.", {"type": "string"}),
}
_FAILURES: Mapping[int, tuple[str, str]] = {
    400: ("BadRequest", "The request cannot be understood, or it does not belong here."),
    401: ("Unauthorized", "The request has no token, or the token is not valid."),
    403: ("Forbidden", "The role or the project of the token, or a setting of the service, forbids this."),
    404: ("NotFound", "Something that the path or the body names does not exist."),
    406: ("NotAcceptable", "The answer has none of the media types that `Accept` names."),
    409: ("Conflict", "The present state of the engine does not allow this."),
    412: ("PreconditionFailed", "The resource is not in the state that `If-Match` or `If-None-Match` asks for."),
    415: ("UnsupportedMediaType", "The media type of the body is not `application/json`."),
    422: ("InvalidInput", "A value in the body, the query or a header is not valid; `errors` lists all of them."),
    428: ("PreconditionRequired", "The request needs an `If-Match`."),
    429: ("TooManyRequests", "There are too many requests now. Wait for `Retry-After` seconds, then send it again."),
    500: ("InternalError", "The service has failed. Its log has the details, under the id of the request."),
    501: ("NotPossible", "The engine, or the machine that the service runs on, cannot do this."),
    502: ("BadGateway", "The engine, or something that the engine asked, has failed."),
    503: ("Unavailable", "Something that the service needs does not answer. Wait for `Retry-After` seconds."),
    504: ("GatewayTimeout", "The engine did not answer in time."),
}
"""The shared response of each status that an operation lists: its component's name, and when it is answered."""
_FURTHER = {401: "WWW-Authenticate", 415: "Accept", 429: "Retry-After", 503: "Retry-After"}
"""The header that each failure with this status has, beside the id of the request."""
_OF_A_QUERY = {400, 406, 422, 500}
"""Statuses of every operation whose query and ``Accept`` the service reads."""
_MEANING: Mapping[int, str] = {
    200: "The request succeeded; the body holds the answer.",
    201: "The resource was created; the body shows it.",
    204: "The request succeeded; the answer has no body.",
    503: "The service is running but not ready: the engine does not answer, or its API is too old.",
}


def component_name(schema: Any) -> str:
    """What a schema is called in the document."""
    kind = schema if isinstance(schema, type) else type(schema)
    return kind.__name__.removesuffix("Schema")


def shared_headers() -> dict[str, Any]:
    """The headers of the components."""
    return {_header_key(name): {"description": text, "schema": schema} for name, (text, schema) in _HEADERS.items()}


def shared_responses() -> dict[str, Any]:
    """The responses of the components: those of failures, and that of an unchanged resource."""
    codes = {str(status): list(names) for status, names in sorted(_common().items())}
    problem = {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}}
    by_status = {
        name: success(text, ["X-Request-ID", *([_FURTHER[status]] if status in _FURTHER else [])], problem)
        for status, (name, text) in _FAILURES.items()
    }
    return {
        **by_status,
        "Problem": {
            "description": (
                "The request failed. The body is a problem document (RFC 9457), and `code` names the failure. Every"
                f" operation can answer with the codes listed here; `{PROBLEM_CODES}` of an operation lists further"
                " codes. Only operations that need a token answer with 401, 429, 501, 502, 503 and 504."
            ),
            "headers": _headers(["X-Request-ID", "Retry-After", "WWW-Authenticate", "Allow"]),
            "content": problem,
            PROBLEM_CODES: codes,
        },
        "NotModified": {
            "description": "The resource still has the ETag that you sent in `If-None-Match`; the answer has no body.",
            "headers": _headers(["X-Request-ID", "ETag"]),
        },
    }


def _common() -> dict[int, tuple[str, ...]]:
    return {**_EVERYWHERE, **_AUTHENTICATED, **_UNKNOWN, 400: ("bad-request", "body-unexpected"),
            406: ("not-acceptable",), 422: ("input-invalid",)}  # fmt: skip


def known_codes(document: dict[str, Any]) -> list[str]:
    """Every code of a problem that the document lists."""
    operations = [part for item in document["paths"].values() for name, part in item.items() if name != "parameters"]
    holders = [document["components"]["responses"]["Problem"], *operations]
    return sorted({code for holder in holders for names in holder.get(PROBLEM_CODES, {}).values() for code in names})


def responses(operation: Operation) -> dict[str, Any]:
    """Everything that an operation can answer, by status. ``default`` is what stops a request before the operation."""
    found = {}
    read = operation.method == "GET" and operation.role is not None and not streams(operation)
    for status, shapes in sorted(operation.answers.items()):
        headers = ["X-Request-ID"]
        if read or _tells_its_tag(operation, status):
            headers.append("ETag")
        if operation.supports_dry_run:
            headers.append("Bridgework-Dry-Run")
        if status == HTTPStatus.CREATED and operation.method == "POST":
            headers += ["Location", *(["Idempotent-Replayed"] if operation.idempotent else [])]
        if status == HTTPStatus.SERVICE_UNAVAILABLE:
            headers.append("Retry-After")
        found[str(status)] = success(_MEANING.get(status, HTTPStatus(status).phrase + "."), headers, _content(shapes))
    if read:
        found["304"] = {"$ref": "#/components/responses/NotModified"}
    for status in _failing(operation):
        found.setdefault(str(status), {"$ref": f"#/components/responses/{_FAILURES[status][0]}"})
    return {**found, **failures()}


def failures() -> dict[str, Any]:
    """The one response for whatever goes wrong."""
    return {"default": {"$ref": "#/components/responses/Problem"}}


def _tells_its_tag(operation: Operation, status: int) -> bool:
    """Whether the answer of a change has the tag of what it changed, or of the plan to apply."""
    changed = operation.changes and status in {HTTPStatus.OK, HTTPStatus.CREATED}
    return (changed or operation.judges_precondition) and operation.answers[status] != (None,)


def _failing(operation: Operation) -> list[int]:
    """The statuses of an operation's failures."""
    own = {int(status) for status in problem_codes(operation)}
    return sorted(own | _OF_A_QUERY | (set(_AUTHENTICATED) if operation.role is not None else set()))


def problem_codes(operation: Operation) -> dict[str, list[str]]:
    """The codes of an operation's own problems by status, those of every operation left out."""
    codes: dict[int, list[str]] = {}
    common = _common()
    for table in (_usual(operation), operation.problems):
        for status, names in table.items():
            own = [name for name in names if name not in common.get(status, ())]
            codes.setdefault(status, []).extend(name for name in own if name not in codes.get(status, []))
    return {str(status): names for status, names in sorted(codes.items()) if names}


def streams(operation: Operation) -> bool:
    """Whether its answer has no end."""
    return operation.concurrency_pool == "streams"


def _content(shapes: Sequence[ResultShape]) -> dict[str, Any] | None:
    content: dict[str, Any] = {}
    documents: list[type[Schema]] = []
    for shape in shapes:
        if isinstance(shape, Media):
            schema: Any = shape.item or {"type": "string", "description": shape.description}
            if shape.media_type == _EVENT_STREAM:
                # One value of this media type is a text that holds many events; 3.2 has `itemSchema` for one of them.
                item = {"$ref": f"#/components/schemas/{component_name(schema)}"}
                schema = {"type": "string", "description": shape.description, ITEM_SCHEMA: item}
            elif shape.binary:
                # In 3.1 the media type says that these are bytes (4.8.14.2); a type would make a text of them.
                schema = {"description": shape.description}
            elif isinstance(schema, type) and issubclass(schema, Variants):
                schema = component_name(schema)
            content[shape.media_type] = {"schema": schema}
        elif shape is not None:
            documents.append(shape)
    if documents:
        content = {JSON: {"schema": documents[0]}, **content}
    return content or None


def _usual(operation: Operation) -> dict[int, tuple[str, ...]]:
    """Problems that follow from an operation's traits."""
    found: dict[int, tuple[str, ...]] = {}
    if operation.body is not None:
        found |= {400: ("json-invalid",), 415: ("media-type-unsupported",)}
    if operation.role is not None and operation.role > 1:
        found[403] = ("role-insufficient", "project-mismatch")
    if operation.conditional or (operation.method == "GET" and operation.role is not None):
        found[412] = ("precondition-failed",)
    elif operation.role is not None:
        found[400] = (*found.get(400, ()), "precondition-not-supported")
    if operation.pools:
        found[429] = tuple(f"too-many-{pool}" for pool in operation.pools)
    return found


def success(text: str, headers: Sequence[str], content: dict[str, Any] | None) -> dict[str, Any]:
    """A response with its description, headers and content."""
    found: dict[str, Any] = {"description": text, "headers": _headers(headers)}
    if content is not None:
        found["content"] = content
    return found


def _headers(names: Sequence[str]) -> dict[str, Any]:
    return {name: {"$ref": f"#/components/headers/{_header_key(name)}"} for name in names}


def _header_key(name: str) -> str:
    return name.replace("-", "")
