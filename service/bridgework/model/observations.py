"""What was observed on the host and in network namespaces, beside what the engine says.

Names follow the kernel's (rtnetlink(7), proc(5)). What was not observed is ``None``, never an empty tuple.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any


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
class Interface:
    """A link. ``kind`` is rtnetlink's (``veth``, ``bridge``, ``macvlan``, ``loopback``, ``device``…).

    ``peer_index`` is the index of a veth's other end, in the namespace ``peer_namespace_id`` (an id local to this
    namespace; ``None`` when the peer is in the same one). ``master_index`` is the bridge it is a port of.
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
class Flow:
    """An entry of connection tracking: the first packet's ends, and those of the answer.

    Without translation the answer's source is the first packet's destination.
    """

    protocol: str
    source: str
    source_port: int
    destination: str
    destination_port: int
    answer_source: str
    answer_source_port: int
    answer_destination: str
    answer_destination_port: int


@dataclass(frozen=True, slots=True)
class ConntrackTable:
    """How full connection tracking is; ``dropped`` are the packets that it refused since the start."""

    limit: int
    in_use: int
    dropped: int = 0


@dataclass(frozen=True, slots=True)
class ProxyProcess:
    """A docker-proxy process: the port of the host that it holds, and where it connects to."""

    pid: int
    protocol: str
    host_ip: str
    host_port: int
    container_ip: str
    container_port: int


IPV4 = 4
MAIN_TABLE = 254
"""The routing table that ``ip route`` shows (rtnetlink(7), RT_TABLE_MAIN)."""
_MAY_BE_TRUNCATED = ("interfaces", "routes", "neighbours", "sockets")
MAPPED = "::ffff:"
"""An IPv6 socket bound to an IPv4 address, as Java binds them, is listed as ``::ffff:10.0.0.2`` (RFC 4291, 2.5.5.2)."""


@dataclass(frozen=True, slots=True)
class ListeningSocket:
    """A socket that waits: TCP in LISTEN, UDP bound and unconnected.

    ``ipv6_only`` is the socket option ``IPV6_V6ONLY``: an IPv6 socket with it takes no IPv4.
    """

    protocol: str
    family: str
    address: str
    port: int
    process: str | None = None
    pid: int | None = None
    ipv6_only: bool = False


@dataclass(frozen=True)
class ResolverConfiguration:
    """resolv.conf(5) and hosts(5) as the container has them. ``upstreams`` are the embedded server's own servers.

    ``host_file`` is the host's file that the engine made its resolv.conf from, and ``configured`` says that the servers
    come from a setting instead; both as the engine's comments in the file say. Without these comments, ``host_file`` is
    ``None``: another program wrote the file.

    ``truncated`` says that the files hold more than this: what is read of a container's files is bounded.
    """

    nameservers: tuple[str, ...] = ()
    search: tuple[str, ...] = ()
    options: tuple[str, ...] = ()
    hosts: tuple[tuple[str, tuple[str, ...]], ...] = ()
    upstreams: tuple[str, ...] = ()
    host_file: str | None = None
    configured: bool = False
    truncated: bool = False

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

    ``truncated`` names the fields of which the namespace holds more than what was read. ``embedded_dns`` says whether
    anything takes a datagram to 127.0.0.11, port 53.
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

    def whole(self) -> Observation:
        """Return the observation without its truncated fields: a part cannot show what is missing."""
        if not self.truncated:
            return self
        cut: dict[str, Any] = {name: None for name in _MAY_BE_TRUNCATED if name in self.truncated}
        return replace(self, truncated=(), **cut)


@dataclass(frozen=True, slots=True)
class FirewallChain:
    """A chain of iptables as counted now; rules are ``(packets, bytes, text)``."""

    table: str
    name: str
    policy: str | None
    rules: tuple[tuple[int, int, str], ...]


@dataclass(frozen=True, slots=True)
class IpSet:
    """A set of ipset: its type as ``kind``, such as ``hash:ip,port``, and its entries as ``ipset save`` prints them.

    ``version`` is the IP version of its addresses; ``None`` where it has none.
    """

    name: str
    kind: str
    version: int | None
    entries: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class FirewallSetting:
    """Whether the engine's settings let it write its IPv4 rules (``iptables``); ``source`` is the file that says so."""

    writes: bool
    source: str


@dataclass(frozen=True, slots=True)
class DockerRules:
    """What the engine keeps on its host to forward packets; ``None`` where it was not visible.

    ``ipv4`` and ``ipv6`` say whether its firewall rules for the family exist and are called. ``nftables`` says whether
    they are native nftables rules (table ``docker-bridges``). ``skips_loopback`` says whether its NAT rules leave the
    host's loopback to docker-proxy. ``proxies`` is the number of docker-proxy processes. ``setting`` is what the
    engine's settings say.
    """

    ipv4: bool | None = None
    ipv6: bool | None = None
    nftables: bool = False
    skips_loopback: bool | None = None
    proxies: int | None = None
    setting: FirewallSetting | None = None

    @property
    def is_off(self) -> bool:
        """Whether the engine is configured to write no IPv4 rules."""
        return self.setting is not None and not self.setting.writes


# Compared and hashed by identity: while nothing changes, every question gets the same object. So what is derived from
# it (parsed rules, walks of packets) is kept by the object itself.
@dataclass(frozen=True, slots=True, eq=False)
class FirewallRules:
    """The rules in force on the engine's host, and the switches that decide which packets meet them.

    ``chains`` are those of iptables, ``ipv6_chains`` those of ip6tables. ``native_rules`` are the tables that were
    written to nftables directly, as ``nft --json list table`` prints them: ``""`` where there are none. ``switches``
    are sysctls of forwarding and of br_netfilter; one that does not exist is left out. ``docker`` says which of the
    engine's own rules are in force. ``other_chains`` are those of the other variant of iptables (legacy beside
    nf_tables, or the reverse), each with the program that changes it, such as ``ip6tables-legacy``: ``None`` where it
    has rules that could not be read. ``sets`` are the sets of ipset that rules compare: ``None`` where they could not
    be read. ``state`` differs after every change; ``None`` where the kernel does not tell it.
    """

    chains: tuple[FirewallChain, ...] | None = None
    ipv6_chains: tuple[FirewallChain, ...] | None = None
    native_rules: str | None = None
    switches: tuple[tuple[str, str], ...] = ()
    docker: DockerRules = DockerRules()
    state: str | None = None
    other_chains: tuple[tuple[str, FirewallChain], ...] | None = ()
    sets: tuple[IpSet, ...] | None = ()

    def chains_of(self, version: int) -> tuple[FirewallChain, ...] | None:
        """Return the chains of iptables or of ip6tables."""
        return self.chains if version == IPV4 else self.ipv6_chains

    def switch(self, name: str) -> bool | None:
        """Return whether a switch is on; ``None`` where it does not exist or was not seen."""
        value = dict(self.switches).get(name)
        return None if value is None else value != "0"


@dataclass(frozen=True, slots=True)
class ForwardingEntry:
    """A station that a bridge has learnt: the MAC address is behind the ``port`` of the ``bridge``."""

    mac_address: str
    port: str
    bridge: str


@dataclass(frozen=True, slots=True)
class LinkManager:
    """A program that configures a link of the host: systemd-networkd with its .network file, or NetworkManager."""

    interface: str
    program: str
    pid: int
    file: str | None = None


@dataclass(frozen=True, slots=True)
class AdvertisedLink:
    """A link of the host that has an IPv6 address from a router advertisement, and its settings for more of them."""

    interface: str
    accept_ra: int
    forwarding: bool


@dataclass(frozen=True, slots=True)
class NdpProxies:
    """Who on the host answers neighbour solicitations (NDP, RFC 4861) for addresses that are not the host's own.

    ``entries`` are the kernel's proxy entries, as ``ip -6 neigh show proxy`` prints them: the address, and the
    interface on which the host answers for it (``None``: on each). The kernel uses them on the interfaces in
    ``enabled``, which have the sysctl ``proxy_ndp``; ``all`` there stands for each interface. ``programs`` are
    processes that answer instead of the kernel, such as ndppd.
    """

    entries: tuple[tuple[str, str | None], ...] = ()
    enabled: tuple[str, ...] = ()
    programs: tuple[str, ...] = ()

    def is_enabled(self, interface: str) -> bool:
        """Return whether the kernel uses its entries on this interface."""
        return not {"all", interface}.isdisjoint(self.enabled)

    def has_entry(self, address: str, interface: str) -> bool:
        """Return whether the kernel has an entry for the address that holds on this interface."""
        return not {(address, interface), (address, None)}.isdisjoint(self.entries)


@dataclass(frozen=True, slots=True)
class HostObservation:
    """What was observed of the engine's host, apart from its firewall: its namespace and forwarding.

    ``forwarding_entries`` are the learnt stations of all bridges. ``name_servers`` are the files of the host that the
    engine reads name servers from, each with its servers; empty where the files were not visible.
    ``flows`` are the UDP entries of connection tracking, ``proxies`` the docker-proxy processes, ``ndp_proxies`` what
    answers neighbour solicitations for others.
    """

    observation: Observation
    ipv4_forwarding: bool | None = None
    ipv6_forwarding: bool | None = None
    forwarding_entries: tuple[ForwardingEntry, ...] = ()
    managers: tuple[LinkManager, ...] = ()
    advertised_links: tuple[AdvertisedLink, ...] = ()
    name_servers: tuple[tuple[str, tuple[str, ...]], ...] = ()
    flows: tuple[Flow, ...] | None = None
    conntrack: ConntrackTable | None = None
    proxies: tuple[ProxyProcess, ...] | None = None
    ndp_proxies: NdpProxies | None = None


@dataclass(frozen=True, slots=True)
class RouteQuestion:
    """A packet on the engine's host, and the interface by which it should leave.

    ``source`` and ``incoming`` (an interface) are ``None`` for a packet that the host sends. ``expected`` is ``None``
    where the host itself should take the packet. Ports are those of the packet after translation.
    """

    version: int
    destination: str
    source: str | None = None
    incoming: str | None = None
    expected: str | None = None
    mark: int = 0
    protocol: str | None = None
    source_port: int | None = None
    destination_port: int | None = None


@dataclass(frozen=True, slots=True)
class RouteAnswer:
    """What the kernel does with the packet of a ``RouteQuestion`` instead of what was expected.

    It leaves by ``interface``, or the kernel drops it for the reason in ``error``. ``route`` is the destination of the
    route that decides, in ``table``. ``rule`` is the policy rule that leads to this table, as ``ip rule`` prints it
    behind its ``priority``; ``None`` where only the kernel's three default rules decide.

    ``reverse_path_filter`` is the sysctl of the filter that drops the packet, with its value (1 is strict, 2 is loose).
    Then the other fields describe the route back to the packet's source, and ``file`` is the file that sets the sysctl.
    """

    interface: str | None = None
    gateway: str | None = None
    table: int = MAIN_TABLE
    route: str | None = None
    rule: str | None = None
    priority: int | None = None
    error: str | None = None
    reverse_path_filter: tuple[str, int] | None = None
    file: str | None = None


@dataclass(frozen=True, slots=True)
class Observations:
    """What was observed for one question, beside the snapshot.

    A field that is ``None`` was not observed, and the analysis says so (``analysis-limited``).

    ``namespace_inodes`` maps a full container id to the inode of the network namespace that its process is in. For a
    container in mode ``container:X`` it has both the container and X. ``inside`` maps a full container id to what was
    observed inside. ``limited`` are the parts that could not be observed, as phrases. ``ipv4_firewall`` and
    ``ipv6_firewall`` say whether the engine's own rules exist for that family (``iptables`` and ``ip6tables`` of
    daemon.json). ``userland_proxy`` says whether docker-proxy serves published ports. ``engine_version`` is major and
    minor, zeros where unknown. ``nftables`` says whether the engine writes native nftables rules
    (``firewall-backend``). ``podman`` says whether the engine is Podman. ``unsettled`` maps the IPv6 addresses that a
    kernel did not use, before or after the probe (``InterfaceAddress.is_unsettled``). ``firewall`` are the rules in
    force on the engine's host. ``routes`` has the packets that the host's kernel routes otherwise than expected.
    """

    namespace_inodes: Mapping[str, int] = field(default_factory=dict)
    inside: Mapping[str, Observation] = field(default_factory=dict)
    host: HostObservation | None = None
    firewall: FirewallRules | None = None
    limited: tuple[str, ...] = ()
    ipv4_firewall: bool | None = None
    ipv6_firewall: bool | None = None
    userland_proxy: bool | None = None
    engine_version: tuple[int, int] = (0, 0)
    nftables: bool = False
    podman: bool = False
    unsettled: Mapping[str, InterfaceAddress] = field(default_factory=dict)
    routes: Mapping[RouteQuestion, RouteAnswer] = field(default_factory=dict)

    def guards(self, version: int) -> bool | None:
        """Whether the engine's firewall rules exist for IPv4 or IPv6; ``None`` where that is unknown."""
        # Every engine writes IPv4 rules unless it is told not to, so without an observation they count as existing. For
        # IPv6 the default changed with Docker 27, and an option changes it, so it is not guessed.
        return self.ipv4_firewall is not False if version == IPV4 else self.ipv6_firewall


NOTHING_SEEN = Observations()


@dataclass(frozen=True, slots=True)
class EngineObservations:
    """What was observed of a whole engine for its diagnosis, beside the snapshot.

    ``network_endpoint_ids`` maps a network id to the container ids (or ``ep-…`` keys) that the engine lists in it, so
    that endpoints without a container can be found. ``default_pools`` are ``(base CIDR, prefix length)`` of the
    engine's address pools.
    """

    observations: Observations = NOTHING_SEEN
    network_endpoint_ids: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    default_pools: tuple[tuple[str, int], ...] = ()
