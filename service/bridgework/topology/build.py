"""The snapshot as a graph of networks, containers, the host and its interfaces.

Nodes and edges are sorted, so two exports differ only where the engine does. The target of an edge is always a node: a
network or an owner that is gone is a node with the attribute ``gone``.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from operator import attrgetter

from bridgework.model.observations import HostObservation, Observation
from bridgework.model.snapshot import Container, Network, Snapshot
from bridgework.model.topology_graph import Edge, Node, Topology
from bridgework.topology.host_links import host_links
from bridgework.topology.parts import Kept, edges_of, nodes_of, projects_of


def build(
    snapshot: Snapshot,
    *,
    host: HostObservation | None = None,
    observations: Mapping[str, Observation] | None = None,
    network_ids: Collection[str] | None = None,
    label: str | None = None,
    project: str | None = None,
) -> Topology:
    """Return the graph of everything, or of what the filters keep.

    ``network_ids`` keeps these networks and their containers. ``label`` (``key`` or ``key=value``) and ``project`` keep
    what has them, the networks of a kept container, and the containers of a kept network.
    """
    networks, containers = _select(snapshot, network_ids, label, project)
    interfaces = host.observation.interfaces if host else None
    links = host_links(snapshot, interfaces) if interfaces is not None else None
    kept = Kept(snapshot, networks, containers, host, observations or {}, links)
    nodes = {node.id: node for node in nodes_of(kept)}
    edges = list(edges_of(kept))
    nodes |= {ghost.id: ghost for ghost in _ghosts(snapshot, edges) if ghost.id not in nodes}
    between = (edge for edge in edges if edge.source in nodes and edge.target in nodes)
    return Topology(
        tuple(sorted(nodes.values(), key=attrgetter("kind", "name", "id"))),
        tuple(sorted(between, key=attrgetter("kind", "source", "target"))),
    )


def _ghosts(snapshot: Snapshot, edges: Iterable[Edge]) -> list[Node]:
    """Return nodes for what is named but no longer there."""
    networks = snapshot.endpoints_by_network.keys() - snapshot.networks_by_id.keys()
    owners = snapshot.sharers_by_owner.keys() - snapshot.containers_by_id.keys()
    if not networks and not owners:
        return []
    named = {edge.target for edge in edges}
    gone = {"gone": True, "running": False, "state": "gone"}
    names = {key: snapshot.endpoints_by_network[key][0].network_name for key in networks & named}
    return [Node(key, "network", name, {"gone": True}) for key, name in names.items()] + [
        Node(key, "container", key[:12], gone) for key in owners & named
    ]


def _select(
    snapshot: Snapshot, network_ids: Collection[str] | None, label: str | None, project: str | None
) -> tuple[list[Network], list[Container]]:
    networks, containers = list(snapshot.networks), list(snapshot.containers)
    if label is not None or project is not None:
        networks, containers = _with_labels(networks, containers, label, project)
    if network_ids is not None:
        chosen_ids = set(network_ids)
        networks = [network for network in networks if network.id in chosen_ids]
        on = {c.id for c in containers if any(e.network_id in chosen_ids for e in c.endpoints)}
        containers = [c for c in containers if c.id in on or c.shares_with in on]
    return networks, containers


def _with_labels(
    networks: list[Network], containers: list[Container], label: str | None, project: str | None
) -> tuple[list[Network], list[Container]]:
    kept_networks = {n.id for n in networks if _carries(n.labels, label, project)}
    kept = [c for c in containers if _carries(c.labels, label, project)]
    ids = {c.id for c in kept}
    around = kept_networks | {e.network_id for c in kept for e in c.endpoints}
    shared = ids | {c.shares_with for c in kept if c.shares_with}
    return [n for n in networks if n.id in around], [
        c
        for c in containers
        if c.id in shared or c.shares_with in ids or any(e.network_id in kept_networks for e in c.endpoints)
    ]


def _carries(labels: Mapping[str, str], label: str | None, project: str | None) -> bool:
    if project is not None and project not in projects_of(labels):
        return False
    key, equals, value = (label or "").partition("=")
    return label is None or (key in labels and (not equals or labels[key] == value))
