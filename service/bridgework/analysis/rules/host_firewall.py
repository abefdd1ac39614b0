"""Rules about the host's firewall, where its chains were seen: the engine's own are there, a person's do not drop.

The packet is led through the filter table as the kernel leads it: from INPUT where it is for the host itself, from
FORWARD where it goes on (as a published port's does that is translated), into the chains that match, until one accepts
or drops. What a rule of the engine's drops is explained elsewhere. Only plain matches are understood (addresses,
interfaces, protocol, ports, state, kind of address); a rule with any other match is passed over, and is said so where
it drops. That covers what ufw writes. Traffic within one bridge passes FORWARD where br_netfilter is switched on.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from bridgework.analysis.attachment import IPV4, version_of
from bridgework.analysis.routing import Candidate, Way
from bridgework.analysis.rules.base import HOST, Findings, Situation, finding, unseen
from bridgework.analysis.rules.host import Delivery, publication
from bridgework.firewall.iptables_rule import Packet, Rule, read_rule
from bridgework.model.checks import Finding, Severity
from bridgework.model.errors import Remedy, quoted
from bridgework.model.observations import FirewallChain

DROPS = frozenset({"DROP", "REJECT"})
NATIVE_TABLE = "docker-bridges"
_MAX_DEPTH = 16
_INPUT, _FORWARD, _USER_CHAIN = "INPUT", "FORWARD", "DOCKER-USER"
_BRIDGE_FILTER = {4: "net.bridge.bridge-nf-call-iptables", 6: "net.bridge.bridge-nf-call-ip6tables"}
_PROGRAM = {4: "iptables", 6: "ip6tables"}


def chains_are_missing(situation: Situation) -> Findings:
    """After a flush the engine's rules are gone: nothing is translated until it writes them again.

    An engine that was told to write none (``iptables=false``) looks the same, so the finding names both.
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
        f"The host's chain FORWARD (policy {policy}) leads to none of Docker's: its rules were flushed."
        if flushed
        else f"The host's firewall (FORWARD's policy is {policy}) has none of Docker's rules: "
        f"the engine was told to write none (iptables=false), or they were flushed."
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
    """The engine's nftables table is not there, and the engine says that nftables is its backend."""
    message = (
        f"The host's firewall has no table {NATIVE_TABLE}: the engine was told to write no rules (iptables=false), "
        f"or they were flushed."
    )
    remedy = rewrite_rules(flushed=False)
    evidence = {"table": NATIVE_TABLE}
    return finding("firewall-rules-missing", HOST, message, severity=Severity.WARNING, remedy=remedy, evidence=evidence)


def rewrite_rules(*, flushed: bool) -> Remedy:
    """How the engine's rules come back. ``flushed``: it is certain that the engine had written them."""
    condition = "" if flushed else "Unless iptables is false in daemon.json on purpose: "
    summary = f"{condition}restart the engine, which writes its rules again."
    return Remedy(summary[0].upper() + summary[1:], commands=("systemctl restart docker",))


def user_rule_drops(situation: Situation) -> Findings:
    """A rule that is not the engine's matches the packet and drops it, or INPUT's policy does."""
    candidate = situation.candidate
    hook = _hook(situation, candidate) if candidate is not None else None
    if candidate is None or hook is None or not _is_filtered(situation, candidate):
        return
    chains = _chains(situation, candidate.version)
    if chains is None:
        return
    table = {chain.name: chain for chain in chains if chain.table == "filter"}
    walk = _Walk(table, _packet(situation, candidate, hook))
    end = walk.through(hook)
    yield from (
        unseen(HOST, f"The rule {quoted(text)} of {name} was not understood.", matters=False, rule=text)
        for name, text in walk.not_understood
    )
    if end is not None and end.target in DROPS and not _is_the_engines(end):
        yield _dropped(end, candidate.version)
    elif end is None and hook == _INPUT and _INPUT in table and table[_INPUT].policy == "DROP":
        yield _dropped_by_policy(situation, candidate)


@dataclass(frozen=True, slots=True)
class _End:
    """Where a packet's way through the table ended: the rule, and what it does."""

    chain: str
    text: str
    packets: int
    target: str
    rule: Rule


@dataclass(slots=True)
class _Walk:
    """One packet's way through the filter table."""

    table: dict[str, FirewallChain]
    packet: Packet
    not_understood: list[tuple[str, str]] = field(default_factory=list)

    def through(self, name: str, depth: int = 0) -> _End | None:
        """The rule that accepts or drops the packet; ``None`` where it comes out at the end of the chain."""
        chain = self.table.get(name)
        # The kernel refuses loops of chains; what was read may still be anything.
        if chain is None or depth > _MAX_DEPTH:
            return None
        for packets, _, text in chain.rules:
            rule = read_rule(text)
            if rule is None:
                if any(word in DROPS for word in text.split()):
                    self.not_understood.append((name, text))
                continue
            if not rule.matches(self.packet):
                continue
            if rule.target == "RETURN":
                return None
            if rule.target in {"ACCEPT", *DROPS}:
                return _End(name, text, packets, rule.target, rule)
            end = self.through(rule.target, depth + 1)
            if end is not None or rule.goes:
                return end
        return None


def _is_the_engines(end: _End) -> bool:
    """Whether the engine itself writes such a rule: in a chain of its own, or between the containers of a bridge."""
    own = end.chain.startswith("DOCKER") and end.chain != _USER_CHAIN
    incoming, outgoing = end.rule.value("-i"), end.rule.value("-o")
    return own or (end.chain == _FORWARD and incoming is not None and incoming == outgoing)


def _dropped(end: _End, version: int) -> Finding:
    deletion = end.text.split(" ", 1)[1] if end.text.startswith("-A ") else f"{end.chain} {end.text}"
    remedy = Remedy("Remove or narrow the rule.", commands=(f"{_PROGRAM[version]} -D {deletion}",))
    evidence = {"chain": end.chain, "rule": end.text, "packets": end.packets}
    message = f"{end.chain} drops: {end.text} ({end.packets} packets so far)."
    return finding("user-firewall-drop", HOST, message, remedy=remedy, evidence=evidence)


def _dropped_by_policy(situation: Situation, candidate: Candidate) -> Finding:
    """No rule took the packet for the host, and what no rule takes is dropped."""
    program, bridge = _PROGRAM[candidate.version], candidate.exit.bridge_name if candidate.exit else None
    what = f"{situation.transport} port {situation.port}" if situation.transport else "a ping"
    matches = [f"-i {bridge}"] if bridge else []
    if situation.transport:
        matches += [f"-p {situation.transport}", f"--dport {situation.port}"]
    remedy = Remedy(
        "Accept what containers send to the host, as in the command, or by the firewall's own program (ufw allow …).",
        commands=(f"{program} -I INPUT {' '.join(matches)} -j ACCEPT",),
    )
    message = f"INPUT drops {what}: its policy is DROP, and none of its rules accepts what comes from {bridge}."
    evidence = {"chain": _INPUT, "policy": "DROP"}
    return finding("user-firewall-drop", HOST, message, remedy=remedy, evidence=evidence)


def _chains(situation: Situation, version: int) -> tuple[FirewallChain, ...] | None:
    host = situation.observations.host
    if host is None:
        return None
    return host.chains if version == IPV4 else host.ipv6_chains


def _hook(situation: Situation, candidate: Candidate) -> str | None:
    """Where the packet enters the filter table; ``None`` for what the host sends, and inside one namespace."""
    if situation.source.is_host or candidate.way not in {Way.DIRECT, Way.FORWARDED}:
        return None
    if not candidate.is_host:
        return _FORWARD
    found = publication(situation)
    return _FORWARD if found is not None and found.delivery is Delivery.RULES else _INPUT


def _is_filtered(situation: Situation, candidate: Candidate) -> bool:
    """Whether the packet passes the table at all: within one bridge only where br_netfilter is switched on."""
    host = situation.observations.host
    settings = dict(host.observation.sysctls) if host is not None else {}
    within = candidate.way is Way.DIRECT and not candidate.is_host
    return not within or not settings or settings.get(_BRIDGE_FILTER[candidate.version]) == "1"


def _packet(situation: Situation, candidate: Candidate, hook: str) -> Packet:
    """What rules can compare. A published port's packet comes to FORWARD translated already."""
    endpoint = next(
        (e for e in situation.source.endpoints if candidate.exit is None or e.network_id == candidate.exit.id), None
    )
    source = None if endpoint is None else endpoint.ipv4_address if candidate.version == IPV4 else endpoint.ipv6_address
    protocol = situation.transport or ("icmp" if candidate.version == IPV4 else "ipv6-icmp")
    incoming = candidate.exit.bridge_name if candidate.exit else None
    found = publication(situation) if candidate.is_host and hook == _FORWARD else None
    if found is not None:
        addresses = [a for e in found.attachment.endpoints for a in e.addresses if version_of(a) == candidate.version]
        outgoing = found.home.bridge_name if found.home else None
        target = addresses[0] if addresses else candidate.address
        return Packet(source, target, incoming, outgoing, protocol, found.port.container_port)
    outgoing = candidate.network.bridge_name if candidate.network and hook == _FORWARD else None
    return Packet(source, candidate.address, incoming, outgoing, protocol, situation.port, for_host=hook == _INPUT)
