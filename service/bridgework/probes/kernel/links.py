"""Interfaces, routes and neighbours of the calling thread's namespace, by rtnetlink(7).

Layouts and numbers are the kernel's: linux/if_link.h, if_addr.h, rtnetlink.h, neighbour.h. Names are those of ``ip``.
"""

from __future__ import annotations

import socket
import struct
from collections.abc import Iterator, Mapping

from bridgework.model.observations import Interface, InterfaceAddress, InterfaceCounters, Neighbour, Route
from bridgework.probes.kernel import netlink
from bridgework.probes.kernel.netlink import Limit
from bridgework.probes.kernel.printable import printable

_FAMILIES = {socket.AF_INET: "ipv4", socket.AF_INET6: "ipv6"}
_FAMILY_OF_LENGTH = {4: socket.AF_INET, 16: socket.AF_INET6}
_ANYWHERE = {socket.AF_INET: "0.0.0.0/0", socket.AF_INET6: "::/0"}

_RTM_GETLINK, _RTM_GETADDR, _RTM_GETROUTE, _RTM_GETNEIGH = 18, 22, 26, 30
_LINK, _ADDRESS = struct.Struct("=BxHiII"), struct.Struct("=BBBBI")
_ROUTE, _WAY, _NEIGHBOUR = struct.Struct("=BBBBBBBBI"), struct.Struct("=HBBi"), struct.Struct("=BxxxiHBB")
_COUNTERS = struct.Struct("=8Q")
_NUMBER = struct.Struct("=i")
_IFLA_ADDRESS, _IFLA_IFNAME, _IFLA_MTU, _IFLA_LINK, _IFLA_MASTER, _IFLA_OPERSTATE = 1, 3, 4, 5, 10, 16
_IFLA_LINKINFO, _IFLA_STATS64, _IFLA_LINK_NETNSID, _IFLA_INFO_KIND = 18, 23, 37, 1
_IFA_ADDRESS, _IFA_LOCAL = 1, 2
_RTA_DST, _RTA_OIF, _RTA_GATEWAY, _RTA_PRIORITY, _RTA_PREFSRC, _RTA_MULTIPATH, _RTA_TABLE = 1, 4, 5, 6, 7, 9, 15
_NDA_DST, _NDA_LLADDR = 1, 2

_ARPHRD_LOOPBACK = 772
_RT_TABLE_MAIN = 254
_RTN_UNICAST = 1
_SCOPES = {0: "global", 200: "site", 253: "link", 254: "host", 255: "nowhere"}
_PROTOCOLS = {1: "redirect", 2: "kernel", 3: "boot", 4: "static", 9: "ra", 16: "dhcp"}
_ADDRESS_FLAGS = {0x02: "nodad", 0x04: "optimistic", 0x08: "dadfailed", 0x20: "deprecated", 0x40: "tentative"}
_FLAGS = {
    0x1: "up",
    0x2: "broadcast",
    0x8: "loopback",
    0x10: "point-to-point",
    0x80: "no-arp",
    0x100: "promiscuous",
    0x1000: "multicast",
    0x10000: "lower-up",
}
_OPERSTATES = ("unknown", "notpresent", "down", "lowerlayerdown", "testing", "dormant", "up")
_NEIGHBOUR_STATES = {
    0x01: "incomplete",
    0x02: "reachable",
    0x04: "stale",
    0x08: "delay",
    0x10: "probe",
    0x20: "failed",
    0x80: "permanent",
}
Attributes = Mapping[int, bytes]


def interfaces(sock: socket.socket, limit: Limit | None = None) -> tuple[Interface, ...]:
    """Every link with its addresses, in the order of their indexes."""
    addresses: dict[int, list[InterfaceAddress]] = {}
    for body in netlink.dump(sock, _RTM_GETADDR, _ADDRESS.pack(socket.AF_UNSPEC, 0, 0, 0, 0), limit):
        family, prefix_len, flags, scope, index = _ADDRESS.unpack_from(body)
        found = netlink.attributes(body, _ADDRESS.size)
        address = _address(found.get(_IFA_LOCAL) or found.get(_IFA_ADDRESS))
        if family in _FAMILIES and address is not None:
            addresses.setdefault(index, []).append(
                InterfaceAddress(
                    address,
                    prefix_len,
                    _FAMILIES[family],
                    _SCOPES.get(scope, str(scope)),
                    tuple(name for bit, name in _ADDRESS_FLAGS.items() if flags & bit and family == socket.AF_INET6),
                )
            )
    bodies = netlink.dump(sock, _RTM_GETLINK, _LINK.pack(0, 0, 0, 0, 0), limit)
    links = (_interface(body, addresses) for body in bodies)
    return tuple(sorted(links, key=lambda link: link.index))


def _interface(body: bytes, addresses: Mapping[int, list[InterfaceAddress]]) -> Interface:
    _, hardware, index, flags, _ = _LINK.unpack_from(body)
    found = netlink.attributes(body, _LINK.size)
    kind = _text(netlink.attributes(found.get(_IFLA_LINKINFO, b"")).get(_IFLA_INFO_KIND))
    plain = "loopback" if hardware == _ARPHRD_LOOPBACK else "device"
    state = found.get(_IFLA_OPERSTATE, b"\0")[0]
    return Interface(
        index=index,
        name=_text(found.get(_IFLA_IFNAME)),
        kind=kind or plain,
        mac_address=_mac_address(found.get(_IFLA_ADDRESS)),
        mtu_bytes=_number(found.get(_IFLA_MTU)) or 0,
        state=_OPERSTATES[state] if state < len(_OPERSTATES) else "unknown",
        flags=tuple(name for bit, name in _FLAGS.items() if flags & bit),
        addresses=tuple(addresses.get(index, ())),
        counters=_counters(found.get(_IFLA_STATS64)),
        peer_index=_number(found.get(_IFLA_LINK)) if kind == "veth" else None,
        peer_namespace_id=_number(found.get(_IFLA_LINK_NETNSID)),
        master_index=_number(found.get(_IFLA_MASTER)),
    )


def _counters(stats: bytes | None) -> InterfaceCounters | None:
    if not stats:
        return None
    rx, tx, rx_bytes, tx_bytes, rx_errors, tx_errors, rx_dropped, tx_dropped = _COUNTERS.unpack_from(stats)
    return InterfaceCounters(rx_bytes, rx, rx_errors, rx_dropped, tx_bytes, tx, tx_errors, tx_dropped)


def routes(sock: socket.socket, limit: Limit | None = None) -> tuple[Route, ...]:
    """The unicast routes of the main table; a route over several ways gives one for each."""
    names = _Names()
    return tuple(
        route
        for family in _FAMILIES
        for body in netlink.dump(sock, _RTM_GETROUTE, _ROUTE.pack(family, 0, 0, 0, 0, 0, 0, 0, 0), limit)
        for route in _routes(body, names)
    )


class _Names:
    """The names of interfaces by index, each asked for once: not all interfaces for a single route."""

    def __init__(self) -> None:
        self._known: dict[int, str | None] = {}

    def get(self, index: int) -> str | None:
        """The name; ``None`` when there is no such interface any more."""
        if index not in self._known:
            try:
                self._known[index] = printable(socket.if_indextoname(index))
            except OSError:
                self._known[index] = None
        return self._known[index]


def _routes(body: bytes, names: _Names) -> Iterator[Route]:
    family, length, _, _, table, protocol, scope, kind, _ = _ROUTE.unpack_from(body)
    found = netlink.attributes(body, _ROUTE.size)
    if kind != _RTN_UNICAST or (_number(found.get(_RTA_TABLE)) or table) != _RT_TABLE_MAIN:
        return
    destination = _address(found.get(_RTA_DST))
    for interface, gateway in _ways(found):
        yield Route(
            destination=f"{destination}/{length}" if destination else _ANYWHERE[family],
            family=_FAMILIES[family],
            gateway=_address(gateway),
            interface=None if interface is None else names.get(interface),
            preferred_source=_address(found.get(_RTA_PREFSRC)),
            scope=_SCOPES.get(scope, str(scope)),
            protocol=_PROTOCOLS.get(protocol, str(protocol)),
            metric=_number(found.get(_RTA_PRIORITY)),
        )


def _ways(found: Attributes) -> Iterator[tuple[int | None, bytes | None]]:
    """The interface and the gateway of each way; ``RTA_MULTIPATH`` lists several, each with attributes of its own."""
    several = found.get(_RTA_MULTIPATH)
    if several is None:
        yield _number(found.get(_RTA_OIF)), found.get(_RTA_GATEWAY)
        return
    at = 0
    while at + _WAY.size <= len(several):
        length, _, _, interface = _WAY.unpack_from(several, at)
        yield interface, netlink.attributes(several[at : at + length], _WAY.size).get(_RTA_GATEWAY)
        at += max((length + 3) & ~3, _WAY.size)


def neighbours(sock: socket.socket, limit: Limit | None = None) -> tuple[Neighbour, ...]:
    """The ARP and NDP entries; those that need no resolving (multicast) are left out, as ``ip neigh`` does."""
    names = _Names()
    return tuple(
        neighbour
        for family in _FAMILIES
        for body in netlink.dump(sock, _RTM_GETNEIGH, _NEIGHBOUR.pack(family, 0, 0, 0, 0), limit)
        if (neighbour := _neighbour(body, names)) is not None
    )


def _neighbour(body: bytes, names: _Names) -> Neighbour | None:
    _, interface, state, _, _ = _NEIGHBOUR.unpack_from(body)
    found = netlink.attributes(body, _NEIGHBOUR.size)
    address = _address(found.get(_NDA_DST))
    if state not in _NEIGHBOUR_STATES or address is None:
        return None
    link_address = _mac_address(found.get(_NDA_LLADDR))
    return Neighbour(address, link_address, names.get(interface) or str(interface), _NEIGHBOUR_STATES[state])


def _address(packed: bytes | None) -> str | None:
    return socket.inet_ntop(_FAMILY_OF_LENGTH[len(packed)], packed) if packed else None


def _mac_address(packed: bytes | None) -> str | None:
    return packed.hex(":") if packed else None


def _number(data: bytes | None) -> int | None:
    return _NUMBER.unpack_from(data)[0] if data else None


def _text(data: bytes | None) -> str:
    return printable((data or b"").rstrip(b"\0").decode(errors="replace"))
