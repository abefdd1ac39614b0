"""The kernel's own choice of a route for one packet (RTM_GETROUTE of rtnetlink(7)), with all rules and tables."""

from __future__ import annotations

import socket
import struct
from typing import NamedTuple

from bridgework.probes.kernel import netlink

# linux/rtnetlink.h
_RTM_GETROUTE, _MESSAGE = 26, struct.Struct("=BBBBBBBBI")
_DST, _SRC, _IIF, _OIF, _GATEWAY, _MARK, _IP_PROTO, _SPORT, _DPORT = 1, 2, 3, 4, 5, 16, 27, 28, 29
_MULTIPATH, _NEXT_HOP = 9, struct.Struct("=HBBi")
_LOCAL = 2
# linux/netconf.h
_RTM_GETNETCONF, _NETCONF, _IFINDEX, _FORWARDING = 82, struct.Struct("=Bxxx"), 1, 2
_NUMBER = struct.Struct("=i")
_FAMILY_OF_LENGTH = {4: socket.AF_INET, 16: socket.AF_INET6}


class Lookup(NamedTuple):
    """The route that the kernel chose for one packet. ``interface`` is an index; ``is_local``: the host takes it."""

    interface: int
    is_local: bool
    gateway: bytes | None


class Asked(NamedTuple):
    """A packet that comes in by ``incoming`` (an index), or that the host sends (``None``)."""

    destination: bytes
    source: bytes | None = None
    incoming: int | None = None
    mark: int = 0
    protocol: int | None = None
    source_port: int | None = None
    destination_port: int | None = None


def route_to(sock: socket.socket, asked: Asked) -> Lookup:
    """Ask for the route of a packet over a netlink socket of the family NETLINK_ROUTE.

    The kernel decides as for a real packet: by all rules and tables, and for IPv4 by its filter of the reverse path.

    Raises:
        OSError: the kernel drops such a packet.
    """
    bits = len(asked.destination) * 8
    family = _FAMILY_OF_LENGTH[len(asked.destination)]
    body = _MESSAGE.pack(family, bits, bits if asked.source else 0, 0, 0, 0, 0, 0, 0)
    body += netlink.attribute(_DST, asked.destination)
    body += netlink.attribute(_SRC, asked.source) if asked.source else b""
    body += netlink.attribute(_IIF, _NUMBER.pack(asked.incoming)) if asked.incoming else b""
    body += netlink.attribute(_MARK, asked.mark.to_bytes(4, "little")) if asked.mark else b""
    body += netlink.attribute(_IP_PROTO, bytes([asked.protocol])) if asked.protocol else b""
    for kind, port in ((_SPORT, asked.source_port), (_DPORT, asked.destination_port)):
        body += netlink.attribute(kind, port.to_bytes(2, "big")) if port else b""
    answer = netlink.ask(sock, _RTM_GETROUTE, body)
    kind = _MESSAGE.unpack_from(answer)[7]
    attributes = netlink.attributes(answer, _MESSAGE.size)
    interface, gateway = _next_hop(attributes)
    return Lookup(interface, kind == _LOCAL, gateway)


def _next_hop(attributes: dict[int, bytes]) -> tuple[int, bytes | None]:
    """Return interface and gateway, of a route with several next hops those of the first."""
    several = attributes.get(_MULTIPATH)
    if several is None:
        return _number(attributes.get(_OIF)), attributes.get(_GATEWAY)
    length, _, _, interface = _NEXT_HOP.unpack_from(several)
    return interface, netlink.attributes(several[:length], _NEXT_HOP.size).get(_GATEWAY)


def forwards(sock: socket.socket, interface: int) -> bool:
    """Whether the kernel forwards IPv4 packets that come in by the interface (ip-sysctl). Raises ``OSError``."""
    body = _NETCONF.pack(socket.AF_INET) + netlink.attribute(_IFINDEX, _NUMBER.pack(interface))
    settings = netlink.attributes(netlink.ask(sock, _RTM_GETNETCONF, body), _NETCONF.size)
    return _number(settings.get(_FORWARDING)) != 0


def _number(data: bytes | None) -> int:
    return _NUMBER.unpack_from(data)[0] if data else 0
