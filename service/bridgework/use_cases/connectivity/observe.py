"""What is looked at around one question: first the little that is cheap, and only after a surprise all the rest.

Links name the hops of a path and are remembered (``links``); whatever a verdict depends on is looked at anew.
"""

from __future__ import annotations

from dataclasses import replace

from bridgework.analysis.candidate_addresses import CandidateAddresses
from bridgework.analysis.endpoint_links import unsettled
from bridgework.model.checks import AddressDestination, ContainerDestination, NameDestination, Protocol, Question
from bridgework.model.observations import HostObservation, Observation, Observations
from bridgework.model.probe_port import Aspect
from bridgework.model.snapshot import Container, Snapshot
from bridgework.use_cases.connectivity.engine_rules import observations_of_engine
from bridgework.use_cases.services import Services

LISTENING_PROTOCOLS = frozenset({Protocol.TCP, Protocol.UDP, Protocol.HTTP, Protocol.DNS})
DEEPER: tuple[Aspect, ...] = ("interfaces", "routes", "sockets", "resolver", "sysctls")


def observe_quick(services: Services, snapshot: Snapshot, question: Question) -> Observations:
    """The cheap: identities of shared namespaces, listeners where a port is asked for, the resolver for a name."""
    source, target = source_of(snapshot, question), target_of(snapshot, question)
    inodes: dict[str, int] = {}
    for container in (source, target):
        if container is not None and container.shares_with:
            inodes |= inodes_of(services, snapshot, container)
    seen: dict[str, Observation] = {}
    if question.protocol in LISTENING_PROTOCOLS and target is not None:
        look(services, snapshot, target, ("sockets",), seen)
    if isinstance(question.destination, NameDestination) and source is not None:
        look(services, snapshot, source, ("resolver",), seen)
    observations = replace(base_observations(services, snapshot), namespace_inodes=inodes, inside=seen)
    return _with_links(services, snapshot, observations, question)


def inodes_of(services: Services, snapshot: Snapshot, sharer: Container) -> dict[str, int]:
    """Where the sharer of a namespace and its owner really are: full container id to the namespace's inode."""
    found: dict[str, int] = {}
    for one in (sharer, snapshot.network_owner_of(sharer)):
        inode = (
            services.runner.namespace_inode(services.engine.place_of(snapshot, one)) if one and one.running else None
        )
        if one is not None and inode is not None:
            found[one.id] = inode
    return found


def _with_links(services: Services, snapshot: Snapshot, observations: Observations, question: Question) -> Observations:
    """Beside what was seen, the interfaces that name a path's hops; not worth a helper container of its own."""
    if services.runner.status().kind != "namespace":
        return observations
    seen = dict(observations.inside)
    for container in (source_of(snapshot, question), target_of(snapshot, question)):
        if container is None or not container.running or container.node is not None:
            continue
        links = services.links.of(services.runner, snapshot, services.engine.place_of(snapshot, container))
        if links is not None:
            seen[container.id] = replace(seen.get(container.id, links), interfaces=links.interfaces).whole()
    host = services.links.of(services.runner, snapshot, services.engine.host_place(snapshot))
    return replace(
        observations,
        inside=seen,
        host=HostObservation(host) if host else None,
        unsettled=unsettled(host, *seen.values()),
    )


def base_observations(services: Services, snapshot: Snapshot) -> Observations:
    """What is known of the engine itself: its version, its firewall rules, its proxy."""
    rules = services.rules.of(services.engine, services.runner, snapshot)
    return observations_of_engine(services.engine.facts(), rules, snapshot)


def observe_full(
    services: Services, snapshot: Snapshot, question: Question, aimed: CandidateAddresses, first: Observations
) -> Observations:
    """Everything that can be seen of both ends and of the host."""
    seen = dict(first.inside)
    ends = [source_of(snapshot, question), target_of(snapshot, question)]
    ends += [candidate.attachment.container for candidate in aimed.candidates if candidate.attachment is not None]
    limited = [
        f"the network namespace of {container.name}"
        for container in {end.id: end for end in ends if end is not None and end.running}.values()
        if not look(services, snapshot, container, DEEPER, seen)
    ]
    host = services.runner.observe_host(firewall=True)
    if host is None:
        limited.append("the host's links, routes and firewall")
    elif host.rules is not None:
        services.rules.keep(services.engine, snapshot, host.rules)
    return replace(
        base_observations(services, snapshot),
        namespace_inodes=first.namespace_inodes,
        inside=seen,
        host=host,
        limited=tuple(limited),
        # What was unsettled when the probe was sent counts, though it may have settled while the probe waited.
        unsettled={**first.unsettled, **unsettled(host.observation if host else None, *seen.values())},
    )


def look(
    services: Services,
    snapshot: Snapshot,
    container: Container,
    aspects: tuple[Aspect, ...],
    seen: dict[str, Observation],
) -> bool:
    """Look inside a running container and keep what was seen; whether anything was. On another node nothing is."""
    if not container.running or container.node is not None:
        return False
    found = services.runner.observe(services.engine.place_of(snapshot, container), aspects)
    if found is not None:
        seen[container.id] = found.whole()
    return found is not None


def source_of(snapshot: Snapshot, question: Question) -> Container | None:
    """The container asked from; ``None`` for the host."""
    return snapshot.containers_by_id.get(question.source_id or "")


def target_of(snapshot: Snapshot, question: Question) -> Container | None:
    """The container that would answer, as far as the question names one: also the one behind a published port."""
    destination = question.destination
    if isinstance(destination, ContainerDestination):
        return snapshot.containers_by_id.get(destination.container_id)
    if isinstance(destination, NameDestination):
        return None
    if isinstance(destination, AddressDestination):
        holders = snapshot.holders_by_address.get(destination.address, ())
        if holders:
            return snapshot.containers_by_id.get(holders[0].container_id)
    return _behind_published(snapshot, question)


def _behind_published(snapshot: Snapshot, question: Question) -> Container | None:
    protocol = "udp" if question.protocol in {Protocol.UDP, Protocol.DNS} else "tcp"
    wanted = (question.port, protocol)
    for container in snapshot.containers:
        if any((port.host_port, port.protocol) == wanted for port in container.published_ports):
            return container
    return None
