"""Netlink(7) messages as bytes, on a plain socket: hundreds of namespaces are asked thousands of things.

``pyroute2`` needs 0.4 ms for each link of a host and 0.2 s to be imported, which every helper container would wait for;
this needs some tens of microseconds for a namespace.
"""

from __future__ import annotations

import math
import os
import socket
import struct
import time
from collections.abc import Iterator
from dataclasses import dataclass

NLMSG_ERROR, NLMSG_DONE = 2, 3
NLM_F_REQUEST, NLM_F_DUMP_INTR, NLM_F_DUMP = 0x1, 0x10, 0x300
TELLINGS = 5
RECEIVE_BYTES = 65_536
MAX_MESSAGES = 16_384
"""Of one dump. A container may fill its own namespace with as many interfaces, routes and sockets as it likes."""
_HEADER = struct.Struct("=IHHII")
_ATTRIBUTE = struct.Struct("=HH")
_TYPE_MASK = 0x3FFF


@dataclass(slots=True)
class Limit:
    """What one dump may cost: it ends at ``ends`` (``time.monotonic``), and keeps so many ``messages``.

    ``reached`` tells afterwards that there were more.
    """

    ends: float = math.inf
    messages: int = MAX_MESSAGES
    reached: bool = False


def open_socket(family: int = socket.NETLINK_ROUTE) -> socket.socket:
    """A netlink socket in the calling thread's namespace; it stays there."""
    sock = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, family)
    sock.bind((0, 0))
    return sock


def message(kind: int, flags: int, body: bytes) -> bytes:
    """One message with its header."""
    return _HEADER.pack(_HEADER.size + len(body), kind, flags, 0, 0) + body


def attribute(kind: int, value: bytes) -> bytes:
    """One attribute, padded to four bytes."""
    return _ATTRIBUTE.pack(_ATTRIBUTE.size + len(value), kind) + value + b"\0" * (-len(value) % 4)


def dump(sock: socket.socket, kind: int, body: bytes, limit: Limit | None = None) -> list[bytes]:
    """Ask for all of a kind: the body of each answer, up to the limit.

    Raises ``OSError`` when the kernel refuses, ``TimeoutError`` at the limit's end; the socket is of no use then.

    What changes while the kernel tells may be told twice or not at all (``NLM_F_DUMP_INTR``), so it is asked again;
    where it never holds still, the last telling has to do.
    """
    limit = limit or Limit()
    for _ in range(TELLINGS):
        bodies, held_still = _dump(sock, kind, body, limit)
        if held_still:
            break
    return bodies


def _dump(sock: socket.socket, kind: int, body: bytes, limit: Limit) -> tuple[list[bytes], bool]:
    bodies: list[bytes] = []
    held_still = True
    sock.send(message(kind, NLM_F_REQUEST | NLM_F_DUMP, body))
    while True:
        if time.monotonic() >= limit.ends:
            limit.reached = True
            raise TimeoutError
        for answer, flags, payload in split(sock.recv(RECEIVE_BYTES)):
            held_still &= not flags & NLM_F_DUMP_INTR
            if answer in {NLMSG_DONE, NLMSG_ERROR}:
                raise_error(payload)
            if answer == NLMSG_DONE:
                return bodies, held_still
            # Beyond the limit the kernel's answer is still read to its end: the socket is good for the next dump.
            if len(bodies) < limit.messages:
                bodies.append(payload)
            else:
                limit.reached = True


def split(data: bytes) -> Iterator[tuple[int, int, bytes]]:
    """The messages in what was received: type, flags and body."""
    at = 0
    while at + _HEADER.size <= len(data):
        length, kind, flags, _, _ = _HEADER.unpack_from(data, at)
        yield kind, flags, data[at + _HEADER.size : at + length]
        # A message of length 0 would be read for ever.
        at += max((length + 3) & ~3, _HEADER.size)


def attributes(data: bytes, at: int = 0) -> dict[int, bytes]:
    """The attributes of a body from the offset on, by type."""
    found: dict[int, bytes] = {}
    while at + _ATTRIBUTE.size <= len(data):
        length, kind = _ATTRIBUTE.unpack_from(data, at)
        if length < _ATTRIBUTE.size:
            break
        found[kind & _TYPE_MASK] = data[at + _ATTRIBUTE.size : at + length]
        at += (length + 3) & ~3
    return found


def raise_error(payload: bytes) -> None:
    """Raise the error that an ``NLMSG_ERROR`` or ``NLMSG_DONE`` ends with, unless it says that all went well."""
    number = -struct.unpack_from("=i", payload)[0]
    if number:
        raise OSError(number, os.strerror(number))
