"""Which rule of the host's firewall stops the packet or its answer: the rules in force, simulated.

The packet is led through all tables of iptables and nftables as the kernel leads it (``firewall.simulate``), where the
host's rules were seen. Docker's own rules are explained by the other rules of analysis, which know the option behind
them; one of Docker's is named here only when none of the others has found why the packet stops.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace

from bridgework.analysis import kernel_routes
from bridgework.analysis.docker_rules.in_effect import in_effect
from bridgework.analysis.host_rules import BRIDGE_FILTER, DOCKER, owner_of, program_of
from bridgework.analysis.route_lookup import answers_in
from bridgework.analysis.routing import subnet_of
from bridgework.analysis.rules.base import HOST, Findings, Situation, finding, members, unseen
from bridgework.analysis.rules.host import publication
from bridgework.analysis.rules.host_firewall import lost_rule_stops, lost_rules_of
from bridgework.analysis.rules.simulated import STOPPED, Outcome, Walked, outcome_of, walk_from_host, walk_of
from bridgework.explanations import CATALOGUE, of_network, remedies
from bridgework.explanations.firewall import BRIDGE_TRAFFIC_FILTERED, DOCKER_RULE_DROPS, USER_FIREWALL_DROP
from bridgework.firewall import simulate
from bridgework.firewall.programs import FIREWALLD, LASTING, ZONE_OPENS, acceptance, drops_between, zone_of
from bridgework.firewall.ruleset import ESTABLISHED, Hook, Packet
from bridgework.firewall.simulate import Step
from bridgework.model.checks import Finding, Protocol, Severity
from bridgework.model.errors import Remedy, quoted
from bridgework.model.observations import RouteQuestion

_PROGRAM = {4: "iptables", 6: "ip6tables"}
_IPTABLES_TABLES = frozenset({"filter", "nat", "mangle", "raw", "security"})

# Of moby's iptabler and nftabler, versions 26 to 29.
_PURPOSES = (
    ("DOCKER-ISOLATION", "isolates bridge networks from each other"),
    ("DOCKER-INTERNAL", "closes internal networks"),
    ("filter-forward-in", "opens only published ports to other networks"),
    ("filter-forward-out", "closes internal networks"),
    ("raw-", "keeps everything but a bridge's own packets from the addresses of its containers"),
    ("DOCKER", "opens only published ports to other networks"),
)


# Docker's drops, as iptables-save prints those of 26 to 29: between bridges, into or out of an internal network, within
# a bridge (enable_icc=false), and in the table raw for a container's address and for a port on a loopback address.
_PROTECTION = re.compile(
    r"-A \S+ (-o \S+|-i \S+ -o \S+|! -i \S+ -o \S+|! -s \S+ -o \S+|! -d \S+ -i \S+|-d \S+ ! -i \S+"
    r"( -p \S+ -m \S+ --dport \d+)?) -j DROP"
)


def foreign_rule_drops(situation: Situation) -> Findings:
    """Find a rule of another program that drops the packet or its answer, or that is not understood."""
    outcome = outcome_of(situation)
    step = outcome.step if outcome is not None else None
    if outcome is None or step is None:
        return
    if outcome.verdict in STOPPED:
        if owner_of(situation.snapshot, step) != DOCKER and not lost_rules_of(situation, step):
            yield _dropped(situation, step)
    elif outcome.verdict == simulate.UNKNOWN and step.rule is not None:
        yield _not_understood(step)


def _not_understood(step: Step, *, matters: bool = True) -> Finding:
    text, place = step.rule.text if step.rule is not None else "", step.place
    counted = step.rule.counted_by if step.rule is not None else None
    message = f"The service does not understand the rule {quoted(text)} of {place.chain.name}."
    if counted is not None:
        message = (
            f"The rule {quoted(text)} of {place.chain.name} is about some of the packets ({counted}), and the service "
            "cannot tell whether this packet is one of them."
        )
    setting = step.rule.setting if step.rule is not None else None
    if setting is not None:
        message = (
            f"It is not known whether the engine writes the rule {quoted(text)} of {place.chain.name} ({setting})."
        )
    found = unseen(HOST, message, matters=matters, rule=text, chain=place.chain.name, table=place.table.name)
    if setting is not None:
        return found
    # More access would not help: the rule was read.
    return replace(found, remedy=Remedy("Check with a trace: it shows what the rule does with one packet."))


def walk_of_proxy(situation: Situation) -> Walked | None:
    """Return the way of docker-proxy's own connection to the container; ``None`` where no proxy is known to make one.

    ``None`` as well where the rules in force were not observed.
    """
    found = publication(situation)
    if found is None or not found.by_proxy or found.inner is None:
        return None
    return walk_from_host(situation, found.inner, found.port.container_port)


def proxy_is_cut_off(situation: Situation) -> Findings:
    """Find a rule that stops the connection of docker-proxy to the container behind a published port."""
    found, walked = publication(situation), walk_of_proxy(situation)
    step = walked.outcome.step if walked is not None else None
    if found is None or walked is None or step is None:
        return
    # The proxy accepts a TCP connection of a client first. It closes it when its own connection fails.
    accepted, outcome = situation.question.probe.protocol is Protocol.TCP, walked.outcome
    if outcome.verdict in STOPPED:
        foreign = owner_of(situation.snapshot, step) != DOCKER
        stopped = _dropped(situation, step) if foreign else _by_docker(situation, outcome)
        more = f" So docker-proxy does not reach {found.inner}, where port {situation.port} of the host leads."
        more += " It accepts a TCP connection all the same, and closes it." if accepted else ""
        severity = Severity.WARNING if accepted else stopped.severity
        yield replace(stopped, message=f"{stopped.message}{more}", severity=severity)
    elif outcome.verdict == simulate.UNKNOWN and step.rule is not None:
        yield _not_understood(step, matters=not accepted)


def quoted_rule(situation: Situation, explained: Finding) -> Finding:
    """Return a finding about an option of the engine with the rule that the engine wrote for it, if that was seen."""
    outcome = outcome_of(situation)
    if (
        not CATALOGUE[explained.code].quotes_rule
        or outcome is None
        or outcome.verdict not in STOPPED
        or outcome.step is None
    ):
        return explained
    if owner_of(situation.snapshot, outcome.step) != DOCKER:
        return explained
    if not in_effect(situation.state).were_read(outcome.step.before.version):
        return explained  # the rule is the one that the engine should have written
    return replace(explained, evidence={**explained.evidence, **_evidence(outcome.step, DOCKER)})


def docker_rule_is_lost(situation: Situation) -> Findings:
    """Find rules of Docker's that are lost, and without which the packet is dropped."""
    outcome = outcome_of(situation)
    if outcome is not None and outcome.step is not None and outcome.verdict in STOPPED:
        yield from lost_rule_stops(situation, outcome.step)


def docker_rule_drops(situation: Situation) -> Findings:
    """Find a rule of Docker's own that drops the packet, where no other finding explains it."""
    outcome = outcome_of(situation)
    step = outcome.step if outcome is not None else None
    if outcome is None or step is None or outcome.verdict not in STOPPED:
        return
    if owner_of(situation.snapshot, step) == DOCKER:
        yield _by_docker(situation, outcome)


def _by_docker(situation: Situation, outcome: Outcome) -> Finding:
    """Make the finding for a packet that ends at a rule of Docker's own. ``outcome`` has the step."""
    step = outcome.step
    if step is None:
        raise ValueError("only a step can end a packet")
    text = step.rule.text if step.rule is not None else f"the policy of {step.place.chain.name}"
    message = f"Docker's own rules drop the packet ({step.place.table.name}, {step.place.chain.name}): {text}."
    message += _purpose(step)
    evidence = _evidence(step, DOCKER)
    untracked = next((one for one in outcome.steps if one.rule and one.effect == "notrack"), None)
    if untracked is not None and untracked.rule is not None:
        # An answer without its connection looks like a new packet, and is not translated back.
        message += f" The packet is no part of a connection, because of the rule {untracked.rule.text}."
        evidence["untracked_by"] = untracked.rule.text
        summary = "Remove or narrow the rule that leaves packets out of connection tracking. Docker's own rule stays."
        remedy = Remedy(summary, commands=deletion(untracked))
    elif (led := _led_here(situation, outcome)) is not None and led.rule is not None:
        message += f" Another program's rule sent the packet there: {led.rule.text}."
        evidence["led_by"] = led.rule.text
        remedy = Remedy(
            "Delete or correct the rule that sends the packet there. Docker's own rule stays.", commands=deletion(led)
        )
    elif _protects(step):
        remedy = _around(situation)
    else:
        summary = "Delete the rule, or restart the engine, which writes its rules again."
        remedy = Remedy(summary, commands=deletion(step))
    return finding(DOCKER_RULE_DROPS, HOST, message, remedy=remedy, evidence=evidence)


def _led_here(situation: Situation, outcome: Outcome) -> Step | None:
    """Return the translation of another program after which Docker's rule met the packet."""
    translations = (step for step in outcome.steps if step.rule is not None and step.effect in {"dnat", "redirect"})
    return next((step for step in translations if owner_of(situation.snapshot, step) != DOCKER), None)


def _protects(step: Step) -> bool:
    """Whether the rule is one of those by which Docker protects containers and networks, which no remedy deletes."""
    # Native tables of Docker's hold nothing else. With iptables, others can write into Docker's chains.
    return step.rule is not None and (
        step.place.table.name not in _IPTABLES_TABLES or _PROTECTION.fullmatch(step.rule.text) is not None
    )


def _around(situation: Situation) -> Remedy:
    """Make the remedy for a packet that a rule of Docker's stops for protection: a network where it is not needed."""
    found = publication(situation)
    together = members(situation.source, found.attachment if found is not None else situation.destination)
    shared = remedies.share_network(situation.snapshot, together)
    return replace(shared, summary=f"Docker protects its containers by this rule, so keep it. {shared.summary}")


def route_questions(situation: Situation) -> Iterator[tuple[RouteQuestion, bool]]:
    """Yield the routing decisions on the way of the packet and then of its answer (``True``)."""
    yield from _decisions(situation, walk_of(situation))


def proxy_questions(situation: Situation) -> Iterator[tuple[RouteQuestion, bool]]:
    """Yield the same for docker-proxy's own connection to the container; nothing where it makes none."""
    yield from _decisions(situation, walk_of_proxy(situation))


def _decisions(situation: Situation, walked: Walked | None) -> Iterator[tuple[RouteQuestion, bool]]:
    if walked is not None:
        yield from kernel_routes.decisions(situation.snapshot, walked.there, walked.back)


def packet_is_diverted(situation: Situation) -> Findings:
    """Find a routing decision of the host by which the packet does not reach its bridge."""
    found = _diverted(situation, route_questions(situation))
    if found is not None and not found[1]:
        yield found[0]


def answer_is_diverted(situation: Situation) -> Findings:
    """Find the same for the answer to a packet that arrives."""
    found = _diverted(situation, route_questions(situation))
    if found is not None and found[1]:
        yield found[0]


def proxy_is_diverted(situation: Situation) -> Findings:
    """Find a docker-proxy whose own connection to the container is led elsewhere, or whose answers are dropped."""
    found = _diverted(situation, proxy_questions(situation))
    if found is not None:
        # docker-proxy accepts a TCP connection before it connects to the container.
        accepted = situation.question.probe.protocol is Protocol.TCP
        message = f"docker-proxy takes port {situation.port} and cannot reach the container. {found[0].message}"
        yield replace(found[0], message=message, severity=Severity.WARNING if accepted else Severity.BLOCKING)


def _diverted(situation: Situation, questions: Iterator[tuple[RouteQuestion, bool]]) -> tuple[Finding, bool] | None:
    asked = tuple(questions)
    answers = answers_in(situation.state, (question for question, _ in asked))
    return kernel_routes.first_diverted(situation.snapshot, asked, answers)


def _purpose(step: Step) -> str:
    """Say what Docker writes such a rule for, by the chain that it is in."""
    chain = step.place.chain.name
    purpose = next((words for start, words in _PURPOSES if chain.startswith(start)), "")
    if step.place.table.name == "raw":
        purpose = (
            "keeps everything but a bridge's own packets from the addresses of its containers (Docker 28 and later)"
        )
    return f" Docker {purpose} by such a rule." if purpose else ""


def _dropped(situation: Situation, step: Step) -> Finding:
    if step.rule is None:
        return _dropped_by_policy(situation, step)
    owner = owner_of(situation.snapshot, step)
    chain, table = step.place.chain.name, step.place.table
    # firewalld ends its chains with a rule that rejects everything, which says nothing about this packet.
    if owner == FIREWALLD and not step.rule.matches:
        zone = zone_of(_steps(situation))
        message = (
            f"firewalld {step.effect}s {_what(situation, step)}{_origin(step)}: no rule of "
            f"{f'its zone {zone}' if zone else 'its zones and policies'} accepts the packet."
        )
    else:
        message = (
            f"{chain}{f' ({owner})' if owner else ''} drops: {step.rule.text} ({step.rule.packets} packets so far)."
        )
        message = message if table.name == "filter" else f"{table.name} {message}"
    remedy = _by_its_program(situation, step, owner)
    if remedy is None:
        remedy = Remedy("Remove or narrow the rule.", commands=deletion(step))
    return finding(USER_FIREWALL_DROP, HOST, message, remedy=remedy, evidence=_evidence(step, owner))


def _steps(situation: Situation) -> tuple[Step, ...]:
    outcome = outcome_of(situation)
    return outcome.steps if outcome is not None else ()


def _what(situation: Situation, step: Step) -> str:
    """Say in words what the packet is at this step: behind a translation it has another port."""
    packet = step.before
    if packet.state == ESTABLISHED or (situation.transport and packet.destination_port is None):
        return "the answer"
    return f"{packet.protocol} port {packet.destination_port}" if situation.transport else "a ping"


def _origin(step: Step) -> str:
    return f" from {step.before.incoming}" if step.before.incoming else ""


def _by_its_program(situation: Situation, step: Step, program: str | None) -> Remedy | None:
    """Return the remedy in the language of the program that wrote the rule; ``None`` where its rules are plain."""
    if program not in LASTING:
        return None
    home = situation.candidate.exit if situation.candidate else None
    subnets = (subnet_of(pool) for pool in home.pools) if home else ()
    subnet = next((str(net) for net in subnets if net and net.version == step.before.version), None)
    bridges = frozenset(network.bridge_name for network in situation.snapshot.networks if network.bridge_name)
    commands = acceptance(program, step, _steps(situation), subnet, bridges)
    if not commands:
        return Remedy(f"Let {program} accept the packet. Another program's change of its rules does not last.")
    summary = f"Let {program} accept the packet with this command. {LASTING[program]}"
    if program == FIREWALLD and step.place.hook is Hook.FORWARD:
        closing = _kept_apart(situation, step)
        if closing:
            summary += " The other commands keep the bridge apart from those that the engine does not isolate from it."
        summary, commands = f"{summary} {ZONE_OPENS}", (*closing, *commands)
    return Remedy(summary, commands=commands)


def _kept_apart(situation: Situation, step: Step) -> tuple[str, ...]:
    """Return the commands that keep a bridge apart from others where the engine does not, as by IPv6 on Docker 26.

    What firewalld rejected so far, its zone accepts. So nothing else would keep these networks apart.
    """
    observed, incoming = situation.observations, step.before.incoming
    others = [network for network in situation.snapshot.networks if network.bridge_name not in {None, incoming}]
    bridges = {
        4: [network.bridge_name for network in others if network.ipv4_enabled],
        6: [network.bridge_name for network in others if network.ipv6_enabled],
    }
    return tuple(
        command
        for version in (4, 6)
        if observed.guards(version) is False
        for command in drops_between(
            [(incoming, bridge) for bridge in bridges[version]], version, guarded=False, nftables=observed.nftables
        )
    )


def deletion(step: Step) -> tuple[str, ...]:
    """Return the command that deletes the rule of the step, or that lets the policy accept."""
    rule, place = step.rule, step.place
    if rule is None:
        return (f"{_program(step)} -P {place.chain.name} ACCEPT",)
    # A rule of nftables has a handle and can be deleted by it; one of iptables is deleted by its own text.
    if rule.handle is not None:
        return (f"nft delete rule {place.table.family} {place.table.name} {place.chain.name} handle {rule.handle}",)
    deletion = rule.text.split(" ", 1)[1] if rule.text.startswith("-A ") else f"{place.chain.name} {rule.text}"
    program = _program(step)
    table = "" if place.table.name == "filter" else f" -t {place.table.name}"
    return (f"{program}{table} -D {deletion}",)


def _program(step: Step) -> str:
    return step.place.table.program or _PROGRAM[step.before.version]


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
    program = program_of(step)
    remedy = _by_its_program(situation, step, program)
    if remedy is None or not remedy.commands:
        commands = _acceptances(situation, step)
        which = "this command" if len(commands) == 1 else "these commands, one for the packets and one for the answers"
        remedy = Remedy(f"Accept the packets of containers with {which}.", commands=commands)
    whose = f" {program} wrote the chains that {chain} calls." if program else ""
    evidence = {**_evidence(step), **({"owner": program} if program else {})}
    if bridge is not None and step.before.outgoing == bridge and situation.candidate and situation.candidate.exit:
        network = situation.candidate.exit
        message = (
            f"{chain} drops {_what(situation, step)} within {network.name}: its policy is DROP, and br_netfilter "
            f"({BRIDGE_FILTER[step.before.version]}=1) shows it the packets between the ports of {bridge}.{whose}"
        )
        return finding(BRIDGE_TRAFFIC_FILTERED, of_network(network), message, remedy=remedy, evidence=evidence)
    message = (
        f"{chain} drops {_what(situation, step)}{_origin(step)}: its policy is DROP, and none of its rules accepts the "
        f"packet.{whose}"
    )
    return finding(USER_FIREWALL_DROP, HOST, message, remedy=remedy, evidence=evidence)


def _acceptances(situation: Situation, step: Step) -> tuple[str, ...]:
    """Return the commands that accept the packet, and its answer where nothing else accepts that."""
    packet, there = step.before, _acceptance(step, step.before)
    forwarded = None not in {packet.incoming, packet.outgoing} and packet.incoming != packet.outgoing
    # Docker's rules accept the answers to its bridges, where it writes rules of the family and no other table drops.
    own = step.place.table.name in _IPTABLES_TABLES and situation.observations.guards(packet.version)
    if packet.state == ESTABLISHED or not forwarded or own:
        return (there,)
    answer = replace(packet, incoming=packet.outgoing, outgoing=packet.incoming, state=ESTABLISHED)
    return there, _acceptance(step, answer)


def _acceptance(step: Step, packet: Packet) -> str:
    """Return the command that accepts the packet, in the language of the table that drops it."""
    place = step.place
    native = place.table.name not in _IPTABLES_TABLES
    matches = [f'iifname "{packet.incoming}"' if native else f"-i {packet.incoming}"] if packet.incoming else []
    if packet.incoming is not None and packet.outgoing == packet.incoming and not native:
        matches.append(f"-o {packet.outgoing}")
    elif packet.state == ESTABLISHED:
        # An answer goes to the port that the client chose, so it is accepted by its connection.
        matches.append("ct state established,related" if native else "-m conntrack --ctstate ESTABLISHED,RELATED")
    elif packet.destination_port is not None:
        dport = packet.destination_port
        matches.append(f"{packet.protocol} dport {dport}" if native else f"-p {packet.protocol} --dport {dport}")
    else:
        matches.append(f"meta l4proto {packet.protocol}" if native else f"-p {packet.protocol}")
    if native:
        where = f"{place.table.family} {place.table.name} {place.chain.name}"
        return f"nft insert rule {where} {' '.join([*matches, 'accept'])}"
    return f"{_program(step)} -I {place.chain.name} {' '.join([*matches, '-j ACCEPT'])}"
