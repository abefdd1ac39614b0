"""The rules of reachability, as a table.

**The theory.** A packet passes layers in a fixed order: it leaves a namespace (source), for a namespace that can take
it (destination), at an address that a name may have stood for (name, address), along a route (route), over a link and
through the firewall (wire), to a published port where it is for the host (host), to a program (port). The first layer
that stops it explains the failure; what comes after is not asked, since it would only repeat the cause. So each row
names its layer, the codes it may give, and the function that finds out; rows of one layer are independent of each
other, and their order decides nothing.

**The verdict** is the table's: ``unreachable`` if any finding blocks; ``inconclusive`` if none does but one
``analysis-limited`` warning says that the answer hangs on what was not seen; else ``reachable``.

A new explanation is a row in the catalogue and a row here.
"""

from __future__ import annotations

from collections.abc import Iterable

from service.core.checks import Finding, Severity, Verdict
from service.core.rules import (
    address,
    firewall,
    host,
    listener,
    names,
    overlay,
    route,
    state,
    wire,
)
from service.core.rules.base import Rule, Situation

LIMIT = "analysis-limited"

SOURCE = (
    Rule(("source-not-running",), state.source_is_down),
    Rule(("container-paused",), state.source_is_paused),
    Rule(("network-mode-none",), state.source_has_no_network),
    Rule(("shared-network-owner-down", "shared-network-stale"), state.source_shares_in_vain),
)
DESTINATION = (
    Rule(("destination-not-running",), state.destination_is_down),
    Rule(
        ("network-mode-none", "shared-network-owner-down", "shared-network-stale"),
        state.destination_has_no_network,
    ),
    Rule(("host-mode-no-own-address", "shares-network"), state.destination_is_elsewhere),
    Rule(("container-paused",), state.destination_is_paused),
)
NAME = (
    Rule(
        ("default-bridge-no-dns", "name-not-on-shared-network", "destination-not-running", LIMIT),
        names.name_is_unknown,
    ),
    Rule(("name-ambiguous",), names.name_is_ambiguous),
    Rule(("embedded-dns-bypassed", "dns-loopback-upstream"), names.resolver_is_unsuited),
)
ADDRESS = (
    Rule(
        ("address-family-mismatch", "gateway-mode-isolated", "macvlan-host-filtered", LIMIT),
        address.nothing_to_try,
    ),
    Rule(("address-family-mismatch",), address.family_differs),
    Rule(("stale-address", LIMIT), address.address_is_unheld),
    Rule(("address-changed",), address.address_has_changed_hands),
)
ROUTE = (
    Rule(("no-shared-network", "bridges-isolated", "internal-no-egress", "wrong-default-gateway"), route.no_route),
    Rule(("wrong-default-gateway",), route.gateway_is_absent),
    Rule(
        (
            "no-shared-network",
            "bridges-isolated",
            "macvlan-host-filtered",
            "gateway-mode-routed",
            "masquerade-off",
            "reply-path-lost",
            LIMIT,
        ),
        route.across_networks,
    ),
    Rule(("macvlan-host-filtered", "gateway-mode-isolated", "no-shared-network"), route.host_is_not_there),
    Rule(
        (
            "host-no-route",
            "ip-forward-off",
            "masquerade-off",
            "vlan-without-parent",
            "wrong-default-gateway",
            LIMIT,
        ),
        route.outside,
    ),
)
WIRE = (
    Rule(("node-unreachable", LIMIT), overlay.node_is_silent),
    Rule(("inter-container-off", "vlan-mode-private", LIMIT), wire.network_forbids),
    Rule(("link-down", "veth-detached"), wire.links_are_broken),
    Rule(("mtu-mismatch",), wire.packet_is_too_large),
    Rule(("firewall-rules-missing",), firewall.chains_are_missing),
    Rule(("user-firewall-drop", LIMIT), firewall.user_rule_drops),
)
HOST = (
    Rule(
        ("port-not-published", "port-bound-to-loopback", "no-listener", "listens-on-loopback-only", LIMIT),
        host.port_has_no_owner,
    ),
    Rule(("port-not-published", LIMIT), host.nobody_answers_for_it),
    Rule(
        ("internal-no-egress", "masquerade-off", "inter-container-off", "bridges-isolated"),
        host.translated_and_dropped,
    ),
    Rule(("gateway-mode-routed",), host.published_by_route),
)
PORT = (
    Rule(("no-listener", "listens-on-loopback-only", LIMIT), host.nobody_behind_the_port),
    Rule(("no-listener", "listens-on-loopback-only", LIMIT), listener.nobody_listens),
)

LAYERS: tuple[tuple[str, tuple[Rule, ...]], ...] = (
    ("source", SOURCE),
    ("destination", DESTINATION),
    ("name", NAME),
    ("address", ADDRESS),
    ("route", ROUTE),
    ("wire", WIRE),
    ("host", HOST),
    ("port", PORT),
)


def judge(situation: Situation) -> tuple[Verdict, tuple[Finding, ...]]:
    """Go through the layers to the first that stops the packet."""
    found: list[Finding] = []
    for _, rules in LAYERS:
        for rule in rules:
            found.extend(rule.find(situation))
        if any(finding.severity is Severity.BLOCKING for finding in found):
            break
    return verdict_of(found), tuple(found)


def verdict_of(findings: Iterable[Finding]) -> Verdict:
    """What the findings amount to."""
    verdict = Verdict.REACHABLE
    for finding in findings:
        if finding.severity is Severity.BLOCKING:
            return Verdict.UNREACHABLE
        if finding.code == LIMIT and finding.severity is Severity.WARNING:
            verdict = Verdict.INCONCLUSIVE
    return verdict
