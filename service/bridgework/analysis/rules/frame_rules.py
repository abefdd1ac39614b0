"""Rules of the families netdev, bridge and arp on the way: of nftables, ebtables and arptables."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain

from bridgework.analysis.attachment import IPV4
from bridgework.analysis.frames import answered
from bridgework.analysis.inside_walk import insides_of
from bridgework.analysis.routing import Candidate, Way
from bridgework.analysis.rules.base import HOST, Findings, Situation, finding, of_container
from bridgework.analysis.rules.ends import End, ends_of, source_of
from bridgework.explanations.firewall import LINK_RULE_DROPS
from bridgework.firewall.frames import Drop, drop_of, frame_chains
from bridgework.model.checks import Finding, Severity
from bridgework.model.errors import Remedy
from bridgework.model.observations import Observation

_UNRESOLVED = frozenset({"failed", "incomplete"})
_WITHIN_BRIDGE = frozenset({"prerouting", "forward", "postrouting"})
_THROUGH_HOST = frozenset({"prerouting", "input", "output", "postrouting"})


def frame_rule_drops(situation: Situation) -> Findings:
    """Find rules that drop the frames of the packet, of its answer, or of the ARP questions before them."""
    candidate, host = situation.candidate, situation.observations.host
    if candidate is None or candidate.way in {Way.LOCAL, Way.NO_ROUTE}:
        return
    for inside in insides_of(situation):
        if inside.end.link is not None:
            arp = _arp_drops(situation, candidate, inside.end.seen)
            yield from (finding_of(drop, inside.end) for drop in chain((inside.drop,), arp) if drop is not None)
    if host is not None:
        between = _drops_between(situation, candidate, host.observation)
        yield from (
            finding_of(drop, None) for drop in chain(between, _arp_drops(situation, candidate, host.observation))
        )


def _drops_between(situation: Situation, candidate: Candidate, host: Observation) -> Iterator[Drop]:
    """Yield the rules of the host that drop a frame at the ends of the links, or on a bridge."""
    there = situation.packet(candidate, source_of(situation))
    back = answered(there)
    direct = candidate.way is Way.DIRECT and not situation.source.is_host and not candidate.is_host
    hooks, devices = _WITHIN_BRIDGE if direct else _THROUGH_HOST, _devices(situation, candidate, host)
    for found in frame_chains(host.frame_rules or ""):
        if found.family == "bridge" and found.hook in hooks:
            drop = drop_of(found, there) or drop_of(found, back)
        elif found.family == "netdev":
            ways = {devices[name] for name in found.devices if name in devices}
            drops = (drop_of(found, there if way == found.hook else back) for way in ways)
            drop = next((drop for drop in drops if drop is not None), None)
        else:
            drop = None
        if drop is not None:
            yield drop


def _devices(situation: Situation, candidate: Candidate, host: Observation) -> dict[str, str]:
    """Map the host's interfaces on the way to the hook of the packet itself. Its answer passes the other hook."""
    ends = ends_of(situation)
    devices = {end.port.name: "ingress" if end.is_source else "egress" for end in ends if end.port is not None}
    if candidate.is_outside:
        bridges = {network.bridge_name for network in situation.snapshot.networks}
        ways = (route.interface for route in host.routes or () if route.interface)
        devices |= {name: "egress" for name in ways if name not in bridges}
    return devices


def _arp_drops(situation: Situation, candidate: Candidate, seen: Observation) -> Iterator[Drop]:
    """Yield the rules of a namespace that drop ARP, where a question has no answer it may be because of a rule."""
    there = situation.packet(candidate, source_of(situation))
    if there.version == IPV4 and _asks_in_vain(situation, seen):
        chains = (found for found in frame_chains(seen.frame_rules or "") if found.family == "arp")
        yield from filter(None, (drop_of(found, there) for found in chains))


def _asks_in_vain(situation: Situation, seen: Observation) -> bool:
    observed = [seen, *(end.seen for end in ends_of(situation))]
    return any(one.state in _UNRESOLVED for observation in observed for one in observation.neighbours or ())


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
