"""What a name resolves to in a source, from the engine's state: the hosts file, then Docker's embedded DNS server.

Containers on user networks ask the embedded server. The default bridge, host mode and network mode ``none`` have no
such server. The embedded server sends a name that it does not know to upstream servers; their answers are not
predicted.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from bridgework.analysis.attachment import IPV4, Attachment, EngineState, parsed
from bridgework.analysis.routing import host_address_on
from bridgework.model.endpoint_names import SHORT_ID, names_of, normal
from bridgework.model.observations import Observations, ResolverConfiguration
from bridgework.model.snapshot import Container, Endpoint, Network, Snapshot

# The lines that the engine writes at the top of each hosts file.
_LOOPBACK_NAMES = {
    "localhost": ("127.0.0.1", "::1"),
    "ip6-localhost": ("::1",),
    "ip6-loopback": ("::1",),
}
# The word that the engine replaces in --add-host.
_HOST_GATEWAY = "host-gateway"


class Lookup(StrEnum):
    """The outcome of a lookup; ``upstream`` means that a server outside of the engine decides."""

    FOUND = "found"
    UNKNOWN = "unknown"
    UPSTREAM = "upstream"


@dataclass(frozen=True, slots=True)
class Named:
    """What a name resolves to. ``holders`` are the endpoints with the name on the ``network`` that answered.

    Both are empty where the hosts file answered.
    """

    outcome: Lookup
    addresses: tuple[str, ...] = ()
    holders: tuple[Endpoint, ...] = ()
    network: Network | None = None


def user_networks(snapshot: Snapshot, source: Attachment) -> tuple[Network, ...]:
    """Return the source's networks that have an embedded DNS server, in the order in which it searches them."""
    networks = (snapshot.networks_by_id[endpoint.network_id] for endpoint in source.endpoints)
    return tuple(network for network in networks if not network.is_default_bridge)


def look_up(state: EngineState, source: Attachment, name: str) -> Named:
    """Resolve the name as the source would."""
    wanted = normal(name)
    # A literal address is no lookup: the C library parses it.
    literal = parsed(wanted)
    known = (str(literal),) if literal else tuple(dict.fromkeys(_hosts_file(state, source, wanted)))
    if known:
        return Named(Lookup.FOUND, known)
    networks = () if _bypasses(source, state.observations) else user_networks(state.snapshot, source)
    # The networks are searched in the order of ``ordered_endpoints``. The first that knows the name answers with all
    # its holders, and no other network is searched.
    for network in networks:
        # A private alias of the source comes before the public names of the network.
        holders = holders_of(state.snapshot, network, _linked(source, network, wanted) or wanted)
        if holders:
            # IPv6 before IPv4 within each holder, as the C library sorts them.
            addresses = tuple(address for holder in holders for address in reversed(holder.addresses))
            return Named(Lookup.FOUND, addresses, holders, network)
    return Named(Lookup.UPSTREAM if _asks_upstream(state.snapshot, source, wanted) else Lookup.UNKNOWN)


def holders_of(snapshot: Snapshot, network: Network, name: str) -> tuple[Endpoint, ...]:
    """Return the network's active endpoints with the name, also in the form ``name.network``.

    Measured on Docker 26.1: host names and short ids resolve. Stopped containers and containers that share another's
    network have no name. Upper and lower case are the same.
    """
    # A network's name may contain dots, so only the exact suffix is cut.
    wanted_names = {normal(name), normal(name).removesuffix("." + normal(network.name))}
    by_name = snapshot.holders_by_name_on(network)
    found = {id(endpoint): endpoint for wanted in wanted_names for endpoint in by_name.get(wanted, ())}
    return tuple(sorted(found.values(), key=lambda e: (e.container_name, e.container_id)))


def containers_named(snapshot: Snapshot, name: str) -> tuple[Container, ...]:
    """Return the containers that have the name on any network: as name, alias, host name or short id."""
    # A name such as db.backend means the container db.
    wanted = normal(name).split(".")[0]
    found = [container for container in snapshot.containers if wanted and _has_name(container, wanted)]
    return tuple(sorted(found, key=lambda container: (container.name, container.id)))


def _has_name(container: Container, name: str) -> bool:
    if name in {normal(container.name), normal(container.hostname), container.id[:SHORT_ID]}:
        return True
    return any(name in names_of(endpoint) for endpoint in container.endpoints)


def uses_embedded_dns(state: EngineState, source: Attachment) -> bool:
    """Whether the source asks Docker's embedded server."""
    return bool(user_networks(state.snapshot, source)) and not _bypasses(source, state.observations)


def _bypasses(source: Attachment, observations: Observations) -> bool:
    """Whether the source's resolv.conf was observed, and names only other servers than the embedded one."""
    resolver = _resolver_seen(source, observations)
    return resolver is not None and bool(resolver.nameservers) and not resolver.uses_embedded_dns


def _resolver_seen(source: Attachment, observations: Observations) -> ResolverConfiguration | None:
    # The engine mounts the owner's resolver files into a sharer, so an observation of either container is valid.
    for container in (source.container, source.owner):
        observation = observations.inside.get(container.id) if container else None
        if observation is not None and observation.resolver is not None:
            return observation.resolver
    return None


def _hosts_file(state: EngineState, source: Attachment, name: str) -> Iterator[str]:
    """Yield the addresses of the name in the hosts file: as observed, else as the engine writes the file."""
    resolver = _resolver_seen(source, state.observations)
    # An image or a mount may replace the file, so an observation of it wins over what the engine writes.
    if resolver is not None and resolver.hosts:
        yield from resolver.addresses_by_name.get(name, ())
        return
    yield from _LOOPBACK_NAMES.get(name, ())
    if source.owner is None:
        return
    if name == normal(source.owner.hostname or source.owner.id[:SHORT_ID]):
        yield from (address for endpoint in source.endpoints for address in endpoint.addresses)
    yield from (
        _host_gateway(state.snapshot) if address == _HOST_GATEWAY else address
        for host, address in source.owner.extra_hosts.items()
        if normal(host) == name
    )
    yield from _default_bridge_links(state.snapshot, source.owner, name)


def _host_gateway(snapshot: Snapshot) -> str:
    """Return the address that ``--add-host x:host-gateway`` means: the host's address on the default bridge."""
    bridges = (host_address_on(snapshot, n, IPV4) for n in snapshot.networks if n.is_default_bridge)
    return next((address for address in bridges if address), _HOST_GATEWAY)


def _default_bridge_links(snapshot: Snapshot, owner: Container, name: str) -> Iterator[str]:
    # ``--link x:db`` on the default bridge writes both ``db`` and ``x`` into the hosts file (measured on Docker 26.1).
    for link in owner.links:
        target, alias = link_parts(link)
        if name not in {normal(target), normal(alias)}:
            continue
        for container in snapshot.containers:
            if container.name == target:
                yield from (
                    endpoint.ipv4_address
                    for endpoint in container.endpoints
                    # The default bridge always has the name bridge. The hosts file gets only the IPv4 address.
                    if endpoint.network_name == "bridge" and endpoint.ipv4_address
                )


def link_parts(link: str) -> tuple[str, str]:
    """Split a link into the linked container and the alias. It is written ``x:db``, and inspected as ``/x:/y/db``."""
    target, _, alias = link.partition(":")
    target = target.rsplit("/", 1)[-1]
    return target, alias.rsplit("/", 1)[-1] or target


def _linked(source: Attachment, network: Network, name: str) -> str | None:
    """Return the container that only the source knows by that name: ``--link`` on a user network is a private alias."""
    for endpoint in source.endpoints:
        if endpoint.network_id == network.id:
            for link in endpoint.links:
                target, alias = link_parts(link)
                if normal(alias) == name:
                    return normal(target)
    return None


def _asks_upstream(snapshot: Snapshot, source: Attachment, name: str) -> bool:
    """Whether an upstream server is asked, and may know the name."""
    # An upstream server knows neither a name without a dot nor one that ends in the name of a network.
    if "." not in name or any(name.endswith("." + normal(network.name)) for network in snapshot.networks):
        return False
    networks = [snapshot.networks_by_id[endpoint.network_id] for endpoint in source.endpoints]
    # From internal networks only, no server outside is reachable.
    return source.is_host or any(not network.internal for network in networks)
