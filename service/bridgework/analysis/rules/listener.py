"""Rules of the port's layer: whether a program listens at that port in the destination's namespace.

Where the listening sockets were not observed, the prediction for tcp, udp, http and dns is inconclusive.
"""

from __future__ import annotations

from dataclasses import replace

from bridgework.analysis.attachment import IPV4, Attachment, Condition, parsed
from bridgework.analysis.endpoint_links import interface_on
from bridgework.analysis.routing import Way
from bridgework.analysis.rules.base import Findings, Situation, component_of, finding, unseen
from bridgework.explanations.ports import (
    LISTEN_QUEUE_FULL,
    LISTENS_ON_LOOPBACK_ONLY,
    NO_LISTENER,
    SOCKET_BOUND_TO_INTERFACE,
)
from bridgework.model.checks import Finding, Severity
from bridgework.model.errors import Remedy
from bridgework.model.observations import MAPPED, ListeningSocket, Observations
from bridgework.model.snapshot import Snapshot

_EMBEDDED_DNS, _DNS_PORT = "127.0.0.11", 53
_SOCKETS_LISTED = 20


def is_loopback(address: str) -> bool:
    """Whether the address is in a namespace's own loopback."""
    found = parsed(address.removeprefix(MAPPED))
    return found is not None and found.is_loopback


def takes(socket: ListeningSocket, address: str, version: int, link: str | None = None) -> bool:
    """Whether the socket receives what is sent to the address and comes in by the interface ``link``, if known."""
    if link is not None and socket.interface not in {None, link}:
        return False
    if version == IPV4:
        # A socket bound to ``::`` receives IPv4 too, unless it has the option IPV6_V6ONLY (ipv6(7)).
        anywhere = {"0.0.0.0", "*"} if socket.ipv6_only else {"0.0.0.0", "::", "*"}
        return socket.address.removeprefix(MAPPED) in {address, *anywhere}
    # An IPv4-mapped address (::ffff:10.0.0.2) receives IPv4 only, so it is not compared here.
    return socket.address in {address, "::", "*"}


def sockets_of(situation: Situation, attachment: Attachment) -> tuple[ListeningSocket, ...] | None:
    """Return the listening sockets of the namespace; ``None`` where they were not observed.

    Those of the host's namespace may have been observed in any container in host mode.
    """
    # An observation may have other aspects without the sockets, so both are checked.
    seen = situation.observed(attachment)
    if seen is not None and seen.sockets is not None:
        return seen.sockets
    return situation.state.once(_sockets_of_host) if attachment.is_host else None


def _sockets_of_host(snapshot: Snapshot, observations: Observations) -> tuple[ListeningSocket, ...] | None:
    # All containers in host mode have the host's sockets. The first by id makes the result independent of the order.
    for container in sorted((c for c in snapshot.containers if c.host_mode and c.running), key=lambda c: c.id):
        other = observations.inside.get(container.id)
        if other is not None and other.sockets is not None:
            return other.sockets
    return None


def described(sockets: tuple[ListeningSocket, ...]) -> list[str]:
    """List sockets by port, as ``tcp 0.0.0.0:8080`` or ``tcp [::]:8080 (IPv6 only)``, without Docker's DNS server."""
    ordered = sorted(sockets, key=lambda s: (s.port, s.protocol, s.address))
    # The sockets of Docker's DNS server are in every namespace of a user network, and explain nothing.
    shown = [s for s in ordered if s.address != _EMBEDDED_DNS][:_SOCKETS_LISTED]
    # Without the remark a dual-stack socket and an IPv6-only socket would look the same.
    return [f"{s.protocol} {bound(s)}{' (IPv6 only)' if s.address == '::' and s.ipv6_only else ''}" for s in shown]


def bound(socket: ListeningSocket) -> str:
    """Return address and port, as ``0.0.0.0:8080`` or ``[::]:8080``."""
    return f"[{socket.address}]:{socket.port}" if ":" in socket.address else f"{socket.address}:{socket.port}"


def listener(situation: Situation) -> ListeningSocket | None:
    """Return the socket of the destination container that receives the packet, if one was observed."""
    candidate = situation.candidate
    if candidate is None or candidate.attachment is None:
        return None
    return matching(situation, candidate.attachment, situation.port, candidate.address, candidate.version)


def matching(
    situation: Situation, attachment: Attachment, port: int | None, address: str, version: int
) -> ListeningSocket | None:
    """Return the first socket of the namespace that receives what is sent to the address and port."""
    link = _link_of(situation, attachment)
    for socket in sockets_of(situation, attachment) or ():
        if (socket.protocol, socket.port) == (situation.transport, port) and takes(socket, address, version, link):
            return socket
    return None


def _link_of(situation: Situation, attachment: Attachment) -> str | None:
    """Return the interface by which the packet comes into a container, where that is known."""
    candidate = situation.candidate
    if candidate is None or attachment.is_host or candidate.attachment is not attachment:
        return None
    if candidate.way is Way.LOCAL:
        return "lo"
    network = candidate.network
    link = interface_on(situation.observations, attachment, network.id) if network is not None else None
    return link.name if link is not None else None


def nothing_listens(situation: Situation) -> Findings:
    """Find a port of the destination container where no program listens."""
    candidate = situation.candidate
    if candidate is None or candidate.attachment is None or candidate.is_host or situation.transport is None:
        return
    # Docker's DNS server answers there through NAT rules of the namespace; its sockets have random ports.
    if (
        candidate.address == _EMBEDDED_DNS
        and situation.port == _DNS_PORT
        and candidate.attachment.condition is Condition.NETWORKED
    ):
        return
    yield from unserved(situation, candidate.attachment, situation.port, candidate.address, candidate.version)


def unserved(
    situation: Situation,
    attachment: Attachment,
    port: int | None,
    address: str,
    version: int,
    *,
    accepted: bool = False,
    leads: str | None = None,
) -> Findings:
    """Find a port of the namespace where no program listens.

    ``accepted``: docker-proxy accepts the connection in any case, so the finding does not block. ``leads`` is the rule
    of the host that leads the packet there, where that is not one of Docker's.
    """
    component = component_of(attachment)
    if port is None:
        yield unseen(component, "The question names no port, so the prediction cannot tell whether a program answers.")
        return
    sockets = sockets_of(situation, attachment)
    if sockets is None:
        message = f"The listening sockets of {attachment.name} were not visible, so port {port} may be open or closed."
        yield unseen(component, message, matters=not accepted, port=port)
    elif (socket := matching(situation, attachment, port, address, version)) is not None:
        yield from _queue_of(attachment, socket)
    else:
        # Behind docker-proxy the connection itself succeeds, so the verdict stays reachable.
        severity = Severity.WARNING if accepted else Severity.BLOCKING
        found = _not_there(situation, attachment, sockets, port, severity)
        if leads is not None:
            message = f"{found.message} A rule of the host leads port {situation.port} there: {leads}"
            found = replace(found, message=message, evidence={**found.evidence, "rule": leads})
        yield found


def _queue_of(attachment: Attachment, socket: ListeningSocket) -> Findings:
    """Find a socket that takes no more connections now, since its program does not accept those that wait."""
    if socket.protocol != "tcp" or socket.waiting <= socket.backlog:
        return
    message = (
        f"{socket.waiting} connections wait at tcp {bound(socket)} of {attachment.name}, which allows {socket.backlog}."
    )
    remedy = Remedy(f"Find out why the program in {attachment.name} does not accept its connections.")
    evidence = {"port": socket.port, "waiting": socket.waiting, "backlog": socket.backlog}
    yield finding(LISTEN_QUEUE_FULL, component_of(attachment), message, remedy=remedy, evidence=evidence)


def _not_there(
    situation: Situation, attachment: Attachment, sockets: tuple[ListeningSocket, ...], port: int, severity: Severity
) -> Finding:
    """Make the finding: the port is closed, or open on the container's loopback only."""
    wanted = f"{situation.transport} port {port}"
    # The right port is open at another address: the commonest cause is a program that binds 127.0.0.1.
    near = tuple(s for s in sockets if (s.protocol, s.port) == (situation.transport, port))
    evidence = {"port": port, "listening": described(sockets)}
    component = component_of(attachment)
    # A packet inside the namespace reaches a loopback socket too, so there this finding would be wrong.
    local = situation.candidate is not None and situation.candidate.way is Way.LOCAL
    if near and all(is_loopback(socket.address) for socket in near) and not local:
        message = f"{attachment.name} listens only on {near[0].protocol} {bound(near[0])}, its own loopback address."
        remedy = Remedy(f"Make the program in {attachment.name} listen on 0.0.0.0 or ::.")
        return finding(
            LISTENS_ON_LOOPBACK_ONLY, component, message, severity=severity, remedy=remedy, evidence=evidence
        )
    elsewhere = next((s for s in near if s.interface is not None), None)
    if elsewhere is not None:
        link = _link_of(situation, attachment) or "another interface"
        message = (
            f"{attachment.name} listens on {elsewhere.protocol} {bound(elsewhere)} for packets from "
            f"{elsewhere.interface} "
            f"only, and the packet comes by {link}."
        )
        remedy = Remedy(f"Let the program in {attachment.name} listen on {link}, or without an interface.")
        facts = evidence | {"interface": elsewhere.interface}
        return finding(SOCKET_BOUND_TO_INTERFACE, component, message, severity=severity, remedy=remedy, evidence=facts)
    known = described(sockets)
    listed = f"; it listens on {', '.join(known)}" if known else ""
    remedy = Remedy("Use a port that a program listens on, or start the program.")
    message = f"No program in {attachment.name} listens on {wanted}{listed}."
    return finding(NO_LISTENER, component, message, severity=severity, remedy=remedy, evidence=evidence)
