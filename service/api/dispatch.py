"""The one way from a Flask request through an operation's declaration to a response.

In order: who is calling, may they, how often, in what form do they want it, is the input valid; then the view; then
its answer by the declared schema, with ETag and audit line. Nothing of this is repeated in any view.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

import structlog
from flask import Response, g, json, request
from marshmallow import Schema

from service.api import reading
from service.api.auth import Authenticator
from service.api.caching import KeptAnswers, conditional, etag_of, matches
from service.api.contract import JSON, Answer, Asked, Media, Operation
from service.api.limits import RateLimit, Slots
from service.api.networks_schemas import RehearsalSchema
from service.core.access import Caller, Role, require_role
from service.core.errors import PreconditionFailed, Remedy
from service.core.snapshot import Snapshot
from service.operations.descriptions import Rehearsal
from service.operations.house import House

audit = structlog.get_logger("audit")
NOBODY = Caller("nobody", Role.VIEWER)


@dataclass(frozen=True, slots=True)
class Desk:
    """What dispatching needs, made once for each worker."""

    house: House
    authenticator: Authenticator
    rate: RateLimit
    slots: dict[str, Slots]
    kept: KeptAnswers


def flask_view(desk: Desk, operation: Operation, reader: Operation | None) -> Callable[..., Response]:
    """The function Flask calls. ``reader`` is the GET of the same path, for ``If-Match``."""

    def view(**path: str) -> Response:
        asked = _asked(desk, operation, path)
        if operation.conditional and "If-Match" in request.headers and reader is not None:
            _require_match(reader, asked, request.headers["If-Match"])
        response = _answered(desk, operation, asked)
        if operation.role is not None and operation.role >= Role.OPERATOR and not asked.dry_run:
            audit.info("change", operation=operation.id, caller=asked.caller.name, on=path, status=response.status_code)
        return response

    view.__name__ = operation.id
    return view


def _asked(desk: Desk, operation: Operation, path: dict[str, str]) -> Asked:
    caller = NOBODY
    if operation.role is not None:
        caller = desk.authenticator.authenticate(request.headers.get("Authorization"), request.remote_addr or "")
        g.caller = caller.name
        desk.rate.take(caller)
        require_role(caller, operation.role, f"{operation.method} {operation.path}")
    media_type = reading.choose_media_type(operation, request.accept_mimetypes)
    query = reading.read_query(operation, request)
    dry_run = query.pop("dry_run")
    return Asked(
        house=desk.house,
        caller=caller,
        path=path,
        query=query,
        body=reading.read_body(operation, request),
        media_type=media_type,
        dry_run=dry_run,
        idempotency_key=reading.read_key(operation, request.headers),
        headers=request.headers,
        read_snapshot=_reader_of(desk.house),
    )


def _reader_of(house: House) -> Callable[[], Snapshot]:
    def read() -> Snapshot:
        if "snapshot" not in g:
            g.snapshot = house.engine.snapshot()
        found: Snapshot = g.snapshot
        return found

    return read


def _answered(desk: Desk, operation: Operation, asked: Asked) -> Response:
    slots = desk.slots.get(operation.weight)
    if slots is not None:
        return _within(slots, operation, asked)
    if operation.method != "GET":
        return _rendered(operation, asked)
    if operation.remembered:
        key = f"{asked.media_type} {request.full_path}"
        response = desk.kept.answer(asked.snapshot, key, lambda: _rendered(operation, asked))
    else:
        response = _rendered(operation, asked)
    if response.is_streamed or operation.role is None:
        return response
    return conditional(response, request.headers.get("If-None-Match"))


def _within(slots: Slots, operation: Operation, asked: Asked) -> Response:
    """Heavy work holds a slot until its last byte is sent, or its client is gone."""
    slots.acquire()
    try:
        response = _rendered(operation, asked)
    except BaseException:
        slots.release()
        raise
    if response.is_streamed:
        response.call_on_close(slots.release)
    else:
        slots.release()
    return response


def _rendered(operation: Operation, asked: Asked) -> Response:
    answer = operation.view(asked)
    if isinstance(answer, Response):
        return answer
    return Response(
        _dumped(operation, answer),
        answer.status,
        headers=dict(answer.headers),
        content_type=JSON if answer.value is not None else None,
    )


def _dumped(operation: Operation, answer: Answer) -> bytes:
    if answer.value is None:
        return b""
    value: Any = _schema(operation, answer).dump(answer.value)
    return json.dumps(value).encode()


def _schema(operation: Operation, answer: Answer) -> Schema:
    shapes = [shape for shape in operation.answers[answer.status] if shape is not None and not isinstance(shape, Media)]
    rehearsed = isinstance(answer.value, Rehearsal)
    return _instance(next(shape for shape in shapes if (shape is RehearsalSchema) == rehearsed))


@cache
def _instance(schema: type[Schema]) -> Schema:
    """Making a schema's fields takes longer than dumping with them."""
    return schema()


def _require_match(reader: Operation, asked: Asked, header: str) -> None:
    current = etag_of(_rendered(reader, asked).get_data())
    if not matches(header, current):
        raise PreconditionFailed(
            code="precondition-failed",
            detail=f"It is {current} now, not {header}: something changed since you read it.",
            remedy=Remedy("Read it again, and decide on what it is now."),
        )
