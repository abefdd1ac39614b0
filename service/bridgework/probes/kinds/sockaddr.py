"""Literal addresses in the forms that socket calls and packets take, and the path MTU that the kernel knows."""

from __future__ import annotations

import socket
import struct
from typing import NamedTuple, cast

from bridgework.probes.kinds.reasons import IPV4, IPV6

SocketAddress = tuple[str, int] | tuple[str, int, int, int]
_IP_MTU, _IPV6_MTU = 14, 24
_DISCARD_PORT = 9


class AddressError(OSError):
    """The text is no literal address, or its zone is no interface here."""


class Destination(NamedTuple):
    """A literal address and a port; ``structure`` is the same as the kernel's ``struct sockaddr``."""

    version: int
    packed: bytes
    sockaddr: SocketAddress
    structure: bytes

    def socket(self, kind: int, source_port: int | None = None) -> socket.socket:
        """Open a socket of the address's family, bound to the source port if there is one. Raises ``OSError``."""
        sock = socket.socket(socket.AF_INET if self.version == IPV4 else socket.AF_INET6, kind)
        if source_port is not None:
            try:
                sock.bind(("", source_port))
            except OSError:
                sock.close()
                raise
        return sock


def destination_of(address: str, port: int) -> Destination:
    """Parse a literal address, with a zone (RFC 4007) if any. Raises ``AddressError``."""
    try:
        addresses = socket.getaddrinfo(address, port, type=socket.SOCK_DGRAM, flags=socket.AI_NUMERICHOST)
    except socket.gaierror as error:
        raise AddressError(error.errno, f"{address} is not an address that can be used here") from error
    family, _, _, _, sockaddr = addresses[0]
    # inet_pton takes no zone (fe80::1%eth0); the socket address carries it as a number.
    packed = socket.inet_pton(family, str(sockaddr[0]).partition("%")[0])
    head = struct.pack("=H", family) + struct.pack("!H", port)
    if family == socket.AF_INET:
        return Destination(IPV4, packed, cast("SocketAddress", sockaddr), head + packed + bytes(8))
    *_, zone = sockaddr
    structure = head + bytes(4) + packed + struct.pack("=I", zone)
    return Destination(IPV6, packed, cast("SocketAddress", sockaddr), structure)


def route_socket(address: str) -> socket.socket:
    """Return a datagram socket connected to the address; nothing is sent. Raises ``OSError`` without a route."""
    destination = destination_of(address, _DISCARD_PORT)
    sock = destination.socket(socket.SOCK_DGRAM)
    try:
        sock.connect(destination.sockaddr)
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
