"""What was observed in one network namespace: its links, routes, neighbours, sockets and name resolution."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

from bridgework.model.observations.firewall import FirewallRules
from bridgework.model.observations.routes import Routing

_MAY_BE_TRUNCATED = ("interfaces", "routes", "neighbours", "sockets", "routing", "xfrm")
MAPPED = "::ffff:"
"""An IPv6 socket bound to an IPv4 address, as Java binds them, is listed as ``::ffff:10.0.0.2`` (RFC 4291, 2.5.5.2)."""


@dataclass(frozen=True, slots=True)
class InterfaceAddress:
    """An address of an interface; ``scope`` as ``ip addr`` prints it (``global``, ``link``, ``host``).

    ``flags`` are those of IPv6: ``tentative`` while its kernel looks for a duplicate of the address (duplicate address
    detection, RFC 4862) and does not use it, ``dadfailed`` once it found one, ``nodad`` where it does not look.
    """

    address: str
    prefix_len: int
    family: str
    scope: str
    flags: tuple[str, ...] = ()

    @property
    def is_unsettled(self) -> bool:
        """Whether its kernel neither uses nor answers for the address, for now or for good."""
        return "tentative" in self.flags and "optimistic" not in self.flags


@dataclass(frozen=True, slots=True)
class InterfaceCounters:
    """Totals since the link came up."""

    rx_bytes: int
    rx_packets: int
    rx_errors: int
    rx_dropped: int
    tx_bytes: int
    tx_packets: int
    tx_errors: int
    tx_dropped: int


@dataclass(frozen=True, slots=True)
class BridgePort:
    """What a bridge does with frames at one of its ports. ``state`` is that of spanning tree, such as ``forwarding``.

    An ``is_isolated`` port exchanges no frames with other such ports. An ``is_locked`` one takes frames only from
    stations that the bridge knows there. The other fields say which frames leave by the port that the bridge sends to
    all ports: those for stations that it has not learnt, broadcasts (ARP) and multicasts (neighbour discovery).
    """

    state: str
    is_isolated: bool = False
    is_locked: bool = False
    learns: bool = True
    floods_unknown: bool = True
    floods_broadcasts: bool = True
    floods_multicasts: bool = True


@dataclass(frozen=True, slots=True)
class XfrmPolicy:
    """A policy of XFRM (IPsec) that blocks packets: ``direction`` is ``in``, ``out`` or ``fwd``, the rest are CIDRs."""

    direction: str
    source: str
    destination: str


@dataclass(frozen=True, slots=True)
class Interface:
    """A link. ``kind`` is rtnetlink's (``veth``, ``bridge``, ``macvlan``, ``loopback``, ``device``…).

    ``peer_index`` is the index of a veth's other end, in the namespace ``peer_namespace_id`` (an id local to this
    namespace; ``None`` when the peer is in the same one). ``master_index`` is the bridge it is a port of, and
    ``bridge_port`` what the bridge does there. ``queue`` is the queueing discipline for what leaves, such as
    ``noqueue``. ``arp_ignore`` and ``ipv6_disabled`` are sysctls of the interface.
    """

    index: int
    name: str
    kind: str
    mac_address: str | None
    mtu_bytes: int
    state: str
    flags: tuple[str, ...]
    addresses: tuple[InterfaceAddress, ...]
    counters: InterfaceCounters | None = None
    peer_index: int | None = None
    peer_namespace_id: int | None = None
    master_index: int | None = None
    bridge_port: BridgePort | None = None
    queue: str = ""
    arp_ignore: int = 0
    ipv6_disabled: bool = False

    @property
    def is_set_down(self) -> bool:
        """Whether the link was set down, and does not only lack a carrier."""
        return self.state == "down" and "up" not in self.flags


@dataclass(frozen=True, slots=True)
class Route:
    """A route of the main table; ``destination`` is a CIDR, ``0.0.0.0/0`` or ``::/0`` for the default."""

    destination: str
    family: str
    gateway: str | None
    interface: str | None
    preferred_source: str | None
    scope: str
    protocol: str
    metric: int | None = None


@dataclass(frozen=True, slots=True)
class Neighbour:
    """An entry of the ARP or NDP table; ``state`` is ``reachable``, ``stale``, ``failed``, ``permanent``…"""

    address: str
    mac_address: str | None
    interface: str
    state: str


@dataclass(frozen=True, slots=True)
class NeighbourTable:
    """How full the kernel's ARP table is, over all namespaces together: it refuses what goes beyond the limit."""

    limit: int
    in_use: int


@dataclass(frozen=True, slots=True)
class ListeningSocket:
    """A socket that waits: TCP in LISTEN, UDP bound and unconnected.

    ``ipv6_only`` is the socket option ``IPV6_V6ONLY``: an IPv6 socket with it takes no IPv4. ``interface`` is the only
    one from which it takes packets (``SO_BINDTODEVICE``). Of TCP, ``waiting`` are the connections that the program has
    not accepted yet, where they are more than ``backlog``: then the kernel takes no more. Otherwise both are 0.
    """

    protocol: str
    family: str
    address: str
    port: int
    process: str | None = None
    pid: int | None = None
    ipv6_only: bool = False
    interface: str | None = None
    waiting: int = 0
    backlog: int = 0


@dataclass(frozen=True)
class ResolverConfiguration:
    """resolv.conf(5) and hosts(5) as the container has them. ``upstreams`` are the embedded server's own servers.

    ``host_file`` is the host's file that the engine made its resolv.conf from, and ``configured`` says that the servers
    come from a setting instead; both as the engine's comments in the file say. Without these comments, ``host_file`` is
    ``None``: another program wrote the file.

    ``truncated`` says that the files hold more than this: what is read of a container's files is bounded.
    ``is_engine_copy`` says that the container has no regular file at /etc/resolv.conf, such as a pipe, so that the
    engine's copy was read.
    """

    nameservers: tuple[str, ...] = ()
    search: tuple[str, ...] = ()
    options: tuple[str, ...] = ()
    hosts: tuple[tuple[str, tuple[str, ...]], ...] = ()
    upstreams: tuple[str, ...] = ()
    host_file: str | None = None
    configured: bool = False
    truncated: bool = False
    is_engine_copy: bool = False

    @cached_property
    def addresses_by_name(self) -> Mapping[str, tuple[str, ...]]:
        """The hosts file by name in lower case: its addresses in the file's order.

        Made once: to read through all lines for each name takes time by the square of the container's own file.
        """
        found: dict[str, dict[str, None]] = {}
        for address, names in self.hosts:
            for name in names:
                found.setdefault(name.lower(), {})[address] = None
        return {name: tuple(addresses) for name, addresses in found.items()}

    @property
    def uses_embedded_dns(self) -> bool:
        """Whether it asks Docker's embedded server, ``127.0.0.11``."""
        return "127.0.0.11" in self.nameservers


@dataclass(frozen=True, slots=True)
class Observation:
    """One observation of a namespace: ``inode`` is its identity (``/proc/<pid>/ns/net``).

    ``own_rules`` says whether a container's namespace has firewall rules beside Docker's for its name server.
    ``truncated`` names the fields of which the namespace holds more than what was read. ``embedded_dns`` says whether
    anything takes a datagram to 127.0.0.11, port 53. ``routes`` are those that ``ip route`` shows, ``routing`` is all
    that decides about a packet. ``firewall`` are the rules in force in a container's namespace; those of the host are
    ``Observations.firewall``. ``frame_rules`` are the tables of the families netdev, bridge and arp as nft prints them,
    and ``xfrm`` the policies that block packets.
    """

    inode: int
    interfaces: tuple[Interface, ...] | None = None
    routes: tuple[Route, ...] | None = None
    neighbours: tuple[Neighbour, ...] | None = None
    sockets: tuple[ListeningSocket, ...] | None = None
    resolver: ResolverConfiguration | None = None
    sysctls: tuple[tuple[str, str], ...] = ()
    neighbour_table: NeighbourTable | None = None
    truncated: tuple[str, ...] = ()
    embedded_dns: bool | None = None
    routing: Routing | None = None
    own_rules: bool | None = None
    firewall: FirewallRules | None = None
    frame_rules: str | None = None
    xfrm: tuple[XfrmPolicy, ...] | None = None

    def whole(self) -> Observation:
        """Return the observation without its truncated fields: a part cannot show what is missing."""
        if not self.truncated:
            return self
        cut: dict[str, Any] = {name: None for name in _MAY_BE_TRUNCATED if name in self.truncated}
        return replace(self, truncated=(), **cut)
