"""Rules of the families netdev, bridge and arp on the way: of nftables, ebtables and arptables."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from bridgework.analysis.attachment import IPV4
from bridgework.analysis.routing import Candidate, Way
from bridgework.analysis.rules.base import HOST, Findings, Situation, finding, of_container
from bridgework.analysis.rules.ends import End, ends_of
from bridgework.analysis.rules.own_rules import source_of
from bridgework.explanations.firewall import LINK_RULE_DROPS
from bridgework.firewall.frames import Drop, FrameChain, drop_of, frame_chains
from bridgework.firewall.ruleset import Packet
from bridgework.model.checks import Finding, Severity
from bridgework.model.errors import Remedy
from bridgework.model.observations import Observation

_UNRESOLVED = frozenset({"failed", "incomplete"})
_WITHIN_BRIDGE = frozenset({"prerouting", "forward", "postrouting"})
_THROUGH_HOST = frozenset({"prerouting", "input", "output", "postrouting"})


@dataclass(frozen=True, slots=True)
class _Place:
    """A namespace on the way: an end, or the host (``None``).

    ``devices`` are the interfaces that the packet passes, each with the hook of the packet itself: ``ingress`` or
    ``egress``. Its answer passes the other hook.
    """

    end: End | None
    seen: Observation
    devices: dict[str, str]


def frame_rule_drops(situation: Situation) -> Findings:
    """Find rules that drop the frames of the packet, of its answer, or of the ARP questions before them."""
    candidate = situation.candidate
    if candidate is None or candidate.way in {Way.LOCAL, Way.NO_ROUTE}:
        return
    packets = _packets(situation, candidate)
    for place in _places(situation, candidate):
        for chain in frame_chains(place.seen.frame_rules or ""):
            drop = _drop(situation, candidate, place, chain, packets)
            if drop is not None:
                yield finding_of(drop, place.end)


def _packets(situation: Situation, candidate: Candidate) -> tuple[Packet, Packet]:
    """Return the packet and its answer."""
    protocol = situation.transport or ("icmp" if candidate.version == IPV4 else "ipv6-icmp")
    port, source = (situation.port if situation.transport else None), source_of(situation)
    there = Packet(candidate.version, protocol, source, candidate.address, destination_port=port)
    return there, Packet(candidate.version, protocol, candidate.address, source or "", source_port=port)


def _places(situation: Situation, candidate: Candidate) -> Iterator[_Place]:
    ends = tuple(ends_of(situation))
    for end in ends:
        if end.link is not None:
            yield _Place(end, end.seen, {end.link.name: "egress" if end.is_source else "ingress"})
    host = situation.observations.host
    if host is None:
        return
    devices = {end.port.name: "ingress" if end.is_source else "egress" for end in ends if end.port is not None}
    if candidate.is_outside:
        ways = [route.interface for route in host.observation.routes or () if route.interface]
        bridges = {network.bridge_name for network in situation.snapshot.networks}
        devices |= {name: "egress" for name in ways if name not in bridges}
    yield _Place(None, host.observation, devices)


def _drop(
    situation: Situation, candidate: Candidate, place: _Place, chain: FrameChain, packets: tuple[Packet, Packet]
) -> Drop | None:
    there, back = packets
    if chain.family == "arp":
        # ARP alone passes here, and only where a question has no answer it may be because of a rule.
        return drop_of(chain, there) if there.version == IPV4 and _asks_in_vain(situation, place) else None
    if chain.family == "bridge":
        within = candidate.way is Way.DIRECT and not situation.source.is_host and not candidate.is_host
        if place.end is not None or chain.hook not in (_WITHIN_BRIDGE if within else _THROUGH_HOST):
            return None
        return drop_of(chain, there) or drop_of(chain, back)
    ways = {place.devices[name] for name in chain.devices if name in place.devices}
    drops = (drop_of(chain, there if way == chain.hook else back) for way in ways)
    return next((drop for drop in drops if drop is not None), None)


def _asks_in_vain(situation: Situation, place: _Place) -> bool:
    seen = [place.seen, *(end.seen for end in ends_of(situation))]
    return any(one.state in _UNRESOLVED for observation in seen for one in observation.neighbours or ())


def finding_of(drop: Drop, end: End | None) -> Finding:
    """Make the finding for a rule in the namespace of an end, or of the host (``None``)."""
    chain, name = drop.chain, "the host" if end is None else end.container.name
    where = f"table {chain.table}, chain {chain.name}, hook {chain.hook}"
    where += f" of {' and '.join(sorted(chain.devices))}" if chain.devices else ""
    verb = "drops packets of this way" if drop.is_certain else "drops some packets, and may drop this one"
    message = f"A rule of the family {chain.family} of {name} ({where}) {verb}: {drop.text}."
    remedy = end.new_namespace if end is not None else _deletion(drop)
    component = HOST if end is None else of_container(end.container)
    evidence = {
        "family": chain.family, "table": chain.table, "chain": chain.name, "hook": chain.hook,
        "interfaces": sorted(chain.devices), "rule": drop.rule.text if drop.rule is not None else None,
    }  # fmt: skip
    severity = Severity.BLOCKING if drop.is_certain else Severity.WARNING
    return finding(LINK_RULE_DROPS, component, message, severity=severity, remedy=remedy, evidence=evidence)


def _deletion(drop: Drop) -> Remedy:
    chain = f"{drop.chain.family} {drop.chain.table} {drop.chain.name}"
    if drop.rule is None:
        return Remedy(
            "Let the chain accept what no rule decides.", commands=(f"nft chain {chain} {{ policy accept ; }}",)
        )
    return Remedy("Delete or narrow the rule.", commands=(f"nft delete rule {chain} handle {drop.rule.handle}",))
