"""``GET /v1/nodes``: the machines of the swarm."""

from __future__ import annotations

from marshmallow import Schema, fields, validate

from bridgework.http.contract import RequestContext, Resource, ViewResult
from bridgework.http.fields import PageQuery, ReferenceSchema, described
from bridgework.http.paging import page
from bridgework.model.peers import FORWARDED_HEADER, Node

RESOURCE = Resource("service")


class GapSchema(Schema):
    """A swarm node whose part of the answer is missing."""

    node = fields.String(
        required=True, metadata=described("The id of the node, or the address where its service should be.")
    )
    reason = fields.String(required=True, metadata=described("Why the part is missing, in one sentence."))


class OverlaySchema(Schema):
    """An overlay network, as one node knows it."""

    network = fields.Nested(
        ReferenceSchema, required=True, metadata=described("The overlay network, by its id and its name.")
    )
    attachable = fields.Boolean(
        required=True, metadata=described("Whether containers outside of swarm services may join the network.")
    )
    subnets = fields.List(
        fields.String(), required=True, metadata=described("The subnets of the network in CIDR notation.")
    )
    peers = fields.List(
        fields.String(), required=True, metadata=described("The addresses of the nodes that take part in the network.")
    )


class SwarmNodeSchema(Schema):
    """A machine of the swarm; without a swarm, the machine of this engine."""

    id = fields.String(
        required=True, metadata=described("The id of the node in its swarm; without a swarm, the id of its engine.")
    )
    hostname = fields.String(
        required=True, metadata=described("The host name of the node; several nodes can have the same name.")
    )
    engine_id = fields.String(
        required=True,
        allow_none=True,
        metadata=described("The id of the engine on the node; null when it is not known."),
    )
    address = fields.String(
        required=True,
        allow_none=True,
        metadata=described("The address where other nodes reach this node; null without a swarm."),
    )
    instance = fields.String(
        required=True,
        allow_none=True,
        metadata=described("The address of this service on the node, as `host:port`; null on the node that answers."),
    )
    engine_version = fields.String(
        required=True,
        allow_none=True,
        metadata=described("The version of the engine on the node, such as `26.1.5`; null when it is not known."),
    )
    state = fields.String(
        required=True,
        validate=validate.OneOf(["unknown", "down", "ready", "disconnected"]),
        metadata=described(
            "The state of the node as a manager of the swarm reports it; `unknown` when none answers.",
            x_known_values=True,
        ),
    )
    manager = fields.Boolean(required=True, metadata=described("Whether the node is a manager of the swarm."))
    here = fields.Boolean(required=True, metadata=described("Whether the node is the one that answers this request."))
    reachable = fields.Boolean(required=True, metadata=described("Whether this service answers on the node now."))
    reason = fields.String(
        required=True,
        allow_none=True,
        metadata=described("Why the service on the node does not answer; null when it does."),
    )
    overlays = fields.List(
        fields.Nested(OverlaySchema),
        required=True,
        metadata=described("The overlay networks that the node takes part in."),
    )


class SwarmNodesSchema(Schema):
    """One page of nodes, the node that answers first."""

    items = fields.List(
        fields.Nested(SwarmNodeSchema), required=True, metadata=described("The nodes on this page of the list.")
    )
    next_cursor = fields.String(
        required=True,
        allow_none=True,
        metadata=described("The `cursor` that the request for the next page needs; null on the last page."),
    )
    gaps = fields.List(
        fields.Nested(GapSchema), required=True, data_key="partial",
        metadata=described("The nodes that did not answer; the same on every page."),
    )  # fmt: skip


def is_forwarded(context: RequestContext) -> bool:
    """Return whether a peer sent the request; its answer is about this node alone, so no request goes in a circle."""
    return context.headers.get(FORWARDED_HEADER) == "1"


def _key(node: Node) -> tuple[str, str]:
    return f"{'0' if node.here else '1'} {node.hostname}", node.id


@RESOURCE.get("/v1/nodes", SwarmNodesSchema, query=PageQuery())
def list_nodes(context: RequestContext) -> ViewResult:
    """List the nodes of the swarm.

    The list combines what this engine, the swarm's manager and the service on other nodes report. Without a swarm it
    holds one node. A node that does not answer is listed with the reason, and is also named under `partial`.
    """
    found = context.services.peers().survey(context.snapshot, forwarded=is_forwarded(context))
    return ViewResult({**page(sorted(found.nodes, key=_key), context, _key), "gaps": found.gaps})
