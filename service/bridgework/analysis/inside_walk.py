"""The way of a packet inside the namespace of a container, and of its answer: one walk for every view that asks.

The same walk as that of the host leads through the rules there (``host_walk``), and the same lookup through the policy
rules and routes (``route_lookup``).
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import chain

from bridgework.analysis.attachment import parsed
from bridgework.analysis.frames import Device, answered, drop_on_the_way, incoming, outgoing
from bridgework.analysis.host_rules import ruleset_of_host
from bridgework.analysis.host_walk import HostWalk, Walked
from bridgework.analysis.route_lookup import Decision, RouteLookup
from bridgework.analysis.rules.base import Situation, once_for_each
from bridgework.analysis.rules.ends import End, ends_of, packet_at
from bridgework.firewall.frames import Drop
from bridgework.firewall.ruleset import Packet
from bridgework.firewall.simulate import Route
from bridgework.model.observations import FirewallRules, RouteAnswer, RouteQuestion

# Docker's rules for its name server concern no packet that leaves the namespace or comes into it.
_NO_RULES = FirewallRules((), (), "")


@dataclass(frozen=True, slots=True)
class Inside:
    """The way of a packet and of its answer in the container at one end of the way.

    ``packet`` is as it comes in there, or as it is sent. ``walked`` is the way through the rules, ``None`` where these
    were not read. ``drop`` is a rule for frames that stops the packet or its answer. ``is_held`` says whether the
    namespace has the packet's destination.

    ``decision`` is what sends the packet out of the source, or the answer out of the destination; ``None`` where no
    route is left, and where the routes were not read. ``refused`` is the filter of the reverse path that drops a packet
    which comes in.
    """

    end: End
    packet: Packet
    walked: Walked | None
    drop: Drop | None
    is_held: bool
    decision: Decision | None
    refused: RouteAnswer | None


class InsideWalk:
    """Leads packets out of the container at the source's end of a way, or into the one at the destination's end.

    It also answers what the simulation asks about routes, for that namespace.
    """

    def __init__(self, end: End) -> None:
        """Sort the routes of the namespace once for all packets."""
        seen = end.seen
        self._end = end
        self._own = frozenset(address.address for link in seen.interfaces or () for address in link.addresses)
        self._rules = _NO_RULES if seen.own_rules is False else seen.firewall
        self._lookup = RouteLookup(seen.routing) if seen.routing is not None else None

    def sees_all(self, version: int) -> bool:
        """Return whether everything was read that decides about a packet of the IP version."""
        seen = self._end.seen
        read = None not in (self._rules, self._lookup, seen.interfaces, seen.frame_rules)
        return read and self._rules is not None and ruleset_of_host(self._rules, version) is not None

    def walk(self, packet: Packet) -> Inside:
        """Lead the packet and its answer through the rules and routes of the namespace.

        A container has a connection table of its own, so that translations of the host mean nothing there.
        """
        end, device = self._end, Device(self._end.link.name if self._end.link is not None else "")
        ends = packet.source, packet.destination, packet.source_port, packet.destination_port
        packet = Packet(packet.version, packet.protocol, *ends, incoming=None if end.is_source else device.name)
        answer = answered(packet)
        frames = (
            chain(outgoing(device, packet), incoming(device, answer))
            if end.is_source
            else chain(incoming(device, packet), outgoing(device, answer))
        )
        return Inside(
            end,
            packet,
            self._walked(packet),
            drop_on_the_way(end.seen.frame_rules, frames),
            self.is_local(packet.destination),
            self._decision(packet if end.is_source else answer),
            None if end.is_source else self._refused(packet),
        )

    def _walked(self, packet: Packet) -> Walked | None:
        ruleset = ruleset_of_host(self._rules, packet.version) if self._rules is not None else None
        if ruleset is None:
            return None
        walk = HostWalk(ruleset, self)
        return walk.sent(packet) if self._end.is_source else walk.received(packet)

    def _decision(self, packet: Packet) -> Decision | None:
        # Where the packet came from is not always known, and then neither is where its answer goes.
        known = self._lookup is not None and packet.destination
        return self._lookup.decide(_question(packet)) if known and self._lookup is not None else None

    def _refused(self, packet: Packet) -> RouteAnswer | None:
        answer = self._lookup.answer(_question(packet)) if self._lookup is not None else None
        return answer if answer is not None and answer.reverse_path_filter is not None else None

    def is_local(self, address: str) -> bool:
        """Return whether an interface of the namespace has the address."""
        own = parsed(address)
        return own is None or own.is_loopback or address in self._own

    def route(self, packet: Packet) -> Route:
        """Return whether the packet is for the namespace itself, else the interface by which its routes send it on.

        Where they were not read, or drop the packet, that is the interface of the network.
        """
        if self.is_local(packet.destination):
            return Route(None, packet.destination)
        link, decision = self._end.link, self._decision(packet)
        own = link.name if link is not None else ""
        route = decision.route if decision is not None and decision.dead_end is None else None
        if route is None or not route.interfaces or own in route.interfaces:
            return Route(own, self._end.address(packet.version))
        # A tunnel has other addresses, of which it is not known which one the kernel takes.
        return Route(route.interfaces[0])

    def filters_bridged(self, version: int) -> bool:  # noqa: ARG002 (a container is no bridge)
        """Return whether packets within a bridge meet the rules."""
        return False


def _question(packet: Packet) -> RouteQuestion:
    ports = packet.source_port, packet.destination_port
    return RouteQuestion(
        packet.version, packet.destination, packet.source, packet.incoming, None, packet.mark, packet.protocol, *ports
    )


@once_for_each
def insides_of(situation: Situation) -> tuple[Inside, ...]:
    """Return the way of the packet in the container at each end that was seen, the source first."""
    return tuple(InsideWalk(end).walk(packet_at(situation, end)) for end in ends_of(situation))
