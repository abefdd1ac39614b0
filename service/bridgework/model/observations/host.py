"""What was observed of the engine's host, apart from its firewall and its routing decisions."""

from __future__ import annotations

from dataclasses import dataclass

from bridgework.model.observations.namespace import Observation


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


@dataclass(frozen=True, slots=True)
class ForwardingEntry:
    """A station of a bridge: the MAC address is behind the ``port`` of the ``bridge``.

    The bridge has learnt it, unless it ``is_fixed``: then an entry that was written by hand keeps it there.
    """

    mac_address: str
    port: str
    bridge: str
    is_fixed: bool = False


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
