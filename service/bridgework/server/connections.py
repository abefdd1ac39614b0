"""Connections of gunicorn's ASGI worker, with the limits that a server needs when no proxy is in front of it.

gunicorn's ``ASGIProtocol`` parses requests and calls the application, but it puts no limit on how long a client takes
to send a request head or to read an answer, it keeps any number of connections, and it answers invalid HTTP in plain
text. This module is a layer between asyncio's transport and that class. gunicorn itself is not changed: it asks asyncio
for an event loop and for a server, and ``loop.Loop`` puts a ``Connection`` around each protocol object of the server.
"""

from __future__ import annotations

import asyncio
import resource
import time
import uuid
from collections.abc import Callable, Iterable
from contextvars import Context, ContextVar
from http import HTTPStatus
from typing import Any

import structlog

from bridgework.server.refusals import ARRIVAL_S, REFUSALS, refusal

STALLED_S = 15.0
"""A client that takes nothing of its answer for this long is dropped."""
READ_BYTES = 2048
"""What is read from a socket at once. asyncio's default is 256 KiB, and gunicorn's parser keeps what lies behind a
request until that request is answered: of 480 clients that sent ahead, 440 MB instead of 20 MB."""
HEAD_BYTES = 65_536
"""Beyond this a request line and its headers are refused. gunicorn limits each header to 8 KiB and their number to 64,
so 1,000 connections could hold 512 MiB without a token."""
AHEAD_BYTES = 2048
"""A client that sent this much behind a request that is not answered yet is not read from until it is answered."""
REFUSED_S = 2.0
"""How long a refused client may read its answer while it still sends (RFC 9112, section 9.6)."""
QUIET_S = 1.0
"""A worker that ends waits this long for another request on a kept connection."""
LAST_S = 0.1
MAX_CONNECTIONS = min(1000, resource.getrlimit(resource.RLIMIT_NOFILE)[0] // 2)
"""For each worker. The other half of the descriptors is for the engine and for checks."""

_AS_OURS = {HTTPStatus.NOT_IMPLEMENTED: HTTPStatus.LENGTH_REQUIRED}
"""gunicorn answers 501 to an unknown transfer coding only."""
log = structlog.get_logger()


class Connections:
    """The connections of one worker, and those of them that wait for a request, the longest waiting first."""

    def __init__(self) -> None:
        self.count = 0
        self.waiting: dict[Connection, float] = {}

    def opened(self, connection: Connection) -> None:
        """Count a connection. Above the limit, abort the one that has waited longest."""
        self.count += 1
        self.wait(connection)
        if self.count > MAX_CONNECTIONS:
            next(iter(self.waiting)).wire.abort()

    def wait(self, connection: Connection) -> None:
        """Record that the connection waits for a request from now on."""
        self.waiting[connection] = time.monotonic()

    def closed(self, connection: Connection) -> None:
        """Remove a closed connection."""
        self.count -= 1
        self.waiting.pop(connection, None)

    async def end_when(self, ending: Callable[[], bool]) -> None:
        """Close idle connections when the worker ends: gunicorn would wait for all of them."""
        while True:
            await asyncio.sleep(QUIET_S / 4)
            if ending():
                before = time.monotonic() - QUIET_S
                for connection in [
                    waiting for waiting, since in self.waiting.items() if since < before and not waiting.begun
                ]:
                    connection.wire.transport.close()


CURRENT: ContextVar[Connection] = ContextVar("connection")
"""The connection of the current request: gunicorn's tasks for a connection begin in a context that has it."""


class Connection(asyncio.BufferedProtocol):
    """One connection between asyncio's transport and gunicorn's protocol object.

    It waits for a request, until ``arrived``; then it answers, until ``answered``. What the client sends meanwhile is
    kept here, and is given to gunicorn when the answer is written.
    """

    # One buffer for all connections of the process: asyncio fills it and calls ``buffer_updated`` in the same step.
    _buffer = bytearray(READ_BYTES)

    def __init__(self, inner: Any, among: Connections) -> None:
        self.inner = inner
        self.among = among
        self.answering = self.left = False
        self.wire: Wire
        self.begun = False
        self._in_head, self._head_bytes = True, 0
        self._ahead = bytearray()
        self._arrival: asyncio.TimerHandle | None = None
        self._reading: asyncio.TimerHandle | None = None

    def connection_made(self, transport: Any) -> None:
        """asyncio: a client has connected."""
        self.wire = Wire(transport, self)
        CURRENT.set(self)
        self.among.opened(self)
        self._arrival = _later(ARRIVAL_S, self._too_late)
        self.inner.connection_made(self.wire)

    def get_buffer(self, sizehint: int) -> bytearray:
        """asyncio: where to put what the client sends."""
        del sizehint
        return self._buffer

    def buffer_updated(self, nbytes: int) -> None:
        """asyncio: the client sent something. What it sends after a refusal is dropped."""
        if self.wire.refused:
            return
        data = bytes(memoryview(self._buffer)[:nbytes])
        if not self.answering:
            self._feed(data)
            return
        self._ahead += data
        if len(self._ahead) >= AHEAD_BYTES:
            self.wire.transport.pause_reading()

    def _feed(self, data: bytes) -> None:
        """Give gunicorn a part of a request, which has to arrive whole in time."""
        self.begun = True
        if self._arrival is None:
            self._arrival = _later(ARRIVAL_S, self._too_late)
        if self._in_head and self._head_bytes > HEAD_BYTES:
            self.wire.refuse(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE)
            return
        self._head_bytes += len(data)
        try:
            self.inner.data_received(data)
        except ValueError:
            # gunicorn 27.0 hands a Content-Length of more than 4,300 digits to int(), which refuses it.
            self.wire.refuse(HTTPStatus.BAD_REQUEST)

    def eof_received(self) -> bool:
        """asyncio: the client sends no more. It may still read, so its request is answered."""
        self.left = True
        return self.begun

    def connection_lost(self, exc: Exception | None) -> None:
        """asyncio: the connection is closed."""
        self.left = True
        _cancel(self._arrival)
        _cancel(self._reading)
        self.among.closed(self)
        self._ahead.clear()
        # gunicorn 27.0 leaves a send() that waits for the client to read waiting when the client goes.
        self.inner.resume_writing()
        self.inner.connection_lost(exc)
        _take_apart(self.inner)
        self.wire.lost()
        self.inner = None  # gunicorn's own cancelled timers hold ``CURRENT``

    def pause_writing(self) -> None:
        """asyncio: the client reads its answer more slowly than it is written."""
        self.inner.pause_writing()
        self.watch_reader()

    def resume_writing(self) -> None:
        """asyncio: the client has read most of it."""
        _cancel(self._reading)
        self.inner.resume_writing()

    def head_arrived(self) -> None:
        """Record that the request line and all headers have arrived; gunicorn then calls the application."""
        self._in_head = False

    def arrived(self) -> None:
        """Record that the whole request has arrived and is being answered."""
        _cancel(self._arrival)
        self._arrival = None
        self.answering = True
        self.among.waiting.pop(self, None)

    def answered(self) -> None:
        """Record that the answer is written. A request that the client sent ahead begins now."""
        self.answering = self.begun = False
        self._in_head, self._head_bytes = True, 0
        if self.inner is None or self.wire.transport.is_closing():
            return
        if not self.left:
            self.among.wait(self)
            self.wire.transport.resume_reading()
        ahead, self._ahead = bytes(self._ahead), bytearray()
        if ahead or self.inner._callback_parser.remaining():
            self._feed(ahead)
        if self.left:  # unless the next request is here whole
            _cancel(self._arrival)
            self._arrival = _later(LAST_S, self.wire.transport.close)

    def watch_reader(self, unread_bytes: int | None = None) -> None:
        """Drop the client if it has read nothing since ``unread_bytes`` bytes waited for it."""
        waiting_bytes = self.wire.transport.get_write_buffer_size()
        if waiting_bytes == unread_bytes:
            self.wire.transport.abort()
            return
        _cancel(self._reading)
        if waiting_bytes:
            self._reading = _later(STALLED_S, self.watch_reader, waiting_bytes)

    def _too_late(self) -> None:
        if self.begun:
            self.wire.refuse(HTTPStatus.REQUEST_TIMEOUT)
        else:
            self.wire.transport.close()


def _take_apart(inner: Any) -> None:
    """Undo the cycles of a closed connection of gunicorn 27.0, which does not use these any more.

    Objects that live through a collection are moved to the oldest generation, which is collected rarely. The parser
    has the connection's methods and the last bytes; the body's receiver has the connection.
    """
    inner._callback_parser = None
    if inner._body_receiver is not None:
        inner._body_receiver.protocol = None


def _later(seconds: float, call: Callable[..., object], *args: object) -> asyncio.TimerHandle:
    """Call it in a context of its own: asyncio keeps cancelled timers for a while, and ``CURRENT`` with them."""
    return asyncio.get_running_loop().call_later(seconds, call, *args, context=Context())


def _cancel(timer: asyncio.TimerHandle | None) -> None:
    if timer is not None:
        timer.cancel()


class Wire:
    """asyncio's transport as gunicorn's protocol object sees it.

    What gunicorn writes while no request is answered is a refusal of its own: the client gets a problem document
    instead.
    """

    def __init__(self, transport: Any, connection: Connection) -> None:
        self.transport = transport
        self.refused = False
        self._connection: Connection | None = connection

    def __getattr__(self, name: str) -> Any:
        return getattr(self.transport, name)

    def write(self, data: bytes) -> None:
        """Send what the application answers, and ``100 Continue``."""
        if self._connection is None:
            return
        if self._connection.answering or data.startswith(b"HTTP/1.1 100 "):
            self.transport.write(data)
        elif not self.refused and not self.transport.is_closing():
            status = HTTPStatus(int(data[9:12]))
            self.refuse(_AS_OURS.get(status, status))

    def writelines(self, parts: Iterable[bytes]) -> None:
        """Send a large answer."""
        # On a connection that has just failed, asyncio 3.13 would register the socket for writing and never unregister
        # it. The next connection with that descriptor would then not be read.
        if not self.transport.is_closing():
            self.transport.writelines(parts)

    def refuse(self, status: HTTPStatus) -> None:
        """Answer with a problem document, and end the connection when the client has had time to read it."""
        if self.refused:
            return
        status = status if status in REFUSALS else HTTPStatus.BAD_REQUEST
        request_id = uuid.uuid4().hex
        client = self.transport.get_extra_info("peername")
        log.info("refused", status=int(status), address=client[0] if client else "", request_id=request_id)
        self.transport.write(refusal(status, request_id))
        self.refused = True
        # A closed socket that holds something unread resets the connection, and the client may not see the answer.
        self.transport.resume_reading()
        if self.transport.can_write_eof():
            self.transport.write_eof()
        _later(REFUSED_S, self.transport.abort)

    def write_eof(self) -> None:
        """End the answer; after a refusal this has been done."""
        if not self.refused:
            self.transport.write_eof()

    def close(self) -> None:
        """Close when the client has taken all."""
        if not self.refused:
            self.transport.close()
            if self._connection is not None:
                self._connection.watch_reader()

    def lost(self) -> None:
        """Let go of the connection, which is closed: each of the two holds the other."""
        self._connection = None
