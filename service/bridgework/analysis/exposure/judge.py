"""From where each port of each container is reachable: packets from outside, led through the rules in force.

The packets are simulated, never sent.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache

from bridgework.analysis import kernel_routes
from bridgework.analysis.attachment import IPV4, IPV6, EngineState, parsed, version_of
from bridgework.analysis.exposure.questions import (
    Origin,
    OriginKind,
    Question,
    Target,
    is_loopback,
    origins_of,
    questions,
)
from bridgework.analysis.host_rules import HostRoutes, forwards, ruleset_of_host
from bridgework.analysis.host_walk import STOPPED, HostWalk, Walked
from bridgework.analysis.routing import default_exit
from bridgework.analysis.rules.listener import takes
from bridgework.firewall import simulate
from bridgework.firewall.ruleset import Hook, Packet, Ruleset
from bridgework.firewall.simulate import Outcome, Step
from bridgework.model.checks import Finding, Verdict
from bridgework.model.observations import RouteAnswer, RouteQuestion

# What a rule does that lets a packet through, or decides where it goes. A jump or a mark says nothing by itself.
_TOLD = frozenset({"accept", "dnat", "redirect", "masquerade", "snat"})

RULE, ELSEWHERE, FORWARDING_OFF, LOOPBACK, NOT_SERVED, NO_ROUTE, ROUTE = (
    "firewall-rule", "translated-elsewhere", "forwarding-off", "loopback-address", "not-served", "no-route",
    "routed-elsewhere",
)  # fmt: skip
RULES_UNSEEN, RULE_UNKNOWN, PROXY_UNSEEN = "rules-unseen", "rule-not-understood", "proxy-unseen"
REASONS = (
    RULE, ELSEWHERE, FORWARDING_OFF, LOOPBACK, NOT_SERVED, NO_ROUTE, ROUTE, RULES_UNSEEN, RULE_UNKNOWN, PROXY_UNSEEN,
)  # fmt: skip
"""Why a port is not reachable, or why that is not known."""


@dataclass(frozen=True, slots=True)
class Exposure:
    """Whether a port is reachable from one place, and by which rules.

    ``reason`` is one of ``REASONS``, and ``None`` where the port is reachable. ``by_proxy``: docker-proxy answers at
    the host. ``rules`` let the packet through, and ``stopped_by`` stops it or its answer, or sends it to another
    container or program (``translated-elsewhere``). ``refused_by`` is what would stop the packet if a program of the
    host listened there: it is what the host's own firewall was meant to stop. ``finding`` says how the host's kernel
    routes the packet or its answer elsewhere, or drops it (``routed-elsewhere``). ``listening`` says whether a program
    in the container listens on the port; ``None`` where that was not visible.
    """

    question: Question
    verdict: Verdict
    reason: str | None = None
    by_proxy: bool = False
    rules: tuple[Step, ...] = ()
    stopped_by: Step | None = None
    refused_by: Step | None = None
    finding: Finding | None = None
    listening: bool | None = None

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


@dataclass(frozen=True, slots=True)
class _Stop:
    """Why a packet or its answer does not arrive, with the rule or the finding about a route; empty where both do."""

    reason: str | None = None
    step: Step | None = None
    finding: Finding | None = None


AskRoutes = Callable[[Sequence[RouteQuestion]], Mapping[RouteQuestion, RouteAnswer]]
"""Returns the packets that the kernel routes otherwise than expected, each with what it does instead."""


class Judge:
    """Answers questions of one state of the engine; what they have in common is computed once."""

    def __init__(self, state: EngineState, ask: AskRoutes | None = None) -> None:
        """``ask`` asks the host's kernel for routes; without it, the answers in the observations count."""
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

    def exposure(self, question: Question) -> Exposure:
        """Say whether the packet and its answer pass the host."""
        origin, target = question.origin, question.target
        listening = _listens(self._state, target, origin.version)
        walk = self._walks.get(origin.version)
        if _is_dropped_on_arrival(question):
            return Exposure(question, Verdict.UNREACHABLE, LOOPBACK, listening=listening)
        if walk is None:
            return Exposure(question, Verdict.INCONCLUSIVE, RULES_UNSEEN, listening=listening)
        packet = Packet(
            origin.version,
            target.protocol,
            origin.source,
            question.address,
            destination_port=question.port,
            incoming=origin.interface,
        )
        walked = walk.received(packet) if origin.interface else walk.sent(packet)
        stop = self._stop(question, walked)
        by_proxy = target.published is not None and walked.there.delivered_locally
        if stop.reason is None and by_proxy:
            stop = self._stop_behind_proxy(question)
        # A port that is not published is asked for at the container's address. A program of the host would be asked for
        # at the host's address on that link, so that is the address for the comparison.
        own = question.address
        if target.published is None or is_loopback(own):
            own = origin.own or own
        return Exposure(
            question,
            _verdict(stop.reason),
            stop.reason,
            by_proxy=stop.reason is None and by_proxy,
            rules=tuple(step for step in walked.there.steps if step.effect in _TOLD and step.rule is not None),
            stopped_by=stop.step,
            refused_by=self._refusal(replace(packet, destination=own)) if origin.interface else None,
            finding=stop.finding,
            listening=listening,
        )

    def _stop(self, question: Question, walked: Walked) -> _Stop:
        """Return why the packet or its answer does not arrive."""
        elsewhere = _translation_elsewhere(question, walked.there)
        if elsewhere is not None:
            return _Stop(ELSEWHERE, elsewhere)
        reason = self._reason(question, walked)
        if reason is not None:
            return _Stop(reason, walked.outcome.step if reason in {RULE, RULE_UNKNOWN} else None)
        return self._diverted(walked)

    def _stop_behind_proxy(self, question: Question) -> _Stop:
        """Return why docker-proxy's own connection to the container fails."""
        target = question.target
        # docker-proxy leads from one family to the other, where the container has only one.
        addresses = {IPV4: target.endpoint.ipv4_address, IPV6: target.endpoint.ipv6_address}
        address = addresses[question.origin.version] or addresses[IPV4] or addresses[IPV6] or ""
        version = version_of(address) or IPV4
        walk = self._walks.get(version)
        if walk is None:
            return _Stop(RULES_UNSEEN)
        walked = walk.sent(Packet(version, target.protocol, None, address, destination_port=target.port))
        reason = _reason_of_rules(walked.outcome)
        return _Stop(reason, walked.outcome.step) if reason is not None else self._diverted(walked)

    def _diverted(self, walked: Walked) -> _Stop:
        """Return how the kernel routes the packet or its answer otherwise than the engine's networks need."""
        snapshot = self._state.snapshot
        asked = list(kernel_routes.decisions(snapshot, walked.there, walked.back, answers_to_links=True))
        questions = [question for question, _ in asked]
        answers = self._ask(questions) if self._ask is not None else self._state.observations.routes
        diverted = kernel_routes.first_diverted(snapshot, asked, answers) if answers else None
        return _Stop(ROUTE, finding=diverted[0]) if diverted is not None else _Stop()

    def _reason(self, question: Question, walked: Walked) -> str | None:
        """Return why rules or settings of the host stop the packet or its answer."""
        reason = _reason_of_rules(walked.outcome)
        if reason is not None:
            return reason
        return self._at_host(question) if walked.there.delivered_locally else self._beyond_host(question)

    def _at_host(self, question: Question) -> str | None:
        """Return why nothing answers at the host itself, where no rule translated the packet."""
        # From outside the kernel drops what is for 127.0.0.0/8; docker-proxy answers the rest, where it runs.
        if question.origin.kind is not OriginKind.HOST and is_loopback(question.address):
            return LOOPBACK
        served = question.target.published is not None and self._state.observations.userland_proxy
        return None if served else PROXY_UNSEEN if served is None else NOT_SERVED

    def _beyond_host(self, question: Question) -> str | None:
        """Return why the kernel does not send the packet on, though the rules let it pass."""
        version, is_forwarded = question.origin.version, question.origin.interface is not None
        # The kernel routes no packet from ::1 to another host (RFC 4291, 2.5.3); from 127.0.0.1 Docker allows it by
        # route_localnet where docker-proxy does not run.
        if version == IPV6 and not is_forwarded and is_loopback(question.address):
            return LOOPBACK
        off = is_forwarded and forwards(self._state.observations, version) is False
        return FORWARDING_OFF if off else NO_ROUTE if is_forwarded and self._has_no_way_back(question) else None

    def _has_no_way_back(self, question: Question) -> bool:
        """Whether the container has no route to the origin: on an internal network it has none to other subnets."""
        attachment = self._state.attachment_of(question.target.container.id)
        return (
            question.target.network.internal and default_exit(self._state, attachment, question.origin.version) is None
        )

    def _refused(self, packet: Packet) -> Step | None:
        walk = self._untranslated[packet.version]
        outcome = simulate.forward(walk.ruleset, walk.routes, packet)
        return outcome.step if outcome.verdict in STOPPED else None


def _reason_of_rules(outcome: Outcome) -> str | None:
    """Return why the way ended before its end; ``None`` where it did not."""
    if outcome.verdict in STOPPED:
        return RULE
    # Neither accepted nor stopped: a rule was not understood, or the kernel has no route for the packet.
    if outcome.verdict != simulate.ACCEPTED:
        return RULE_UNKNOWN if outcome.verdict == simulate.UNKNOWN else NO_ROUTE
    return None


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


def _verdict(reason: str | None) -> Verdict:
    if reason is None:
        return Verdict.REACHABLE
    unknown = reason in {RULES_UNSEEN, RULE_UNKNOWN, PROXY_UNSEEN}
    return Verdict.INCONCLUSIVE if unknown else Verdict.UNREACHABLE


def _listens(state: EngineState, target: Target, version: int) -> bool | None:
    seen = state.observations.inside.get(target.container.id)
    if seen is None or seen.sockets is None:
        return None
    own = target.endpoint.ipv4_address if version == IPV4 else target.endpoint.ipv6_address
    # docker-proxy also leads from one family to the other, where the container has only one.
    address = parsed(own or target.endpoint.ipv4_address or target.endpoint.ipv6_address or "")
    wanted = (target.protocol, target.port)
    return address is not None and any(
        (one.protocol, one.port) == wanted and takes(one, str(address), address.version) for one in seen.sockets
    )


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
