"""Whether the engine's own firewall rules exist, all of them or in part, if the host's firewall was observed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache

from bridgework.analysis.attachment import IPV4, EngineState
from bridgework.analysis.docker_rules import ISOLATION, NETWORK, PORT, MissingRule, missing_rules
from bridgework.analysis.docker_rules.not_managed import not_managed
from bridgework.analysis.host_rules import BRIDGE_FILTER, DOCKER, NATIVE_TABLE, owner_of
from bridgework.analysis.routing import Candidate, Way
from bridgework.analysis.rules.base import HOST, Findings, Situation, finding, of_container, of_network
from bridgework.analysis.rules.host import Delivery, publication
from bridgework.explanations.explanation import Explanation
from bridgework.explanations.firewall import FIREWALL_RULES_MISSING
from bridgework.explanations.networks import ICC_NOT_ENFORCED
from bridgework.firewall.docker.lost import commands_for
from bridgework.firewall.iptables_save import read_rule
from bridgework.firewall.simulate import Step
from bridgework.model.checks import Component, Finding, Severity
from bridgework.model.errors import Remedy
from bridgework.model.observations import FirewallChain, Observations
from bridgework.model.snapshot import Network

_INPUT, _FORWARD = "INPUT", "FORWARD"
_WITHOUT = {
    NETWORK: "packets of its containers may be dropped, or leave without translation",
    ISOLATION: "packets pass that Docker should drop",
}


def chains_are_missing(situation: Situation) -> Findings:
    """Find that the engine's rules are gone after a flush: nothing is translated until it writes them again.

    An engine with ``iptables=false`` looks the same. Where its settings are not visible, the finding names both causes.
    """
    candidate = situation.candidate
    chains = _chains(situation, IPV4)
    if candidate is None or chains is None or candidate.version != IPV4 or _hook(situation, candidate) != _FORWARD:
        return
    if situation.observations.guards(IPV4):
        return
    rules = situation.observations.firewall
    setting = rules.docker.setting if rules is not None else None
    if setting is not None and not setting.writes:
        # What reaches a container without rules of the engine needs no finding.
        found = not_managed(situation.state) if candidate.is_outside else None
        if found is not None:
            yield found
        return
    if situation.observations.nftables:
        yield native_rules_are_missing(flushed=setting is not None)
        return
    forward = next((c for c in chains if (c.table, c.name) == ("filter", _FORWARD)), None)
    policy = forward.policy if forward is not None else "ACCEPT"
    passes = policy != "DROP" or not _is_filtered(situation, candidate)
    flushed = setting is not None or any(chain.name == "DOCKER" for chain in chains)
    message = (
        f"The host's chain FORWARD (policy {policy}) has no jump to Docker's chains: the rules were flushed."
        if flushed
        else f"The host's firewall (policy of FORWARD: {policy}) has none of Docker's rules: "
        f"the engine is configured to write none (iptables=false), or they were flushed."
    )
    yield finding(
        FIREWALL_RULES_MISSING,
        HOST,
        message,
        severity=Severity.WARNING if passes and not candidate.is_outside else None,
        remedy=rewrite_rules(flushed=flushed),
        evidence={"chain": _FORWARD, "policy": policy, "rules": len(forward.rules) if forward else 0},
    )


def native_rules_are_missing(*, flushed: bool) -> Finding:
    """Make the finding for a missing nftables table of an engine whose backend is nftables."""
    why = "" if flushed else "the engine is configured to write no rules (iptables=false), or "
    message = f"The host's firewall has no table {NATIVE_TABLE}: {why}it was deleted."
    severity = None if flushed else Severity.WARNING
    remedy, evidence = rewrite_rules(flushed=flushed), {"table": NATIVE_TABLE}
    return finding(FIREWALL_RULES_MISSING, HOST, message, severity=severity, remedy=remedy, evidence=evidence)


def rewrite_rules(*, flushed: bool) -> Remedy:
    """Return the remedy that brings the engine's rules back. ``flushed``: the engine certainly had written them."""
    condition = "" if flushed else "Unless daemon.json sets iptables to false on purpose: "
    summary = f"{condition}restart the engine, which writes its rules again."
    return Remedy(summary[0].upper() + summary[1:], commands=("systemctl restart docker",))


def _chains(situation: Situation, version: int) -> tuple[FirewallChain, ...] | None:
    rules = situation.observations.firewall
    return None if rules is None else rules.chains_of(version)


def _hook(situation: Situation, candidate: Candidate) -> str | None:
    """Return the chain where the packet enters the filter table; ``None`` from the host and inside one namespace."""
    if situation.source.is_host or candidate.way not in {Way.DIRECT, Way.FORWARDED}:
        return None
    if not candidate.is_host:
        return _FORWARD
    found = publication(situation)
    return _FORWARD if found is not None and found.delivery is Delivery.RULES else _INPUT


def _is_filtered(situation: Situation, candidate: Candidate) -> bool:
    """Whether the packet passes the table at all: within one bridge only where br_netfilter is switched on."""
    rules = situation.observations.firewall
    within = candidate.way is Way.DIRECT and not candidate.is_host
    if not within or rules is None or not rules.switches:
        return True
    return rules.switch(BRIDGE_FILTER[candidate.version]) is True


def missing_finding(
    cause: Explanation, component: Component, rules: list[MissingRule], *, proxied: bool = False
) -> Finding:
    """Make the finding for lost rules of one container, one network or the host."""
    severity = None
    if cause is PORT:
        message = f"The host's firewall lacks {_lost(rules)} {_ports(rules)} of {component.name}."
        # docker-proxy still answers at the host where only the translation is lost. Without its other rules a container
        # does not reach its own port by the host.
        stops = any(one.does("accept") or (one.does("dnat") and not proxied) for one in rules)
        severity = None if stops else Severity.WARNING
    else:
        whose = f" for {component.name}" if component != HOST else ""
        more = f" and {len(rules) - 1} more" if len(rules) > 1 else ""
        message = f"The host's firewall lacks Docker's rule {rules[0].rule}{more}{whose}: {_WITHOUT[cause]}."
    remedy = Remedy(
        "Write the lost rules again with these commands, or restart the engine, which writes all of its rules again.",
        commands=commands_for([one.lost for one in rules]),
    )
    evidence = {**quoted(rules), "ip_versions": sorted({one.version for one in rules})}
    return finding(cause, component, message, severity=severity, remedy=remedy, evidence=evidence)


def quoted(rules: Sequence[MissingRule]) -> Mapping[str, object]:
    """Return the rules, and at the same places the options that cause them."""
    return {"rules": [one.rule for one in rules], "options": [one.option for one in rules]}


def subject_of(one: MissingRule) -> Component:
    """Return the container of a port's rule, the network of another, or the host."""
    if one.cause is PORT and one.container is not None:
        return of_container(one.container)
    return of_network(one.network) if one.network is not None else HOST


def _lost(rules: list[MissingRule]) -> str:
    does = [
        words
        for effect, words in (("dnat", "translates"), ("accept", "accepts packets for"), ("masquerade", "masquerades"))
        if any(one.does(effect) for one in rules)
    ]
    if len(does) > 1:
        verbs = " and ".join(words.split()[0].removesuffix("s") for words in does)
        return f"Docker's rules that {verbs}"
    return f"Docker's rule that {does[0] if does else 'is for'}"


def _ports(rules: list[MissingRule]) -> str:
    ports = sorted(
        {
            f"{one.port.protocol} port {one.port.host_port or one.port.container_port}"
            for one in rules
            if one.port is not None
        }
    )
    return ", ".join(ports)


def lost_rules_of(situation: Situation, step: Step) -> list[MissingRule]:
    """Return the lost rules that would have let the packet pass this step, which drops what no rule accepts."""
    # A drop of another program is its own cause, whatever else is lost. Docker's own drops, and the policy of FORWARD,
    # end the packets that no rule of Docker's has accepted before.
    if owner_of(situation.snapshot, step) != DOCKER and step.rule is not None:
        return []
    candidate = situation.candidate
    lost = _missing(situation.state) if candidate is not None else ()
    return [one for one in lost if one.version == step.before.version and _would_pass(one, step)]


def _would_pass(lost: MissingRule, step: Step) -> bool:
    """Whether the lost rule would have let the dropped packet pass before this step."""
    if not lost.does("accept") and "-j DOCKER" not in lost.rule:
        return False
    # A drop of Docker's ends its own chain, so only a rule of that chain comes before it.
    if step.rule is not None and step.place.chain.name != lost.lost.chain:
        return False
    # The text of a native rule is not read again. Its chain is that of one bridge, so it is about this packet.
    return not lost.rule.startswith("-A ") or read_rule(lost.rule).applies(step.before) is not False


@lru_cache(maxsize=2)
def _missing(state: EngineState) -> tuple[MissingRule, ...]:
    # One check, and each pair of a matrix, asks for the same state.
    return tuple(missing_rules(state))


def icc_hole(observations: Observations, network: Network, version: int) -> Finding | None:
    """Return the finding for a network with enable_icc=false whose packets meet no rule, as br_netfilter is off."""
    rules = observations.firewall
    if rules is None or not rules.switches or rules.switch(BRIDGE_FILTER[version]) is True:
        return None
    sysctl = BRIDGE_FILTER[version]
    there = rules.switch(sysctl) is False
    message = (
        f"{network.name} has enable_icc=false, and its containers reach each other: {sysctl} is "
        f"{'0' if there else 'not there'}, so the rule that drops their packets never sees them."
    )
    load = () if there else ("modprobe br_netfilter",)
    return finding(
        ICC_NOT_ENFORCED,
        of_network(network),
        message,
        remedy=Remedy(
            "Let the host's rules see the packets between the ports of a bridge.",
            commands=(*load, f"sysctl -w {sysctl}=1"),
        ),
        evidence={"sysctl": sysctl, "value": "0" if there else None, "bridge": network.bridge_name},
    )


def icc_is_not_enforced(situation: Situation, network: Network, version: int) -> Findings:
    """Find why the containers of a network with enable_icc=false reach each other."""
    if not situation.observations.guards(version):
        return
    hole, lost = icc_hole(situation.observations, network, version), _lost_icc_rule(situation, network)
    if hole is not None:
        yield hole
    elif lost is not None:
        message = (
            f"{network.name} has enable_icc=false, and its containers reach each other: Docker's rule {lost.rule} is "
            f"lost."
        )
        yield finding(
            ICC_NOT_ENFORCED,
            of_network(network),
            message,
            remedy=Remedy("Write the rule again.", commands=lost.commands),
            evidence={"rules": [lost.rule], "bridge": network.bridge_name},
        )


def _lost_icc_rule(situation: Situation, network: Network) -> MissingRule | None:
    """Return the lost rule that keeps the containers of the network apart (enable_icc=false)."""
    within = f"-i {network.bridge_name} -o {network.bridge_name} ", f"iifname {network.bridge_name} "
    lost = (one for one in _missing(situation.state) if one.cause is ISOLATION and one.network == network)
    return next((one for one in lost if any(words in one.rule for words in within)), None)


def lost_rule_stops(situation: Situation, step: Step) -> Findings:
    """Find the lost rules of Docker's without which the packet is dropped at this step."""
    found: dict[tuple[Explanation, Component], list[MissingRule]] = {}
    for one in lost_rules_of(situation, step):
        found.setdefault((one.cause, subject_of(one)), []).append(one)
    for (cause, component), rules in found.items():
        yield missing_finding(cause, component, rules)
