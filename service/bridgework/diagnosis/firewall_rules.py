"""Rules about the engine's own firewall rules: which are lost in part, out of date, or there twice."""

from __future__ import annotations

from collections.abc import Iterator

from bridgework.analysis.attachment import IPV4
from bridgework.analysis.docker_rules import MissingRule, duplicate_rules, missing_rules, stale_rules
from bridgework.analysis.rules.host_firewall import icc_hole, missing_finding, subject_of
from bridgework.diagnosis.host_rules import firewall_is_flushed
from bridgework.diagnosis.view import View, enumerate_names
from bridgework.explanations import HOST, finding
from bridgework.explanations.explanation import Explanation
from bridgework.explanations.firewall import DUPLICATE_RULES, FIREWALL_BACKENDS_MIXED, STALE_PORT_RULE
from bridgework.model.checks import Component, Finding
from bridgework.model.errors import Remedy
from bridgework.model.observations import FirewallChain

_QUOTED, _MOST_COMMANDS = 20, 60


def rules_are_missing(view: View) -> Iterator[Finding]:
    """Find rules of the engine's that are lost while others of them are there."""
    # A flush of whole chains is one finding of its own, with a remedy of its own.
    if any(True for _ in firewall_is_flushed(view)):
        return
    found: dict[tuple[Explanation, Component], list[MissingRule]] = {}
    for one in missing_rules(view.state):
        found.setdefault((one.cause, subject_of(one)), []).append(one)
    for (cause, component), rules in found.items():
        yield missing_finding(cause, component, rules, proxied=view.engine.observations.userland_proxy is True)


def rules_are_stale(view: View) -> Iterator[Finding]:
    """Find rules that send a port of the host to an address that its container no longer has."""
    for one in stale_rules(view.state):
        stale = one.translation
        now = f"{one.holder} holds now" if one.holder else "no container holds"
        yield finding(
            STALE_PORT_RULE,
            HOST,
            f"A rule sends {stale.protocol} port {stale.host_port} of the host to {stale.address}, which {now}, and no "
            f"container publishes the port there.",
            remedy=Remedy("Delete the rule.", commands=(stale.deletion,)),
            evidence={
                "rule": stale.rule,
                "address": stale.address,
                "holder": one.holder,
                "port": stale.host_port,
            },
        )


def rules_are_doubled(view: View) -> Iterator[Finding]:
    """Find rules of the engine's that are there more than once."""
    found = list(duplicate_rules(view.state))
    if found:
        more = f" and {len(found) - 1} other rules" if len(found) > 1 else ""
        yield finding(
            DUPLICATE_RULES,
            HOST,
            f"Docker's rule {found[0].rule}{more} is in the host's firewall more than once.",
            remedy=Remedy(
                "Delete the extra copies. The engine deletes one copy when the port or network goes, and the others "
                "stay in force.",
                commands=tuple(command for one in found for command in one.commands),
            ),
            evidence={"rules": [{"rule": one.rule, "copies": one.copies} for one in found]},
        )


def networks_are_not_kept_apart(view: View) -> Iterator[Finding]:
    """Find networks with enable_icc=false whose containers reach each other, as br_netfilter is off."""
    observations = view.engine.observations
    for network in view.snapshot.networks:
        if network.bridge_name and not network.inter_container_enabled and observations.ipv4_firewall:
            found = icc_hole(observations, network, IPV4) if view.active(network) else None
            if found is not None:
                yield found


def backends_are_mixed(view: View) -> Iterator[Finding]:
    """Find rules of the other variant of iptables beside those of the plain program."""
    rules = view.engine.observations.firewall
    if rules is None or not (
        rules.native_rules or any(c.rules for c in (*(rules.chains or ()), *(rules.ipv6_chains or ())))
    ):
        return
    holding: dict[str, list[FirewallChain]] = {}
    for program, chain in rules.other_chains or ():
        if chain.rules or chain.policy == "DROP":
            holding.setdefault(program, []).append(chain)
    for program, chains in holding.items():
        plain = program.replace("-legacy", "").replace("-nft", "")
        named = enumerate_names(f"{chain.table} {chain.name}" for chain in chains)
        docker = any(chain.name.startswith("DOCKER") for chain in chains)
        by_docker = " Docker's rules of an earlier run are among them." if docker else ""
        commands = _moved(program, plain, chains)
        by_hand = (
            "" if commands else " Move each rule by hand: some of them translate addresses or accept in called chains."
        )
        yield finding(
            FIREWALL_BACKENDS_MIXED,
            HOST,
            f"{program} has rules in {named}, beside those of {plain}. A packet must pass both, and each program shows "
            f"its own rules alone.{by_docker}",
            remedy=Remedy(
                f"Move the rules to {plain}, and keep to one of the two programs.{by_hand}", commands=commands
            ),
            evidence={
                "program": program,
                "rules": [f"{chain.table}: {text}" for chain in chains for *_, text in chain.rules][:_QUOTED],
                "policies": {f"{chain.table} {chain.name}": chain.policy for chain in chains if chain.policy == "DROP"},
            },
        )


def _moved(program: str, plain: str, chains: list[FirewallChain]) -> tuple[str, ...]:
    """Return the commands that move the rules to the plain program; none where that would change what they do."""
    ours = [chain for chain in chains if not chain.name.startswith("DOCKER")]
    # An accept ends the rules of one variant, and those of the other still follow. As rules of one program, a return
    # from a chain of their own does the same; from a called chain it would not.
    if any(c.table == "nat" or (c.policy is None and any("-j ACCEPT" in r for *_, r in c.rules)) for c in ours):
        return ()
    written = [command for chain in ours for command in _written(plain, chain)]
    # A rule can call a chain that comes after it.
    commands = sorted(written, key=lambda command: " -N " not in command)
    policies = [(chain.table, chain.name) for chain in chains if chain.policy == "DROP"]
    commands += [f"{program} -t {table} -P {name} ACCEPT" for table, name in policies]
    for table in dict.fromkeys(chain.table for chain in chains):
        commands += [f"{program} -t {table} -F", f"{program} -t {table} -X"]
    return tuple(commands) if len(commands) <= _MOST_COMMANDS else ()


def _written(plain: str, chain: FirewallChain) -> Iterator[str]:
    """Yield the commands that write the rules of one chain with the plain program."""
    # Docker's own rules of an earlier run are not moved: the engine has written them where it writes now.
    rules = [text.split(" ", 2)[2] for *_, text in chain.rules if "-j DOCKER" not in text]
    if not rules and chain.policy != "DROP":
        return
    name = chain.name if chain.policy is None else f"{plain}-from-{chain.name}"
    begin = f"{plain} -t {chain.table}"
    yield f"{begin} -N {name}"
    for rule in rules:
        yield f"{begin} -A {name} {rule.replace('-j ACCEPT', '-j RETURN')}"
    if chain.policy == "DROP":
        yield f"{begin} -A {name} -j DROP"
    if chain.policy is not None:
        yield f"{begin} -I {chain.name} -j {name}"
