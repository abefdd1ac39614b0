"""From where each port of each container is reachable: packets from outside, led through the rules in force.

The packets are simulated, never sent.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from functools import cache

from bridgework.analysis.attachment import IPV4, IPV6, EngineState, parsed
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
from bridgework.analysis.rules.listener import takes
from bridgework.firewall import simulate
from bridgework.firewall.ruleset import Hook, Packet, Ruleset
from bridgework.firewall.simulate import Outcome, Step
from bridgework.model.checks import Verdict

# What a rule does that lets a packet through, or decides where it goes. A jump or a mark says nothing by itself.
_TOLD = frozenset({"accept", "dnat", "redirect", "masquerade", "snat"})
_STOPPED = frozenset({simulate.DROPPED, simulate.REJECTED})

RULE, ELSEWHERE, FORWARDING_OFF, LOOPBACK, NOT_SERVED, NO_ROUTE = (
    "firewall-rule", "translated-elsewhere", "forwarding-off", "loopback-address", "not-served", "no-route",
)  # fmt: skip
RULES_UNSEEN, RULE_UNKNOWN, PROXY_UNSEEN = "rules-unseen", "rule-not-understood", "proxy-unseen"
REASONS = (RULE, ELSEWHERE, FORWARDING_OFF, LOOPBACK, NOT_SERVED, NO_ROUTE, RULES_UNSEEN, RULE_UNKNOWN, PROXY_UNSEEN)
"""Why a port is not reachable, or why that is not known."""


@dataclass(frozen=True, slots=True)
class Exposure:
    """Whether a port is reachable from one place, and by which rules.

    ``reason`` is one of ``REASONS``, and ``None`` where the port is reachable. ``by_proxy``: docker-proxy answers at
    the host. ``rules`` let the packet through, and ``stopped_by`` stops it or its answer, or sends it to another
    container or program (``translated-elsewhere``). ``refused_by`` is what would
    stop the packet if a program of the host listened there: it is what the host's own firewall was meant to stop.
    ``listening`` says whether a program in the container listens on the port; ``None`` where that was not visible.
    """

    question: Question
    verdict: Verdict
    reason: str | None = None
    by_proxy: bool = False
    rules: tuple[Step, ...] = ()
    stopped_by: Step | None = None
    refused_by: Step | None = None
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


class Judge:
    """Answers questions of one state of the engine; what they have in common is computed once."""

    def __init__(self, state: EngineState) -> None:
        self._state = state
        rules = state.observations.firewall
        self._rulesets = {version: ruleset_of_host(rules, version) if rules else None for version in (4, 6)}
        # What the host's firewall was meant to stop shows only without DNAT: with it, the packet never meets INPUT.
        self._untranslated = {version: _untranslated(found) for version, found in self._rulesets.items() if found}
        # The host's addresses on bridges are known also where its interfaces were not seen.
        own = {origin.own for origin in origins_of(state.snapshot, state.observations.host) if origin.own}
        self._routes = HostRoutes(state.snapshot, state.observations, frozenset(own))
        self._refusal = cache(self._refused)

    def exposure(self, question: Question) -> Exposure:
        """Say whether the packet and its answer pass the host."""
        origin, target = question.origin, question.target
        listening = _listens(self._state, target, origin.version)
        ruleset = self._rulesets[origin.version]
        if _is_dropped_on_arrival(question):
            return Exposure(question, Verdict.UNREACHABLE, LOOPBACK, listening=listening)
        if ruleset is None:
            return Exposure(question, Verdict.INCONCLUSIVE, RULES_UNSEEN, listening=listening)
        packet = Packet(
            origin.version,
            target.protocol,
            origin.source,
            question.address,
            destination_port=question.port,
            incoming=origin.interface,
        )
        there = self._walked(ruleset, packet)
        outcome = there
        # Without the client's address the way of the answer is not known: the host's own packets get it later.
        if there.verdict == simulate.ACCEPTED and packet.source is not None:
            outcome = simulate.reply(ruleset, self._routes, there, packet)
        elsewhere = _translation_elsewhere(question, there)
        reason = ELSEWHERE if elsewhere is not None else self._reason(question, there, outcome)
        # A port that is not published is asked for at the container's address. A program of the host would be asked for
        # at the host's address on that link, so that is the address for the comparison.
        own = question.address
        if target.published is None or is_loopback(own):
            own = origin.own or own
        return Exposure(
            question,
            _verdict(reason),
            reason,
            by_proxy=reason is None and target.published is not None and there.delivered_locally,
            rules=tuple(step for step in there.steps if step.effect in _TOLD and step.rule is not None),
            stopped_by=elsewhere or (outcome.step if reason in {RULE, RULE_UNKNOWN} else None),
            refused_by=self._refusal(replace(packet, destination=own)) if origin.interface else None,
            listening=listening,
        )

    def _reason(self, question: Question, there: Outcome, outcome: Outcome) -> str | None:
        """Return why the packet or its answer does not arrive; ``None`` where both do."""
        if outcome.verdict in _STOPPED:
            return RULE
        # Neither accepted nor stopped: a rule was not understood, or the kernel has no route for the packet.
        if outcome.verdict != simulate.ACCEPTED:
            return RULE_UNKNOWN if outcome.verdict == simulate.UNKNOWN else NO_ROUTE
        return self._at_host(question) if there.delivered_locally else self._beyond_host(question)

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
        return FORWARDING_OFF if off else None

    def _refused(self, packet: Packet) -> Step | None:
        outcome = self._walked(self._untranslated[packet.version], packet)
        return outcome.step if outcome.verdict in _STOPPED else None

    def _walked(self, ruleset: Ruleset, packet: Packet) -> Outcome:
        walk = simulate.output if packet.incoming is None else simulate.forward
        return walk(ruleset, self._routes, packet)


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
