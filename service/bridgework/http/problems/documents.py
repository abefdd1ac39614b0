"""Problem documents (RFC 9457): the status and body of the answer to each failure.

Every answer that is not a success is made here, also for Flask's own failures. ``code`` is stable and kebab-case,
``remedy`` says how to fix the problem, and ``errors`` lists all faults of an invalid input.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any

import structlog
from flask import Flask, Response, current_app, g, request
from werkzeug.exceptions import HTTPException, MethodNotAllowed, NotFound

from bridgework.http.contract import json_text
from bridgework.http.problems.catalogue import PROBLEMS
from bridgework.http.schemas.findings import RemedySchema
from bridgework.model import errors
from bridgework.model.actions import Read

log = structlog.get_logger()
_REMEDY = RemedySchema()
MEDIA_TYPE = "application/problem+json"
RETRY_AFTER_S = 1
MAX_PATH_SHOWN = 200

STATUS_BY_ERROR: Mapping[type[errors.BridgeworkError], HTTPStatus] = {
    errors.InvalidInput: HTTPStatus.UNPROCESSABLE_ENTITY,
    errors.AmbiguousReference: HTTPStatus.BAD_REQUEST,
    errors.NotFound: HTTPStatus.NOT_FOUND,
    errors.Conflict: HTTPStatus.CONFLICT,
    errors.PreconditionFailed: HTTPStatus.PRECONDITION_FAILED,
    errors.Refused: HTTPStatus.FORBIDDEN,
    errors.NotPossible: HTTPStatus.NOT_IMPLEMENTED,
    errors.TooBusy: HTTPStatus.TOO_MANY_REQUESTS,
    errors.TookTooLong: HTTPStatus.GATEWAY_TIMEOUT,
    errors.StateUnavailable: HTTPStatus.SERVICE_UNAVAILABLE,
    errors.EngineUnreachable: HTTPStatus.SERVICE_UNAVAILABLE,
    errors.EngineTooSlow: HTTPStatus.GATEWAY_TIMEOUT,
    # The first row that fits counts, so the subclass comes first.
    errors.NotSupported: HTTPStatus.NOT_IMPLEMENTED,
    errors.EngineMisbehaved: HTTPStatus.BAD_GATEWAY,
}

CODE_BY_STATUS: Mapping[int, str] = {
    400: "bad-request",
    401: "token-required",
    406: "not-acceptable",
    408: "request-timed-out",
    411: "length-required",
    413: "body-too-large",
    414: "uri-too-long",
    415: "media-type-unsupported",
    431: "headers-too-large",
    500: "internal-error",
}


class HttpProblem(Exception):
    """A failure of HTTP itself, such as authentication or a media type. Its ``code`` decides the status."""

    def __init__(
        self, code: str, detail: str, *, headers: Mapping[str, str] | None = None, remedy: str | None = None
    ) -> None:
        super().__init__(detail)
        self.status = PROBLEMS[code].status
        self.code = code
        self.detail = detail
        self.headers = dict(headers or {})
        self.remedy = errors.Remedy(remedy) if remedy else None


def register(app: Flask) -> None:
    """Answer every failure of ``app`` with a problem document."""
    app.register_error_handler(errors.BridgeworkError, _for_core_error)
    app.register_error_handler(HttpProblem, _for_http_problem)
    app.register_error_handler(NotFound, _for_unknown_path)
    app.register_error_handler(MethodNotAllowed, _for_unknown_method)
    app.register_error_handler(HTTPException, _for_http_exception)
    app.register_error_handler(Exception, _for_accident)


def problem(
    status: int,
    code: str,
    detail: str,
    *,
    remedy: errors.Remedy | None = None,
    faults: Sequence[errors.InputFault] = (),
    facts: Mapping[str, Any] | None = None,
    headers: Mapping[str, str] | None = None,
) -> Response:
    """Return the response with a problem document."""
    # Another node's instance may be newer and know more codes; "about:blank" says so (RFC 9457, section 4.2.1).
    known = PROBLEMS.get(code)
    document: dict[str, Any] = {
        "type": known.url if known else "about:blank",
        "title": known.title if known else HTTPStatus(status).phrase,
        "status": status,
        "detail": detail,
        "code": code,
        "request_id": getattr(g, "request_id", ""),
    }
    if remedy is not None:
        document["remedy"] = _REMEDY.dump(remedy)
    if faults:
        document["errors"] = [_placed(fault) for fault in faults]
    if facts:
        document["facts"] = dict(facts)
    g.problem_code = code
    return Response(json_text(document), status, headers=headers, content_type=MEDIA_TYPE)


def problem_of(error: Exception) -> Response:
    """Return the response for a failure that was raised outside of a view."""
    if isinstance(error, errors.BridgeworkError):
        return _for_core_error(error)
    return _for_http_problem(error) if isinstance(error, HttpProblem) else _for_accident(error)


def _placed(fault: errors.InputFault) -> dict[str, str]:
    """Return a fault with its place: a pointer into the body, or the name of a query parameter or header."""
    if not fault.pointer or fault.pointer.startswith("/"):
        return {"in": "body", "pointer": fault.pointer, "message": fault.message}
    place = "query" if fault.pointer.startswith("?") else "header"
    return {"in": place, "name": fault.pointer.removeprefix("?"), "message": fault.message}


def _for_core_error(error: errors.BridgeworkError) -> Response:
    status = next(status for kind, status in STATUS_BY_ERROR.items() if isinstance(error, kind))
    headers = {}
    if isinstance(error, errors.TooBusy):
        headers["Retry-After"] = str(error.retry_after_s)
    elif isinstance(error, errors.EngineUnreachable | errors.StateUnavailable):
        headers["Retry-After"] = str(RETRY_AFTER_S)
    faults = error.faults if isinstance(error, errors.InvalidInput) else ()
    return problem(
        status, error.code, error.detail, remedy=error.remedy, faults=faults, facts=error.facts, headers=headers
    )


def _for_http_problem(error: HttpProblem) -> Response:
    return problem(error.status, error.code, error.detail, remedy=error.remedy, headers=error.headers)


def _for_http_exception(error: HTTPException) -> Response:
    status = error.code or HTTPStatus.INTERNAL_SERVER_ERROR
    headers = {name: value for name, value in error.get_headers() if name.lower() != "content-type"}
    detail = error.description or HTTPStatus(status).phrase
    return problem(status, CODE_BY_STATUS.get(status, "bad-request"), detail, headers=headers)


def _for_unknown_path(_: NotFound) -> Response:
    path = request.path
    bare = path.rstrip("/")
    hint = ""
    if bare != path and current_app.url_map.bind("").allowed_methods(bare):
        hint = f" It is {bare[:MAX_PATH_SHOWN]}, without a slash at its end."
    return problem(
        404,
        "path-unknown",
        f"There is no path {path[:MAX_PATH_SHOWN]} here.{hint}",
        remedy=errors.Remedy("Use one of the paths that this lists.", (Read("document"),)),
    )


def _for_unknown_method(error: MethodNotAllowed) -> Response:
    methods = ", ".join(sorted(error.valid_methods or ()))
    detail = f"{request.path[:MAX_PATH_SHOWN]} takes {methods}, not {request.method}."
    return problem(405, "method-not-allowed", detail, headers={"Allow": methods})


def _for_accident(error: Exception) -> Response:
    log.error("accident", error=type(error).__name__, exc_info=error)
    return problem(
        HTTPStatus.INTERNAL_SERVER_ERROR,
        "internal-error",
        "Something unexpected happened in the service; its log has the details under this request id.",
    )
