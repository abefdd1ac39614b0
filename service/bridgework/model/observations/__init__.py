"""What was observed on the host and in network namespaces, beside what the engine says.

Names follow the kernel's (rtnetlink(7), proc(5)). What was not observed is ``None``, never an empty tuple.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from bridgework.model.checks import Limitation
from bridgework.model.observations.firewall import (
    IPV4,
    DockerRules,
    FirewallChain,
    FirewallRules,
    FirewallSetting,
    IpSet,
)
from bridgework.model.observations.host import (
    AdvertisedLink,
    ConntrackTable,
    Flow,
    ForwardingEntry,
    HostObservation,
    LinkManager,
    NdpProxies,
    ProxyProcess,
)
from bridgework.model.observations.namespace import (
    MAPPED,
    BridgePort,
    Interface,
    InterfaceAddress,
    InterfaceCounters,
    ListeningSocket,
    Neighbour,
    NeighbourTable,
    Observation,
    ResolverConfiguration,
    Route,
    XfrmPolicy,
)
from bridgework.model.observations.routes import (
    MAIN_TABLE,
    InterfaceSetting,
    PolicyRule,
    RouteAnswer,
    RouteQuestion,
    Routing,
    TableRoute,
)

__all__ = [
    "IPV4",
    "MAIN_TABLE",
    "MAPPED",
    "NOTHING_SEEN",
    "AdvertisedLink",
    "BridgePort",
    "ConntrackTable",
    "DockerRules",
    "EngineObservations",
    "FirewallChain",
    "FirewallRules",
    "FirewallSetting",
    "Flow",
    "ForwardingEntry",
    "HostObservation",
    "Interface",
    "InterfaceAddress",
    "InterfaceCounters",
    "InterfaceSetting",
    "IpSet",
    "LinkManager",
    "ListeningSocket",
    "NdpProxies",
    "Neighbour",
    "NeighbourTable",
    "Observation",
    "Observations",
    "PolicyRule",
    "ProxyProcess",
    "ResolverConfiguration",
    "Route",
    "RouteAnswer",
    "RouteQuestion",
    "Routing",
    "TableRoute",
    "XfrmPolicy",
]


@dataclass(frozen=True, slots=True)
class Observations:
    """What was observed for one question, beside the snapshot.

    A field that is ``None`` was not observed, and the analysis says so (``analysis-limited``).

    ``namespace_inodes`` maps a full container id to the inode of the network namespace that its process is in. For a
    container in mode ``container:X`` it has both the container and X. ``inside`` maps a full container id to what was
    observed inside. ``limited`` are the parts that could not be observed. ``ipv4_firewall`` and
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
    limited: tuple[Limitation, ...] = ()
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
