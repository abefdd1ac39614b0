"""The TCP probe: connect and close; nothing is sent."""

from __future__ import annotations

import errno
import os
import select
import socket
import time

from bridgework.model.checks import Phases, ProbeRequest
from bridgework.probes.kinds import error_queue
from bridgework.probes.kinds.attempts import Attempt
from bridgework.probes.kinds.kind import Connection
from bridgework.probes.kinds.sockaddr import SocketAddress, destination_of

CONNECTION = Connection(socket.SOCK_STREAM)


def probe(request: ProbeRequest, address: str, ends: float) -> Attempt:
    """Connect to ``request.port`` before ``ends``. ``refused`` means that the host answered with a reset."""
    destination = destination_of(address, request.port or 0)
    started = time.perf_counter()
    connect(destination.socket(socket.SOCK_STREAM, request.flow_id), destination.sockaddr, ends).close()
    elapsed_ms = (time.perf_counter() - started) * 1000
    return Attempt(rtt_ms=elapsed_ms, phases_ms=Phases(connect=round(elapsed_ms, 3)))


def connect(sock: socket.socket, sockaddr: SocketAddress, ends: float) -> socket.socket:
    """Connect the socket before ``ends`` (``time.monotonic``) and return it.

    Raises:
        TimeoutError: there was no answer in time.
        OSError: the kernel or an ICMP message refused. In both cases the socket is closed.
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
