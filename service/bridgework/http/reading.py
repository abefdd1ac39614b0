"""Read a Flask request: its media types, query and body. All faults of a request are listed at once."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import lru_cache
from types import MappingProxyType
from typing import Any
from urllib.parse import parse_qs, unquote_to_bytes

from flask import Request
from marshmallow import Schema, ValidationError, fields
from werkzeug.datastructures import Headers, MIMEAccept
from werkzeug.http import parse_accept_header

from bridgework.http import strict_json
from bridgework.http.contract import JSON, Operation
from bridgework.http.problems.documents import HttpProblem
from bridgework.http.problems.faults import near
from bridgework.http.schemas.queries import TRUTHS
from bridgework.model.errors import InputFault, invalid

MAX_KEY_LENGTH = 255
DOCKER_PARAMETERS: Mapping[str, str] = {
    "filters": "Write each filter as a parameter of its own, such as `?driver=bridge&label=team`.",
    "all": "The list holds stopped containers too; `?state=running` narrows it.",
    "size": "Sizes of file systems are not served.",
    "verbose": "Ask for the endpoints of the network instead.",
    "t": "Use `grace_s`, in seconds.",
    "signal": "A container is stopped by its own stop signal.",
    "v": "Volumes are not touched.",
    "link": "Links are not touched.",
}
"""Parameters of Docker's API that callers try, with what to write instead."""
MAX_KNOWN = 256
"""How many parsed headers and queries are cached: most clients repeat a few of them."""


@lru_cache(maxsize=MAX_KNOWN)
def choose_media_type(operation: Operation, accept: str | None) -> str:
    """Choose the media type of the answer by ``Accept`` (RFC 9110, section 12.5.1). Raises ``HttpProblem`` 406."""
    offered = operation.media_types
    if not accept:
        return offered[0]
    accepted = parse_accept_header(accept, MIMEAccept)
    chosen = accepted.best_match(offered)
    if chosen is None and not accepted.best_match(["application/problem+json"]):
        raise HttpProblem("not-acceptable", f"This answers {', '.join(offered)}; Accept allows none of them.")
    return str(chosen or offered[0])


@lru_cache(maxsize=MAX_KNOWN)
def read_query(operation: Operation, query_string: bytes) -> tuple[Mapping[str, Any], bool]:
    """Load the query by its schema, and say whether it asks for a dry run. Cached, so it must not be changed.

    Raises ``InvalidInput`` on unknown, repeated or bad parameters.
    """
    context = parse_qs(_text(query_string), keep_blank_values=True)
    lists = operation.query.fields.items() if operation.query is not None else ()
    allowed_twice = {name for name, field in lists if isinstance(field, fields.List)}
    faults = [
        InputFault(f"?{name}", "Must be given only once.")
        for name, values in context.items()
        if len(values) > 1 and name not in allowed_twice
    ]
    given: dict[str, Any] = {name: (values if name in allowed_twice else values[0]) for name, values in context.items()}
    dry_run = given.pop("dry_run", None) if operation.supports_dry_run else None
    if dry_run is not None and dry_run.lower() not in TRUTHS:
        faults.append(InputFault("?dry_run", "Must be true, false, 1 or 0."))
    query = MappingProxyType(_loaded(operation.query, given, faults, prefix="?"))
    return query, dry_run is not None and TRUTHS[dry_run.lower()]


def _text(query: bytes) -> str:
    """Reject queries that are not UTF-8: replacement characters would change their meaning."""
    try:
        unquote_to_bytes(query).decode("utf-8")
        return query.decode("utf-8")
    except UnicodeDecodeError as error:
        raise invalid("The query", [InputFault("?", "Must be UTF-8.")]) from error


def _loaded(schema: Schema | None, given: dict[str, Any], faults: list[InputFault], prefix: str) -> dict[str, Any]:
    loaded: dict[str, Any] = {}
    if schema is None:
        faults.extend(InputFault(f"{prefix}{name}", _unknown(name, ())) for name in given)
    else:
        try:
            loaded = dict(schema.load(given))
        except ValidationError as error:
            messages = error.messages if isinstance(error.messages, dict) else {"": error.messages}
            faults.extend(
                InputFault(f"{prefix}{name}", _first(texts) if name in schema.fields else _unknown(name, schema.fields))
                for name, texts in messages.items()
            )
    if faults:
        raise invalid("The query", faults)
    return loaded


def _unknown(name: str, known: Iterable[str]) -> str:
    """Return the fault of an unknown parameter, with a hint for a parameter of Docker's API or for a similar name."""
    hint = DOCKER_PARAMETERS.get(name) or near(name, known)
    return f"This parameter is unknown here. {hint}".strip()


def read_body(operation: Operation, request: Request) -> Any:
    """Load the body by its schema. Raises ``HttpProblem`` 400, 413 or 415, or ``InvalidInput``.

    If no field is required, ``{}`` and no body mean the same: axios sends ``{}`` with a POST, other clients nothing.
    """
    sent = request.get_data(cache=False)
    if operation.body is None:
        if sent.strip() and (operation.method == "GET" or sent.strip() != b"{}"):
            raise HttpProblem("body-unexpected", f"{operation.method} {operation.path} takes no body.")
        return None
    if not sent and not operation.requires_body:
        sent = b"{}"
    else:
        _require_json(request)
    try:
        given = strict_json.parse(sent)
    except strict_json.BadJson as error:
        raise HttpProblem("json-invalid", str(error)) from error
    if operation.max_items and isinstance(given, list) and not 1 <= len(given) <= operation.max_items:
        raise invalid("The body", [InputFault("", f"Must hold 1 to {operation.max_items} items.")])
    try:
        return operation.body.load(given)
    except ValidationError as error:
        raise invalid("The body", flattened(error.messages)) from error


def _require_json(request: Request) -> None:
    charset = request.mimetype_params.get("charset", "utf-8")
    if request.mimetype == JSON and charset.lower() in {"utf-8", "utf8"} and "Content-Encoding" not in request.headers:
        return
    raise HttpProblem(
        "media-type-unsupported",
        f"The body must be {JSON} in UTF-8 with that Content-Type, and without a Content-Encoding.",
        headers={"Accept": JSON},
    )


def read_key(operation: Operation, headers: Headers) -> str | None:
    """Return the ``Idempotency-Key``. Raises ``InvalidInput`` if it is not 1 to 255 printable ASCII characters."""
    key = headers.get("Idempotency-Key") if operation.idempotent else None
    if key is None:
        return None
    if not 1 <= len(key) <= MAX_KEY_LENGTH or not key.isascii() or not key.isprintable():
        raise invalid(
            "The header", [InputFault("Idempotency-Key", f"Must be 1 to {MAX_KEY_LENGTH} printable ASCII characters.")]
        )
    return key


def flattened(messages: Any, pointer: str = "") -> list[InputFault]:
    """Return marshmallow's nested messages as faults with JSON pointers (RFC 6901)."""
    if isinstance(messages, dict):
        faults: list[InputFault] = []
        for key, inner in messages.items():
            step = "" if key == "_schema" else "/" + str(key).replace("~", "~0").replace("/", "~1")
            faults.extend(flattened(inner, pointer + step))
        return faults
    texts: Iterable[Any] = messages if isinstance(messages, list) else [messages]
    return [InputFault(pointer, str(text)) for text in texts]


def _first(texts: Any) -> str:
    while isinstance(texts, dict):
        texts = next(iter(texts.values()))
    return str(texts[0]) if isinstance(texts, list) and texts else str(texts)
