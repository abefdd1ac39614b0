"""Literal addresses as the socket calls want them, and what the kernel knows about the way there."""

from __future__ import annotations

import socket
from typing import cast

from bridgework.probes.kinds.reasons import IPV4, IPV6

SocketAddress = tuple[str, int] | tuple[str, int, int, int]
_IP_MTU, _IPV6_MTU = 14, 24
_DISCARD_PORT = 9


def numeric(address: str, port: int) -> tuple[int, SocketAddress]:
    """The IP version and socket address of a literal, RFC 4007 zones too. Raises ``OSError`` when it is none."""
    try:
        family, _, _, _, found = socket.getaddrinfo(address, port, type=socket.SOCK_DGRAM, flags=socket.AI_NUMERICHOST)[
            0
        ]
    except socket.gaierror as error:
        raise OSError(error.errno, f"{address} is not an address that can be used here") from error
    return (IPV4 if family == socket.AF_INET else IPV6), cast("SocketAddress", found)


def family_of(version: int) -> socket.AddressFamily:
    """``AF_INET`` for 4, ``AF_INET6`` for 6."""
    return socket.AF_INET if version == IPV4 else socket.AF_INET6


def known_mtu(version: int, sockaddr: SocketAddress) -> int | None:
    """The path MTU in bytes that the kernel knows towards an address; ``None`` when it has no route."""
    level, option = (socket.IPPROTO_IP, _IP_MTU) if version == IPV4 else (socket.IPPROTO_IPV6, _IPV6_MTU)
    with socket.socket(family_of(version), socket.SOCK_DGRAM) as sock:
        try:
            sock.connect((sockaddr[0], _DISCARD_PORT, *sockaddr[2:]))
            return sock.getsockopt(level, option)
        except OSError:
            return None
