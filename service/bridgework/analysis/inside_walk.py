"""The way of a packet inside the namespace of the container that it is delivered to, and of its answer out of there.

The same walk as that of the host leads through the rules there (``host_walk``), and the same lookup through the policy
rules and routes (``route_lookup``).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from ipaddress import ip_address
from itertools import chain

from bridgework.analysis.attachment import EngineState, parsed
from bridgework.analysis.endpoint_links import interface_of_endpoint
from bridgework.analysis.frames import Device, answered, drop_on_the_way, incoming, outgoing
from bridgework.analysis.host_rules import ruleset_of_host
from bridgework.analysis.host_walk import HostWalk, Walked
from bridgework.analysis.route_lookup import RouteLookup
from bridgework.analysis.routing import host_address_on, subnet_of
from bridgework.analysis.rules.ends import End
from bridgework.firewall.frames import Drop
from bridgework.firewall.ruleset import Packet
from bridgework.firewall.simulate import Route
from bridgework.model.observations import FirewallRules, Observation, RouteQuestion
from bridgework.model.snapshot import Network

# Docker's rules for its name server concern no packet from outside.
_NO_RULES = FirewallRules((), (), "")


class WayBack(StrEnum):
    """Where the answer of a container goes. ``UNKNOWN``: to a gateway of which it is not known what it does."""

    RETURNS = "returns"
    DROPPED = "dropped"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Inside:
    """The way of a packet in the container's namespace, and of its answer.

    ``drop`` is a rule for frames that stops one of them. ``is_held`` says whether the namespace has the packet's
    destination. ``returns_by`` is the bridge of the network by which the answer comes back to the host.
    """

    walked: Walked
    drop: Drop | None
    is_held: bool
    way_back: WayBack
    returns_by: str | None


@dataclass(frozen=True, slots=True)
class InsideRoutes:
    """What the simulation asks about routes, answered for a container's namespace."""

    seen: Observation

    def is_local(self, address: str) -> bool:
        """Return whether an interface of the namespace has the address."""
        own = parsed(address)
        if own is None or own.is_loopback:
            return True
        return any(address == held.address for interface in self.seen.interfaces or () for held in interface.addresses)

    def route(self, packet: Packet) -> Route | None:
        """Return whether the packet is for the namespace itself; by which interface others leave is not asked."""
        return Route(None, packet.destination) if self.is_local(packet.destination) else Route("")

    def filters_bridged(self, version: int) -> bool:  # noqa: ARG002 (a container is no bridge)
        """Return whether packets within a bridge meet the rules."""
        return False


def walk_inside(state: EngineState, end: End, lookup: RouteLookup | None, packet: Packet) -> Inside | None:
    """Return the way of a packet inside the container at the end of the way; ``None`` where that was not seen.

    ``lookup`` answers for the routes of its namespace. ``packet`` is what the host delivers. A container has a
    connection table of its own, so that translations of the host mean nothing there.
    """
    seen = end.seen
    rules = _NO_RULES if seen.own_rules is False else seen.firewall
    if rules is None or seen.interfaces is None or lookup is None or seen.frame_rules is None:
        return None
    ruleset = ruleset_of_host(rules, packet.version)
    if ruleset is None:
        return None
    device = Device(end.link.name if end.link is not None else "")
    ends = packet.source, packet.destination, packet.source_port, packet.destination_port
    arriving = Packet(packet.version, packet.protocol, *ends, incoming=device.name)
    routes = InsideRoutes(seen)
    drop = drop_on_the_way(seen.frame_rules, chain(incoming(device, arriving), outgoing(device, answered(arriving))))
    way_back = _way_back(state, end, arriving, lookup)
    return Inside(HostWalk(ruleset, routes).received(arriving), drop, routes.is_local(packet.destination), *way_back)


def _way_back(state: EngineState, end: End, packet: Packet, lookup: RouteLookup) -> tuple[WayBack, str | None]:
    """Return what the namespace's routes do with the answer, and the bridge by which it comes to the host."""
    home = end.network
    # docker-proxy's own packets have no source yet, and come from the host's address on the bridge.
    client = packet.source or host_address_on(state.snapshot, home, packet.version)
    if client is None:
        return WayBack.RETURNS, home.bridge_name
    ports = packet.source_port, packet.destination_port
    there = RouteQuestion(packet.version, packet.destination, client, packet.incoming, None, 0, packet.protocol, *ports)
    refused = lookup.answer(there)
    if refused is not None and refused.reverse_path_filter is not None:
        return WayBack.DROPPED, None
    back = RouteQuestion(packet.version, client, packet.destination, None, None, 0, packet.protocol, *reversed(ports))
    decision = lookup.decide(back)
    if decision is None or decision.route is None or decision.dead_end is not None:
        return WayBack.DROPPED, None
    if decision.is_local:
        return WayBack.DROPPED, None  # the client has an address of the container
    networks = _networks_of(state, end, decision.route.interfaces)
    gateway = decision.route.gateway
    for network in networks:
        own = host_address_on(state.snapshot, network, packet.version)
        if gateway == own or (gateway is None and _is_on(network, client)):
            return WayBack.RETURNS, network.bridge_name
    return WayBack.UNKNOWN, None


def _networks_of(state: EngineState, end: End, interfaces: Iterable[str]) -> list[Network]:
    """Return the bridge networks that the interfaces of the container are in."""
    names, found = set(interfaces), []
    for endpoint in end.container.endpoints:
        interface = interface_of_endpoint(end.seen, endpoint)
        network = state.snapshot.networks_by_id.get(endpoint.network_id)
        if interface is not None and interface.name in names and network is not None and network.bridge_name:
            found.append(network)
    return found


def _is_on(network: Network, address: str) -> bool:
    subnets = (subnet_of(pool) for pool in network.pools)
    return any(subnet is not None and ip_address(address) in subnet for subnet in subnets)
