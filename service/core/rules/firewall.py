"""Rules about the host's firewall, where its chains were seen: Docker's own are there, a person's do not drop.

Only plain matches are understood (addresses, interfaces, protocol, port); a rule with any other match is not judged,
and is said so where it drops. Traffic within one bridge passes these chains as well (br_netfilter, measured).
"""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from ipaddress import ip_address, ip_network

from service.core.checks import Finding, Severity
from service.core.errors import Remedy
from service.core.observations import FirewallChain
from service.core.reachability.standing import IPV4
from service.core.reachability.target import Goal, Way
from service.core.rules.base import HOST, Findings, Situation, finding, unseen

_DROPS = frozenset({"DROP", "REJECT"})
_USER_CHAIN = "DOCKER-USER"
_WITH_VALUE = frozenset({"-s", "-d", "-i", "-o", "-p", "--dport", "-j", "--reject-with", "--comment"})
_HARMLESS_MODULES = frozenset({"tcp", "udp", "icmp", "comment"})


@dataclass(frozen=True, slots=True)
class _Packet:
    """What a rule can be compared with; ``None`` where it is not known."""

    source: str | None
    destination: str
    incoming: str | None
    outgoing: str | None
    protocol: str
    port: int | None


def chains_are_missing(situation: Situation) -> Findings:
    """After a flush Docker's chains are gone: nothing is forwarded or translated until the engine writes them anew."""
    goal, chains = situation.goal, _chains(situation)
    if goal is None or chains is None or goal.version != IPV4 or not _is_forwarded(situation, goal):
        return
    forward = next((c for c in chains if (c.table, c.name) == ("filter", "FORWARD")), None)
    if forward is None or any("DOCKER" in text for *_, text in forward.rules):
        return
    harmless = goal.way is Way.DIRECT and forward.policy != "DROP"
    remedy = Remedy("Restart the engine, which writes them anew.", commands=("systemctl restart docker",))
    evidence = {"chain": "FORWARD", "policy": forward.policy, "rules": len(forward.rules)}
    message = f"The host's chain FORWARD (policy {forward.policy}) leads to none of Docker's: its rules were flushed."
    severity = Severity.WARNING if harmless else None
    yield finding("firewall-rules-missing", HOST, message, severity=severity, remedy=remedy, evidence=evidence)


def user_rule_drops(situation: Situation) -> Findings:
    """A rule of DOCKER-USER that matches the packet and drops it."""
    goal, chains = situation.goal, _chains(situation)
    if goal is None or chains is None or goal.version != IPV4 or not _is_forwarded(situation, goal):
        return
    packet = _packet(situation, goal)
    for chain in chains:
        if chain.name == _USER_CHAIN:
            yield from _first_match(chain, packet)


def _first_match(chain: FirewallChain, packet: _Packet) -> Findings:
    for packets, _, text in chain.rules:
        options = _options(text)
        if options is None:
            if any(word in _DROPS for word in text.split()):
                yield unseen(HOST, f"The rule {text!r} of {chain.name} was not understood.", matters=False, rule=text)
            continue
        if not _matches(options, packet):
            continue
        if options.get("-j") in _DROPS:
            yield _dropped(chain.name, text, packets)
        if options.get("-j") in {*_DROPS, "ACCEPT", "RETURN"}:
            return


def _dropped(chain: str, text: str, packets: int) -> Finding:
    deletion = text.split(" ", 1)[1] if text.startswith("-A ") else f"{chain} {text}"
    remedy = Remedy("Remove or narrow the rule.", commands=(f"iptables -D {deletion}",))
    evidence = {"chain": chain, "rule": text, "packets": packets}
    return finding(
        "user-firewall-drop",
        HOST,
        f"{chain} drops: {text} ({packets} packets so far).",
        remedy=remedy,
        evidence=evidence,
    )


def _chains(situation: Situation) -> tuple[FirewallChain, ...] | None:
    return situation.evidence.host.chains if situation.evidence.host is not None else None


def _is_forwarded(situation: Situation, goal: Goal) -> bool:
    """Whether the packet passes FORWARD: not from the host, not to it, not inside one namespace."""
    return goal.way in {Way.DIRECT, Way.FORWARDED} and not situation.source.is_host and not goal.is_host


def _packet(situation: Situation, goal: Goal) -> _Packet:
    endpoint = next((e for e in situation.source.endpoints if goal.exit is None or e.network_id == goal.exit.id), None)
    incoming = goal.exit.bridge_name if goal.exit else None
    outgoing = goal.network.bridge_name if goal.network else None
    source = endpoint.ipv4_address if endpoint else None
    return _Packet(source, goal.address, incoming, outgoing, situation.transport or "icmp", situation.port)


def _options(text: str) -> dict[str, str] | None:
    """The rule as ``iptables -S`` prints it; ``None`` for one with a match that is not understood."""
    try:
        words = shlex.split(text)
    except ValueError:
        return None
    words = words[2:] if words[:1] == ["-A"] else words
    options: dict[str, str] = {}
    while words:
        word = words.pop(0)
        if word == "-m" and words and words[0] in _HARMLESS_MODULES:
            words.pop(0)
        elif word in _WITH_VALUE and words:
            options[word] = words.pop(0)
        else:
            return None
    return options


def _matches(options: dict[str, str], packet: _Packet) -> bool:
    """Whether every match of the rule fits; what is not known of the packet does not fit."""
    facts = {"-i": packet.incoming, "-o": packet.outgoing, "-p": packet.protocol, "--dport": str(packet.port)}
    plain = all(options.get(key, value) == value for key, value in facts.items())
    return plain and _inside(packet.source, options.get("-s")) and _inside(packet.destination, options.get("-d"))


def _inside(address: str | None, subnet: str | None) -> bool:
    if subnet is None:
        return True
    try:
        return address is not None and ip_address(address) in ip_network(subnet, strict=False)
    except ValueError:
        return False
