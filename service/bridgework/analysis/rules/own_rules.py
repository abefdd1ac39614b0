"""Rules about the firewalls inside the namespaces of both ends, and about XFRM policies there and on the host."""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import ip_address, ip_network

from bridgework.analysis.host_walk import STOPPED, Walked
from bridgework.analysis.inside_walk import Inside, insides_of
from bridgework.analysis.routing import Way
from bridgework.analysis.rules.base import HOST, Findings, Situation, finding, of_container
from bridgework.analysis.rules.ends import End, ends_of, source_of
from bridgework.explanations.firewall import CONTAINER_RULE_DIVERTS, CONTAINER_RULE_DROPS, XFRM_POLICY_BLOCKS
from bridgework.firewall import simulate
from bridgework.firewall.ruleset import DNAT, ESTABLISHED, SNAT
from bridgework.firewall.simulate import Outcome, Step
from bridgework.model.checks import Component, Finding
from bridgework.model.errors import Remedy
from bridgework.model.observations import XfrmPolicy


def own_rule_stops(situation: Situation) -> Findings:
    """Find a rule inside the source that stops the packet, or sends it elsewhere."""
    yield from _there(situation, is_source=True)


def their_rule_stops(situation: Situation) -> Findings:
    """Find the same inside the destination."""
    yield from _there(situation, is_source=False)


def rule_stops_the_answer(situation: Situation) -> Findings:
    """Find a rule inside the destination, or inside the source, that stops the answer."""
    for is_source in (False, True):
        for inside, walked in _led(situation, is_source=is_source):
            if walked.back is not None:
                yield from _stopped(inside.end, walked.back)


def _led(situation: Situation, *, is_source: bool) -> Iterator[tuple[Inside, Walked]]:
    """Yield the way through the rules of the end, where they were read and the packet comes to them."""
    for inside in insides_of(situation):
        comes = inside.end.is_source or inside.is_held
        if inside.end.is_source is is_source and comes and inside.end.link is not None and inside.walked is not None:
            yield inside, inside.walked


def _there(situation: Situation, *, is_source: bool) -> Findings:
    for inside, walked in _led(situation, is_source=is_source):
        yield from _stopped(inside.end, walked.there)
        if walked.there.verdict == simulate.ACCEPTED:
            yield from _diverted(inside, walked.there)


def _stopped(end: End, outcome: Outcome) -> Iterator[Finding]:
    step = outcome.step
    if outcome.verdict not in STOPPED or step is None:
        return
    what = "the answer" if step.before.state == ESTABLISHED or _is_answer(end, step) else "the packet"
    verb = "rejects" if outcome.verdict == simulate.REJECTED else "drops"
    rule = step.rule.text if step.rule is not None else None
    how = rule or "its policy is DROP, and none of its rules accepts it"
    message = f"{_place(step)} of {end.container.name} {verb} {what}: {how}."
    evidence = {"table": step.place.table.name, "chain": step.place.chain.name, "rule": rule}
    component, remedy = of_container(end.container), end.new_namespace
    yield finding(CONTAINER_RULE_DROPS, component, message, remedy=remedy, evidence=evidence)


def _is_answer(end: End, step: Step) -> bool:
    """Whether a packet that is no part of a connection, as in the table raw, goes back to the source."""
    is_sent = step.before.incoming is None
    return is_sent is not end.is_source


def _place(step: Step) -> str:
    table, chain = step.place.table.name, step.place.chain.name
    return chain if table == "filter" else f"{table} {chain}"


def _diverted(inside: Inside, outcome: Outcome) -> Iterator[Finding]:
    end, packet, changed = inside.end, inside.packet, outcome.packet
    step = next((one for one in reversed(outcome.steps) if one.before != one.after and _translates(one)), None)
    if step is None or step.rule is None:
        return
    if DNAT in changed.translated:
        what = packet.protocol + ("" if packet.destination_port is None else f" port {packet.destination_port}")
        port = "" if changed.destination_port is None else f" port {changed.destination_port}"
        where = "" if changed.destination == packet.destination else f" {changed.destination}"
        how = f"sends {what} to{where}{port}"
    else:
        how = f"gives the packet the source address {changed.source}"
    message = f"{_place(step)} of {end.container.name} {how}: {step.rule.text}."
    evidence = {"table": step.place.table.name, "chain": step.place.chain.name, "rule": step.rule.text}
    component, remedy = of_container(end.container), end.new_namespace
    yield finding(CONTAINER_RULE_DIVERTS, component, message, remedy=remedy, evidence=evidence)


def _translates(step: Step) -> bool:
    return bool(step.after.translated - step.before.translated & {DNAT, SNAT})


def policy_blocks(situation: Situation) -> Findings:
    """Find an XFRM policy inside an end, or on the host, that blocks the packet or its answer."""
    candidate = situation.candidate
    if candidate is None or candidate.way in {Way.LOCAL, Way.NO_ROUTE}:
        return
    ends = {end.is_source: end for end in ends_of(situation)}
    source = ends[True].address(candidate.version) if True in ends else source_of(situation)
    for end in ends.values():
        there, back = ("out", "in") if end.is_source else ("in", "out")
        yield from _blocking(
            end.seen.xfrm, ((there, source, candidate.address), (back, candidate.address, source)), end
        )
    host = situation.observations.host
    if host is None or (candidate.way is Way.DIRECT and not situation.source.is_host and not candidate.is_host):
        return
    directions = ("out", "in") if situation.source.is_host else ("in", "out") if candidate.is_host else ("fwd", "fwd")
    ways = [(directions[0], source, candidate.address), (directions[1], candidate.address, source)]
    if directions[0] == "fwd":
        # What the host forwards needs a policy where it comes in (fwd), and one where it leaves (out).
        ways += [("out", source, candidate.address), ("out", candidate.address, source)]
    yield from _blocking(host.observation.xfrm, tuple(ways), None)


def _blocking(
    policies: tuple[XfrmPolicy, ...] | None, ways: tuple[tuple[str, str | None, str | None], ...], end: End | None
) -> Iterator[Finding]:
    for policy in policies or ():
        if not any(_fits(policy, *way) for way in ways):
            continue
        selector = f"dir {policy.direction}, {policy.source} to {policy.destination}"
        component: Component = HOST if end is None else of_container(end.container)
        command = f"ip xfrm policy delete dir {policy.direction} src {policy.source} dst {policy.destination}"
        remedy = Remedy("Delete the policy.", commands=(command,)) if end is None else end.new_namespace
        message = f"An XFRM policy of {'the host' if end is None else end.container.name} blocks packets ({selector})."
        evidence = {"direction": policy.direction, "source": policy.source, "destination": policy.destination}
        yield finding(XFRM_POLICY_BLOCKS, component, message, remedy=remedy, evidence=evidence)
        return


def _fits(policy: XfrmPolicy, direction: str, source: str | None, destination: str | None) -> bool:
    if policy.direction != direction or source is None or destination is None:
        return False
    ends = ((policy.source, source), (policy.destination, destination))
    return all(ip_address(address) in ip_network(subnet, strict=False) for subnet, address in ends)
