"""Where bytes become requests: what has arrived whole, what is refused, and how that is said without Flask.

Pure: bytes in, decisions and bytes out. ``service/bridgework/gunicorn_worker.py`` moves them.
"""

from __future__ import annotations

import json
import re
from http import HTTPStatus

from gunicorn.http import errors

from bridgework.http.problems.catalogue import PROBLEMS

ARRIVAL_S = 10.0
MAX_HEAD_BYTES = 65_536
_LENGTHS = re.compile(rb"\r\ncontent-length:(.*?)(?=\r\n)", re.IGNORECASE | re.DOTALL)
_CODED = re.compile(rb"\r\ntransfer-encoding[ \t]*:", re.IGNORECASE)
_CHUNK = re.compile(rb"([0-9A-Fa-f]{1,8})[ \t]*(?:;[^\r\n]{0,256})?\r\n")
_CHUNKED = re.compile(rb"\r\ntransfer-encoding:[ \t]*chunked[ \t]*(?=\r\n)", re.IGNORECASE)
_OVERHEAD_BYTES = 16_384
"""What the framing of a chunked body may take beside twice its own size: chunks of one byte would take five times."""
_LONGEST_CHUNK_LINE = 300
_EXPECTS = re.compile(rb"\r\nexpect:[ \t]*100-continue[ \t]*(?=\r\n)", re.IGNORECASE)

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
_STATUS_BY_ERROR: tuple[tuple[type[Exception], HTTPStatus], ...] = (
    (errors.LimitRequestLine, HTTPStatus.REQUEST_URI_TOO_LONG),
    (errors.LimitRequestHeaders, HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE),
    (errors.ExpectationFailed, HTTPStatus.EXPECTATION_FAILED),
    (errors.UnsupportedTransferCoding, HTTPStatus.LENGTH_REQUIRED),
    (errors.ParseException, HTTPStatus.BAD_REQUEST),
)


def arrival(received: bytes | bytearray, max_body_bytes: int) -> HTTPStatus:
    """``OK`` when the request is whole, ``CONTINUE`` while more is to come, else the status that refuses it."""
    end = received.find(b"\r\n\r\n")
    if end < 0:
        return HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE if len(received) > MAX_HEAD_BYTES else HTTPStatus.CONTINUE
    head = bytes(received[: end + 2])
    lengths = _LENGTHS.findall(head)
    if _CODED.search(head):
        # Both lengths at once is how requests are smuggled (RFC 9112, section 6.3); no other coding is understood.
        if lengths or len(_CODED.findall(head)) > 1:
            return HTTPStatus.BAD_REQUEST
        known = _CHUNKED.search(head) is not None
        return _chunked_arrival(received, end + 4, max_body_bytes) if known else HTTPStatus.LENGTH_REQUIRED
    return _sized_arrival(len(received) - end - 4, lengths, max_body_bytes) if lengths else HTTPStatus.OK


def _sized_arrival(arrived: int, lengths: list[bytes], max_body_bytes: int) -> HTTPStatus:
    """Decide on a body of a given length, of which so many bytes have arrived."""
    # gunicorn reads one decimal number of any size. What this function cannot read it refuses: a length that only
    # gunicorn understood would let a thread wait for a body that never comes.
    digits = lengths[0].strip(b" \t")
    if len(lengths) > 1 or not digits.isdigit():
        return HTTPStatus.BAD_REQUEST
    # Compared as text first, because int() refuses more than 4,300 digits.
    significant = digits.lstrip(b"0") or b"0"
    if len(significant) > len(str(max_body_bytes)) or int(significant) > max_body_bytes:
        return HTTPStatus.REQUEST_ENTITY_TOO_LARGE
    return HTTPStatus.OK if arrived >= int(significant) else HTTPStatus.CONTINUE


def _chunked_arrival(received: bytes | bytearray, begin: int, max_body_bytes: int) -> HTTPStatus:
    """The same for a body in chunks (RFC 9112, section 7.1); trailers are not taken."""
    at, size = begin, 0
    while True:
        found = _CHUNK.match(received, at)
        if found is None:
            # No chunk's first line is longer than this, so what does not fit by now never will.
            return HTTPStatus.CONTINUE if len(received) - at < _LONGEST_CHUNK_LINE else HTTPStatus.BAD_REQUEST
        length = int(found[1], 16)
        size += length
        if size > max_body_bytes or found.end() - begin > 2 * size + _OVERHEAD_BYTES:
            return HTTPStatus.REQUEST_ENTITY_TOO_LARGE
        at = found.end() + length + 2
        if len(received) < at:
            return HTTPStatus.CONTINUE
        if received[at - 2 : at] != b"\r\n":
            return HTTPStatus.BAD_REQUEST
        if length == 0:
            return HTTPStatus.OK


def refusal(status: HTTPStatus, request_id: str) -> bytes:
    """A whole response that carries a problem document; nothing of the request is repeated in it."""
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


def expects_continue(received: bytes | bytearray) -> bool:
    """Whether the client waits to be told to send its body."""
    return _EXPECTS.search(received) is not None


def path_of(received: bytes | bytearray) -> bytes:
    """The path of the request line, without its query; nothing where there is none."""
    words = bytes(received[: received.find(b"\r\n")]).split(b" ")
    return words[1].partition(b"?")[0] if len(words) > 1 else b""


def status_of(error: Exception) -> HTTPStatus:
    """What an error of gunicorn's parser is answered with; what is none of them is an accident."""
    return next((s for kind, s in _STATUS_BY_ERROR if isinstance(error, kind)), HTTPStatus.INTERNAL_SERVER_ERROR)
