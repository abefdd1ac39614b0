"""Where a probe may go: containers, Docker's own subnets, and what the settings add. Never a port scanner.

The host's loopback, link-local, metadata and multicast addresses and the host's other addresses are refused in every
spelling; a published port of the host, and its ping, are what ``{"host": true}`` is for.
"""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

from service.core.access import Policy
from service.core.checks import Protocol
from service.core.errors import Refused, Remedy
from service.core.reachability_standing import Standing
from service.core.snapshot import Snapshot

Address = IPv4Address | IPv6Address


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


def allowed_subnets(snapshot: Snapshot, policy: Policy) -> tuple[str, ...]:
    """Every subnet a resolved name may lead to."""
    own = tuple(pool.subnet for network in snapshot.networks for pool in network.pools if pool.subnet)
    return own + policy.probe_allowed_subnets


def require_allowed(
    snapshot: Snapshot, policy: Policy, source: Standing, address: str, protocol: Protocol, port: int | None
) -> None:
    """Raise ``Refused`` (``destination-not-allowed``) unless the source may probe this address."""
    wanted = literal(address)
    if wanted is None:
        raise _refused(address, "it is not a literal address")
    if wanted.is_loopback:
        if not source.is_host or _published_or_ping(snapshot, protocol, port):
            return
        raise _refused(address, "on the host's loopback only published ports may be probed")
    if any(wanted in ip_network(subnet) for subnet in policy.probe_allowed_subnets):
        return
    if wanted.is_link_local or wanted.is_multicast or wanted.is_unspecified or wanted.is_reserved:
        raise _refused(address, "link-local, metadata, multicast and reserved addresses are never probed")
    if str(wanted) in set(_gateways(snapshot)):
        if _published_or_ping(snapshot, protocol, port):
            return
        raise _refused(address, "it is the host's own, and there only published ports may be probed")
    if any(wanted in ip_network(pool.subnet) for network in snapshot.networks for pool in network.pools if pool.subnet):
        return
    raise _refused(address, "it lies in no network of this engine")


def _published_or_ping(snapshot: Snapshot, protocol: Protocol, port: int | None) -> bool:
    if protocol is Protocol.ICMP:
        return True
    return any(
        published.host_port == port for container in snapshot.containers for published in container.published_ports
    )


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
