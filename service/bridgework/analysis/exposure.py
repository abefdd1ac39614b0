"""From where each port of each container is reachable: packets from outside, led through the rules in force.

The packets are simulated, never sent. A published port is asked for at the host's address, as a client would, and an
unpublished one at the container's own address, as a neighbour would that has a route to it by the host.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from enum import StrEnum
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network

from bridgework.analysis.attachment import IPV4, EngineState, version_of
from bridgework.analysis.host_rules import HostRoutes, ruleset_of_host
from bridgework.analysis.routing import host_address_on, subnet_of
from bridgework.firewall import simulate
from bridgework.firewall.ruleset import Hook, Packet, Ruleset
from bridgework.firewall.simulate import Outcome, Step
from bridgework.model.checks import Verdict
from bridgework.model.observations import HostObservation, Interface
from bridgework.model.snapshot import Container, Endpoint, Network, PublishedPort, Snapshot
from bridgework.policy.host_ports import overlap

_TRANSPORTS = frozenset({"tcp", "udp"})
_VERDICTS = {
    simulate.ACCEPTED: Verdict.REACHABLE,
    simulate.UNKNOWN: Verdict.INCONCLUSIVE,
}
# What a rule does that lets a packet through, or decides where it goes. A jump or a mark says nothing by itself.
_TOLD = frozenset({"accept", "dnat", "redirect", "masquerade", "snat"})


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
    """One port of a container. ``published`` is ``None`` for a port that is open at the container's address alone."""

    container: Container
    endpoint: Endpoint
    network: Network
    port: int
    protocol: str
    published: PublishedPort | None = None


@dataclass(frozen=True, slots=True)
class Exposure:
    """Whether a port is reachable from one place, and by which rules.

    ``address`` and ``port`` are what a client there asks for. ``by_proxy``: docker-proxy answers at the host. ``rules``
    let the packet through, and ``stopped_by`` stops it. ``refused_by`` is what would stop the packet if a program of
    the host listened there: it is what the host's own firewall was meant to stop.
    """

    target: Target
    origin: Origin
    address: str
    port: int
    verdict: Verdict
    by_proxy: bool = False
    rules: tuple[Step, ...] = ()
    stopped_by: Step | None = None
    refused_by: Step | None = None

    @property
    def is_past_host_firewall(self) -> bool:
        """Whether the port is reachable although the host's firewall closes it for programs of the host."""
        return self.verdict is Verdict.REACHABLE and not self.by_proxy and self.refused_by is not None


def exposures(
    state: EngineState, targets: Iterable[Target], origins: Iterable[Origin] | None = None
) -> Iterator[Exposure]:
    """Yield each target with each origin of its family; nothing where the host's firewall was not observed."""
    host = state.observations.host
    if host is None:
        return
    places = tuple(origins_of(state.snapshot, host) if origins is None else origins)
    worlds = {version: world for version in (4, 6) if (world := _World.of(state, version)) is not None}
    for target in targets:
        for origin in places:
            world = worlds.get(origin.version)
            asked = _asked(target, origin) if world is not None else None
            if world is not None and asked is not None:
                yield world.exposure(target, origin, *asked)


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


def origins_of(snapshot: Snapshot, host: HostObservation) -> Iterator[Origin]:
    """Yield the links of the host, the host itself, and each bridge network, for each family."""
    yield from lan_origins(snapshot, host)
    for version in (4, 6):
        yield Origin(OriginKind.HOST, "host", version, own="127.0.0.1" if version == IPV4 else "::1")
    for network in snapshot.networks:
        for pool in network.pools if network.bridge_name else ():
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
    """Yield the ports that running containers publish, once for each bridge endpoint that has the family."""
    for container in snapshot.containers if containers is None else containers:
        for port in container.published_ports if container.running and container.node is None else ():
            if port.host_port is None or port.protocol not in _TRANSPORTS:
                continue
            found = next(_bridge_endpoints(snapshot, container), None)
            if found is not None:
                yield Target(container, *found, port.container_port, port.protocol, port)


def unpublished_targets(state: EngineState, containers: Iterable[Container] | None = None) -> Iterator[Target]:
    """Yield the ports that programs in running containers listen on, beside loopback, and that are not published."""
    snapshot = state.snapshot
    for container in snapshot.containers if containers is None else containers:
        seen = state.observations.inside.get(container.id) if container.running and not container.shares_with else None
        open_ports = {
            (one.port, one.protocol)
            for one in (seen.sockets or () if seen else ())
            if one.protocol in _TRANSPORTS and not one.address.startswith(("127.", "::1"))
        }
        for endpoint, network in _bridge_endpoints(snapshot, container):
            for port, protocol in sorted(open_ports):
                if not container.publishes(port, protocol):
                    yield Target(container, endpoint, network, port, protocol)


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
    number = port.host_port or 0
    if _is_loopback(port.host_ip):
        # A neighbour can send a packet to 127.0.0.1 by the host's MAC address. The kernel drops such a packet at the
        # routing decision (martian), but a DNAT rule changes its address before (moby#45610).
        return (port.host_ip, number) if version_of(port.host_ip) == origin.version else None
    if origin.own is None or not overlap(port.host_ip, origin.own):
        return None
    return origin.own, number


def _is_loopback(address: str) -> bool:
    try:
        return ip_address(address).is_loopback
    except ValueError:
        return False


@dataclass(frozen=True)
class _World:
    """The rules of one family on the host, and the same without address translation of what comes in."""

    ruleset: Ruleset
    untranslated: Ruleset
    routes: HostRoutes
    state: EngineState

    @classmethod
    def of(cls, state: EngineState, version: int) -> _World | None:
        rules = state.observations.firewall
        ruleset = ruleset_of_host(rules, version) if rules is not None else None
        if ruleset is None:
            return None
        return cls(ruleset, _untranslated(ruleset), HostRoutes(state.snapshot, state.observations), state)

    def exposure(self, target: Target, origin: Origin, address: str, port: int) -> Exposure:
        packet = Packet(
            origin.version,
            target.protocol,
            origin.source,
            address,
            destination_port=port,
            incoming=origin.interface,
        )
        outcome = self._walked(self.ruleset, packet)
        verdict = _VERDICTS.get(outcome.verdict, Verdict.UNREACHABLE)
        by_proxy = False
        if outcome.delivered_locally:
            # Nothing translated the packet. From outside the kernel drops what is for 127.0.0.0/8; docker-proxy answers
            # the rest, where it runs.
            martian = origin.kind is not OriginKind.HOST and _is_loopback(address)
            by_proxy = target.published is not None and not martian
            if martian or (by_proxy and self.state.observations.userland_proxy is False):
                verdict, by_proxy = Verdict.UNREACHABLE, False
        return Exposure(
            target,
            origin,
            address,
            port,
            verdict,
            by_proxy,
            tuple(step for step in outcome.steps if step.effect in _TOLD and step.rule is not None),
            outcome.step if verdict is not Verdict.REACHABLE else None,
            self._refused(origin, replace(packet, destination=origin.own or address)),
        )

    def _refused(self, origin: Origin, packet: Packet) -> Step | None:
        if origin.kind is OriginKind.HOST:
            return None
        outcome = self._walked(self.untranslated, packet)
        return outcome.step if outcome.verdict in {simulate.DROPPED, simulate.REJECTED} else None

    def _walked(self, ruleset: Ruleset, packet: Packet) -> Outcome:
        walk = simulate.output if packet.incoming is None else simulate.forward
        return walk(ruleset, self.routes, packet)


def _untranslated(ruleset: Ruleset) -> Ruleset:
    """Return the rules without the chains that translate what comes in."""
    return Ruleset(
        tuple(
            replace(
                table,
                chains={
                    name: chain
                    for name, chain in table.chains.items()
                    if not (chain.kind == "nat" and chain.hook in {Hook.PREROUTING, Hook.OUTPUT})
                },
            )
            for table in ruleset.tables
        )
    )
