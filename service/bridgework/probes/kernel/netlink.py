"""Netlink messages (netlink(7)) on a plain socket.

No library: ``pyroute2`` takes 0.2 s to import, which every helper container would wait for, and 0.4 ms for each link of
a host. This module reads a whole namespace in some tens of microseconds.
"""

from __future__ import annotations

import errno
import fcntl
import math
import os
import socket
import struct
import time
from collections.abc import Iterator
from dataclasses import dataclass

from bridgework.printable import printable

NLMSG_ERROR, NLMSG_DONE = 2, 3
NLM_F_REQUEST, NLM_F_DUMP_INTR, NLM_F_DUMP = 0x1, 0x10, 0x300
MAX_DUMPS = 5
RECEIVE_BYTES = 65_536
MAX_MESSAGES = 16_384
"""Messages kept of one dump. A container can fill its namespace with any number of interfaces, routes and sockets."""
_HEADER = struct.Struct("=IHHII")
_ATTRIBUTE = struct.Struct("=HH")
_TYPE_MASK = 0x3FFF
# linux/sockios.h. Both ask by the namespace of the socket, not by that of the calling thread.
_SIOCGIFNAME, _SIOCGIFINDEX, _IFREQ = 0x8910, 0x8933, struct.Struct("=16si20x")


@dataclass(slots=True)
class Limit:
    """Bounds of one dump: it ends at ``ends`` (``time.monotonic``) and keeps ``messages`` messages.

    ``reached`` is set when the kernel had more.
    """

    ends: float = math.inf
    messages: int = MAX_MESSAGES
    reached: bool = False


def open_socket(family: int = socket.NETLINK_ROUTE, port: int = 0) -> socket.socket:
    """Open a netlink socket in the calling thread's namespace. It stays there when the thread leaves.

    With ``port`` 0 the kernel chooses the port id: the process id, where no other socket has it.
    """
    sock = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, family)
    sock.bind((port, 0))
    return sock


def index_of(sock: socket.socket, name: str) -> int | None:
    """Return the index of an interface in the socket's namespace; ``None`` where there is none with that name."""
    try:
        return int(_IFREQ.unpack(fcntl.ioctl(sock, _SIOCGIFINDEX, _IFREQ.pack(name.encode(), 0)))[1])
    except OSError:
        return None


def name_of(sock: socket.socket, index: int) -> str | None:
    """Return the name of an interface in the socket's namespace; ``None`` where there is none with that index."""
    try:
        name = _IFREQ.unpack(fcntl.ioctl(sock, _SIOCGIFNAME, _IFREQ.pack(b"", index)))[0]
    except OSError:
        return None
    return printable(name.partition(b"\0")[0].decode(errors="replace"))


def message(kind: int, flags: int, body: bytes) -> bytes:
    """Build one message with its header."""
    return _HEADER.pack(_HEADER.size + len(body), kind, flags, 0, 0) + body


def attribute(kind: int, value: bytes) -> bytes:
    """Build one attribute, padded to four bytes."""
    return _ATTRIBUTE.pack(_ATTRIBUTE.size + len(value), kind) + value + b"\0" * (-len(value) % 4)


def dump(sock: socket.socket, kind: int, body: bytes, limit: Limit | None = None) -> list[bytes]:
    """Dump all objects of a kind and return the body of each answer, up to the limit.

    Raises:
        OSError: the kernel refused.
        TimeoutError: the limit's end passed. Close the socket then: the rest of the dump is still in it.
    """
    limit = limit or Limit()
    for _ in range(MAX_DUMPS):
        bodies, consistent = _dump(sock, kind, body, limit)
        # The kernel sets NLM_F_DUMP_INTR when a table changed during the dump: entries may be missing or doubled. A
        # table that changes all the time never gives a consistent dump, so the last one is used.
        if consistent:
            break
    return bodies


def ask(sock: socket.socket, kind: int, body: bytes) -> bytes:
    """Send one request and return the body of its answer. Raises ``OSError``."""
    sock.send(message(kind, NLM_F_REQUEST, body))
    for answer, _, payload in split(sock.recv(RECEIVE_BYTES)):
        if answer == NLMSG_ERROR:
            raise_error(payload)
        return payload
    raise OSError(errno.EPROTO, os.strerror(errno.EPROTO))


def _dump(sock: socket.socket, kind: int, body: bytes, limit: Limit) -> tuple[list[bytes], bool]:
    bodies: list[bytes] = []
    consistent = True
    sock.send(message(kind, NLM_F_REQUEST | NLM_F_DUMP, body))
    while True:
        if time.monotonic() >= limit.ends:
            limit.reached = True
            raise TimeoutError
        for answer, flags, payload in split(sock.recv(RECEIVE_BYTES)):
            consistent &= not flags & NLM_F_DUMP_INTR
            if answer in {NLMSG_DONE, NLMSG_ERROR}:
                raise_error(payload)
            if answer == NLMSG_DONE:
                return bodies, consistent
            # Beyond the limit the answer is still read to its end, so that the socket can be used for the next dump.
            if len(bodies) < limit.messages:
                bodies.append(payload)
            else:
                limit.reached = True


def split(data: bytes) -> Iterator[tuple[int, int, bytes]]:
    """Yield type, flags and body of each received message."""
    at = 0
    while at + _HEADER.size <= len(data):
        length, kind, flags, _, _ = _HEADER.unpack_from(data, at)
        yield kind, flags, data[at + _HEADER.size : at + length]
        # At least a header's length: a message of length 0 would be read for ever.
        at += max((length + 3) & ~3, _HEADER.size)


def attributes(data: bytes, at: int = 0) -> dict[int, bytes]:
    """Return the attributes of a body from offset ``at`` on, by type."""
    data_by_kind: dict[int, bytes] = {}
    while at + _ATTRIBUTE.size <= len(data):
        length, kind = _ATTRIBUTE.unpack_from(data, at)
        if length < _ATTRIBUTE.size:
            break
        data_by_kind[kind & _TYPE_MASK] = data[at + _ATTRIBUTE.size : at + length]
        at += (length + 3) & ~3
    return data_by_kind


def nested(data: bytes) -> Iterator[bytes]:
    """Yield the values of a list of attributes, of which several have one type."""
    at = 0
    while at + _ATTRIBUTE.size <= len(data):
        length, _ = _ATTRIBUTE.unpack_from(data, at)
        if length < _ATTRIBUTE.size:
            break
        yield data[at + _ATTRIBUTE.size : at + length]
        at += (length + 3) & ~3


def raise_error(payload: bytes) -> None:
    """Raise the error of an ``NLMSG_ERROR`` or ``NLMSG_DONE`` message. Error number 0 means success."""
    number = -struct.unpack_from("=i", payload)[0]
    if number:
        raise OSError(number, os.strerror(number))
