"""The addresses that a probe may be sent to: containers, Docker's own subnets, and what the settings add.

Loopback, link-local, metadata and multicast addresses are refused in every spelling, and so are the host's own
addresses. The destination ``{"host": true}`` is for the host's published ports and for pings to the host. The same
subnets limit an address in a request and the addresses that a name resolves to.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Any

from bridgework.ipam.usage import first_address
from bridgework.model.checks import Protocol
from bridgework.model.errors import Refused, Remedy
from bridgework.model.snapshot import Network, Pool, Snapshot
from bridgework.policy.access import Policy
from bridgework.policy.host_ports import overlap

Address = IPv4Address | IPv6Address
Subnet = IPv4Network | IPv6Network
DEFAULT_IPAM = "default"


def literal(text: str) -> Address | None:
    """Parse an address, and unwrap an IPv4-mapped one; ``None`` for names, zones and octal numbers."""
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
    """List the subnets that a probe may be sent to, also by a name that resolves into them."""
    closed = tuple(sorted(_closed(snapshot, protocol, port), key=str))
    own = [part for subnet in _own_subnets(snapshot) for part in _without(subnet, closed)]
    return (*map(str, own), *policy.probe_allowed_subnets)


def require_allowed(
    snapshot: Snapshot, policy: Policy, address: str, protocol: Protocol, port: int | None, *, from_host: bool
) -> None:
    """Raise ``Refused`` (``destination-not-allowed``) unless this address may be probed.

    ``from_host``: the source is the host, whose loopback is not the source's own.
    """
    target = literal(address)
    if target is None:
        raise _refused(address, "it is not a literal address")
    if target.is_loopback:
        if not from_host or host_open(snapshot, protocol, port, target):
            return
        raise _refused(address, "on the host's loopback only published ports may be probed")
    if _is_a_containers(snapshot, target, protocol, port):
        return
    if any(target in ip_network(subnet) for subnet in allowed_subnets(snapshot, policy, protocol, port)):
        return
    if _special(target):
        raise _refused(address, "link-local, metadata, multicast and reserved addresses are never probed")
    if target in set(_host_addresses(snapshot)):
        raise _refused(address, "it is an address of the host, where only published ports may be probed")
    raise _refused(address, "it is in no network of this engine")


def host_open(snapshot: Snapshot, protocol: Protocol, port: int | None, address: Address | None = None) -> bool:
    """Whether this port of the host may be probed at the address; without an address, at any of the host's.

    A ping is always allowed. A port is allowed where a container publishes it for the protocol.
    """
    if protocol is Protocol.ICMP:
        return True
    offered = _offered(snapshot, protocol, port)
    return bool(offered) if address is None else _is_offered(offered, address)


def published_otherwise(snapshot: Snapshot, port: int) -> str:
    """Say where containers publish the port number, such as ``127.0.0.1:53/udp``; empty where none does."""
    bindings = {
        f"{published.host_ip or '0.0.0.0'}:{port}/{transport}"
        for transport in ("tcp", "udp", "sctp")
        for _, published in snapshot.publishers_by_port.get((port, transport), ())
    }
    return ", ".join(sorted(bindings))


def _offered(snapshot: Snapshot, protocol: Protocol, port: int | None) -> tuple[str, ...]:
    """List the addresses or wildcards at which containers publish the port for the protocol."""
    if port is None or protocol.transport is None:
        return ()
    publishers = snapshot.publishers_by_port.get((port, protocol.transport), ())
    return tuple(published.host_ip for _, published in publishers)


def _is_offered(offered: Iterable[str], address: Address) -> bool:
    return any(overlap(host_ip, str(address)) for host_ip in offered)


def _closed(snapshot: Snapshot, protocol: Protocol, port: int | None) -> frozenset[Address]:
    """Return the host's addresses in Docker's networks that may not be probed at this port."""
    if protocol is Protocol.ICMP:
        return frozenset()
    offered = _offered(snapshot, protocol, port)
    return frozenset(address for address in _host_addresses(snapshot) if not _is_offered(offered, address))


def _is_a_containers(snapshot: Snapshot, address: Address, protocol: Protocol, port: int | None) -> bool:
    """Whether a container holds the address, and the host does not."""
    # A fast path for the most common check: it makes no list of subnets.
    if _special(address) or str(address) not in snapshot.holders_by_address:
        return False
    return address not in _closed(snapshot, protocol, port)


def _special(target: Address | Subnet) -> bool:
    return (
        target.is_loopback or target.is_link_local or target.is_multicast or target.is_unspecified or target.is_reserved
    )


def _own_subnets(snapshot: Snapshot) -> Iterator[Subnet]:
    for network in snapshot.networks:
        known = all(_host_is_known(network, pool) for pool in network.pools)
        subnets = _pools(network) if known else _held(snapshot, network)
        yield from (subnet for subnet in subnets if not _special(subnet))


def _host_is_known(network: Network, pool: Pool) -> bool:
    """Whether the host's address in the subnet is known, or the host has none there."""
    # The whole subnet is allowed only where the host's address in it can be left out. The engine does not always list
    # that address. Elsewhere only the addresses that containers hold are allowed: a macvlan or ipvlan is part of a LAN,
    # and nothing is known of other drivers and other IPAM drivers. The host has no address in an overlay network.
    if network.driver == "overlay":
        return True
    return network.driver == "bridge" and (pool.gateway is not None or network.ipam_driver == DEFAULT_IPAM)


def _pools(network: Network) -> Iterator[Subnet]:
    return (ip_network(pool.subnet, strict=False) for pool in network.pools if pool.subnet and not network.config_only)


def _held(snapshot: Snapshot, network: Network) -> Iterator[Subnet]:
    return (ip_network(address) for endpoint in snapshot.endpoints_of(network) for address in endpoint.addresses)


def _without(subnet: Subnet, addresses: tuple[Address, ...]) -> list[Subnet]:
    """Split the subnet into parts without the addresses."""
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


def _host_addresses(snapshot: Snapshot) -> Iterator[Address]:
    """Yield the host's own addresses in Docker's networks."""
    # Docker 26.1.5 and 28.5.2 show no gateway for a network that was created with a subnet and without a gateway, until
    # the engine restarts; Docker 29 shows it. The bridge has the first address of the range or subnet in any case: for
    # IPv4 and IPv6, internal or not, with auxiliary addresses (one may be the containers' gateway instead), and on a
    # bridge that existed before. Measured on 26.1.5, 28.5.2 and 29.7.2. From Docker 28 on the bridge of an isolated
    # network has no address, and a container may hold the first one.
    for network in snapshot.networks:
        if network.driver == "bridge" and not network.config_only:
            gateways = (pool.gateway or _first_unless_held(snapshot, network, pool) for pool in network.pools)
            yield from (ip_address(address) for address in gateways if address)
    for container in snapshot.containers:
        for endpoint in container.endpoints:
            yield from (ip_address(gateway) for gateway in (endpoint.gateway, endpoint.ipv6_gateway) if gateway)


def _first_unless_held(snapshot: Snapshot, network: Network, pool: Pool) -> str | None:
    first = first_address(pool)
    held = (endpoint.network_id == network.id for endpoint in snapshot.holders_by_address.get(first or "", ()))
    return None if any(held) else first


def _refused(address: str, why: str) -> Refused:
    return Refused(
        code="destination-not-allowed",
        detail=f"{address} cannot be probed: {why}.",
        remedy=Remedy(
            "Probe a container, or let the operator of this service add its subnet to BRIDGEWORK_PROBE_ALLOWED_CIDRS."
        ),
    )
