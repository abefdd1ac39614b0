"""The rules of reachability, as a table.

**The theory.** A packet passes layers in a fixed order: it leaves a namespace (source), for a namespace that can take
it (destination), at an address that a name may have stood for (name, address), along a route (route), over a link and
through the firewall (wire), to a published port where it is for the host (host), to a program (port). The first layer
that stops it explains the failure; what comes after would only repeat the cause. So each row names its layer, the
codes it may give, and the function that finds out; rows of one layer are independent of each other, and their order
decides nothing.

**The step.** Of each code the row also says at which step of its way the packet stops; there the predicted path ends. A
layer may find a cause far down the way (a paused destination, say) before another layer finds one nearer to the source.
So after a layer that stops the packet, only what stops it at an earlier step is added.

**The verdict** is the table's: ``unreachable`` if any finding blocks; ``inconclusive`` if none does but one
warning says that the answer hangs on what was not seen, or on what may change at any moment; else ``reachable``.

A new explanation is a row in the catalogue and a row here.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from bridgework.analysis.rules import (
    address,
    host,
    host_firewall,
    in_force,
    listener,
    name,
    overlay,
    route,
    state,
    wire,
)
from bridgework.analysis.rules.base import Rule, Situation, Step
from bridgework.model.checks import Finding, Severity, Verdict

LIMIT = "analysis-limited"
UNDECIDED = frozenset({LIMIT, "address-tentative"})
"""A warning of one of these leaves the verdict open: what was not seen, or may change while the probe waits."""


def _at(step: Step, *codes: str) -> dict[str, Step]:
    """These codes, each of a finding that stops the packet at the step."""
    return dict.fromkeys(codes, step)


SOURCE = (
    Rule(_at(Step.SOURCE, "source-not-running"), state.source_is_down),
    Rule(_at(Step.SOURCE, "container-paused"), state.source_is_paused),
    Rule(_at(Step.SOURCE, "network-mode-none"), state.source_has_no_network),
    Rule(_at(Step.SOURCE, "shared-network-owner-down", "shared-network-stale"), state.source_shares_in_vain),
)
DESTINATION = (
    Rule(_at(Step.DESTINATION, "destination-not-running"), state.destination_is_down),
    Rule(
        _at(Step.DESTINATION, "network-mode-none", "shared-network-owner-down", "shared-network-stale"),
        state.destination_has_no_network,
    ),
    Rule(_at(Step.DESTINATION, "host-mode-no-own-address", "shares-network"), state.destination_is_elsewhere),
    Rule(_at(Step.PORT, "container-paused"), state.destination_is_paused),
)
NAME = (
    Rule(
        _at(Step.NAME, "default-bridge-no-dns", "name-not-on-shared-network", "destination-not-running", LIMIT),
        name.name_is_unknown,
    ),
    Rule(_at(Step.NAME, "name-ambiguous"), name.name_is_ambiguous),
    Rule(_at(Step.NAME, "embedded-dns-bypassed", "dns-loopback-upstream"), name.resolver_is_unsuited),
)
ADDRESS = (
    Rule(
        _at(Step.ADDRESS, "address-family-mismatch", "gateway-mode-isolated", "macvlan-host-filtered", LIMIT),
        address.nothing_to_try,
    ),
    Rule(_at(Step.ADDRESS, "address-family-mismatch"), address.family_differs),
    Rule(_at(Step.OWN_INTERFACE, "address-tentative"), address.own_address_is_tentative),
    Rule(_at(Step.EXIT, "address-tentative"), address.address_ahead_is_tentative),
    # Nobody answers ARP or neighbour discovery, so the packet never leaves the network that both are on.
    Rule(_at(Step.EXIT, "stale-address", LIMIT), address.address_is_unheld),
    Rule(_at(Step.EXIT, "address-changed"), address.address_has_changed_hands),
)
ROUTE = (
    Rule(
        _at(Step.OWN_ROUTE, "no-shared-network", "bridges-isolated", "internal-no-egress", "wrong-default-gateway"),
        route.no_route,
    ),
    Rule(_at(Step.EXIT, "wrong-default-gateway"), route.gateway_is_absent),
    Rule(
        _at(
            Step.ROUTING, "no-shared-network", "bridges-isolated", "gateway-mode-isolated", "gateway-mode-routed", LIMIT
        )
        | _at(Step.EXIT, "macvlan-host-filtered")
        | _at(Step.REPLY, "masquerade-off", "reply-path-lost"),
        route.across_networks,
    ),
    Rule(
        _at(Step.ROUTING, "macvlan-host-filtered", "gateway-mode-isolated", "no-shared-network"),
        route.host_is_not_there,
    ),
    Rule(
        _at(Step.ROUTING, "host-no-route", "ip-forward-off")
        | _at(Step.EXIT, "vlan-without-parent", "wrong-default-gateway")
        | _at(Step.OUTSIDE, "masquerade-off", LIMIT),
        route.outside,
    ),
)
WIRE = (
    Rule(_at(Step.TUNNEL, "node-unreachable", LIMIT), overlay.node_is_silent),
    Rule(_at(Step.EXIT, "inter-container-off", "vlan-mode-private", LIMIT), wire.network_forbids),
    Rule(_at(Step.OWN_INTERFACE, "link-down") | _at(Step.OWN_VETH, "veth-detached"), wire.own_link_is_broken),
    Rule(_at(Step.THEIR_INTERFACE, "link-down") | _at(Step.THEIR_VETH, "veth-detached"), wire.their_link_is_broken),
    Rule(_at(Step.OWN_INTERFACE, "mtu-mismatch"), wire.own_link_is_too_small),
    Rule(_at(Step.THEIR_VETH, "mtu-mismatch"), wire.their_link_is_too_small),
    Rule(_at(Step.FIREWALL, "firewall-rules-missing"), host_firewall.chains_are_missing),
    Rule(_at(Step.FIREWALL, "user-firewall-drop", LIMIT), in_force.foreign_rule_drops),
)
HOST = (
    Rule(
        _at(
            Step.PORT, "port-not-published", "port-bound-to-loopback", "no-listener", "listens-on-loopback-only", LIMIT
        ),
        host.port_has_no_owner,
    ),
    Rule(_at(Step.PUBLISHED, "port-not-published", LIMIT), host.nobody_answers_for_it),
    Rule(
        _at(Step.PUBLISHED, "internal-no-egress", "masquerade-off", "inter-container-off", "bridges-isolated"),
        host.translated_and_dropped,
    ),
    Rule(_at(Step.REPLY, "masquerade-off"), host.translated_and_unanswered),
    Rule(_at(Step.PUBLISHED, "gateway-mode-routed"), host.published_by_route),
)
PORT = (
    Rule(_at(Step.PORT, "no-listener", "listens-on-loopback-only", LIMIT), host.nobody_behind_the_port),
    Rule(_at(Step.PORT, "no-listener", "listens-on-loopback-only", LIMIT), listener.nobody_listens),
)

RULES_IN_FORCE = (Rule(_at(Step.FIREWALL, "docker-rule-drops"), in_force.docker_rule_drops),)

LAYERS: tuple[tuple[str, tuple[Rule, ...]], ...] = (
    ("source", SOURCE),
    ("destination", DESTINATION),
    ("name", NAME),
    ("address", ADDRESS),
    ("route", ROUTE),
    ("wire", WIRE),
    ("host", HOST),
    ("port", PORT),
    ("rules in force", RULES_IN_FORCE),
)


@dataclass(frozen=True, slots=True)
class Judgement:
    """What the table says of a situation.

    ``stop`` is the step at which the packet stops and the finding behind it; ``unsure`` the first step of which it was
    not seen whether the packet passes it.
    """

    verdict: Verdict
    findings: tuple[Finding, ...]
    stop: tuple[Step, Finding] | None = None
    unsure: Step | None = None


def judge(situation: Situation) -> Judgement:
    """Go through the layers to the first that stops the packet, and look whether a later one stops it even before."""
    found: list[tuple[Step, Finding]] = []
    stop: tuple[Step, Finding] | None = None
    for _, rules in LAYERS:
        if rules is RULES_IN_FORCE and stop is not None:
            break  # another rule has said why already, with the option behind it
        told = [(rule.codes[one.code], one) for rule in rules for one in rule.find(situation)]
        found += told if stop is None else [(step, one) for step, one in told if step < stop[0] and _blocks(one)]
        blocking = [pair for pair in found if _blocks(pair[1])]
        stop = min(blocking, key=lambda pair: pair[0], default=None)
    unsure = min((step for step, one in found if _is_limit(one)), default=None)
    findings = tuple(one for _, one in found)
    return Judgement(verdict_of(findings), findings, stop, unsure)


def _blocks(finding: Finding) -> bool:
    return finding.severity is Severity.BLOCKING


def _is_limit(finding: Finding) -> bool:
    return finding.code in UNDECIDED and finding.severity is Severity.WARNING


def verdict_of(findings: Iterable[Finding]) -> Verdict:
    """What the findings amount to."""
    found = tuple(findings)
    if any(_blocks(finding) for finding in found):
        return Verdict.UNREACHABLE
    return Verdict.INCONCLUSIVE if any(_is_limit(finding) for finding in found) else Verdict.REACHABLE
