"""What a name means where the source stands, from the engine's state: hosts file first, then Docker's embedded DNS.

The embedded server knows, on each user network of the source in the order of ``Endpoint.Less``, the DNS names of the
active endpoints, also as ``name.network``, whatever the case; the first network that knows the name answers with
all holders there. The default bridge, host mode and ``none`` have no such server. What it does not know goes to
upstream servers, unless every network is internal; about their answers nothing is claimed.
Measured on engine 26.1: sharers and stopped containers have no name of their own; hostnames and short ids resolve.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from ipaddress import ip_address

from bridgework.analysis.attachment import IPV4, Attachment, EngineState
from bridgework.analysis.routing import host_address_on
from bridgework.model.endpoint_names import SHORT_ID, names_of, normal
from bridgework.model.observations import Observations, ResolverConfiguration
from bridgework.model.snapshot import Container, Endpoint, Network, Snapshot

_LOOPBACK_NAMES = {
    "localhost": ("127.0.0.1", "::1"),
    "ip6-localhost": ("::1",),
    "ip6-loopback": ("::1",),
}
_HOST_GATEWAY = "host-gateway"


class Lookup(StrEnum):
    """How the look-up ends."""

    FOUND = "found"
    UNKNOWN = "unknown"
    UPSTREAM = "upstream"


@dataclass(frozen=True, slots=True)
class Named:
    """The meaning of a name. ``holders`` are the endpoints behind it, where a network answered (``network``)."""

    outcome: Lookup
    addresses: tuple[str, ...] = ()
    holders: tuple[Endpoint, ...] = ()
    network: Network | None = None


def user_networks(snapshot: Snapshot, source: Attachment) -> tuple[Network, ...]:
    """The networks of the source that have an embedded DNS server, in the order in which they are asked."""
    networks = (snapshot.networks_by_id[endpoint.network_id] for endpoint in source.endpoints)
    return tuple(network for network in networks if not network.is_default_bridge)


def look_up(state: EngineState, source: Attachment, name: str) -> Named:
    """Resolve as the source would."""
    wanted = normal(name)
    literal = _literal(wanted)
    known = (literal,) if literal else tuple(dict.fromkeys(_hosts_file(state, source, wanted)))
    if known:
        return Named(Lookup.FOUND, known)
    networks = () if _bypasses(source, state.observations) else user_networks(state.snapshot, source)
    for network in networks:
        holders = holders_of(state.snapshot, network, _linked(source, network, wanted) or wanted)
        if holders:
            addresses = tuple(address for holder in holders for address in reversed(holder.addresses))
            return Named(Lookup.FOUND, addresses, holders, network)
    return Named(Lookup.UPSTREAM if _asks_upstream(state.snapshot, source, wanted) else Lookup.UNKNOWN)


def holders_of(snapshot: Snapshot, network: Network, name: str) -> tuple[Endpoint, ...]:
    """The active endpoints of the network that answer to the name, plain or with the network's name behind it."""
    wanted_names = {normal(name), normal(name).removesuffix("." + normal(network.name))}
    by_name = snapshot.holders_by_name_on(network)
    found = {id(endpoint): endpoint for wanted in wanted_names for endpoint in by_name.get(wanted, ())}
    return tuple(sorted(found.values(), key=lambda e: (e.container_name, e.container_id)))


def bearers_of(snapshot: Snapshot, name: str) -> tuple[Container, ...]:
    """The containers that go by the name anywhere: by name, alias, hostname or short id."""
    wanted = normal(name).split(".")[0]
    found = [container for container in snapshot.containers if wanted and _bears(container, wanted)]
    return tuple(sorted(found, key=lambda container: (container.name, container.id)))


def _bears(container: Container, name: str) -> bool:
    if name in {normal(container.name), normal(container.hostname), container.id[:SHORT_ID]}:
        return True
    return any(name in names_of(endpoint) for endpoint in container.endpoints)


def uses_embedded_dns(state: EngineState, source: Attachment) -> bool:
    """Whether the source asks Docker's own server."""
    return bool(user_networks(state.snapshot, source)) and not _bypasses(source, state.observations)


def _literal(name: str) -> str | None:
    try:
        return str(ip_address(name))
    except ValueError:
        return None


def _bypasses(source: Attachment, observations: Observations) -> bool:
    """Whether resolv.conf inside was seen to name other servers only."""
    resolver = _resolver_seen(source, observations)
    return resolver is not None and bool(resolver.nameservers) and not resolver.uses_embedded_dns


def _resolver_seen(source: Attachment, observations: Observations) -> ResolverConfiguration | None:
    for container in (source.container, source.owner):
        observation = observations.inside.get(container.id) if container else None
        if observation is not None and observation.resolver is not None:
            return observation.resolver
    return None


def _hosts_file(state: EngineState, source: Attachment, name: str) -> Iterator[str]:
    """The addresses that the hosts file gives the name: as seen, else as the engine writes it."""
    resolver = _resolver_seen(source, state.observations)
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
    """What ``--add-host x:host-gateway`` becomes: the host's address on the default bridge."""
    bridges = (host_address_on(snapshot, n, IPV4) for n in snapshot.networks if n.is_default_bridge)
    return next((address for address in bridges if address), _HOST_GATEWAY)


def _default_bridge_links(snapshot: Snapshot, owner: Container, name: str) -> Iterator[str]:
    """``--link x:db`` on the default bridge writes ``db`` and ``x`` into the hosts file (engine 26.1, measured)."""
    for link in owner.links:
        target, alias = link_parts(link)
        if name not in {normal(target), normal(alias)}:
            continue
        for container in snapshot.containers:
            if container.name == target:
                yield from (
                    endpoint.ipv4_address
                    for endpoint in container.endpoints
                    if endpoint.network_name == "bridge" and endpoint.ipv4_address
                )


def link_parts(link: str) -> tuple[str, str]:
    """The container and the alias of a link, written ``x:db`` or, as inspected, ``/x:/y/db``."""
    target, _, alias = link.partition(":")
    target = target.rsplit("/", 1)[-1]
    return target, alias.rsplit("/", 1)[-1] or target


def is_linked(owner: Container, target: Container) -> bool:
    """Whether the container was started with ``--link`` to the other (on the default bridge)."""
    return any(link_parts(link)[0] == target.name for link in owner.links)


def _linked(source: Attachment, network: Network, name: str) -> str | None:
    """What the source alone calls by that name on a user network (``--link`` there is an alias for one reader)."""
    for endpoint in source.endpoints:
        if endpoint.network_id == network.id:
            for link in endpoint.links:
                target, alias = link_parts(link)
                if normal(alias) == name:
                    return normal(target)
    return None


def _asks_upstream(snapshot: Snapshot, source: Attachment, name: str) -> bool:
    """Whether a server outside is asked that might know: not for bare names, not from internal networks only."""
    if "." not in name or any(name.endswith("." + normal(network.name)) for network in snapshot.networks):
        return False
    networks = [snapshot.networks_by_id[endpoint.network_id] for endpoint in source.endpoints]
    return source.is_host or any(not network.internal for network in networks)
