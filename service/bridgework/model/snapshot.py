"""The engine's state at one moment, as immutable values with Docker's own names.

A snapshot has every network, every container (stopped ones too) and every endpoint, with indexes. Addresses are strings
as Docker writes them; an absent one is ``None``, never ``""``.

Source of the fields: Docker Engine API v1.45, NetworkInspect and ContainerInspect.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal, TypeVar

from bridgework.model.endpoint_names import names_of

BUILTIN_NETWORKS = frozenset({"bridge", "host", "none"})
DEFAULT_BRIDGE = "bridge"
HELPER_LABEL = "io.bridgework.helper"

EndpointState = Literal["active", "configured"]
_Key = TypeVar("_Key")
_Thing = TypeVar("_Thing")


@dataclass(frozen=True, slots=True)
class Reference:
    """A thing's full id and its name."""

    id: str
    name: str


@dataclass(frozen=True, slots=True)
class Pool:
    """One address pool of a network; ``auxiliary_addresses`` maps a name to a reserved address."""

    subnet: str
    gateway: str | None = None
    ip_range: str | None = None
    auxiliary_addresses: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Network:
    """A Docker network. ``created_at`` is RFC 3339 UTC.

    ``ignored_options`` are the names of ``options`` that the engine is too old for: it keeps them and does nothing.
    """

    id: str
    name: str
    driver: str = "bridge"
    scope: str = "local"
    created_at: str = "1970-01-01T00:00:00Z"
    internal: bool = False
    attachable: bool = False
    ingress: bool = False
    ipv4_enabled: bool = True
    ipv6_enabled: bool = False
    config_only: bool = False
    config_from: str | None = None
    ipam_driver: str = "default"
    ipam_options: Mapping[str, str] = field(default_factory=dict)
    pools: tuple[Pool, ...] = ()
    options: Mapping[str, str] = field(default_factory=dict)
    labels: Mapping[str, str] = field(default_factory=dict)
    peers: tuple[str, ...] = ()
    ignored_options: frozenset[str] = frozenset()

    @property
    def builtin(self) -> bool:
        """Whether the engine made it itself and will not remove it."""
        return self.name in BUILTIN_NETWORKS or self.ingress

    @property
    def is_default_bridge(self) -> bool:
        """The network of containers that name none: it has no DNS between containers."""
        return self.driver == "bridge" and self.name == DEFAULT_BRIDGE

    @property
    def bridge_name(self) -> str | None:
        """The kernel's name of its bridge: the option's, else ``br-`` and twelve digits of the id."""
        if self.driver != "bridge" or self.config_only:
            return None
        named = self.options.get("com.docker.network.bridge.name")
        # Without an id it is not made yet (a dry run), and the engine would name the bridge after the id.
        return named or (f"br-{self.id[:12]}" if self.id else None)

    @property
    def inter_container_enabled(self) -> bool:
        """``com.docker.network.bridge.enable_icc``; true unless it says otherwise."""
        return self.options.get("com.docker.network.bridge.enable_icc", "true").lower() not in {"false", "0", "f"}


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A container's place in a network: ``active`` while it runs, ``configured`` while it does not.

    ``ipv4_address``/``ipv6_address`` are what it holds now; ``configured_ipv4``/``configured_ipv6`` what was requested.
    """

    network_id: str
    network_name: str
    container_id: str
    container_name: str
    state: EndpointState = "active"
    endpoint_id: str | None = None
    ipv4_address: str | None = None
    ipv4_prefix_len: int | None = None
    ipv6_address: str | None = None
    ipv6_prefix_len: int | None = None
    mac_address: str | None = None
    gateway: str | None = None
    ipv6_gateway: str | None = None
    aliases: tuple[str, ...] = ()
    dns_names: tuple[str, ...] = ()
    driver_options: Mapping[str, str] = field(default_factory=dict)
    gateway_priority: int = 0
    links: tuple[str, ...] = ()
    configured_ipv4: str | None = None
    configured_ipv6: str | None = None
    link_local_addresses: tuple[str, ...] = ()

    @property
    def network(self) -> Reference:
        """The network it is in."""
        return Reference(self.network_id, self.network_name)

    @property
    def container(self) -> Reference:
        """The container it belongs to."""
        return Reference(self.container_id, self.container_name)

    @property
    def addresses(self) -> tuple[str, ...]:
        """The addresses it holds now, IPv4 first."""
        return tuple(a for a in (self.ipv4_address, self.ipv6_address) if a)


@dataclass(frozen=True, slots=True)
class PublishedPort:
    """A port of the container offered at the host; ``host_port`` is ``None`` until the engine chose one."""

    container_port: int
    protocol: str = "tcp"
    host_ip: str = ""
    host_port: int | None = None


@dataclass(frozen=True, slots=True)
class NodePlace:
    """Another node of the swarm; ``reachable`` says whether it answered when it was last asked."""

    id: str
    hostname: str
    address: str | None = None
    reachable: bool = True


@dataclass(frozen=True, slots=True)
class Container:
    """A container as the engine knows it. ``node`` is where it runs, if not here.

    ``network_mode`` is Docker's (``bridge``, ``host``, ``none``, ``default``, a network, ``container:<id>``);
    ``shares_with`` is the full id behind ``container:<ref>``. ``published_ports`` are in force now,
    ``configured_ports`` were requested. ``error`` is the engine's text about a failed start, and ``restart_count`` how
    often the restart policy started it again. ``auto_remove`` is ``docker run --rm``: the container is gone when it
    stops.
    ``namespace_path``, ``resolver_path`` and ``hosts_path`` are files of the engine's host; ``pid`` is 0 while it does
    not run.
    """

    id: str
    name: str
    image: str = ""
    image_id: str = ""
    state: str = "running"
    created_at: str = "1970-01-01T00:00:00Z"
    started_at: str | None = None
    finished_at: str | None = None
    exit_code: int | None = 0
    error: str = ""
    restart_count: int = 0
    oom_killed: bool = False
    pid: int = 0
    hostname: str = ""
    command: tuple[str, ...] = ()
    network_mode: str = "bridge"
    shares_with: str | None = None
    endpoints: tuple[Endpoint, ...] = ()
    published_ports: tuple[PublishedPort, ...] = ()
    configured_ports: tuple[PublishedPort, ...] = ()
    exposed_ports: tuple[str, ...] = ()
    labels: Mapping[str, str] = field(default_factory=dict)
    dns: tuple[str, ...] = ()
    dns_search: tuple[str, ...] = ()
    dns_options: tuple[str, ...] = ()
    extra_hosts: Mapping[str, str] = field(default_factory=dict)
    links: tuple[str, ...] = ()
    sysctls: Mapping[str, str] = field(default_factory=dict)
    restart_policy: str = "no"
    auto_remove: bool = False
    namespace_path: str | None = None
    resolver_path: str | None = None
    hosts_path: str | None = None
    node: NodePlace | None = None

    @property
    def running(self) -> bool:
        """Whether it has processes (a paused one has, though they do not move)."""
        return self.state in {"running", "paused"}

    @property
    def paused(self) -> bool:
        """Whether its processes are frozen: it answers pings in the kernel, and nothing else."""
        return self.state == "paused"

    @property
    def is_helper(self) -> bool:
        """Whether it is a probe's helper of this service: it has no endpoint of its own and lives for one probe."""
        return HELPER_LABEL in self.labels and not self.endpoints_of_its_own

    @property
    def endpoints_of_its_own(self) -> bool:
        """Whether it is in any network other than the host's."""
        return any(endpoint.network_name not in {"host", "none"} for endpoint in self.endpoints)

    def publishes(self, port: int, transport: str) -> bool:
        """Return whether its own port is published now, at any port of the host (on a routed network at none)."""
        return any((one.container_port, one.protocol) == (port, transport) for one in self.published_ports)

    @property
    def host_mode(self) -> bool:
        """Whether it lives in the host's own network namespace."""
        return self.network_mode == "host"

    @property
    def none_mode(self) -> bool:
        """Whether it has a loopback and nothing else."""
        return self.network_mode == "none"


@dataclass(frozen=True)
class Snapshot:
    """All networks and all containers, each sorted by name and id."""

    networks: tuple[Network, ...] = ()
    containers: tuple[Container, ...] = ()

    @cached_property
    def networks_by_id(self) -> Mapping[str, Network]:
        """Full id → network."""
        return {network.id: network for network in self.networks}

    @cached_property
    def containers_by_id(self) -> Mapping[str, Container]:
        """Full id → container."""
        return {container.id: container for container in self.containers}

    @cached_property
    def networks_by_name(self) -> Mapping[str, tuple[Network, ...]]:
        """Name → the networks that have it: names of networks need not be unique."""
        return _grouped((network.name, network) for network in self.networks)

    @cached_property
    def containers_by_name(self) -> Mapping[str, tuple[Container, ...]]:
        """Name → the containers that have it: in a swarm, there may be one on each node."""
        return _grouped((container.name, container) for container in self.containers)

    @cached_property
    def endpoints_by_network(self) -> Mapping[str, tuple[Endpoint, ...]]:
        """Network id → its endpoints, sorted by the container's name; networks that are gone included."""
        return _grouped((e.network_id, e) for container in self.containers for e in container.endpoints)

    @cached_property
    def holders_by_address(self) -> Mapping[str, tuple[Endpoint, ...]]:
        """Address → the active endpoints that hold it, by container (several, where networks overlap)."""
        return _grouped(
            (address, endpoint)
            for container in self.containers
            for endpoint in container.endpoints
            if endpoint.state == "active"
            for address in endpoint.addresses
        )

    @cached_property
    def sharers_by_owner(self) -> Mapping[str, tuple[Container, ...]]:
        """Full id of X → the containers in mode ``container:X``."""
        return _grouped((container.shares_with, container) for container in self.containers if container.shares_with)

    @cached_property
    def publishers_by_port(self) -> Mapping[tuple[int, str], tuple[tuple[Container, PublishedPort], ...]]:
        """Port of the host and protocol → who publishes it, by the container's name."""
        return _grouped(
            ((port.host_port, port.protocol), (container, port))
            for container in self.containers
            for port in container.published_ports
            if port.host_port is not None
        )

    @cached_property
    def namespaces_folder(self) -> str | None:
        """Where the engine keeps the handles of its containers' namespaces; ``None`` while none runs."""
        return min((c.namespace_path.rpartition("/")[0] for c in self.containers if c.namespace_path), default=None)

    def endpoints_of(self, network: Network) -> tuple[Endpoint, ...]:
        """Return the network's endpoints, active and configured."""
        return self.endpoints_by_network.get(network.id, ())

    def holders_by_name_on(self, network: Network) -> Mapping[str, tuple[Endpoint, ...]]:
        """Map each name to the network's active endpoints that have it."""
        found = self._holders_by_name.get(network.id)
        if found is None:
            active = (endpoint for endpoint in self.endpoints_of(network) if endpoint.state == "active")
            found = _grouped((name, endpoint) for endpoint in active for name in names_of(endpoint))
            self._holders_by_name[network.id] = found
        return found

    @cached_property
    def _holders_by_name(self) -> dict[str, Mapping[str, tuple[Endpoint, ...]]]:
        """Network id → its holders by name; filled one network at a time, as most questions are about one."""
        return {}

    def network_owner_of(self, container: Container) -> Container | None:
        """Return the container whose namespace this one uses: itself, or the end of its ``container:X`` chain.

        ``None`` when the chain leads to a container that is gone.
        """
        seen = {container.id}
        while container.shares_with:
            owner = self.containers_by_id.get(container.shares_with)
            if owner is None or owner.id in seen:
                return None
            seen.add(owner.id)
            container = owner
        return container


def _grouped(pairs: Iterable[tuple[_Key, _Thing]]) -> dict[_Key, tuple[_Thing, ...]]:
    found: dict[_Key, list[_Thing]] = {}
    for key, thing in pairs:
        found.setdefault(key, []).append(thing)
    return {key: tuple(things) for key, things in found.items()}
