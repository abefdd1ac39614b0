"""Rules about networks that should be kept apart, and are not."""

from __future__ import annotations

from bridgework.analysis.address_choice import talks_inside
from bridgework.analysis.attachment import IPV4
from bridgework.analysis.routing import Candidate, Way, gateway_mode
from bridgework.analysis.rules.base import Findings, Situation, component_of, finding
from bridgework.analysis.rules.simulated import Fate, fate_of
from bridgework.explanations.networks import NETWORKS_NOT_ISOLATED
from bridgework.firewall.docker.releases import facts_of
from bridgework.firewall.programs import drops_between
from bridgework.model.errors import Remedy
from bridgework.model.snapshot import Network

# The setting of daemon.json, and the program, for each IP version.
_OPEN_MODES = frozenset({"nat-unprotected", "routed"})
_SETTING = {4: "iptables", 6: "ip6tables"}


def networks_are_open(situation: Situation) -> Findings:
    """Find a packet that passes from one bridge to another, between two containers that no network lets talk."""
    candidate, source = situation.candidate, situation.source
    if candidate is None or candidate.way is not Way.FORWARDED or source.is_host:
        return
    if fate_of(situation) is not Fate.PASSES:
        return
    holder, leaves, network = candidate.attachment, candidate.exit, candidate.network
    if holder is None or holder.is_host or network is None or leaves is None or _are_together(situation, candidate):
        return
    evidence = {"address": candidate.address, "network": network.name, "leaves_by": leaves.name}
    message = (
        f"{source.name} reaches {holder.name} at {candidate.address} ({network.name}), although no network joins them: "
        f"{_why_open(situation, candidate, network)}."
    )
    remedy = _closed(situation, candidate.version, leaves, network)
    yield finding(NETWORKS_NOT_ISOLATED, component_of(source), message, remedy=remedy, evidence=evidence)


def _are_together(situation: Situation, candidate: Candidate) -> bool:
    """Whether the two are on one network that lets its endpoints talk."""
    holder = candidate.attachment
    theirs = {e.network_id for e in holder.endpoints} if holder is not None else set()
    common = (situation.network_of(e.network_id) for e in situation.source.endpoints if e.network_id in theirs)
    return any(network is not None and talks_inside(network) for network in common)


def _why_open(situation: Situation, candidate: Candidate, network: Network) -> str:
    version, mode = candidate.version, gateway_mode(network, candidate.version)
    if situation.observations.guards(version) is False:
        return f"the engine writes no IPv{version} rules ({_SETTING[version]} is off), so nothing keeps networks apart"
    if mode in _OPEN_MODES:
        return f"{network.name} has the gateway mode {mode}"
    return "no rule on the host stops the packet"


def _closed(situation: Situation, version: int, one: Network, other: Network) -> Remedy:
    """Make the remedy that closes the way between two bridges, in both directions."""
    guarded = situation.observations.guards(version)
    setting = ""
    if guarded is False:
        more = (
            ' and "experimental": true'
            if facts_of(situation.observations.engine_version).ip6tables_is_experimental
            else ""
        )
        more = more if version != IPV4 else ""
        setting = f' Or set "{_SETTING[version]}": true{more} in daemon.json, and restart the engine.'
    bridges = (one.bridge_name, other.bridge_name)
    ways = (bridges, bridges[::-1]) if all(bridges) else ()
    commands = drops_between(ways, version, guarded=bool(guarded), nftables=situation.observations.nftables)
    return Remedy(f"Drop what passes between {one.name} and {other.name}.{setting}", commands=commands)
