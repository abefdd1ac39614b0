"""Reads all that decides in a namespace where its kernel sends a packet."""

from __future__ import annotations

import socket
import struct
from collections.abc import Iterator

from bridgework.model.observations import InterfaceSetting, Routing, TableRoute
from bridgework.probes.kernel import netlink, rtnetlink
from bridgework.probes.kernel.links import InterfaceNames
from bridgework.probes.kernel.netlink import Limit
from bridgework.probes.routes.policy_rules import policy_rules

# linux/netconf.h
_RTM_GETNETCONF, _NETCONF = 82, struct.Struct("=Bxxx")
_IFINDEX, _FORWARDING, _RP_FILTER, _NAMES = 1, 2, 3, {-1: "all", -2: "default"}
# linux/rtnetlink.h. Of the other types, only these decide about packets between containers.
_KINDS = {1: "unicast", 2: "local", 3: "broadcast", 6: "blackhole", 7: "unreachable", 8: "prohibit", 9: "throw"}
_MADE_BY_KERNEL = 2  # RTPROT_KERNEL
_VERSIONS = {socket.AF_INET: 4, socket.AF_INET6: 6}


def routing(sock: socket.socket, limit: Limit | None = None) -> Routing:
    """Read the policy rules, the routes of all tables, and the sysctls of each interface.

    The namespace is that of the socket. Raises like ``netlink.dump``.
    """
    names = InterfaceNames(sock)
    return Routing(
        rules=tuple(rule for version in _VERSIONS.values() for rule in policy_rules(sock, version, limit)),
        routes=tuple(route for family in _VERSIONS for route in _routes(sock, family, names, limit)),
        settings=tuple(_settings(sock, names, limit)),
    )


def _routes(
    sock: socket.socket, family: socket.AddressFamily, names: InterfaceNames, limit: Limit | None
) -> Iterator[TableRoute]:
    none = socket.inet_ntop(family, bytes(16 if family == socket.AF_INET6 else 4))
    for route in rtnetlink.all_routes(sock, family, limit):
        kind = _KINDS.get(route.kind)
        # IPv6 has dead ends that the kernel makes where it has no route.
        if kind is None or (route.kind in rtnetlink.DEAD_ENDS and route.protocol == _MADE_BY_KERNEL):
            continue
        hops = [hop for hop in route.next_hops if not hop.is_dead]
        destination = socket.inet_ntop(family, route.destination) if route.destination else none
        yield TableRoute(
            _VERSIONS[family],
            route.table,
            f"{destination}/{route.prefix_len}",
            kind,
            tuple(name for hop in hops if (name := names.get(hop.interface)) is not None),
            next((socket.inet_ntop(family, hop.gateway) for hop in hops if hop.gateway), None),
            route.metric or 0,
        )


def _settings(sock: socket.socket, names: InterfaceNames, limit: Limit | None) -> Iterator[InterfaceSetting]:
    for body in netlink.dump(sock, _RTM_GETNETCONF, _NETCONF.pack(socket.AF_INET), limit):
        attributes = netlink.attributes(body, _NETCONF.size)
        index = rtnetlink.number(attributes.get(_IFINDEX))
        name = _NAMES.get(index or 0) or names.get(index)
        if name is not None:
            forwarding, filtering = (rtnetlink.number(attributes.get(kind)) or 0 for kind in (_FORWARDING, _RP_FILTER))
            yield InterfaceSetting(name, forwarding != 0, filtering)
