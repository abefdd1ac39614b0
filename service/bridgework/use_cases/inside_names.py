"""The names that a container can resolve, and its ports: where each is published and whether a process listens."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from bridgework.analysis.attachment import Attachment, EngineState
from bridgework.analysis.name_lookup import Lookup, link_parts, look_up, user_networks, uses_embedded_dns
from bridgework.model import references
from bridgework.model.endpoint_names import names_of, normal
from bridgework.model.observations import ListeningSocket, Observations, ResolverConfiguration
from bridgework.model.snapshot import Container, Network, PublishedPort, Reference, Snapshot
from bridgework.use_cases.inside import look
from bridgework.use_cases.services import Services

LOOKED_FOR = frozenset({"tcp", "udp"})


@dataclass(frozen=True, slots=True)
class ResolvableName:
    """A name and its addresses: from Docker's DNS server in ``network``, or from the hosts file if that is ``None``."""

    name: str
    addresses: tuple[str, ...]
    network: Network | None
    containers: tuple[Reference, ...]


@dataclass(frozen=True, slots=True)
class HostsEntry:
    """One line of the hosts file."""

    address: str
    names: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class DnsView:
    """How a container resolves names. ``resolver`` and ``hosts`` are ``None`` when the files cannot be read."""

    resolver: ResolverConfiguration | None
    hosts: tuple[HostsEntry, ...] | None
    names: tuple[ResolvableName, ...]

    @property
    def truncated(self) -> bool:
        """Whether the files have more than was read."""
        return self.resolver is not None and self.resolver.truncated


@dataclass(frozen=True, slots=True)
class PortView:
    """A port of a container. ``listeners`` is ``None`` when the sockets cannot be inspected."""

    container_port: int
    protocol: str
    exposed: bool
    published: tuple[PublishedPort, ...]
    configured: tuple[PublishedPort, ...]
    listeners: tuple[ListeningSocket, ...] | None

    @property
    def listening(self) -> bool | None:
        """Whether a process listens on the port; ``None`` when that cannot be inspected."""
        return None if self.listeners is None else bool(self.listeners)


def dns(services: Services, snapshot: Snapshot, reference: str) -> DnsView:
    """Return the resolver configuration, the hosts file, and every name that resolves. Raises ``Conflict``."""
    container = references.container(snapshot, reference)
    observation = look(services, snapshot, container, ("resolver",))
    inodes = {container.id: observation.inode}
    owner = snapshot.network_owner_of(container)
    if owner is not None and owner.id != container.id and owner.running:
        inode = services.runner.namespace_inode(services.engine.place_of(snapshot, owner))
        inodes |= {owner.id: inode} if inode is not None else {}
    state = EngineState(snapshot, Observations(namespace_inodes=inodes, inside={container.id: observation}))
    attachment = state.attachment_of(container.id)
    resolved = (_resolved(state, attachment, name) for name in _candidates(state, attachment))
    hosts = tuple(HostsEntry(*line) for line in observation.resolver.hosts) if observation.resolver else None
    return DnsView(observation.resolver, hosts, tuple(name for name in resolved if name is not None))


def _resolved(state: EngineState, attachment: Attachment, name: str) -> ResolvableName | None:
    meant = look_up(state, attachment, name)
    if meant.outcome is not Lookup.FOUND:
        return None
    containers = tuple(dict.fromkeys(holder.container for holder in meant.holders))
    return ResolvableName(name, meant.addresses, meant.network, containers)


def _candidates(state: EngineState, attachment: Attachment) -> list[str]:
    """List every name that may resolve, sorted: as it is, and as ``name.network`` for Docker's DNS server."""
    names: set[str] = set()
    for observation in state.observations.inside.values():
        for _, listed in observation.resolver.hosts if observation.resolver else ():
            names.update(normal(name) for name in listed)
    if attachment.owner is not None:
        names.update(normal(name) for name in attachment.owner.extra_hosts)
    if uses_embedded_dns(state, attachment):
        for network in user_networks(state.snapshot, attachment):
            known = set(_names_in(state.snapshot, attachment, network))
            names |= known | {f"{name}.{normal(network.name)}" for name in known}
    return sorted(names - {""})


def _names_in(snapshot: Snapshot, attachment: Attachment, network: Network) -> Iterable[str]:
    for endpoint in snapshot.endpoints_of(network):
        if endpoint.state == "active":
            yield from names_of(endpoint)
    for endpoint in attachment.endpoints:
        if endpoint.network_id == network.id:
            yield from (normal(link_parts(link)[1]) for link in endpoint.links)


def ports(services: Services, snapshot: Snapshot, reference: str) -> list[PortView]:
    """List the ports that are published, configured or exposed, by number; in mode ``container:X`` those of X."""
    container = references.container(snapshot, reference)
    owner = snapshot.network_owner_of(container) or container
    sockets = _sockets(services, snapshot, owner)
    exposed = {(int(port), protocol or "tcp") for port, _, protocol in map(_parted, owner.exposed_ports)}
    listed = (*owner.published_ports, *owner.configured_ports)
    numbers = exposed | {(port.container_port, port.protocol) for port in listed}
    return [
        PortView(
            container_port=number,
            protocol=protocol,
            exposed=(number, protocol) in exposed,
            published=_published_at(owner.published_ports, number, protocol),
            configured=_published_at(owner.configured_ports, number, protocol),
            listeners=_listeners(sockets, number, protocol),
        )
        for number, protocol in sorted(numbers)
    ]


def _parted(port: str) -> tuple[str, str, str]:
    return port.partition("/")


def _published_at(ports: tuple[PublishedPort, ...], number: int, protocol: str) -> tuple[PublishedPort, ...]:
    return tuple(port for port in ports if (port.container_port, port.protocol) == (number, protocol))


def _listeners(
    sockets: tuple[ListeningSocket, ...] | None, number: int, protocol: str
) -> tuple[ListeningSocket, ...] | None:
    if sockets is None or protocol not in LOOKED_FOR:
        return None
    return tuple(socket for socket in sockets if (socket.port, socket.protocol) == (number, protocol))


def _sockets(services: Services, snapshot: Snapshot, owner: Container) -> tuple[ListeningSocket, ...] | None:
    if not owner.running:
        return None
    observation = services.runner.observe(services.engine.place_of(snapshot, owner), ("sockets", "processes"))
    return observation.whole().sockets if observation else None
