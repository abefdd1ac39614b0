"""The engine as operations see it: state out, commands in. The package ``engine`` implements it; tests have a fake.

Every id is a full one, from a snapshot. Every method raises the ``Engine*`` errors of ``bridgework.model.errors`` and
what its operation's row in the error table says; none ever answers "nothing" for "failed".
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
    """What the engine is. ``default_address_pools`` are ``(base CIDR, prefix length of each network)``.

    ``userland_proxy`` is what the engine says of docker-proxy; ``None`` before Docker 29.5, which is the first to say.
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
    firewall_backend: str | None = None
    userland_proxy: bool | None = None

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
        """Everything, strictly fresh: no change acknowledged before this call is missing.

        With ``asked_ns`` (``time.monotonic_ns``): none acknowledged before that moment.
        """
        ...

    def ping(self) -> None:
        """Raise unless the engine answers now."""
        ...

    def facts(self) -> EngineFacts:
        """What the engine is; read once for each connection to it."""
        ...

    def network_endpoint_ids(self, network_id: str) -> Mapping[str, str]:
        """Container id, or ``ep-…`` for an endpoint without one, to the endpoint's name."""
        ...

    def create_network(self, spec: NetworkSpec) -> str:
        """Make it and answer its full id."""
        ...

    def remove_network(self, network_id: str) -> None:
        """Remove it."""
        ...

    def connect(self, network_id: str, container_id: str, spec: EndpointSpec) -> None:
        """Give the container an endpoint in the network."""
        ...

    def disconnect(self, network_id: str, container_ref: str, *, force: bool = False) -> None:
        """Take it away; ``container_ref`` may be a stale endpoint's name."""
        ...

    def has_image(self, image: str) -> bool:
        """Whether the image is there."""
        ...

    def pull_image(self, image: str) -> None:
        """Fetch it from its registry."""
        ...

    def create_container(self, spec: ContainerSpec) -> str:
        """Make it, not started, and answer its full id."""
        ...

    def start_container(self, container_id: str) -> None:
        """Start it."""
        ...

    def stop_container(self, container_id: str, grace_s: int) -> None:
        """Stop it: SIGTERM, then SIGKILL after ``grace_s`` seconds."""
        ...

    def restart_container(self, container_id: str, grace_s: int) -> None:
        """Stop and start it."""
        ...

    def unpause_container(self, container_id: str) -> None:
        """Let its frozen processes move again."""
        ...

    def rename_container(self, container_id: str, name: str) -> None:
        """Give it another name."""
        ...

    def remove_container(self, container_id: str, *, force: bool = False) -> None:
        """Remove it, with its anonymous volumes."""
        ...

    def place_of(self, snapshot: Snapshot, container: Container) -> Place:
        """Where a probe from this container stands."""
        ...

    def host_place(self, snapshot: Snapshot) -> Place:
        """Where a probe from the engine's host stands."""
        ...

    def subscribe(self) -> Generator[bool]:
        """``True`` when it hangs and whenever something is written to the event log, else ``False`` once a second.

        What was written only the log says. Raises ``EngineUnreachable`` when the engine goes away, and never ends in
        silence. Closing it closes its connection.
        """
        ...

    def events_since(self, since_ns: int) -> list[EngineEvent]:
        """What the engine's log (256 entries) still holds from ``since_ns`` on, in the log's own order."""
        ...
