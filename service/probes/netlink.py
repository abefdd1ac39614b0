"""Netlink(7) messages as bytes, on a plain socket: hundreds of namespaces are asked thousands of things.

``pyroute2`` costs about 3 ms and several descriptors for each namespace; these cost some tens of microseconds and one.
"""

from __future__ import annotations

import os
import socket
import struct
from collections.abc import Iterator

NLMSG_ERROR, NLMSG_DONE = 2, 3
NLM_F_REQUEST, NLM_F_DUMP = 0x1, 0x300
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


def dump(sock: socket.socket, kind: int, body: bytes) -> Iterator[bytes]:
    """Send a dump request and yield the body of each answer. Raises ``OSError`` when the kernel refuses."""
    sock.send(message(kind, NLM_F_REQUEST | NLM_F_DUMP, body))
    while True:
        for answer, payload in split(sock.recv(RECEIVE_BYTES)):
            if answer in {NLMSG_DONE, NLMSG_ERROR}:
                raise_error(payload)
            if answer == NLMSG_DONE:
                return
            yield payload


def split(data: bytes) -> Iterator[tuple[int, bytes]]:
    """The messages in what was received: type and body."""
    at = 0
    while at + _HEADER.size <= len(data):
        length, kind, _, _, _ = _HEADER.unpack_from(data, at)
        yield kind, data[at + _HEADER.size : at + length]
        at += (length + 3) & ~3


def attributes(data: bytes, at: int) -> dict[int, bytes]:
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
