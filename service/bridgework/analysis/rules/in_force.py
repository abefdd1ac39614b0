"""Which rule of the host's firewall stops the packet or its answer: the rules in force, simulated.

The packet is led through all tables of iptables and nftables as the kernel leads it (``firewall.simulate``), where the
host's rules were seen. Docker's own rules are explained by the other rules of analysis, which know the option behind
them; one of Docker's is named here only when none of the others has found why the packet stops.
"""

from __future__ import annotations

from bridgework.analysis.attachment import IPV4, parsed
from bridgework.analysis.host_rules import DOCKER, HostRoutes, owner_of, ruleset_of_host
from bridgework.analysis.routing import Candidate, Way
from bridgework.analysis.rules.base import HOST, Findings, Situation, finding, unseen
from bridgework.firewall import simulate
from bridgework.firewall.ruleset import Packet, Ruleset
from bridgework.firewall.simulate import Outcome, Step
from bridgework.model.checks import Finding
from bridgework.model.errors import Remedy, quoted

_PROGRAM = {4: "iptables", 6: "ip6tables"}
_IPTABLES_TABLES = frozenset({"filter", "nat", "mangle", "raw", "security"})
_STOPPED = frozenset({simulate.DROPPED, simulate.REJECTED})


def foreign_rule_drops(situation: Situation) -> Findings:
    """Find a rule of another program that drops the packet or its answer, or that is not understood."""
    outcome = outcome_of(situation)
    step = outcome.step if outcome is not None else None
    if outcome is None or step is None or owner_of(situation.snapshot, step) == DOCKER:
        return
    if outcome.verdict in _STOPPED:
        yield _dropped(situation, step)
    elif outcome.verdict == simulate.UNKNOWN and step.rule is not None:
        message = f"The service does not understand the rule {quoted(step.rule.text)} of {step.place.chain.name}."
        yield unseen(HOST, message, rule=step.rule.text, chain=step.place.chain.name, table=step.place.table.name)


def docker_rule_drops(situation: Situation) -> Findings:
    """Find a rule of Docker's own that drops the packet, where no other finding explains it."""
    outcome = outcome_of(situation)
    step = outcome.step if outcome is not None else None
    if outcome is None or step is None or outcome.verdict not in _STOPPED:
        return
    if owner_of(situation.snapshot, step) == DOCKER:
        text = step.rule.text if step.rule is not None else f"the policy of {step.place.chain.name}"
        message = f"Docker's own rules drop the packet ({step.place.table.name}, {step.place.chain.name}): {text}."
        remedy = Remedy(
            "Delete the rule, or restart the engine, which writes its rules again.", commands=_deletion(step)
        )
        yield finding("docker-rule-drops", HOST, message, remedy=remedy, evidence=_evidence(step))


def outcome_of(situation: Situation) -> Outcome | None:
    """Return where the packet ends in the host's firewall; ``None`` where no rules were observed or none apply."""
    ways = ways_of(situation)
    return None if ways is None else ways[1] or ways[0]


def ways_of(situation: Situation) -> tuple[Outcome, Outcome | None] | None:
    """Return the way of the packet and that of its answer, where it has one; ``None`` as ``outcome_of``."""
    candidate, rules = situation.candidate, situation.observations.firewall
    if candidate is None or rules is None or candidate.way not in {Way.DIRECT, Way.FORWARDED}:
        return None
    if candidate.network is not None and candidate.network.driver != "bridge" and candidate.way is Way.DIRECT:
        return None  # macvlan, ipvlan and overlay networks do not pass the host's bridges
    if candidate.exit is not None and candidate.exit.driver != "bridge":
        return None  # nor does what a container sends to the router of its macvlan or ipvlan network
    ruleset = ruleset_of_host(rules, candidate.version)
    if ruleset is None:
        return None
    own = frozenset({candidate.address}) if candidate.is_host else frozenset()
    return _walked(situation, candidate, ruleset, HostRoutes(situation.snapshot, situation.observations, own))


def _walked(
    situation: Situation, candidate: Candidate, ruleset: Ruleset, routes: HostRoutes
) -> tuple[Outcome, Outcome | None] | None:
    packet = _packet(situation, candidate)
    within = candidate.way is Way.DIRECT and not candidate.is_host and not situation.source.is_host
    # A packet within one bridge is switched, not routed. It meets no IP rule, unless br_netfilter shows it to them.
    if within and not routes.filters_bridged(candidate.version):
        return None
    if situation.source.is_host:
        first = simulate.output(ruleset, routes, packet)
    elif within:
        first = simulate.bridged(ruleset, routes, packet)
    else:
        first = simulate.forward(ruleset, routes, packet)
    # Without the source's address the answer's way is not known.
    if first.verdict != simulate.ACCEPTED or packet.source is None:
        return first, None
    return first, simulate.reply(ruleset, routes, first, packet)


def _packet(situation: Situation, candidate: Candidate) -> Packet:
    bridge = candidate.exit.bridge_name if candidate.exit else None
    direct = candidate.way is Way.DIRECT and not candidate.is_host
    endpoint = next(
        (e for e in situation.source.endpoints if candidate.exit is None or e.network_id == candidate.exit.id), None
    )
    source = None if endpoint is None else endpoint.ipv4_address if candidate.version == IPV4 else endpoint.ipv6_address
    return Packet(
        candidate.version,
        situation.transport or ("icmp" if candidate.version == IPV4 else "ipv6-icmp"),
        source if source and parsed(source) else None,  # the engine keeps what another client wrote
        candidate.address,
        destination_port=situation.port if situation.transport else None,
        incoming=None if situation.source.is_host else bridge,
        outgoing=bridge if direct else None,
        # The names of the two veths are not needed: no rule that we know of compares them, only that there are ports.
        bridge_ports=(f"port of {bridge}", f"port of {bridge}") if direct and bridge else (None, None),
    )


def _dropped(situation: Situation, step: Step) -> Finding:
    owner = owner_of(situation.snapshot, step)
    whose = f" ({owner})" if owner else ""
    chain, table = step.place.chain.name, step.place.table
    if step.rule is None:
        return _dropped_by_policy(situation, step)
    remedy = Remedy("Remove or narrow the rule.", commands=_deletion(step))
    message = f"{chain}{whose} drops: {step.rule.text} ({step.rule.packets} packets so far)."
    if table.name != "filter":
        message = f"{table.name} {message}"
    return finding("user-firewall-drop", HOST, message, remedy=remedy, evidence=_evidence(step, owner))


def _deletion(step: Step) -> tuple[str, ...]:
    rule, place = step.rule, step.place
    if rule is None:
        return (f"{_PROGRAM[step.before.version]} -P {place.chain.name} ACCEPT",)
    # A rule of nftables has a handle and can be deleted by it; one of iptables is deleted by its own text.
    if rule.handle is not None:
        return (f"nft delete rule {place.table.family} {place.table.name} {place.chain.name} handle {rule.handle}",)
    deletion = rule.text.split(" ", 1)[1] if rule.text.startswith("-A ") else f"{place.chain.name} {rule.text}"
    program = _PROGRAM[step.before.version]
    table = "" if place.table.name == "filter" else f" -t {place.table.name}"
    return (f"{program}{table} -D {deletion}",)


def _evidence(step: Step, owner: str | None = None) -> dict[str, object]:
    found: dict[str, object] = {"table": step.place.table.name, "chain": step.place.chain.name}
    if step.rule is None:
        return {**found, "policy": "DROP"}
    found |= {"rule": step.rule.text, "packets": step.rule.packets}
    more = {"handle": step.rule.handle, "owner": owner}
    return {**found, **{name: value for name, value in more.items() if value is not None}}


def _dropped_by_policy(situation: Situation, step: Step) -> Finding:
    """Make the finding for a packet that no rule matches and that the policy of the chain drops."""
    chain, bridge = step.place.chain.name, step.before.incoming
    what = f"{situation.transport} port {situation.port}" if situation.transport else "a ping"
    remedy = Remedy(
        "Accept the packets of containers with this command, or with the firewall's own program (ufw allow …).",
        commands=(_acceptance(situation, step),),
    )
    origin = f" from {bridge}" if bridge else ""
    message = f"{chain} drops {what}{origin}: its policy is DROP, and none of its rules accepts the packet."
    return finding("user-firewall-drop", HOST, message, remedy=remedy, evidence=_evidence(step))


def _acceptance(situation: Situation, step: Step) -> str:
    """Return the command that accepts the packet, in the language of the table that drops it."""
    place, bridge = step.place, step.before.incoming
    transport, port = situation.transport, situation.port
    if place.table.name not in _IPTABLES_TABLES:
        matches = [f'iifname "{bridge}"'] if bridge else []
        matches += [f"{transport} dport {port}"] if transport else []
        where = f"{place.table.family} {place.table.name} {place.chain.name}"
        return f"nft insert rule {where} {' '.join([*matches, 'accept'])}"
    matches = [f"-i {bridge}"] if bridge else []
    matches += [f"-p {transport}", f"--dport {port}"] if transport else []
    return f"{_PROGRAM[step.before.version]} -I {place.chain.name} {' '.join([*matches, '-j ACCEPT'])}"
