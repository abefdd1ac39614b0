"""What is observed for one question: first the little that is cheap, and only after a surprise all the rest.

Links name the hops of a path and are remembered (``LinkMemory``). Whatever a verdict depends on is observed each time.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from ipaddress import ip_address

from bridgework.analysis.case import Case
from bridgework.analysis.endpoint_links import unsettled
from bridgework.explanations.limitations import limitation
from bridgework.model.checks import (
    AddressDestination,
    ContainerDestination,
    Limitation,
    NameDestination,
    Question,
)
from bridgework.model.observations import HostObservation, Observation, Observations
from bridgework.model.probe_port import Aspect
from bridgework.model.snapshot import Container, Snapshot
from bridgework.telemetry import deadline
from bridgework.use_cases.connectivity.rules_memory import observations_of_engine
from bridgework.use_cases.services import Services

DEEPER: tuple[Aspect, ...] = (
    "interfaces", "routes", "neighbours", "sockets", "resolver", "sysctls", "embedded_dns",
    "firewall", "frame_rules", "routing", "xfrm",
)  # fmt: skip

# Duplicate address detection takes a delay of up to 1 s and one probe of 1 s (RFC 4862, section 5.4; RFC 4861,
# RetransTimer). While it runs, the prediction is inconclusive, and it is decided once it ends.
DETECTION_S = 2.5
_LOOK_AGAIN_S = 0.05
_WORDS = {
    "sockets": "listening sockets",
    "routing": "policy rules and routes",
    "own_rules": "firewall rules",
    "firewall": "firewall rules",
    "frame_rules": "rules of the families netdev, bridge and arp",
    "xfrm": "XFRM policies",
}
_RULES: tuple[Aspect, ...] = ("own_rules", "firewall", "frame_rules", "xfrm")
FIREWALL = "the host's firewall rules"
FIREWALL_UNSEEN = "firewall-not-visible"


@dataclass(frozen=True, slots=True)
class Ends:
    """The containers at both ends of a question.

    ``source`` is ``None`` for the host. ``target`` is the container that would answer, as far as the question names
    one: also the one behind a published port.
    """

    source: Container | None
    target: Container | None

    @classmethod
    def of(cls, snapshot: Snapshot, question: Question) -> Ends:
        """Find both ends."""
        source = snapshot.containers_by_id.get(question.source_id or "")
        return cls(source, _target(snapshot, source, question))

    def __iter__(self) -> Iterator[Container]:
        return (container for container in (self.source, self.target) if container is not None)


def _target(snapshot: Snapshot, source: Container | None, question: Question) -> Container | None:
    destination = question.destination
    if isinstance(destination, ContainerDestination):
        return snapshot.containers_by_id.get(destination.container)
    if isinstance(destination, NameDestination):
        return None
    if isinstance(destination, AddressDestination):
        # A container's loopback is its own, unless it has the host's namespace. It leads to no published port.
        owner = snapshot.network_owner_of(source) if source is not None else None
        if owner is not None and not owner.host_mode and ip_address(destination.address).is_loopback:
            return source
        holders = snapshot.holders_by_address.get(destination.address, ())
        if holders:
            return snapshot.containers_by_id.get(holders[0].container_id)
    probe = question.probe
    publishers = snapshot.publishers_by_port.get((probe.port or 0, probe.protocol.transport or ""), ())
    return publishers[0][0] if publishers else None


def observe_quick(services: Services, snapshot: Snapshot, question: Question, ends: Ends) -> Observations:
    """Observe what is cheap: identities of shared namespaces, listeners for a port, the resolver for a name."""
    inodes: dict[str, int] = {}
    for container in ends:
        if container.shares_with:
            inodes |= inodes_of(services, snapshot, container)
    observer = Observer(services, snapshot)
    if question.probe.protocol.transport is not None and ends.target is not None:
        observer.look(ends.target, ("sockets",))
    if isinstance(question.destination, NameDestination) and ends.source is not None:
        observer.look(ends.source, ("resolver",))
    _share(snapshot, ends, inodes, observer.inside)
    observations = base_observations(services, snapshot)
    observations = replace(
        observations,
        namespace_inodes=inodes,
        inside=observer.inside,
        limited=(*observations.limited, *observer.limited),
    )
    return _with_links(services, snapshot, observations, ends)


def _share(snapshot: Snapshot, ends: Ends, inodes: Mapping[str, int], seen: dict[str, Observation]) -> None:
    """Let what was seen in one container count for the other one in the same namespace."""
    for container in ends:
        owner = snapshot.network_owner_of(container)
        if owner is None or owner is container or container.id not in inodes:
            continue
        # A sharer whose owner was restarted is in another namespace.
        known = seen.get(container.id) or seen.get(owner.id)
        if known is not None and inodes[container.id] == inodes.get(owner.id):
            seen.setdefault(container.id, known)
            seen.setdefault(owner.id, known)


def inodes_of(services: Services, snapshot: Snapshot, sharer: Container) -> dict[str, int]:
    """Map the sharer of a namespace and its owner, by full id, to the inode of the namespace that each is in."""
    running = (one for one in (sharer, snapshot.network_owner_of(sharer)) if one is not None and one.running)
    inodes = {one.id: services.runner.namespace_inode(services.engine.place_of(snapshot, one)) for one in running}
    return {container_id: inode for container_id, inode in inodes.items() if inode is not None}


def _with_links(services: Services, snapshot: Snapshot, observations: Observations, ends: Ends) -> Observations:
    """Add the interfaces that name the hops of a path, unless that would take a helper container of its own."""
    if services.runner.status().kind != "namespace":
        return observations
    seen = dict(observations.inside)
    for container in ends:
        if not container.running or container.node is not None:
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


def base_observations(services: Services, snapshot: Snapshot, *, fresh: bool = False) -> Observations:
    """Observe the engine itself: its version, its proxy, and the rules in force on its host."""
    rules = services.rules.of(services.engine, services.runner, snapshot, fresh=fresh)
    found = observations_of_engine(services.engine.facts(), rules, snapshot)
    if rules is None:
        return replace(found, limited=(host_out_of_reach(services, FIREWALL),))
    unread = " and ".join(rules.unread)
    if not unread:
        return found
    return replace(found, limited=(limitation(FIREWALL_UNSEEN, f"{FIREWALL}: {unread}", missing_rights(services)),))


def case_of(services: Services, snapshot: Snapshot, question: Question, observations: Observations) -> Case:
    """Return the case of a question with the routes of the host's kernel: the same one while nothing changes."""
    case = services.cases.of(snapshot, question, observations)
    routes = services.runner.routes(case.route_questions)
    return services.cases.of(snapshot, question, replace(observations, routes=routes)) if routes else case


def with_kernel_routes(services: Services, case: Case) -> Case:
    """Ask the host's kernel for the routes of the packets, and derive the case again if they lead elsewhere."""
    # The kernel is asked each time: its rules and routes change without a notice of the engine, and two to four
    # questions take less time than to find out whether an earlier answer still holds.
    routes = services.runner.routes(case.route_questions)
    return case.with_observations(replace(case.observations, routes=routes)) if routes else case


def settled(services: Services, case: Case, ends: Ends) -> Case:
    """Wait while the prediction depends on duplicate address detection, at most 2.5 s and the request's time limit."""
    until = time.monotonic() + deadline.left(DETECTION_S)
    while case.awaits_detection and time.monotonic() < until:
        time.sleep(_LOOK_AGAIN_S)
        observed = observe_quick(services, case.snapshot, case.question, ends)
        case = with_kernel_routes(services, case.with_observations(observed))
    return case


def observe_full(services: Services, case: Case, ends: Ends) -> Observations:
    """Observe everything that can be seen of both ends and of the host."""
    snapshot, first = case.snapshot, case.observations
    holders = (candidate.attachment for candidate in case.candidate_addresses.candidates)
    involved = [*ends, *(holder.container for holder in holders if holder is not None and holder.container is not None)]
    observer = Observer(services, snapshot)
    for container in {one.id: one for one in involved}.values():
        observer.look(container, DEEPER)
    host = observer.look_at_host()
    seen = {**first.inside, **observer.inside}
    observations = base_observations(services, snapshot, fresh=True)
    return replace(
        observations,
        namespace_inodes=first.namespace_inodes,
        inside=seen,
        host=host,
        limited=(*observations.limited, *observer.limited),
        # What was unsettled when the probe was sent counts, though it may have settled while the probe waited.
        unsettled={**first.unsettled, **unsettled(host.observation if host else None, *seen.values())},
    )


class Observer:
    """Observes the insides of containers, and keeps what it saw and what it could not see.

    ``inside`` maps a full container id to what was observed inside. ``limited`` is what could not be.
    """

    def __init__(self, services: Services, snapshot: Snapshot) -> None:
        self.inside: dict[str, Observation] = {}
        self.limited: list[Limitation] = []
        self._services, self._snapshot = services, snapshot

    def look(self, container: Container, aspects: tuple[Aspect, ...]) -> None:
        """Observe the inside of a container. One that does not run or is on another node has nothing to see here."""
        if not container.running or container.node is not None:
            return
        services = self._services
        found = services.runner.observe(services.engine.place_of(self._snapshot, container), aspects)
        if found is None:
            what = f"the network namespace of {container.name}"
            self.limited.append(limitation("namespace-out-of-reach", what, missing_rights(services)))
            return
        self.inside[container.id] = found.whole()
        self.limited += self._unread(found, aspects, container.name)
        if "sockets" in aspects and found.sockets is None and "sockets" not in found.truncated:
            self.limited.append(limitation("sockets-not-visible", f"the listening sockets of {container.name}"))

    def look_at_host(self) -> HostObservation | None:
        """Observe the engine's host, without its firewall."""
        host = self._services.runner.observe_host()
        if host is None:
            self.limited.append(host_out_of_reach(self._services, "the host's links and routes"))
        else:
            self.limited += self._unread(host.observation, ("frame_rules", "xfrm"), "the host")
        return host

    def look_at_host_for(self, *aspects: Aspect) -> HostObservation | None:
        """Observe only these aspects of the engine's host."""
        services = self._services
        found = services.runner.observe(services.engine.host_place(self._snapshot), aspects)
        if found is None:
            what = f"the host's {' and '.join(_WORDS.get(aspect, aspect) for aspect in aspects)}"
            self.limited.append(host_out_of_reach(services, what))
            return None
        self.limited += self._unread(found, aspects, "the host")
        return HostObservation(found.whole())

    def _unread(self, found: Observation, aspects: tuple[Aspect, ...], name: str) -> Iterator[Limitation]:
        """Yield what there is more of than was read, and the rules that were asked for and could not be read."""
        cut = " and ".join(_WORDS.get(aspect, aspect) for aspect in found.truncated)
        if cut:
            yield limitation("not-all-read", f"all {cut} of {name}")
        asked = [aspect for aspect in _RULES if aspect in aspects and aspect not in found.truncated]
        unread = dict.fromkeys(_WORDS[aspect] for aspect in asked if getattr(found, aspect) is None)
        if found.firewall is not None and found.firewall.unread:
            unread[f"firewall rules ({' and '.join(found.firewall.unread)})"] = None
        for part in unread:
            yield limitation(FIREWALL_UNSEEN, f"the {part} of {name}", missing_rights(self._services))


def host_out_of_reach(services: Services, what: str) -> Limitation:
    """Return the limitation for a part of the host that was not observed."""
    return limitation("host-out-of-reach", what, missing_rights(services))


def missing_rights(services: Services) -> str:
    """Return a sentence with the rights that the service lacks; empty where it lacks none."""
    missing = services.runner.status().missing
    return f"Missing here: {', '.join(missing)}." if missing else ""
