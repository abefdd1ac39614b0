"""Where a container stands: whose network namespace it uses, in what condition, and by which endpoint it leaves.

A container in mode ``container:X`` uses the endpoints of X, or of whoever X shares with in turn; one in host mode is
the host. The endpoints decide, not the mode: a container created with ``none`` that was connected to a network later
keeps the mode ``none`` and has an address all the same (engine 26.1, measured). Total: an id that nobody has stands
nowhere. Sends nothing, decides nothing about reachability.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from ipaddress import IPv4Interface, IPv6Interface, ip_address, ip_interface

from bridgework.model.observations import Observations
from bridgework.model.snapshot import Container, Endpoint, Network, Snapshot

IPV4, IPV6 = 4, 6
_NO_NETWORK_DRIVERS = frozenset({"host", "null"})


class Condition(StrEnum):
    """What the namespace is good for."""

    NETWORKED = "networked"
    LOOPBACK_ONLY = "loopback-only"
    HOST = "host"
    DOWN = "down"
    OWNER_DOWN = "owner-down"
    STALE = "stale"


@dataclass(frozen=True, slots=True)
class Attachment:
    """A place a packet leaves or arrives at. ``container`` is ``None`` for the host itself.

    ``owner`` is the container whose namespace it is: itself, or the end of its ``container:X`` chain; ``None`` for
    the host and where the owner is gone. ``endpoints`` are the active ones, in the order in which the engine lets
    them give the default route.
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
        """Whether it is the host's own namespace."""
        return self.condition is Condition.HOST

    def is_same_namespace(self, other: Attachment) -> bool:
        """Whether the two are one namespace."""
        if self.is_host or other.is_host:
            return self.is_host and other.is_host
        if Condition.STALE in {self.condition, other.condition}:
            return self.container == other.container
        return self.owner is not None and other.owner is not None and self.owner.id == other.owner.id


THE_HOST = Attachment(Condition.HOST)


class EngineState:
    """The state that the analysis reads: the engine's snapshot, and the observations made beside it.

    It keeps the attachment of each container, so that it is derived once however many questions read it.
    """

    __slots__ = ("_attachments", "observations", "snapshot")

    def __init__(self, snapshot: Snapshot, observations: Observations) -> None:
        self.snapshot, self.observations = snapshot, observations
        self._attachments: dict[str | None, Attachment] = {None: THE_HOST}

    def attachment_of(self, container_id: str | None) -> Attachment:
        """Return the container's attachment; ``None`` is the host. An unknown id is a container that was removed."""
        found = self._attachments.get(container_id)
        if found is None:
            found = derive_attachment(self.snapshot, container_id or "", self.observations)
            self._attachments[container_id] = found
        return found


def derive_attachment(snapshot: Snapshot, container_id: str, observations: Observations) -> Attachment:
    """Derive the attachment of a container. ``EngineState.attachment_of`` keeps the result."""
    container = snapshot.containers_by_id.get(container_id)
    if container is None:
        gone = Container(container_id, container_id[:12], state="removed")
        return Attachment(Condition.DOWN, gone, gone)
    owner = snapshot.network_owner_of(container)
    endpoints: tuple[Endpoint, ...] = ()
    if not container.running:
        condition = Condition.DOWN
    elif owner is None or not owner.running:
        condition = Condition.OWNER_DOWN
    elif owner.host_mode:
        condition = Condition.HOST
    elif owner is not container and _is_stale(container, owner, observations):
        condition = Condition.STALE
    else:
        endpoints = ordered_endpoints(snapshot, owner)
        condition = Condition.NETWORKED if endpoints else Condition.LOOPBACK_ONLY
    return Attachment(condition, container, owner, endpoints)


def _is_stale(sharer: Container, owner: Container, observations: Observations) -> bool:
    """Whether the owner got a new namespace since the sharer entered its own.

    The inodes settle it. Unseen, the start times do: the engine starts a sharer only while the owner runs, so an
    owner that started later was started again.
    """
    inodes = observations.namespace_inodes
    if sharer.id in inodes and owner.id in inodes:
        return inodes[sharer.id] != inodes[owner.id]
    entered, renewed = _moment(sharer.started_at), _moment(owner.started_at)
    return entered is not None and renewed is not None and renewed > entered


def _moment(text: str | None) -> datetime | None:
    try:
        moment = datetime.fromisoformat(text or "")
    except ValueError:
        return None
    return moment if moment.tzinfo else None


def ordered_endpoints(snapshot: Snapshot, container: Container) -> tuple[Endpoint, ...]:
    """Its active endpoints in the order of libnetwork's ``Endpoint.Less``: the first with a gateway gives the route.

    Not internal before internal, higher priority first, both families before one, then by the network's name.
    """
    active = [
        (network, endpoint)
        for endpoint in container.endpoints
        if endpoint.state == "active"
        and (network := snapshot.networks_by_id.get(endpoint.network_id)) is not None
        and network.driver not in _NO_NETWORK_DRIVERS
    ]
    return tuple(endpoint for _, endpoint in sorted(active, key=_gateway_order))


def _gateway_order(pair: tuple[Network, Endpoint]) -> tuple[bool, int, bool, str, str]:
    network, endpoint = pair
    both_families = bool(endpoint.gateway and endpoint.ipv6_gateway)
    return (network.internal, -endpoint.gateway_priority, not both_families, network.name, network.id)


def interface_of(endpoint: Endpoint, version: int) -> IPv4Interface | IPv6Interface | None:
    """The endpoint's address with its prefix, or ``None`` where it has none of that family or it is no address."""
    if version == IPV4:
        address, length = endpoint.ipv4_address, endpoint.ipv4_prefix_len
    else:
        address, length = endpoint.ipv6_address, endpoint.ipv6_prefix_len
    if not address:
        return None
    try:
        return ip_interface(f"{address}/{length}" if length else address)
    except ValueError:
        return None


def gateway_of(endpoint: Endpoint, version: int) -> str | None:
    """The gateway the engine recorded for the endpoint, if it is an address of that family."""
    gateway = endpoint.ipv6_gateway if version == IPV6 else endpoint.gateway
    return gateway if gateway and version_of(gateway) == version else None


def version_of(address: str) -> int | None:
    """4 or 6; ``None`` for what is no address."""
    try:
        return ip_address(address).version
    except ValueError:
        return None
