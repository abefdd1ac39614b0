"""The answers of the document: an operation's successes, and its failures with their codes, by status."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any

from marshmallow import Schema

from service.api.contract import JSON, AnswerShape, Media, Operation
from service.api.fields import ProblemSchema, Variants
from service.api.networks_schemas import RehearsalSchema
from service.api.problems import MEDIA_TYPE

_EVERYWHERE: dict[int, tuple[str, ...]] = {
    400: ("bad-request",),
    408: ("request-timed-out",),
    411: ("length-required",),
    413: ("body-too-large",),
    414: ("uri-too-long",),
    417: ("expectation-unknown",),
    431: ("headers-too-large",),
    500: ("internal-error",),
}
"""What any request can be answered, most of it before an operation is reached (``service.http_edge``)."""
_AUTHENTICATED: dict[int, tuple[str, ...]] = {
    401: ("token-required", "token-invalid"),
    429: ("rate-limited", "too-many-failures"),
    502: ("engine-answered-strangely", "engine-version-unsupported", "engine-disk-full"),
    503: ("engine-unreachable", "identity-provider-unreachable"),
    504: ("engine-too-slow",),
}
_HEADERS: Mapping[str, tuple[str, dict[str, Any]]] = {
    "ETag": (
        "The answer's entity tag, quotes included.", {"type": "string", "pattern": '^"[!#-~]+"$', "maxLength": 128},
    ),
    "Location": ("Where the created thing is.", {"type": "string", "format": "uri-reference", "maxLength": 2048}),
    "Idempotent-Replayed": (
        "`true` when an earlier request with this key made it.", {"type": "string", "const": "true"},
    ),
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
    408: "The request did not arrive whole in time.",
    409: "In conflict with the state of things.",
    411: "A body came in chunks, without its length.",
    412: "It has changed since the `If-Match` you sent.",
    413: "The body is too large.",
    414: "The request line is too long.",
    415: "The body is not JSON.",
    417: "`Expect` asks for what is not known here.",
    422: "The input is invalid; `errors` lists every fault at once.",
    429: "Too much at once.",
    431: "Too many headers, or too large ones.",
    500: "The service failed.",
    502: "The engine answered strangely.",
    503: "The engine, or the platform's identity provider, cannot be reached.",
    504: "The engine took too long.",
}
_SHARED: Mapping[str, tuple[int, tuple[str, ...]]] = {
    "RequestUnintelligible": (400, ("bad-request", "body-unexpected")),
    "BadRequest": (400, _EVERYWHERE[400]),
    "Unauthenticated": (401, _AUTHENTICATED[401]),
    "NotAcceptable": (406, ("not-acceptable",)),
    "RequestTimedOut": (408, _EVERYWHERE[408]),
    "LengthRequired": (411, _EVERYWHERE[411]),
    "BodyTooLarge": (413, _EVERYWHERE[413]),
    "UriTooLong": (414, _EVERYWHERE[414]),
    "MediaTypeUnsupported": (415, ("media-type-unsupported",)),
    "ExpectationUnknown": (417, _EVERYWHERE[417]),
    "InputInvalid": (422, ("input-invalid",)),
    "RateLimited": (429, _AUTHENTICATED[429]),
    "HeadersTooLarge": (431, _EVERYWHERE[431]),
    "InternalError": (500, _EVERYWHERE[500]),
    "EngineAnsweredStrangely": (502, _AUTHENTICATED[502]),
    "EngineUnreachable": (503, _AUTHENTICATED[503]),
    "EngineTooSlow": (504, _AUTHENTICATED[504]),
}
"""Failures that many operations share word for word, by their components' names."""


def component_name(schema: Any) -> str:
    """What a schema is called in the document."""
    kind = schema if isinstance(schema, type) else type(schema)
    return kind.__name__.removesuffix("Schema")


def shared_headers() -> dict[str, Any]:
    """The headers of the components."""
    return {_header_key(name): {"description": text, "schema": schema} for name, (text, schema) in _HEADERS.items()}


def shared_responses() -> dict[str, Any]:
    """The responses of the components."""
    return {name: _problem(status, codes) for name, (status, codes) in _SHARED.items()}


def known_codes(document: dict[str, Any]) -> list[str]:
    """Every code of a problem that the document lists, and those of what is no operation at all."""
    operations = [part for item in document["paths"].values() for name, part in item.items() if name != "parameters"]
    found = {"path-unknown", "method-not-allowed"}
    for holder in (document["components"], *operations):
        for response in holder["responses"].values():
            found.update(response.get("x-problem-codes", ()))
    return sorted(found)


def everywhere() -> dict[str, Any]:
    """The failures of what is not an operation of ours to declare: the document and its page."""
    return _named({status: list(codes) for status, codes in _EVERYWHERE.items()})


def responses(operation: Operation) -> dict[str, Any]:
    """Everything that an operation can answer, by status."""
    return {**_successes(operation), **_problems(operation)}


def streams(operation: Operation) -> bool:
    """Whether its answer has no end."""
    return operation.weight == "streams"


def _successes(operation: Operation) -> dict[str, Any]:
    found = {}
    for status, shapes in sorted(_documented(operation).items()):
        headers = ["X-Request-ID"]
        if operation.method == "GET" and operation.role is not None and not streams(operation):
            headers.append("ETag")
        if status == HTTPStatus.CREATED and operation.method == "POST":
            headers += ["Location", *(["Idempotent-Replayed"] if operation.keyed else [])]
        if status == HTTPStatus.SERVICE_UNAVAILABLE:
            headers.append("Retry-After")
        found[str(status)] = _response(_success_text(operation, status), headers, _content(shapes))
    if operation.method == "GET" and operation.role is not None and not streams(operation):
        found["304"] = _response(_MEANING[304], ["X-Request-ID", "ETag"], None)
    return found


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
                schema = component_name(schema)
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
    return _named(codes)


def _named(codes: Mapping[int, Sequence[str]]) -> dict[str, Any]:
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
