"""The answer to a request that reaches no operation: a problem document, written without Flask."""

from __future__ import annotations

import json
from http import HTTPStatus

from bridgework.http.problems.catalogue import PROBLEMS

ARRIVAL_S = 10.0
"""A request must be here whole this long after its first byte, the first one this long after the connection."""

REFUSALS = {
    HTTPStatus.BAD_REQUEST: ("bad-request", "This is not a valid HTTP request."),
    HTTPStatus.REQUEST_TIMEOUT: ("request-timed-out", f"The request did not arrive whole within {ARRIVAL_S:.0f} s."),
    HTTPStatus.LENGTH_REQUIRED: (
        "length-required",
        "Send the body with a Content-Length, or in chunks and not coded further.",
    ),
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE: ("body-too-large", "The body is larger than this service takes."),
    HTTPStatus.REQUEST_URI_TOO_LONG: ("uri-too-long", "The request line is longer than this service takes."),
    HTTPStatus.EXPECTATION_FAILED: ("expectation-unknown", "Only the expectation 100-continue is known."),
    HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE: ("headers-too-large", "There are too many headers, or too large ones."),
    HTTPStatus.INTERNAL_SERVER_ERROR: ("internal-error", "Something unforeseen happened here; the log has it."),
}


def refusal(status: HTTPStatus, request_id: str) -> bytes:
    """Write a whole response that carries a problem document; nothing of the request is repeated in it."""
    code, detail = REFUSALS[status]
    document = {
        "type": PROBLEMS[code].url, "title": PROBLEMS[code].title, "status": int(status), "detail": detail,
        "code": code, "request_id": request_id,
    }  # fmt: skip
    body = json.dumps(document).encode() + b"\n"
    head = (
        f"HTTP/1.1 {int(status)} {status.phrase}\r\nContent-Type: application/problem+json\r\n"
        f"Content-Length: {len(body)}\r\nX-Request-ID: {request_id}\r\nX-Content-Type-Options: nosniff\r\n"
        "Cache-Control: no-store\r\nConnection: close\r\n\r\n"
    )
    return head.encode() + body
