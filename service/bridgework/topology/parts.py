"""Nodes and edges of a topology, with the facts that they show."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from bridgework.explanations.compose import PROJECT as COMPOSE_PROJECT
from bridgework.model.observations import HostObservation, Interface, Observation
from bridgework.model.snapshot import Container, Endpoint, Network, PublishedPort, Snapshot
from bridgework.model.topology_graph import HOST_ID, Edge, Node
from bridgework.policy.access import PROJECT_LABEL
from bridgework.topology.host_links import HostLinks, interface_of, share_state

_PARENTED = frozenset({"macvlan", "ipvlan"})
_DEFAULT_ROUTES = frozenset({"0.0.0.0/0", "::/0"})


@dataclass(frozen=True, slots=True)
class Kept:
    """The sources of a graph: what the filters kept of the snapshot, and observations."""

    snapshot: Snapshot
    networks: Sequence[Network]
    containers: Sequence[Container]
    host: HostObservation | None
    observations: Mapping[str, Observation]
    links: HostLinks | None


def nodes_of(kept: Kept) -> Iterator[Node]:
    """Yield a node for each network, each container, the host, and its interfaces that have an edge."""
    for network in kept.networks:
        yield Node(network.id, "network", network.name, _network(network, kept.snapshot))
    for container in kept.containers:
        yield Node(container.id, "container", container.name, _container(container))
    host = kept.host
    forwarding = {"ipv4_forwarding": host.ipv4_forwarding, "ipv6_forwarding": host.ipv6_forwarding} if host else {}
    yield Node(HOST_ID, "host", HOST_ID, forwarding)
    parents = {parent for parent in map(_parent, kept.networks) if parent}
    for name in parents | _default_interfaces(host):
        interface = kept.links.by_name.get(name) if kept.links else None
        yield Node(f"interface:{name}", "interface", name, _interface(interface))


def edges_of(kept: Kept) -> Iterator[Edge]:
    """Yield all edges, also those to things that are not among the nodes."""
    for interface in _default_interfaces(kept.host):
        yield Edge(HOST_ID, f"interface:{interface}", "uplink")
    for network in kept.networks:
        parent = _parent(network)
        if parent:
            yield Edge(network.id, f"interface:{parent}", "uplink")
        if network.bridge_name:
            yield Edge(network.id, HOST_ID, "host-link", {"bridge_name": network.bridge_name})
    inodes = {container_id: observation.inode for container_id, observation in kept.observations.items()}
    for container in kept.containers:
        yield from _edges_of_container(container, kept, inodes)


def _edges_of_container(container: Container, kept: Kept, inodes: Mapping[str, int]) -> Iterator[Edge]:
    observation = kept.observations.get(container.id)
    for endpoint in container.endpoints:
        yield Edge(container.id, endpoint.network_id, "endpoint", _endpoint(endpoint, observation, kept.links))
    if container.host_mode:
        yield Edge(container.id, HOST_ID, "host-link")
    if container.shares_with:
        state = share_state(kept.snapshot, container, inodes)
        yield Edge(container.id, container.shares_with, "shares-network", {"share_state": state})


def projects_of(labels: Mapping[str, str]) -> list[str]:
    """Return the projects of a thing: the one of Docker Compose, then the one of this service."""
    return [labels[key] for key in (COMPOSE_PROJECT, PROJECT_LABEL) if labels.get(key)]


def _network(network: Network, snapshot: Snapshot) -> dict[str, Any]:
    return {
        "bridge_name": network.bridge_name,
        "builtin": network.builtin,
        "driver": network.driver,
        "endpoint_count": len(snapshot.endpoints_of(network)),
        "inter_container": network.inter_container_enabled,
        "internal": network.internal,
        "project": next(iter(projects_of(network.labels)), None),
        "scope": network.scope,
        "subnets": [pool.subnet for pool in network.pools],
    }


def _container(container: Container) -> dict[str, Any]:
    return {
        "image": container.image,
        "network_mode": container.network_mode,
        "project": next(iter(projects_of(container.labels)), None),
        "published_ports": sorted(_port(port) for port in container.published_ports),
        "running": container.running,
        "state": container.state,
    }


def _port(port: PublishedPort) -> str:
    where = f"[{port.host_ip}]" if ":" in port.host_ip else port.host_ip or "0.0.0.0"
    return f"{where}:{port.host_port or '?'}->{port.container_port}/{port.protocol}"


def _interface(interface: Interface | None) -> dict[str, Any]:
    if interface is None:
        return {}
    addresses = sorted(f"{address.address}/{address.prefix_len}" for address in interface.addresses)
    return {"addresses": addresses, "mtu_bytes": interface.mtu_bytes, "state": interface.state}


def _endpoint(endpoint: Endpoint, observation: Observation | None, links: HostLinks | None) -> dict[str, Any]:
    active = endpoint.state == "active"
    inside = interface_of(endpoint, observation) if active else None
    outside = links.peer_of(inside) if inside and links else None
    return {
        "aliases": sorted(endpoint.aliases),
        "interface": inside.name if inside else None,
        "ipv4_address": endpoint.ipv4_address if active else endpoint.configured_ipv4,
        "ipv6_address": endpoint.ipv6_address if active else endpoint.configured_ipv6,
        "mac_address": endpoint.mac_address,
        "state": endpoint.state,
        "veth": outside.name if outside else None,
    }


def _parent(network: Network) -> str | None:
    return network.options.get("parent") or None if network.driver in _PARENTED else None


def _default_interfaces(host: HostObservation | None) -> set[str]:
    routes = (host.observation.routes if host else None) or ()
    return {route.interface for route in routes if route.destination in _DEFAULT_ROUTES and route.interface}
