"""An engine that changes nothing: it makes each change in a snapshot of its own (``plans/changes.py``).

A plan runs the use cases of the changes themselves on this engine. So a change in a plan is refused by the same code,
for the same reasons, as the change itself; only the engine's part is computed.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TypeVar

from bridgework.model import references
from bridgework.model.checks import Measurement, ProbeRequest
from bridgework.model.create_specs import ContainerSpec, EndpointSpec, NetworkSpec
from bridgework.model.engine_port import EngineEvent, EngineFacts
from bridgework.model.errors import Conflict, NotFound, Remedy, quoted
from bridgework.model.expectations import HostWatch
from bridgework.model.observations import (
    FirewallRules,
    HostObservation,
    ListeningSocket,
    Observation,
    RouteAnswer,
    RouteQuestion,
)
from bridgework.model.probe_port import Aspect, Place, ProbeRunner, RunnerStatus, SweepPlan, SweepRow, TracePlan
from bridgework.model.snapshot import Container, Snapshot
from bridgework.model.trace import TraceRecord
from bridgework.plans import changes
from bridgework.policy.host_ports import clash, held_by
from bridgework.use_cases.preflight.container_conflicts import obstacle
from bridgework.use_cases.preflight.network import foresee, source_of, taken_subnets
from bridgework.use_cases.services import Services

_Item = TypeVar("_Item")
_READS_NO_EVENTS = "A plan does not read the engine's events."
_SENDS_NOTHING = "A plan sends no probe before its changes are made."


class PlannedEngine:
    """The engine as a plan sees it: reads of the real engine, and changes of ``now``, the snapshot as it would be."""

    def __init__(self, services: Services, snapshot: Snapshot) -> None:
        self._real = services.engine
        self._before = snapshot
        self.now = snapshot
        # What a use case observes of the host, it must see without the bridges that the plan has removed.
        self.services = replace(services, engine=self, runner=_PlannedRunner(services.runner, self))
        self._starts = 0

    def removed_bridges(self) -> frozenset[str]:
        """Return the kernel's names of the bridges that the plan has removed."""
        gone = (network for network in self._before.networks if network.id not in self.now.networks_by_id)
        return frozenset(network.bridge_name for network in gone if network.bridge_name)

    def error_of_made_up_id(self, texts: set[str]) -> NotFound | None:
        """Return the problem of a reference that is the id of a thing which the plan makes.

        The engine gives that thing another id when the plan is applied.
        """
        names = self.now.networks_by_name.keys() | self.now.containers_by_name.keys()
        for kind, now, before in (
            ("network", self.now.networks_by_id, self._before.networks_by_id),
            ("container", self.now.containers_by_id, self._before.containers_by_id),
        ):
            made = {thing_id: now[thing_id].name for thing_id in now.keys() - before.keys()}
            for text in texts - names:
                name = next((name for made_id, name in made.items() if made_id.startswith(text)), None)
                if name is not None:
                    return NotFound(
                        code=f"{kind}-not-found",
                        detail=f"{quoted(text)} is no id of the engine: it stands for a {kind} that the plan makes.",
                        remedy=Remedy(f"Refer to it by its name, {name}."),
                        facts={kind: text},
                    )
        return None

    def programs(self, seen: Observation) -> Observation:
        """Leave out the sockets of ports that containers published before the plan: they are docker-proxy's."""
        return without_published(seen, self._before)

    def snapshot(self, asked_ns: int | None = None) -> Snapshot:  # noqa: ARG002  # the port's signature
        """Return the snapshot as it would be."""
        return self.now

    def ping(self) -> None:
        """Ask the real engine."""
        self._real.ping()

    def facts(self) -> EngineFacts:
        """Return the facts of the real engine."""
        return self._real.facts()

    def network_endpoint_ids(self, network_id: str) -> Mapping[str, str]:
        """Return the stale endpoints of the network, and those of containers as they would be."""
        listed = self._real.network_endpoint_ids(network_id) if network_id in self._before.networks_by_id else {}
        stale = {key: name for key, name in listed.items() if key not in self._before.containers_by_id}
        endpoints = self.now.endpoints_by_network.get(network_id, ())
        return stale | {e.container_id: e.container_name for e in endpoints if e.state == "active"}

    def create_network(self, spec: NetworkSpec) -> str:
        """Add a network. Raises ``Conflict`` as far as the engine's refusal can be foreseen."""
        source = source_of(self.now, spec)
        foresee(self.services, spec, source)
        version = self.facts().api_version.split(".")
        self.now = changes.with_network(
            self.now,
            spec,
            source,
            engine_api=(int(version[0]), int(version[1])),
            default_pools=self.facts().default_address_pools,
            taken=taken_subnets(self.services, self.now),
        )
        return changes.planned_id("network", spec.name)

    def remove_network(self, network_id: str) -> None:
        """Remove a network."""
        self.now = changes.without_network(self.now, network_id)

    def connect(self, network_id: str, container_id: str, spec: EndpointSpec) -> None:
        """Connect a container."""
        self.now = changes.with_endpoint(self.now, network_id, container_id, spec, self.facts().release)

    def disconnect(self, network_id: str, container_ref: str, *, force: bool = False) -> None:  # noqa: ARG002  # the port's signature
        """Disconnect a container. A stale endpoint is in no snapshot, so its removal changes none."""
        if container_ref in self.now.containers_by_id:
            self.now = changes.without_endpoint(self.now, network_id, container_ref, self.facts().release)

    def require_supported(self, spec: NetworkSpec | EndpointSpec | ContainerSpec) -> None:
        """See ``Engine``."""
        self._real.require_supported(spec)

    def has_image(self, image: str) -> bool:
        """Ask the real engine."""
        return self._real.has_image(image)

    def pull_image(self, image: str) -> None:
        """Pull nothing: that the registry has the image cannot be foreseen."""

    def create_container(self, spec: ContainerSpec) -> str:
        """Add a container, not started."""
        self.now = changes.with_container(self.now, spec)
        return changes.planned_id("container", spec.name)

    def start_container(self, container_id: str) -> None:
        """Start a container. Raises ``Conflict`` that names what would be in the way."""
        container = self.now.containers_by_id[container_id]
        found = obstacle(self.services, self.now, container)
        if found is not None:
            raise found
        self._starts += 1
        self.now = changes.started(self.now, container_id, self._starts, self.facts().release)

    def stop_container(self, container_id: str, grace_s: int) -> None:  # noqa: ARG002  # the port's signature
        """Stop a container. One that was created with ``--rm`` is then gone."""
        removed = self.now.containers_by_id[container_id].auto_remove
        self.now = (changes.without_container if removed else changes.stopped)(self.now, container_id)

    def restart_container(self, container_id: str, grace_s: int) -> None:  # noqa: ARG002  # the port's signature
        """Stop and start a container. The engine keeps one that was created with ``--rm``."""
        if self.now.containers_by_id[container_id].running:
            self.now = changes.stopped(self.now, container_id)
        self.start_container(container_id)

    def unpause_container(self, container_id: str) -> None:
        """Resume a paused container."""
        self._starts += 1
        self.now = changes.started(self.now, container_id, self._starts, self.facts().release)

    def rename_container(self, container_id: str, name: str) -> None:
        """Refuse: a plan has no rename."""
        raise NotImplementedError

    def remove_container(self, container_id: str, *, force: bool = False) -> None:
        """Remove a container. Raises ``Conflict`` for a running one without ``force``, as the engine does."""
        container = references.container(self.now, container_id)
        if container.running and not force:
            raise Conflict(code="container-running", detail=f"{container.name} is {container.state}.")
        self.now = changes.without_container(self.now, container_id)

    def place_of(self, snapshot: Snapshot, container: Container) -> Place:
        """Return where a probe from this container stands on the real engine."""
        return self._real.place_of(snapshot, container)

    def host_place(self, snapshot: Snapshot) -> Place:  # noqa: ARG002  # the port's signature
        """Return where a probe from the real engine's host stands."""
        return self._real.host_place(self._before)

    def subscribe(self) -> Generator[bool]:
        """Refuse: a plan reads no events."""
        raise NotImplementedError(_READS_NO_EVENTS)

    def events_since(self, since_ns: int) -> list[EngineEvent]:
        """Refuse: a plan reads no events."""
        raise NotImplementedError(_READS_NO_EVENTS)


class _PlannedRunner:
    """The probe runner, without the routes and sockets on the host that the plan has removed."""

    def __init__(self, real: ProbeRunner, engine: PlannedEngine) -> None:
        self._real, self._engine = real, engine

    def status(self) -> RunnerStatus:
        return self._real.status()

    def check(self, place: Place, request: ProbeRequest) -> Measurement:
        raise NotImplementedError(_SENDS_NOTHING)

    def trace(
        self, place: Place, request: ProbeRequest, plan: TracePlan, meanwhile: Callable[[Measurement], None]
    ) -> tuple[Measurement, TraceRecord | None]:
        raise NotImplementedError(_SENDS_NOTHING)

    def observe(self, place: Place, aspects: Sequence[Aspect]) -> Observation | None:
        seen = self._real.observe(place, aspects)
        if seen is None:
            return None
        gone = self._engine.removed_bridges()
        # Whether a published port is taken, the snapshot knows.
        return replace(self._engine.programs(seen), routes=_without(seen.routes, lambda route: route.interface in gone))

    def observe_host(self) -> HostObservation | None:
        return self._real.observe_host()

    def firewall_state(self) -> str | None:
        return self._real.firewall_state()

    def read_firewall(self) -> FirewallRules | None:
        return self._real.read_firewall()

    def routes(self, questions: Sequence[RouteQuestion]) -> Mapping[RouteQuestion, RouteAnswer]:
        # The kernel has no routes to the bridges that a plan would create.
        del questions
        return {}

    def watch_host(self) -> HostWatch | None:
        return None

    def namespace_inode(self, place: Place) -> int | None:
        return self._real.namespace_inode(place)

    def sweep(self, plan: SweepPlan) -> Iterator[SweepRow | None]:
        raise NotImplementedError(_SENDS_NOTHING)


def without_published(seen: Observation, snapshot: Snapshot) -> Observation:
    """Return what was observed on the host without the sockets at published ports, which docker-proxy holds."""
    published = snapshot.publishers_by_port

    def is_published(socket: ListeningSocket) -> bool:
        ports = published.get((socket.port, socket.protocol), ())
        return any(clash(port, held_by(socket)) for _, port in ports)

    return replace(seen, sockets=_without(seen.sockets, is_published))


def _without(items: tuple[_Item, ...] | None, removed: Callable[[_Item], bool]) -> tuple[_Item, ...] | None:
    return items if items is None else tuple(item for item in items if not removed(item))
