"""The addresses at which a source tries a container: one choice, which a check and a matrix share.

These are all addresses of the container that the source can send to. First come those on the networks that both are on:
networks whose endpoints may talk to each other before those that keep them apart, then IPv4 before IPv6. Then come the
addresses on the container's other networks, where the source has a default route for their IP version. In one namespace
the container is tried at its own addresses, and a container in host mode at addresses of the host. A container that has
no address, or whose shared namespace is stale, is not tried.
"""

from __future__ import annotations

from collections.abc import Container, Iterator, Sequence
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
from bridgework.analysis.routing import default_exit, has_host_address, host_address_on, is_vlan, locate, subnet_of
from bridgework.model.snapshot import Endpoint, Network, Snapshot

# From the host, a port that is published at any address also answers at the loopback.
LOOPBACKS = {IPV4: "127.0.0.1", IPV6: "::1"}
_HOST, _OVERLAPPING = "host", "overlapping"


@dataclass(frozen=True, slots=True)
class _Source:
    """What the choice needs of a source, kept for all its destinations.

    ``endpoints`` maps a network's id to whether the network keeps its endpoints apart, the position of the source's
    endpoint, and the endpoint. ``subnets`` are version, first and last address, prefix length and network id.
    ``leaves`` are the IP versions for which the source has a route beyond its own networks.
    """

    attachment: Attachment
    endpoints: dict[str, tuple[bool, int, Endpoint]]
    subnets: tuple[tuple[int, int, int, int, str], ...]
    addresses: frozenset[str]
    leaves: tuple[int, ...]


class Reach:
    """The choice of addresses in one state of the engine. ``versions`` are the address families to try, in order.

    It keeps what it derives of each container, since a matrix of 1,000 containers makes a million choices.
    """

    def __init__(self, state: EngineState, versions: tuple[int, ...]) -> None:
        self._state, self._snapshot, self._versions = state, state.snapshot, versions
        self._sources: dict[str | None, _Source] = {}
        # Containers without a common network are most of the pairs. Their addresses depend on the destination, and on
        # the IP versions for which the source has a default route.
        self._elsewhere: dict[tuple[str | None, tuple[int, ...]], tuple[str, ...]] = {}

    def addresses_of(self, source: Attachment, destination: Attachment) -> tuple[str, ...]:
        """Return the addresses at which the source tries the container, in that order."""
        if source.is_same_namespace(destination):
            # In one namespace each address of it leads over lo.
            own = (a for e in destination.endpoints for a in e.addresses if version_of(a) in self._versions)
            return tuple(dict.fromkeys(own)) or self._loopbacks(source)
        # The ports of a container in host mode are ports of the host.
        if destination.is_host:
            return self.host_addresses(source)
        asking = self._source(source)
        # A shared network is not enough: with overlapping subnets the source may route the address to another network.
        shared = self._shared(asking, destination)
        near = [address for network_id, address in shared if self._leads(asking, address, network_id)]
        known = {address for _, address in shared}
        far = [a for a in self._far(destination, asking.leaves) if a not in known and not _is_around(asking, a)]
        # Without an address that it can send to, the first one shows why.
        return (*dict.fromkeys(near), *far) or self._far(destination, self._versions)[:1]

    def address_of(self, source: Attachment, destination: Attachment) -> str | None:
        """Return the address that the source tries first; ``None`` where there is nothing to try."""
        return next(iter(self.addresses_of(source, destination)), None)

    def rows(self, attachments: Sequence[Attachment]) -> Iterator[list[str | None]]:
        """Yield for each attachment, as the source, the address of each as the destination (``address_of``)."""
        elsewhere: dict[tuple[int, ...], list[str | None]] = {}
        overlapping = overlapping_networks(self._snapshot)
        places = [_places(attachment, overlapping) for attachment in attachments]
        columns: dict[str, list[int]] = {}
        for column, found in enumerate(places):
            for place in found:
                columns.setdefault(place, []).append(column)
        for source, found in zip(attachments, places, strict=True):
            leaves = self._source(source).leaves
            if leaves not in elsewhere:
                elsewhere[leaves] = [self._first_far(destination, leaves) for destination in attachments]
            row = elsewhere[leaves].copy()
            # The address depends on the source only where the two have something in common, and for the host.
            for column in {column for place in (*found, _HOST) for column in columns.get(place, ())}:
                row[column] = self.address_of(source, attachments[column])
            yield row

    def host_addresses(self, source: Attachment) -> tuple[str, ...]:
        """Return the host's addresses for the source, the best first.

        From the host these are its loopbacks. From a container they are the default gateways, then the host's addresses
        on the container's bridges.
        """
        return self._loopbacks(source) if source.is_host else tuple(dict.fromkeys(self._host_addresses(source)))

    def _host_addresses(self, source: Attachment) -> Iterator[str]:
        for version in self._versions:
            leaves = default_exit(self._state, source, version)
            # A macvlan or ipvlan leaves past the host, so its gateway is a router of the LAN.
            if leaves is not None and not is_vlan(leaves) and has_host_address(leaves, version):
                # An overlay network has no gateway. Then the host's address on docker_gwbridge is the default gateway.
                places = (_gateway_on(source, leaves, version), host_address_on(self._snapshot, leaves, version))
                yield from (address for address in places if address and version_of(address))
        for version in self._versions:
            for endpoint in source.endpoints:
                network = self._snapshot.networks_by_id[endpoint.network_id]
                address = host_address_on(self._snapshot, network, version)
                if address and version_of(address):
                    yield address

    def _loopbacks(self, source: Attachment) -> tuple[str, ...]:
        # 127.0.0.1 comes first: without docker-proxy the NAT rules translate it, but not ::1 (``rules/host.py``).
        found = tuple(LOOPBACKS[version] for version in self._versions)
        # A container without IPv6 has no ::1: the engine switches IPv6 off in its namespace.
        return found if source.is_host else found[:1]

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
                # The host forwards to its own bridges by itself.
                tuple(v for v in self._versions if attachment.is_host or default_exit(self._state, attachment, v)),
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

    def _far(self, destination: Attachment, versions: tuple[int, ...]) -> tuple[str, ...]:
        """Return all addresses of the container; bridges come first, since the host can forward to them."""
        key = destination.container.id if destination.container else None, versions
        found = self._elsewhere.get(key)
        if found is None:
            ranked = [
                (is_vlan(self._snapshot.networks_by_id[endpoint.network_id]), version, position, address)
                for position, endpoint in enumerate(destination.endpoints)
                for version in versions
                if (address := _address(endpoint, version)) and version_of(address)
            ]
            found = self._elsewhere[key] = tuple(dict.fromkeys(address for *_, address in sorted(ranked)))
        return found

    def _first_far(self, destination: Attachment, versions: tuple[int, ...]) -> str | None:
        return next(iter(self._far(destination, versions) or self._far(destination, self._versions)), None)


def _is_around(source: _Source, address: str) -> bool:
    """Whether a subnet of the source has the address, so that a packet to it leaves for another holder."""
    found = parsed(address)
    number = int(found) if found is not None else 0
    return found is not None and any(s[0] == found.version and s[1] <= number <= s[2] for s in source.subnets)


def _places(attachment: Attachment, overlapping: Container[str]) -> set[str]:
    """Return what an attachment can have in common with another: its networks, and whose namespace it is in."""
    found = {endpoint.network_id for endpoint in attachment.endpoints}
    if any(network_id in overlapping for network_id in found):
        found.add(_OVERLAPPING)
    if attachment.owner:
        found.add(attachment.owner.id)
    if attachment.is_host:
        found.add(_HOST)
    return found


def overlapping_networks(snapshot: Snapshot) -> frozenset[str]:
    """Return the networks with a subnet that overlaps another network's."""
    found: set[str] = set()
    for version in (IPV4, IPV6):
        spans = sorted(
            (int(subnet.network_address), int(subnet.broadcast_address), network.id)
            for network in snapshot.networks
            for pool in network.pools
            if (subnet := subnet_of(pool)) is not None and subnet.version == version
        )
        # In the order of the first addresses, a subnet that overlaps an earlier one overlaps the one that ends last.
        widest = (-1, -1, "")
        for span in spans:
            if span[0] <= widest[1] and span[2] != widest[2]:
                found |= {span[2], widest[2]}
            widest = max(widest, span, key=lambda s: s[1])
    return frozenset(found)


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
