"""The attachment of a container: which network namespace it uses, in what condition, with which endpoints.

A container in network mode ``container:X`` uses the namespace and the endpoints of X. A container in host mode uses
the host's namespace.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Interface, IPv6Address, IPv6Interface, ip_address, ip_interface
from typing import Any, TypeVar

from bridgework.model.observations import Observations
from bridgework.model.snapshot import Container, Endpoint, Network, Snapshot

_Derived = TypeVar("_Derived")
IPV4, IPV6 = 4, 6
# The networks host and none: the engine lists endpoints there, but they have no address.
_NO_NETWORK_DRIVERS = frozenset({"host", "null"})


class Condition(StrEnum):
    """The condition of a namespace.

    ``owner-down``: the container whose namespace it shares does not run. ``stale``: that container was started again
    and has a new namespace, while the sharer is still in the old one.
    """

    NETWORKED = "networked"
    LOOPBACK_ONLY = "loopback-only"
    HOST = "host"
    DOWN = "down"
    OWNER_DOWN = "owner-down"
    STALE = "stale"


@dataclass(frozen=True, slots=True)
class Attachment:
    """A namespace that a packet leaves or arrives at. ``container`` is ``None`` for the host itself.

    ``owner`` is the container that the namespace belongs to: the container itself, or the end of its ``container:X``
    chain. It is ``None`` for the host, and where the owner was removed. ``endpoints`` are the active ones in the order
    of ``ordered_endpoints``; empty unless the condition is ``networked``.
    """

    condition: Condition
    container: Container | None = None
    owner: Container | None = None
    endpoints: tuple[Endpoint, ...] = ()

    @property
    def name(self) -> str:
        """The container's name, or ``the host``."""
        return self.container.name if self.container else "the host"

    @property
    def is_host(self) -> bool:
        """Whether this is the host's own namespace."""
        return self.condition is Condition.HOST

    def is_same_namespace(self, other: Attachment) -> bool:
        """Whether both use the same namespace."""
        if self.is_host or other.is_host:
            return self.is_host and other.is_host
        # A stale sharer is alone in the old namespace, although it names the same owner as the other sharers. A sharer
        # that does not run is in no namespace.
        if {self.condition, other.condition} & {Condition.STALE, Condition.DOWN, Condition.OWNER_DOWN}:
            return self.container == other.container
        # Two containers that share X are in one namespace with X and with each other.
        return self.owner is not None and other.owner is not None and self.owner.id == other.owner.id


THE_HOST = Attachment(Condition.HOST)


class EngineState:
    """The state that the analysis reads: the engine's snapshot, and the observations made beside it.

    It keeps the attachment of each container, and what rules derive of the whole engine, so that each is derived once
    however many questions read it.
    """

    __slots__ = ("_attachments", "_derived", "observations", "snapshot")

    def __init__(self, snapshot: Snapshot, observations: Observations) -> None:
        self.snapshot, self.observations = snapshot, observations
        # A matrix of 1,000 containers reads each attachment a thousand times.
        self._attachments: dict[str | None, Attachment] = {None: THE_HOST}
        self._derived: dict[object, Any] = {}

    def attachment_of(self, container_id: str | None) -> Attachment:
        """Return the container's attachment; ``None`` is the host. An unknown id is a container that was removed."""
        found = self._attachments.get(container_id)
        if found is None:
            found = derive_attachment(self.snapshot, container_id or "", self.observations)
            self._attachments[container_id] = found
        return found

    def once(self, derive: Callable[[Snapshot, Observations], _Derived]) -> _Derived:
        """Return what ``derive`` makes of this state. It is called once."""
        if derive not in self._derived:
            self._derived[derive] = derive(self.snapshot, self.observations)
        found: _Derived = self._derived[derive]
        return found


def derive_attachment(snapshot: Snapshot, container_id: str, observations: Observations) -> Attachment:
    """Derive the attachment of a container. ``EngineState.attachment_of`` keeps the result."""
    container = snapshot.containers_by_id.get(container_id)
    if container is None:
        # A removed container stays a valid end of a question: the rules say that it does not exist.
        gone = Container(container_id, container_id[:12], state="removed")
        return Attachment(Condition.DOWN, gone, gone)
    owner = snapshot.network_owner_of(container)  # follows container:X, also over several containers
    endpoints: tuple[Endpoint, ...] = ()
    if not container.running:
        condition = Condition.DOWN
    # Without the owner's process the engine cannot start the sharer. A sharer that still runs has lost its addresses.
    elif owner is None or not owner.running:
        condition = Condition.OWNER_DOWN
    # In host mode the container has no endpoint of its own. Its addresses and sockets are the host's.
    elif owner.host_mode:
        condition = Condition.HOST
    # Only a sharer can be stale: a container that owns its namespace gets a new one at each start.
    elif owner is not container and _is_stale(container, owner, observations):
        condition = Condition.STALE
    else:
        # The endpoints decide, not the mode: a container created with network mode none and connected to a network
        # later keeps the mode none, and has an address (measured on Docker 26.1).
        endpoints = ordered_endpoints(snapshot, owner)
        condition = Condition.NETWORKED if endpoints else Condition.LOOPBACK_ONLY
    return Attachment(condition, container, owner, endpoints)


def _is_stale(sharer: Container, owner: Container, observations: Observations) -> bool:
    """Whether the owner got a new namespace after the sharer entered the old one."""
    inodes = observations.namespace_inodes
    if sharer.id in inodes and owner.id in inodes:
        # The inode of /proc/<pid>/ns/net identifies a network namespace, so different inodes are different namespaces.
        return inodes[sharer.id] != inodes[owner.id]
    # Without inodes the start times tell: the engine starts a sharer only while its owner runs. So an owner with the
    # later start time was started again.
    entered, renewed = _moment(sharer.started_at), _moment(owner.started_at)
    return entered is not None and renewed is not None and renewed > entered


def _moment(text: str | None) -> datetime | None:
    try:
        moment = datetime.fromisoformat(text or "")
    except ValueError:
        return None
    # The engine writes UTC. A time without a zone comes from elsewhere, and comparing it would raise TypeError.
    return moment if moment.tzinfo else None


def ordered_endpoints(snapshot: Snapshot, container: Container) -> tuple[Endpoint, ...]:
    """Order the active endpoints as libnetwork does: the first one with a gateway gives the default route.

    Source: ``Endpoint.Less`` in moby's ``libnetwork/endpoint.go``. Networks that are not internal come first, then
    those with the higher gateway priority, then those with gateways of both families, then by the network's name.
    """
    active = [
        (network, endpoint)
        for endpoint in container.endpoints
        # Inactive endpoints are those of a stopped container: configured, and without an address.
        if endpoint.state == "active"
        and (network := snapshot.networks_by_id.get(endpoint.network_id)) is not None
        and network.driver not in _NO_NETWORK_DRIVERS
    ]
    return tuple(endpoint for _, endpoint in sorted(active, key=_gateway_order))


def _gateway_order(pair: tuple[Network, Endpoint]) -> tuple[bool, int, bool, str, str]:
    network, endpoint = pair
    # A gateway of the other family alone does not make an endpoint the exit for both.
    both_families = bool(endpoint.gateway and endpoint.ipv6_gateway)
    return (network.internal, -endpoint.gateway_priority, not both_families, network.name, network.id)


def interface_of(endpoint: Endpoint, version: int) -> IPv4Interface | IPv6Interface | None:
    """Return the endpoint's address with its prefix length; ``None`` where it has none of that family."""
    if version == IPV4:
        address, length = endpoint.ipv4_address, endpoint.ipv4_prefix_len
    else:
        address, length = endpoint.ipv6_address, endpoint.ipv6_prefix_len
    if not address:
        return None
    # Without a prefix length, as of a gossiped endpoint, the subnet is the address alone.
    return _interface(f"{address}/{length}" if length else address)


@lru_cache(maxsize=16_384)
def _interface(text: str) -> IPv4Interface | IPv6Interface | None:
    try:
        return ip_interface(text)
    except ValueError:
        return None


def gateway_of(endpoint: Endpoint, version: int) -> str | None:
    """Return the gateway that the engine recorded for the endpoint; ``None`` where it has none of that family."""
    gateway = endpoint.ipv6_gateway if version == IPV6 else endpoint.gateway
    return gateway if gateway and version_of(gateway) == version else None


def version_of(address: str) -> int | None:
    """Return 4 or 6; ``None`` for a text that is no address."""
    found = parsed(address)
    return found.version if found else None


# Cached: parsing took a third of the time of a matrix, which parses each address once for each source.
@lru_cache(maxsize=16_384)
def parsed(address: str) -> IPv4Address | IPv6Address | None:
    """Parse an address; ``None`` for a text that is none."""
    try:
        return ip_address(address)
    except ValueError:
        return None
