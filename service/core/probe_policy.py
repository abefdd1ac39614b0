"""Where a probe may go: containers, Docker's own subnets, and what the settings add. Never a port scanner.

The host's loopback, link-local, metadata and multicast addresses and the host's other addresses are refused in every
spelling; a published port of the host, and its ping, are what ``{"host": true}`` is for. An address and a name that
leads to it are judged by the same subnets.
"""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Any

from service.core.access import Policy
from service.core.checks import Protocol
from service.core.errors import Refused, Remedy
from service.core.reachability.standing import Standing
from service.core.snapshot import Network, Snapshot

Address = IPv4Address | IPv6Address
Subnet = IPv4Network | IPv6Network
ON_A_FOREIGN_WIRE = frozenset({"macvlan", "ipvlan"})
"""Networks of these drivers are somebody's LAN: only the addresses that containers hold there are Docker's."""


def literal(text: str) -> Address | None:
    """The address a text spells, IPv4-mapped ones unwrapped; ``None`` for anything else (zones, octal, names)."""
    try:
        address = ip_address(text)
    except ValueError:
        return None
    if isinstance(address, IPv6Address):
        if address.scope_id is not None:
            return None
        return address.ipv4_mapped or address
    return address


def allowed_subnets(snapshot: Snapshot, policy: Policy, protocol: Protocol, port: int | None) -> tuple[str, ...]:
    """Every subnet that an address or a resolved name may lead to."""
    gateways = () if host_open(snapshot, protocol, port) else tuple(map(ip_address, sorted(set(_gateways(snapshot)))))
    own = [part for subnet in _own_subnets(snapshot) for part in _without(subnet, gateways)]
    return (*map(str, own), *policy.probe_allowed_subnets)


def require_allowed(
    snapshot: Snapshot, policy: Policy, source: Standing, address: str, protocol: Protocol, port: int | None
) -> None:
    """Raise ``Refused`` (``destination-not-allowed``) unless the source may probe this address."""
    wanted = literal(address)
    if wanted is None:
        raise _refused(address, "it is not a literal address")
    if wanted.is_loopback:
        if not source.is_host or host_open(snapshot, protocol, port):
            return
        raise _refused(address, "on the host's loopback only published ports may be probed")
    if _is_a_containers(snapshot, wanted, protocol, port):
        return
    if any(wanted in ip_network(subnet) for subnet in allowed_subnets(snapshot, policy, protocol, port)):
        return
    if _special(wanted):
        raise _refused(address, "link-local, metadata, multicast and reserved addresses are never probed")
    if str(wanted) in set(_gateways(snapshot)):
        raise _refused(address, "it is the host's own, and there only published ports may be probed")
    raise _refused(address, "it lies in no network of this engine")


def host_open(snapshot: Snapshot, protocol: Protocol, port: int | None) -> bool:
    """Whether the host itself may be probed so: by ping, or at a port that a container publishes there."""
    if protocol is Protocol.ICMP:
        return True
    return any(
        published.host_port == port for container in snapshot.containers for published in container.published_ports
    )


def _is_a_containers(snapshot: Snapshot, wanted: Address, protocol: Protocol, port: int | None) -> bool:
    """Whether a container holds it now, and no host's side of another network: the most common case, without a list."""
    if _special(wanted) or str(wanted) not in snapshot.holders_by_address:
        return False
    return host_open(snapshot, protocol, port) or str(wanted) not in set(_gateways(snapshot))


def _special(wanted: Address | Subnet) -> bool:
    return (
        wanted.is_loopback or wanted.is_link_local or wanted.is_multicast or wanted.is_unspecified or wanted.is_reserved
    )


def _own_subnets(snapshot: Snapshot) -> Iterator[Subnet]:
    for network in snapshot.networks:
        found = _held(snapshot, network) if network.driver in ON_A_FOREIGN_WIRE else _pools(network)
        yield from (subnet for subnet in found if not _special(subnet))


def _pools(network: Network) -> Iterator[Subnet]:
    return (ip_network(pool.subnet, strict=False) for pool in network.pools if pool.subnet and not network.config_only)


def _held(snapshot: Snapshot, network: Network) -> Iterator[Subnet]:
    return (ip_network(address) for endpoint in snapshot.endpoints_of(network) for address in endpoint.addresses)


def _without(subnet: Subnet, addresses: tuple[Address, ...]) -> list[Subnet]:
    """The subnet with holes."""
    parts = [subnet]
    for address in addresses:
        if address in subnet:
            hole = ip_network(address)
            parts = [piece for part in parts for piece in _around(part, hole)]
    return parts


def _around(part: Any, hole: Any) -> Iterator[Any]:
    if part.version == hole.version and hole.subnet_of(part):
        yield from part.address_exclude(hole)
    else:
        yield part


def _gateways(snapshot: Snapshot) -> Iterator[str]:
    for network in snapshot.networks:
        if network.driver == "bridge":
            yield from (pool.gateway for pool in network.pools if pool.gateway)
    for container in snapshot.containers:
        for endpoint in container.endpoints:
            yield from (gateway for gateway in (endpoint.gateway, endpoint.ipv6_gateway) if gateway)


def _refused(address: str, why: str) -> Refused:
    return Refused(
        code="destination-not-allowed",
        detail=f"{address} is no destination for a probe: {why}.",
        remedy=Remedy(
            "Probe a container, or let the operator of this service add its subnet to BRIDGEWORK_PROBE_ALLOWED_CIDRS."
        ),
    )
