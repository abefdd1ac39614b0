"""The table of the rules of reachability.

A packet passes layers in a fixed order: source, destination, name, address, route, wire (link and firewall), host
(published port) and port (program). The first layer that stops it explains the failure. Findings of later layers would
only repeat the cause, so they are left out. The rows of one layer are independent: their order changes nothing.

To add a cause, write its row in ``explanations``, and yield its finding from a rule. A new rule needs a row here.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from bridgework.analysis.rules import (
    address,
    foreign_translation,
    frame_rules,
    frames,
    host,
    host_firewall,
    in_force,
    isolation,
    listener,
    name,
    overlay,
    own_routes,
    own_rules,
    podman,
    route,
    state,
    wire,
)
from bridgework.analysis.rules.base import Rule, Situation, Step
from bridgework.explanations import CATALOGUE
from bridgework.explanations.answers import ANALYSIS_LIMITED
from bridgework.explanations.links import MACVLAN_HOST_FILTERED, VETH_DETACHED, VLAN_WITHOUT_PARENT
from bridgework.explanations.networks import BRIDGES_ISOLATED
from bridgework.explanations.ports import DOCKER_PROXY_MISSING
from bridgework.explanations.routes import (
    HOST_NO_ROUTE,
    IP_FORWARD_OFF,
    MASQUERADE_OFF,
    REPLY_PATH_LOST,
    WRONG_DEFAULT_GATEWAY,
)
from bridgework.model.checks import Finding, Severity, Verdict

LIMIT = ANALYSIS_LIMITED.code

SOURCE = (
    # Without a running process there is no namespace to send from, so no later layer matters.
    Rule(Step.SOURCE, state.source_is_down),
    Rule(Step.SOURCE, state.source_is_paused),
    # With only lo, a container still reaches itself: then the finding is info and does not block.
    Rule(Step.SOURCE, state.source_has_no_network),
    Rule(Step.SOURCE, state.source_shares_a_lost_namespace),
)
DESTINATION = (
    # A stopped container has no address, so the packet stops before it is sent.
    Rule(Step.DESTINATION, state.destination_is_down),
    Rule(Step.DESTINATION, state.destination_has_no_network),
    # These never block. They say that the address which is tried is not the container's own.
    Rule(Step.DESTINATION, state.destination_is_elsewhere),
    # The packet arrives: the kernel of a paused container works, only its program is frozen. So the path ends late.
    Rule(Step.PORT, state.destination_is_paused),
)
# A name is resolved before anything is sent. Where it does not resolve, there is no candidate address and the rules of
# the later layers find nothing.
NAME = (
    Rule(Step.NAME, name.name_is_unknown),
    # Each holder is a situation of its own. Where their verdicts differ, the prediction is inconclusive (``predict``).
    Rule(Step.NAME, name.name_is_ambiguous),
    Rule(Step.NAME, name.resolver_is_unsuited),
)
ADDRESS = (
    Rule(Step.ADDRESS, address.nothing_to_try),
    Rule(Step.ADDRESS, address.family_differs),
    # The kernel sends nothing from a tentative address (RFC 4862), so the packet does not leave the interface.
    Rule(Step.OWN_INTERFACE, address.own_address_is_tentative),
    # The kernel of the destination ignores neighbour solicitations for a tentative address.
    Rule(Step.EXIT, address.address_ahead_is_tentative),
    # No host answers ARP or neighbour discovery, so the packet never leaves the network that both are on.
    Rule(Step.EXIT, address.address_is_unheld),
    Rule(Step.EXIT, address.address_has_changed_hands),
)
ROUTE = (
    Rule(Step.OWN_ROUTE, route.no_route),
    # The route exists, but no interface answers ARP for the gateway: the packet waits on the bridge.
    Rule(Step.EXIT, route.gateway_is_absent),
    # The engine's rules drop at the host, between its bridges. A macvlan bypasses the host, so it stops at the exit. A
    # lost answer stops at the reply: the packet itself arrives.
    Rule(
        Step.ROUTING,
        route.across_networks,
        {
            MACVLAN_HOST_FILTERED.code: Step.EXIT,
            MASQUERADE_OFF.code: Step.REPLY,
            REPLY_PATH_LOST.code: Step.REPLY,
        },
    ),
    Rule(Step.ROUTING, route.host_is_not_there),
    Rule(Step.ROUTING, route.forwarding_is_off),
    Rule(
        Step.OUTSIDE,
        route.outside,
        {
            HOST_NO_ROUTE.code: Step.ROUTING,
            IP_FORWARD_OFF.code: Step.ROUTING,
            VLAN_WITHOUT_PARENT.code: Step.EXIT,
            WRONG_DEFAULT_GATEWAY.code: Step.EXIT,
        },
    ),
)
# What programs made otherwise than the engine, in the containers or below IP. It is observed after a surprise.
OWN_NAMESPACES = (
    Rule(Step.OWN_INTERFACE, frames.own_frames),
    Rule(Step.THEIR_INTERFACE, frames.their_frames),
    Rule(Step.EXIT, frames.bridge_is_silent),
    Rule(Step.OWN_INTERFACE, frames.loopback_is_down),
    Rule(Step.PORT, frames.echo_is_ignored),
    Rule(Step.OWN_ROUTE, own_routes.own_route_fails),
    Rule(Step.REPLY, own_routes.route_back_fails),
    Rule(Step.OWN_INTERFACE, own_rules.own_rule_stops),
    Rule(Step.THEIR_INTERFACE, own_rules.their_rule_stops),
    Rule(Step.REPLY, own_rules.rule_stops_the_answer),
    Rule(Step.OWN_INTERFACE, own_rules.policy_blocks),
    Rule(Step.EXIT, frame_rules.frame_rule_drops),
    Rule(Step.REPLY, foreign_translation.rule_changes_the_packet),
)
# Links are seen only by an observation. Unseen ones count as intact, since broken links are rare.
WIRE = (
    Rule(Step.TUNNEL, overlay.node_is_silent),
    Rule(Step.EXIT, wire.network_forbids),
    # A gateway without its address answers no ARP request, and the host has no route to the network.
    Rule(Step.EXIT, wire.bridge_lacks_its_address),
    Rule(Step.ROUTING, wire.host_lacks_its_bridge_address),
    # The frame goes to another station than the destination.
    Rule(Step.EXIT, wire.neighbour_is_wrong),
    Rule(Step.EXIT, wire.address_is_taken_twice),
    Rule(Step.OWN_INTERFACE, wire.own_link_is_broken, {VETH_DETACHED.code: Step.OWN_VETH}),
    Rule(Step.THEIR_INTERFACE, wire.their_link_is_broken, {VETH_DETACHED.code: Step.THEIR_VETH}),
    *OWN_NAMESPACES,
    # A packet that may not be fragmented stops at the first link that is too small.
    Rule(Step.OWN_INTERFACE, wire.own_link_is_too_small),
    Rule(Step.THEIR_VETH, wire.their_link_is_too_small),
    Rule(Step.FIREWALL, host_firewall.chains_are_missing),
    Rule(Step.ROUTING, in_force.packet_is_diverted),
    Rule(Step.REPLY, in_force.answer_is_diverted),
    Rule(Step.FIREWALL, in_force.foreign_rule_drops),
    Rule(Step.FIREWALL, in_force.docker_rule_is_lost),
)
# These rules read ``publication``: the published port that the packet arrives at, and what answers there.
HOST = (
    Rule(Step.PORT, host.port_has_no_owner),
    Rule(Step.PUBLISHED, host.nothing_answers_for_it, {DOCKER_PROXY_MISSING.code: Step.PROXY}),
    Rule(Step.PUBLISHED, host.translated_and_dropped),
    Rule(Step.PROXY, in_force.proxy_is_cut_off),
    Rule(Step.REPLY, host.translated_and_unanswered),
    Rule(Step.PUBLISHED, host.published_by_route),
    Rule(Step.PROXY, in_force.proxy_is_diverted),
)
# Without an observation of the listening sockets, these rules make the prediction inconclusive.
PORT = (
    Rule(Step.PORT, host.nothing_listens_behind_the_port),
    Rule(Step.PORT, listener.nothing_listens),
)

# These rules are asked only where no other has stopped the packet.
RULES_IN_FORCE = (
    Rule(Step.FIREWALL, in_force.docker_rule_drops),
    Rule(Step.FIREWALL, isolation.networks_are_open),
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
    ("name", (Rule(Step.NAME, podman.name_is_not_predicted),)),
    ("address", ADDRESS),
    (
        "route",
        (
            Rule(Step.OWN_ROUTE, podman.way_out_is_missing),
            Rule(
                Step.PORT,
                podman.passes_the_host,
                {BRIDGES_ISOLATED.code: Step.FIREWALL, LIMIT: Step.ROUTING},
            ),
        ),
    ),
    (
        "wire",
        (
            Rule(Step.OWN_INTERFACE, wire.own_link_is_broken, {VETH_DETACHED.code: Step.OWN_VETH}),
            Rule(Step.THEIR_INTERFACE, wire.their_link_is_broken, {VETH_DETACHED.code: Step.THEIR_VETH}),
            Rule(Step.ROUTING, in_force.packet_is_diverted),
            Rule(Step.REPLY, in_force.answer_is_diverted),
            Rule(Step.FIREWALL, in_force.foreign_rule_drops),
        ),
    ),
    ("port", (Rule(Step.PORT, listener.nothing_listens),)),
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
            (rule.elsewhere.get(one.code, rule.step), in_force.quoted_rule(situation, one))
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
    return CATALOGUE[finding.code].undecided and finding.severity is Severity.WARNING


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
