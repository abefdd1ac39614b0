"""Netlink(7) messages as bytes, on a plain socket: hundreds of namespaces are asked thousands of things.

``pyroute2`` needs 0.4 ms for each link of a host and 0.2 s to be imported, which every helper container would wait for;
this needs some tens of microseconds for a namespace.
"""

from __future__ import annotations

import os
import socket
import struct
from collections.abc import Iterator

NLMSG_ERROR, NLMSG_DONE = 2, 3
NLM_F_REQUEST, NLM_F_DUMP_INTR, NLM_F_DUMP = 0x1, 0x10, 0x300
TELLINGS = 5
RECEIVE_BYTES = 65_536
_HEADER = struct.Struct("=IHHII")
_ATTRIBUTE = struct.Struct("=HH")
_TYPE_MASK = 0x3FFF


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


def dump(sock: socket.socket, kind: int, body: bytes) -> list[bytes]:
    """Ask for all of a kind: the body of each answer. Raises ``OSError`` when the kernel refuses.

    What changes while the kernel tells may be told twice or not at all (``NLM_F_DUMP_INTR``), so it is asked again;
    where it never holds still, the last telling has to do.
    """
    for _ in range(TELLINGS):
        bodies, held_still = _dump(sock, kind, body)
        if held_still:
            break
    return bodies


def _dump(sock: socket.socket, kind: int, body: bytes) -> tuple[list[bytes], bool]:
    bodies: list[bytes] = []
    held_still = True
    sock.send(message(kind, NLM_F_REQUEST | NLM_F_DUMP, body))
    while True:
        for answer, flags, payload in split(sock.recv(RECEIVE_BYTES)):
            held_still &= not flags & NLM_F_DUMP_INTR
            if answer in {NLMSG_DONE, NLMSG_ERROR}:
                raise_error(payload)
            if answer == NLMSG_DONE:
                return bodies, held_still
            bodies.append(payload)


def split(data: bytes) -> Iterator[tuple[int, int, bytes]]:
    """The messages in what was received: type, flags and body."""
    at = 0
    while at + _HEADER.size <= len(data):
        length, kind, flags, _, _ = _HEADER.unpack_from(data, at)
        yield kind, flags, data[at + _HEADER.size : at + length]
        at += (length + 3) & ~3


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
