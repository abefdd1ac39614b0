"""The query and the schemas of the topology."""

from __future__ import annotations

from marshmallow import Schema, fields

from bridgework.http.resources.nodes import GapSchema
from bridgework.http.schemas.answers import Plain, list_of, text, word
from bridgework.http.schemas.fields import Choice, Strict, Text, absent, optional, required
from bridgework.http.schemas.findings import LimitationSchema
from bridgework.http.schemas.queries import QueryFlag, QueryWhole


class NodeSchema(Schema):
    """A node of the topology graph: a container, a network, an interface or the host."""

    id = text(
        "The Docker id, `host` or `interface:<name>`. On another swarm node, the node's id is appended to the last two."
    )
    kind = word("The kind of thing that this node stands for.", "container host interface network")
    name = text("The name of the thing that this node stands for.")
    attributes = fields.Dict(
        **required("Further facts by name; for a container its `image`, `state` and `network_mode`, for example.")
    )


class EdgeSchema(Schema):
    """A connection between two nodes of the topology graph."""

    source = text("The `id` of the node that the edge starts at.")
    target = text("The `id` of the node that the edge ends at.")
    kind = word(
        "The kind of connection, such as `endpoint` between a container and a network.",
        "endpoint host-link shares-network uplink",
    )
    attributes = fields.Dict(
        **required("Further facts by name; for an endpoint its `ipv4_address` and `aliases`, for example.")
    )


class TopologySchema(Schema):
    """Networks, containers and interfaces as a graph, in a stable order."""

    nodes = Plain(
        fields.Nested(NodeSchema), **required("The nodes of the graph: containers, networks, interfaces and the host.")
    )
    edges = Plain(fields.Nested(EdgeSchema), **required("The edges of the graph: how the nodes are connected."))
    limited = list_of(
        LimitationSchema, "What of the host and of the containers is not in the graph, and how to get it."
    )
    gaps = list_of(GapSchema, "The swarm nodes that did not answer; their containers are missing.", data_key="partial")


class TopologyQuery(Strict):
    """What the picture is of."""

    network = Text(min_length=1, **absent("Only this network and its containers, by its name or id."))
    label = Text(min_length=1, **absent("Only networks and containers with this label, `key` or `key=value`."))
    project = Text(
        min_length=1, **absent("Only networks and containers of this project of Docker Compose or of the service.")
    )
    links = QueryFlag(
        **optional("Show the veths on the host too. This inspects the namespace of every container.", False)
    )
    scope = Choice(
        ["engine", "swarm"],
        **optional("Whether to show only this engine, or also the nodes of its swarm that answer.", "engine"),
    )
    fold = QueryWhole(
        1, 10_000, **absent("Graphviz, Mermaid and SVG show a larger group of containers as one node; 20 by default.")
    )
