"""The rtnetlink(7) decoder: addresses, routes and neighbour entries as numbers and packed addresses.

Layouts and numbers are those of linux/if_addr.h, linux/rtnetlink.h and linux/neighbour.h. Each function reads over a
netlink socket that the caller opened in the namespace. ``links`` makes readable values of them.
"""

from __future__ import annotations

import socket
import struct
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from bridgework.probes.kernel import netlink
from bridgework.probes.kernel.netlink import Limit

_RTM_GETADDR, _RTM_GETROUTE, _RTM_DELNEIGH, _RTM_GETNEIGH = 22, 26, 29, 30
_ADDRESS, _ROUTE, _NEIGHBOUR = struct.Struct("=BBBBI"), struct.Struct("=BBBBBBBBI"), struct.Struct("=BxxxiHBB")
_NEXT_HOP, _NUMBER = struct.Struct("=HBBi"), struct.Struct("=i")
_IFA_ADDRESS, _IFA_LOCAL = 1, 2
_RTA_DST, _RTA_OIF, _RTA_GATEWAY, _RTA_PRIORITY, _RTA_PREFSRC, _RTA_MULTIPATH, _RTA_TABLE = 1, 4, 5, 6, 7, 9, 15
_NDA_DST, _NDA_LLADDR, _NDA_MASTER = 1, 2, 9
_NUD_NOARP, _NUD_PERMANENT, _NTF_PROXY = 0x40, 0x80, 0x08
_MAIN_TABLE, _RTNH_F_DEAD = 254, 0x1
RTN_UNICAST = 1
DEAD_ENDS = frozenset({6, 7, 8})
"""Route types that lead nowhere on purpose: blackhole, unreachable, prohibit."""
FAMILY_OF_LENGTH = {4: socket.AF_INET, 16: socket.AF_INET6}
"""By the length of a packed address, in bytes."""


class Address(NamedTuple):
    """An address of the interface with index ``interface``; ``scope`` and ``flags`` are numbers of if_addr.h."""

    family: int
    prefix_len: int
    flags: int
    scope: int
    interface: int
    packed: bytes


class NextHop(NamedTuple):
    """Where a route leads: an interface, and a gateway unless the destination is on that link.

    ``is_dead`` says that the interface is down, so that the kernel does not use it.
    """

    interface: int | None
    gateway: bytes | None
    is_dead: bool = False


class Route(NamedTuple):
    """A route; ``destination`` is ``None`` for the default route."""

    family: int
    prefix_len: int
    protocol: int
    scope: int
    kind: int
    destination: bytes | None
    next_hops: tuple[NextHop, ...]
    preferred_source: bytes | None
    metric: int | None
    table: int


class Neighbour(NamedTuple):
    """An entry of the ARP or NDP table; ``state`` is a NUD number of neighbour.h."""

    interface: int
    state: int
    packed: bytes
    link_address: bytes | None


class ForwardingEntry(NamedTuple):
    """A station behind a port of a bridge, both as indexes of interfaces."""

    port: int
    bridge: int
    link_address: bytes
    is_fixed: bool


def addresses(sock: socket.socket, limit: Limit | None = None) -> Iterator[Address]:
    """Yield the IPv4 and IPv6 addresses of all interfaces. Raises like ``netlink.dump``."""
    for body in netlink.dump(sock, _RTM_GETADDR, _ADDRESS.pack(socket.AF_UNSPEC, 0, 0, 0, 0), limit):
        family, prefix_len, flags, scope, interface = _ADDRESS.unpack_from(body)
        attributes = netlink.attributes(body, _ADDRESS.size)
        # On a point-to-point link IFA_ADDRESS is the other end and IFA_LOCAL our own address (linux/if_addr.h).
        packed = attributes.get(_IFA_LOCAL) or attributes.get(_IFA_ADDRESS)
        if packed and len(packed) in FAMILY_OF_LENGTH:
            yield Address(family, prefix_len, flags, scope, interface, packed)


def routes(sock: socket.socket, family: int, limit: Limit | None = None) -> Iterator[Route]:
    """Yield the routes of the main table, of all types. Raises like ``netlink.dump``."""
    return (route for route in all_routes(sock, family, limit) if route.table == _MAIN_TABLE)


def all_routes(sock: socket.socket, family: int, limit: Limit | None = None) -> Iterator[Route]:
    """Yield the routes of all tables and types. Raises like ``netlink.dump``."""
    for body in netlink.dump(sock, _RTM_GETROUTE, _ROUTE.pack(family, 0, 0, 0, 0, 0, 0, 0, 0), limit):
        _, prefix_len, _, _, table, protocol, scope, kind, flags = _ROUTE.unpack_from(body)
        attributes = netlink.attributes(body, _ROUTE.size)
        yield Route(
            family,
            prefix_len,
            protocol,
            scope,
            kind,
            destination=attributes.get(_RTA_DST),
            next_hops=tuple(_next_hops(attributes, flags)),
            preferred_source=attributes.get(_RTA_PREFSRC),
            metric=number(attributes.get(_RTA_PRIORITY)),
            # The header has one byte for the table; RTA_TABLE carries numbers above 255.
            table=number(attributes.get(_RTA_TABLE)) or table,
        )


def _next_hops(attributes: dict[int, bytes], flags: int) -> Iterator[NextHop]:
    """Decode ``RTA_MULTIPATH``: several next hops, each with a header and attributes of its own."""
    several = attributes.get(_RTA_MULTIPATH)
    if several is None:
        yield NextHop(number(attributes.get(_RTA_OIF)), attributes.get(_RTA_GATEWAY), bool(flags & _RTNH_F_DEAD))
        return
    at = 0
    while at + _NEXT_HOP.size <= len(several):
        length, flags, _, interface = _NEXT_HOP.unpack_from(several, at)
        inner = netlink.attributes(several[at : at + length], _NEXT_HOP.size)
        yield NextHop(interface, inner.get(_RTA_GATEWAY), bool(flags & _RTNH_F_DEAD))
        at += max((length + 3) & ~3, _NEXT_HOP.size)


def neighbours(sock: socket.socket, family: int = socket.AF_UNSPEC, limit: Limit | None = None) -> Iterator[Neighbour]:
    """Yield the neighbour entries in every state. Raises like ``netlink.dump``."""
    for body in netlink.dump(sock, _RTM_GETNEIGH, _NEIGHBOUR.pack(family, 0, 0, 0, 0), limit):
        _, interface, state, _, _ = _NEIGHBOUR.unpack_from(body)
        attributes = netlink.attributes(body, _NEIGHBOUR.size)
        packed = attributes.get(_NDA_DST)
        if packed and len(packed) in FAMILY_OF_LENGTH:
            yield Neighbour(interface, state, packed, attributes.get(_NDA_LLADDR))


def ndp_proxies(sock: socket.socket, limit: Limit | None = None) -> Iterator[tuple[int, bytes]]:
    """Yield the kernel's proxy entries of IPv6: interface (0 for each) and address. Raises like ``netlink.dump``."""
    # With the flag in the request, the kernel dumps these entries and no others.
    for body in netlink.dump(sock, _RTM_GETNEIGH, _NEIGHBOUR.pack(socket.AF_INET6, 0, 0, _NTF_PROXY, 0), limit):
        _, interface, _, _, _ = _NEIGHBOUR.unpack_from(body)
        packed = netlink.attributes(body, _NEIGHBOUR.size).get(_NDA_DST)
        if packed and FAMILY_OF_LENGTH.get(len(packed)) == socket.AF_INET6:
            yield interface, packed


def forwarding_entries(sock: socket.socket, limit: Limit | None = None) -> Iterator[ForwardingEntry]:
    """Yield what all bridges have learnt. Raises like ``netlink.dump``."""
    for body in netlink.dump(sock, _RTM_GETNEIGH, _NEIGHBOUR.pack(socket.AF_BRIDGE, 0, 0, 0, 0), limit):
        _, port, state, _, _ = _NEIGHBOUR.unpack_from(body)
        attributes = netlink.attributes(body, _NEIGHBOUR.size)
        bridge, link_address = number(attributes.get(_NDA_MASTER)), attributes.get(_NDA_LLADDR)
        # A permanent entry is the port's own address.
        if bridge is not None and link_address and state != _NUD_PERMANENT:
            yield ForwardingEntry(port, bridge, link_address, bool(state & _NUD_NOARP))


def delete_neighbours(sock: socket.socket, entries: Iterable[tuple[int, bytes]]) -> bool:
    """Delete these entries (interface, packed address). Returns ``False`` when the kernel refused (CAP_NET_ADMIN).

    An entry that is gone already is no error.
    """
    sock.send(b"".join(_deletion(interface, packed) for interface, packed in entries))
    allowed = True
    while True:
        try:
            answers = sock.recv(netlink.RECEIVE_BYTES, socket.MSG_DONTWAIT)
        except BlockingIOError:
            return allowed
        for kind, _, payload in netlink.split(answers):
            try:
                if kind == netlink.NLMSG_ERROR:
                    netlink.raise_error(payload)
            except PermissionError:
                allowed = False
            except OSError:
                continue


def _deletion(interface: int, packed: bytes) -> bytes:
    body = _NEIGHBOUR.pack(FAMILY_OF_LENGTH[len(packed)], interface, 0, 0, 0) + netlink.attribute(_NDA_DST, packed)
    return netlink.message(_RTM_DELNEIGH, netlink.NLM_F_REQUEST, body)


def number(data: bytes | None) -> int | None:
    """Return an attribute's 32-bit number; ``None`` when the attribute is missing."""
    return _NUMBER.unpack_from(data)[0] if data else None
