"""The port to the Docker engine: its state, its commands and its events. The package ``engine`` implements it.

Every id is a full one, from a snapshot. Every method raises the ``Engine*`` errors of ``bridgework.model.errors``; a
command raises what its rows in the error table say, too. No method returns an empty result for a failed call.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping
from dataclasses import dataclass
from typing import Protocol

from bridgework.model.create_specs import ContainerSpec, EndpointSpec, NetworkSpec
from bridgework.model.probe_port import Place
from bridgework.model.snapshot import Container, Snapshot


@dataclass(frozen=True, slots=True)
class EngineFacts:
    """Facts about the engine. ``default_address_pools`` are ``(base CIDR, prefix length of each network)``.

    ``product`` is ``docker`` or ``podman``. ``userland_proxy`` says whether docker-proxy runs; ``None`` before Docker
    29.5, which is the first to report it. ``writes_dockers_rules`` says whether the engine writes the firewall rules of
    Docker and has its settings, ``chooses_ipv6_subnets`` whether it always has an IPv6 subnet for a network that names
    none, ``uses_dockers_pools`` whether its address pools are Docker's where it reports none.
    """

    id: str
    name: str
    version: str
    api_version: str
    min_api_version: str
    operating_system: str
    kernel_version: str
    network_drivers: tuple[str, ...]
    default_address_pools: tuple[tuple[str, int], ...]
    swarm_state: str = "inactive"
    swarm_node_id: str | None = None
    product: str = "docker"
    firewall_backend: str | None = None
    userland_proxy: bool | None = None
    writes_dockers_rules: bool = True
    chooses_ipv6_subnets: bool = False
    uses_dockers_pools: bool = True

    @property
    def release(self) -> tuple[int, int]:
        """Major and minor of ``version``; zeros where it is written otherwise."""
        major, _, rest = self.version.partition(".")
        minor = rest.partition(".")[0]
        return (int(major), int(minor)) if major.isdecimal() and minor.isdecimal() else (0, 0)


@dataclass(frozen=True, slots=True)
class EngineEvent:
    """One line of the engine's event log; ``time_ns`` orders it, ``id`` resumes after it."""

    id: str
    time_ns: int
    kind: str
    action: str
    object_id: str
    name: str
    attributes: Mapping[str, str]


class Engine(Protocol):
    """A Docker engine."""

    def snapshot(self, asked_ns: int | None = None) -> Snapshot:
        """Return everything, with each change that was acknowledged before this call.

        With ``asked_ns`` (``time.monotonic_ns``): each change that was acknowledged before that moment.
        """
        ...

    def ping(self) -> None:
        """Raise unless the engine answers now."""
        ...

    def facts(self) -> EngineFacts:
        """Return what the engine is, read once for each connection to it."""
        ...

    def network_endpoint_ids(self, network_id: str) -> Mapping[str, str]:
        """Map container ids (``ep-…`` for an endpoint without a container) to the names of a network's endpoints."""
        ...

    def require_supported(self, spec: NetworkSpec | EndpointSpec | ContainerSpec) -> None:
        """Raise ``NotSupported`` where the engine would accept a field and ignore it, as Podman does with many."""
        ...

    def create_network(self, spec: NetworkSpec) -> str:
        """Create a network and return its full id."""
        ...

    def remove_network(self, network_id: str) -> None:
        """Remove the network."""
        ...

    def connect(self, network_id: str, container_id: str, spec: EndpointSpec) -> None:
        """Connect the container to the network."""
        ...

    def disconnect(self, network_id: str, container_ref: str, *, force: bool = False) -> None:
        """Remove the endpoint; ``container_ref`` is the container's id, or the name of a stale endpoint."""
        ...

    def has_image(self, image: str) -> bool:
        """Return whether the image is there."""
        ...

    def pull_image(self, image: str) -> None:
        """Pull the image from its registry."""
        ...

    def create_container(self, spec: ContainerSpec) -> str:
        """Create a container, not started, and return its full id."""
        ...

    def start_container(self, container_id: str) -> None:
        """Start the container."""
        ...

    def stop_container(self, container_id: str, grace_s: int) -> None:
        """Stop the container: SIGTERM, then SIGKILL after ``grace_s`` seconds."""
        ...

    def restart_container(self, container_id: str, grace_s: int) -> None:
        """Stop and start the container."""
        ...

    def unpause_container(self, container_id: str) -> None:
        """Resume the paused container."""
        ...

    def rename_container(self, container_id: str, name: str) -> None:
        """Rename the container."""
        ...

    def remove_container(self, container_id: str, *, force: bool = False) -> None:
        """Remove the container, with its anonymous volumes."""
        ...

    def place_of(self, snapshot: Snapshot, container: Container) -> Place:
        """Return where a probe from this container stands."""
        ...

    def host_place(self, snapshot: Snapshot) -> Place:
        """Return where a probe from the engine's host stands."""
        ...

    def subscribe(self) -> Generator[bool]:
        """Yield ``True`` at first and whenever the event log grows, and ``False`` once a second otherwise.

        Read the new entries from the log. Raises ``EngineUnreachable`` when the engine goes away; it never just ends.
        Closing the iterator closes its connection.
        """
        ...

    def events_since(self, since_ns: int) -> list[EngineEvent]:
        """Return what the engine's log (256 entries) still holds from ``since_ns`` on, in the log's own order."""
        ...
