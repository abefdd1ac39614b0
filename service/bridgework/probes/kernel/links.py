"""Interfaces, routes and neighbours of the calling thread's namespace, with the names that ``ip`` prints.

Layouts and numbers of links are those of linux/if_link.h; the rest is decoded by ``rtnetlink``.
"""

from __future__ import annotations

import socket
import struct
from collections.abc import Iterator, Mapping

from bridgework.model.observations import (
    BridgePort,
    ForwardingEntry,
    Interface,
    InterfaceAddress,
    InterfaceCounters,
    Neighbour,
    Route,
)
from bridgework.printable import printable
from bridgework.probes.kernel import netlink, rtnetlink
from bridgework.probes.kernel.netlink import Limit
from bridgework.probes.kernel.rtnetlink import FAMILY_OF_LENGTH, number

_FAMILIES = {socket.AF_INET: "ipv4", socket.AF_INET6: "ipv6"}
_ANYWHERE = {socket.AF_INET: "0.0.0.0/0", socket.AF_INET6: "::/0"}

_RTM_GETLINK = 18
_LINK = struct.Struct("=BxHiII")
_COUNTERS = struct.Struct("=8Q")
_IFLA_ADDRESS, _IFLA_IFNAME, _IFLA_MTU, _IFLA_LINK, _IFLA_MASTER, _IFLA_OPERSTATE = 1, 3, 4, 5, 10, 16
_IFLA_LINKINFO, _IFLA_STATS64, _IFLA_LINK_NETNSID, _IFLA_INFO_KIND = 18, 23, 37, 1
_IFLA_QDISC, _IFLA_AF_SPEC, _IFLA_INFO_SLAVE_KIND, _IFLA_INFO_SLAVE_DATA = 6, 26, 4, 5
_IFLA_INET_CONF, _IFLA_INET6_CONF = 1, 2
# Positions in the arrays of settings (IPV4_DEVCONF_ARP_IGNORE of linux/ip.h, from 1; DEVCONF_DISABLE_IPV6 of ipv6.h).
_ARP_IGNORE, _DISABLE_IPV6 = 18, 26
# IFLA_BRPORT_… of linux/if_link.h, and the states of a port of linux/if_bridge.h.
_PORT_STATE, _PORT_LEARNING, _PORT_UNICAST, _PORT_MULTICAST, _PORT_BROADCAST, _PORT_ISOLATED, _PORT_LOCKED = (
    1, 8, 9, 27, 30, 33, 39,
)  # fmt: skip
_PORT_STATES = ("disabled", "listening", "learning", "forwarding", "blocking")
_ARPHRD_LOOPBACK = 772
_IFA_F_PERMANENT = 0x80

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


def interfaces(sock: socket.socket, limit: Limit | None = None) -> tuple[Interface, ...]:
    """Return every link with its addresses, in the order of their indexes."""
    addresses: dict[int, list[InterfaceAddress]] = {}
    for address in rtnetlink.addresses(sock, limit):
        addresses.setdefault(address.interface, []).append(_interface_address(address))
    bodies = netlink.dump(sock, _RTM_GETLINK, _LINK.pack(0, 0, 0, 0, 0), limit)
    links = (_interface(body, addresses) for body in bodies)
    return tuple(sorted(links, key=lambda link: link.index))


def _interface_address(address: rtnetlink.Address) -> InterfaceAddress:
    flags = _ADDRESS_FLAGS if address.family == socket.AF_INET6 else {}
    return InterfaceAddress(
        socket.inet_ntop(address.family, address.packed),
        address.prefix_len,
        _FAMILIES[socket.AddressFamily(address.family)],
        _SCOPES.get(address.scope, str(address.scope)),
        _names_of_bits(flags, address.flags),
    )


def _names_of_bits(names: Mapping[int, str], bits: int) -> tuple[str, ...]:
    return tuple(name for bit, name in names.items() if bits & bit)


def _interface(body: bytes, addresses: Mapping[int, list[InterfaceAddress]]) -> Interface:
    _, hardware, index, flags, _ = _LINK.unpack_from(body)
    attributes = netlink.attributes(body, _LINK.size)
    info = netlink.attributes(attributes.get(_IFLA_LINKINFO, b""))
    kind = _text(info.get(_IFLA_INFO_KIND))
    settings = netlink.attributes(attributes.get(_IFLA_AF_SPEC, b""))
    # Only virtual links have a kind (IFLA_INFO_KIND); ``ip`` prints none for the others.
    plain = "loopback" if hardware == _ARPHRD_LOOPBACK else "device"
    state = attributes.get(_IFLA_OPERSTATE, b"\0")[0]
    return Interface(
        index=index,
        name=_text(attributes.get(_IFLA_IFNAME)),
        kind=kind or plain,
        mac_address=_mac_address(attributes.get(_IFLA_ADDRESS)),
        mtu_bytes=number(attributes.get(_IFLA_MTU)) or 0,
        state=_OPERSTATES[state] if state < len(_OPERSTATES) else "unknown",
        flags=_names_of_bits(_FLAGS, flags),
        addresses=tuple(addresses.get(index, ())),
        counters=_counters(attributes.get(_IFLA_STATS64)),
        peer_index=number(attributes.get(_IFLA_LINK)) if kind == "veth" else None,
        peer_namespace_id=number(attributes.get(_IFLA_LINK_NETNSID)),
        master_index=number(attributes.get(_IFLA_MASTER)),
        bridge_port=_bridge_port(info),
        queue=_text(attributes.get(_IFLA_QDISC)),
        arp_ignore=_setting(settings.get(socket.AF_INET), _IFLA_INET_CONF, _ARP_IGNORE),
        ipv6_disabled=_setting(settings.get(socket.AF_INET6), _IFLA_INET6_CONF, _DISABLE_IPV6) != 0,
    )


def _bridge_port(info: Mapping[int, bytes]) -> BridgePort | None:
    if _text(info.get(_IFLA_INFO_SLAVE_KIND)) != "bridge":
        return None
    port = netlink.attributes(info.get(_IFLA_INFO_SLAVE_DATA, b""))
    state = port.get(_PORT_STATE, b"\3")[0]
    return BridgePort(
        _PORT_STATES[state] if state < len(_PORT_STATES) else str(state),
        is_isolated=any(port.get(_PORT_ISOLATED, b"")),
        is_locked=any(port.get(_PORT_LOCKED, b"")),
        # An older kernel does not have all of these settings.
        learns=any(port.get(_PORT_LEARNING, b"\1")),
        floods_unknown=any(port.get(_PORT_UNICAST, b"\1")),
        floods_broadcasts=any(port.get(_PORT_BROADCAST, b"\1")),
        floods_multicasts=any(port.get(_PORT_MULTICAST, b"\1")),
    )


def _setting(family: bytes | None, array: int, position: int) -> int:
    """Return a sysctl of the interface from the array of one address family; 0 where the kernel does not tell it."""
    values = netlink.attributes(family or b"").get(array, b"")
    at = position * 4
    return int.from_bytes(values[at : at + 4], "little") if len(values) >= at + 4 else 0


def _counters(stats: bytes | None) -> InterfaceCounters | None:
    if not stats:
        return None
    rx, tx, rx_bytes, tx_bytes, rx_errors, tx_errors, rx_dropped, tx_dropped = _COUNTERS.unpack_from(stats)
    return InterfaceCounters(rx_bytes, rx, rx_errors, rx_dropped, tx_bytes, tx, tx_errors, tx_dropped)


class InterfaceNames:
    """Names of interfaces by index, each read once: a single route does not need the names of all interfaces."""

    def __init__(self, sock: socket.socket) -> None:
        self._socket = sock
        self._known: dict[int | None, str | None] = {None: None}

    def get(self, index: int | None) -> str | None:
        """Return the name; ``None`` when there is no such interface any more."""
        if index not in self._known:
            self._known[index] = netlink.name_of(self._socket, index or 0)
        return self._known[index]


def routes(sock: socket.socket, limit: Limit | None = None) -> tuple[Route, ...]:
    """Return the unicast routes of the main table; a route with several next hops gives one for each."""
    names = InterfaceNames(sock)
    return tuple(
        route
        for family in _FAMILIES
        for message in rtnetlink.routes(sock, family, limit)
        if message.kind == rtnetlink.RTN_UNICAST
        for route in _routes(message, names)
    )


def _routes(route: rtnetlink.Route, names: InterfaceNames) -> Iterator[Route]:
    family = socket.AddressFamily(route.family)
    destination = _address(route.destination)
    for hop in route.next_hops:
        yield Route(
            destination=f"{destination}/{route.prefix_len}" if destination else _ANYWHERE[family],
            family=_FAMILIES[family],
            gateway=_address(hop.gateway),
            interface=names.get(hop.interface),
            preferred_source=_address(route.preferred_source),
            scope=_SCOPES.get(route.scope, str(route.scope)),
            protocol=_PROTOCOLS.get(route.protocol, str(route.protocol)),
            metric=route.metric,
        )


def neighbours(sock: socket.socket, limit: Limit | None = None) -> tuple[Neighbour, ...]:
    """Return the ARP and NDP entries, without those that need no resolving (multicast), as ``ip neigh`` does."""
    names = InterfaceNames(sock)
    return tuple(
        Neighbour(
            socket.inet_ntop(family, entry.packed),
            _mac_address(entry.link_address),
            names.get(entry.interface) or str(entry.interface),
            _NEIGHBOUR_STATES[entry.state],
        )
        for family in _FAMILIES
        for entry in rtnetlink.neighbours(sock, family, limit)
        if entry.state in _NEIGHBOUR_STATES
    )


def ndp_proxies(sock: socket.socket, limit: Limit | None = None) -> tuple[tuple[str, str | None], ...]:
    """Return the proxy entries of IPv6, as ``ip -6 neigh show proxy`` does: address and interface."""
    names = InterfaceNames(sock)
    return tuple(
        (socket.inet_ntop(socket.AF_INET6, packed), names.get(interface or None))
        for interface, packed in rtnetlink.ndp_proxies(sock, limit)
    )


def forwarding_entries(sock: socket.socket, limit: Limit | None = None) -> tuple[ForwardingEntry, ...]:
    """Return the stations that the bridges have learnt, as ``bridge fdb`` does, without the ports' own addresses."""
    names = InterfaceNames(sock)
    return tuple(
        ForwardingEntry(entry.link_address.hex(":"), port, bridge, entry.is_fixed)
        for entry in rtnetlink.forwarding_entries(sock, limit)
        if (port := names.get(entry.port)) and (bridge := names.get(entry.bridge))
    )


def advertised(sock: socket.socket, limit: Limit | None = None) -> tuple[str, ...]:
    """Return the interfaces that have an IPv6 address from a router advertisement."""
    # The kernel gives such an address the lifetime of its prefix; an address that a user adds is permanent by default.
    names = InterfaceNames(sock)
    links = (
        names.get(address.interface)
        for address in rtnetlink.addresses(sock, limit)
        if address.family == socket.AF_INET6 and address.scope == 0 and not address.flags & _IFA_F_PERMANENT
    )
    return tuple(sorted({name for name in links if name}))


def _address(packed: bytes | None) -> str | None:
    return socket.inet_ntop(FAMILY_OF_LENGTH[len(packed)], packed) if packed else None


def _mac_address(packed: bytes | None) -> str | None:
    return packed.hex(":") if packed else None


def _text(data: bytes | None) -> str:
    return printable((data or b"").rstrip(b"\0").decode(errors="replace"))
