"""What is inside a container's network namespace and on the engine's host. The image needs no tools for it.

Each answer comes from one observation by the probe runner. What could not be observed is ``None``, never an empty list.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from bridgework.model import references
from bridgework.model.actions import StartContainer
from bridgework.model.errors import BridgeworkError, Conflict, Remedy
from bridgework.model.observations import Interface, ListeningSocket, Neighbour, Observation, Route
from bridgework.model.probe_port import Aspect
from bridgework.model.snapshot import Container, Network, Reference, Snapshot
from bridgework.topology.host_links import HostLinks, host_links, interface_of
from bridgework.use_cases.services import Services

_Item = TypeVar("_Item")


@dataclass(frozen=True, slots=True)
class Part(Generic[_Item]):
    """The items that were read. ``truncated`` says that the container has more of them."""

    items: Sequence[_Item]
    truncated: bool


@dataclass(frozen=True, slots=True)
class BridgeView:
    """A bridge of the host, and the Docker network that owns it."""

    index: int
    name: str
    network: Network | None


@dataclass(frozen=True, slots=True)
class InterfaceView:
    """An interface of a container. ``peer`` is its other end on the host, ``bridge`` the bridge of that end."""

    interface: Interface
    network: Network | None = None
    peer: Interface | None = None
    bridge: BridgeView | None = None


@dataclass(frozen=True, slots=True)
class HostLinkView:
    """An interface of the host: the container and network that a veth serves, the ports that a bridge has."""

    interface: Interface
    bridge: Interface | None
    ports: tuple[Interface, ...]
    network: Network | None
    container: Reference | None
    orphan: bool


@dataclass(frozen=True, slots=True)
class HostView:
    """The host's interfaces and routes. ``truncated`` says that there are more than were read."""

    links: tuple[HostLinkView, ...]
    routes: tuple[Route, ...]
    truncated: bool


def interfaces(services: Services, snapshot: Snapshot, reference: str) -> Part[InterfaceView]:
    """List the interfaces of a container, with the other ends of its veths on the host. Raises ``Conflict``."""
    container = references.container(snapshot, reference)
    observation = look(services, snapshot, container, ("interfaces",))
    host = services.runner.observe(services.engine.host_place(snapshot), ("interfaces",))
    inside = observation.interfaces or ()
    wires = host_links(snapshot, (host.interfaces or ()) if host else ())
    at_host = host is not None and host.inode == observation.inode
    ends = {} if at_host else wires.pairs(inside)
    networks = _networks_inside(snapshot, container, observation)
    views = []
    for interface in inside:
        peer = ends.get(interface.index)
        bridge = wires.master(interface if at_host else peer)
        shown = BridgeView(bridge.index, bridge.name, wires.network_of(bridge)) if bridge else None
        views.append(InterfaceView(interface, networks.get(interface.index), peer, shown))
    return Part(views, "interfaces" in observation.truncated)


def _networks_inside(snapshot: Snapshot, container: Container, observation: Observation) -> dict[int, Network]:
    """Map the index of each interface to the network whose endpoint it carries, found by MAC or IP address."""
    owner = snapshot.network_owner_of(container)
    by_index = {}
    for endpoint in owner.endpoints if owner else ():
        interface = interface_of(endpoint, observation) if endpoint.state == "active" else None
        if interface is not None and endpoint.network_id in snapshot.networks_by_id:
            by_index[interface.index] = snapshot.networks_by_id[endpoint.network_id]
    return by_index


def routes(services: Services, snapshot: Snapshot, reference: str) -> Part[Route]:
    """List the routes of the main tables for IPv4 and IPv6. Raises ``Conflict``."""
    observation = look(services, snapshot, references.container(snapshot, reference), ("routes",))
    return Part(observation.routes or (), "routes" in observation.truncated)


def neighbours(services: Services, snapshot: Snapshot, reference: str) -> Part[Neighbour]:
    """List the entries of the ARP and NDP tables. Raises ``Conflict``."""
    observation = look(services, snapshot, references.container(snapshot, reference), ("neighbours",))
    return Part(observation.neighbours or (), "neighbours" in observation.truncated)


def sockets(services: Services, snapshot: Snapshot, reference: str) -> Part[ListeningSocket]:
    """List the listening sockets. Raises ``Conflict``."""
    container = references.container(snapshot, reference)
    observation = look(services, snapshot, container, ("sockets", "processes"))
    if observation.sockets is None and "sockets" not in observation.truncated:
        raise _out_of_reach(services, f"The kernel does not show the listening sockets of {container.name}")
    return Part(observation.sockets or (), "sockets" in observation.truncated)


def host_view(services: Services, snapshot: Snapshot) -> HostView:
    """Describe the interfaces and routes of the host. Raises ``Conflict`` (``namespace-out-of-reach``)."""
    host = services.runner.observe(services.engine.host_place(snapshot), ("interfaces", "routes"))
    if host is None:
        raise _out_of_reach(services, "The network namespace of the engine's host cannot be entered from here")
    links = host.interfaces or ()
    wires = host_links(snapshot, links)
    served = dict(_served(services, snapshot, wires))
    views = tuple(_host_link(wires, link, served) for link in links)
    return HostView(views, host.routes or (), truncated=bool(host.truncated))


def _host_link(wires: HostLinks, link: Interface, served: dict[int, tuple[Reference, Network | None]]) -> HostLinkView:
    bridge = wires.master(link)
    container, network = served.get(link.index, (None, None))
    return HostLinkView(
        interface=link,
        bridge=bridge,
        ports=wires.ports(link) if link.kind == "bridge" else (),
        network=network or wires.network_of(link) or wires.network_of(bridge),
        container=container,
        orphan=wires.is_orphan(link),
    )


def _served(
    services: Services, snapshot: Snapshot, wires: HostLinks
) -> Iterator[tuple[int, tuple[Reference, Network | None]]]:
    """Yield the index of each veth on the host with the container at its other end and the network it serves."""
    for container in snapshot.containers:
        own = container.running and container.shares_with is None and not container.host_mode
        if not own or not any(endpoint.state == "active" for endpoint in container.endpoints):
            continue
        observation = services.links.of(services.runner, snapshot, services.engine.place_of(snapshot, container))
        if observation is None:
            continue
        networks = _networks_inside(snapshot, container, observation)
        for index, end in wires.pairs(observation.interfaces or ()).items():
            yield end.index, (Reference(container.id, container.name), networks.get(index))


def look(services: Services, snapshot: Snapshot, container: Container, aspects: tuple[Aspect, ...]) -> Observation:
    """Observe a container. Raises ``Conflict``: ``container-not-running`` or ``namespace-out-of-reach``."""
    if not container.running:
        raise _not_running(container)
    observation = services.runner.observe(services.engine.place_of(snapshot, container), aspects)
    if observation is not None:
        return observation
    now = references.container(services.engine.snapshot(), container.id)
    if not now.running:
        raise _not_running(now)
    raise _out_of_reach(services, f"The network namespace of {container.name} cannot be entered from here")


def _not_running(container: Container) -> BridgeworkError:
    return Conflict(
        code="container-not-running",
        detail=f"{container.name} is {container.state}: it has a network namespace only while it runs.",
        remedy=Remedy("Start the container.", (StartContainer(container.id),)),
        facts={"container": {"id": container.id, "name": container.name, "state": container.state}},
    )


def _out_of_reach(services: Services, sentence: str) -> BridgeworkError:
    status = services.runner.status()
    why = "" if status.kind == "namespace" else f": {status.reason}"
    return Conflict(
        code="namespace-out-of-reach",
        detail=f"{sentence}{why}.",
        remedy=Remedy("Run the service where it can enter the engine's namespaces; see `missing`."),
        facts={"runner": status.kind, "missing": list(status.missing)},
    )
