"""From a Flask request through the declaration of its operation to a response. Every operation takes this way.

The steps, in order: authenticate, count the request, authorise, choose the media type, read the query and the body,
check the preconditions, call the view, dump what it answers by the declared schema, add the ETag, write the audit line.
No view does any of this itself.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, partial
from http import HTTPStatus
from typing import Any

from flask import Response, g, request
from marshmallow import Schema

from bridgework.http import reading
from bridgework.http.audit import Record
from bridgework.http.auth import Authenticator
from bridgework.http.caching import KeptAnswers, conditional, etag_of, matches
from bridgework.http.contract import JSON, Media, Operation, RequestContext, ViewResult, json_text
from bridgework.http.limits import Pools, RateLimit
from bridgework.http.problems.documents import HttpProblem
from bridgework.http.progress import ProgressResponse
from bridgework.model.errors import BridgeworkError, NotFound, PreconditionFailed, Remedy
from bridgework.model.expectations import ExpectationPorts
from bridgework.model.snapshot import Snapshot
from bridgework.policy.access import Caller, Role, require_role
from bridgework.telemetry import deadline
from bridgework.use_cases.services import Services

_WITH_RESOURCE = {HTTPStatus.OK, HTTPStatus.CREATED}
DRY_RUN_HEADER = "Bridgework-Dry-Run"
ANONYMOUS = Caller("anonymous", Role.VIEWER)


@dataclass(frozen=True, slots=True)
class RequestPipeline:
    """The parts that every request passes through, made once for each worker."""

    services: Services
    expectations: ExpectationPorts
    authenticator: Authenticator
    rate: RateLimit
    pools: Pools
    kept: KeptAnswers
    request_timeout_s: float = 60.0


def flask_view(pipeline: RequestPipeline, operation: Operation, reader: Operation | None) -> Callable[..., Response]:
    """Return the function that Flask calls. ``reader`` is the GET of the same resource, for its ETag."""
    negotiated = len(operation.media_types) > 1
    for pool in operation.pools:
        pipeline.pools.require(pool)

    def view(**path: str) -> Response:
        deadline.begin(pipeline.request_timeout_s)
        record = Record(operation, path)
        try:
            context = _context_of(pipeline, operation, path, record)
            _check_preconditions(operation, reader, context)
            response = _answer(pipeline, operation, context)
            # A stream begins before the resource is there. To digest it would keep back its lines until the last one.
            ended = not context.dry_run and not response.is_streamed
            if operation.changes and ended and response.status_code in _WITH_RESOURCE:
                response.headers["ETag"] = _etag_after(operation, reader, context, response)
            if negotiated:
                response.vary.add("Accept")
            if context.dry_run:
                response.headers[DRY_RUN_HEADER] = "true"
            if isinstance(response, ProgressResponse):
                record.streams(response)
            else:
                record.ended(response)
        except (BridgeworkError, HttpProblem) as error:
            record.failed(error)
            raise
        finally:
            deadline.lift()
            record.write()
        return response

    view.__name__ = operation.id
    return view


def _context_of(
    pipeline: RequestPipeline, operation: Operation, path: dict[str, str], record: Record
) -> RequestContext:
    caller = ANONYMOUS
    if operation.role is not None:
        caller = pipeline.authenticator.authenticate(request.headers.get("Authorization"), request.remote_addr or "")
        g.caller = caller.name
        record.by(caller)
        pipeline.rate.take(caller)
        require_role(caller, operation.role, f"{operation.method} {operation.path}")
    media_type = reading.choose_media_type(operation, request.headers.get("Accept"))
    query, dry_run = reading.read_query(operation, request.query_string)
    body = reading.read_body(operation, request)
    record.about(body, dry_run=dry_run)
    return RequestContext(
        services=pipeline.services,
        expectations=pipeline.expectations,
        caller=caller,
        url_path=request.path,
        path=path,
        query=query,
        body=body,
        media_type=media_type,
        dry_run=dry_run,
        idempotency_key=reading.read_key(operation, request.headers),
        headers=request.headers,
        read_snapshot=_reader_of(pipeline.services),
    )


def _reader_of(services: Services) -> Callable[[], Snapshot]:
    def read() -> Snapshot:
        if "snapshot" not in g:
            g.snapshot = services.engine.snapshot(deadline.asked_at_ns())
        found: Snapshot = g.snapshot
        return found

    return read


def _answer(pipeline: RequestPipeline, operation: Operation, context: RequestContext) -> Response:
    if operation.pools:
        response = _within(pipeline.pools, operation, context)
    elif operation.cached and not _looks_beyond(context):
        key = f"{context.media_type} {request.full_path}"
        response = pipeline.kept.answer(context.snapshot, key, lambda: _rendered(operation, context))
    else:
        response = _rendered(operation, context)
    if operation.method != "GET" or response.is_streamed or operation.role is None:
        return response
    return conditional(response, request.headers.get("If-None-Match"))


def _looks_beyond(context: RequestContext) -> bool:
    """Whether the answer also depends on other nodes or on namespaces: an unchanged snapshot then proves nothing."""
    return context.query.get("scope") == "swarm" or bool(context.query.get("links"))


def _within(pools: Pools, operation: Operation, context: RequestContext) -> Response:
    """Answer within a place of the pool, which is held until the last byte is sent or the client is gone."""
    place = operation.pool_of(context.body), context.caller
    pools.acquire(*place, operation.longest_wait_s(context))
    try:
        response = _rendered(operation, context)
    except BaseException:
        pools.release(*place)
        raise
    if response.is_streamed:
        response.call_on_close(partial(pools.release, *place))
    else:
        pools.release(*place)
    return response


def _rendered(operation: Operation, context: RequestContext) -> Response:
    answer = operation.view(context)
    if isinstance(answer, Response):
        return answer
    response = Response(_dumped(operation, answer), answer.status, headers=dict(answer.headers), content_type=JSON)
    if answer.value is None:
        del response.headers["Content-Type"]
    return response


def _dumped(operation: Operation, answer: ViewResult) -> bytes:
    if answer.value is None:
        return b""
    value: Any = _schema(operation, answer).dump(answer.value)
    return json_text(value).encode()


def _schema(operation: Operation, answer: ViewResult) -> Schema:
    shapes = [shape for shape in operation.answers[answer.status] if shape is not None and not isinstance(shape, Media)]
    return _instance(shapes[0])


@cache
def _instance(schema: type[Schema]) -> Schema:
    """Cached: building a schema costs more than one dump."""
    return schema()


def _check_preconditions(operation: Operation, reader: Operation | None, context: RequestContext) -> None:
    """Check ``If-Match`` and ``If-None-Match`` (RFC 9110, section 13.1); neither is ever ignored.

    With a GET, ``If-None-Match`` is answered by 304 instead (``caching.conditional``). An operation without a resource
    of its own, such as a check or a creation, refuses both headers with 400.
    """
    if_match, if_none_match = request.headers.get("If-Match"), request.headers.get("If-None-Match")
    if operation.method == "GET":
        if_none_match = None
    if operation.role is None or (if_match is None and if_none_match is None):
        return
    if operation.judges_precondition and if_none_match is None:
        return
    if reader is None or not (operation.conditional or operation.method == "GET"):
        raise HttpProblem(
            "precondition-not-supported",
            f"{operation.method} {operation.path} takes no If-Match and no If-None-Match.",
            remedy="Send the request without that header. To make a creation safe to repeat, use an Idempotency-Key.",
        )
    current = _current_etag(operation, reader, context, required=if_match is not None)
    if if_match is not None and (current is None or not matches(if_match, current)):
        raise PreconditionFailed(
            code="precondition-failed",
            detail=f"The ETag is {current} now, not {if_match}: the resource has changed since you read it.",
            remedy=Remedy("Read the resource again, and decide again from its current state."),
        )
    if if_none_match is not None and current is not None and matches(if_none_match, current):
        raise PreconditionFailed(
            code="precondition-failed",
            detail=f"The resource exists with the ETag {current}, which If-None-Match: {if_none_match} excludes.",
            remedy=Remedy("Read the resource, and use it."),
        )


def _current_etag(operation: Operation, reader: Operation, context: RequestContext, *, required: bool) -> str | None:
    """Return the ETag of the resource now, or ``None`` if it does not exist and none is ``required``.

    If-Match on a missing resource is 412 (RFC 9110 section 13.1.1), unless the operation itself answers 404.
    """
    try:
        return etag_of(_rendered(reader, context).get_data())
    except NotFound as missing:
        if missing.code in operation.problems.get(HTTPStatus.NOT_FOUND, ()):
            raise
        if not required:
            return None
        raise PreconditionFailed("precondition-failed", missing.detail, missing.remedy) from missing


def _etag_after(operation: Operation, reader: Operation | None, context: RequestContext, response: Response) -> str:
    """Return the ETag that a GET of the changed resource has now, so that the client need not send that GET."""
    if operation.method != "PUT" or reader is None:
        return etag_of(response.get_data())  # the body is that of the resource's own GET
    g.pop("snapshot", None)  # from before the change
    return etag_of(_rendered(reader, context).get_data())
