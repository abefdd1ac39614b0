"""Packets that the host's kernel routes otherwise than the engine's networks need, and why.

The kernel itself is asked for the route of each packet (RTM_GETROUTE), so policy routing counts, as VPN programs set it
up, and for IPv4 the filter of the reverse path (rp_filter). ``rules.in_force`` asks about the packets of one check,
``exposure.judge`` about packets from outside.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from ipaddress import ip_address, ip_network

from bridgework.analysis.routing import subnet_of
from bridgework.explanations import HOST, finding, of_network
from bridgework.explanations.addresses import SUBNET_OVERLAPS_HOST_ROUTE
from bridgework.explanations.routes import (
    ASYMMETRIC_ROUTING,
    BLACKHOLE_ROUTE,
    INTERFACE_FORWARDING_OFF,
    POLICY_ROUTE_DIVERTS,
    REVERSE_PATH_FILTERED,
)
from bridgework.firewall.ruleset import Packet
from bridgework.firewall.simulate import Outcome
from bridgework.model.checks import Component, Finding, Severity
from bridgework.model.errors import Remedy
from bridgework.model.observations import MAIN_TABLE, RouteAnswer, RouteQuestion
from bridgework.model.snapshot import Network, Snapshot

_IP = {4: "ip", 6: "ip -6"}
_DEFAULT_RULE = 32766
_KEPT = "Write it into the configuration of the program that made that rule too (PostUp of wg-quick, for example)."


def decisions(
    snapshot: Snapshot, there: Outcome, back: Outcome | None, *, answers_to_links: bool = False
) -> Iterator[tuple[RouteQuestion, bool]]:
    """Yield the routing decisions on the way of the packet and then of its answer (``True``).

    Only the engine's networks are expected to be reached by their bridges, and with ``answers_to_links`` the sender by
    the link that the packet came by. Of other packets the kernel is only asked whether it drops them.
    """
    bridges = {network.bridge_name for network in snapshot.networks if network.bridge_name}
    for outcome, is_reply in ((there, False), (back, True)):
        for lookup in outcome.lookups if outcome is not None else ():
            packet, interface = lookup.packet, lookup.interface
            expected = interface if interface in bridges or (is_reply and answers_to_links) else None
            # Without the source's address the kernel would be asked about another packet.
            if packet.source is None and packet.incoming is not None:
                continue
            if expected or packet.incoming is not None:
                yield _question(packet, expected or None), is_reply


def _question(packet: Packet, expected: str | None) -> RouteQuestion:
    return RouteQuestion(
        packet.version,
        packet.destination,
        packet.source,
        packet.incoming,
        expected,
        packet.mark,
        packet.protocol,
        packet.source_port,
        packet.destination_port,
    )


def first_diverted(
    snapshot: Snapshot,
    questions: Iterable[tuple[RouteQuestion, bool]],
    answers: Mapping[RouteQuestion, RouteAnswer],
) -> tuple[Finding, bool] | None:
    """Return the finding of the first decision after which nothing is sent on, and whether it is about an answer."""
    for question, is_reply in questions:
        answer = answers.get(question)
        diverted = finding_of(snapshot, question, answer, reply=is_reply) if answer is not None else None
        if diverted is not None:
            return diverted, is_reply
    return None


def network_of(snapshot: Snapshot, interface: str | None) -> Network | None:
    """Return the network whose bridge the interface is."""
    return next((n for n in snapshot.networks if n.bridge_name and n.bridge_name == interface), None)


def finding_of(snapshot: Snapshot, question: RouteQuestion, answer: RouteAnswer, *, reply: bool) -> Finding | None:
    """Say why the packet, or the ``reply`` to one, does not arrive; ``None`` where another finding explains it."""
    if answer.reverse_path_filter is not None:
        return _filtered(snapshot, question, answer, *answer.reverse_path_filter)
    if answer.not_forwarded_from is not None:
        return _not_forwarded(snapshot, answer.not_forwarded_from, reply=reply)
    network = network_of(snapshot, question.expected)
    if answer.dead_end is not None:
        return _dead_end(network, question, answer, reply=reply)
    return _elsewhere(network, question, answer, reply=reply)


def _elsewhere(network: Network | None, question: RouteQuestion, answer: RouteAnswer, *, reply: bool) -> Finding | None:
    if network is None and reply and question.expected and answer.rule is not None:
        return _answered_elsewhere(None, question, answer)
    # For an address outside no interface is expected. A rule that drops the packet is told all the same.
    if network is None and not reply and answer.rule is not None and answer.error is not None:
        return _dropped_by_rule(question, answer)
    if network is None or (answer.rule is None and not _is_inside(network, question, answer)):
        # The bridge has no route, or a shorter one decides: then the bridge lost its address.
        return None
    if reply:
        return _answered_elsewhere(network, question, answer)
    if answer.rule is None:
        return _overlapping(network, question, answer)
    message = (
        f"The host sends packets for {question.destination} {_by(answer)} instead of {question.expected}"
        f"{_of(network)}: {_because(answer)}."
    )
    remedy = _through_main(network, question.destination, answer)
    evidence = _evidence(question, answer)
    return finding(POLICY_ROUTE_DIVERTS, _subject(network), message, remedy=remedy, evidence=evidence)


def _dropped_by_rule(question: RouteQuestion, answer: RouteAnswer) -> Finding:
    message = f"The host {answer.error}, for {question.destination}: {_because(answer)}."
    remedy, evidence = _through_main(None, question.destination, answer), _evidence(question, answer)
    return finding(POLICY_ROUTE_DIVERTS, HOST, message, remedy=remedy, evidence=evidence)


def _not_forwarded(snapshot: Snapshot, interface: str, *, reply: bool) -> Finding:
    network, sysctl = network_of(snapshot, interface), f"net.ipv4.conf.{interface}.forwarding"
    # In a name of sysctl, a dot of an interface's name is written as a slash.
    command = f"sysctl -w net.ipv4.conf.{interface.replace('.', '/')}.forwarding=1"
    return finding(
        INTERFACE_FORWARDING_OFF,
        _subject(network),
        f"The host forwards no packet that comes in by {interface}{_of(network)}: {sysctl} is 0. So the "
        f"{'answer' if reply else 'packet'} does not arrive.",
        remedy=Remedy("Let the interface forward, also in a file of /etc/sysctl.d.", commands=(command,)),
        evidence={"interface": interface, "sysctl": sysctl, "value": 0},
    )


def _dead_end(network: Network | None, question: RouteQuestion, answer: RouteAnswer, *, reply: bool) -> Finding:
    what = "the answer to" if reply else "packets for"
    return finding(
        BLACKHOLE_ROUTE,
        _subject(network),
        f"The host drops {what} {question.destination}{_of(network)}: its route {answer.route} {answer.error}.",
        remedy=Remedy(
            "Delete the route, and take it out of the configuration of the program that made it.",
            # Each route of the main table has its own type and destination, so this names one route.
            commands=(f"{_IP[question.version]} route delete {answer.dead_end} {answer.route}",),
        ),
        evidence=_evidence(question, answer),
    )


def _is_inside(network: Network, question: RouteQuestion, answer: RouteAnswer) -> bool:
    """Whether the route that decides is for a part of the network's subnet, or for the subnet itself."""
    subnet = _subnet(network, question.destination)
    if subnet is None or answer.route is None:
        return False
    return ip_network(answer.route).prefixlen >= ip_network(subnet).prefixlen


def _filtered(snapshot: Snapshot, question: RouteQuestion, answer: RouteAnswer, sysctl: str, mode: int) -> Finding:
    network = network_of(snapshot, question.incoming)
    kind = "strict" if mode == 1 else "loose"
    way = f"leaves {_by(answer)}" if answer.interface else "does not exist"
    source = f", set in {answer.file}" if answer.file else ""
    message = (
        f"The host drops packets from {question.source} that come in by {question.incoming}{_of(network)}: {sysctl} is "
        f"{mode} ({kind}{source}), and the host's route back to {question.source} {way} ({_because(answer)})."
    )
    # The larger value of the interface's own sysctl and that of "all" counts, so 2 (loose) at the interface is enough.
    loose = f"net.ipv4.conf.{(question.incoming or '').replace('.', '/')}.rp_filter=2"
    if network is not None and answer.rule is not None:
        remedy = _through_main(network, question.source or "", answer)
    else:
        remedy = Remedy(
            "Set the filter to loose mode at this interface, also in a file of /etc/sysctl.d, or correct the route.",
            commands=(f"sysctl -w {loose}",),
        )
    evidence = {
        **_evidence(question, answer),
        "interface": question.incoming,
        "reverse_interface": answer.interface,
        "sysctl": sysctl,
        "value": mode,
        **({"file": answer.file} if answer.file else {}),
    }
    return finding(REVERSE_PATH_FILTERED, _subject(network), message, remedy=remedy, evidence=evidence)


def _answered_elsewhere(network: Network | None, question: RouteQuestion, answer: RouteAnswer) -> Finding:
    message = (
        f"The answer to {question.destination} leaves the host {_by(answer)} instead of {question.expected}"
        f"{_of(network)}, by which the question came: {_because(answer)}."
    )
    remedy = _through_main(network, question.destination, answer)
    evidence = _evidence(question, answer)
    return finding(ASYMMETRIC_ROUTING, _subject(network), message, remedy=remedy, evidence=evidence)


def _overlapping(network: Network, question: RouteQuestion, answer: RouteAnswer) -> Finding:
    message = (
        f"The host sends packets for {question.destination} {_by(answer)} instead of {question.expected}"
        f"{_of(network)}: {_because(answer)}."
    )
    return finding(
        SUBNET_OVERLAPS_HOST_ROUTE,
        _subject(network),
        message,
        severity=Severity.BLOCKING,
        remedy=Remedy(
            f"Remove the route {answer.route} of the host, or create {network.name} again with a free subnet."
        ),
        evidence=_evidence(question, answer),
    )


def _through_main(network: Network | None, address: str, answer: RouteAnswer) -> Remedy:
    """Make the remedy that leads packets to the network's subnet to the main table, before the rule that diverts."""
    if answer.rule is None:
        return Remedy("Correct the routes of the host.")
    subnet = (_subnet(network, address) if network is not None else None) or address
    priority = max((_DEFAULT_RULE if answer.priority is None else answer.priority) - 1, 0)
    command = f"{_IP[ip_address(address).version]} rule add to {subnet} lookup main priority {priority}"
    return Remedy(f"Add a rule for {subnet} before that rule. {_KEPT}", commands=(command,))


def _subnet(network: Network, address: str) -> str | None:
    own = ip_address(address)
    pools = (subnet_of(pool) for pool in network.pools)
    return next((str(subnet) for subnet in pools if subnet is not None and own in subnet), None)


def _subject(network: Network | None) -> Component:
    return HOST if network is None else of_network(network)


def _of(network: Network | None) -> str:
    return f" ({network.name})" if network is not None else ""


def _by(answer: RouteAnswer) -> str:
    return f"by {answer.interface}" if answer.interface else "nowhere"


def _because(answer: RouteAnswer) -> str:
    if answer.rule is not None:
        table = "" if answer.error is None else f" {answer.error}"
        return f'the policy rule "{answer.priority}: {answer.rule}"{table} decides'
    if answer.error is not None:
        return f"the host {answer.error}"
    return f"the route {answer.route} of table {'main' if answer.table == MAIN_TABLE else answer.table} decides"


def _evidence(question: RouteQuestion, answer: RouteAnswer) -> dict[str, object]:
    found = {
        "destination": question.destination,
        "source": question.source,
        "expected_interface": question.expected,
        "interface": answer.interface,
        "gateway": answer.gateway,
        "table": answer.table,
        "route": answer.route,
        "rule": answer.rule,
        "priority": answer.priority,
    }
    return {name: value for name, value in found.items() if value is not None}
