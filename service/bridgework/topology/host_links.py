"""The host's links: the other ends of veths, the ports of bridges, and bridges that belong to no network.

Pairs of veths are matched as the kernel does, by index and peer index (rtnetlink(7), IFLA_LINK) in both directions, and
by the namespace in which the host's end has its peer (IFLA_LINK_NETNSID). One index proves nothing, because indexes
repeat from namespace to namespace. Names prove nothing either.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from bridgework.model.observations import Interface, Observation
from bridgework.model.snapshot import Container, Endpoint, Network, Snapshot

ShareState = Literal["whole", "unknown", "stale", "owner-down", "owner-gone"]
_FRACTION_DIGITS = 9
_DOCKER_BRIDGE = re.compile(r"br-[0-9a-f]{12}")

# Docker's names for bridges, and for the dummy parents of macvlan (dm) and ipvlan (di) networks without a parent.
_DOCKER_LINK = re.compile(r"docker0|docker_gwbridge|(br|dm|di)-[0-9a-f]{12}")


@dataclass(frozen=True, slots=True)
class HostLinks:
    """The host's links by index and by name, and Docker's bridge networks by the name of their bridge."""

    by_index: Mapping[int, Interface]
    by_name: Mapping[str, Interface]
    networks: Mapping[str, Network]

    def peer_of(self, inside: Interface) -> Interface | None:
        """Return the host's end of a container's veth; both ends name each other's index."""
        peer = self.by_index.get(inside.peer_index) if inside.peer_index is not None else None
        return peer if peer is not None and peer.peer_index in {inside.index, None} else None

    def master(self, link: Interface | None) -> Interface | None:
        """Return the bridge that a link of the host is a port of."""
        return self.by_index.get(link.master_index) if link is not None and link.master_index is not None else None

    def ports(self, bridge: Interface) -> tuple[Interface, ...]:
        """Return the links of the host that are ports of the bridge, by index."""
        return tuple(link for _, link in sorted(self.by_index.items()) if link.master_index == bridge.index)

    def network_of(self, bridge: Interface | None) -> Network | None:
        """Return the Docker network whose bridge it is."""
        return self.networks.get(bridge.name) if bridge is not None and bridge.kind == "bridge" else None

    def is_orphan(self, link: Interface) -> bool:
        """Return whether it is a bridge as Docker names them (``br-`` and twelve digits) that no network owns."""
        named = link.kind == "bridge" and _DOCKER_BRIDGE.fullmatch(link.name) is not None
        return named and link.name not in self.networks

    def docker_link_behind(self, name: str) -> str | None:
        """Return the link of a Docker network that a parent interface of this name would put a container on.

        That is the link itself, the bridge that the link is a port of, or the link of which ``name`` is a VLAN.
        ``None`` where the link is not Docker's.
        """
        # The drivers make the VLAN docker0.5 of docker0 by themselves, so each part of the name is looked up.
        parts = name.split(".")
        for count in range(1, len(parts) + 1):
            candidate = ".".join(parts[:count])
            link = self.by_name.get(candidate)
            above = self.master(link)
            for link_name in (candidate, above.name if above is not None else ""):
                if link_name in self.networks or _DOCKER_LINK.fullmatch(link_name):
                    return link_name
        return None

    def pairs(self, inside: Sequence[Interface]) -> Mapping[int, Interface]:
        """Map the index of each veth in *one* container's namespace to its other end on the host.

        A pair is two ends that name each other's index, each with its peer in another namespace.
        """
        # All ends of one namespace have the same id of it on the host. An end that fits by indexes alone is dropped.
        ends = {link.index: end for link in inside if (end := self._other_end(link)) is not None}
        ids = Counter(end.peer_namespace_id for end in ends.values()).most_common(2)
        if len(ids) > 1 and ids[0][1] == ids[1][1]:
            return {}
        return {index: end for index, end in ends.items() if end.peer_namespace_id == ids[0][0]}

    def _other_end(self, inside: Interface) -> Interface | None:
        if inside.kind != "veth" or inside.peer_index is None or inside.peer_namespace_id is None:
            return None
        end = self.by_index.get(inside.peer_index)
        if end is None or end.kind != "veth" or end.peer_namespace_id is None:
            return None
        return end if end.peer_index == inside.index else None


def host_links(snapshot: Snapshot, links: Iterable[Interface]) -> HostLinks:
    """Index the links of the host."""
    links = tuple(links)
    networks = {network.bridge_name: network for network in snapshot.networks if network.bridge_name}
    return HostLinks({link.index: link for link in links}, {link.name: link for link in links}, networks)


def interface_of(endpoint: Endpoint, observation: Observation | None) -> Interface | None:
    """Return the interface inside that carries the endpoint: by MAC address, else by IP address."""
    interfaces = observation.interfaces if observation else None
    if not interfaces:
        return None
    own_addresses = set(endpoint.addresses)
    for interface in interfaces:
        if endpoint.mac_address and interface.mac_address == endpoint.mac_address:
            return interface
        if any(address.address in own_addresses for address in interface.addresses):
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
