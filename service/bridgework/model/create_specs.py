"""What a caller asks the engine to create, as typed values. ``engine/bodies.py`` turns each into the engine's own body.

No value here can give access to the host: there is no field for privileges, mounts, devices or other namespaces.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from bridgework.model.snapshot import Pool, PublishedPort


@dataclass(frozen=True, slots=True)
class NetworkSpec:
    """A network to create. ``ipv4_enabled`` of ``None`` leaves it to the engine (older ones always enable it)."""

    name: str
    driver: str = "bridge"
    scope: str | None = None
    internal: bool = False
    attachable: bool = False
    ingress: bool = False
    ipv4_enabled: bool | None = None
    ipv6_enabled: bool = False
    config_only: bool = False
    config_from: str | None = None
    ipam_driver: str = "default"
    ipam_options: Mapping[str, str] = field(default_factory=dict)
    pools: tuple[Pool, ...] = ()
    options: Mapping[str, str] = field(default_factory=dict)
    labels: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class EndpointSpec:
    """An endpoint to create: the place of a container in a network."""

    aliases: tuple[str, ...] = ()
    ipv4_address: str | None = None
    ipv6_address: str | None = None
    link_local_addresses: tuple[str, ...] = ()
    mac_address: str | None = None
    driver_options: Mapping[str, str] = field(default_factory=dict)
    gateway_priority: int | None = None


@dataclass(frozen=True, slots=True)
class NetworkPlace(EndpointSpec):
    """An endpoint of a new container, and the network that it is in, by name or id."""

    network: str = ""


@dataclass(frozen=True, slots=True)
class ContainerSettings:
    """What a container to create gets, apart from its networks. Without a ``name``, the service makes one up."""

    name: str | None
    image: str
    command: tuple[str, ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict)
    labels: Mapping[str, str] = field(default_factory=dict)
    published_ports: tuple[PublishedPort, ...] = ()
    hostname: str | None = None
    dns: tuple[str, ...] = ()
    dns_search: tuple[str, ...] = ()
    dns_options: tuple[str, ...] = ()
    extra_hosts: Mapping[str, str] = field(default_factory=dict)
    sysctls: Mapping[str, str] = field(default_factory=dict)
    restart_policy: str = "no"


@dataclass(frozen=True, slots=True)
class ContainerRequest(ContainerSettings):
    """A container as a caller asks for it: networks and containers by name or id, in the caller's order.

    Without a ``network_mode`` it is the first of ``networks``, or ``bridge``.
    """

    network_mode: str | None = None
    networks: tuple[NetworkPlace, ...] = ()
    start: bool = True
    pull: str = "never"


@dataclass(frozen=True, slots=True)
class ContainerSpec(ContainerSettings):
    """A container to create, with every reference resolved.

    ``network_mode`` is the engine's: ``bridge``, ``host``, ``none``, ``container:<full id>`` or a network's name.
    ``networks`` maps a network to the endpoint there: by its full id until the engine is asked, then by its name.
    """

    name: str
    network_mode: str = "bridge"
    networks: Mapping[str, EndpointSpec] = field(default_factory=dict)
