"""Rules of the last layer: does a program wait at that port in the destination's namespace.

A socket takes a packet if protocol and port are right and it is bound to any address of the family, or to the very
address. A socket bound to ``::`` takes IPv4 too, unless it has the option ``IPV6_V6ONLY``. Sockets are seen, never
guessed: unseen ones leave tcp, udp, http and dns inconclusive.
"""

from __future__ import annotations

from ipaddress import ip_address

from bridgework.analysis.attachment import IPV4, Attachment, Condition
from bridgework.analysis.routing import Way
from bridgework.analysis.rules.base import Findings, Situation, component_of, finding, unseen
from bridgework.model.checks import Finding, Severity
from bridgework.model.errors import Remedy
from bridgework.model.observations import MAPPED, ListeningSocket

_EMBEDDED_DNS, _DNS_PORT = "127.0.0.11", 53
_SOCKETS_LISTED = 20


def is_loopback(address: str) -> bool:
    """Whether it is an address of a namespace's own loopback."""
    try:
        return ip_address(address.removeprefix(MAPPED)).is_loopback
    except ValueError:
        return False


def takes(socket: ListeningSocket, address: str, version: int) -> bool:
    """Whether a socket bound like this takes what is sent to the address."""
    if version == IPV4:
        anywhere = {"0.0.0.0", "*"} if socket.ipv6_only else {"0.0.0.0", "::", "*"}
        return socket.address.removeprefix(MAPPED) in {address, *anywhere}
    return socket.address in {address, "::", "*"}


def sockets_of(situation: Situation, attachment: Attachment) -> tuple[ListeningSocket, ...] | None:
    """The listening sockets of the namespace; of the host also by any container that lives in it."""
    seen = situation.observed(attachment)
    if seen is not None and seen.sockets is not None:
        return seen.sockets
    for container in sorted(situation.snapshot.containers, key=lambda c: c.id) if attachment.is_host else ():
        other = situation.observations.inside.get(container.id) if container.host_mode and container.running else None
        if other is not None and other.sockets is not None:
            return other.sockets
    return None


def described(sockets: tuple[ListeningSocket, ...]) -> list[str]:
    """As ``tcp 0.0.0.0:8080`` or ``tcp [::]:8080 (IPv6 only)``, sorted by port, Docker's own server left out."""
    ordered = sorted(sockets, key=lambda s: (s.port, s.protocol, s.address))
    shown = [s for s in ordered if s.address != _EMBEDDED_DNS][:_SOCKETS_LISTED]
    # Without the remark a dual-stack and an IPv6-only socket would read the same.
    return [f"{s.protocol} {bound(s)}{' (IPv6 only)' if s.address == '::' and s.ipv6_only else ''}" for s in shown]


def bound(socket: ListeningSocket) -> str:
    """``0.0.0.0:8080``, ``[::]:8080``."""
    return f"[{socket.address}]:{socket.port}" if ":" in socket.address else f"{socket.address}:{socket.port}"


def listener(situation: Situation) -> ListeningSocket | None:
    """The socket that takes the question's packet in the destination container, if it was seen."""
    candidate = situation.candidate
    if candidate is None or candidate.attachment is None:
        return None
    return matching(situation, candidate.attachment, situation.port, candidate.address, candidate.version)


def matching(
    situation: Situation, attachment: Attachment, port: int | None, address: str, version: int
) -> ListeningSocket | None:
    """The first socket of the namespace that takes what is sent there."""
    for socket in sockets_of(situation, attachment) or ():
        if (socket.protocol, socket.port) == (situation.transport, port) and takes(socket, address, version):
            return socket
    return None


def nobody_listens(situation: Situation) -> Findings:
    """The packet arrives in a container; a program has to be there."""
    candidate = situation.candidate
    if candidate is None or candidate.attachment is None or candidate.is_host or situation.transport is None:
        return
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
) -> Findings:
    """What is wrong with the port in that namespace; ``accepted`` where a proxy takes the connection anyway."""
    component = component_of(attachment)
    if port is None:
        yield unseen(component, "No port is named, so whether one answers is not predicted.")
        return
    sockets = sockets_of(situation, attachment)
    if sockets is None:
        message = (
            f"The listening sockets of {attachment.name} were not visible: whether port {port} is open is not known."
        )
        yield unseen(component, message, matters=not accepted, port=port)
    elif matching(situation, attachment, port, address, version) is None:
        severity = Severity.WARNING if accepted else Severity.BLOCKING
        yield _not_there(situation, attachment, sockets, port, severity)


def _not_there(
    situation: Situation, attachment: Attachment, sockets: tuple[ListeningSocket, ...], port: int, severity: Severity
) -> Finding:
    """Nothing takes it: either the port is closed, or only open to the container itself."""
    wanted = f"{situation.transport} port {port}"
    near = tuple(s for s in sockets if (s.protocol, s.port) == (situation.transport, port))
    evidence = {"port": port, "listening": described(sockets)}
    component = component_of(attachment)
    local = situation.candidate is not None and situation.candidate.way is Way.LOCAL
    if near and all(is_loopback(socket.address) for socket in near) and not local:
        message = f"{attachment.name} listens on {near[0].protocol} {bound(near[0])} only, which it alone reaches."
        remedy = Remedy(f"Have the program in {attachment.name} bind 0.0.0.0 or ::.")
        return finding(
            "listens-on-loopback-only", component, message, severity=severity, remedy=remedy, evidence=evidence
        )
    known = described(sockets)
    listed = f"; it listens on {', '.join(known)}" if known else ""
    remedy = Remedy("Use a port that is listened on, or start the program.")
    message = f"Nothing in {attachment.name} takes {wanted}{listed}."
    return finding("no-listener", component, message, severity=severity, remedy=remedy, evidence=evidence)
