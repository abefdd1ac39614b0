"""One graph of the whole swarm: this engine's, joined with the graph of every other instance.

An overlay network has one id on all nodes, so it is one node of the graph, with an edge to each host that takes part.
The host and its interfaces have the same id on every node, so those of another node get the node's id appended.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from bridgework.model import references
from bridgework.model.peers import Gap, Node
from bridgework.model.snapshot import Snapshot
from bridgework.model.topology_graph import HOST_ID, Edge, Topology, TopologyFilter
from bridgework.model.topology_graph import Node as Vertex
from bridgework.peers.survey import Sources, local_node, survey


def swarm_topology(
    sources: Sources, snapshot: Snapshot, own: Topology, chosen: TopologyFilter
) -> tuple[Topology, tuple[Gap, ...]]:
    """See ``Peers.topology``. The host of a silent node has no edges and the attribute ``gone``."""
    answers = sources.instances.topologies(_query(snapshot, chosen)) if sources.instances else ()
    surveyed = survey(sources, local_node(sources, snapshot), [report for report, _ in answers])
    documents = {report.instance: document for report, document in answers if document is not None}
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
    return whole, surveyed.gaps


def _query(snapshot: Snapshot, chosen: TopologyFilter) -> dict[str, str]:
    """Return the same filters for the instances; a network by its id, which an overlay network has on every node."""
    network = references.network(snapshot, chosen.network).id if chosen.network else None
    given = {"network": network, "label": chosen.label, "project": chosen.project}
    query = {name: value for name, value in given.items() if value is not None}
    return query | ({"links": "true"} if chosen.links else {})


def _part(node: Node, document: Mapping[str, Any] | None) -> Topology:
    """Return a node's host, its edges to overlay networks, and the graph of its instance."""
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
    """Return the edges of an instance's graph.

    An edge to its network ``host`` is left out: the edge to its host says the same.
    """
    hosts = {raw["id"] for raw in document["nodes"] if raw["attributes"].get("driver") == "host"}
    for raw in document["edges"]:
        if raw["target"] not in hosts:
            yield Edge(names[raw["source"]], names[raw["target"]], raw["kind"], raw["attributes"])


def _renamed(identity: str, node_id: str) -> str:
    own = identity == HOST_ID or identity.startswith("interface:")
    return f"{identity}:{node_id}" if own else identity


def _merged(known: Vertex | None, more: Vertex) -> Vertex:
    """Merge what two nodes say about one thing; the counts of a network's endpoints are added up."""
    if known is None:
        return more
    attributes = {**more.attributes, **known.attributes}
    counts = [v.attributes["endpoint_count"] for v in (known, more) if "endpoint_count" in v.attributes]
    if counts:
        attributes["endpoint_count"] = sum(counts)
    return replace(known, attributes=attributes)
