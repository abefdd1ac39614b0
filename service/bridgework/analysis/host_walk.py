"""The way of one packet and of its answer through the host's rules and routes: one walk for every view that asks."""

from __future__ import annotations

from dataclasses import dataclass, replace

from bridgework.firewall import simulate
from bridgework.firewall.routing import Routing
from bridgework.firewall.ruleset import DNAT, Packet, Ruleset
from bridgework.firewall.simulate import Outcome

STOPPED = frozenset({simulate.DROPPED, simulate.REJECTED})


@dataclass(frozen=True, slots=True)
class Walked:
    """The way of the first packet, and that of its answer where the first packet arrives.

    ``then`` is the way of the packets behind the first one, where the client sends more and the answer arrives.
    """

    there: Outcome
    back: Outcome | None = None
    then: Outcome | None = None

    @property
    def outcome(self) -> Outcome:
        """The way that decides: the last one."""
        return self.then or self.back or self.there

    @property
    def is_translated(self) -> bool:
        """Whether a rule sends the packet to another address."""
        return DNAT in self.there.packet.translated


@dataclass(frozen=True, slots=True)
class HostWalk:
    """The rules of one IP version and the routes, through which packets are led.

    ``goes_on`` says that the client needs more than one packet and its answer: a rule that drops packets of known
    connections lets a TCP connection begin, and the request is lost.
    """

    ruleset: Ruleset
    routes: Routing

    def received(self, packet: Packet, *, goes_on: bool = False) -> Walked:
        """Lead a packet that comes in by an interface, to the host itself or on to another interface."""
        return self._with_answer(simulate.forward(self.ruleset, self.routes, packet), packet, goes_on=goes_on)

    def bridged(self, packet: Packet, *, goes_on: bool = False) -> Walked:
        """Lead a packet within one bridge, which br_netfilter shows to the rules."""
        return self._with_answer(simulate.bridged(self.ruleset, self.routes, packet), packet, goes_on=goes_on)

    def sent(self, packet: Packet, *, goes_on: bool = False) -> Walked:
        """Lead a packet that a program of the host sends."""
        # The kernel sends from the address of the interface by which the packet leaves, and the answer goes there.
        route = self.routes.route(packet)
        packet = replace(packet, source=route.source if route is not None else None)
        return self._with_answer(simulate.output(self.ruleset, self.routes, packet), packet, goes_on=goes_on)

    def answered(self, walked: Walked, packet: Packet, bridge: str) -> Walked:
        """Lead the answer to ``packet`` back that comes to the host by another bridge than the packet left by."""
        there = replace(walked.there, packet=replace(walked.there.packet, outgoing=bridge))
        if bridge == packet.incoming:
            # The client is on a network of the container's own: the answer stays within the bridge.
            packet = replace(packet, bridge_ports=(f"port of {bridge}", f"port of {bridge}"))
        return Walked(walked.there, simulate.reply(self.ruleset, self.routes, there, packet))

    def _with_answer(self, there: Outcome, packet: Packet, *, goes_on: bool) -> Walked:
        # Without the source's address the answer's way is not known.
        if there.verdict != simulate.ACCEPTED or packet.source is None:
            return Walked(there)
        back = simulate.reply(self.ruleset, self.routes, there, packet)
        if back.verdict != simulate.ACCEPTED or not goes_on:
            return Walked(there, back)
        return Walked(there, back, simulate.later(self.ruleset, self.routes, there, packet))
