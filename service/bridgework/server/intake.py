"""ASGI middleware: a request takes a thread only after all of it has arrived, and Flask runs in a2wsgi's threads.

Threads that wait for the engine do not keep health checks waiting: each of those has a thread of its own. The probes of
Prometheus have threads of their own too, because many of them may wait for their turn (``http/limits.py``).
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, MutableMapping
from functools import lru_cache
from http import HTTPStatus
from typing import Any

from a2wsgi import WSGIMiddleware

from bridgework.lifetime import client_left, serve_client
from bridgework.server.connections import CURRENT, Connection
from bridgework.telemetry import deadline

HEALTH = ("/livez", "/readyz")
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]


class Intake:
    """The ASGI application around a WSGI application."""

    def __init__(self, wsgi: Any, *, threads: int, own_threads: Mapping[str, int], max_body_bytes: int) -> None:
        """Set the number of threads for all requests, and for those of each path that has threads of its own."""
        self._max_body_bytes = max_body_bytes
        self._threads: Any = WSGIMiddleware(_until_client_left(wsgi), workers=threads)
        own = {**dict.fromkeys(HEALTH, 1), **own_threads}
        self._own: dict[str, Any] = {path: WSGIMiddleware(wsgi, workers=number) for path, number in own.items()}

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Answer one request."""
        connection = CURRENT.get()
        if scope["type"] != "http":  # a websocket: there is none here
            connection.wire.refuse(HTTPStatus.BAD_REQUEST)
            return
        connection.head_arrived()
        body = await self._body(scope, receive, connection)
        if body is None:
            return
        connection.arrived()
        deadline.arrived(time.monotonic_ns())
        serve_client(lambda: connection.left)

        async def whole() -> Message:
            return {"type": "http.request", "body": body, "more_body": False}

        answer = _Answer(send, connection)
        scope = _read(scope, len(body))
        threads = self._own.get(scope["path"], self._threads)
        # gunicorn cancels what serves a connection when the client leaves. a2wsgi's thread would then wait for ever for
        # a queue that nothing empties. So the answer runs to its end, and a stream ends by itself.
        answering = asyncio.ensure_future(threads(scope, whole, answer.send))
        try:
            await asyncio.shield(answering)
        except Exception:
            connection.answered()  # what gunicorn writes now is no answer of the application
            raise

    async def _body(self, scope: Message, receive: Receive, connection: Connection) -> bytes | None:
        """Take the body in; None when it is refused, or the client left."""
        codings = [value.lower() for name, value in scope["headers"] if name == b"transfer-encoding"]
        if codings not in ([], [b"chunked"]):
            connection.wire.refuse(HTTPStatus.LENGTH_REQUIRED)
            return None
        if any(name == b"expect" and value.lower() != b"100-continue" for name, value in scope["headers"]):
            connection.wire.refuse(HTTPStatus.EXPECTATION_FAILED)
            return None
        # gunicorn has made sure that there is at most one, a decimal number.
        length = next((int(value) for name, value in scope["headers"] if name == b"content-length"), 0)
        body, more = bytearray(), True
        while more and length <= self._max_body_bytes and len(body) <= self._max_body_bytes:
            message = await receive()
            if message["type"] == "http.disconnect":
                return None
            body += message.get("body", b"")
            more = message.get("more_body", False)
        if more or len(body) > self._max_body_bytes:
            connection.wire.refuse(HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
            return None
        return bytes(body)


class _Answer:
    """One answer. One that comes in a single piece goes out in a single step.

    gunicorn decides at the head of an answer whether it announces ``Connection: close``, and at the end whether it
    closes. A worker that is told to end between the two closes a connection on which the client may just have sent its
    next request. Measured over four reloads with six kept connections: 8 to 10 requests were lost that way.
    """

    def __init__(self, send: Send, connection: Connection) -> None:
        self._send = send
        self._connection = connection
        self._head: Message | None = None
        self._length = b""
        self._whole = False

    async def send(self, message: Message) -> None:
        """Take the next message of the application."""
        if message["type"] == "http.response.start":
            message["headers"] = [(spelled(name), value) for name, value in message["headers"]]
            self._length = next((value for name, value in message["headers"] if name == b"Content-Length"), b"")
            self._head = message
            return
        if self._whole:  # this is the empty message behind the only piece
            return
        if self._head is not None:
            await self._send(self._head)
            self._head = None
            if self._length == b"%d" % len(message["body"]):
                message["more_body"] = False
        await self._send(message)
        if not message.get("more_body", False):
            self._whole = True
            self._connection.answered()


@lru_cache(maxsize=256)
def spelled(name: bytes) -> bytes:
    """Return a header's name as the RFCs and the document spell it.

    ASGI names headers in lower case. Names are case-insensitive (RFC 9110, section 5.1), but the generated Python
    client keeps them in a dict, and people look for ``ETag`` with grep.
    """
    return _SPELLED.get(name) or name.title()


_SPELLED = {
    name.lower().encode(): name.encode() for name in ("ETag", "WWW-Authenticate", "X-Request-ID", "X-XSS-Protection")
}


def _read(scope: Message, length: int) -> Message:
    """Give the length of a body that came in chunks, which WSGI does not know, and the path of an absolute URI.

    A server has to accept absolute URIs (RFC 9112, section 3.2.2).
    """
    if any(name == b"transfer-encoding" for name, _ in scope["headers"]):
        headers = [pair for pair in scope["headers"] if pair[0] != b"transfer-encoding"]
        scope["headers"] = [*headers, (b"content-length", b"%d" % length)]
    path = scope["path"]
    if not path.startswith("/") and "://" in path:
        scope["path"] = "/" + path.partition("://")[2].partition("/")[2]
    return scope


def _until_client_left(wsgi: Any) -> Any:
    """End an answer of several pieces when its client has left, as a server does whose write fails."""

    def answering(environ: Any, start_response: Any) -> Iterator[bytes]:
        answer: Iterable[bytes] = wsgi(environ, start_response)
        try:
            for piece in answer:
                yield piece
                if client_left():
                    return
        finally:
            getattr(answer, "close", lambda: None)()

    return answering
