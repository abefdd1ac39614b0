"""Which pairs are reachable in one state of the engine, asked pair by pair and answered by classes.

A pair has a source (a container, or the host), a destination (a container, or a port of the host), a protocol and a
port. The protocols are ICMP, TCP and UDP. The ports of a container are those that it publishes, those that it exposes,
and those at which a program was seen to listen. Three kinds of sockets are left out: on a loopback address, Docker's
own DNS server, and UDP sockets at ports that the kernel gives to clients.

The verdict of a pair depends on the source's class only, on the positions of the networks that both are on, and on the
destination. So one prediction serves all sources of a kind.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

from bridgework.analysis.all_pairs.classes import Classes, classify, listening_at, publishes_at
from bridgework.analysis.attachment import EngineState
from bridgework.analysis.case import Case
from bridgework.analysis.docker_rules.ports_named import PortsNamed, ports_named
from bridgework.analysis.rules.listener import is_loopback
from bridgework.analysis.rules.table import why_undecided
from bridgework.model.checks import (
    ContainerDestination,
    HostDestination,
    Prediction,
    ProbeRequest,
    Protocol,
    Question,
    Verdict,
)
from bridgework.model.observations import HostObservation, ListeningSocket, Observation, Observations
from bridgework.model.snapshot import Container, Snapshot
from bridgework.plans.effort import Effort

# net.ipv4.ip_local_port_range: a UDP client has a socket there that looks like a server's.
FIRST_CLIENT_PORT = 32_768
MAX_CLASSES = 32
"""Ports for which the containers are sorted into classes of their own; those of all other ports are finer."""
MAX_PORTS = 64
"""The ports of one container that are looked at, the lowest first."""


@dataclass(frozen=True, slots=True, order=True)
class Service:
    """A protocol, and a port unless the protocol is ICMP."""

    protocol: Protocol
    port: int | None = None

    @property
    def probe(self) -> ProbeRequest:
        """The request that asks for it."""
        return ProbeRequest(self.protocol, port=self.port)


PING = Service(Protocol.ICMP)


@dataclass(frozen=True, slots=True, order=True)
class Pair:
    """Two ends, as full ids of containers; ``""`` is the host. With the host as destination, the port is the host's."""

    source: str
    destination: str
    service: Service


class Reachability:
    """One state of the engine, with the classes of ``container_ids``. Verdicts are derived when they are read."""

    def __init__(
        self,
        snapshot: Snapshot,
        observations: Observations,
        container_ids: Sequence[str],
        effort: Effort | None = None,
        alike: Reachability | None = None,
    ) -> None:
        """Sort the containers into classes; nothing is predicted yet. ``effort`` bounds what will be.

        ``alike`` is the same state under other observations that tell the same containers apart: its classes are taken.
        """
        self._effort = effort or Effort()
        self.state = EngineState(snapshot, observations)
        self.ids = tuple(container_ids)
        self.position = {container_id: at for at, container_id in enumerate(self.ids)}
        self.classes_by_port: dict[tuple[Protocol, int | None], Classes] = alike.classes_by_port if alike else {}
        self.classes = self.classes_of(PING)
        self._known: dict[Hashable, Prediction] = {}
        self._kinds: dict[tuple[int, Service], Hashable] = {}

    @property
    def snapshot(self) -> Snapshot:
        """The engine's snapshot in this state."""
        return self.state.snapshot

    def verdict(self, pair: Pair) -> Verdict:
        """Return the predicted verdict of a pair."""
        return self.prediction(pair).verdict

    def prediction(self, pair: Pair) -> Prediction:
        """Return the prediction of a pair like this one: its verdict is that of the pair, its names may be a twin's."""
        self._effort.pair()
        key = self._key(pair)
        found = self._known.get(key)
        if found is None:
            self._effort.prediction()
            found = self._known[key] = self.own_prediction(pair)
        return found

    def reason(self, pair: Pair) -> str:
        """Return the code of what makes the verdict of the pair inconclusive; empty if it is not."""
        found = self.prediction(pair)
        return why_undecided(found.findings) if found.verdict is Verdict.INCONCLUSIVE else ""

    def own_prediction(self, pair: Pair) -> Prediction:
        """Predict the pair itself, with its own path and findings."""
        destination = ContainerDestination(pair.destination) if pair.destination else HostDestination()
        return Case.within(self.state, Question(pair.source or None, destination, pair.service.probe)).predict()

    def kind_of(self, pair: Pair, *, of_sources: bool) -> Hashable:
        """Return what the pairs with a path like this one have in common: the class of the end that is searched for."""
        end = pair.source if of_sources else pair.destination
        at, other = self.position.get(end), self.position.get(pair.destination if of_sources else pair.source)
        classes = self.classes_of(pair.service, at_host=other is None)
        if at is None or other is None:
            return end if at is None else classes.group_of[at]
        return classes.class_of[at], classes.meeting(at, other)

    def classes_of(self, service: Service, *, at_host: bool = False) -> Classes:
        """Return the classes of containers that no rule of the host tells apart as an end of this service.

        ``at_host``: the service is a port of the host, which rules may translate to any other port.
        """
        asked = service.protocol, None if at_host else service.port
        if asked not in self.classes_by_port and len(self.classes_by_port) >= MAX_CLASSES:
            asked = service.protocol, None
        found = self.classes_by_port.get(asked)
        if found is None:
            found = self.classes_by_port[asked] = classify(self.state, self.ids, *asked, by_name=False)
        return found

    def _key(self, pair: Pair) -> Hashable:
        at, to = self.position.get(pair.source), self.position.get(pair.destination)
        if at is None:  # the host, or a container that is not among the classes
            return pair if pair.source or to is None else self._key_from_host(pair, to)
        # At the host, and at a container in host mode, the address depends on the source's own networks.
        if to is None or self.state.attachment_of(pair.destination).is_host:
            classes = self.classes_of(pair.service, at_host=True)
            port = pair.service if pair.destination else self._kind_of_port(at, pair.service)
            return "host", classes.group_of[at], pair.destination, port
        meeting = self.classes.meeting(at, to)
        if meeting == "same":
            return pair
        kind = self.classes_of(pair.service).class_of[at]
        return kind, meeting, self.kind_of_destination(pair.destination, to, pair.service), pair.service

    def _key_from_host(self, pair: Pair, to: int) -> Hashable:
        """Return what the verdict from the host to a container depends on: its group, and what it serves."""
        if self.state.attachment_of(pair.destination).is_host:
            return pair
        group = self.classes_of(pair.service).group_of[to]
        return "from host", group, self.kind_of_destination(pair.destination, to, pair.service), pair.service

    def _kind_of_port(self, source: int, service: Service) -> Hashable:
        """Return what the verdicts about a port of the host depend on: what publishes it, and where.

        The port itself where a rule of another program names it, or where not exactly one container publishes it.
        """
        published = self.snapshot.publishers_by_port.get((service.port or 0, service.protocol.value), ())
        ids = {container.id for container, _ in published}
        to = self.position.get(next(iter(ids))) if len(ids) == 1 else None
        if to is None or self.ports_named.holds(service.port or 0):
            return service
        owner, meeting = self.ids[to], self.classes.meeting(source, to)
        if meeting == "same" or self.state.attachment_of(owner).is_host:
            return service
        ports = tuple((port.host_ip, port.container_port) for _, port in published)
        inside = {Service(service.protocol, port) for _, port in ports}
        return meeting, ports, frozenset(self.kind_of_destination(owner, to, one) for one in inside)

    @cached_property
    def ports_named(self) -> PortsNamed:
        """The ports that rules of other programs than Docker name."""
        return ports_named(self.state)

    def kind_of_destination(self, destination: str, at: int, service: Service) -> Hashable:
        """Return what the verdicts about this service of the destination depend on, beside its networks."""
        found = self._kinds.get((at, service))
        if found is None:
            found = self._kinds[at, service] = self._kind_of_destination(destination, at, service)
        return found

    def _kind_of_destination(self, destination: str, at: int, service: Service) -> Hashable:
        kind = self.classes_of(service).class_of[at]
        if service == PING:
            return kind
        attachment = self.state.attachment_of(destination)
        # What the classes of a matrix add for its port.
        listening = listening_at(attachment, service.protocol, service.port, self.state.observations)
        return kind, listening, publishes_at(attachment, service.protocol, service.port)


def services_of(snapshot: Snapshot, container: Container, observations: Observations) -> tuple[Service, ...]:
    """Return the services of a container: ICMP first, then its ports."""
    owner = snapshot.network_owner_of(container) or container
    found = {(port.protocol, port.container_port) for port in (*owner.published_ports, *owner.configured_ports)}
    for text in owner.exposed_ports:
        number, _, protocol = text.partition("/")
        # A range is one text of the image's configuration, such as 7000-7100/tcp; its ports are seen if one listens.
        if number.isdecimal():
            found.add((protocol or "tcp", int(number)))
    seen = observations.inside.get(container.id) or observations.inside.get(owner.id)
    found |= {(s.protocol, s.port) for s in (seen.sockets or () if seen else ()) if _is_service(s)}
    known = [Service(Protocol(protocol), port) for protocol, port in found if protocol in {"tcp", "udp"}]
    return (PING, *sorted(known, key=lambda one: (one.port or 0, one.protocol))[:MAX_PORTS])


def host_services(container: Container) -> Iterator[Service]:
    """Yield the ports of the host that the container publishes now, as far as they are known."""
    for port in container.published_ports:
        if port.host_port is not None and port.protocol in {"tcp", "udp"}:
            yield Service(Protocol(port.protocol), port.host_port)


def _is_service(socket: ListeningSocket) -> bool:
    if is_loopback(socket.address):
        return False
    return socket.protocol == "tcp" or socket.port < FIRST_CLIENT_PORT


def with_assumed_listeners(
    snapshot: Snapshot, observations: Observations, container_ids: Iterable[str]
) -> Observations:
    """Return the observations with programs that listen at the published and exposed ports of these containers.

    For a container that a plan starts, it is not known yet what will listen. What listened before is assumed to listen
    again.
    """
    inside = dict(observations.inside)
    on_host: dict[str, tuple[ListeningSocket, ...]] = {}
    renewed = frozenset(container_ids)
    for container_id in renewed:
        container = snapshot.containers_by_id[container_id]
        services = services_of(snapshot, container, observations)
        before = inside.get(container_id)
        sockets = tuple(
            ListeningSocket(one.protocol.value, "ipv6", "::", one.port) for one in services if one.port is not None
        )
        owner = snapshot.network_owner_of(container)
        if owner is not None and owner.host_mode:
            on_host[container_id] = sockets
            continue
        kept = tuple(s for s in (before.sockets or () if before else ()) if is_loopback(s.address))
        # A container that joins the namespace of one that runs on finds the programs there.
        joined = observations.inside.get(owner.id) if owner is not None and owner.id not in renewed else None
        shared = (joined.sockets or ()) if joined is not None else ()
        inside[container_id] = Observation(0, sockets=tuple(dict.fromkeys((*kept, *sockets, *shared))))
    host = _with_sockets(observations.host, [socket for sockets in on_host.values() for socket in sockets])
    for container_id in on_host:
        # It has the sockets of the whole host. Where those were not seen, its own would look like all that there are.
        if host is not None and host.observation.sockets is not None:
            inside[container_id] = Observation(0, sockets=host.observation.sockets)
        else:
            inside.pop(container_id, None)
    return replace(observations, inside=inside, host=host)


def _with_sockets(host: HostObservation | None, more: Iterable[ListeningSocket]) -> HostObservation | None:
    if host is None or host.observation.sockets is None:
        return host
    return replace(host, observation=replace(host.observation, sockets=(*host.observation.sockets, *more)))
