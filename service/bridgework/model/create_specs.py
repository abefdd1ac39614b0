"""What a caller asks the engine to make, as typed values; the engine room turns each into the engine's own body.

Nothing here can hand out the host: there is no field for privileges, mounts, devices or other namespaces.
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
    """A container's wished place in a network."""

    aliases: tuple[str, ...] = ()
    ipv4_address: str | None = None
    ipv6_address: str | None = None
    link_local_addresses: tuple[str, ...] = ()
    mac_address: str | None = None
    driver_options: Mapping[str, str] = field(default_factory=dict)
    gateway_priority: int | None = None


@dataclass(frozen=True, slots=True)
class ContainerSpec:
    """A container to create. ``networks`` maps a network to the wished endpoint there.

    ``network_mode`` is the engine's: ``bridge``, ``host``, ``none``, ``container:<full id>`` or a network's name.
    Networks are keyed by their ids while they are weighed, and by their names when the engine is asked.
    """

    name: str
    image: str
    command: tuple[str, ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict)
    labels: Mapping[str, str] = field(default_factory=dict)
    network_mode: str = "bridge"
    networks: Mapping[str, EndpointSpec] = field(default_factory=dict)
    published_ports: tuple[PublishedPort, ...] = ()
    hostname: str | None = None
    dns: tuple[str, ...] = ()
    dns_search: tuple[str, ...] = ()
    dns_options: tuple[str, ...] = ()
    extra_hosts: Mapping[str, str] = field(default_factory=dict)
    sysctls: Mapping[str, str] = field(default_factory=dict)
    restart_policy: str = "no"
