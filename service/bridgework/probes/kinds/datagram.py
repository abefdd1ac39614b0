"""One datagram out and one accepted datagram back, on a connected UDP socket.

Only a connected socket gets ICMP refusals as errors (ip(7)) and drops datagrams from other addresses.
"""

from __future__ import annotations

import select
import socket
import time
from collections.abc import Callable

from bridgework.probes.kinds import error_queue
from bridgework.probes.kinds.sockaddr import destination_of

_RECEIVE_BYTES = 65_536


def exchange(
    address: str,
    port: int,
    payload: bytes,
    ends: float,
    accept: Callable[[bytes], bool],
    source_port: int | None = None,
) -> bytes:
    """Send the payload and return the first datagram that ``accept`` takes before ``ends`` (``time.monotonic``).

    Raises:
        TimeoutError: no such datagram came.
        OSError: the kernel or an ICMP message refused.
    """
    destination = destination_of(address, port)
    with destination.socket(socket.SOCK_DGRAM | socket.SOCK_NONBLOCK, source_port) as sock:
        error_queue.enable(sock)
        sock.connect(destination.sockaddr)
        sock.send(payload)
        poll = select.poll()
        poll.register(sock, select.POLLIN)
        while (left_s := ends - time.monotonic()) > 0 and poll.poll(left_s * 1000):
            answer = _receive(sock)
            if answer is not None and accept(answer):
                return answer
    raise TimeoutError


def _receive(sock: socket.socket) -> bytes | None:
    try:
        return sock.recv(_RECEIVE_BYTES)
    except BlockingIOError:
        return None
    except OSError as error:
        raise error_queue.precise(sock, error) from error
