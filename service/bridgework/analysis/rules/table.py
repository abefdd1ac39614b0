"""The table of the rules of reachability.

A packet passes layers in a fixed order: source, destination, name, address, route, wire (link and firewall), host
(published port) and port (program). The first layer that stops it explains the failure. Findings of later layers would
only repeat the cause, so they are left out. The rows of one layer are independent: their order changes nothing.

To add an explanation, add a row to the catalogue and a row here.
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
    passage,
    podman,
    route,
    state,
    wire,
)
from bridgework.analysis.rules.base import Rule, Situation, Step
from bridgework.model.checks import Finding, Severity, Verdict

LIMIT = "analysis-limited"
UNDECIDED = frozenset({LIMIT, "address-tentative", "duplicate-address"})
"""A warning with one of these codes makes the verdict inconclusive.

Something was not observed, or it may change while the probe waits (duplicate address detection takes about 2 s), or two
stations have the address and the one that answers first gets the packet.
"""


def _at(step: Step, *codes: str) -> dict[str, Step]:
    """Map each code to the step at which its finding stops the packet."""
    return dict.fromkeys(codes, step)


# What the kernel's own routing decisions do to a packet, and to an answer.
_DROPPED_BY_ROUTING = ("reverse-path-filtered", "interface-forwarding-off", "blackhole-route")
_DIVERTED = ("policy-route-diverts", "subnet-overlaps-host-route", *_DROPPED_BY_ROUTING)
_ANSWER_DIVERTED = ("asymmetric-routing", *_DROPPED_BY_ROUTING)

SOURCE = (
    # Without a running process there is no namespace to send from, so no later layer matters.
    Rule(_at(Step.SOURCE, "source-not-running"), state.source_is_down),
    Rule(_at(Step.SOURCE, "container-paused"), state.source_is_paused),
    # With only lo, a container still reaches itself: then the finding is info and does not block.
    Rule(_at(Step.SOURCE, "network-mode-none"), state.source_has_no_network),
    Rule(_at(Step.SOURCE, "shared-network-owner-down", "shared-network-stale"), state.source_shares_a_lost_namespace),
)
DESTINATION = (
    # A stopped container has no address, so the packet stops before it is sent.
    Rule(_at(Step.DESTINATION, "destination-not-running"), state.destination_is_down),
    Rule(
        _at(Step.DESTINATION, "network-mode-none", "shared-network-owner-down", "shared-network-stale"),
        state.destination_has_no_network,
    ),
    # These never block. They say that the address which is tried is not the container's own.
    Rule(_at(Step.DESTINATION, "host-mode-no-own-address", "shares-network"), state.destination_is_elsewhere),
    # The packet arrives: the kernel of a paused container works, only its program is frozen. So the path ends late.
    Rule(_at(Step.PORT, "container-paused"), state.destination_is_paused),
)
# A name is resolved before anything is sent. Where it does not resolve, there is no candidate address and the rules of
# the later layers find nothing.
NAME = (
    Rule(
        _at(
            Step.NAME,
            "default-bridge-no-dns",
            "name-not-on-shared-network",
            "embedded-dns-bypassed",
            "destination-not-running",
            LIMIT,
        ),
        name.name_is_unknown,
    ),
    # Each holder is a situation of its own. Where their verdicts differ, the prediction is inconclusive (``predict``).
    Rule(_at(Step.NAME, "name-ambiguous"), name.name_is_ambiguous),
    Rule(
        _at(
            Step.NAME,
            "embedded-dns-bypassed",
            "dns-loopback-upstream",
            "embedded-dns-rules-missing",
            "dns-no-upstream",
            LIMIT,
        ),
        name.resolver_is_unsuited,
    ),
)
ADDRESS = (
    Rule(
        _at(Step.ADDRESS, "address-family-mismatch", "gateway-mode-isolated", "macvlan-host-filtered", LIMIT),
        address.nothing_to_try,
    ),
    Rule(_at(Step.ADDRESS, "address-family-mismatch"), address.family_differs),
    # The kernel sends nothing from a tentative address (RFC 4862), so the packet does not leave the interface.
    Rule(_at(Step.OWN_INTERFACE, "address-tentative"), address.own_address_is_tentative),
    # The kernel of the destination ignores neighbour solicitations for a tentative address.
    Rule(_at(Step.EXIT, "address-tentative"), address.address_ahead_is_tentative),
    # No host answers ARP or neighbour discovery, so the packet never leaves the network that both are on.
    Rule(_at(Step.EXIT, "stale-address", LIMIT), address.address_is_unheld),
    Rule(_at(Step.EXIT, "address-changed"), address.address_has_changed_hands),
)
ROUTE = (
    Rule(
        _at(
            Step.OWN_ROUTE,
            "no-shared-network",
            "bridges-isolated",
            "internal-no-egress",
            "wrong-default-gateway",
            LIMIT,
        ),
        route.no_route,
    ),
    # The route exists, but no interface answers ARP for the gateway: the packet waits on the bridge.
    Rule(_at(Step.EXIT, "wrong-default-gateway"), route.gateway_is_absent),
    # The engine's rules drop at the host, between its bridges. A macvlan bypasses the host, so it stops at the exit. A
    # lost answer stops at the reply: the packet itself arrives.
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
    Rule(_at(Step.ROUTING, "ip-forward-off"), route.forwarding_is_off),
    Rule(
        _at(Step.ROUTING, "host-no-route", "ip-forward-off")
        | _at(Step.EXIT, "vlan-without-parent", "wrong-default-gateway")
        | _at(Step.OUTSIDE, "masquerade-off", "ndp-proxy-missing", LIMIT),
        route.outside,
    ),
)
# Links are seen only by an observation. Unseen ones count as intact, since broken links are rare.
WIRE = (
    Rule(_at(Step.TUNNEL, "node-unreachable", LIMIT), overlay.node_is_silent),
    Rule(_at(Step.EXIT, "inter-container-off", "icc-not-enforced", "vlan-mode-private", LIMIT), wire.network_forbids),
    # A gateway without its address answers no ARP request, and the host has no route to the network.
    Rule(_at(Step.EXIT, "bridge-address-missing"), wire.bridge_lacks_its_address),
    Rule(_at(Step.ROUTING, "bridge-address-missing"), wire.host_lacks_its_bridge_address),
    # The frame goes to another station than the destination.
    Rule(_at(Step.EXIT, "stale-neighbour", "duplicate-address"), wire.neighbour_is_wrong),
    Rule(_at(Step.EXIT, "duplicate-address"), wire.address_is_taken_twice),
    Rule(_at(Step.OWN_INTERFACE, "link-down") | _at(Step.OWN_VETH, "veth-detached"), wire.own_link_is_broken),
    Rule(_at(Step.THEIR_INTERFACE, "link-down") | _at(Step.THEIR_VETH, "veth-detached"), wire.their_link_is_broken),
    # A packet that may not be fragmented stops at the first link that is too small.
    Rule(_at(Step.OWN_INTERFACE, "mtu-mismatch"), wire.own_link_is_too_small),
    Rule(_at(Step.THEIR_VETH, "mtu-mismatch"), wire.their_link_is_too_small),
    Rule(_at(Step.FIREWALL, "firewall-rules-missing", "firewall-not-managed"), host_firewall.chains_are_missing),
    Rule(_at(Step.ROUTING, *_DIVERTED), in_force.packet_is_diverted),
    Rule(_at(Step.REPLY, *_ANSWER_DIVERTED), in_force.answer_is_diverted),
    Rule(_at(Step.FIREWALL, "user-firewall-drop", "bridge-traffic-filtered", LIMIT), in_force.foreign_rule_drops),
    Rule(_at(Step.FIREWALL, "port-rule-missing", "network-rule-missing"), in_force.docker_rule_is_lost),
)
# These rules read ``publication``: the published port that the packet arrives at, and what answers there.
HOST = (
    Rule(
        _at(
            Step.PORT, "port-not-published", "port-bound-to-loopback", "no-listener", "listens-on-loopback-only", LIMIT
        ),
        host.port_has_no_owner,
    ),
    Rule(
        _at(Step.PUBLISHED, "port-not-published", LIMIT) | _at(Step.PROXY, "docker-proxy-missing"),
        host.nothing_answers_for_it,
    ),
    Rule(
        _at(Step.PUBLISHED, "internal-no-egress", "masquerade-off", "inter-container-off", "bridges-isolated"),
        host.translated_and_dropped,
    ),
    Rule(
        _at(Step.PROXY, "user-firewall-drop", "bridge-traffic-filtered", "docker-rule-drops", LIMIT),
        in_force.proxy_is_cut_off,
    ),
    Rule(_at(Step.REPLY, "masquerade-off"), host.translated_and_unanswered),
    Rule(_at(Step.PUBLISHED, "gateway-mode-routed"), host.published_by_route),
    Rule(_at(Step.PROXY, *_DIVERTED, "asymmetric-routing"), in_force.proxy_is_diverted),
)
# Without an observation of the listening sockets, these rules make the prediction inconclusive.
PORT = (
    Rule(_at(Step.PORT, "no-listener", "listens-on-loopback-only", LIMIT), host.nothing_listens_behind_the_port),
    Rule(_at(Step.PORT, "no-listener", "listens-on-loopback-only", LIMIT), listener.nothing_listens),
)

# These rules are asked only where no other has stopped the packet.
RULES_IN_FORCE = (
    Rule(_at(Step.FIREWALL, "docker-rule-drops"), in_force.docker_rule_drops),
    Rule(_at(Step.FIREWALL, "networks-not-isolated"), passage.networks_are_open),
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
    ("rules in force", RULES_IN_FORCE),
)


PODMAN_LAYERS: tuple[tuple[str, tuple[Rule, ...]], ...] = (
    ("source", SOURCE),
    ("destination", DESTINATION),
    ("name", (Rule(_at(Step.NAME, LIMIT), podman.name_is_not_predicted),)),
    ("address", ADDRESS),
    (
        "route",
        (
            Rule(
                _at(
                    Step.OWN_ROUTE,
                    "no-shared-network",
                    "bridges-isolated",
                    "internal-no-egress",
                    "wrong-default-gateway",
                ),
                podman.way_out_is_missing,
            ),
            Rule(
                _at(Step.FIREWALL, "bridges-isolated")
                | _at(Step.ROUTING, LIMIT)
                | _at(Step.PORT, "no-listener", "listens-on-loopback-only"),
                podman.passes_the_host,
            ),
        ),
    ),
    (
        "wire",
        (
            Rule(_at(Step.OWN_INTERFACE, "link-down") | _at(Step.OWN_VETH, "veth-detached"), wire.own_link_is_broken),
            Rule(
                _at(Step.THEIR_INTERFACE, "link-down") | _at(Step.THEIR_VETH, "veth-detached"),
                wire.their_link_is_broken,
            ),
            Rule(_at(Step.ROUTING, *_DIVERTED), in_force.packet_is_diverted),
            Rule(_at(Step.REPLY, *_ANSWER_DIVERTED), in_force.answer_is_diverted),
            Rule(_at(Step.FIREWALL, "user-firewall-drop", LIMIT), in_force.foreign_rule_drops),
        ),
    ),
    (
        "port",
        (Rule(_at(Step.PORT, "no-listener", "listens-on-loopback-only", LIMIT), listener.nothing_listens),),
    ),
)
"""The layers for Podman: those that do not depend on Docker's options, and the rules in ``podman``."""


@dataclass(frozen=True, slots=True)
class Judgement:
    """What the table says about a situation.

    ``stop`` is the step at which the packet stops, with the finding. ``unsure`` is the first step of which it is
    unknown whether the packet passes.
    """

    verdict: Verdict
    findings: tuple[Finding, ...]
    stop: tuple[Step, Finding] | None = None
    unsure: Step | None = None


def judge(situation: Situation) -> Judgement:
    """Apply the rules layer by layer, and collect the findings that explain the verdict."""
    found: list[tuple[Step, Finding]] = []
    stop: tuple[Step, Finding] | None = None
    for _, rules in PODMAN_LAYERS if situation.observations.podman else LAYERS:
        if rules is RULES_IN_FORCE and stop is not None:
            break  # another rule has said why already, with the option behind it
        told = [
            (rule.codes[one.code], in_force.quoted_rule(situation, one))
            for rule in rules
            for one in rule.find(situation)
        ]
        # A layer may stop the packet at a late step: a paused destination, for example, stops it at its port. Then a
        # later layer's finding still counts where it stops the packet at an earlier step.
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
    """Derive the verdict: any blocking finding makes it unreachable, else a limit makes it inconclusive."""
    found = tuple(findings)
    if any(_blocks(finding) for finding in found):
        return Verdict.UNREACHABLE
    return Verdict.INCONCLUSIVE if any(_is_limit(finding) for finding in found) else Verdict.REACHABLE


def why_undecided(findings: Iterable[Finding]) -> str:
    """Return the code of what makes an inconclusive prediction so."""
    # Without such a finding, the addresses have different verdicts, or another node left its findings out.
    return next((finding.code for finding in findings if _is_limit(finding)), LIMIT)
