"""Literal addresses as socket calls take them, and the path MTU that the kernel knows."""

from __future__ import annotations

import socket
from typing import cast

from bridgework.probes.kinds.reasons import IPV4, IPV6

SocketAddress = tuple[str, int] | tuple[str, int, int, int]
_IP_MTU, _IPV6_MTU = 14, 24
_DISCARD_PORT = 9


class AddressError(OSError):
    """The text is no literal address, or its zone is no interface here."""


def numeric(address: str, port: int) -> tuple[int, SocketAddress]:
    """Return IP version and socket address of a literal, with a zone (RFC 4007) if any. Raises ``AddressError``."""
    try:
        found = socket.getaddrinfo(address, port, type=socket.SOCK_DGRAM, flags=socket.AI_NUMERICHOST)
    except socket.gaierror as error:
        raise AddressError(error.errno, f"{address} is not an address that can be used here") from error
    family, _, _, _, sockaddr = found[0]
    return (IPV4 if family == socket.AF_INET else IPV6), cast("SocketAddress", sockaddr)


def family_of(version: int) -> socket.AddressFamily:
    """Return ``AF_INET`` for 4, ``AF_INET6`` for 6."""
    return socket.AF_INET if version == IPV4 else socket.AF_INET6


def route_socket(address: str) -> socket.socket:
    """Return a socket that is connected to the address, which sends nothing. Raises ``OSError`` without a route."""
    version, sockaddr = numeric(address, _DISCARD_PORT)
    sock = socket.socket(family_of(version), socket.SOCK_DGRAM)
    try:
        sock.connect(sockaddr)
    except OSError:
        sock.close()
        raise
    return sock


def known_mtu(address: str) -> int | None:
    """Return the path MTU in bytes that the kernel knows towards an address; ``None`` without a route."""
    try:
        with route_socket(address) as sock:
            if sock.family == socket.AF_INET:
                return sock.getsockopt(socket.IPPROTO_IP, _IP_MTU)
            return sock.getsockopt(socket.IPPROTO_IPV6, _IPV6_MTU)
    except OSError:
        return None
