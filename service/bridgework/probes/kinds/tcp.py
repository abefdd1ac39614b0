"""Probe by TCP: one connection, opened and closed at once; nothing is sent over it."""

from __future__ import annotations

import errno
import os
import select
import socket
import time

from bridgework.model.checks import Phases, ProbeRequest, Reason
from bridgework.probes.kinds import error_queue
from bridgework.probes.kinds.attempts import Attempt
from bridgework.probes.kinds.reasons import failure
from bridgework.probes.kinds.sockaddr import SocketAddress, family_of, numeric


def probe(request: ProbeRequest, address: str, ends: float) -> Attempt:
    """Connect to ``request.port`` before ``ends``; ``refused`` means that the host answered with a reset."""
    try:
        version, sockaddr = numeric(address, request.port or 0)
    except OSError as error:
        return Attempt(reason=Reason.NO_ADDRESS, detail=error.strerror)
    started = time.perf_counter()
    try:
        connect(socket.socket(family_of(version), socket.SOCK_STREAM), sockaddr, ends).close()
    except OSError as error:
        return failure(error)
    elapsed_ms = (time.perf_counter() - started) * 1000
    return Attempt(rtt_ms=elapsed_ms, phases_ms=Phases(connect=round(elapsed_ms, 3)))


def connect(sock: socket.socket, sockaddr: SocketAddress, ends: float) -> socket.socket:
    """The same socket, connected before ``ends`` (``time.monotonic``).

    Raises ``TimeoutError`` or the kernel's ``OSError`` with the socket closed.
    """
    try:
        sock.setblocking(False)
        error_queue.enable(sock)
        number = sock.connect_ex(sockaddr)
        if number == errno.EINPROGRESS:
            poll = select.poll()
            poll.register(sock, select.POLLOUT)
            if not poll.poll(max(0.0, ends - time.monotonic()) * 1000):
                raise TimeoutError
            number = sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        if number:
            raise error_queue.precise(sock, OSError(number, os.strerror(number)))
    except OSError:
        sock.close()
        raise
    return sock
