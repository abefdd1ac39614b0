"""The path of the nodes: which machines there are beside this one, and what each says."""

from __future__ import annotations

from marshmallow import Schema, fields, validate

from service.api.contract import Answer, Asked, Resource
from service.api.fields import ReferenceSchema, described
from service.api.networks_schemas import PageQuery
from service.api.paging import page
from service.core.access import Role
from service.core.siblings import FORWARDED_HEADER, Node
from service.operations import swarm

RESOURCE = Resource("service", "The nodes of a swarm.")


class GapSchema(Schema):
    """A part of the answer that is missing."""

    node = fields.String(required=True, metadata=described("The node's id, or where its instance should be."))
    reason = fields.String(required=True, metadata=described("Why it is missing, in a sentence."))


class OverlaySchema(Schema):
    """An overlay network as a node knows it."""

    network = fields.Nested(ReferenceSchema, required=True, metadata=described("The network."))
    attachable = fields.Boolean(required=True, metadata=described("Whether containers may join it."))
    subnets = fields.List(fields.String(), required=True, metadata=described("Its subnets."))
    peers = fields.List(
        fields.String(), required=True, metadata=described("Addresses of the nodes that take part in it.")
    )


class SwarmNodeSchema(Schema):
    """A machine of the swarm."""

    id = fields.String(required=True, metadata=described("The swarm's id of it; outside of a swarm the engine's."))
    hostname = fields.String(required=True, metadata=described("Its host's name; several may have the same."))
    engine_id = fields.String(required=True, allow_none=True, metadata=described("Its engine's id."))
    address = fields.String(required=True, allow_none=True, metadata=described("Where the other nodes reach it."))
    instance = fields.String(
        required=True, allow_none=True, metadata=described("Where its instance of this service is; null for this one.")
    )
    engine_version = fields.String(required=True, allow_none=True, metadata=described("Its engine's version."))
    state = fields.String(
        required=True, validate=validate.OneOf(["unknown", "down", "ready", "disconnected"]),
        metadata=described("What the swarm's manager says; `unknown` where none is heard.", x_known_values=True),
    )  # fmt: skip
    manager = fields.Boolean(required=True, metadata=described("Whether it is a manager of the swarm."))
    here = fields.Boolean(required=True, metadata=described("Whether this answer comes from there."))
    reachable = fields.Boolean(
        required=True, metadata=described("Whether an instance of this service answers there now.")
    )
    reason = fields.String(required=True, allow_none=True, metadata=described("Why not."))
    overlays = fields.List(
        fields.Nested(OverlaySchema), required=True, metadata=described("Overlay networks it takes part in.")
    )


class SwarmNodesSchema(Schema):
    """Every node that is known of, this one first."""

    items = fields.List(fields.Nested(SwarmNodeSchema), required=True, metadata=described("The nodes."))
    next_cursor = fields.String(
        required=True, allow_none=True, metadata=described("The `cursor` of the next page; null on the last.")
    )
    gaps = fields.List(
        fields.Nested(GapSchema), required=True, data_key="partial",
        metadata=described("Nodes that say nothing, whatever the page."),
    )  # fmt: skip


def is_forwarded(asked: Asked) -> bool:
    """Whether a sibling asks: then the answer is about this node alone, and nobody else is asked."""
    return asked.headers.get(FORWARDED_HEADER) == "1"


def _key(node: Node) -> tuple[str, str]:
    return f"{'0' if node.here else '1'} {node.hostname}", node.id


@RESOURCE.operation("GET", "/v1/nodes", role=Role.VIEWER, query=PageQuery(), answers={200: SwarmNodesSchema})
def list_nodes(asked: Asked) -> Answer:
    """List the nodes of the swarm.

    As this engine, its manager and the other instances know them; one node where there is no swarm. A node that does
    not answer is listed with the reason, and named under `partial`.
    """
    found = swarm.survey(asked.house, asked.snapshot, forwarded=is_forwarded(asked))
    return Answer({**page(sorted(found.nodes, key=_key), asked, _key), "gaps": found.gaps})
