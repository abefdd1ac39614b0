"""Rules of the host's layer: the packet is for an address of the host, so a port there must be somebody's.

A published port is answered by one of two: the firewall translates the address (for what comes from the host itself,
from an internal network or one that does not masquerade), or the engine's userland proxy accepts the connection (for
what comes by another bridge or by the very bridge of the container, and for the host's loopback). Measured on engine
26.1: the proxy accepts TCP even where nothing listens behind it; what comes by a bridge and is translated is dropped.
Besides published ports, host-mode containers and the host's own programs listen there, which only an observation shows.
"""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import ip_address

from service.core import remedies
from service.core.checks import Finding, Protocol, Severity
from service.core.errors import Remedy
from service.core.explanations import of_container
from service.core.host_ports import overlap
from service.core.reachability.standing import IPV4, IPV6, THE_HOST, Standing, stand, version_of
from service.core.reachability.target import Goal, default_exit, gateway_mode, masquerades
from service.core.rules.base import (
    HOST,
    Findings,
    Situation,
    finding,
    members,
    of_network,
    unseen,
)
from service.core.rules.listener import is_loopback, matching, sockets_of, unserved
from service.core.snapshot import Container, PublishedPort, Snapshot

_PORTS_LISTED = 20


@dataclass(frozen=True, slots=True)
class Publication:
    """A published port that takes part: whose it is, and whether the proxy answers instead of the firewall."""

    container: Container
    port: PublishedPort
    standing: Standing
    by_proxy: bool


def publications(snapshot: Snapshot, transport: str) -> tuple[tuple[Container, PublishedPort], ...]:
    """Every port published now for that transport protocol, by running containers, in the order of the ports."""
    found = [
        (port.host_port, container.name, container, port)
        for container in snapshot.containers
        if container.running
        for port in container.published_ports
        if port.protocol == transport and port.host_port is not None
    ]
    return tuple((container, port) for *_, container, port in sorted(found, key=lambda row: row[:2]))


def asks_the_host(situation: Situation) -> bool:
    """Whether the question is about a port at the host."""
    return situation.goal is not None and situation.goal.is_host and situation.transport is not None


def publication(situation: Situation) -> Publication | None:
    """The published port that would answer, if there is one."""
    goal, transport = situation.goal, situation.transport
    if goal is None or transport is None or not goal.is_host:
        return None
    for container, port in publications(situation.snapshot, transport):
        if port.host_port == situation.port and overlap(port.host_ip, goal.address):
            standing = stand(situation.snapshot, container.id, situation.evidence)
            return Publication(container, port, standing, _is_proxied(situation, goal, standing))
    return None


def _is_proxied(situation: Situation, goal: Goal, publisher: Standing) -> bool:
    """Whether the connection ends at the userland proxy.

    Docker's nat rules pass over what comes in by a bridge that masquerades, and by the bridge of the port itself.
    """
    if situation.source.is_host:
        return ip_address(goal.address).is_loopback or (goal.version == IPV6 and not situation.evidence.ipv6_firewall)
    if goal.version == IPV6 and not situation.evidence.ipv6_firewall:
        return True
    if goal.exit is None or (masquerades(goal.exit) and not goal.exit.internal):
        return True
    return goal.exit == default_exit(situation.snapshot, publisher, goal.version, situation.evidence)


def port_has_no_owner(situation: Situation) -> Findings:
    """Nobody is known to answer at that port of the host."""
    if not asks_the_host(situation) or publication(situation) is not None:
        return
    goal, port, transport = situation.goal, situation.port, situation.transport
    if goal is None or transport is None:
        return
    if port is None:
        yield unseen(HOST, "No port is named, so whether one answers is not predicted.")
        return
    loopback = [
        c for c, p in publications(situation.snapshot, transport) if p.host_port == port and is_loopback(p.host_ip)
    ]
    asked = situation.aim.destination
    if loopback:
        yield _loopback_only(situation, loopback[0], port)
    elif asked is not None and asked.is_host:
        yield from unserved(situation, asked, port, goal.address, goal.version)
    elif not _host_listens(situation):
        yield from _not_published(situation, transport, port)


def _host_listens(situation: Situation) -> bool:
    """Whether a socket of the host was seen that takes the connection."""
    goal = situation.goal
    if goal is None:
        return False
    return matching(situation, THE_HOST, situation.port, goal.address, goal.version) is not None


def _loopback_only(situation: Situation, publisher: Container, port: int) -> Finding:
    standing = stand(situation.snapshot, publisher.id, situation.evidence)
    remedy = remedies.share_network(situation.snapshot, members(situation.source, standing))
    message = f"Port {port} of {publisher.name} is published on a loopback address of the host only."
    return finding("port-bound-to-loopback", of_container(publisher), message, remedy=remedy, evidence={"port": port})


def _not_published(situation: Situation, transport: str, port: int) -> Findings:
    """Certain where the host's sockets were seen; else a program of the host may be there, in a container or not."""
    published = [
        f"{p.host_ip or '0.0.0.0'}:{p.host_port} ({c.name})" for c, p in publications(situation.snapshot, transport)
    ][:_PORTS_LISTED]
    listed = f"; published are {', '.join(published)}" if published else ""
    seen = sockets_of(situation, THE_HOST) is not None
    evidence = {"port": port, "published": published}
    remedy = Remedy("Use a published port, or a network in common and the container's own port.")
    yield finding(
        "port-not-published",
        HOST,
        f"No container publishes {transport} port {port} at the host{listed}.",
        severity=None if seen else Severity.WARNING,
        remedy=remedy,
        evidence=evidence,
    )
    if not seen:
        yield unseen(
            HOST, f"The host's own listening sockets were not visible: port {port} may be open there.", port=port
        )


def translated_and_dropped(situation: Situation) -> Findings:
    """What comes by a bridge and is translated, Docker's rules drop on the way to the other bridge."""
    goal, found = situation.goal, publication(situation)
    if goal is None or goal.exit is None or found is None or found.by_proxy:
        return
    why = "is internal" if goal.exit.internal else "does not masquerade"
    message = (
        f"{goal.exit.name} {why}: port {situation.port} of {found.container.name}, published at the host, "
        f"does not answer from there."
    )
    remedy = remedies.share_network(situation.snapshot, members(situation.source, found.standing))
    code = "internal-no-egress" if goal.exit.internal else "masquerade-off"
    yield finding(code, of_network(goal.exit), message, severity=Severity.BLOCKING, remedy=remedy)


def published_by_route(situation: Situation) -> Findings:
    """In gateway mode ``routed`` a published port is open at the container's address, not at the host's."""
    goal, found = situation.goal, publication(situation)
    if goal is None or found is None:
        return
    network = default_exit(situation.snapshot, found.standing, goal.version, situation.evidence)
    if network is not None and gateway_mode(network, goal.version) == "routed":
        message = f"{network.name} is routed: port {situation.port} of {found.container.name} is not open at the host."
        yield finding("gateway-mode-routed", of_network(network), message, severity=Severity.BLOCKING)


def nobody_behind_the_port(situation: Situation) -> Findings:
    """The published port leads to a container; a program has to be there. A proxy takes a TCP connection anyway."""
    goal, found = situation.goal, publication(situation)
    if goal is None or found is None:
        return
    accepted = found.by_proxy and situation.question.protocol is Protocol.TCP
    inner = next((a for e in found.standing.endpoints for a in e.addresses), goal.address)
    yield from unserved(
        situation, found.standing, found.port.container_port, inner, version_of(inner) or IPV4, accepted=accepted
    )
