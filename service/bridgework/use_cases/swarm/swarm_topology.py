"""One picture of the whole swarm: this engine's, and what every other instance pictures of its own.

An overlay network has one id on all nodes, so it is one node of the graph, tied to the hosts that take part. What each
host has of its own under the same id everywhere (the host, its interfaces) gets the node's id behind it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from bridgework.model import references
from bridgework.model.peers import Gap, Node
from bridgework.model.snapshot import Snapshot
from bridgework.topology.graph import HOST_ID, Edge, Topology
from bridgework.topology.graph import Node as Vertex
from bridgework.use_cases.diagnosis import TopologyFilter, topology
from bridgework.use_cases.services import Services
from bridgework.use_cases.swarm import nodes


@dataclass(frozen=True, slots=True)
class SwarmTopology:
    """The graph, and the nodes that are missing in it."""

    topology: Topology
    gaps: tuple[Gap, ...]


def swarm_topology(services: Services, snapshot: Snapshot, wanted: TopologyFilter) -> SwarmTopology:
    """Picture every node. Those that are silent stand there alone, marked ``gone``."""
    own = topology(services, snapshot, wanted)
    found = services.peers.topologies(_query(snapshot, wanted)) if services.peers else ()
    surveyed = nodes.surveyed(services, nodes.local_node(services, snapshot), (report for report, _ in found))
    documents = {report.instance: document for report, document in found if document is not None}
    vertices = {vertex.id: vertex for vertex in own.nodes}
    edges = list(own.edges)
    for node in surveyed.nodes:
        part = _part(node, documents.get(node.instance or ""))
        for vertex in part.nodes:
            vertices[vertex.id] = _merged(vertices.get(vertex.id), vertex)
        edges += part.edges
    known = (edge for edge in edges if edge.source in vertices and edge.target in vertices)
    whole = Topology(
        tuple(sorted(vertices.values(), key=lambda v: (v.kind, v.name, v.id))),
        tuple(sorted(known, key=lambda e: (e.kind, e.source, e.target, str(e.attributes)))),
    )
    return SwarmTopology(whole, surveyed.gaps)


def _query(snapshot: Snapshot, wanted: TopologyFilter) -> dict[str, str]:
    """The same filters for the others; a network by its id, which an overlay has everywhere."""
    network = references.network(snapshot, wanted.network).id if wanted.network else None
    given = {"network": network, "label": wanted.label, "project": wanted.project}
    query = {name: value for name, value in given.items() if value is not None}
    return query | ({"links": "true"} if wanted.links else {})


def _part(node: Node, document: Mapping[str, Any] | None) -> Topology:
    """A node's host and its ties to overlay networks, and what its instance pictured."""
    host = HOST_ID if node.here else f"{HOST_ID}:{node.id}"
    about: dict[str, Any] = {"node": node.id, "address": node.address, "reachable": node.reachable}
    if not node.reachable:
        about |= {"gone": True, "reason": node.reason}
    vertices = [Vertex(host, "host", HOST_ID if node.here else node.hostname, about)]
    ties = [
        Edge(place.network.id, host, "host-link", {"peers": list(place.peers)})
        for place in node.overlays
        if node.reachable
    ]
    if document is None:
        return Topology(tuple(vertices), tuple(ties))
    names = {raw["id"]: _renamed(raw["id"], node.id) for raw in document["nodes"]}
    for raw in document["nodes"]:
        attributes = raw["attributes"] | {"host": about, "container": {"node": node.id}}.get(raw["kind"], {})
        label = node.hostname if raw["kind"] == "host" else raw["name"]
        vertices.append(Vertex(names[raw["id"]], raw["kind"], label, attributes))
    return Topology(tuple(vertices), (*ties, *_edges(document, names)))


def _edges(document: Mapping[str, Any], names: Mapping[str, str]) -> Iterator[Edge]:
    """The instance's ties; one to its network ``host`` says no more than the one to its host, which is there too."""
    hosts = {raw["id"] for raw in document["nodes"] if raw["attributes"].get("driver") == "host"}
    for raw in document["edges"]:
        if raw["target"] not in hosts:
            yield Edge(names[raw["source"]], names[raw["target"]], raw["kind"], raw["attributes"])


def _renamed(identity: str, node_id: str) -> str:
    own = identity == HOST_ID or identity.startswith("interface:")
    return f"{identity}:{node_id}" if own else identity


def _merged(known: Vertex | None, more: Vertex) -> Vertex:
    """What two nodes tell of one thing; endpoints of a network are counted together."""
    if known is None:
        return more
    attributes = {**more.attributes, **known.attributes}
    counts = [v.attributes["endpoint_count"] for v in (known, more) if "endpoint_count" in v.attributes]
    if counts:
        attributes["endpoint_count"] = sum(counts)
    return replace(known, attributes=attributes)
