"""Interfaces, routes and neighbours of the calling thread's namespace, by rtnetlink(7)."""

from __future__ import annotations

import socket
from typing import Any

from pyroute2 import IPRoute

from service.core.observations import Interface, InterfaceAddress, InterfaceCounters, Neighbour, Route

_FAMILIES = {socket.AF_INET: "ipv4", socket.AF_INET6: "ipv6"}
_ANYWHERE = {socket.AF_INET: "0.0.0.0/0", socket.AF_INET6: "::/0"}
_ARPHRD_LOOPBACK = 772
_MAIN_TABLE = 254
_UNICAST = 1
_SCOPES = {0: "global", 200: "site", 253: "link", 254: "host", 255: "nowhere"}
_PROTOCOLS = {1: "redirect", 2: "kernel", 3: "boot", 4: "static", 9: "ra", 16: "dhcp"}
_FLAGS = {0x1: "up", 0x2: "broadcast", 0x8: "loopback", 0x10: "point-to-point", 0x80: "no-arp", 0x100: "promiscuous"}
_LATER_FLAGS = {0x1000: "multicast", 0x10000: "lower-up"}
_NEIGHBOUR_STATES = {
    0x01: "incomplete",
    0x02: "reachable",
    0x04: "stale",
    0x08: "delay",
    0x10: "probe",
    0x20: "failed",
    0x80: "permanent",
}
_COUNTERS = ("bytes", "packets", "errors", "dropped")


def interfaces(ipr: IPRoute) -> tuple[Interface, ...]:
    """Every link with its addresses, in the order of their indexes."""
    addresses: dict[int, list[InterfaceAddress]] = {}
    for message in ipr.get_addr():
        if message["family"] in _FAMILIES:
            addresses.setdefault(message["index"], []).append(_address(message))
    links = sorted(ipr.get_links(), key=lambda link: int(link["index"]))
    return tuple(_interface(link, tuple(addresses.get(link["index"], ()))) for link in links)


def _address(message: Any) -> InterfaceAddress:
    return InterfaceAddress(
        address=message.get_attr("IFA_LOCAL") or message.get_attr("IFA_ADDRESS"),
        prefix_len=message["prefixlen"],
        family=_FAMILIES[message["family"]],
        scope=_SCOPES.get(message["scope"], str(message["scope"])),
    )


def _interface(link: Any, addresses: tuple[InterfaceAddress, ...]) -> Interface:
    information = link.get_attr("IFLA_LINKINFO")
    kind = information.get_attr("IFLA_INFO_KIND") if information else None
    plain = "loopback" if link["ifi_type"] == _ARPHRD_LOOPBACK else "device"
    return Interface(
        index=link["index"],
        name=link.get_attr("IFLA_IFNAME"),
        kind=kind or plain,
        mac_address=link.get_attr("IFLA_ADDRESS"),
        mtu_bytes=link.get_attr("IFLA_MTU"),
        state=str(link.get_attr("IFLA_OPERSTATE") or "unknown").lower(),
        flags=tuple(name for bit, name in (_FLAGS | _LATER_FLAGS).items() if link["flags"] & bit),
        addresses=addresses,
        counters=_counters(link.get_attr("IFLA_STATS64")),
        peer_index=link.get_attr("IFLA_LINK") if kind == "veth" else None,
        peer_namespace_id=link.get_attr("IFLA_LINK_NETNSID"),
        master_index=link.get_attr("IFLA_MASTER"),
    )


def _counters(stats: Any) -> InterfaceCounters | None:
    if not stats:
        return None
    return InterfaceCounters(**{f"{way}_{what}": stats[f"{way}_{what}"] for way in ("rx", "tx") for what in _COUNTERS})


def routes(ipr: IPRoute) -> tuple[Route, ...]:
    """The unicast routes of the main table; a route over several ways gives one for each."""
    names = _names(ipr)
    found: list[Route] = []
    for family in _FAMILIES:
        for message in ipr.get_routes(family=family, table=_MAIN_TABLE):
            if message["type"] == _UNICAST:
                found += _routes(message, names)
    return tuple(found)


def _routes(message: Any, names: dict[int, str]) -> list[Route]:
    destination = message.get_attr("RTA_DST")
    ways = message.get_attr("RTA_MULTIPATH") or [message]
    return [
        Route(
            destination=f"{destination}/{message['dst_len']}" if destination else _ANYWHERE[message["family"]],
            family=_FAMILIES[message["family"]],
            gateway=way.get_attr("RTA_GATEWAY"),
            interface=names.get(way["oif"] if "oif" in way else way.get_attr("RTA_OIF")),
            preferred_source=message.get_attr("RTA_PREFSRC"),
            scope=_SCOPES.get(message["scope"], str(message["scope"])),
            protocol=_PROTOCOLS.get(message["proto"], str(message["proto"])),
            metric=message.get_attr("RTA_PRIORITY"),
        )
        for way in ways
    ]


def neighbours(ipr: IPRoute) -> tuple[Neighbour, ...]:
    """The ARP and NDP entries; those that need no resolving (multicast) are left out, as ``ip neigh`` does."""
    names = _names(ipr)
    return tuple(
        Neighbour(
            address=message.get_attr("NDA_DST"),
            mac_address=message.get_attr("NDA_LLADDR"),
            interface=names.get(message["ifindex"], str(message["ifindex"])),
            state=_NEIGHBOUR_STATES[message["state"]],
        )
        for family in _FAMILIES
        for message in ipr.get_neighbours(family=family)
        if message["state"] in _NEIGHBOUR_STATES
    )


def _names(ipr: IPRoute) -> dict[int, str]:
    return {link["index"]: link.get_attr("IFLA_IFNAME") for link in ipr.get_links()}
