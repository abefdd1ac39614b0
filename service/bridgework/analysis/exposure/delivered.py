"""The part of a packet's way behind the host: to the bridge's port, into the container, and its answer's way out."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from ipaddress import ip_address
from itertools import chain

from bridgework.analysis import link_layer
from bridgework.analysis.attachment import EngineState, parsed
from bridgework.analysis.endpoint_links import interface_of_endpoint
from bridgework.analysis.exposure.questions import Origin
from bridgework.analysis.exposure.reasons import (
    ADDRESS,
    ARRIVES,
    FORWARDED_ON,
    FRAME_RULE,
    INSIDE_ROUTE,
    INSIDE_RULE,
    INSIDE_UNSEEN,
    LINK,
    OTHER_GATEWAY,
    RULE_UNKNOWN,
    Stop,
    stop_of_rules,
)
from bridgework.analysis.frames import Device, Frame, answered, drop_on_the_way, incoming, outgoing, switched
from bridgework.analysis.host_rules import BRIDGE_FILTER
from bridgework.analysis.inside_walk import Inside, InsideWalk
from bridgework.analysis.routing import host_address_on, subnet_of
from bridgework.analysis.rules.delivery import delivery_fault, delivery_to
from bridgework.analysis.rules.ends import End, ends_of
from bridgework.analysis.rules.frame_rules import finding_of
from bridgework.analysis.rules.listener import takes
from bridgework.firewall.frames import Drop
from bridgework.firewall.ruleset import Packet
from bridgework.firewall.simulate import ACCEPTED
from bridgework.model.checks import Finding
from bridgework.model.snapshot import Container, Network


@dataclass(frozen=True, slots=True)
class Arrival:
    """How a packet arrives at its container: what stops it or its answer, and whether a program takes it.

    ``returns_by`` is the bridge by which the answer comes back, where that is not the one that the packet left by.
    """

    stop: Stop
    listening: bool | None
    returns_by: str | None = None


class Delivered:
    """Follows packets that the host delivers to containers, in one state of the engine.

    With ``looked_inside``, a container whose rules or addresses were not seen leaves the question open. Without it,
    they are taken for those that the engine makes.
    """

    def __init__(self, state: EngineState, *, looked_inside: bool) -> None:
        self._state, self._looked_inside = state, looked_inside
        self._ends: dict[str, tuple[End | None, InsideWalk | None, Finding | None]] = {}
        self._arrivals: dict[tuple[object, ...], Arrival] = {}

    def arrival(self, container: Container, packet: Packet) -> Arrival:
        """Return what becomes of the packet, which is as the host delivers it."""
        # A port is asked for in several ways from one place, and arrives in one way.
        ends = packet.source, packet.destination, packet.destination_port
        key = (container.id, packet.protocol, *ends, packet.incoming, packet.outgoing)
        if key not in self._arrivals:
            self._arrivals[key] = self._arrival(container, packet)
        return self._arrivals[key]

    def _arrival(self, container: Container, packet: Packet) -> Arrival:
        end, walk, fault = self._end_at(packet.destination)
        inside = walk.walk(self._from_host(end, packet)) if end and walk and walk.sees_all(packet.version) else None
        walked = inside.walked if inside is not None else None
        listening = self._listens(container, packet if walked is None else walked.there.packet)
        if fault is not None:
            return Arrival(Stop(LINK, finding=fault), listening)
        stop = self._stopped_at_bridge(end, packet) if end is not None else ARRIVES
        back, returns_by = self._way_back(inside) if inside is not None else (ARRIVES, None)
        stops = (stop, self._stop(inside), back)
        stop = next((stop for stop in stops if stop.reason is not None), ARRIVES)
        return Arrival(stop, listening, returns_by if returns_by != packet.outgoing else None)

    def _from_host(self, end: End, packet: Packet) -> Packet:
        """Return the packet with its source: docker-proxy's own packets come from the host's address on the bridge."""
        source = packet.source or host_address_on(self._state.snapshot, end.network, packet.version)
        return replace(packet, source=source)

    def _end_at(self, address: str) -> tuple[End | None, InsideWalk | None, Finding | None]:
        """Return the container that has the address, and why nothing that the host sends there arrives."""
        if address not in self._ends:
            situation = delivery_to(self._state, address)
            end = next(iter(ends_of(situation)), None) if situation is not None else None
            walk = InsideWalk(end) if end is not None else None
            self._ends[address] = end, walk, delivery_fault(situation) if situation is not None else None
        return self._ends[address]

    def _stopped_at_bridge(self, end: End, packet: Packet) -> Stop:
        """Return the rule of a bridge or device that stops the frames of the packet or its answer."""
        device = Device(end.network.bridge_name or "", end.port.name if end.port is not None else "")
        if self.is_switched(packet):
            return stop_of_frames(self._state, switched(device, packet))
        return stop_of_frames(self._state, chain(outgoing(device, packet), incoming(device, answered(packet))))

    def is_switched(self, packet: Packet) -> bool:
        """Return whether a rule leads the packet back into its bridge, and br_netfilter switches it there."""
        rules = self._state.observations.firewall
        back = packet.incoming is not None and packet.incoming == packet.outgoing
        return back and rules is not None and rules.switch(BRIDGE_FILTER[packet.version]) is True

    def _stop(self, inside: Inside | None) -> Stop:
        if inside is None or inside.walked is None:
            return Stop(INSIDE_UNSEEN) if self._looked_inside else ARRIVES
        if not inside.is_held:
            return Stop(ADDRESS)
        if inside.drop is not None:
            return stop_of_drop(inside.drop, inside.end)
        there = inside.walked.there
        if there.verdict == ACCEPTED and not there.delivered_locally:
            return Stop(FORWARDED_ON)
        return stop_of_rules(inside.walked.outcome, INSIDE_RULE)

    def _way_back(self, inside: Inside) -> tuple[Stop, str | None]:
        """Return what the container's routes do with the answer, and the bridge by which it comes to the host."""
        snapshot, version, client = self._state.snapshot, inside.packet.version, inside.packet.source
        if client is None:
            return ARRIVES, inside.end.network.bridge_name
        route = inside.decision.route if inside.decision is not None else None
        if (
            inside.refused is not None
            or inside.decision is None
            or route is None
            or inside.decision.dead_end is not None
        ):
            return Stop(INSIDE_ROUTE), None
        if inside.decision.is_local:
            return Stop(INSIDE_ROUTE), None  # the client has an address of the container
        for network in self._networks_of(inside.end, route.interfaces):
            own = host_address_on(snapshot, network, version)
            if route.gateway == own or (route.gateway is None and _is_on(network, client)):
                return ARRIVES, network.bridge_name
        return Stop(OTHER_GATEWAY), None

    def _networks_of(self, end: End, interfaces: Iterable[str]) -> Iterator[Network]:
        """Yield the bridge networks that the interfaces of the container are in."""
        names = set(interfaces)
        for endpoint in end.container.endpoints:
            interface = interface_of_endpoint(end.seen, endpoint)
            network = self._state.snapshot.networks_by_id.get(endpoint.network_id)
            if interface is not None and interface.name in names and network is not None and network.bridge_name:
                yield network

    def _listens(self, container: Container, packet: Packet) -> bool | None:
        """Return whether a program takes the packet; ``None`` where the sockets were not seen."""
        seen, address = self._state.observations.inside.get(container.id), parsed(packet.destination)
        if seen is None or seen.sockets is None:
            return None
        end = (packet.protocol, packet.destination_port)
        return address is not None and any(
            (one.protocol, one.port) == end and takes(one, str(address), address.version) for one in seen.sockets
        )


def origin_fault(state: EngineState, origin: Origin) -> Finding | None:
    """Return why a packet from the place does not come to the host, or its answer not back; ``None`` where it does."""
    host, snapshot, name = state.observations.host, state.snapshot, origin.interface
    network = next((n for n in snapshot.networks if n.bridge_name and n.bridge_name == name), None)
    lost = link_layer.missing_addresses(snapshot, host, network, origin.version) if network is not None else ()
    return next(chain(link_layer.link_down(host, name), lost), None) if name is not None else None


def stop_of_frames(state: EngineState, frames: Iterable[Frame]) -> Stop:
    """Return the rule of the host for frames that stops one of them."""
    host = state.observations.host
    drop = drop_on_the_way(host.observation.frame_rules if host is not None else None, frames)
    return ARRIVES if drop is None else stop_of_drop(drop, None)


def stop_of_drop(drop: Drop, end: End | None) -> Stop:
    """Return the stop at a rule for frames in the container at the end, or on the host."""
    return Stop(FRAME_RULE if drop.is_certain else RULE_UNKNOWN, finding=finding_of(drop, end))


def _is_on(network: Network, address: str) -> bool:
    subnets = (subnet_of(pool) for pool in network.pools)
    return any(subnet is not None and ip_address(address) in subnet for subnet in subnets)
