"""What an engine that writes no firewall rules (iptables=false) leaves to its host, where the host does not do it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from bridgework.analysis.attachment import IPV4, EngineState
from bridgework.analysis.host_rules import HostRoutes, ruleset_of_host
from bridgework.analysis.routing import gateway_mode, masquerades, subnet_of
from bridgework.explanations import HOST, finding
from bridgework.explanations.firewall import FIREWALL_NOT_MANAGED
from bridgework.firewall.ruleset import SNAT, Packet, Ruleset
from bridgework.firewall.simulate import ACCEPTED, DROPPED, REJECTED, forward
from bridgework.model.checks import Finding
from bridgework.model.errors import Remedy
from bridgework.model.observations import FirewallRules
from bridgework.model.snapshot import Network

_STOPPED = frozenset({DROPPED, REJECTED})
# An address that no network has (TEST-NET-3, RFC 5737) stands for the outside.
_OUTSIDE = "203.0.113.1"


@dataclass(frozen=True, slots=True)
class _Unserved:
    """A network whose packets to the outside the host drops or does not translate."""

    network: Network
    subnet: str
    dropped: bool


def not_managed(state: EngineState) -> Finding | None:
    """Return the finding for an engine with iptables=false, if packets of its networks do not leave the host well."""
    rules = state.observations.firewall
    if rules is None or rules.docker.setting is None or not rules.docker.is_off:
        return None
    unserved = tuple(_unserved(state, rules))
    if not unserved:
        return None
    source = rules.docker.setting.source
    names = ", ".join(one.network.name for one in unserved)
    message = (
        f"The engine writes no firewall rules (iptables is false in {source}), and no rule of the host "
        f"{'accepts and translates' if any(one.dropped for one in unserved) else 'translates'} what leaves {names}."
    )
    summary = (
        f"Remove iptables=false from {source} and restart the engine, which then writes its rules. To keep the "
        f"setting, write the rules with these commands, and keep them in the configuration of the host."
    )
    return finding(
        FIREWALL_NOT_MANAGED,
        HOST,
        message,
        remedy=Remedy(summary, commands=tuple(command for one in unserved for command in _by_hand(one))),
        evidence={"setting": "iptables", "source": source, "networks": [one.network.name for one in unserved]},
    )


def _unserved(state: EngineState, rules: FirewallRules) -> Iterator[_Unserved]:
    ruleset = ruleset_of_host(rules, IPV4)
    for network in state.snapshot.networks if ruleset is not None else ():
        subnet = next((net for pool in network.pools if (net := subnet_of(pool)) and net.version == IPV4), None)
        leaves = network.scope == "local" and not network.internal and gateway_mode(network, IPV4) == "nat"
        if ruleset is None or subnet is None or not leaves or not network.bridge_name or not masquerades(network):
            continue
        sent = Packet(IPV4, "tcp", str(subnet[-2]), _OUTSIDE, None, 443, incoming=network.bridge_name)
        outcome = forward(ruleset, HostRoutes(state.snapshot, state.observations), sent)
        untranslated = outcome.verdict == ACCEPTED and SNAT not in outcome.packet.translated
        if outcome.verdict in _STOPPED or (untranslated and not _may_be_translated(ruleset, outcome.packet)):
            yield _Unserved(network, str(subnet), outcome.verdict in _STOPPED)


def _may_be_translated(ruleset: Ruleset, packet: Packet) -> bool:
    """Return whether a rule translates the source of the packet under a condition that is not understood."""
    return any(
        rule.applies(packet) is None
        for table in ruleset.tables
        for chain in table.chains.values()
        for rule in chain.rules
        if any(effect.kind in {"masquerade", "snat"} for effect in rule.effects)
    )


def _by_hand(one: _Unserved) -> Iterator[str]:
    bridge = one.network.bridge_name
    yield f"iptables -t nat -A POSTROUTING -s {one.subnet} ! -o {bridge} -j MASQUERADE"
    if one.dropped:
        yield f"iptables -I FORWARD -i {bridge} ! -o {bridge} -j ACCEPT"
        yield f"iptables -I FORWARD -o {bridge} -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT"
