"""At which address a source tries a container: the one choice that a check and a matrix share.

On a network the two share, one that lets its endpoints talk before one that does not, IPv4 before IPv6; else any
address of the container. In one namespace, its own address; a container in host mode at the host, as the source
addresses that. A container without an address, or one left in a namespace that its owner gave up, is not tried at all.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address, ip_address

from bridgework.analysis.attachment import IPV4, IPV6, Attachment, EngineState, gateway_of, interface_of, version_of
from bridgework.analysis.routing import default_exit, has_host_address, host_address_on, is_vlan, locate
from bridgework.model.snapshot import Endpoint, Network

HOST_LOOPBACK = "127.0.0.1"


@dataclass(frozen=True, slots=True)
class _Source:
    """What the choice needs of a source: its endpoint in each network, with its rank, and the subnets around it.

    A rank sorts by whether the network keeps its endpoints apart, then by the order of the source's endpoints.
    """

    attachment: Attachment
    endpoints: dict[str, tuple[bool, int, Endpoint]]
    subnets: tuple[tuple[int, int, int, int, str], ...]
    addresses: frozenset[str]


class Reach:
    """The choice for one snapshot, one order of address families and one set of observations.

    It keeps what it worked out of each container: a matrix of 1,000 asks it of a million pairs. ``versions`` are the
    families that may be tried.
    """

    def __init__(self, state: EngineState, versions: tuple[int, ...]) -> None:
        self._state, self._snapshot, self._versions = state, state.snapshot, versions
        self._sources: dict[str | None, _Source] = {}
        self._elsewhere: dict[str | None, str | None] = {}

    def address_of(self, source: Attachment, destination: Attachment) -> str | None:
        """The address at which the source tries the container; ``None`` where there is nothing to try."""
        if source.is_same_namespace(destination):
            own = (a for e in destination.endpoints for a in e.addresses if version_of(a) in self._versions)
            return next(own, self._loopback())
        if destination.is_host:
            return next((a for a in self.host_addresses(source) if version_of(a)), None)
        asking = self._source(source)
        for network_id, address in self._shared(asking, destination):
            if self._leads(asking, address, network_id):
                return address
        return self._any(destination)

    def host_addresses(self, source: Attachment) -> Iterator[str]:
        """The host as the source addresses it: its loopback, or the default gateway, or the host's end of a bridge."""
        if source.is_host:
            yield self._loopback()
            return
        for version in self._versions:
            leaves = default_exit(self._state, source, version)
            if leaves is not None and not is_vlan(leaves) and has_host_address(leaves, version):
                places = (_gateway_on(source, leaves, version), host_address_on(self._snapshot, leaves, version))
                yield from (address for address in places if address)
        for version in self._versions:
            for endpoint in source.endpoints:
                network = self._snapshot.networks_by_id[endpoint.network_id]
                if address := host_address_on(self._snapshot, network, version):
                    yield address

    def _loopback(self) -> str:
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
        """Network id and address of the destination, on each network where both have an address of the family."""
        found = [
            (silent, version, order, theirs.network_id, address)
            for theirs in destination.endpoints
            if theirs.network_id in source.endpoints
            for silent, order, own in (source.endpoints[theirs.network_id],)
            for version in self._versions
            if (address := _address(theirs, version)) and _address(own, version)
        ]
        return [(network_id, address) for *_, network_id, address in sorted(found)]

    def _leads(self, source: _Source, address: str, network_id: str) -> bool:
        """Whether the source routes the address to that network: where subnets overlap, the narrowest one wins."""
        if address in source.addresses:
            return True
        parsed = _parsed(address)
        if parsed is None:
            return False
        number = int(parsed)
        around = [s for s in source.subnets if s[0] == parsed.version and s[1] <= number <= s[2]]
        if around:
            return max(around, key=lambda subnet: subnet[3])[4] == network_id
        candidate = locate(self._state, source.attachment, address)
        return candidate is not None and (candidate.network is None or candidate.network.id == network_id)

    def _any(self, destination: Attachment) -> str | None:
        """Any address of the container, those on networks with a place for the host first."""
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


def talks_inside(network: Network) -> bool:
    """Whether the network's options let its endpoints talk to each other."""
    if is_vlan(network):
        return vlan_mode(network) not in {"private", "vepa"}
    return network.driver != "bridge" or network.inter_container_enabled


def vlan_mode(network: Network) -> str:
    """``bridge`` unless the options of a macvlan or ipvlan network say otherwise."""
    key = "macvlan_mode" if network.driver == "macvlan" else "ipvlan_flag"
    return network.options.get(key) or "bridge"


def _subnets(attachment: Attachment) -> Iterator[tuple[int, int, int, int, str]]:
    """Version, first and last address, prefix length and network of each subnet that the namespace is in."""
    for endpoint in attachment.endpoints:
        for version in (IPV4, IPV6):
            interface = interface_of(endpoint, version)
            if interface is not None:
                subnet = interface.network
                yield version, int(subnet[0]), int(subnet[-1]), subnet.prefixlen, endpoint.network_id


@lru_cache(maxsize=16_384)
def _parsed(address: str) -> IPv4Address | IPv6Address | None:
    """Kept, since a matrix looks at the address of a container once for each source on its network."""
    try:
        return ip_address(address)
    except ValueError:
        return None


def _address(endpoint: Endpoint, version: int) -> str | None:
    return endpoint.ipv4_address if version == IPV4 else endpoint.ipv6_address


def _gateway_on(source: Attachment, network: Network, version: int) -> str | None:
    return next((gateway_of(e, version) for e in source.endpoints if e.network_id == network.id), None)
