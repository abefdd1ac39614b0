"""The simulation of one packet's way through a ruleset, as the kernel does it, with what each rule did to it.

The hooks follow netfilter's packet flow: PREROUTING, the routing decision, then INPUT, or FORWARD and POSTROUTING. A
packet that the host sends passes OUTPUT and POSTROUTING. At each hook the base chains come in the order of their
priorities. NAT chains see the first packet of a connection only; conntrack translates all others, and the answers, at
the same priorities. A test compares the simulation with the kernel.

Some rules cannot be decided: a match that is not understood, or a value that is not known. Then both ways are walked.
If they end alike, the rule does not matter. Otherwise the verdict is *unknown*, and the rule is named.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType

from bridgework.firewall.routing import Route, Routing, arrived, typed
from bridgework.firewall.ruleset import ESTABLISHED, LOCAL, REPLY, Hook, Packet, Ruleset
from bridgework.firewall.walk import (
    ACCEPTED,
    DROPPED,
    MARTIAN,
    NO_ROUTE,
    REJECTED,
    UNKNOWN,
    UNTRANSLATED,
    EndedError,
    Lookup,
    Step,
    UndecidedError,
    Walk,
    id_of,
)

__all__ = [
    "ACCEPTED", "DROPPED", "MARTIAN", "NO_ROUTE", "REJECTED", "UNKNOWN", "UNTRANSLATED", "Lookup", "Outcome", "Route",
    "Routing", "Step", "bridged", "forward", "later", "output", "reply",
]  # fmt: skip

# After so many undecided rules on one way the verdict is unknown: each one doubles the ways to walk, here to 64.
_MAX_GUESSES = 6


@dataclass(frozen=True, slots=True)
class Outcome:
    """How the packet's way ended. ``step`` is the one that ended it, or the one that cannot be decided.

    ``lookups`` are the kernel's routing decisions on the way.
    """

    verdict: str
    packet: Packet
    steps: tuple[Step, ...]
    step: Step | None = None
    lookups: tuple[Lookup, ...] = ()

    @property
    def delivered_locally(self) -> bool:
        """Whether the host itself takes the packet."""
        return self.verdict == ACCEPTED and self.packet.outgoing is None


def forward(ruleset: Ruleset, routing: Routing, packet: Packet) -> Outcome:
    """Return the way of a packet that comes in by an interface: to the host itself, or on to another interface."""
    return _decided(ruleset, routing, lambda walk: _received(walk, packet))


def output(ruleset: Ruleset, routing: Routing, packet: Packet) -> Outcome:
    """Return the way of a packet that the host sends."""
    return _decided(ruleset, routing, lambda walk: _sent(walk, packet))


def bridged(ruleset: Ruleset, routing: Routing, packet: Packet) -> Outcome:
    """Return the way of a packet within one bridge, where br_netfilter shows it to the rules of its IP version.

    ``packet.incoming`` and ``packet.outgoing`` are the bridge, ``packet.bridge_ports`` its ports. A packet that the
    rules translate to an address elsewhere leaves the bridge and is routed.
    """
    return _decided(ruleset, routing, lambda walk: _within_bridge(walk, packet))


def reply(ruleset: Ruleset, routing: Routing, first: Outcome, packet: Packet) -> Outcome:
    """Return the way of the answer to ``packet``, whose own way ended as ``first``: conntrack knows the connection."""
    return _decided(ruleset, routing, lambda walk: _answered(walk, first.packet, packet))


def later(ruleset: Ruleset, routing: Routing, first: Outcome, packet: Packet) -> Outcome:
    """Return the way of a later packet of the same direction: conntrack translates it as it did the first."""
    return _decided(ruleset, routing, lambda walk: _continued(walk, first.packet, packet))


def _decided(
    ruleset: Ruleset,
    routing: Routing,
    walk_it: Callable[[Walk], Packet],
    assumed: Mapping[int, bool] = MappingProxyType({}),
) -> Outcome:
    """Walk the packet. At a rule that cannot be decided, walk both ways and compare how they end."""
    walk = Walk(ruleset, routing, assumed)
    try:
        return Outcome(ACCEPTED, walk_it(walk), tuple(walk.steps), lookups=tuple(walk.lookups))
    except EndedError as end:
        return Outcome(end.verdict, end.packet, tuple(walk.steps), end.step, tuple(walk.lookups))
    except UndecidedError as end:
        step, key = end.step, id_of(end.rule)
    if len(assumed) >= _MAX_GUESSES:
        return Outcome(UNKNOWN, step.before, tuple(walk.steps), step, tuple(walk.lookups))
    # Both ways begin at the start again: what a rule does depends on all rules before it.
    matched, passed = (_decided(ruleset, routing, walk_it, {**assumed, key: matches}) for matches in (True, False))
    if _ending(matched) == _ending(passed):
        # The rule that did not matter is not assumed to match, so that it is in no step of the way.
        return passed
    # Where one way has itself two ends, the rule that parts them is named.
    named = next((way.step for way in (matched, passed) if way.verdict == UNKNOWN), step)
    return Outcome(UNKNOWN, matched.packet, matched.steps, named, matched.lookups)


def _ending(outcome: Outcome) -> tuple[object, ...]:
    packet = outcome.packet
    # Where the packet is dropped, it does not matter where it would have gone.
    kept = (packet.destination, packet.destination_port, packet.outgoing) if outcome.verdict == ACCEPTED else ()
    return (outcome.verdict, *kept)


def _received(walk: Walk, packet: Packet) -> Packet:
    # The route is looked up after PREROUTING, so a DNAT there decides where the packet goes.
    packet = walk.hook(Hook.PREROUTING, arrived(walk.routing, packet))
    route = walk.routed(packet)
    # A packet for the host passes INPUT, and POSTROUTING is not for it.
    if route.interface is None:
        return walk.hook(Hook.INPUT, replace(packet, outgoing=None))
    packet = walk.hook(Hook.FORWARD, replace(packet, outgoing=route.interface))
    return _leaving(walk, packet)


def _leaving(walk: Walk, packet: Packet) -> Packet:
    packet = walk.hook(Hook.POSTROUTING, packet)
    # A container that reaches itself by its published port, without masquerading.
    if packet.source == packet.destination:
        raise EndedError(MARTIAN, packet)
    return packet


def _sent(walk: Walk, packet: Packet) -> Packet:
    # The source address is that of the first route; a later change of the destination keeps it.
    asked = packet
    route = walk.routed(asked)
    packet = replace(packet, incoming=None, outgoing=route.interface or "lo", source=packet.source or route.source)
    # Without an address on the interface the kernel takes another one of the host's: local as well.
    packet = walk.hook(Hook.OUTPUT, replace(typed(walk.routing, packet), source_type=LOCAL))
    # The kernel looks the route up again where a rule changed the destination or the mark.
    if (packet.destination, packet.mark) != (asked.destination, asked.mark):
        route = walk.routed(packet)
    packet = walk.hook(Hook.POSTROUTING, replace(packet, outgoing=route.interface or "lo"))
    if route.interface is not None:
        return packet
    # What the host sends to itself comes in again by lo. Its connection is known by then, so NAT is done with it.
    packet = walk.hook(Hook.PREROUTING, replace(packet, incoming="lo", outgoing=None), nat=False)
    return walk.hook(Hook.INPUT, packet, nat=False)


def _within_bridge(walk: Walk, packet: Packet) -> Packet:
    # At PREROUTING the bridge has not looked up the port yet by which the frame leaves.
    bridge, ports = packet.outgoing, packet.bridge_ports
    before = replace(packet, outgoing=None, bridge_ports=(ports[0], None))
    before = arrived(walk.routing, before)
    after = walk.hook(Hook.PREROUTING, before)
    # br_netfilter routes a packet whose destination was translated (br_nf_pre_routing_finish). Others stay on the
    # bridge.
    if (after.destination, after.destination_port) != (before.destination, before.destination_port):
        route = walk.routed(after)
        if route.interface is None:
            return walk.hook(Hook.INPUT, after)
        after = replace(after, outgoing=route.interface, bridge_ports=(ports[0], None))
    else:
        after = replace(after, outgoing=bridge, bridge_ports=ports)
    return _leaving(walk, walk.hook(Hook.FORWARD, after))


def _answered(walk: Walk, delivered: Packet, sent: Packet) -> Packet:
    """Send the answer as a packet of the known connection, with the ends of the delivered packet exchanged.

    Where the host itself answers, it passes OUTPUT; elsewhere it comes in by the interface that the first packet left.
    """
    # The host answers where the first packet was for the host itself, such as for docker-proxy.
    by_host = delivered.outgoing is None
    if _is_answered_directly(walk.routing, delivered, sent):
        raise EndedError(UNTRANSLATED, delivered)
    # Within one bridge, the answer takes the ports of the packet in the other direction.
    ports = sent.bridge_ports if delivered.outgoing == sent.incoming else (None, None)
    # An answer has the mark 0: marks belong to a packet, and the connection's own mark is kept by conntrack.
    answer = Packet(
        delivered.version,
        delivered.protocol,
        delivered.destination,
        delivered.source or "",
        delivered.destination_port,
        delivered.source_port,
        incoming=None if by_host else delivered.outgoing,
        outgoing=(sent.incoming or "lo") if by_host else None,
        bridge_ports=(ports[1], None),
        state=ESTABLISHED,
        direction=REPLY,
        translated=delivered.translated,
        connection_mark=delivered.connection_mark,
        original=(sent.destination, sent.destination_port),
    )

    def back(packet: Packet) -> Packet:
        return typed(walk.routing, replace(packet, destination=sent.source or "", destination_port=sent.source_port))

    # The client expects the answer from the address that it sent the packet to.
    def as_asked(packet: Packet) -> Packet:
        return replace(packet, source=sent.destination, source_port=sent.destination_port)

    # The first packet's SNAT is undone at the answer's first hook, its DNAT at the last one.
    if by_host:
        walk.lookups.append(Lookup(answer, sent.incoming))
        packet = walk.hook(Hook.OUTPUT, answer, translate=back)
    else:
        packet = walk.hook(Hook.PREROUTING, arrived(walk.routing, answer), translate=back)
        # Within one bridge the answer is switched, not routed.
        if ports[0] is None:
            walk.lookups.append(Lookup(packet, sent.incoming))
    if sent.incoming is None:  # the first packet was the host's own
        if by_host:
            packet = walk.hook(Hook.POSTROUTING, replace(packet, outgoing="lo"), translate=as_asked)
            packet = walk.hook(Hook.PREROUTING, replace(packet, incoming="lo", outgoing=None))
        return walk.hook(Hook.INPUT, replace(packet, outgoing=None))
    # The answer leaves by the interface of the first packet: asymmetric routes are not simulated.
    packet = replace(packet, outgoing=sent.incoming, bridge_ports=(ports[1], ports[0]))
    if not by_host:
        packet = walk.hook(Hook.FORWARD, packet)
    return walk.hook(Hook.POSTROUTING, packet, translate=as_asked)


def _continued(walk: Walk, delivered: Packet, sent: Packet) -> Packet:
    # A later packet is established, and NAT rules do not see it. Its addresses change where those of the first did.
    packet = replace(
        arrived(walk.routing, sent),
        state=ESTABLISHED,
        translated=delivered.translated,
        connection_mark=delivered.connection_mark,
        original=(sent.destination, sent.destination_port),
    )

    def onward(packet: Packet) -> Packet:
        to, port = delivered.destination, delivered.destination_port
        return typed(walk.routing, replace(packet, destination=to, destination_port=port))

    def from_here(packet: Packet) -> Packet:
        return replace(packet, source=delivered.source)

    if sent.incoming is None:
        # At OUTPUT the kernel still names the interface of the route before translation, also to the rules after it.
        out = walk.routed(sent).interface or "lo"
        packet = walk.hook(Hook.OUTPUT, replace(packet, outgoing=out), translate=onward)
        packet = replace(packet, outgoing=delivered.outgoing or "lo")
        packet = walk.hook(Hook.POSTROUTING, packet, translate=from_here)
        if delivered.outgoing is not None:
            return packet
        packet = walk.hook(Hook.PREROUTING, replace(packet, incoming="lo", outgoing=None))
        return walk.hook(Hook.INPUT, packet)
    packet = walk.hook(Hook.PREROUTING, packet, translate=onward)
    if delivered.outgoing is None:
        return walk.hook(Hook.INPUT, packet)
    packet = walk.hook(Hook.FORWARD, replace(packet, outgoing=delivered.outgoing))
    return walk.hook(Hook.POSTROUTING, packet, translate=from_here)


def _is_answered_directly(routing: Routing, delivered: Packet, sent: Packet) -> bool:
    """Return whether the answer to a translated packet stays within the bridge that the packet came from."""
    # Without br_netfilter the bridge forwards that answer as a frame. Conntrack does not see it and translates nothing
    # back, so the client gets an answer from an address that it did not ask, and resets the connection.
    back = delivered.outgoing is not None and delivered.outgoing == sent.incoming
    unmasked = delivered.source == sent.source and delivered.destination != sent.destination
    return back and unmasked and not routing.filters_bridged(sent.version)
