"""The interface of an endpoint, its other end on the host, and whether a shared namespace is whole.

Pairs of veths are matched as the kernel does, by index and peer index (rtnetlink(7), IFLA_LINK), never by name.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from bridgework.model.observations import HostObservation, Interface, Observation
from bridgework.model.snapshot import Container, Endpoint, Snapshot

ShareState = Literal["whole", "unknown", "stale", "owner-down", "owner-gone"]
_FRACTION_DIGITS = 9


@dataclass(frozen=True, slots=True)
class HostLinks:
    """The host's interfaces, found by index and by name."""

    by_index: Mapping[int, Interface]
    by_name: Mapping[str, Interface]

    def peer_of(self, inside: Interface) -> Interface | None:
        """Return the host's end of a container's veth: the two name each other's index."""
        peer = self.by_index.get(inside.peer_index) if inside.peer_index is not None else None
        return peer if peer is not None and peer.peer_index in {inside.index, None} else None

    def master_of(self, interface: Interface) -> Interface | None:
        """Return the bridge it is a port of."""
        return self.by_index.get(interface.master_index) if interface.master_index is not None else None


def host_links(host: HostObservation | None) -> HostLinks | None:
    """Return the host's interfaces; ``None`` where they were not seen."""
    interfaces = host.observation.interfaces if host else None
    if interfaces is None:
        return None
    return HostLinks({i.index: i for i in interfaces}, {i.name: i for i in interfaces})


def interface_of(endpoint: Endpoint, observation: Observation | None) -> Interface | None:
    """Return the interface inside that carries the endpoint: by MAC address, else by IP address."""
    interfaces = observation.interfaces if observation else None
    if not interfaces:
        return None
    wanted = set(endpoint.addresses)
    for interface in interfaces:
        if endpoint.mac_address and interface.mac_address == endpoint.mac_address:
            return interface
        if any(address.address in wanted for address in interface.addresses):
            return interface
    return None


def share_state(snapshot: Snapshot, sharer: Container, inodes: Mapping[str, int]) -> ShareState:
    """Return whether a container in mode ``container:X`` is still in the namespace of X."""
    owner = snapshot.containers_by_id.get(sharer.shares_with or "")
    if owner is None:
        return "owner-gone"
    if not owner.running:
        return "owner-down"
    if not sharer.running:
        return "unknown"
    if sharer.id in inodes and owner.id in inodes:
        return "whole" if inodes[sharer.id] == inodes[owner.id] else "stale"
    # An owner that started after the sharer has a newer namespace than the sharer entered. The other order proves
    # nothing.
    if owner.started_at and sharer.started_at and _instant(owner.started_at) > _instant(sharer.started_at):
        return "stale"
    return "unknown"


def _instant(time: str) -> tuple[str, str]:
    """Return a sort key for an RFC 3339 time. The text is none: Docker cuts the zeros at the end of a fraction."""
    whole, _, fraction = time.removesuffix("Z").partition(".")
    return whole, fraction.ljust(_FRACTION_DIGITS, "0")
