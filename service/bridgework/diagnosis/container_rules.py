"""Rules about containers: shared namespaces, ignored ports, and ports without a listener."""

from __future__ import annotations

from collections.abc import Iterator

from bridgework.analysis.rules.listener import is_loopback
from bridgework.diagnosis.container_findings import failed_start, ignored_ports, restart_loop, taken_ports
from bridgework.diagnosis.view import View, enumerate_names
from bridgework.explanations import finding, of_container
from bridgework.explanations.containers import CONTAINER_PAUSED, SHARED_NETWORK_OWNER_DOWN, SHARED_NETWORK_STALE
from bridgework.explanations.ports import (
    HOST_PORT_DIFFERS_BY_FAMILY,
    LISTENS_ON_LOOPBACK_ONLY,
    NO_LISTENER,
    PORT_BOUND_TO_LOOPBACK,
)
from bridgework.explanations.remedies import revive_share, start_it
from bridgework.model.checks import Finding, Severity
from bridgework.model.errors import Remedy
from bridgework.model.observations import ListeningSocket
from bridgework.model.snapshot import Container, PublishedPort
from bridgework.topology.host_links import share_state

_EMBEDDED_DNS = "127.0.0.11"
_WILDCARDS = ("0.0.0.0", "::")


def shared_networks_are_broken(view: View) -> Iterator[Finding]:
    """Find containers that share the namespace of one that restarted, stopped or is gone."""
    # A sharer keeps the namespace that it entered; a restarted owner has a new one.
    inodes = {
        # A plan does not know the inode of a namespace that the engine will make.
        **{container_id: seen.inode for container_id, seen in view.engine.observations.inside.items() if seen.inode},
        **view.engine.observations.namespace_inodes,
    }
    for sharer in view.snapshot.containers:
        if not sharer.shares_with:
            continue
        state = share_state(view.snapshot, sharer, inodes)
        if state == "stale" or (state == "owner-down" and sharer.running) or state == "owner-gone":
            yield _broken_share(view, sharer, state)


def _broken_share(view: View, sharer: Container, state: str) -> Finding:
    owner = view.snapshot.containers_by_id.get(sharer.shares_with or "")
    if owner is None:
        gone = (sharer.shares_with or "")[:12]
        message = f"{sharer.name} shares the network of {gone}, which is gone."
        remedy = Remedy(f"Create {sharer.name} again with the network of a container that exists.")
    else:
        remedy = revive_share(owner, sharer)
        message = f"{sharer.name} is still in the network namespace that {owner.name} had before it was restarted."
        if state == "owner-down":
            message = f"{sharer.name} shares the network of {owner.name}, which is {owner.state}."
    return finding(
        SHARED_NETWORK_STALE if state == "stale" else SHARED_NETWORK_OWNER_DOWN,
        of_container(sharer),
        message,
        remedy=remedy,
        evidence={"shares_with": sharer.shares_with, "share_state": state},
    )


def containers_are_paused(view: View) -> Iterator[Finding]:
    """Find paused containers, which answer a ping and nothing else."""
    for container in view.snapshot.containers:
        if container.paused:
            message = f"{container.name} is paused: pings are answered, requests are not."
            facts = {"state": container.state}
            yield finding(
                CONTAINER_PAUSED, of_container(container), message, remedy=start_it(container), evidence=facts
            )


def containers_do_not_stay_up(view: View) -> Iterator[Finding]:
    """Find containers whose last start failed, and those that their restart policy starts again and again."""
    for container in view.snapshot.containers:
        yield from failed_start(view.snapshot, container)
        yield from restart_loop(container)


def published_ports_are_not_in_force(view: View) -> Iterator[Finding]:
    """Find ports that the engine does not publish, and stopped containers whose port another one has now."""
    for container in view.snapshot.containers:
        yield from ignored_ports(view.snapshot, container)
        yield from taken_ports(view.snapshot, container)


def _text(port: PublishedPort) -> str:
    return f"{port.container_port}/{port.protocol}"


def published_on_loopback(view: View) -> Iterator[Finding]:
    """Find ports that are published on a loopback of the host; often that is intended."""
    for container in view.snapshot.containers:
        ports = [port for port in container.published_ports if is_loopback(port.host_ip)]
        if ports:
            listed = enumerate_names(sorted({str(port.host_port or "?") for port in ports}))
            yield finding(
                PORT_BOUND_TO_LOOPBACK,
                of_container(container),
                f"Port {listed} of {container.name} is published at a loopback address of the host only.",
                severity=Severity.INFO,
                remedy=Remedy(
                    "Leave it if only the host should reach the port. Otherwise publish the port on 0.0.0.0."
                ),
                evidence={"ports": sorted(_text(port) for port in ports), "affected": len(ports)},
            )


def published_ports_lead_nowhere(view: View) -> Iterator[Finding]:
    """Find published ports without a listener, or with one on the container's loopback alone."""
    for container in view.snapshot.containers:
        seen = view.observation(container)
        if seen is None or seen.sockets is None or container.paused:
            continue
        for protocol, number in sorted({(p.protocol, p.container_port) for p in container.published_ports}):
            matching = [s for s in seen.sockets if s.port == number and s.protocol.startswith(protocol)]
            if matching and not all(is_loopback(s.address) for s in matching):
                continue
            yield _nowhere(container, protocol, number, matching, seen.sockets)


def _nowhere(
    container: Container,
    protocol: str,
    number: int,
    matching: list[ListeningSocket],
    sockets: tuple[ListeningSocket, ...],
) -> Finding:
    listening = sorted({f"{s.protocol} {s.address}:{s.port}" for s in sockets if s.address != _EMBEDDED_DNS})
    evidence = {"port": number, "protocol": protocol, "listening": listening}
    if matching:
        return finding(
            LISTENS_ON_LOOPBACK_ONLY,
            of_container(container),
            f"{container.name} publishes {protocol} port {number}, but listens only on {matching[0].address}.",
            remedy=Remedy(f"Make the program in {container.name} listen on 0.0.0.0 or ::."),
            evidence=evidence,
        )
    return finding(
        NO_LISTENER,
        of_container(container),
        f"{container.name} publishes {protocol} port {number}, but no program listens on it"
        + (f"; it listens on {enumerate_names(listening)}." if listening else "."),
        remedy=Remedy(f"Start the program in {container.name}, or publish a port that it listens on."),
        evidence=evidence,
    )


def listeners_on_loopback(view: View) -> Iterator[Finding]:
    """Find programs that listen on loopback alone; published ports have their own rule."""
    for container in view.snapshot.containers:
        seen = view.observation(container)
        if seen is None or container.host_mode or container.shares_with:
            continue
        published = {port.container_port for port in container.published_ports}
        sockets = [s for s in seen.sockets or () if s.address != _EMBEDDED_DNS]
        open_ports = {(s.protocol, s.port) for s in sockets if not is_loopback(s.address)}
        closed = {(s.protocol, s.port) for s in sockets if s.port not in published} - open_ports
        if closed:
            ports = [f"{protocol} {port}" for protocol, port in sorted(closed)]
            yield finding(
                LISTENS_ON_LOOPBACK_ONLY,
                of_container(container),
                f"{container.name} listens on {enumerate_names(ports)} on loopback only.",
                severity=Severity.INFO,
                remedy=Remedy(
                    f"If others should reach it, make the program in {container.name} listen on 0.0.0.0 or ::."
                ),
                evidence={"ports": ports, "affected": len(ports)},
            )


def host_ports_differ_by_family(view: View) -> Iterator[Finding]:
    """Find a port that is published at one number for IPv4 and at another for IPv6."""
    for container in view.snapshot.containers:
        numbers: dict[tuple[int, str], dict[str, set[int]]] = {}
        for port in container.published_ports if container.running else ():
            if port.host_port and port.host_ip in _WILDCARDS:
                ports = numbers.setdefault((port.container_port, port.protocol), {})
                ports.setdefault(port.host_ip, set()).add(port.host_port)
        for (number, protocol), found in numbers.items():
            four, six = (found.get(wildcard, set()) for wildcard in _WILDCARDS)
            if four and six and four != six:
                at = f"{enumerate_names(map(str, sorted(four)))} for IPv4 and {enumerate_names(map(str, sorted(six)))}"
                yield finding(
                    HOST_PORT_DIFFERS_BY_FAMILY,
                    of_container(container),
                    f"{protocol} port {number} of {container.name} is published at {at} for IPv6. A client that reads "
                    f"one number and connects by the other family, as to localhost, reaches nothing or another port.",
                    remedy=Remedy(
                        "Create the container again with a fixed host port, or publish the port on 0.0.0.0 only.",
                    ),
                    evidence={"port": number, "ipv4": sorted(four), "ipv6": sorted(six)},
                )
