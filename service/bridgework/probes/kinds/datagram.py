"""Datagrams out and one accepted datagram back for each, on a connected UDP socket.

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
    (answer,) = exchange_all(address, port, [payload], ends, lambda data: 0 if accept(data) else None, source_port)
    if answer is None:
        raise TimeoutError
    return answer


def exchange_all(
    address: str,
    port: int,
    payloads: list[bytes],
    ends: float,
    position: Callable[[bytes], int | None],
    source_port: int | None = None,
) -> list[bytes | None]:
    """Send all payloads and return the datagram that answers each; ``None`` where none came before ``ends``.

    ``position`` tells which payload a datagram answers; ``None``: none of them.

    Raises:
        OSError: the kernel or an ICMP message refused.
    """
    destination = destination_of(address, port)
    answers: list[bytes | None] = [None] * len(payloads)
    with destination.socket(socket.SOCK_DGRAM | socket.SOCK_NONBLOCK, source_port) as sock:
        error_queue.enable(sock)
        sock.connect(destination.sockaddr)
        for payload in payloads:
            sock.send(payload)
        poll = select.poll()
        poll.register(sock, select.POLLIN)
        while None in answers and (left_s := ends - time.monotonic()) > 0 and poll.poll(left_s * 1000):
            data = _receive(sock)
            number = None if data is None else position(data)
            if number is not None:
                answers[number] = data
    return answers


def _receive(sock: socket.socket) -> bytes | None:
    try:
        return sock.recv(_RECEIVE_BYTES)
    except BlockingIOError:
        return None
    except OSError as error:
        raise error_queue.precise(sock, error) from error
