"""Whether the engine's own firewall rules exist, if the host's firewall was observed."""

from __future__ import annotations

from bridgework.analysis.attachment import IPV4
from bridgework.analysis.routing import Candidate, Way
from bridgework.analysis.rules.base import HOST, Findings, Situation, finding
from bridgework.analysis.rules.host import Delivery, publication
from bridgework.model.checks import Finding, Severity
from bridgework.model.errors import Remedy
from bridgework.model.observations import FirewallChain

NATIVE_TABLE = "docker-bridges"
_INPUT, _FORWARD = "INPUT", "FORWARD"
_BRIDGE_FILTER = {4: "net.bridge.bridge-nf-call-iptables", 6: "net.bridge.bridge-nf-call-ip6tables"}


def chains_are_missing(situation: Situation) -> Findings:
    """Find that the engine's rules are gone after a flush: nothing is translated until it writes them again.

    An engine with ``iptables=false`` looks the same, so the finding names both causes.
    """
    candidate = situation.candidate
    chains = _chains(situation, IPV4)
    if candidate is None or chains is None or candidate.version != IPV4 or _hook(situation, candidate) != _FORWARD:
        return
    if situation.observations.guards(IPV4):
        return
    if situation.observations.nftables:
        yield native_rules_are_missing()
        return
    forward = next((c for c in chains if (c.table, c.name) == ("filter", _FORWARD)), None)
    policy = forward.policy if forward is not None else "ACCEPT"
    passes = policy != "DROP" or not _is_filtered(situation, candidate)
    flushed = any(chain.name == "DOCKER" for chain in chains)
    message = (
        f"The host's chain FORWARD (policy {policy}) has no jump to Docker's chains: the rules were flushed."
        if flushed
        else f"The host's firewall (policy of FORWARD: {policy}) has none of Docker's rules: "
        f"the engine is configured to write none (iptables=false), or they were flushed."
    )
    yield finding(
        "firewall-rules-missing",
        HOST,
        message,
        severity=Severity.WARNING if passes and not candidate.is_outside else None,
        remedy=rewrite_rules(flushed=flushed),
        evidence={"chain": _FORWARD, "policy": policy, "rules": len(forward.rules) if forward else 0},
    )


def native_rules_are_missing() -> Finding:
    """Make the finding for a missing nftables table of an engine whose backend is nftables."""
    message = (
        f"The host's firewall has no table {NATIVE_TABLE}: the engine is configured to write no rules "
        f"(iptables=false), or they were flushed."
    )
    remedy = rewrite_rules(flushed=False)
    evidence = {"table": NATIVE_TABLE}
    return finding("firewall-rules-missing", HOST, message, severity=Severity.WARNING, remedy=remedy, evidence=evidence)


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
    return rules.switch(_BRIDGE_FILTER[candidate.version]) is True
