"""Which rule of the host's firewall stops the packet or its answer: the rules in force, simulated.

The packet is led through all tables of iptables and nftables as the kernel leads it (``firewall.simulate``), where the
host's rules were seen. Docker's own rules are explained by the other rules of analysis, which know the option behind
them; one of Docker's is named here only when none of the others has found why the packet stops.
"""

from __future__ import annotations

from dataclasses import replace

from bridgework.analysis.firewall_programs import FIREWALLD, LASTING, acceptance, zone_of
from bridgework.analysis.host_rules import BRIDGE_FILTER, DOCKER, owner_of, program_of
from bridgework.analysis.routing import subnet_of
from bridgework.analysis.rules.base import HOST, Findings, Situation, finding, unseen
from bridgework.analysis.rules.host_firewall import lost_rule_stops, lost_rules_of
from bridgework.analysis.rules.simulated import STOPPED, outcome_of
from bridgework.explanations import of_network
from bridgework.firewall import simulate
from bridgework.firewall.simulate import Step
from bridgework.model.checks import Finding
from bridgework.model.errors import Remedy, quoted

_PROGRAM = {4: "iptables", 6: "ip6tables"}
_IPTABLES_TABLES = frozenset({"filter", "nat", "mangle", "raw", "security"})

# The findings that name an option or mode of the engine as the reason of a rule that the engine wrote.
_EXPLAIN = frozenset(
    {
        "bridges-isolated",
        "gateway-mode-routed",
        "inter-container-off",
        "internal-no-egress",
        "masquerade-off",
        "no-shared-network",
    }
)
# Of moby's iptabler and nftabler, versions 26 to 29.
_PURPOSES = (
    ("DOCKER-ISOLATION", "isolates bridge networks from each other"),
    ("DOCKER-INTERNAL", "closes internal networks"),
    ("filter-forward-in", "opens only published ports to other networks"),
    ("filter-forward-out", "closes internal networks"),
    ("raw-", "keeps everything but a bridge's own packets from the addresses of its containers"),
    ("DOCKER", "opens only published ports to other networks"),
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
        message = f"The service does not understand the rule {quoted(step.rule.text)} of {step.place.chain.name}."
        yield unseen(HOST, message, rule=step.rule.text, chain=step.place.chain.name, table=step.place.table.name)


def quoted_rule(situation: Situation, explained: Finding) -> Finding:
    """Return a finding about an option of the engine with the rule that the engine wrote for it, if that was seen."""
    outcome = outcome_of(situation)
    if explained.code not in _EXPLAIN or outcome is None or outcome.verdict not in STOPPED or outcome.step is None:
        return explained
    if owner_of(situation.snapshot, outcome.step) != DOCKER:
        return explained
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
        text = step.rule.text if step.rule is not None else f"the policy of {step.place.chain.name}"
        message = f"Docker's own rules drop the packet ({step.place.table.name}, {step.place.chain.name}): {text}."
        message += _purpose(step)
        remedy = Remedy(
            "Delete the rule, or restart the engine, which writes its rules again.", commands=_deletion(step)
        )
        yield finding("docker-rule-drops", HOST, message, remedy=remedy, evidence=_evidence(step, DOCKER))


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
            f"firewalld {step.effect}s {_what(situation)}{_origin(step)}: no rule of "
            f"{f'its zone {zone}' if zone else 'its zones and policies'} accepts the packet."
        )
    else:
        message = (
            f"{chain}{f' ({owner})' if owner else ''} drops: {step.rule.text} ({step.rule.packets} packets so far)."
        )
        message = message if table.name == "filter" else f"{table.name} {message}"
    remedy = _by_its_program(situation, step, owner)
    if remedy is None:
        remedy = Remedy("Remove or narrow the rule.", commands=_deletion(step))
    return finding("user-firewall-drop", HOST, message, remedy=remedy, evidence=_evidence(step, owner))


def _steps(situation: Situation) -> tuple[Step, ...]:
    outcome = outcome_of(situation)
    return outcome.steps if outcome is not None else ()


def _what(situation: Situation) -> str:
    return f"{situation.transport} port {situation.port}" if situation.transport else "a ping"


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
    return Remedy(f"Let {program} accept the packet with this command. {LASTING[program]}", commands=commands)


def _deletion(step: Step) -> tuple[str, ...]:
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
        remedy = Remedy("Accept the packets of containers with this command.", commands=(_acceptance(situation, step),))
    whose = f" {program} wrote the chains that {chain} calls." if program else ""
    evidence = {**_evidence(step), **({"owner": program} if program else {})}
    if bridge is not None and step.before.outgoing == bridge and situation.candidate and situation.candidate.exit:
        network = situation.candidate.exit
        message = (
            f"{chain} drops {_what(situation)} within {network.name}: its policy is DROP, and br_netfilter "
            f"({BRIDGE_FILTER[step.before.version]}=1) shows it the packets between the ports of {bridge}.{whose}"
        )
        return finding("bridge-traffic-filtered", of_network(network), message, remedy=remedy, evidence=evidence)
    message = (
        f"{chain} drops {_what(situation)}{_origin(step)}: its policy is DROP, and none of its rules accepts the "
        f"packet.{whose}"
    )
    return finding("user-firewall-drop", HOST, message, remedy=remedy, evidence=evidence)


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
    if bridge is not None and step.before.outgoing == bridge:
        return f"{_PROGRAM[step.before.version]} -I {place.chain.name} -i {bridge} -o {bridge} -j ACCEPT"
    matches += [f"-p {transport}", f"--dport {port}"] if transport else []
    return f"{_program(step)} -I {place.chain.name} {' '.join([*matches, '-j ACCEPT'])}"
