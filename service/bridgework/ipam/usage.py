"""Usage of address pools, overlaps between subnets, and free subnets.

The engine (26.1.5, ``libnetwork/ipam``) hands out every address of a pool, or of its range if it has one, except an
IPv4 network or broadcast address and the first address of an IPv6 subnet. It keeps a gateway even where none was
requested and inspection shows none: the first address that it may hand out. A stopped container holds no address, not
even its fixed one. Another container may take that meanwhile, so it is listed as ``configured`` and counted as free.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from ipaddress import ip_address
from itertools import chain, islice
from typing import Literal

from bridgework.ipam.intervals import Interval, bits_of, free_blocks, merged, parse, text_of
from bridgework.model.observations import Route
from bridgework.model.snapshot import Endpoint, Network, Pool

HolderKind = Literal["gateway", "container", "auxiliary", "configured"]
OverlapKind = Literal["network", "host-route", "pool"]

# Free subnets are searched in these ranges, in this order: Docker's own ranges first.
DEFAULT_BASES = ("172.16.0.0/12", "192.168.0.0/16", "10.0.0.0/8", "fd00::/8")

# The pools of an engine whose configuration names none (libnetwork/ipamutils).
DOCKER_POOLS: tuple[tuple[str, int], ...] = (
    ("172.17.0.0/16", 16),
    ("172.18.0.0/16", 16),
    ("172.19.0.0/16", 16),
    ("172.20.0.0/14", 16),
    ("172.24.0.0/14", 16),
    ("172.28.0.0/14", 16),
    ("192.168.0.0/16", 20),
)

# The shortest and the longest prefix of a search, by IP version. They do not overlap, so a length has one version.
PREFIX_LENGTHS = {4: (8, 30), 6: (48, 126)}

_IPV4 = 4
_POINT_TO_POINT = 2


@dataclass(frozen=True, slots=True)
class AddressHolder:
    """The holder of an address; ``configured`` is a stopped container's, which the engine would give to any other."""

    address: str
    kind: HolderKind
    container_id: str | None
    name: str


@dataclass(frozen=True, slots=True)
class PoolUsage:
    """The usage of one pool. ``size`` counts what the engine may hand out, and is the sum of ``used`` and ``free``.

    ``next_free`` is the lowest free address, if possible one that no stopped container is configured with. ``holders``
    are sorted by address; a holder outside of ``ip_range`` is listed, but not counted in ``used``.
    """

    subnet: str
    ip_range: str | None
    gateway: str | None
    size: int
    used: int
    free: int
    next_free: str | None
    holders: tuple[AddressHolder, ...]


@dataclass(frozen=True, slots=True)
class Overlap:
    """A candidate ``subnet`` that overlaps a Docker network, a route of the host or another pool of the request.

    ``name`` is the network's, or the interface of the route; ``id`` the network's.
    """

    subnet: str
    with_kind: OverlapKind
    name: str
    id: str | None
    other_subnet: str


def usage_of(network: Network, endpoints: Iterable[Endpoint]) -> tuple[PoolUsage, ...]:
    """Return the network's pools, in order. The work grows with the endpoints, never with the size of a pool."""
    endpoints = tuple(endpoints)
    parsed = [(pool, parse(pool.subnet)) for pool in network.pools]
    return tuple(_usage(network, pool, subnet, endpoints) for pool, subnet in parsed if subnet is not None)


def _usage(network: Network, pool: Pool, subnet: Interval, endpoints: tuple[Endpoint, ...]) -> PoolUsage:
    assignable = _assignable(subnet, parse(pool.ip_range))
    held: dict[int, AddressHolder] = {}
    configured: dict[int, AddressHolder] = {}
    for holder in _holders(network, pool, endpoints):
        number = _number_within(holder.address, subnet)
        if number is not None:
            (configured if holder.kind == "configured" else held).setdefault(number, holder)
    used = sum(assignable.first <= number <= assignable.last for number in held)
    listed = sorted(chain(held.items(), configured.items()), key=lambda pair: (pair[0], pair[1].kind, pair[1].name))
    next_free = _lowest(assignable, held.keys() | configured.keys())
    if next_free is None:
        next_free = _lowest(assignable, held.keys())
    return PoolUsage(
        subnet=pool.subnet,
        ip_range=pool.ip_range,
        gateway=pool.gateway,
        size=assignable.size,
        used=used,
        free=assignable.size - used,
        next_free=None if next_free is None else text_of(subnet.version, next_free),
        holders=tuple(holder for _, holder in listed),
    )


def _assignable(subnet: Interval, ip_range: Interval | None) -> Interval:
    """Return what the engine may hand out; of a pool without a network address (/31, /32) that is everything."""
    first, last = subnet.first, subnet.last
    if subnet.size > _POINT_TO_POINT:
        first, last = first + 1, last - (1 if subnet.version == _IPV4 else 0)
    if ip_range is not None and ip_range.overlaps(subnet):
        first, last = max(first, ip_range.first), min(last, ip_range.last)
    return Interval(subnet.version, first, max(first, last))


def first_address(pool: Pool) -> str | None:
    """Return the first address that the engine hands out of the pool: the host's own where no gateway was requested."""
    subnet = parse(pool.subnet)
    return None if subnet is None else text_of(subnet.version, _assignable(subnet, parse(pool.ip_range)).first)


def next_address(
    network: Network, endpoints: Iterable[Endpoint], version: int, asked_address: str | None = None
) -> tuple[str, Pool] | None:
    """Return the address that the engine gives the next endpoint, and its pool; ``None`` where none is left.

    That is ``wanted``, or the lowest address of the first pool that nothing holds now. The engine does not spare what a
    stopped container is configured with (moby's ``libnetwork/ipam``; 26.1.5 and 28.5.2, measured). An IPAM driver other
    than the engine's own chooses in its own way, so its choice is not known either.
    """
    endpoints = tuple(endpoints)
    for pool in network.pools:
        subnet = parse(pool.subnet)
        if subnet is None or subnet.version != version:
            continue
        if asked_address is not None:
            if _number_within(asked_address, subnet) is not None:
                return asked_address, pool
        elif network.ipam_driver == "default":
            numbers = (_number_within(h.address, subnet) for h in _holders(network, pool, endpoints) if _holds(h))
            held = {number for number in numbers if number is not None}
            number = _lowest(_assignable(subnet, parse(pool.ip_range)), held)
            if number is not None:
                return text_of(version, number), pool
    return None


def _holds(holder: AddressHolder) -> bool:
    return holder.kind != "configured"


def first_free_pool(pools: Iterable[tuple[str, int]], taken: Iterable[str]) -> str | None:
    """Return the first IPv4 subnet of default pools (base and prefix length) that overlaps nothing in ``taken``."""
    taken = tuple(taken)
    for base, length in pools:
        if ":" not in base:
            subnets = available_subnets(length, 1, taken, (base,))
            if subnets:
                return subnets[0]
    return None


def _holders(network: Network, pool: Pool, endpoints: tuple[Endpoint, ...]) -> Iterator[AddressHolder]:
    if pool.gateway and not network.config_only:
        yield AddressHolder(pool.gateway, "gateway", None, "gateway")
    for name, address in sorted(pool.auxiliary_addresses.items()):
        yield AddressHolder(address, "auxiliary", None, name)
    for endpoint in sorted(endpoints, key=lambda e: (e.container_name, e.container_id)):
        kind: HolderKind = "container" if endpoint.state == "active" else "configured"
        for address in filter(None, _addresses_of(endpoint)):
            yield AddressHolder(address, kind, endpoint.container_id, endpoint.container_name)


def _addresses_of(endpoint: Endpoint) -> tuple[str | None, ...]:
    if endpoint.state == "active":
        return endpoint.addresses
    return endpoint.configured_ipv4, endpoint.configured_ipv6


def _number_within(address: str | None, subnet: Interval) -> int | None:
    try:
        parsed = ip_address(address or "")
    except ValueError:
        return None
    number = int(parsed)
    return number if parsed.version == subnet.version and subnet.first <= number <= subnet.last else None


def _lowest(assignable: Interval, held: Iterable[int]) -> int | None:
    held = set(held)
    number = assignable.first
    while number in held:
        number += 1
    return number if number <= assignable.last else None


def overlaps(
    candidate_subnets: Iterable[str], snapshot_networks: Iterable[Network], host_routes: Iterable[Route]
) -> list[Overlap]:
    """Return what each candidate overlaps: networks first, then foreign routes of the host, then other candidates."""
    networks = tuple(snapshot_networks)
    others = list(_subnets_of(networks)) + list(_foreign_routes(networks, host_routes))
    overlapping = []
    for subnet in candidate_subnets:
        interval = parse(subnet)
        if interval is None:
            continue
        met = (row for row in others if row[0].overlaps(interval))
        overlapping += [Overlap(subnet, kind, name, identity, other) for _, kind, name, identity, other in met]
        others.append((interval, "pool", subnet, None, subnet))
    return overlapping


_Row = tuple[Interval, OverlapKind, str, str | None, str]


def _subnets_of(networks: Iterable[Network]) -> Iterator[_Row]:
    for network in networks:
        for pool in network.pools:
            interval = parse(pool.subnet)
            if interval is not None and not network.config_only:
                yield interval, "network", network.name, network.id, pool.subnet


def _foreign_routes(networks: Iterable[Network], routes: Iterable[Route]) -> Iterator[_Row]:
    bridges = {network.bridge_name for network in networks if network.bridge_name}
    for route in routes:
        interval = parse(route.destination)
        # A default route covers everything and is no conflict; the 0.0.0.0/1 of a VPN is one.
        if interval is None or interval.size == 1 << bits_of(interval.version) or route.interface in bridges:
            continue
        yield interval, "host-route", route.interface or route.destination, None, route.destination


def available_subnets(
    prefix_len: int, count: int, taken: Iterable[str], bases: Iterable[str] = DEFAULT_BASES
) -> list[str]:
    """Return up to ``count`` subnets of that length that overlap nothing in ``taken``, always the same ones.

    Lengths of 8 to 30 mean IPv4, lengths of 48 to 126 IPv6; for any other the result is empty.
    """
    occupied = merged(interval for interval in map(parse, taken) if interval is not None)
    usable_bases = (base for base in map(parse, bases) if base is not None and _fits(base, prefix_len))
    blocks = ((base.version, start) for base in usable_bases for start in free_blocks(base, prefix_len, occupied))
    return [f"{text_of(version, start)}/{prefix_len}" for version, start in islice(blocks, max(0, count))]


def _fits(base: Interval, prefix_len: int) -> bool:
    shortest, longest = PREFIX_LENGTHS[base.version]
    return shortest <= prefix_len <= longest and base.size >= 1 << (bits_of(base.version) - prefix_len)
