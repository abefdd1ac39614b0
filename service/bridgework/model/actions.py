"""Actions of a client that fix a problem, as values. ``http/schemas/actions.py`` renders them as requests.

The changes among them are what a plan holds. A network or container is named as a path of the API names it: by its name
or its full id.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

from bridgework.model.create_specs import ContainerRequest, EndpointSpec, NetworkSpec


@dataclass(frozen=True, slots=True)
class CreateNetwork:
    """Create a network."""

    spec: NetworkSpec


@dataclass(frozen=True, slots=True)
class DeleteNetwork:
    """Delete a network. ``force`` disconnects everything in it first."""

    network: str
    force: bool = False


@dataclass(frozen=True, slots=True)
class PruneNetworks:
    """Remove the networks that nothing uses; the fields are those of ``use_cases.prune.PruneFilter``."""

    label: tuple[str, ...] = ()
    until: datetime | None = None
    include_configured: bool = False


@dataclass(frozen=True, slots=True)
class RehearsePrune:
    """List the networks that a prune would remove."""


@dataclass(frozen=True, slots=True)
class Connect:
    """Connect a container to a network with these settings."""

    network: str
    container: str
    spec: EndpointSpec = field(default_factory=EndpointSpec)


@dataclass(frozen=True, slots=True)
class Disconnect:
    """Disconnect a container. ``force`` also removes an endpoint whose container is gone."""

    network: str
    container: str
    force: bool = False


@dataclass(frozen=True, slots=True)
class CreateContainer:
    """Create a container, and start it unless the request says otherwise."""

    spec: ContainerRequest


@dataclass(frozen=True, slots=True)
class StartContainer:
    """Start a stopped container, or unpause a paused one."""

    container: str


@dataclass(frozen=True, slots=True)
class StopContainer:
    """Stop a container. Without ``grace_s`` it gets the service's own grace period."""

    container: str
    grace_s: int | None = None


@dataclass(frozen=True, slots=True)
class RestartContainer:
    """Restart a container. Without ``grace_s`` it gets the service's own grace period."""

    container: str
    grace_s: int | None = None


@dataclass(frozen=True, slots=True)
class DeleteContainer:
    """Delete a container; a running one only with ``force``."""

    container: str
    force: bool = False


@dataclass(frozen=True, slots=True)
class UpgradeEngine:
    """Run another release of the engine, or the same with other settings; what is ``None`` stays as it is.

    Only a plan has it, and nothing applies it. ``version`` is written as Docker writes it, with or without the patch
    level. The settings are those of daemon.json.
    """

    version: str | None = None
    firewall_backend: str | None = None
    userland_proxy: bool | None = None
    iptables: bool | None = None
    ip6tables: bool | None = None
    icc: bool | None = None
    allow_direct_routing: bool | None = None


@dataclass(frozen=True, slots=True)
class FindFreeSubnets:
    """List free subnets with this prefix length."""

    prefix_len: int


@dataclass(frozen=True, slots=True)
class Read:
    """Read a resource. ``of`` names the network or container that the resource is, or belongs to."""

    resource: Literal[
        "networks",
        "containers",
        "nodes",
        "engine",
        "network",
        "container",
        "endpoints",
        "addresses",
        "expectations",
        "document",
    ]
    of: str = ""


@dataclass(frozen=True, slots=True)
class Call:
    """A request that another instance of this service rendered already: its method, path and JSON body."""

    method: str
    path: str
    body: Mapping[str, Any] | None = None


Action = (
    CreateNetwork
    | DeleteNetwork
    | RehearsePrune
    | Connect
    | Disconnect
    | StartContainer
    | StopContainer
    | RestartContainer
    | DeleteContainer
    | FindFreeSubnets
    | Read
    | Call
)
"""What a remedy holds."""
Change = (
    CreateNetwork
    | DeleteNetwork
    | PruneNetworks
    | Connect
    | Disconnect
    | CreateContainer
    | StartContainer
    | StopContainer
    | RestartContainer
    | DeleteContainer
)
"""What a plan holds: each changes the engine."""
