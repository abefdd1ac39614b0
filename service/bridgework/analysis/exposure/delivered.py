"""The part of a packet's way behind the host: to the bridge's port, into the container, and its answer's way out."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import chain

from bridgework.analysis import link_layer
from bridgework.analysis.attachment import EngineState, parsed, version_of
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
from bridgework.analysis.inside_walk import Inside, WayBack, walk_inside
from bridgework.analysis.route_lookup import RouteLookup
from bridgework.analysis.rules.delivery import delivery_fault, delivery_to
from bridgework.analysis.rules.ends import End, ends_of
from bridgework.analysis.rules.frame_rules import finding_of
from bridgework.analysis.rules.listener import takes
from bridgework.firewall.frames import Drop
from bridgework.firewall.ruleset import Packet
from bridgework.model.checks import Finding
from bridgework.model.snapshot import Container


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
        self._ends: dict[str, tuple[End | None, Finding | None]] = {}
        self._lookups: dict[str, RouteLookup | None] = {}
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
        end, fault = self._end_at(packet.destination)
        inside = walk_inside(self._state, end, self._lookup(end), packet) if end is not None else None
        listening = self._listens(container, packet if inside is None else inside.walked.there.packet)
        if fault is not None:
            return Arrival(Stop(LINK, finding=fault), listening)
        stop = self._stopped_at_bridge(end, packet) if end is not None else ARRIVES
        stop = stop if stop.reason is not None else self._stop(end, inside)
        other = inside.returns_by if inside is not None and inside.returns_by != packet.outgoing else None
        return Arrival(stop, listening, other)

    def _lookup(self, end: End) -> RouteLookup | None:
        # Its tables are sorted once for each container.
        if end.container.id not in self._lookups:
            routing = end.seen.routing
            self._lookups[end.container.id] = RouteLookup(routing) if routing is not None else None
        return self._lookups[end.container.id]

    def _end_at(self, address: str) -> tuple[End | None, Finding | None]:
        """Return the container that has the address, and why nothing that the host sends there arrives."""
        if address not in self._ends:
            situation = delivery_to(self._state, address)
            end = next(ends_of(situation), None) if situation is not None else None
            self._ends[address] = end, delivery_fault(situation) if situation is not None else None
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

    def _stop(self, end: End | None, inside: Inside | None) -> Stop:
        if inside is None:
            return Stop(INSIDE_UNSEEN) if self._looked_inside else ARRIVES
        if not inside.is_held:
            return Stop(ADDRESS)
        if inside.drop is not None:
            return stop_of_drop(inside.drop, end)
        stop = stop_of_rules(inside.walked.outcome, INSIDE_RULE)
        if stop.reason is None and not inside.walked.there.delivered_locally:
            return Stop(FORWARDED_ON)
        if stop.reason is not None or inside.way_back is WayBack.RETURNS:
            return stop
        return Stop(INSIDE_ROUTE if inside.way_back is WayBack.DROPPED else OTHER_GATEWAY)

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
    lost = (
        one
        for one in (link_layer.missing_addresses(snapshot, host, network) if network is not None else ())
        if version_of(str(one.evidence["address"])) == origin.version
    )
    return next(chain(link_layer.link_down(host, name), lost), None) if name is not None else None


def stop_of_frames(state: EngineState, frames: Iterable[Frame]) -> Stop:
    """Return the rule of the host for frames that stops one of them."""
    host = state.observations.host
    drop = drop_on_the_way(host.observation.frame_rules if host is not None else None, frames)
    return ARRIVES if drop is None else stop_of_drop(drop, None)


def stop_of_drop(drop: Drop, end: End | None) -> Stop:
    """Return the stop at a rule for frames in the container at the end, or on the host."""
    return Stop(FRAME_RULE if drop.is_certain else RULE_UNKNOWN, finding=finding_of(drop, end))
