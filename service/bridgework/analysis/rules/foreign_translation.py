"""Rules of other programs on the host that change a packet's addresses, or leave it out of connection tracking."""

from __future__ import annotations

from bridgework.analysis.host_rules import DOCKER, owner_of
from bridgework.analysis.routing import Way
from bridgework.analysis.rules.base import HOST, Findings, Situation, finding
from bridgework.analysis.rules.in_force import deletion
from bridgework.analysis.rules.simulated import Step, walk_of
from bridgework.explanations.firewall import CONNECTION_NOT_TRACKED, USER_RULE_DIVERTS
from bridgework.model.checks import Finding
from bridgework.model.errors import Remedy


def rule_changes_the_packet(situation: Situation) -> Findings:
    """Find a rule after which the answer does not find its way, though nothing drops the packet."""
    walked, candidate = walk_of(situation), situation.candidate
    host = situation.observations.host
    if walked is None or candidate is None or host is None or host.observation.routes is None:
        return
    own = {address.address for link in host.observation.interfaces or () for address in link.addresses}
    steps = [*walked.there.steps, *(walked.back.steps if walked.back is not None else ())]
    for step in steps:
        if step.rule is None or owner_of(situation.snapshot, step) == DOCKER:
            continue
        if step.effect == "snat" and step.after.source not in {*own, step.before.source}:
            yield _from_elsewhere(step, step.rule.text)
        # Within one bridge nothing is translated, so it needs no connection.
        elif step.effect == "notrack" and candidate.way is Way.FORWARDED:
            yield _not_tracked(step, step.rule.text)


def _from_elsewhere(step: Step, rule: str) -> Finding:
    table = step.place.table.name
    message = (
        f"{table} {step.place.chain.name} gives the packet the source address {step.after.source}, which is none of "
        f"the "
        f"host's: {rule}. The answer goes to that address."
    )
    remedy = Remedy("Delete or correct the rule.", commands=deletion(step))
    evidence = {"table": table, "chain": step.place.chain.name, "rule": rule, "source": step.after.source}
    return finding(USER_RULE_DIVERTS, HOST, message, remedy=remedy, evidence=evidence)


def _not_tracked(step: Step, rule: str) -> Finding:
    message = (
        f"{step.place.table.name} {step.place.chain.name} leaves the packet or its answer out of connection "
        f"tracking, so "
        f"its addresses are not translated, and the answer is no part of a connection: {rule}."
    )
    remedy = Remedy("Delete or narrow the rule.", commands=deletion(step))
    evidence = {"table": step.place.table.name, "chain": step.place.chain.name, "rule": rule}
    return finding(CONNECTION_NOT_TRACKED, HOST, message, remedy=remedy, evidence=evidence)
