"""Where a packet and its answer end in the rules in effect on the host, by simulation.

The rules decide the verdict. The option for which the engine wrote the deciding rule is the cause that a finding names.
"""

from __future__ import annotations

from dataclasses import replace
from enum import StrEnum

from bridgework.analysis.attachment import IPV4, IPV6, parsed, version_of
from bridgework.analysis.docker_rules.in_effect import in_effect
from bridgework.analysis.host_rules import BRIDGE_FILTER, DOCKER, owner_of
from bridgework.analysis.host_walk import STOPPED, HostWalk, Walked
from bridgework.analysis.routing import Candidate, Way
from bridgework.analysis.rules.base import Situation, once_for_each
from bridgework.firewall import simulate
from bridgework.firewall.docker import Because
from bridgework.firewall.ruleset import Packet
from bridgework.firewall.simulate import Outcome, Step
from bridgework.model.checks import Protocol


class Fate(StrEnum):
    """How the packet and its answer end. ``BY_DOCKER``: a rule of the engine stops it, or the policy of a chain."""

    PASSES = "passes"
    BY_DOCKER = "stopped by docker"
    BY_OTHERS = "stopped by others"
    UNDECIDED = "undecided"


@once_for_each
def walk_of(situation: Situation) -> Walked | None:
    """Return the way through the host's firewall; ``None`` where no rules are known or none apply."""
    candidate = situation.candidate
    if candidate is None or not _passes_the_host(situation, candidate):
        return None
    rules = in_effect(situation.state)
    ruleset = rules.ruleset(candidate.version)
    if ruleset is None:
        return None
    packet, goes_on = _packet(situation, candidate), _goes_on(situation)
    own = frozenset({candidate.address}) if candidate.is_host else frozenset()
    walk = HostWalk(ruleset, rules.routes_with(own))
    return rules.once((packet, own, candidate.way, goes_on), lambda: _walked(situation, candidate, walk, packet))


def walk_from_host(situation: Situation, address: str, port: int) -> Walked | None:
    """Return the way of a connection that a program of the host makes, such as docker-proxy to its container.

    ``None`` where the rules in effect are not known.
    """
    rules, version = in_effect(situation.state), version_of(address)
    ruleset = rules.ruleset(version) if version is not None else None
    if version is None or ruleset is None:
        return None
    packet, goes_on = Packet(version, situation.transport or "", None, address, None, port), _goes_on(situation)
    walk = HostWalk(ruleset, rules.routes_with(frozenset()))
    return rules.once((packet, "host", goes_on), lambda: walk.sent(packet, goes_on=goes_on))


def _goes_on(situation: Situation) -> bool:
    """Return whether the probe needs more than one packet and its answer."""
    return situation.question.probe.protocol is Protocol.HTTP


def is_forwarded(situation: Situation) -> bool:
    """Return whether the host forwards the packet as IP to one of its interfaces, by the rules in effect."""
    walked, rules = walk_of(situation), situation.observations.firewall
    if walked is None:
        return False
    # A published port may be translated to a container on another bridge, or on the same one.
    arrived = walked.there.packet
    if arrived.outgoing != arrived.incoming:
        return None not in {arrived.incoming, arrived.outgoing}
    # Translated back into its bridge, an IPv6 packet is switched by br_netfilter, and an IPv4 packet is forwarded
    # (measured on Linux 6.18). That IPv6 is forwarded without br_netfilter is from the kernel's source, not measured.
    switched = arrived.version == IPV6 and rules is not None and rules.switch(BRIDGE_FILTER[IPV6]) is True
    return arrived.incoming is not None and walked.is_translated and not switched


def outcome_of(situation: Situation) -> Outcome | None:
    """Return where the packet or its answer ends; ``None`` where no rules are known or none apply."""
    walked = walk_of(situation)
    return walked.outcome if walked is not None else None


def fate_of(situation: Situation) -> Fate | None:
    """Return how the packet and its answer end by the rules in effect; ``None`` where these were not simulated."""
    outcome = outcome_of(situation)
    if outcome is None:
        return None
    if outcome.verdict not in STOPPED:
        return Fate.UNDECIDED if outcome.verdict == simulate.UNKNOWN else Fate.PASSES
    step = outcome.step
    # A policy is not a rule of any program. It stops what no rule of the engine accepts, so an option may explain it.
    ours = step is None or step.rule is None or owner_of(situation.snapshot, step) == DOCKER
    return Fate.BY_DOCKER if ours else Fate.BY_OTHERS


def cause_of(situation: Situation) -> Because | None:
    """Return the option for which the engine wrote the rule that stops the packet or its answer.

    ``None`` where nothing stops it, where another rule or the policy of a chain does, and where another rule brings the
    packet there.
    """
    if fate_of(situation) is not Fate.BY_DOCKER:
        return None
    outcome = outcome_of(situation)
    if outcome is None or outcome.step is None:
        return None
    # A packet that a rule leaves out of connection tracking is no answer any more, whatever option drops it then.
    if any(step.effect == "notrack" for step in outcome.steps):
        return None
    return in_effect(situation.state).because(outcome.step)


def stops_the_answer(situation: Situation) -> bool:
    """Return whether the packet arrives, and its answer does not."""
    walked = walk_of(situation)
    return walked is not None and walked.back is not None and walked.back.verdict in STOPPED


def _passes_the_host(situation: Situation, candidate: Candidate) -> bool:
    # What the host sends to itself passes its rules too. A container's own packets to itself do not leave it.
    if candidate.way is Way.NO_ROUTE or (candidate.way is Way.LOCAL and not situation.source.is_host):
        return False
    # Macvlan, ipvlan and overlay networks do not pass the host's bridges, nor does what leaves by one of them.
    if candidate.way is Way.DIRECT and candidate.network is not None and candidate.network.driver != "bridge":
        return False
    if candidate.exit is not None and candidate.exit.driver != "bridge":
        return False
    # Without the host's routes it is not known by which interface a packet leaves for an address outside.
    host = situation.observations.host
    return not candidate.is_outside or (host is not None and host.observation.routes is not None)


def _walked(situation: Situation, candidate: Candidate, walk: HostWalk, packet: Packet) -> Walked:
    within = candidate.way is Way.DIRECT and not candidate.is_host and not situation.source.is_host
    # A packet within one bridge is switched, not routed. It meets no IP rule, unless br_netfilter shows it to them.
    if within and not walk.routes.filters_bridged(candidate.version):
        return Walked(Outcome(simulate.ACCEPTED, packet, ()))
    lead = walk.sent if situation.source.is_host else walk.bridged if within else walk.received
    return lead(packet, goes_on=_goes_on(situation))


def _packet(situation: Situation, candidate: Candidate) -> Packet:
    bridge = candidate.exit.bridge_name if candidate.exit else None
    direct = candidate.way is Way.DIRECT and not candidate.is_host
    endpoint = next(
        (e for e in situation.source.endpoints if candidate.exit is None or e.network_id == candidate.exit.id), None
    )
    source = None if endpoint is None else endpoint.ipv4_address if candidate.version == IPV4 else endpoint.ipv6_address
    # The engine keeps what another client wrote, such as no address at all.
    packet = situation.packet(candidate, source if source and parsed(source) else None)
    return replace(
        packet,
        incoming=None if situation.source.is_host else bridge,
        outgoing=bridge if direct else None,
        # The names of the two veths are not needed: no rule that we know of compares them, only that there are ports.
        bridge_ports=(f"port of {bridge}", f"port of {bridge}") if direct and bridge else (None, None),
    )


__all__ = [
    "STOPPED", "Fate", "Outcome", "Step", "Walked", "cause_of", "fate_of", "is_forwarded", "outcome_of",
    "stops_the_answer", "walk_from_host", "walk_of",
]  # fmt: skip
