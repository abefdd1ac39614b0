"""Which ports of containers may be asked for, from where, and at which address.

A published port is asked for at the host's address, as a client would. Each port is also asked for at the container's
own address, as a neighbour can that has a route to it by the host.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from ipaddress import IPv4Network, IPv6Network, ip_network

from bridgework.analysis.attachment import IPV4, EngineState, parsed, version_of
from bridgework.analysis.routing import gateway_mode, host_address_on, subnet_of
from bridgework.model.observations import HostObservation, Interface
from bridgework.model.snapshot import Container, Endpoint, Network, PublishedPort, Snapshot
from bridgework.policy.host_ports import overlap

TRANSPORTS = frozenset({"tcp", "udp"})
_WILDCARDS = frozenset({"", "0.0.0.0", "::"})
_ROUTED = "routed"


class OriginKind(StrEnum):
    """Where a packet comes from: a neighbour on a link of the host, the host itself, or a container on a network."""

    LAN = "lan"
    HOST = "host"
    NETWORK = "network"


@dataclass(frozen=True, slots=True)
class Origin:
    """One place from which a port may be reachable.

    ``name`` is the host's interface, the network, or ``host``; ``interface`` is the one by which the packet comes to
    the host. ``source`` is an address at that place, ``own`` the host's address that a client there would use.
    """

    kind: OriginKind
    name: str
    version: int
    interface: str | None = None
    source: str | None = None
    own: str | None = None


@dataclass(frozen=True, slots=True)
class Target:
    """One port of a container: as it is published, or at the container's own address (``published`` is ``None``)."""

    container: Container
    endpoint: Endpoint
    network: Network
    port: int
    protocol: str
    published: PublishedPort | None = None


@dataclass(frozen=True, slots=True)
class Question:
    """A target, asked for from one place. ``address`` and ``port`` are what a client there asks for."""

    target: Target
    origin: Origin
    address: str
    port: int


def questions(targets: Iterable[Target], origins: Iterable[Origin]) -> Iterator[Question]:
    """Yield each target with each origin that has an address to ask for it."""
    places = tuple(origins)
    for target in targets:
        for origin in places:
            asked = _asked(target, origin)
            if asked is not None:
                yield Question(target, origin, *asked)


def lan_origins(snapshot: Snapshot, host: HostObservation) -> Iterator[Origin]:
    """Yield the links of the host that are not Docker's, with a neighbour on each, for each family."""
    bridges = {network.bridge_name for network in snapshot.networks if network.bridge_name}
    interfaces = host.observation.interfaces or ()
    ports = {i.index for i in interfaces if i.name in bridges}
    for interface in interfaces:
        if interface.name in bridges or interface.master_index in ports or interface.kind == "loopback":
            continue
        for version in (4, 6):
            yield from _neighbour(interface, version)


def origins_of(snapshot: Snapshot, host: HostObservation | None) -> Iterator[Origin]:
    """Yield the links of the host, the host itself, and each bridge network with a running container.

    Each comes once for each family that it has. Without ``host`` the links are not known.
    """
    if host is not None:
        yield from lan_origins(snapshot, host)
    for version in (4, 6):
        yield Origin(OriginKind.HOST, "host", version, own="127.0.0.1" if version == IPV4 else "::1")
    for network in snapshot.networks:
        inhabited = network.bridge_name and any(e.state == "active" for e in snapshot.endpoints_of(network))
        for pool in network.pools if inhabited else ():
            subnet = subnet_of(pool)
            if subnet is not None:
                own = host_address_on(snapshot, network, subnet.version)
                source = _another(subnet, own)
                yield Origin(OriginKind.NETWORK, network.name, subnet.version, network.bridge_name, source, own)


def _neighbour(interface: Interface, version: int) -> Iterator[Origin]:
    for held in interface.addresses:
        if held.scope == "global" and version_of(held.address) == version:
            subnet = ip_network(f"{held.address}/{held.prefix_len}", strict=False)
            source = _another(subnet, held.address)
            yield Origin(OriginKind.LAN, interface.name, version, interface.name, source, held.address)
            return


def _another(subnet: IPv4Network | IPv6Network, own: str | None) -> str | None:
    """Return an address of the subnet that is not the host's; the last ones are the least likely to be in use."""
    last = subnet.num_addresses - 1
    found = (str(subnet[index]) for index in (last - 1, last - 2, last) if index >= 0)
    return next((address for address in found if address != own), None)


def published_targets(snapshot: Snapshot, containers: Iterable[Container] | None = None) -> Iterator[Target]:
    """Yield the ports that running containers publish at the host, each with its first bridge endpoint."""
    for container in snapshot.containers if containers is None else containers:
        for port in _published(container):
            found = next(_bridge_endpoints(snapshot, container), None)
            if port.host_port is not None and found is not None:
                yield Target(container, *found, port.container_port, port.protocol, port)


def direct_targets(state: EngineState, containers: Iterable[Container] | None = None) -> Iterator[Target]:
    """Yield all ports of running containers at their own addresses: those that are published, and those that are open.

    A port is open if a program in the container listens on it, at another address than loopback.
    """
    snapshot = state.snapshot
    for container in snapshot.containers if containers is None else containers:
        # The sockets of a container that shares a network are those of the owner.
        if not container.running or container.shares_with:
            continue
        seen = state.observations.inside.get(container.id)
        ports = {
            (one.port, one.protocol)
            for one in (seen.sockets or () if seen else ())
            if one.protocol in TRANSPORTS and not is_loopback(one.address)
        } | {(one.container_port, one.protocol) for one in _published(container)}
        for endpoint, network in _bridge_endpoints(snapshot, container):
            for port, protocol in sorted(ports):
                yield Target(container, endpoint, network, port, protocol)


def unpublished_targets(state: EngineState, containers: Iterable[Container] | None = None) -> Iterator[Target]:
    """Yield the open ports that are not published, at the containers' own addresses."""
    for target in direct_targets(state, containers):
        if not target.container.publishes(target.port, target.protocol):
            yield target


def is_loopback(address: str) -> bool:
    """Return whether the text is a loopback address."""
    found = parsed(address)
    return found is not None and found.is_loopback


def _published(container: Container) -> Iterator[PublishedPort]:
    # What a container on another node of the swarm publishes, this host does not translate.
    if container.running and container.node is None:
        yield from (port for port in container.published_ports if port.protocol in TRANSPORTS)


def _bridge_endpoints(snapshot: Snapshot, container: Container) -> Iterator[tuple[Endpoint, Network]]:
    for endpoint in container.endpoints:
        network = snapshot.networks_by_id.get(endpoint.network_id)
        if endpoint.state == "active" and network is not None and network.bridge_name:
            yield endpoint, network


def _asked(target: Target, origin: Origin) -> tuple[str, int] | None:
    """Return the address and port that a client at the origin asks for; ``None`` where there is none to ask."""
    port = target.published
    if port is None:
        own = target.endpoint.ipv4_address if origin.version == IPV4 else target.endpoint.ipv6_address
        # The members of one network reach each other by design.
        return (own, target.port) if own and origin.interface != target.network.bridge_name else None
    # In gateway mode routed the engine translates nothing: the port is open at the container's own address.
    if gateway_mode(target.network, origin.version) == _ROUTED or port.host_port is None:
        return None
    if port.host_ip not in _WILDCARDS:
        # A neighbour can send a packet to 127.0.0.1 by the host's MAC address. The kernel drops such a packet at the
        # routing decision (martian), but a DNAT rule changes its address before (moby#45610). Any other address of the
        # host answers on each of its links.
        held = parsed(port.host_ip)
        return (port.host_ip, port.host_port) if held is not None and held.version == origin.version else None
    if origin.own is None or not overlap(port.host_ip, origin.own):
        return None
    return origin.own, port.host_port
