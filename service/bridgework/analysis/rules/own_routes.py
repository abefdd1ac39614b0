"""Rules about the routes and policy rules inside the namespaces of both ends, as their kernels apply them."""

from __future__ import annotations

from bridgework.analysis.inside_walk import insides_of
from bridgework.analysis.route_lookup import DEAD_ENDS, Decision
from bridgework.analysis.routing import Way
from bridgework.analysis.rules.base import Findings, Situation, finding, of_container
from bridgework.analysis.rules.ends import End
from bridgework.explanations.routes import CONTAINER_ROUTE_DIVERTS, CONTAINER_ROUTE_DROPS
from bridgework.model.checks import Finding, Severity


def own_route_fails(situation: Situation) -> Findings:
    """Find a route or a policy rule inside the source by which the packet does not come to its network."""
    return _decided(situation, is_source=True)


def route_back_fails(situation: Situation) -> Findings:
    """Find the same inside the destination for the answer."""
    return _decided(situation, is_source=False)


def _decided(situation: Situation, *, is_source: bool) -> Findings:
    for inside in insides_of(situation):
        # Without a route the packet has a finding of its own.
        end, decision = inside.end, inside.decision
        if end.is_source is not is_source or decision is None:
            continue
        if end.link is None or "up" not in end.link.flags:
            continue
        to = inside.packet.destination if is_source else inside.packet.source or ""
        if decision.dead_end is not None:
            yield _dropped(end, to, decision, decision.dead_end)
        elif decision.route is not None and not decision.is_local:
            away = not decision.leaves_by(end.link.name)
            # On its own network, a neighbour is reached without a gateway.
            by_gateway = end.candidate.way is Way.DIRECT and decision.route.gateway is not None
            if away or by_gateway:
                yield _diverted(end, to, decision, away=away)


def _dropped(end: End, to: str, decision: Decision, kind: str) -> Finding:
    message = f"{end.container.name} {_what(end)} for {to}: {_because(decision)} {DEAD_ENDS[kind]}."
    remedy, evidence = end.new_namespace, _evidence(decision) | {"kind": kind}
    return finding(CONTAINER_ROUTE_DROPS, of_container(end.container), message, remedy=remedy, evidence=evidence)


def _diverted(end: End, to: str, decision: Decision, *, away: bool) -> Finding:
    route = decision.route
    if route is None or end.link is None:
        raise ValueError("only a route sends a packet on")
    by = f"by {route.interfaces[0]}" if route.interfaces else "away"
    via = f" and the gateway {route.gateway}" if route.gateway else ""
    instead = f"instead of {end.link.name}" if away else "instead of directly"
    what = "the packet" if end.is_source else "the answer"
    message = f"{end.container.name} sends {what} for {to} {by}{via} {instead}: {_because(decision)} decides."
    # The other interface may lead there as well, such as another network that both are on.
    tunnel = next((one for one in end.seen.interfaces or () if one.name in route.interfaces), None)
    severity = Severity.BLOCKING if away and tunnel is not None and not tunnel.addresses else None
    remedy, evidence = end.new_namespace, _evidence(decision)
    component = of_container(end.container)
    return finding(CONTAINER_ROUTE_DIVERTS, component, message, severity=severity, remedy=remedy, evidence=evidence)


def _what(end: End) -> str:
    return "drops packets" if end.is_source else "drops the answers"


def _because(decision: Decision) -> str:
    rule, route = decision.rule, decision.route
    if route is None or not rule.is_default:
        return f'the policy rule "{rule.priority}: {rule.text}"'
    return f"its route {route.destination}"


def _evidence(decision: Decision) -> dict[str, object]:
    rule, route = decision.rule, decision.route
    found: dict[str, object] = {"priority": rule.priority, "rule": rule.text}
    if route is not None:
        found |= {"route": route.destination, "interfaces": list(route.interfaces), "gateway": route.gateway}
    return found
