"""From where each port of each container is reachable: packets from outside, led through all that they would meet.

The packets are simulated, never sent.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from itertools import chain

from bridgework.analysis import kernel_routes, link_layer
from bridgework.analysis.attachment import IPV4, IPV6, EngineState, parsed, version_of
from bridgework.analysis.exposure.delivered import Arrival, Delivered, origin_fault, stop_of_frames
from bridgework.analysis.exposure.questions import (
    Origin,
    OriginKind,
    Question,
    Target,
    is_loopback,
    origins_of,
    questions,
)
from bridgework.analysis.exposure.reasons import (
    ARRIVES,
    ELSEWHERE,
    FORWARDING_OFF,
    LINK,
    LOOPBACK,
    NO_ROUTE,
    NOT_SERVED,
    PROXY_UNSEEN,
    ROUTE,
    RULES_UNSEEN,
    Stop,
    stop_of_rules,
)
from bridgework.analysis.frames import Device, answered, incoming, outgoing
from bridgework.analysis.host_rules import HostRoutes, forwards, ruleset_of_host
from bridgework.analysis.host_walk import STOPPED, HostWalk, Walked
from bridgework.analysis.route_lookup import answers_in
from bridgework.analysis.routing import default_exit
from bridgework.firewall import simulate
from bridgework.firewall.ruleset import Hook, Packet, Ruleset
from bridgework.firewall.simulate import Outcome, Step
from bridgework.model.checks import Verdict
from bridgework.model.observations import RouteAnswer, RouteQuestion
from bridgework.model.snapshot import Container

# What a rule does that lets a packet through, or decides where it goes. A jump or a mark says nothing by itself.
_TOLD = frozenset({"accept", "dnat", "redirect", "masquerade", "snat"})


@dataclass(frozen=True, slots=True)
class Exposure:
    """Whether a port is reachable from one place, and by which rules.

    ``stop`` says why the packet or its answer does not arrive. ``by_proxy``: docker-proxy answers at the host. The
    ``rules`` let the packet through. ``refused_by`` is what would stop the packet if a program of the host listened
    there: it is what the host's own firewall was meant to stop. ``listening`` says whether a program in the
    container takes the packet; ``None`` where that was not visible.
    """

    question: Question
    stop: Stop
    by_proxy: bool = False
    rules: tuple[Step, ...] = ()
    refused_by: Step | None = None
    listening: bool | None = None

    @property
    def verdict(self) -> Verdict:
        """Whether the packet arrives, and its answer."""
        return self.stop.verdict

    @property
    def target(self) -> Target:
        """The port of the container."""
        return self.question.target

    @property
    def origin(self) -> Origin:
        """Where the packet comes from."""
        return self.question.origin

    @property
    def address(self) -> str:
        """The address that a client at the origin asks for."""
        return self.question.address

    @property
    def port(self) -> int:
        """The port that a client at the origin asks for."""
        return self.question.port

    @property
    def is_past_host_firewall(self) -> bool:
        """Whether the port is reachable although the host's firewall closes it for programs of the host."""
        return self.verdict is Verdict.REACHABLE and not self.by_proxy and self.refused_by is not None


def exposures(
    state: EngineState, targets: Iterable[Target], origins: Iterable[Origin] | None = None
) -> Iterator[Exposure]:
    """Yield each target with each origin of its family; nothing where the host was not observed."""
    host = state.observations.host
    if host is not None:
        judge = Judge(state)
        places = origins_of(state.snapshot, host) if origins is None else origins
        yield from map(judge.exposure, questions(targets, places))


AskRoutes = Callable[[Sequence[RouteQuestion]], Mapping[RouteQuestion, RouteAnswer]]
"""Returns the packets that the kernel routes otherwise than expected, each with what it does instead."""


class Judge:
    """Answers questions of one state of the engine; what they have in common is computed once."""

    def __init__(self, state: EngineState, ask: AskRoutes | None = None, *, looked_inside: bool = False) -> None:
        """``ask`` asks the host's kernel for routes; without it, the host's routing counts as far as it was seen.

        With ``looked_inside``, nothing is taken for granted inside a container that could not be seen.
        """
        self._state, self._ask = state, ask
        rules = state.observations.firewall
        rulesets = {version: ruleset_of_host(rules, version) if rules else None for version in (4, 6)}
        # The host's addresses on bridges are known also where its interfaces were not seen.
        own = {origin.own for origin in origins_of(state.snapshot, state.observations.host) if origin.own}
        routes = HostRoutes(state.snapshot, state.observations, frozenset(own))
        self._walks = {version: HostWalk(ruleset, routes) for version, ruleset in rulesets.items() if ruleset}
        # What the host's firewall was meant to stop shows only without DNAT: with it, the packet never meets INPUT.
        self._untranslated = {v: replace(walk, ruleset=_untranslated(walk.ruleset)) for v, walk in self._walks.items()}
        self._refusal = cache(self._refused)
        self._fault_at = cache(lambda origin: origin_fault(state, origin))
        self._delivered = Delivered(state, looked_inside=looked_inside)

    def exposure(self, question: Question) -> Exposure:
        """Say whether the packet arrives at the container, and its answer at the place of the question."""
        origin, target = question.origin, question.target
        walk, unled = self._walks.get(origin.version), self._unled(question)
        if walk is None or unled is not None:
            packet = self._to_container(question)
            stop = unled or Stop(RULES_UNSEEN)
            return Exposure(question, stop, listening=self._delivered.arrival(target.container, packet).listening)
        packet = Packet(
            origin.version,
            target.protocol,
            origin.source,
            question.address,
            destination_port=question.port,
            incoming=origin.interface,
        )
        walked = walk.received(packet) if origin.interface else walk.sent(packet)
        by_proxy = target.published is not None and walked.there.delivered_locally
        arrival = None
        if walked.there.verdict == simulate.ACCEPTED and not walked.there.delivered_locally:
            walked, arrival = self._followed(target.container, walk, walked, packet)
        stop = self._stop(question, walked, packet)
        if arrival is None:
            # docker-proxy makes a connection of its own.
            arrival = self._behind_proxy(question)
        stop = stop if stop.reason is not None else arrival.stop
        # A port that is not published is asked for at the container's address. A program of the host would be asked for
        # at the host's address on that link, so that is the address for the comparison.
        own = question.address
        if target.published is None or is_loopback(own):
            own = origin.own or own
        return Exposure(
            question,
            stop,
            by_proxy=stop.reason is None and by_proxy,
            rules=tuple(step for step in walked.there.steps if step.effect in _TOLD and step.rule is not None),
            refused_by=self._refusal(replace(packet, destination=own)) if origin.interface else None,
            listening=arrival.listening,
        )

    def _unled(self, question: Question) -> Stop | None:
        """Return why the packet comes to no rule of the host; ``None`` where it does."""
        if _is_dropped_on_arrival(question):
            return Stop(LOOPBACK)
        fault = self._fault_at(question.origin)
        return None if fault is None else Stop(LINK, finding=fault)

    def _followed(self, container: Container, walk: HostWalk, walked: Walked, packet: Packet) -> tuple[Walked, Arrival]:
        """Follow a packet into the container, and its answer back by the bridge to which the container sends it."""
        arrival = self._delivered.arrival(container, walked.there.packet)
        if arrival.returns_by is not None:
            walked = walk.answered(walked, packet, arrival.returns_by)
        return walked, arrival

    def _behind_proxy(self, question: Question) -> Arrival:
        """Return how the packets of docker-proxy's own connection arrive at the container."""
        packet, container = self._to_container(question), question.target.container
        walk = self._walks.get(packet.version)
        if walk is None:
            return replace(self._delivered.arrival(container, packet), stop=Stop(RULES_UNSEEN))
        walked, arrival = self._followed(container, walk, walk.sent(packet), packet)
        stop = stop_of_rules(walked.outcome)
        stop = stop if stop.reason is not None else self._diverted(walked)
        return arrival if stop.reason is None else replace(arrival, stop=stop)

    def _stop(self, question: Question, walked: Walked, packet: Packet) -> Stop:
        """Return why the host stops the packet or its answer, or sends it elsewhere."""
        elsewhere = _translation_elsewhere(question, walked.there)
        switched = self._delivered.is_switched(walked.there.packet)
        stop = ARRIVES if switched else self._stopped_at_link(question.origin, packet)
        if stop.reason is not None or elsewhere is not None:
            return stop if stop.reason is not None else Stop(ELSEWHERE, elsewhere)
        stop = stop_of_rules(walked.outcome)
        if stop.reason is None:
            stop = self._at_host(question) if walked.there.delivered_locally else self._beyond_host(question)
        return stop if stop.reason is not None else self._diverted(walked)

    def _stopped_at_link(self, origin: Origin, packet: Packet) -> Stop:
        """Return the rule that stops the frames by which the packet comes in, or those of its answer."""
        if origin.interface is None:
            return ARRIVES
        # By which port of its bridge a container's packet comes in is not asked: it stands for all on the network.
        port = f"port of {origin.interface}" if origin.kind is OriginKind.NETWORK else None
        device = Device(origin.interface, port)
        return stop_of_frames(self._state, chain(incoming(device, packet), outgoing(device, answered(packet))))

    def _to_container(self, question: Question) -> Packet:
        """Return the packet that docker-proxy sends to the container, or any at its own address."""
        target = question.target
        # docker-proxy leads from one family to the other, where the container has only one.
        addresses = {IPV4: target.endpoint.ipv4_address, IPV6: target.endpoint.ipv6_address}
        address = addresses[question.origin.version] or addresses[IPV4] or addresses[IPV6] or ""
        version = version_of(address) or IPV4
        return Packet(version, target.protocol, None, address, destination_port=target.port)

    def _diverted(self, walked: Walked) -> Stop:
        """Return how the kernel routes the packet or its answer otherwise than the engine's networks need."""
        snapshot = self._state.snapshot
        asked = list(kernel_routes.decisions(snapshot, walked.there, walked.back, answers_to_links=True))
        questions = [question for question, _ in asked]
        answers = self._ask(questions) if self._ask is not None else answers_in(self._state, questions)
        diverted = kernel_routes.first_diverted(snapshot, asked, answers) if answers else None
        return Stop(ROUTE, finding=diverted[0]) if diverted is not None else ARRIVES

    def _at_host(self, question: Question) -> Stop:
        """Return why nothing answers at the host itself, where no rule translated the packet."""
        # From outside the kernel drops what is for 127.0.0.0/8; docker-proxy answers the rest, where it runs.
        if question.origin.kind is not OriginKind.HOST and is_loopback(question.address):
            return Stop(LOOPBACK)
        # What the host sends to itself passes its loopback.
        down = link_layer.link_down(self._state.observations.host, "lo")
        fault = next(down, None) if question.origin.kind is OriginKind.HOST else None
        if fault is not None:
            return Stop(LINK, finding=fault)
        served = question.target.published is not None and self._state.observations.userland_proxy
        return ARRIVES if served else Stop(PROXY_UNSEEN if served is None else NOT_SERVED)

    def _beyond_host(self, question: Question) -> Stop:
        """Return why the kernel does not send the packet on, though the rules let it pass."""
        version, is_forwarded = question.origin.version, question.origin.interface is not None
        # The kernel routes no packet from ::1 to another host (RFC 4291, 2.5.3); from 127.0.0.1 Docker allows it by
        # route_localnet where docker-proxy does not run.
        if version == IPV6 and not is_forwarded and is_loopback(question.address):
            return Stop(LOOPBACK)
        off = is_forwarded and forwards(self._state.observations, version) is False
        if off:
            return Stop(FORWARDING_OFF)
        return Stop(NO_ROUTE) if is_forwarded and self._has_no_way_back(question) else ARRIVES

    def _has_no_way_back(self, question: Question) -> bool:
        """Whether the container has no route to the origin: on an internal network it has none to other subnets."""
        container, network = question.target.container, question.target.network
        seen = self._state.observations.inside.get(container.id)
        # Its own routes decide, where they were seen.
        if not network.internal or (seen is not None and seen.routing is not None):
            return False
        return default_exit(self._state, self._state.attachment_of(container.id), question.origin.version) is None

    def _refused(self, packet: Packet) -> Step | None:
        walk = self._untranslated[packet.version]
        outcome = simulate.forward(walk.ruleset, walk.routes, packet)
        return outcome.step if outcome.verdict in STOPPED else None


def _is_dropped_on_arrival(question: Question) -> bool:
    """Whether the kernel drops the packet before any rule: one for ::1 by another interface than the loopback."""
    # ip6_rcv_core() of Linux drops it before PREROUTING (RFC 4291, section 2.5.3). For 127.0.0.1 the check comes with
    # the routing decision, after a DNAT rule may have changed the address.
    return question.origin.version == IPV6 and question.origin.interface is not None and is_loopback(question.address)


def _translation_elsewhere(question: Question, there: Outcome) -> Step | None:
    """Return the rule that sends the packet to an address or port that is not the target's; ``None`` without one."""
    step = next((step for step in reversed(there.steps) if step.effect in {"dnat", "redirect"}), None)
    target, packet = question.target, there.packet
    if step is None or there.verdict == simulate.UNKNOWN:
        return None
    if there.delivered_locally:
        # docker-proxy answers at the published port of each address of the host.
        return None if packet.destination_port == question.port else step
    own = (a for e in target.container.endpoints for a in (e.ipv4_address, e.ipv6_address) if a)
    arrives = packet.destination_port == target.port and any(parsed(packet.destination) == parsed(a) for a in own)
    return None if arrives else step


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
