"""The address at which a source tries a container: one choice, which a check and a matrix share.

First come the networks that both are on: those whose endpoints may talk to each other before those that keep them
apart, then IPv4 before IPv6. Without such a network, any address of the container is tried. In one namespace the
container is tried at its own address, and a container in host mode at an address of the host. A container that has no
address, or whose shared namespace is stale, is not tried.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from bridgework.analysis.attachment import (
    IPV4,
    IPV6,
    Attachment,
    EngineState,
    gateway_of,
    interface_of,
    parsed,
    version_of,
)
from bridgework.analysis.routing import default_exit, has_host_address, host_address_on, is_vlan, locate
from bridgework.model.snapshot import Endpoint, Network

# From the host, a port that is published at any address also answers at the loopback.
HOST_LOOPBACK = "127.0.0.1"
_HOST = "host"


@dataclass(frozen=True, slots=True)
class _Source:
    """What the choice needs of a source, kept for all its destinations.

    ``endpoints`` maps a network's id to whether the network keeps its endpoints apart, the position of the source's
    endpoint, and the endpoint. ``subnets`` are version, first and last address, prefix length and network id.
    """

    attachment: Attachment
    endpoints: dict[str, tuple[bool, int, Endpoint]]
    subnets: tuple[tuple[int, int, int, int, str], ...]
    addresses: frozenset[str]


class Reach:
    """The choice of addresses in one state of the engine. ``versions`` are the address families to try, in order.

    It keeps what it derives of each container, since a matrix of 1,000 containers makes a million choices.
    """

    def __init__(self, state: EngineState, versions: tuple[int, ...]) -> None:
        self._state, self._snapshot, self._versions = state, state.snapshot, versions
        self._sources: dict[str | None, _Source] = {}
        # Containers without a common network are most of the pairs. Their address does not depend on the source.
        self._elsewhere: dict[str | None, str | None] = {}

    def address_of(self, source: Attachment, destination: Attachment) -> str | None:
        """Return the address at which the source tries the container; ``None`` where there is nothing to try."""
        if source.is_same_namespace(destination):
            # In one namespace each address of it leads over lo. The first of the families to try is as good as another.
            own = (a for e in destination.endpoints for a in e.addresses if version_of(a) in self._versions)
            return next(own, self._loopback())
        # The ports of a container in host mode are ports of the host.
        if destination.is_host:
            return next((a for a in self.host_addresses(source) if version_of(a)), None)
        asking = self._source(source)
        # A shared network is not enough: with overlapping subnets the source may route the address to another network.
        for network_id, address in self._shared(asking, destination):
            if self._leads(asking, address, network_id):
                return address
        return self._any(destination)

    def rows(self, attachments: Sequence[Attachment]) -> Iterator[list[str | None]]:
        """Yield for each attachment, as the source, the address of each as the destination (``address_of``)."""
        elsewhere = [self._any(destination) for destination in attachments]
        columns: dict[str, list[int]] = {}
        for column, destination in enumerate(attachments):
            for place in _places(destination):
                columns.setdefault(place, []).append(column)
        for source in attachments:
            row = elsewhere.copy()
            # The address depends on the source only where the two have something in common, and for the host.
            for column in {column for place in (*_places(source), _HOST) for column in columns.get(place, ())}:
                row[column] = self.address_of(source, attachments[column])
            yield row

    def host_addresses(self, source: Attachment) -> Iterator[str]:
        """Yield the host's addresses for the source, the best first.

        From the host that is its loopback. From a container it is the default gateway, then the host's address on
        each of the container's bridges.
        """
        if source.is_host:
            yield self._loopback()
            return
        for version in self._versions:
            leaves = default_exit(self._state, source, version)
            # A macvlan or ipvlan leaves past the host, so its gateway is a router of the LAN.
            if leaves is not None and not is_vlan(leaves) and has_host_address(leaves, version):
                # An overlay network has no gateway. Then the host's address on docker_gwbridge is the default gateway.
                places = (_gateway_on(source, leaves, version), host_address_on(self._snapshot, leaves, version))
                yield from (address for address in places if address)
        for version in self._versions:
            for endpoint in source.endpoints:
                network = self._snapshot.networks_by_id[endpoint.network_id]
                if address := host_address_on(self._snapshot, network, version):
                    yield address

    def _loopback(self) -> str:
        # 127.0.0.1 comes first: without docker-proxy the NAT rules translate it, but not ::1 (``rules/host.py``).
        return "::1" if self._versions == (IPV6,) else HOST_LOOPBACK

    def _source(self, attachment: Attachment) -> _Source:
        key = attachment.container.id if attachment.container else None
        if key not in self._sources:
            networks = self._snapshot.networks_by_id
            self._sources[key] = _Source(
                attachment,
                {
                    endpoint.network_id: (not talks_inside(networks[endpoint.network_id]), order, endpoint)
                    for order, endpoint in enumerate(attachment.endpoints)
                },
                tuple(_subnets(attachment)),
                frozenset(address for endpoint in attachment.endpoints for address in endpoint.addresses),
            )
        return self._sources[key]

    def _shared(self, source: _Source, destination: Attachment) -> list[tuple[str, str]]:
        """List network id and address of the destination, where both ends have an address of the family."""
        found = [
            (silent, version, order, theirs.network_id, address)
            for theirs in destination.endpoints
            if theirs.network_id in source.endpoints
            for silent, order, own in (source.endpoints[theirs.network_id],)
            for version in self._versions
            # The source needs an address of the same family on this network, or it has no route there.
            if (address := _address(theirs, version)) and _address(own, version)
        ]
        # Sorted: networks that let their endpoints talk first, then IPv4, then the order of the source's endpoints.
        return [(network_id, address) for *_, network_id, address in sorted(found)]

    def _leads(self, source: _Source, address: str, network_id: str) -> bool:
        """Whether the source routes the address to that network, and not to another one with an overlapping subnet."""
        if address in source.addresses:
            return True
        found = parsed(address)
        if found is None:
            return False
        number = int(found)
        # Fast path: the source is in a subnet that has the address. The longest prefix wins, as in the kernel's table.
        around = [s for s in source.subnets if s[0] == found.version and s[1] <= number <= s[2]]
        if around:
            return max(around, key=lambda subnet: subnet[3])[4] == network_id
        candidate = locate(self._state, source.attachment, address)
        return candidate is not None and (candidate.network is None or candidate.network.id == network_id)

    def _any(self, destination: Attachment) -> str | None:
        """Return any address of the container; bridges come first, since the host can forward to them."""
        key = destination.container.id if destination.container else None
        if key not in self._elsewhere:
            found = [
                (is_vlan(self._snapshot.networks_by_id[endpoint.network_id]), version, position, address)
                for position, endpoint in enumerate(destination.endpoints)
                for version in self._versions
                if (address := _address(endpoint, version)) and version_of(address)
            ]
            self._elsewhere[key] = min(found)[3] if found else None
        return self._elsewhere[key]


def _places(attachment: Attachment) -> set[str]:
    """Return what an attachment can have in common with another: its networks, and whose namespace it is in."""
    found = {endpoint.network_id for endpoint in attachment.endpoints}
    if attachment.owner:
        found.add(attachment.owner.id)
    if attachment.is_host:
        found.add(_HOST)
    return found


def talks_inside(network: Network) -> bool:
    """Whether the network's options let its endpoints talk to each other."""
    if is_vlan(network):
        return vlan_mode(network) not in {"private", "vepa"}
    # Only the bridge driver has enable_icc. An overlay network always lets its endpoints talk.
    return network.driver != "bridge" or network.inter_container_enabled


def vlan_mode(network: Network) -> str:
    """Return the mode of a macvlan or ipvlan network; ``bridge`` where its options name none."""
    key = "macvlan_mode" if network.driver == "macvlan" else "ipvlan_flag"
    return network.options.get(key) or "bridge"


def _subnets(attachment: Attachment) -> Iterator[tuple[int, int, int, int, str]]:
    """Yield version, first and last address, prefix length and network id of each subnet of the namespace."""
    for endpoint in attachment.endpoints:
        for version in (IPV4, IPV6):
            interface = interface_of(endpoint, version)
            if interface is not None:
                subnet = interface.network
                yield version, int(subnet[0]), int(subnet[-1]), subnet.prefixlen, endpoint.network_id


def _address(endpoint: Endpoint, version: int) -> str | None:
    return endpoint.ipv4_address if version == IPV4 else endpoint.ipv6_address


def _gateway_on(source: Attachment, network: Network, version: int) -> str | None:
    return next((gateway_of(e, version) for e in source.endpoints if e.network_id == network.id), None)
